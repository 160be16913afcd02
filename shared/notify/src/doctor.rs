//! `notify doctor`: checks a deployment from end to end, and says what is wrong.

mod checks;

use std::path::Path;

use clap::Args as ClapArgs;
use serde_json::json;

use crate::client::{Client, Target, http_client};
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::print::{self, outln};
use crate::queues::Queues;

/// What is checked.
#[derive(ClapArgs)]
#[command(
    after_help = "Examples:\n  notify doctor\n  notify doctor --stack notifications --webhook https://hooks.example.com/x --bucket rushes"
)]
pub(crate) struct DoctorArgs {
    /// A deployment's CloudFormation stack, reached with your AWS credentials: its queues are looked at, and its address is
    /// taken from its outputs
    #[arg(long)]
    stack: Option<String>,
    /// A receiver that answers every POST with 2xx and that the deployment can reach; on this machine one is started
    #[arg(long)]
    webhook: Option<String>,
    /// A bucket that is scanned, by its name or id
    #[arg(long)]
    bucket: Option<String>,
    /// The URL of the WebSocket API, unless it is on the API's own host or the stack says it
    #[arg(long, env = "NOTIFY_SOCKET_URL")]
    socket_url: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// The results of checks, printed as they come.
struct Report {
    as_json: bool,
    failed: usize,
}

impl Report {
    /// Notes the result of a check: what was seen, or why it failed.
    fn add(&mut self, check: &str, result: Result<String, CliError>) {
        let (good, said) = match result {
            Ok(said) => (true, said),
            Err(error) => (false, print::chain(&error)),
        };
        self.failed += usize::from(!good);
        if self.as_json {
            outln!("{}", json!({ "check": check, "good": good, "said": said }));
        } else if good {
            print::success(&format!("{check:<8} {said}"));
        } else {
            print::failure(&format!("{check:<8} {said}"));
        }
    }

    /// Notes a check that was not made.
    fn skip(&self, check: &str, reason: &str) {
        if self.as_json {
            outln!("{}", json!({ "check": check, "good": null, "said": reason }));
        } else {
            print::note(&format!("- {check:<8} not checked: {reason}"));
        }
    }
}

pub(crate) async fn run(args: DoctorArgs, data: &Path, as_json: bool) -> Result<(), CliError> {
    let mut report = Report { as_json, failed: 0 };
    let (mut target, mut socket_url) = (args.target, args.socket_url);
    let mut address = target.address();
    if let Some(stack) = &args.stack {
        let deployment = Deployment::open(stack).await?;
        let queues = Queues::of_deployment(&deployment).await?;
        report.add("queues", checks::queues(&queues).await);
        let mut outputs = deployment.outputs().await?;
        let edge = outputs.remove("EdgeUrl");
        if edge.is_none() {
            socket_url = socket_url.or_else(|| outputs.remove("SocketUrl"));
        }
        address = address.or(edge).or_else(|| outputs.remove("Url"));
        if let Some(address) = &address {
            target.set_address(address);
        }
    }
    if args.stack.is_some() && !target.has_keys() {
        if let Some(address) = &address {
            report.add("api", checks::api(&http_client()?, address).await);
        }
        report.skip("inbox", "give an application's keys, see --help");
    } else {
        let client = Client::open(target, data)?;
        report.add("api", checks::api(&http_client()?, &client.url).await);
        let key = checks::key(&client).await;
        let known = key.is_ok();
        report.add("key", key);
        if known {
            report.add("socket", checks::socket(&client, socket_url.as_deref()).await);
            match checks::receiver(args.webhook, &client.url).await? {
                Some(url) => report.add("webhook", checks::webhook(&client, &url).await),
                None => report.skip("webhook", "give --webhook, an address that the deployment can reach"),
            }
            match &args.bucket {
                Some(bucket) => report.add("scan", checks::scan(&client, bucket).await),
                None => report.add("buckets", checks::buckets(&client).await),
            }
        }
    }
    match report.failed {
        0 => Ok(()),
        1 => Err(CliError::Other("a check failed".to_owned())),
        count => Err(CliError::Other(format!("{count} checks failed"))),
    }
}
