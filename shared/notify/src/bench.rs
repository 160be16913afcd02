//! `notify bench`: the figures of the guide (`shared/docs/figures.md`), for anyone to repeat.

mod api;
mod cpu;
mod fairness;
mod functions;
mod inbox;
mod latency;
mod poll;
mod proof;
mod publish;
mod scan;
mod setup;

use std::num::NonZeroUsize;

use clap::Subcommand;

use crate::error::CliError;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Measure how long notifications take to a healthy webhook alone, and beside one that hangs or fails
    Fairness {
        /// Number of notifications in a burst
        #[arg(long, default_value = "200")]
        notifications: NonZeroUsize,
        /// Number of bursts beside each neighbour
        #[arg(long, default_value = "5")]
        rounds: NonZeroUsize,
    },
    /// Measure init, warm invocation and size of the functions, compared with a process that does nothing
    Functions {
        /// Number of starts of each function
        #[arg(long, default_value = "20")]
        starts: NonZeroUsize,
    },
    /// Measure how long a notification takes to a long poll that waits for it
    Poll {
        /// Number of notifications
        #[arg(long, default_value = "100")]
        notifications: NonZeroUsize,
    },
    /// Publish to receivers that behave well and badly, while functions, the stack and a broker are killed, and account
    /// for every event at every receiver
    Proof(proof::ProofArgs),
    /// Measure how long an event takes to a webhook, how many are taken a second, and their cost in CPU
    Publish {
        /// Number of clients that publish at the same time
        #[arg(long, default_value = "16")]
        clients: NonZeroUsize,
        /// Number of events that they publish
        #[arg(long, default_value = "5000")]
        messages: NonZeroUsize,
    },
    /// Measure units and requests of a scan of many small objects, and of a second scan of the same bucket
    Scan {
        /// Number of objects in the bucket
        #[arg(long, default_value = "100000")]
        objects: NonZeroUsize,
    },
    /// Measure how long a notification takes to a socket when few or many are open, and how long a list takes of a
    /// small and a large inbox
    Inbox {
        /// Number of sockets in the largest run
        #[arg(long, default_value = "1000")]
        sockets: NonZeroUsize,
        /// Number of notifications in the large inbox
        #[arg(long, default_value = "100000")]
        notifications: NonZeroUsize,
    },
}

pub(crate) async fn run(command: Command, json: bool) -> Result<(), CliError> {
    match command {
        Command::Fairness { notifications, rounds } => fairness::run(notifications.get(), rounds.get(), json).await,
        Command::Functions { starts } => functions::run(starts.get(), json).await,
        Command::Poll { notifications } => poll::run(notifications.get(), json).await,
        Command::Proof(args) => proof::run(args, json).await,
        Command::Publish { clients, messages } => publish::run(clients.get(), messages.get(), json).await,
        Command::Scan { objects } => scan::run(objects.get(), json).await,
        Command::Inbox { sockets, notifications } => inbox::run(sockets.get(), notifications.get(), json).await,
    }
}
