//! `notify redrive`: sends dead letters back to their queue, first a few, then more and more. Each is sent before it is deleted.

use std::num::NonZeroUsize;
use std::path::Path;

use aws_sdk_dynamodb::types::AttributeValue;
use clap::Args as ClapArgs;
use domain::dead_letter::redrive_delay;
use serde_json::{Value, json};

use crate::application_letters;
use crate::error::CliError;
use crate::letter_target::LetterTarget;
use crate::print::{self, outln};
use crate::queues::{DeadLetter, Queues, queue_error};

/// Which dead letters.
#[derive(ClapArgs)]
#[command(after_help = "Examples:\n  notify redrive webhook\n  notify redrive scan --most 10 --stack notifications")]
pub(crate) struct RedriveArgs {
    /// Whose: `scan`, `faces`, `objects`, `translations`, `webhook`, `amqp`, `signalr`, `push`, `render`, `iconik`, `billing`
    /// or `stream`
    kind: String,
    /// At most so many
    #[arg(long, default_value = "1000")]
    most: NonZeroUsize,
    #[command(flatten)]
    target: LetterTarget,
}

/// Letters per batch, and their visibility timeout in seconds.
const ROUND: (usize, i32) = (10, 60);

pub(crate) async fn run(args: RedriveArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let sources = args.target.open(data).await?;
    sources.kinds(Some(&args.kind))?;
    let (mut sent, mut kept, mut in_flight, mut switched_off) = (0, Vec::new(), 0, 0);
    if let Some(queues) = &sources.queues {
        let outcome = redrive_batches(queues, &args.kind, args.most.get(), &mut sent, &mut kept).await;
        queues.release(&kept).await?;
        in_flight = outcome?;
    }
    let kept = kept.len();
    if let Some(client) = sources.application(&args.kind) {
        let most = args.most.get().saturating_sub(sent + kept);
        let (more, left) = application_letters::redrive(&sources, client, &args.kind, most).await?;
        (sent, switched_off) = (sent + more, left);
    }
    if as_json {
        outln!("{}", json!({ "redriven": sent, "kept": kept + switched_off, "held": in_flight }));
    } else if sent > 0 {
        print::success(&format!("{sent} letters are back in their queue"));
    } else if kept == 0 && in_flight == 0 && switched_off == 0 {
        print::success(&format!("there are no dead letters of {}", args.kind));
    }
    if !as_json && kept > 0 {
        print::failure(&format!("{kept} stay: they name no row that could be sent again"));
    }
    if !as_json && switched_off > 0 {
        print::failure(&format!("{switched_off} stay: the channels that they are for are switched off"));
    }
    if in_flight > 0 {
        return Err(CliError::DeadLettersInFlight { kind: args.kind, count: in_flight });
    }
    Ok(())
}

/// Sends letters back, a batch at a time. Returns the number of letters that are in flight elsewhere.
async fn redrive_batches(
    queues: &Queues,
    kind: &str,
    max_letters: usize,
    sent: &mut usize,
    kept: &mut Vec<DeadLetter>,
) -> Result<u64, CliError> {
    let mut total = None;
    while *sent + kept.len() < max_letters {
        let handled_before = *sent + kept.len();
        let batch = queues.receive_dead_letters(kind, (max_letters - handled_before).min(ROUND.0), ROUND.1).await?;
        let batch_size = batch.letters.len();
        let total = *total.get_or_insert(batch.total);
        for letter in batch.letters {
            if kept.iter().any(|it| it.id == letter.id) {
                continue; // its visibility timeout ended, and it came again
            }
            let sent_back = match kind {
                "stream" => touch_row(queues, &letter).await?,
                _ => send_back(queues, &letter, *sent).await?,
            };
            if sent_back {
                let delete = queues.sqs.delete_message().queue_url(&letter.queue).receipt_handle(&letter.receipt);
                delete.send().await.map_err(queue_error)?;
                *sent += 1;
            } else {
                kept.push(letter);
            }
        }
        let handled = *sent + kept.len();
        if batch_size < ROUND.0 || handled == handled_before {
            // this command holds those that stay; and SQS may count deleted messages for up to a minute
            let in_flight = batch.in_flight.saturating_sub(kept.len() as u64);
            return Ok(if *sent == 0 { in_flight } else { in_flight.min(total.saturating_sub(handled as u64)) });
        }
    }
    Ok(0)
}

async fn send_back(queues: &Queues, letter: &DeadLetter, index: usize) -> Result<bool, CliError> {
    let Some(url) = queues.url(&letter.kind, "Queue") else { return Ok(false) };
    let body: Value = serde_json::from_str(&letter.body).unwrap_or_default();
    // deliveries are in the message group of their channel, as they were
    let group = body["channel"].as_str().filter(|_| body["notification"].is_object()).map(str::to_owned);
    let delay = i32::try_from(redrive_delay(index).whole_seconds()).unwrap_or_default();
    let send = queues.sqs.send_message().queue_url(url).message_body(&letter.body);
    send.delay_seconds(delay).set_message_group_id(group).send().await.map_err(queue_error)?;
    Ok(true)
}

/// Updates the row of a stream record, which makes a new record: a record cannot be sent again.
async fn touch_row(queues: &Queues, letter: &DeadLetter) -> Result<bool, CliError> {
    let keys: Value = serde_json::from_str(&letter.body).unwrap_or_default();
    let key = |name: &str| {
        keys[name]["S"].as_str().or_else(|| keys[name].as_str()).map(|it| AttributeValue::S(it.to_owned()))
    };
    let (Some(pk), Some(sk)) = (key("PK"), key("SK")) else { return Ok(false) };
    let update = queues.dynamodb.update_item().table_name(&queues.table).key("PK", pk).key("SK", sk);
    let update = update.update_expression("SET redriven = :id").condition_expression("attribute_exists(PK)");
    let update = update.expression_attribute_values(":id", AttributeValue::S(letter.id.clone()));
    match update.send().await.map_err(|it| it.into_service_error()) {
        Ok(_) => Ok(true),
        Err(it) if it.is_conditional_check_failed_exception() => Ok(true), // the row was deleted: nothing is left to do
        Err(it) => Err(queue_error(it)),
    }
}
