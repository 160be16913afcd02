//! A run: its stack, its receivers, its channels and its books.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

use clap::Args;
use local::rabbitmq::RabbitMq;
use local::{Programs, Stack};
use serde_json::{Value, json};
use tokio::sync::{Mutex, RwLock};

use super::super::api::{Api, CHANNELS};
use super::super::setup::stack_options;
use super::ledger::{Ledger, ledger_error};
use super::plan::{Fault, Plan, Receiver};
use super::state::{ProofChannel, Saved, State};
use super::webhooks::Webhooks;
use crate::client::poll_delay;
use crate::error::CliError;
use crate::print;
use crate::project::current_program;

/// What a crash leaves comes back after this time, in seconds: the least that the template allows.
const PARAMETERS: [(&str, &str); 1] = [("QueueReturnSeconds", "30")];
/// Events of a run that does not say how many.
const MESSAGES_BY_DEFAULT: u32 = 2_000;

/// What `notify bench proof` is asked.
#[derive(Args)]
pub(crate) struct ProofArgs {
    /// Number of events
    #[arg(long, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    messages: Option<u32>,
    /// What decides who gets what, and what is killed when
    #[arg(long)]
    seed: Option<u64>,
    /// Keep the run here; the same command goes on with one that was interrupted
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// Kill nothing: then no event may come twice to a receiver that takes it
    #[arg(long)]
    no_kills: bool,
}

/// A run.
pub(super) struct Run {
    pub(super) plan: Arc<Plan>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) state: Arc<State>,
    pub(super) webhooks: Arc<Webhooks>,
    pub(super) api: Arc<Api>,
    pub(super) folder: PathBuf,
    /// `None` while it is being started again.
    pub(super) stack: RwLock<Option<Stack>>,
    pub(super) broker: Mutex<Option<RabbitMq>>,
    pub(super) gap: Arc<AtomicBool>,
    pub(super) repeated: Arc<[AtomicU64; 3]>,
    /// Accepted events that are for a user's inbox.
    pub(super) notes: AtomicU32,
    /// What happens once so many events are accepted; empty if nothing is to be killed.
    pub(super) faults: Vec<(u32, Fault)>,
}

impl Run {
    /// Starts what the run needs: anew, or as an interrupted run has left it.
    pub(super) async fn prepare(args: &ProofArgs, folder: &Path) -> Result<Self, CliError> {
        let known = State::read(folder)?;
        let resumed = known.is_some();
        let mut saved = known.unwrap_or_else(|| Saved {
            seed: args.seed.unwrap_or(1),
            messages: args.messages.unwrap_or(MESSAGES_BY_DEFAULT),
            ..Saved::default()
        });
        let other =
            args.seed.is_some_and(|it| it != saved.seed) || args.messages.is_some_and(|it| it != saved.messages);
        if other {
            return Err(CliError::Usage(format!(
                "the run in this folder has the seed {} and {} messages; choose another --folder",
                saved.seed, saved.messages
            )));
        }
        let plan = Arc::new(Plan::new(saved.seed, saved.messages));
        let ledger = Ledger::open(&folder.join("ledger"), saved.messages);
        let ledger = Arc::new(ledger.map_err(ledger_error)?);
        let (webhooks, port) = Webhooks::start(saved.webhooks_port, plan.clone(), ledger.clone()).await?;
        saved.webhooks_port = port;
        let broker = if RabbitMq::is_installed() {
            let data = folder.join("rabbitmq");
            std::fs::create_dir_all(&data).map_err(|it| CliError::Other(it.to_string()))?;
            let broker = RabbitMq::start(&data, saved.broker_port).await?;
            saved.broker_port = Some(broker.port());
            Some(broker)
        } else {
            print::note("RabbitMQ is not installed (Debian: apt-get install rabbitmq-server): the run goes without");
            None
        };
        let stack = start_stack(folder, saved.port).await?;
        saved.port = stack.url.rsplit(':').next().and_then(|it| it.parse().ok()).unwrap_or_default();
        let keys = match &saved.keys {
            Some(keys) => keys.clone(),
            None => local::demo::create_application(&stack, "proof", false).await?,
        };
        saved.keys = Some(keys.clone());
        saved.counts.resumed += u32::from(resumed);
        let notes = (0..plan.messages).filter(|it| ledger.is_accepted(*it) && plan.is_note(*it)).count();
        let faults = if args.no_kills { Vec::new() } else { plan.faults() };
        let run = Self {
            api: Arc::new(Api::new(stack.url.clone(), keys)?),
            plan,
            ledger,
            state: Arc::new(State::new(folder, saved)),
            webhooks,
            folder: folder.to_owned(),
            stack: RwLock::new(Some(stack)),
            broker: Mutex::new(broker),
            gap: Arc::default(),
            repeated: Arc::default(),
            notes: AtomicU32::new(notes as u32),
            faults,
        };
        run.state.save()?;
        run.create_channels().await?;
        Ok(run)
    }

    /// The id of a receiver's channel; `None` if it has none.
    pub(super) fn channel_id(&self, receiver: Receiver) -> Option<String> {
        self.state.change(|it| it.channels.get(receiver.name()).map(|it| it.id.clone()))
    }

    /// The receivers that take part: all, or all but the queue if there is no broker.
    pub(super) fn receivers(&self) -> impl Iterator<Item = Receiver> + '_ {
        let broker = self.state.change(|it| it.broker_port.is_some());
        Receiver::ALL.into_iter().filter(move |it| *it != Receiver::Queue || broker)
    }

    /// Creates the channels that are not there yet.
    pub(super) async fn create_channels(&self) -> Result<(), CliError> {
        for receiver in self.receivers() {
            if matches!(receiver, Receiver::LongPoll | Receiver::Socket(_)) {
                continue;
            }
            let name = receiver.name();
            let channel = match self.state.change(|it| it.channels.get(name).cloned()) {
                Some(channel) => channel,
                None => {
                    let (kind, body) = self.channel_form(receiver);
                    let path = format!("{CHANNELS}/{kind}?applicationId={}", self.api.keys.application_id);
                    let made = self.api.call("POST", &path, &body).await?;
                    let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
                    let channel = ProofChannel { id: text("id"), signing_secret: text("signingSecret") };
                    self.state.change(|it| it.channels.insert(name.to_owned(), channel.clone()));
                    self.state.save()?;
                    channel
                }
            };
            if receiver == Receiver::Queue {
                continue;
            }
            self.webhooks.set_secret(receiver, &channel.signing_secret)?;
            while self.channel(&channel.id).await?["status"] == "unconfirmed" {
                poll_delay().await;
            }
        }
        Ok(())
    }

    pub(super) fn channel_form(&self, receiver: Receiver) -> (&'static str, Value) {
        let common = json!({
            "format": "native", "types": receiver.types(),
            "retryCount": if receiver == Receiver::Failing { "2" } else { "20" }, "exponentialBackoffFactor": "1.0",
        });
        let with = |more: Value| match (common, more) {
            (Value::Object(mut common), Value::Object(more)) => {
                common.extend(more);
                Value::Object(common)
            }
            (common, _) => common,
        };
        let (hooks, broker) = self.state.change(|it| (it.webhooks_port, it.broker_port.unwrap_or_default()));
        match receiver {
            Receiver::Queue => (
                "RabbitMQ",
                with(json!({
                    "url": format!("amqp://127.0.0.1:{broker}"), "username": "guest", "password": "guest",
                    "queueName": receiver.name(),
                })),
            ),
            _ => {
                let url = format!("http://127.0.0.1:{hooks}/{}", receiver.name());
                let ordering = if receiver == Receiver::Ordered { "key" } else { "none" };
                ("WebHook", with(json!({ "webHookUrl": url, "ordering": ordering })))
            }
        }
    }

    pub(super) fn channel_path(&self, id: &str) -> String {
        format!("{CHANNELS}?applicationId={}&configurationId={id}", self.api.keys.application_id)
    }

    pub(super) async fn channel(&self, id: &str) -> Result<Value, CliError> {
        self.api.call_until_answered("GET", &self.channel_path(id), &Value::Null, None).await
    }
}

/// Starts the stack with what its folder holds, on this port; 0 takes any.
pub(super) async fn start_stack(folder: &Path, port: u16) -> Result<Stack, CliError> {
    let mut options = stack_options(Programs::AllInOne(current_program()?), &folder.join("stack"))?;
    options.fresh = false;
    options.port = port;
    options.parameters = PARAMETERS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Ok(Stack::start(options).await?)
}
