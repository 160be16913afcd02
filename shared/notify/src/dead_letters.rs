//! `notify dead-letters`: shows messages that could not be handled, and why.

use std::num::NonZeroUsize;
use std::path::Path;

use clap::Args as ClapArgs;
use futures_util::future::join_all;
use serde_json::json;

use crate::application_letters;
use crate::error::CliError;
use crate::hint;
use crate::letter_target::LetterTarget;
use crate::print::{self, outln};
use crate::queues::{DeadLetter, Queues};

/// Visibility timeout of the letters that are shown, in seconds. The command releases them when it ends.
const VISIBILITY_SECONDS: i32 = 30;

/// Which dead letters.
#[derive(ClapArgs)]
#[command(
    after_help = "Examples:\n  notify dead-letters\n  notify dead-letters webhook --json\n  notify dead-letters --stack notifications"
)]
pub(crate) struct DeadLettersArgs {
    /// Whose: `scan`, `faces`, `objects`, `translations`, `webhook`, `amqp`, `signalr`, `push`, `render`, `iconik`, `billing`
    /// or `stream`; without it, all
    kind: Option<String>,
    /// At most so many of each kind
    #[arg(long, default_value = "100")]
    most: NonZeroUsize,
    #[command(flatten)]
    target: LetterTarget,
}

/// What is shown of a letter.
struct ShownLetter {
    kind: String,
    id: String,
    sent_at_ms: i64,
    reason: String,
    body: String,
}

/// The letters that were found.
#[derive(Default)]
struct Found {
    letters: Vec<ShownLetter>,
    /// Some could not be received.
    in_flight: Option<CliError>,
    total: u64,
}

pub(crate) async fn run(args: DeadLettersArgs, data: &Path, json: bool) -> Result<(), CliError> {
    let (deployment, most) = (args.target.option(), args.most.get());
    let sources = args.target.open(data).await?;
    let kinds = sources.kinds(args.kind.as_deref())?;
    let mut found = match &sources.queues {
        Some(queues) => look_into_queues(queues, &kinds, most).await?,
        None => Found::default(),
    };
    for kind in &kinds {
        let Some(client) = sources.application(kind) else { continue };
        let letters = application_letters::list(&sources, client, kind).await?;
        found.total += letters.len() as u64;
        found.letters.extend(letters.into_iter().take(most).map(|it| ShownLetter {
            kind: kind.clone(),
            id: it.id,
            sent_at_ms: it.sent_at_ms,
            reason: it.reason,
            body: it.body,
        }));
    }
    let Found { letters, in_flight, total } = found;
    if json {
        letters.iter().for_each(|letter| {
            outln!("{}", json!({ "kind": letter.kind, "id": letter.id, "sent": letter.sent_at_ms, "reason": letter.reason, "body": letter.body }))
        });
    } else if letters.is_empty() && in_flight.is_none() {
        print::success("there are no dead letters");
    } else {
        letters.iter().for_each(print_letter);
    }
    if !json && !letters.is_empty() {
        let redrive = hint::command(&format!("redrive <kind>{deployment}"));
        outln!("{} of {total} letters; `{redrive}` gives them another chance", letters.len());
    }
    in_flight.map_or(Ok(()), Err)
}

/// Receives letters of all kinds at once, and lets them go.
async fn look_into_queues(queues: &Queues, kinds: &[String], most: usize) -> Result<Found, CliError> {
    let batches = join_all(kinds.iter().map(|it| queues.receive_dead_letters(it, most, VISIBILITY_SECONDS))).await;
    let (mut found, mut received, mut failure) = (Found::default(), Vec::<DeadLetter>::new(), None);
    for (kind, batch) in kinds.iter().zip(batches) {
        match batch {
            Ok(batch) => {
                if batch.in_flight > 0 && found.in_flight.is_none() {
                    let (kind, count) = (kind.clone(), batch.in_flight);
                    found.in_flight = Some(CliError::DeadLettersInFlight { kind, count });
                }
                found.total += batch.total.max(batch.letters.len() as u64);
                received.extend(batch.letters);
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    queues.release(&received).await?;
    if let Some(error) = failure {
        return Err(error);
    }
    found.letters.extend(received.into_iter().map(|it| ShownLetter {
        kind: it.kind,
        id: it.id,
        sent_at_ms: it.sent_at_ms,
        reason: it.reason,
        body: it.body,
    }));
    Ok(found)
}

fn print_letter(letter: &ShownLetter) {
    print::failure(&format!("{:<8} {}", letter.kind, letter.reason));
    let start: String = letter.body.chars().take(120).collect();
    print::field(&letter.id, &start);
}
