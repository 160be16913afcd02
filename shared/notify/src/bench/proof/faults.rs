//! The faults of a run: each happens once so many events are accepted, by the plan.

use std::path::Path;

use local::{Stack, StackError};

use super::plan::Fault;
use super::run::{Run, start_stack};
use crate::client::poll_delay;
use crate::error::CliError;

/// Looks for a busy process of a function, at most, before the fault is left out.
const MAX_LOOKS: u32 = 10;
/// Attempts to start the stack again.
const MAX_STARTS: u32 = 30;
/// Faults that may be outstanding before the publishers wait.
const MAX_OUTSTANDING: usize = 2;

impl Run {
    /// Whether more faults are due than may be outstanding.
    pub(super) fn faults_are_behind(&self, accepted: u32) -> bool {
        let happened = self.state.change(|it| it.faults);
        self.faults.get(happened + MAX_OUTSTANDING).is_some_and(|it| it.0 < accepted)
    }

    /// Causes the faults that have not happened yet.
    pub(super) async fn cause_faults(&self) -> Result<(), CliError> {
        loop {
            let next = self.state.change(|it| it.faults);
            let Some((at, fault)) = self.faults.get(next).copied() else { return Ok(()) };
            while self.ledger.accepted() < at {
                poll_delay().await;
            }
            self.cause(fault).await?;
            self.state.change(|it| it.faults += 1);
        }
    }

    async fn cause(&self, fault: Fault) -> Result<(), CliError> {
        match fault {
            Fault::Kill(name) => {
                for _ in 0..MAX_LOOKS {
                    let stack = self.stack.read().await;
                    if stack.as_ref().and_then(|it| it.function(name)).is_some_and(|it| it.kill_one_busy()) {
                        self.state.change(|it| it.counts.functions_killed += 1);
                        return Ok(());
                    }
                    drop(stack);
                    look_again().await;
                }
            }
            Fault::CutSockets => {
                let cut = self.stack.read().await.as_ref().map_or(0, |it| it.sockets.abort_all());
                self.state.change(|it| it.counts.sockets_cut += cut as u32);
            }
            Fault::KillBroker => {
                if let Some(broker) = self.broker.lock().await.as_mut() {
                    broker.kill().await;
                    broker.run().await?;
                    self.state.change(|it| it.counts.broker_kills += 1);
                }
            }
            Fault::RestartStack => {
                let mut stack = self.stack.write().await;
                *stack = None; // every process and every emulator, in the middle of whatever they do
                let port = self.state.change(|it| it.port);
                *stack = Some(start_again(&self.folder, port).await?);
                self.state.change(|it| it.counts.stack_restarts += 1);
            }
        }
        Ok(())
    }
}

/// Starts a stack on the port of one that was dropped just now, and may hold it for a moment.
async fn start_again(folder: &Path, port: u16) -> Result<Stack, CliError> {
    for _ in 0..MAX_STARTS {
        match start_stack(folder, port).await {
            Err(CliError::Stack(StackError::PortInUse(_))) => poll_delay().await,
            started => return started,
        }
    }
    start_stack(folder, port).await
}

/// A process is busy for some milliseconds at a time.
#[expect(clippy::disallowed_methods, reason = "it looks until a process is busy")]
async fn look_again() {
    tokio::time::sleep(std::time::Duration::from_millis(7)).await;
}
