//! `notify bench`: measures the figures of the documentation, so that anyone can repeat them.

mod functions;
mod inbox;
mod scan;
mod setup;

use std::num::NonZeroUsize;

use clap::Subcommand;

use crate::error::CliError;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Init, warm invocation, memory and size of the functions, beside a process that does nothing
    Functions {
        /// Starts of each function
        #[arg(long, default_value = "20")]
        starts: NonZeroUsize,
    },
    /// Units and requests of a scan of many small objects, and of a second scan of the same bucket
    Scan {
        /// Objects in the bucket
        #[arg(long, default_value = "100000")]
        objects: NonZeroUsize,
    },
    /// How long a notification takes to an open socket, among few and many, and how long a list takes of a small and of a
    /// large inbox
    Inbox {
        /// Sockets of the largest run
        #[arg(long, default_value = "1000")]
        sockets: NonZeroUsize,
        /// Notifications of the large inbox
        #[arg(long, default_value = "100000")]
        notifications: NonZeroUsize,
    },
}

pub(crate) async fn run(command: Command, json: bool) -> Result<(), CliError> {
    match command {
        Command::Functions { starts } => functions::run(starts.get(), json).await,
        Command::Scan { objects } => scan::run(objects.get(), json).await,
        Command::Inbox { sockets, notifications } => inbox::run(sockets.get(), notifications.get(), json).await,
    }
}
