//! The local stack: starts everything that the template describes, and stops it together.

use std::collections::BTreeMap;
use std::fs::TryLockError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stripe_emulator::StripeEmulator;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::call_log::CallLog;
use crate::clock::{now_ms, pause};
use crate::digest::hex;
use crate::dynamodb::DynamoDb;
use crate::error::StackError;
use crate::event::{Event, EventBus};
use crate::folder_lock::FolderLock;
use crate::function::Function;
use crate::iconik::IconikEmulator;
use crate::listener::{base_url, listen_for, serve};
use crate::meter::Meter;
use crate::private_file::{restrict_to_owner, write_private};
use crate::process::InvocationOutcome;
use crate::program::Programs;
use crate::random::random_id;
use crate::sqs::Sqs;
use crate::stream_source::StreamMapping;
use crate::template::{self, EmulatorUrls, Model};
use crate::websocket_gateway::WebSocketGateway;
use crate::{aws_json, http_event, http_gateway, kms, s3, samconfig, schedule, sqs, sqs_source, stripe};

/// What to start, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that holds `template.yaml` and `samconfig.toml`.
    pub project: PathBuf,
    pub programs: Programs,
    /// The data folder.
    pub data: PathBuf,
    /// Begin with empty data; the buckets' files stay.
    pub fresh: bool,
    /// The port of the HTTP API; 0 takes any free one.
    pub port: u16,
    /// Template parameters that override those of `samconfig.toml`.
    pub parameters: BTreeMap<String, String>,
    /// A file to which a line is appended the first time that a function calls an operation of AWS: its name and the
    /// operation, such as `notifications-Sweep dynamodb.Query`.
    pub call_log: Option<PathBuf>,
}

/// A running stack. Dropping it kills every process and cuts every connection at once.
pub struct Stack {
    pub url: String,
    pub sqs_url: String,
    pub dynamodb_url: String,
    pub s3_url: String,
    /// The Iconik emulator.
    pub iconik: IconikEmulator,
    /// The Stripe emulator.
    pub stripe: StripeEmulator,
    /// The key that creates applications (`x-operator-key`).
    pub operator_key: String,
    pub model: Model,
    pub sqs: Arc<Sqs>,
    pub sockets: Arc<WebSocketGateway>,
    data: PathBuf,
    bus: EventBus,
    functions: Vec<Arc<Function>>,
    tasks: Vec<JoinHandle<()>>,
    _dynamodb: DynamoDb,
    _lock: FolderLock,
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.functions.iter().for_each(|it| it.kill_all());
        self.sockets.abort_all();
    }
}

/// The ports of the last start. They are reused, because stored rows contain addresses with them, such as a bucket's
/// endpoint.
#[derive(Default, Serialize, Deserialize)]
struct Ports {
    s3: u16,
    #[serde(default)]
    iconik: u16,
    #[serde(default)]
    stripe: u16,
}

impl Stack {
    /// Starts everything. Returns when the HTTP API accepts requests.
    pub async fn start(options: Options) -> Result<Self, StackError> {
        let data = options.data.clone();
        let lock = prepare_data_dir(&data, options.fresh)?;
        let http_listener =
            TcpListener::bind(("127.0.0.1", options.port)).await.map_err(|_| StackError::PortInUse(options.port))?;
        let url = base_url(&http_listener)?;
        let sqs_listener = listen_for("SQS").await?;
        let sqs_url = base_url(&sqs_listener)?;
        let operator_key = operator_key(&data)?;
        let [s3_listener, iconik_listener, stripe_listener] = stable_ports(&data, options.port).await?;
        let stripe = stripe::open(&stripe_listener, &data, &url)?;
        let mut parameters = samconfig::parameters(&options.project.join("samconfig.toml"), "local")?;
        parameters.insert("OperatorKeyHash".to_owned(), hex(&Sha256::digest(&operator_key)));
        parameters.insert("SocketEndpoint".to_owned(), format!("{url}/live"));
        parameters.insert("ServerRoot".to_owned(), url.clone());
        parameters.insert("StripeUrl".to_owned(), stripe.url().to_owned());
        parameters.insert("StripeSecretKey".to_owned(), stripe.secret_key().to_owned());
        parameters.insert("StripeWebhookSecret".to_owned(), stripe.webhook_secret().to_owned());
        parameters.extend(options.parameters);
        let emulator_urls = EmulatorUrls { sqs: sqs_url.clone(), http: url.clone() };
        let model = template::load(&options.project.join("template.yaml"), &parameters, &emulator_urls)?;

        let unwritable = |path: PathBuf| move |it: std::io::Error| StackError::Unwritable { path, source: it.into() };
        let open_call_log = |path: PathBuf| CallLog::open(&path).map_err(unwritable(path));
        let bus = EventBus::new(options.call_log.map(open_call_log).transpose()?);
        let http = aws_json::http_client()?;
        let corrupt = |name: &str| {
            let path = data.join(name);
            move |it: rusqlite::Error| StackError::Corrupt { path, source: it.into() }
        };
        let sqs = Arc::new(Sqs::open(&data.join("sqs.db"), &model.queues).map_err(corrupt("sqs.db"))?);
        let checkpoint = data.join("stream-handled");
        trim_handled_records(&data, &checkpoint);
        let dynamodb = DynamoDb::start(&data.join("dynamodb.db"), model.table.as_ref(), &http).await?;
        let (s3_url, s3) = s3::start(s3_listener, &data.join("buckets"), &data.join("buckets.db"), &model)?;
        let (iconik, iconik_task) = IconikEmulator::start(iconik_listener, &data, &data.join("iconik"))?;
        let kms_listener = listen_for("KMS").await?;
        let kms_url = base_url(&kms_listener)?;
        let kms = kms::router(&data.join("kms-key"))?;

        let endpoint_urls = [("DYNAMODB", &dynamodb.url), ("SQS", &sqs_url), ("S3", &s3_url), ("KMS", &kms_url)];
        let endpoint_variables: Vec<(String, String)> =
            endpoint_urls.map(|(name, url)| (format!("AWS_ENDPOINT_URL_{name}"), url.clone())).into();
        let mut functions = Vec::new();
        for function in &model.functions {
            let program = options.programs.program_for(&function.binary);
            if !program.path.is_file() {
                return Err(StackError::MissingProgram(program.path));
            }
            functions.push(Function::new(function.clone(), program, endpoint_variables.clone(), bus.clone()));
        }
        let mut tasks = vec![
            serve(sqs_listener, sqs::http::router(sqs.clone(), sqs_url.clone())),
            serve(kms_listener, kms),
            s3,
            iconik_task,
            tokio::spawn(stripe.clone().serve(stripe_listener)),
        ];
        tasks.extend(spawn_event_sources(&functions, &sqs, &http, &dynamodb.url, &checkpoint, &bus));
        let routes = functions
            .iter()
            .flat_map(|it| it.definition.routes.iter().map(|route| (route.clone(), it.clone())))
            .collect();
        let host = url.trim_start_matches("http://").to_owned();
        let sockets = WebSocketGateway::new(model.websocket_api.clone().unwrap_or_default(), &functions, host.clone());
        tasks.push(serve(http_listener, http_gateway::router(routes, host, sockets.clone())));
        tasks.push(tokio::spawn(housekeeping(functions.clone(), sqs.clone())));
        let dynamodb_url = dynamodb.url.clone();
        Ok(Self {
            url,
            sqs_url,
            dynamodb_url,
            s3_url,
            iconik,
            stripe,
            operator_key,
            model,
            sqs,
            sockets,
            data,
            bus,
            functions,
            tasks,
            _dynamodb: dynamodb,
            _lock: lock,
        })
    }

    /// The events from now on.
    pub fn events(&self) -> tokio::sync::broadcast::Receiver<Event> {
        self.bus.subscribe()
    }

    /// The counts since the start.
    pub fn meter(&self) -> Meter {
        self.bus.meter()
    }

    /// The folder of a bucket.
    pub fn bucket_folder(&self, name: &str) -> PathBuf {
        self.data.join("buckets").join(name)
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A function, by the name of its binary.
    pub fn function(&self, binary: &str) -> Option<&Arc<Function>> {
        self.functions.iter().find(|it| it.definition.binary == binary)
    }

    /// Starts a process of a function and stops it again. Returns how long its init phase took.
    pub async fn measure_init(&self, binary: &str) -> Result<Duration, StackError> {
        let function =
            self.function(binary).ok_or_else(|| StackError::Demo(format!("there is no function {binary}")))?;
        function.measure_init().await
    }

    /// Invokes a function with an empty event of its kind of event source. Returns how long that took; `None` if it
    /// failed.
    pub async fn measure_warm_invocation(&self, binary: &str) -> Option<Duration> {
        let function = self.function(binary)?;
        let route = function.definition.routes.first();
        let event = match route {
            Some(_) => http_event::empty_request_event(),
            None => Bytes::from_static(br#"{"Records":[]}"#),
        };
        let process = function.reserve().await?.ok()?;
        let started_at = std::time::Instant::now();
        let outcome = function.invoke(process, event).await;
        matches!(outcome, InvocationOutcome::Succeeded(_)).then(|| started_at.elapsed())
    }

    /// Invokes a function with the event of its schedule now. `false` if that failed.
    pub async fn fire_schedule(&self, binary: &str) -> bool {
        let Some(function) = self.function(binary) else { return false };
        let event = schedule::scheduled_event(&function.definition.name).to_string();
        matches!(function.invoke_when_free(Bytes::from(event)).await, Some(InvocationOutcome::Succeeded(_)))
    }
}

fn spawn_event_sources(
    functions: &[Arc<Function>],
    sqs: &Arc<Sqs>,
    http: &reqwest::Client,
    dynamodb: &str,
    checkpoint: &Path,
    bus: &EventBus,
) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    for function in functions {
        for source in &function.definition.sqs_sources {
            tasks.push(tokio::spawn(sqs_source::run(source.clone(), function.clone(), sqs.clone(), bus.clone())));
        }
        if let Some(source) = &function.definition.stream_source {
            let mapping = StreamMapping {
                source: source.clone(),
                table: source.table.clone(),
                function: function.clone(),
                sqs: sqs.clone(),
                http: http.clone(),
                dynamodb: dynamodb.to_owned(),
                checkpoint: checkpoint.to_owned(),
                bus: bus.clone(),
            };
            tasks.push(tokio::spawn(mapping.run()));
        }
        if let Some(rule) = function.definition.schedule.as_deref().and_then(schedule::Rule::parse) {
            tasks.push(tokio::spawn(run_schedule(rule, function.clone())));
        }
    }
    tasks
}

/// Invokes a function on its schedule, and once at the start, so that work that the last stop interrupted continues.
async fn run_schedule(rule: schedule::Rule, function: Arc<Function>) {
    let mut due = now_ms();
    loop {
        pause(Duration::from_millis(u64::try_from(due - now_ms()).unwrap_or(0))).await;
        for _ in 0..3 {
            // a failed asynchronous invocation is retried twice (AWS Lambda, asynchronous invocation)
            let event = schedule::scheduled_event(&function.definition.name).to_string();
            match function.invoke_when_free(Bytes::from(event)).await {
                Some(InvocationOutcome::Succeeded(_)) => break,
                Some(_) => {}
                None => return,
            }
            pause(Duration::from_secs(1)).await;
        }
        let Some(next) = rule.next(due.max(now_ms() - 1_000)) else { return };
        due = next;
    }
}

async fn housekeeping(functions: Vec<Arc<Function>>, sqs: Arc<Sqs>) {
    loop {
        pause(Duration::from_secs(10)).await;
        functions.iter().for_each(|it| it.stop_idle());
        drop(sqs.expire()); // tried again in ten seconds
    }
}

fn prepare_data_dir(data: &Path, fresh: bool) -> Result<FolderLock, StackError> {
    let unwritable = |it: std::io::Error| StackError::Unwritable { path: data.to_owned(), source: it.into() };
    std::fs::create_dir_all(data.join("buckets")).map_err(unwritable)?;
    restrict_to_owner(data).map_err(unwritable)?;
    let lock = FolderLock::acquire(&data.join("stack.lock")).map_err(|error| match error {
        TryLockError::WouldBlock => StackError::DataDirInUse(data.to_owned()),
        TryLockError::Error(error) => unwritable(error),
    })?;
    if fresh {
        for entry in std::fs::read_dir(data).map_err(unwritable)?.flatten() {
            let name = entry.file_name();
            if entry.path().is_file() && name != "stack.lock" {
                std::fs::remove_file(entry.path()).map_err(unwritable)?;
            }
        }
    }
    let probe = data.join("probe");
    std::fs::write(&probe, [0; 65_536]).and_then(|()| std::fs::remove_file(&probe)).map_err(unwritable)?;
    Ok(lock)
}

/// Deletes stream records that were handled before the last stop. A missing or corrupt database is reported when it is
/// opened.
fn trim_handled_records(data: &Path, checkpoint: &Path) {
    if let Ok(handled) = std::fs::read_to_string(checkpoint) {
        drop(crate::dynamodb::trim_stream(&data.join("dynamodb.db"), &handled));
    }
}

/// Opens the ports of S3, Iconik and Stripe, whose addresses stored rows and users' scripts contain: those of the last start
/// if they are free.
async fn stable_ports(data: &Path, http_port: u16) -> Result<[TcpListener; 3], StackError> {
    let path = data.join("ports.json");
    let last: Ports = std::fs::read(&path).ok().and_then(|it| serde_json::from_slice(&it).ok()).unwrap_or_default();
    let port_beside = |offset: u16| if http_port == 0 { 0 } else { http_port.saturating_add(offset) };
    let s3 = stable_port("S3", last.s3, port_beside(1)).await?;
    let iconik = stable_port("Iconik", last.iconik, port_beside(2)).await?;
    let stripe = stable_port("Stripe", last.stripe, port_beside(3)).await?;
    let port = |it: &TcpListener| it.local_addr().map_or(0, |it| it.port());
    let ports = Ports { s3: port(&s3), iconik: port(&iconik), stripe: port(&stripe) };
    let text = serde_json::to_vec(&ports).unwrap_or_default();
    std::fs::write(&path, text).map_err(|it| StackError::Unwritable { path, source: it.into() })?;
    Ok([s3, iconik, stripe])
}

async fn stable_port(service: &str, last: u16, preferred: u16) -> Result<TcpListener, StackError> {
    for port in [last, preferred].into_iter().filter(|it| *it != 0) {
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
            return Ok(listener);
        }
    }
    listen_for(service).await
}

fn operator_key(data: &Path) -> Result<String, StackError> {
    let file = data.join("operator-key");
    if let Ok(key) = std::fs::read_to_string(&file) {
        return Ok(key);
    }
    let key = format!("op_{}{}", random_id(), random_id()).replace('-', "");
    write_private(&file, key.as_bytes()).map_err(|it| StackError::Unwritable { path: file, source: it.into() })?;
    Ok(key)
}
