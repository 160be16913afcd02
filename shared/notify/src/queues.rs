//! Queues and their dead letters: the local stack's, or a deployment's by its stack and the usual AWS credentials.
//! `notify queues` shows how many messages they hold.

use std::collections::BTreeMap;
use std::path::Path;

use aws_config::Region;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use clap::Args;
use serde_json::json;

use crate::client::running_stack;
use crate::deployment::{Deployment, Resource, client_config};
use crate::error::CliError;
use crate::print::{self, outln};

/// Which stack's queues.
#[derive(Args, Clone, Debug)]
pub(crate) struct QueueTarget {
    /// A deployment's CloudFormation stack, reached with your AWS credentials; without it, the local stack
    #[arg(long)]
    stack: Option<String>,
}

impl QueueTarget {
    /// The option as it was given, for a suggested command.
    pub(crate) fn option(&self) -> String {
        self.stack.as_ref().map_or_else(String::new, |it| format!(" --stack {it}"))
    }

    /// Whether it is a deployment, and not the local stack.
    pub(crate) fn is_deployment(&self) -> bool {
        self.stack.is_some()
    }
}

/// How long a request waits for letters, in seconds: with a wait SQS asks all of its servers, without one a sample of them
/// (Amazon SQS, short and long polling).
const WAIT_SECONDS: i32 = 1;
/// Requests in a row that bring none of a queue that holds letters, before the command gives up.
const MAX_EMPTY_RECEIVES: u32 = 3;
/// How the names of the local stack's queues and its table begin.
const LOCAL_PREFIX: &str = "notifications-";

/// How many messages a queue holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueDepth {
    /// Waiting to be received.
    pub(crate) visible: u64,
    /// Received, and not acknowledged yet.
    pub(crate) in_flight: u64,
    /// Not due yet.
    pub(crate) delayed: u64,
}

impl QueueDepth {
    pub(crate) fn total(self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

/// Dead letters that were received.
#[derive(Default)]
pub(crate) struct DeadLetterBatch {
    pub(crate) letters: Vec<DeadLetter>,
    /// Letters that were requested and could not be received: another consumer has them.
    pub(crate) in_flight: u64,
    /// Letters in the queue at the beginning.
    pub(crate) total: u64,
}

/// The queues by their logical name (`ScanQueue`, `ScanDead`, …) and how to reach them.
pub(crate) struct Queues {
    pub(crate) sqs: Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) urls: BTreeMap<String, String>,
    /// The name of the table.
    pub(crate) table: String,
}

/// A dead letter.
pub(crate) struct DeadLetter {
    /// `scan`, `faces`, `objects`, `translations`, `webhook`, `amqp`, `signalr`, `push`, `render`, `iconik`, `billing`
    /// or `stream`.
    pub(crate) kind: String,
    pub(crate) queue: String,
    pub(crate) receipt: String,
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) reason: String,
    pub(crate) sent_at_ms: i64,
}

/// Shows every queue, what it holds, and how many dead letters it has.
pub(crate) async fn run(target: QueueTarget, data: &Path, as_json: bool) -> Result<(), CliError> {
    let queues = Queues::open(target, data).await?;
    if !as_json {
        print::heading("queue                 waiting  in flight  delayed");
    }
    for (name, url) in &queues.urls {
        let depth = queues.depth(url).await?;
        if as_json {
            let (visible, in_flight, delayed) = (depth.visible, depth.in_flight, depth.delayed);
            let dead = name.ends_with("Dead");
            outln!(
                "{}",
                json!({ "queue": name, "waiting": visible, "inFlight": in_flight, "delayed": delayed, "dead": dead })
            );
        } else {
            let line = format!("{name:<20}  {:>7}  {:>9}  {:>7}", depth.visible, depth.in_flight, depth.delayed);
            if name.ends_with("Dead") && depth.total() > 0 { print::failure(&line) } else { outln!("  {line}") }
        }
    }
    Ok(())
}

pub(crate) fn queue_error(cause: impl std::error::Error + Send + Sync + 'static) -> CliError {
    CliError::Queues(Box::new(cause))
}

impl Queues {
    pub(crate) async fn open(target: QueueTarget, data: &Path) -> Result<Self, CliError> {
        match target.stack {
            Some(stack) => Self::of_deployment(&Deployment::open(&stack).await?).await,
            None => Self::of_local_stack(data).await,
        }
    }

    /// The queues of a deployment.
    ///
    /// # Errors
    /// The stack has no dead letters, or no table: it is another product's.
    pub(crate) async fn of_deployment(deployment: &Deployment) -> Result<Self, CliError> {
        let queue = |it: &Resource| (it.logical.clone(), it.physical.clone());
        let urls: BTreeMap<String, String> = deployment.of_kind("AWS::SQS::Queue").map(queue).collect();
        let table = match deployment.physical("Table") {
            Some(name) => Some(name.to_owned()),
            // a table that was there before the stack is none of its resources
            None => deployment.outputs().await?.remove("TableName"),
        };
        let Some(table) = table.filter(|_| urls.keys().any(|it| it.ends_with("Dead"))) else {
            let what = "it has no queues of dead letters, or no table; is it the stack of a Notifications API?";
            return Err(CliError::Deployment { stack: deployment.stack.clone(), what: what.to_owned() });
        };
        let config = &deployment.config;
        Ok(Self { sqs: Client::new(config), dynamodb: aws_sdk_dynamodb::Client::new(config), urls, table })
    }

    async fn of_local_stack(data: &Path) -> Result<Self, CliError> {
        let demo = running_stack(data)?;
        let test = aws_sdk_sqs::config::Credentials::new("test", "test", None, None, "local stack");
        let config = client_config().credentials_provider(test).region(Region::new(local::REGION)).load().await;
        let sqs = aws_sdk_sqs::config::Builder::from(&config).endpoint_url(demo.sqs_url).build();
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(&config).endpoint_url(demo.dynamodb_url).build();
        let (sqs, dynamodb) = (Client::from_conf(sqs), aws_sdk_dynamodb::Client::from_conf(dynamodb));
        let listed = sqs.list_queues().queue_name_prefix(LOCAL_PREFIX).send().await.map_err(queue_error)?;
        let named = listed.queue_urls.unwrap_or_default().into_iter().filter_map(|url| {
            let name = url.rsplit('/').next()?.strip_prefix(LOCAL_PREFIX)?.to_owned();
            Some((name, url))
        });
        Ok(Self { sqs, dynamodb, urls: named.collect(), table: format!("{LOCAL_PREFIX}Table") })
    }

    /// All kinds of dead letters, or the requested one. An unknown kind is an error.
    pub(crate) fn kinds(&self, requested: Option<&str>) -> Result<Vec<String>, CliError> {
        let all: Vec<String> =
            self.urls.keys().filter_map(|it| it.strip_suffix("Dead")).map(str::to_lowercase).collect();
        match requested {
            None => Ok(all),
            Some(it) if all.iter().any(|kind| kind == it) => Ok(vec![it.to_owned()]),
            Some(it) => Err(CliError::UnknownDeadLetters(it.to_owned(), all.join(", "))),
        }
    }

    /// The URL of a queue, by kind and suffix (`Dead` or `Queue`).
    pub(crate) fn url(&self, kind: &str, suffix: &str) -> Option<&String> {
        let wanted = format!("{kind}{suffix}").to_lowercase();
        self.urls.iter().find(|it| it.0.to_lowercase() == wanted).map(|it| it.1)
    }

    /// Receives dead letters of one kind, at most `max_letters`. They are invisible for `seconds`, unless they are
    /// deleted or released.
    ///
    /// An empty response does not mean an empty queue: letters in flight are left out. Nor does a count of none: SQS's counts
    /// may be old. Both together say that nothing is left.
    pub(crate) async fn receive_dead_letters(
        &self,
        kind: &str,
        max_letters: usize,
        seconds: i32,
    ) -> Result<DeadLetterBatch, CliError> {
        let Some(url) = self.url(kind, "Dead") else { return Ok(DeadLetterBatch::default()) };
        let total = self.depth(url).await?.total();
        let (mut letters, mut in_flight, mut empty) = (Vec::<DeadLetter>::new(), 0, 0);
        while letters.len() < max_letters {
            let page_size = i32::try_from((max_letters - letters.len()).min(10)).unwrap_or(10);
            let ask =
                self.sqs.receive_message().queue_url(url).max_number_of_messages(page_size).visibility_timeout(seconds);
            let ask = ask.wait_time_seconds(WAIT_SECONDS);
            let ask =
                ask.message_attribute_names("All").message_system_attribute_names(MessageSystemAttributeName::All);
            let messages = ask.send().await.map_err(queue_error)?.messages.unwrap_or_default();
            if !messages.is_empty() {
                for letter in messages.into_iter().map(|it| dead_letter_from(kind, url, it)) {
                    letters.retain(|known| known.id != letter.id); // a letter may come twice; its newest receipt handle is valid
                    letters.push(letter);
                }
                continue;
            }
            let received = letters.len() as u64;
            in_flight = self.depth(url).await?.total().saturating_sub(received);
            if in_flight == 0 || empty == MAX_EMPTY_RECEIVES {
                break;
            }
            empty += 1;
        }
        Ok(DeadLetterBatch { in_flight: if letters.len() < max_letters { in_flight } else { 0 }, letters, total })
    }

    /// Makes letters visible again.
    pub(crate) async fn release(&self, letters: &[DeadLetter]) -> Result<(), CliError> {
        for letter in letters {
            let change = self.sqs.change_message_visibility().queue_url(&letter.queue).receipt_handle(&letter.receipt);
            match change.visibility_timeout(0).send().await.map_err(|it| it.into_service_error()) {
                Ok(_) => {}
                // its visibility timeout has ended: it is visible
                Err(why) if why.is_message_not_inflight() || why.is_receipt_handle_is_invalid() => {}
                Err(why) => return Err(queue_error(why)),
            }
        }
        Ok(())
    }

    /// The number of messages in a queue. SQS's counts may be up to a minute old.
    pub(crate) async fn depth(&self, url: &str) -> Result<QueueDepth, CliError> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesDelayed as Delayed,
            ApproximateNumberOfMessagesNotVisible as InFlight,
        };
        let ask = self.sqs.get_queue_attributes().queue_url(url);
        let ask = ask.attribute_names(Visible).attribute_names(InFlight).attribute_names(Delayed);
        let all = ask.send().await.map_err(queue_error)?.attributes.unwrap_or_default();
        let count = |name: &QueueAttributeName| {
            let text = all.get(name).and_then(|it| it.parse().ok());
            text.ok_or_else(|| CliError::Other(format!("SQS does not say how many messages {url} holds")))
        };
        Ok(QueueDepth { visible: count(&Visible)?, in_flight: count(&InFlight)?, delayed: count(&Delayed)? })
    }
}

fn dead_letter_from(kind: &str, queue: &str, message: Message) -> DeadLetter {
    let reason = message.message_attributes.as_ref().and_then(|all| all.get("reason")?.string_value.clone());
    let sent =
        message.attributes.as_ref().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp)?.parse().ok());
    let body = message.body.unwrap_or_default();
    let default_reason = if body.contains("DDBStreamBatchInfo") {
        "the batch failed until its records were too old; see the log of dispatch"
    } else {
        "its function crashed, ran out of time, or could not park it each time; see its log"
    };
    DeadLetter {
        kind: kind.to_owned(),
        queue: queue.to_owned(),
        receipt: message.receipt_handle.unwrap_or_default(),
        id: message.message_id.unwrap_or_default(),
        reason: reason.unwrap_or_else(|| default_reason.to_owned()),
        body,
        sent_at_ms: sent.unwrap_or(0),
    }
}
