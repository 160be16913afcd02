//! `notify dead-letters`: what could not be handled, and why.

use std::path::Path;

use anstream::println;
use clap::Args as ClapArgs;
use serde_json::json;

use crate::error::CliError;
use crate::print;
use crate::queues::{Letter, Place, Queues};

/// Which letters.
#[derive(ClapArgs)]
#[command(
    after_help = "Examples:\n  notify dead-letters\n  notify dead-letters webhook --json\n  notify dead-letters --stack notifications"
)]
pub(crate) struct Args {
    /// `scan`, `faces`, `webhook`, `amqp`, `signalr`, `push`, `render`, `iconik` or `stream`; without it, all
    kind: Option<String>,
    /// At most so many of each kind
    #[arg(long, default_value_t = 100)]
    most: usize,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(args: Args, data: &Path, json: bool) -> Result<(), CliError> {
    let queues = Queues::open(args.place, data).await?;
    let mut letters = Vec::new();
    for kind in queues.kinds(args.kind.as_deref())? {
        letters.extend(queues.take(&kind, args.most, 2).await?);
    }
    if json {
        letters.iter().for_each(|it| {
            println!(
                "{}",
                json!({ "kind": it.kind, "id": it.id, "sent": it.sent, "reason": it.reason, "body": it.body })
            )
        });
        return Ok(());
    }
    if letters.is_empty() {
        print::good("there are no dead letters");
        return Ok(());
    }
    letters.iter().for_each(show);
    println!("\n{} letters; `notify redrive <kind>` gives them another chance", letters.len());
    Ok(())
}

fn show(it: &Letter) {
    print::bad(&format!("{:<8} {}", it.kind, it.reason));
    let start: String = it.body.chars().take(120).map(|it| if it.is_control() { ' ' } else { it }).collect();
    print::field(&it.id[..it.id.len().min(8)], &start);
}
