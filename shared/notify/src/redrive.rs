//! `notify redrive`: dead letters back to where they came from. Sent first, removed afterwards.

use std::path::Path;

use anstream::println;
use aws_sdk_dynamodb::types::AttributeValue;
use clap::Args as ClapArgs;
use serde_json::{Value, json};

use crate::error::CliError;
use crate::print;
use crate::queues::{Letter, Place, Queues, failed};

/// Which letters.
#[derive(ClapArgs)]
#[command(after_help = "Examples:\n  notify redrive webhook\n  notify redrive scan --most 10 --stack notifications")]
pub(crate) struct Args {
    /// `scan`, `faces`, `webhook`, `amqp`, `signalr`, `push`, `render`, `iconik` or `stream`
    kind: String,
    /// At most so many
    #[arg(long, default_value_t = 1_000)]
    most: usize,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(args: Args, data: &Path, as_json: bool) -> Result<(), CliError> {
    let queues = Queues::open(args.place, data).await?;
    queues.kinds(Some(&args.kind))?;
    let (mut sent, mut kept) = (0, 0);
    for letter in queues.take(&args.kind, args.most, 60).await? {
        let done = if args.kind == "stream" { touch(&queues, &letter).await? } else { send(&queues, &letter).await? };
        if done {
            queues
                .sqs
                .delete_message()
                .queue_url(&letter.queue)
                .receipt_handle(&letter.receipt)
                .send()
                .await
                .map_err(failed)?;
            sent += 1;
        } else {
            kept += 1;
        }
    }
    if as_json {
        println!("{}", json!({ "redriven": sent, "kept": kept }));
        return Ok(());
    }
    print::good(&format!("{sent} letters are back in their queue"));
    if kept > 0 {
        print::bad(&format!("{kept} stay: they name no row that could be sent again"));
    }
    Ok(())
}

async fn send(queues: &Queues, letter: &Letter) -> Result<bool, CliError> {
    let Some(url) = queues.url(&letter.kind, "Queue") else { return Ok(false) };
    queues.sqs.send_message().queue_url(url).message_body(&letter.body).send().await.map_err(failed)?;
    Ok(true)
}

/// A record of the stream cannot be sent again; its row is touched instead, which makes a new record.
async fn touch(queues: &Queues, letter: &Letter) -> Result<bool, CliError> {
    let keys: Value = serde_json::from_str(&letter.body).unwrap_or_default();
    let key = |name: &str| {
        keys[name]["S"].as_str().or_else(|| keys[name].as_str()).map(|it| AttributeValue::S(it.to_owned()))
    };
    let (Some(pk), Some(sk)) = (key("PK"), key("SK")) else { return Ok(false) };
    let tables = queues.dynamodb.list_tables().send().await.map_err(failed)?.table_names.unwrap_or_default();
    let Some(table) = tables.into_iter().find(|it| it.starts_with(&format!("{}Table", queues.prefix))) else {
        return Ok(false);
    };
    let update = queues.dynamodb.update_item().table_name(table).key("PK", pk).key("SK", sk);
    let update = update.update_expression("SET redriven = :id").condition_expression("attribute_exists(PK)");
    let update = update.expression_attribute_values(":id", AttributeValue::S(letter.id.clone()));
    match update.send().await.map_err(|it| it.into_service_error()) {
        Ok(_) => Ok(true),
        Err(it) if it.is_conditional_check_failed_exception() => Ok(true), // the row is gone: nothing is left to do
        Err(it) => Err(failed(it)),
    }
}
