//! Queues and their dead letters: the local stack's, or a deployment's by its stack name and the usual AWS credentials.

use std::collections::BTreeMap;
use std::path::Path;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use clap::Args;

use crate::client::stack;
use crate::error::CliError;

/// Whose queues.
#[derive(Args, Clone, Debug)]
pub(crate) struct Place {
    /// A deployment's CloudFormation stack, reached with your AWS credentials; without it, the local stack
    #[arg(long)]
    stack: Option<String>,
}

/// The queues by their logical name (`ScanQueue`, `ScanDead`, …) and how to reach them.
pub(crate) struct Queues {
    pub(crate) sqs: Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) urls: BTreeMap<String, String>,
    pub(crate) prefix: String,
}

/// A dead letter.
pub(crate) struct Letter {
    /// `scan`, `faces`, `webhook`, `amqp`, `signalr`, `push`, `render`, `iconik` or `stream`.
    pub(crate) kind: String,
    pub(crate) queue: String,
    pub(crate) receipt: String,
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) reason: String,
    pub(crate) sent: i64,
}

pub(crate) fn failed(it: impl std::error::Error + Send + Sync + 'static) -> CliError {
    CliError::Queues(Box::new(it))
}

impl Queues {
    pub(crate) async fn open(place: Place, data: &Path) -> Result<Self, CliError> {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        let (config, endpoints, prefix) = match place.stack {
            Some(name) => (config.load().await, None, format!("{name}-")),
            None => {
                let demo = stack(data)?;
                let test = aws_sdk_sqs::config::Credentials::new("test", "test", None, None, "local stack");
                let config = config.credentials_provider(test).region(Region::new(local::REGION)).load().await;
                (config, Some((demo.sqs_url, demo.dynamodb_url)), "notifications-".to_owned())
            }
        };
        let mut sqs = aws_sdk_sqs::config::Builder::from(&config);
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(&config);
        if let Some((queues, table)) = endpoints {
            sqs = sqs.endpoint_url(queues);
            dynamodb = dynamodb.endpoint_url(table);
        }
        let sqs = Client::from_conf(sqs.build());
        let listed = sqs.list_queues().queue_name_prefix(&prefix).send().await.map_err(failed)?;
        let named = listed.queue_urls.unwrap_or_default().into_iter().filter_map(|url| {
            // CloudFormation appends a random part: stack-ScanDead-1A2B3C
            let name = url.rsplit('/').next()?.strip_prefix(&prefix)?.split('-').next()?.to_owned();
            Some((name, url))
        });
        let urls = named.collect();
        Ok(Self { sqs, dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()), urls, prefix })
    }

    /// The kinds of dead letters there are, or the one that is wanted.
    pub(crate) fn kinds(&self, wanted: Option<&str>) -> Result<Vec<String>, CliError> {
        let all: Vec<String> =
            self.urls.keys().filter_map(|it| it.strip_suffix("Dead")).map(str::to_lowercase).collect();
        match wanted {
            None => Ok(all),
            Some(it) if all.iter().any(|kind| kind == it) => Ok(vec![it.to_owned()]),
            Some(it) => Err(CliError::NoLetters(it.to_owned(), all.join(", "))),
        }
    }

    /// The URL of a queue, by kind and suffix (`Dead` or `Queue`).
    pub(crate) fn url(&self, kind: &str, suffix: &str) -> Option<&String> {
        let wanted = format!("{kind}{suffix}").to_lowercase();
        self.urls.iter().find(|it| it.0.to_lowercase() == wanted).map(|it| it.1)
    }

    /// Takes dead letters of one kind for `seconds`, at most `most`. They come back unless they are deleted.
    pub(crate) async fn take(&self, kind: &str, most: usize, seconds: i32) -> Result<Vec<Letter>, CliError> {
        let Some(url) = self.url(kind, "Dead") else { return Ok(Vec::new()) };
        let mut letters = Vec::new();
        while letters.len() < most {
            let ask = self.sqs.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(seconds);
            let ask =
                ask.message_attribute_names("All").message_system_attribute_names(MessageSystemAttributeName::All);
            let messages = ask.send().await.map_err(failed)?.messages.unwrap_or_default();
            if messages.is_empty() {
                break;
            }
            letters.extend(messages.into_iter().map(|it| letter(kind, url, it)));
        }
        Ok(letters)
    }
}

fn letter(kind: &str, queue: &str, it: Message) -> Letter {
    let reason = it.message_attributes.as_ref().and_then(|all| all.get("reason")?.string_value.clone());
    let sent = it.attributes.as_ref().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp)?.parse().ok());
    let body = it.body.unwrap_or_default();
    let lost = if body.contains("DDBStreamBatchInfo") {
        "the batch failed until its records were too old; see the log of dispatch"
    } else {
        "its function crashed, ran out of time, or could not park it each time; see its log"
    };
    Letter {
        kind: kind.to_owned(),
        queue: queue.to_owned(),
        receipt: it.receipt_handle.unwrap_or_default(),
        id: it.message_id.unwrap_or_default(),
        reason: reason.unwrap_or_else(|| lost.to_owned()),
        body,
        sent: sent.unwrap_or(0),
    }
}
