//! The HTTP server. A connection whose request is dropped by a fault is closed without an answer, which a web framework's
//! router cannot do.

use std::io;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::api::{self, IncomingRequest};
use crate::clock::pause;
use crate::control;
use crate::emulator::StripeEmulator;

/// The largest body that is read: 1 MiB.
const MAX_BODY: usize = 1 << 20;
/// How long the server waits when it cannot accept a connection, such as with too many open files.
const ACCEPT_RETRY: std::time::Duration = std::time::Duration::from_millis(100);

/// Serves connections until the future is dropped, and all of them with it.
pub(crate) async fn serve(listener: TcpListener, emulator: StripeEmulator) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    pause(ACCEPT_RETRY).await;
                    continue;
                };
                drop(stream.set_nodelay(true)); // without it, it is only slower
                let emulator = emulator.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(emulator.clone(), request));
                    // a client may disconnect, and a fault may close the connection
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers a request. The error closes the connection.
async fn answer(emulator: StripeEmulator, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body = body.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?.to_bytes();
    let incoming = IncomingRequest {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    if incoming.path.starts_with("/_control/") {
        let IncomingRequest { method, path, query, body, .. } = &incoming;
        let (status, answer) = control::handle(&emulator, method, path, query, body).await;
        return response(status, &[], answer.to_string());
    }
    // a task of its own: a request is carried out to its end, although its client has gone
    let handled = tokio::spawn(async move { api::handle(&emulator, incoming).await }).await;
    match handled.ok().flatten() {
        Some(reply) => response(reply.answer.status, &reply.headers, reply.answer.body.to_string()),
        None => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

fn response(status: u16, headers: &[(&'static str, String)], body: String) -> Result<Response<Full<Bytes>>, io::Error> {
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(Full::from(body)).map_err(io::Error::other)
}
