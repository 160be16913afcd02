//! POST requests to customers' addresses over HTTP/1.1 (RFC 9112). The status line decides: if the headers or the body
//! after it are cut off, what was received still counts.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use domain::ssrf::AllowedNetworks;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::connect::{ConnectError, MaybeTlsStream, ShutdownGuard, connect};
use crate::idle::IdleConnections;
use crate::limits::{MAX_HEADERS, USER_AGENT_VALUE};

/// Bytes of a response's body that are read (realtime, H-2).
const MAX_BODY: usize = 16 << 10;
/// Bytes of a response that are recorded as they come, for the case that its head is never complete.
const MAX_RECORDED: usize = 16 << 10;

/// Sends POST requests over a pool of connections.
pub struct PostClient {
    allowed: AllowedNetworks,
    idle: IdleConnections<PooledConnection>,
}

/// Timeouts of a request. `response` runs from the beginning, and ends the body as well; `body` runs from the response's
/// headers on.
#[derive(Debug, Clone, Copy)]
pub struct PostTimeouts {
    pub response: Duration,
    pub body: Duration,
}

/// A response, as far as it was received.
#[derive(Debug)]
pub struct PostResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// At most 16 KiB.
    pub body: Vec<u8>,
    /// Whether the body was received to its end, or to that size.
    pub complete: bool,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{0}")]
    Transport(String),
    #[error("nothing came in time")]
    Timeout,
}

/// A connection, and the bytes received since its last request.
struct PooledConnection {
    sender: SendRequest<Full<Bytes>>,
    traffic: SharedTraffic,
    /// Held by the stream.
    socket: Weak<ShutdownGuard>,
}

impl PooledConnection {
    /// Whether a request can be sent: neither side has closed it, and nothing came that no request asked for. The socket is
    /// asked, because after a pause of the whole process (Lambda freezes it) the runtime does not know yet what came.
    fn is_usable(&self) -> bool {
        !self.sender.is_closed() && self.socket.upgrade().is_some_and(|it| it.is_quiet())
    }
}

/// What went over a connection since its last request.
#[derive(Clone, Default)]
struct SharedTraffic(Arc<Mutex<Traffic>>);

#[derive(Default)]
struct Traffic {
    /// The beginning of what was received.
    received: Vec<u8>,
    /// Whether any byte was sent.
    sent: bool,
}

impl PostClient {
    /// A client without open connections.
    pub fn new(allowed: AllowedNetworks) -> Self {
        Self { allowed, idle: IdleConnections::default() }
    }

    /// Sends one request. If an idle connection turns out to be closed before anything was sent, another one is used. After
    /// that the request is not repeated here, because the server may have handled it (RFC 9110, section 9.2.2).
    ///
    /// # Errors
    /// If no status line is received in time.
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        timeouts: PostTimeouts,
    ) -> Result<PostResponse, PostError> {
        let request = request(url, headers, body)?;
        let (origin, deadline) = (url.origin().ascii_serialization(), Instant::now() + timeouts.response);
        while let Some(connection) = self.idle.take(&origin, PooledConnection::is_usable) {
            match self.send(connection, &origin, request.clone(), deadline, timeouts).await {
                Err((PostError::Transport(_), false)) => {} // it was closed
                Err((error, _)) => return Err(error),
                Ok(response) => return Ok(response),
            }
        }
        let connection = timeout_at(deadline, self.open_connection(url)).await.map_err(|_| PostError::Timeout)??;
        self.send(connection, &origin, request, deadline, timeouts).await.map_err(|it| it.0)
    }

    async fn open_connection(&self, url: &Url) -> Result<PooledConnection, PostError> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or(443);
        let (stream, shutdown) = connect(host, port, url.scheme() == "https", &self.allowed).await?;
        let (traffic, shutdown) = (SharedTraffic::default(), Arc::new(shutdown));
        let socket = Arc::downgrade(&shutdown);
        let recording = RecordingStream { stream, traffic: traffic.clone(), _shutdown: shutdown };
        let mut builder = Builder::new();
        builder.max_headers(MAX_HEADERS).ignore_invalid_headers_in_responses(true);
        builder.allow_obsolete_multiline_headers_in_responses(true).allow_spaces_after_header_name_in_responses(true);
        let (sender, connection) = builder.handshake(TokioIo::new(recording)).await.map_err(transport_error)?;
        tokio::spawn(connection); // ends when its sender and the body are dropped
        Ok(PooledConnection { sender, traffic, socket })
    }

    /// Sends a request over a connection. An error says whether any byte of it was sent.
    async fn send(
        &self,
        mut connection: PooledConnection,
        origin: &str,
        request: Request<Full<Bytes>>,
        deadline: Instant,
        timeouts: PostTimeouts,
    ) -> Result<PostResponse, (PostError, bool)> {
        *connection.traffic.lock() = Traffic::default();
        let call = async {
            connection.sender.ready().await?;
            connection.sender.send_request(request).await
        };
        let error = match timeout_at(deadline, call).await {
            Ok(Ok(response)) => {
                let (head, body) = response.into_parts();
                let (body, ended, complete) = read_body(body, deadline.min(Instant::now() + timeouts.body)).await;
                if ended {
                    self.idle.put(origin, connection);
                }
                return Ok(PostResponse { status: head.status, headers: head.headers, body, complete });
            }
            Ok(Err(error)) => transport_error(error),
            Err(_) => PostError::Timeout,
        };
        let traffic = connection.traffic.lock();
        match parse_head(&traffic.received) {
            Some((status, headers)) => Ok(PostResponse { status, headers, body: Vec::new(), complete: false }),
            None => Err((error, traffic.sent)),
        }
    }
}

fn request(url: &Url, headers: HeaderMap, body: Bytes) -> Result<Request<Full<Bytes>>, PostError> {
    let invalid = |it: &dyn std::fmt::Display| PostError::Transport(format!("the address is no target of HTTP: {it}"));
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut request = Request::post(target).body(Full::new(body)).map_err(|it| invalid(&it))?;
    *request.headers_mut() = headers;
    request.headers_mut().insert(HOST, host.parse().map_err(|it| invalid(&it))?);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE));
    Ok(request)
}

/// What is received of a body until the deadline; whether the body ended; whether it is complete, or as long as is read.
async fn read_body(mut body: Incoming, deadline: Instant) -> (Vec<u8>, bool, bool) {
    let mut all = Vec::new();
    loop {
        match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                let data = frame.data_ref().map_or(&[][..], |it| it);
                all.extend_from_slice(&data[..data.len().min(MAX_BODY - all.len())]);
                if all.len() == MAX_BODY {
                    return (all, false, true);
                }
            }
            Ok(None) => return (all, true, true),
            Ok(Some(Err(_))) | Err(_) => return (all, false, false),
        }
    }
}

/// Status and headers of the beginning of a response, as far as whole lines were received. Interim responses (1xx) are
/// skipped.
fn parse_head(received: &[u8]) -> Option<(StatusCode, HeaderMap)> {
    let end = received.iter().rposition(|it| *it == b'\n')?;
    let text = String::from_utf8_lossy(&received[..end]);
    let mut lines = text.split('\n').map(|it| it.trim_end_matches('\r'));
    loop {
        let mut words = lines.next()?.split(' ');
        let version = words.next()?;
        let code = words.next()?;
        if !version.starts_with("HTTP/1.") || code.len() != 3 {
            return None;
        }
        let status = StatusCode::from_bytes(code.as_bytes()).ok()?;
        let mut headers = HeaderMap::new();
        let mut ended = false;
        for line in lines.by_ref() {
            if line.is_empty() {
                ended = true;
                break;
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            let name = HeaderName::from_bytes(name.trim_end().as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value.trim())) {
                headers.append(name, value);
            }
        }
        if !status.is_informational() {
            return Some((status, headers));
        }
        if !ended {
            return None;
        }
    }
}

fn transport_error(error: hyper::Error) -> PostError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    PostError::Transport(cause.to_string().chars().take(200).collect())
}

impl SharedTraffic {
    fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that records whether anything was sent, and the beginning of what it receives.
struct RecordingStream {
    stream: MaybeTlsStream,
    traffic: SharedTraffic,
    _shutdown: Arc<ShutdownGuard>,
}

impl AsyncRead for RecordingStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = to.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, to);
        let new = &to.filled()[before..];
        let mut traffic = self.traffic.lock();
        let room = MAX_RECORDED.saturating_sub(traffic.received.len());
        traffic.received.extend_from_slice(&new[..new.len().min(room)]);
        polled
    }
}

impl AsyncWrite for RecordingStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, from);
        self.traffic.lock().sent |= matches!(polled, Poll::Ready(Ok(1..)));
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
