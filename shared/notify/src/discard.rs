//! `notify discard`: deletes dead letters that nobody wants any more.

use std::path::Path;

use clap::Args as ClapArgs;
use serde_json::json;

use crate::application_letters;
use crate::error::CliError;
use crate::letter_target::LetterTarget;
use crate::print::{self, outln};
use crate::queues::{Queues, queue_error};

/// Letters that are looked at for those that were named.
const MAX_SEEN: usize = 10_000;
/// Visibility timeout of the letters that are looked at, in seconds. Those that stay are released when the command ends.
const VISIBILITY_SECONDS: i32 = 60;

/// Which dead letters.
#[derive(ClapArgs)]
#[command(after_help = "Example:\n  notify discard webhook 0f8fad5b-…~ntf_…")]
pub(crate) struct DiscardArgs {
    /// Whose: `scan`, `faces`, `objects`, `translations`, `webhook`, `amqp`, `signalr`, `push`, `render`, `iconik`, `billing`
    /// or `stream`
    kind: String,
    /// The ids of the letters, as `notify dead-letters` shows them
    #[arg(required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    target: LetterTarget,
}

pub(crate) async fn run(args: DiscardArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let sources = args.target.open(data).await?;
    sources.kinds(Some(&args.kind))?;
    let mut done = 0;
    if let Some(queues) = &sources.queues {
        done += discard_from_queue(queues, &args.kind, &args.ids).await?;
    }
    if let Some(client) = sources.application(&args.kind) {
        let ids: Vec<String> = args.ids.iter().filter(|it| sources.is_shown(it)).cloned().collect();
        done += application_letters::discard(client, &args.kind, &ids).await?;
    }
    if as_json {
        outln!("{}", json!({ "discarded": done }));
    } else if done < args.ids.len() {
        print::failure(&format!("{done} of {} letters are discarded; the others are not there", args.ids.len()));
    } else {
        print::success(&format!("{done} letters are discarded"));
    }
    Ok(())
}

/// Deletes letters of a queue by their ids. Returns how many.
async fn discard_from_queue(queues: &Queues, kind: &str, ids: &[String]) -> Result<usize, CliError> {
    let batch = queues.receive_dead_letters(kind, MAX_SEEN, VISIBILITY_SECONDS).await?;
    let (named, others): (Vec<_>, Vec<_>) = batch.letters.into_iter().partition(|it| ids.contains(&it.id));
    queues.release(&others).await?;
    for letter in &named {
        let delete = queues.sqs.delete_message().queue_url(&letter.queue).receipt_handle(&letter.receipt);
        delete.send().await.map_err(queue_error)?;
    }
    Ok(named.len())
}
