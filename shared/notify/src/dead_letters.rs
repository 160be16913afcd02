//! `notify dead-letters`: what could not be handled, and why.

use std::num::NonZeroUsize;
use std::path::Path;

use clap::Args as ClapArgs;
use serde_json::json;

use crate::error::CliError;
use crate::hint;
use crate::print::{self, say};
use crate::queues::{Letter, Place, Queues};

/// How long a look has its letters, in seconds; they are let go at its end. If it dies before, they come back then.
const LOOK: i32 = 30;

/// Which letters.
#[derive(ClapArgs)]
#[command(
    after_help = "Examples:\n  notify dead-letters\n  notify dead-letters webhook --json\n  notify dead-letters --stack notifications"
)]
pub(crate) struct Args {
    /// Whose: `scan`, `faces`, `webhook`, `amqp`, `signalr`, `push`, `render`, `iconik` or `stream`; without it, all
    kind: Option<String>,
    /// At most so many of each kind
    #[arg(long, default_value = "100")]
    most: NonZeroUsize,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(args: Args, data: &Path, json: bool) -> Result<(), CliError> {
    let deployment = args.place.option();
    let queues = Queues::open(args.place, data).await?;
    let (mut letters, mut held, mut there) = (Vec::new(), None, 0);
    for kind in queues.kinds(args.kind.as_deref())? {
        let found = queues.take(&kind, args.most.get(), LOOK).await;
        let found = match found {
            Ok(it) => it,
            Err(error) => {
                queues.release(&letters).await?;
                return Err(error);
            }
        };
        if found.held > 0 && held.is_none() {
            held = Some(CliError::HeldLetters { kind, count: found.held });
        }
        there += found.there.max(found.letters.len() as u64);
        letters.extend(found.letters);
    }
    queues.release(&letters).await?;
    if json {
        letters.iter().for_each(|it| {
            say!("{}", json!({ "kind": it.kind, "id": it.id, "sent": it.sent, "reason": it.reason, "body": it.body }))
        });
    } else if letters.is_empty() && held.is_none() {
        print::good("there are no dead letters");
    } else {
        letters.iter().for_each(show);
    }
    if !json && !letters.is_empty() {
        let redrive = hint::command(&format!("redrive <kind>{deployment}"));
        say!("{} of {there} letters; `{redrive}` gives them another chance", letters.len());
    }
    held.map_or(Ok(()), Err)
}

fn show(it: &Letter) {
    print::bad(&format!("{:<8} {}", it.kind, it.reason));
    let start: String = it.body.chars().take(120).collect();
    print::field(&it.id.chars().take(8).collect::<String>(), &start);
}
