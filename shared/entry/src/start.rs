//! The start of a function: its settings and its AWS clients, before it handles its first event.

use std::sync::Arc;

use aws_config::SdkConfig;
use domain::billing::plans::Plans;
use domain::ssrf::AllowedNetworks;

use crate::aws;
use crate::meter::Meter;
use crate::queue::{DeliveryQueues, ProcessQueues, Queue};
use crate::seal::Seal;
use crate::secrets::Secrets;
use crate::settings::{Settings, SettingsError};
use crate::telemetry;

/// The error that ends a function.
pub type Error = lambda_runtime::Error;

/// A function in its init phase. It takes its settings and clients from here, then runs with the method of its trigger:
/// `http`, `sqs`, `batches`, `stream`, `schedule` or `websocket`.
pub struct Start {
    pub(crate) settings: Settings,
    pub(crate) aws: SdkConfig,
    pub(crate) meter: Meter,
    /// The client of all queues, made for the first one.
    sqs: Option<aws_sdk_sqs::Client>,
}

/// Reads the environment and prepares the AWS clients. No request is sent yet.
pub async fn start() -> Start {
    let mut settings = Settings::from_environment();
    telemetry::init(settings.get("AWS_LAMBDA_LOG_LEVEL"));
    let aws = aws::config(&mut settings);
    Start { settings, aws, meter: Meter::default(), sqs: None }
}

impl Start {
    /// A setting. A missing one is an empty text at first, and is reported with all others when the function begins to run.
    pub fn text(&mut self, name: &'static str) -> String {
        self.settings.text(name)
    }

    /// A setting that may be missing or empty.
    pub fn optional(&self, name: &str) -> Option<String> {
        self.settings.get(name).filter(|it| !it.is_empty()).map(str::to_owned)
    }

    /// What CloudFront adds to the requests that it passes on (setting `EDGE_TOKEN`); empty where none is in front.
    pub(crate) fn edge_token(&self) -> String {
        self.optional("EDGE_TOKEN").unwrap_or_default()
    }

    /// A setting that is a whole number.
    pub fn number(&mut self, name: &'static str) -> u32 {
        self.settings.number(name)
    }

    /// The memory of the function in MB (AWS Lambda, defined runtime environment variables).
    pub fn memory_mb(&mut self) -> u32 {
        self.number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    }

    /// The directories in which programs are looked up, separated by colons; Lambda's own by default.
    pub fn search_path(&self) -> String {
        self.settings.get("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin:/opt/bin").to_owned()
    }

    /// The networks that customers' URLs may point into although they are not public (setting `ALLOWED_NETWORKS`).
    pub fn allowed_networks(&mut self) -> AllowedNetworks {
        self.settings.parsed("ALLOWED_NETWORKS")
    }

    /// The plans that are sold (setting `BILLING_PLANS`); none if it is empty.
    pub fn plans(&mut self) -> Arc<Plans> {
        Arc::new(self.settings.parsed("BILLING_PLANS"))
    }

    /// The table that the setting `TABLE` names.
    pub fn table(&mut self) -> table::Table {
        let mut config = aws_sdk_dynamodb::config::Builder::from(&self.aws).interceptor(self.meter.counter("dynamodb"));
        config.set_endpoint_url(aws::endpoint(&self.settings, "DYNAMODB"));
        table::Table::new(aws_sdk_dynamodb::Client::from_conf(config.build()), self.text("TABLE"))
    }

    /// The queue whose URL a setting holds.
    pub fn queue(&mut self, name: &'static str) -> Queue {
        Queue::new(self.sqs_client(), self.text(name))
    }

    /// The queue whose URL a setting holds, if it holds one.
    pub fn optional_queue(&mut self, name: &'static str) -> Option<Queue> {
        let url = self.settings.get(name).filter(|it| !it.is_empty())?.to_owned();
        Some(Queue::new(self.sqs_client(), url))
    }

    /// The queues of deliveries (settings `WEBHOOK_QUEUE`, `AMQP_QUEUE`, `SIGNALR_QUEUE`).
    pub fn delivery_queues(&mut self) -> DeliveryQueues {
        let [webhook, amqp, signalr] = ["WEBHOOK_QUEUE", "AMQP_QUEUE", "SIGNALR_QUEUE"].map(|it| self.queue(it));
        DeliveryQueues::new(webhook, amqp, signalr)
    }

    /// The queues of processing (settings `FACES_QUEUE`, `FACES_URGENT_QUEUE`, `OBJECTS_QUEUE`, `TRANSLATIONS_QUEUE`).
    pub fn process_queues(&mut self) -> ProcessQueues {
        let names = ["FACES_QUEUE", "FACES_URGENT_QUEUE", "OBJECTS_QUEUE", "TRANSLATIONS_QUEUE"];
        let [faces, urgent_faces, objects, translations] = names.map(|it| self.queue(it));
        ProcessQueues::new(faces, urgent_faces, objects, translations)
    }

    /// An S3 client for our own buckets.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let mut config =
            aws_sdk_s3::config::Builder::from(&self.aws).force_path_style(true).interceptor(self.meter.counter("s3"));
        config.set_endpoint_url(aws::endpoint(&self.settings, "S3"));
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// The meter, for clients that are built elsewhere.
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// The encryption of secrets under the KMS key that the setting `MASTER_KEY` names.
    pub fn seal(&mut self) -> Seal {
        let mut config = aws_sdk_kms::config::Builder::from(&self.aws).interceptor(self.meter.counter("kms"));
        config.set_endpoint_url(aws::endpoint(&self.settings, "KMS"));
        Seal::new(aws_sdk_kms::Client::from_conf(config.build()), self.text("MASTER_KEY"))
    }

    /// The applications' secrets, which the table stores sealed.
    pub fn secrets(&mut self, table: &table::Table) -> Arc<Secrets> {
        Arc::new(Secrets::new(table.clone(), Arc::new(self.seal())))
    }

    pub(crate) fn sqs_client(&mut self) -> aws_sdk_sqs::Client {
        let new_client = || {
            let mut config = aws_sdk_sqs::config::Builder::from(&self.aws).interceptor(self.meter.counter("sqs"));
            config.set_endpoint_url(aws::endpoint(&self.settings, "SQS"));
            aws_sdk_sqs::Client::from_conf(config.build())
        };
        self.sqs.get_or_insert_with(new_client).clone()
    }

    /// Whether all settings that were asked for exist and are valid.
    pub(crate) fn check_settings(&mut self) -> Result<(), SettingsError> {
        self.settings.finish()
    }
}
