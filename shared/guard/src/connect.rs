//! TCP and TLS connections to customers' addresses, for protocols other than HTTP: AMQP and WebSockets.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::ssrf::AllowedNetworks;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::limits::CONNECT_TIMEOUT;
use crate::resolver::{ForbiddenAddressError, require_permitted};
use crate::tls;

trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// An open connection, over TLS or not.
pub struct MaybeTlsStream(Box<dyn ByteStream>);

/// Shuts the connection down when it is dropped, even if the stream is still held elsewhere.
pub struct ShutdownGuard(std::net::TcpStream);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Forbidden(#[from] ForbiddenAddressError),
    #[error("the name could not be resolved: {0}")]
    Resolve(io::Error),
    #[error("no connection: {0}")]
    Tcp(#[from] io::Error),
    #[error("no TLS: {0}")]
    Tls(io::Error),
    #[error("no connection within {} seconds", .0.as_secs_f32())]
    Timeout(Duration),
}

/// Connects to a checked address of the host within [`CONNECT_TIMEOUT`]. Over TLS the certificate must be valid for the host.
///
/// # Errors
/// If an address of the host is forbidden, or no connection comes about.
pub async fn connect(
    host: &str,
    port: u16,
    tls: bool,
    allowed: &AllowedNetworks,
) -> Result<(MaybeTlsStream, ShutdownGuard), ConnectError> {
    match tokio::time::timeout(CONNECT_TIMEOUT, open(host, port, tls, allowed)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ConnectError::Timeout(CONNECT_TIMEOUT)),
    }
}

async fn open(
    host: &str,
    port: u16,
    tls: bool,
    allowed: &AllowedNetworks,
) -> Result<(MaybeTlsStream, ShutdownGuard), ConnectError> {
    let addresses = tokio::net::lookup_host((host, port)).await.map_err(ConnectError::Resolve)?;
    let permitted: Vec<SocketAddr> = require_permitted(allowed, addresses.collect())?;
    let tcp = TcpStream::connect(permitted.as_slice()).await?;
    tcp.set_nodelay(true)?;
    let tcp = tcp.into_std()?;
    let shutdown = ShutdownGuard(tcp.try_clone()?);
    let tcp = TcpStream::from_std(tcp)?;
    let stream: Box<dyn ByteStream> = if tls {
        let name = ServerName::try_from(host.to_owned()).map_err(|it| ConnectError::Tls(io::Error::other(it)))?;
        Box::new(TlsConnector::from(tls::CONFIG.clone()).connect(name, tcp).await.map_err(ConnectError::Tls)?)
    } else {
        Box::new(tcp)
    };
    Ok((MaybeTlsStream(stream), shutdown))
}

impl ShutdownGuard {
    /// Whether the connection is open and nothing waits to be read.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self.0.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        drop(self.0.shutdown(Shutdown::Both)); // it may be shut already
    }
}

impl AsyncRead for MaybeTlsStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, to)
    }
}

impl AsyncWrite for MaybeTlsStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
