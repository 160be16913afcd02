//! `notify bench proof`: events are published to receivers that behave well and badly, while functions, the stack and
//! the broker are killed by a seeded plan. In the end every accepted event is accounted for at every receiver that wanted
//! it: delivered, given up with its reason, or superseded.

mod consumers;
mod faults;
mod ledger;
mod plan;
mod progress;
mod publishers;
mod report;
mod run;
mod settle;
mod state;
mod webhooks;

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::try_join_all;
use tokio::task::JoinSet;

use super::setup::temporary_folder;
use crate::client::poll_delay;
use crate::error::CliError;
use crate::print::outln;
use crate::signals::shutdown_signal;
use crate::socket_client::Protocol;
use consumers::Consumers;
use plan::{PUBLISHERS, Receiver};
use report::Report;
pub(crate) use run::ProofArgs;
use run::Run;

pub(super) async fn run(args: ProofArgs, json: bool) -> Result<(), CliError> {
    let shutdown = shutdown_signal()?;
    let temporary = temporary_folder()?;
    let folder = args.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder).map_err(|it| CliError::Other(format!("{}: {it}", folder.display())))?;
    let mut shutdown = pin!(shutdown);
    let prepared = tokio::select! {
        prepared = Run::prepare(&args, &folder) => prepared?,
        () = &mut shutdown => return Err(CliError::Other("stopped".to_owned())),
    };
    let run = Arc::new(prepared);
    let report = tokio::select! {
        report = execute(run.clone()) => report?,
        () = &mut shutdown => {
            run.state.save()?;
            let advice = match &args.folder {
                Some(folder) => format!("; the same command with --folder {} goes on", folder.display()),
                None => "; with --folder it could go on".to_owned(),
            };
            return Err(CliError::Other(format!("stopped{advice}")));
        }
    };
    if json {
        outln!("{}", report.to_json());
    } else {
        report.print();
    }
    match report.faults() {
        faults if faults.is_empty() => Ok(()),
        faults => Err(CliError::Other(format!("{} (in {})", faults.join("; "), folder.display()))),
    }
}

/// Publishes, kills, receives, and accounts for everything.
async fn execute(run: Arc<Run>) -> Result<Report, CliError> {
    let mut background = start_consumers(&run);
    for receiver in run.receivers() {
        while matches!(receiver, Receiver::LongPoll | Receiver::Socket(_)) && !run.state.is_ready(receiver.name()) {
            poll_delay().await;
        }
    }
    background.spawn(run.clone().watch());
    let (began, before) = (Instant::now(), run.state.change(|it| (it.accepted_after, it.seconds)));
    let already = run.ledger.accepted() == run.plan.messages;
    let publishers = async {
        try_join_all((0..PUBLISHERS).map(|it| run.publish(it))).await?;
        if !already {
            run.state.change(|it| it.accepted_after = before.0.max(before.1) + began.elapsed().as_secs_f64());
        }
        Ok::<(), CliError>(())
    };
    tokio::try_join!(publishers, run.cause_faults())?;
    let outcome = run.settle().await?;
    run.state.save()?;
    background.shutdown().await;
    let report = Report::new(&run, outcome)?;
    *run.stack.write().await = None;
    Ok(report)
}

fn start_consumers(run: &Run) -> JoinSet<()> {
    let consumers = Consumers {
        api: run.api.clone(),
        ledger: run.ledger.clone(),
        state: run.state.clone(),
        repeated: run.repeated.clone(),
        gap: run.gap.clone(),
    };
    let mut tasks = JoinSet::new();
    for protocol in [Protocol::Native, Protocol::Signalr, Protocol::Seed] {
        tasks.spawn(consumers.clone().socket(protocol));
    }
    tasks.spawn(consumers.clone().long_poll());
    if let Some(port) = run.state.change(|it| it.broker_port) {
        tasks.spawn(consumers.queue(format!("amqp://guest:guest@127.0.0.1:{port}?heartbeat=10")));
    }
    tasks
}
