//! `notify bench`: the figures of the guide (`shared/docs/figures.md`), for anyone to repeat.

mod functions;
mod inbox;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use clap::Subcommand;
use local::demo::{Keys, application};
use local::{Event, Options, Programs, Stack};
use serde_json::{Value, json};

use crate::client::{http, moment, settle};
use crate::error::CliError;
use crate::print::{self, say};
use crate::up;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Init, warm invocation, memory and size of the functions, beside a process that does nothing
    Functions {
        /// Starts of each function
        #[arg(long, default_value = "20")]
        starts: NonZeroUsize,
    },
    /// Units and requests of a scan of many small objects, and of a second scan of the same bucket
    Scan {
        /// Objects in the bucket
        #[arg(long, default_value = "100000")]
        objects: NonZeroUsize,
    },
    /// How long a notification takes to an open socket, among few and many, and how long a list takes of a small and of a
    /// large inbox
    Inbox {
        /// Sockets of the largest run
        #[arg(long, default_value = "1000")]
        sockets: NonZeroUsize,
        /// Notifications of the large inbox
        #[arg(long, default_value = "100000")]
        notifications: NonZeroUsize,
    },
}

pub(crate) async fn run(command: Command, json: bool) -> Result<(), CliError> {
    match command {
        Command::Functions { starts } => functions::run(starts.get(), json).await,
        Command::Scan { objects } => scan(objects.get(), json).await,
        Command::Inbox { sockets, notifications } => inbox::run(sockets.get(), notifications.get(), json).await,
    }
}

async fn stack(data: &Path) -> Result<Stack, CliError> {
    stack_of(Programs::One(up::program()?), data).await
}

async fn stack_of(programs: Programs, data: &Path) -> Result<Stack, CliError> {
    let project = up::project()?;
    let options =
        Options { project, programs, data: data.to_owned(), fresh: true, port: 0, parameters: BTreeMap::new() };
    Ok(Stack::start(options).await?)
}

fn folder() -> Result<tempfile::TempDir, CliError> {
    tempfile::tempdir().map_err(|it| CliError::Other(it.to_string()))
}

async fn scan(objects: usize, json: bool) -> Result<(), CliError> {
    let data = folder()?;
    let stack = stack(data.path()).await?;
    let keys = application(&stack, "bench", false).await?;
    let bucket = stack.bucket_folder("many");
    for index in 0..objects {
        let path = bucket.join(format!("{:03}", index / 1_000));
        if index % 1_000 == 0 {
            std::fs::create_dir_all(&path).map_err(|it| CliError::Other(it.to_string()))?;
        }
        std::fs::write(path.join(format!("{index:06}.txt")), index.to_string())
            .map_err(|it| CliError::Other(it.to_string()))?;
    }
    let mut body = json!({
        "system": "datacore", "endpoint": stack.s3_url, "bucket": "many", "schedule": "rate(30 days)",
        "credentials": { "accessKey": "test", "secretKey": "test" },
    });
    let made = ask(&stack, &keys, "POST", "/api/v1/Media/Buckets", &body).await?;
    let path = format!("/api/v1/Media/Buckets/{}", made["id"].as_str().unwrap_or_default());
    let mut rows = Vec::new();
    for name in ["first scan", "second scan, by schedule", "third scan, on request"] {
        let (before, mut events, began) = (stack.meter(), stack.events(), Instant::now());
        let scheduled = name.contains("schedule");
        let mut ordered = Value::Null;
        if scheduled {
            let mut every_minute = body.clone();
            every_minute["schedule"] = json!("rate(1 minute)");
            ask(&stack, &keys, "PUT", &path, &every_minute).await?;
        } else {
            body["schedule"] = json!("rate(30 days)");
            ask(&stack, &keys, "PUT", &path, &body).await?;
            ordered = ask(&stack, &keys, "POST", &format!("{path}/scan"), &Value::Null).await?;
        }
        let mut memory = 0;
        let pages = objects.div_ceil(1_000).max(1) as f64;
        let used = loop {
            while let Ok(event) = events.try_recv() {
                if let Event::Invoked { function, memory_mb: Some(it), .. } = event
                    && function == "scan"
                {
                    memory = memory.max(it);
                }
            }
            let used = stack.meter().since(&before);
            let ended = if scheduled {
                // a scan by schedule that finds nothing leaves no trace but its requests, one of which is the probe
                used.of("scan", "media.ListObjectsV2") > pages
            } else {
                let last = &ask(&stack, &keys, "GET", &path, &Value::Null).await?["lastScan"];
                last["scan"] == ordered["scan"] && last["running"] != true
            };
            if ended {
                break used;
            }
            moment().await;
        };
        rows.push(json!({
            "run": name, "objects": objects, "seconds": began.elapsed().as_secs_f64(), "most_memory_mb": memory,
            "listings": used.of("scan", "media.ListObjectsV2"), "write_units": used.of("scan", "write_units"),
            "read_units": used.of("scan", "read_units"), "invocations": used.invocations.get("scan"),
            "write_units_per_object": used.of("scan", "write_units") / objects as f64,
        }));
    }
    if json {
        say!("{}", json!(rows));
        return Ok(());
    }
    say!(
        "| run | objects | listing requests | write units | per object | read units | invocations | most memory, MB | seconds |"
    );
    say!("|---|---|---|---|---|---|---|---|---|");
    for it in &rows {
        say!(
            "| {} | {} | {} | {:.0} | {:.3} | {:.0} | {} | {} | {:.0} |",
            it["run"].as_str().unwrap_or_default(),
            it["objects"],
            it["listings"],
            it["write_units"].as_f64().unwrap_or(0.0),
            it["write_units_per_object"].as_f64().unwrap_or(0.0),
            it["read_units"].as_f64().unwrap_or(0.0),
            it["invocations"],
            it["most_memory_mb"],
            it["seconds"].as_f64().unwrap_or(0.0),
        );
    }
    print::good(
        "write units of `scan` alone; one listing request is the probe; a scan on request writes that it ended",
    );
    Ok(())
}

async fn ask(stack: &Stack, keys: &Keys, method: &str, path: &str, body: &Value) -> Result<Value, CliError> {
    let method = method.parse().unwrap_or(reqwest::Method::GET);
    // made once: what takes time is to be the answer
    static CLIENT: OnceLock<Option<reqwest::Client>> = OnceLock::new();
    let client = CLIENT.get_or_init(|| http().ok());
    let client = client.as_ref().ok_or_else(|| CliError::Other("no HTTP client can be made".to_owned()))?;
    let mut request = client.request(method, format!("{}{path}", stack.url));
    if !body.is_null() {
        request = request.json(body);
    }
    settle(&stack.url, "", path, request.header("x-api-key", &keys.api_key).header("x-api-secret", &keys.api_secret))
        .await
}
