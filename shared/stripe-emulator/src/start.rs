//! How an emulator is served.

use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::clock::pause;
use crate::emulator::StripeEmulator;
use crate::options::Options;
use crate::{schedule, server, webhooks};

/// How often it is looked for what has fallen due by the real clock.
const TICK: Duration = Duration::from_secs(1);

impl StripeEmulator {
    /// Opens an emulator and serves it in a task.
    ///
    /// # Errors
    /// If its data cannot be read or written.
    pub fn start(listener: TcpListener, options: Options) -> io::Result<(Self, JoinHandle<()>)> {
        let emulator = Self::open(&format!("http://{}", listener.local_addr()?), options)?;
        let task = tokio::spawn(emulator.clone().serve(listener));
        Ok((emulator, task))
    }

    /// Serves an emulator until the future is dropped: its connections, its clock, and its webhooks.
    pub async fn serve(self, listener: TcpListener) {
        tokio::select! {
            () = server::serve(listener, self.clone()) => {}
            () = webhooks::deliver_due(self.clone()) => {}
            () = keep_time(self.clone()) => {}
        }
    }
}

/// Carries out what falls due by the real clock, for ever.
async fn keep_time(emulator: StripeEmulator) {
    loop {
        pause(TICK).await;
        catch_up(&emulator);
        emulator.wake();
    }
}

fn catch_up(emulator: &StripeEmulator) {
    let mut state = emulator.state();
    schedule::catch_up(&mut state.account);
    state.account.commit();
}
