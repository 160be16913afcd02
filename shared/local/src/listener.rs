//! TCP listeners of the emulators, on 127.0.0.1 alone.

use std::error::Error;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::pause;
use crate::error::StackError;

/// How long the server waits when it cannot accept a connection, such as with too many open files.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

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

/// Serves a router until the task is aborted.
pub(crate) fn serve(listener: TcpListener, router: axum::Router) -> JoinHandle<()> {
    tokio::spawn(serve_connections(listener, TowerToHyperService::new(router)))
}

/// Serves connections until the future is dropped, and all of them with it: a client of a stack that was stopped gets no
/// answer from what is left of it. Small writes, such as the messages to a socket, are sent at once (`TCP_NODELAY`):
/// otherwise the second waits for the acknowledgement of the first, up to 40 ms.
pub(crate) async fn serve_connections<S, B>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    pause(ACCEPT_RETRY).await;
                    continue;
                };
                drop(stream.set_nodelay(true)); // without it, it is only slower
                let service = service.clone();
                connections.spawn(async move {
                    let http = Builder::new(TokioExecutor::new());
                    // a client may disconnect
                    drop(http.serve_connection_with_upgrades(TokioIo::new(stream), service).await);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
