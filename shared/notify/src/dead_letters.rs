//! `notify dead-letters`: shows messages that could not be handled, and why.

use std::num::NonZeroUsize;
use std::path::Path;

use clap::Args as ClapArgs;
use futures_util::future::join_all;
use serde_json::json;

use crate::error::CliError;
use crate::hint;
use crate::print::{self, outln};
use crate::queues::{DeadLetter, QueueTarget, Queues};

/// Visibility timeout of the letters that are shown, in seconds. The command releases them when it ends.
const VISIBILITY_SECONDS: i32 = 30;

/// Which dead letters.
#[derive(ClapArgs)]
#[command(
    after_help = "Examples:\n  notify dead-letters\n  notify dead-letters webhook --json\n  notify dead-letters --stack notifications"
)]
pub(crate) struct DeadLettersArgs {
    /// Whose: `scan`, `faces`, `webhook`, `amqp`, `signalr`, `push`, `render`, `iconik`, `billing` or `stream`; without it, all
    kind: Option<String>,
    /// At most so many of each kind
    #[arg(long, default_value = "100")]
    most: NonZeroUsize,
    #[command(flatten)]
    target: QueueTarget,
}

pub(crate) async fn run(args: DeadLettersArgs, data: &Path, json: bool) -> Result<(), CliError> {
    let deployment = args.target.option();
    let queues = Queues::open(args.target, data).await?;
    let kinds = queues.kinds(args.kind.as_deref())?;
    let most = args.most.get();
    let batches = join_all(kinds.iter().map(|it| queues.receive_dead_letters(it, most, VISIBILITY_SECONDS))).await;
    let (mut letters, mut in_flight_error, mut failure, mut total) = (Vec::new(), None, None, 0);
    for (kind, batch) in kinds.into_iter().zip(batches) {
        match batch {
            Ok(batch) => {
                if batch.in_flight > 0 && in_flight_error.is_none() {
                    in_flight_error = Some(CliError::DeadLettersInFlight { kind, count: batch.in_flight });
                }
                total += batch.total.max(batch.letters.len() as u64);
                letters.extend(batch.letters);
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    queues.release(&letters).await?;
    if let Some(error) = failure {
        return Err(error);
    }
    if json {
        letters.iter().for_each(|letter| {
            outln!("{}", json!({ "kind": letter.kind, "id": letter.id, "sent": letter.sent_at_ms, "reason": letter.reason, "body": letter.body }))
        });
    } else if letters.is_empty() && in_flight_error.is_none() {
        print::success("there are no dead letters");
    } else {
        letters.iter().for_each(print_letter);
    }
    if !json && !letters.is_empty() {
        let redrive = hint::command(&format!("redrive <kind>{deployment}"));
        outln!("{} of {total} letters; `{redrive}` gives them another chance", letters.len());
    }
    in_flight_error.map_or(Ok(()), Err)
}

fn print_letter(letter: &DeadLetter) {
    print::failure(&format!("{:<8} {}", letter.kind, letter.reason));
    let start: String = letter.body.chars().take(120).collect();
    print::field(&letter.id.chars().take(8).collect::<String>(), &start);
}
