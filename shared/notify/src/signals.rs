//! When a command that runs on has to stop: Ctrl-C, a signal, or a closed output.

use crate::error::CliError;
use crate::print;

fn failed(cause: std::io::Error) -> CliError {
    CliError::Other(format!("signals cannot be heard: {cause}"))
}

/// Resolves when the program has to stop: SIGINT, SIGTERM (`kill`, systemd, containers), SIGHUP (a terminal that
/// closes), or a closed output. Signals are caught from the call on, not from the first poll on.
#[cfg(unix)]
pub(crate) fn shutdown_signal() -> Result<impl Future<Output = ()>, CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            () = print::output_closed() => {}
        }
    })
}

/// Resolves when the program has to stop: Ctrl-C, or a closed output.
#[cfg(windows)]
pub(crate) fn shutdown_signal() -> Result<impl Future<Output = ()>, CliError> {
    let mut interrupt = tokio::signal::windows::ctrl_c().map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            () = print::closed() => {}
        }
    })
}
