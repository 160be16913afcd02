//! TCP listeners of the emulators, on 127.0.0.1 alone.

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::error::StackError;

/// Listens on a free port.
pub(crate) async fn listen_for(service: &str) -> Result<TcpListener, StackError> {
    let failed = |it: std::io::Error| StackError::emulator(&format!("could not open a port for {service}"), it);
    TcpListener::bind("127.0.0.1:0").await.map_err(failed)
}

/// The base URL of a listener, without a slash at the end.
pub(crate) fn base_url(listener: &TcpListener) -> Result<String, StackError> {
    let address = listener.local_addr().map_err(|it| StackError::emulator("a port has no address", it))?;
    Ok(format!("http://{address}"))
}

/// Serves a router until the task is aborted. Small writes, such as the messages to a socket, are sent at once
/// (`TCP_NODELAY`): otherwise the second waits for the acknowledgement of the first, up to 40 ms.
pub(crate) fn serve(listener: TcpListener, router: axum::Router) -> JoinHandle<()> {
    // without it, it is only slower
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    tokio::spawn(async move { drop(axum::serve(listener, router).await) })
}
