//! The world that a system test runs in: the one running stack, an application of the test's own, and a look for
//! leftovers at the end.

#[path = "world/checks.rs"]
pub mod checks;
#[path = "world/client.rs"]
pub mod client;
#[path = "world/clock.rs"]
mod clock;
#[path = "world/dice.rs"]
mod dice;
#[path = "world/hub.rs"]
pub mod hub;
#[path = "world/issuer.rs"]
pub mod issuer;
#[path = "world/manager.rs"]
pub mod manager;
#[path = "world/pictures.rs"]
mod pictures;
#[path = "world/place.rs"]
mod place;
#[path = "world/polling.rs"]
mod polling;
#[path = "world/processor.rs"]
pub mod processor;
#[path = "world/receiver.rs"]
pub mod receiver;
#[path = "world/server.rs"]
mod server;
#[path = "world/shelf.rs"]
pub mod shelf;
#[path = "world/socket.rs"]
pub mod socket;
#[path = "world/stacks.rs"]
mod stacks;
#[path = "world/stripe.rs"]
pub mod stripe;
#[path = "world/swarm.rs"]
pub mod swarm;
#[path = "world/tools.rs"]
pub mod tools;
#[path = "world/vault.rs"]
pub mod vault;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

pub use client::http;
pub use clock::{in_seconds, since};
pub use dice::Dice;
use local::Stack;
use local::demo::ApplicationKeys;
pub use pictures::{beside, jpeg, media, noise, side_by_side};
pub use place::Place;
pub use polling::{look_again, until};
use receiver::Receiver;
use serde_json::{Value, json};
pub use server::serve;
use stacks::shared;
pub use stacks::{call_log, own_stack};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// How long a test waits for a condition.
const PATIENCE: Duration = Duration::from_secs(600);

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static STACK: OnceCell<Stack> = OnceCell::const_new();

/// Tests with stacks of their own: three at a time. Each waits for conditions more than it computes.
static OWN_STACKS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(3);
/// Who reads dead letters hides them from others for a moment: one test at a time.
static LETTERS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// One test's view.
pub struct World<'a> {
    pub stack: &'a Place<'a>,
    pub keys: ApplicationKeys,
    pub http: reqwest::Client,
    /// All that is random comes from here; `WORLD_SEED=…` repeats a run.
    pub seed: u64,
}

/// A bucket of a test.
pub struct Bucket {
    pub id: String,
    pub folder: PathBuf,
    pub name: String,
}

impl World<'_> {
    /// Runs a test in the shared stack, and fails if it leaves messages behind.
    pub fn run(test: impl AsyncFnOnce(&World<'_>)) {
        runtime().block_on(async {
            let place = match Place::elsewhere() {
                Some(place) => place,
                None => Place::of(STACK.get_or_init(shared).await),
            };
            let world = World::at(place).await;
            test(&world).await;
            world.until("no message is left over", async || world.leftovers().is_empty().then_some(())).await;
        });
    }

    /// Runs a test with a runtime alone, for those that have stacks of their own, and kill them.
    pub fn alone(test: impl AsyncFnOnce()) {
        runtime().block_on(async {
            let _turn = OWN_STACKS.acquire().await.expect("it is never closed");
            test().await;
        });
    }

    pub async fn open(stack: &Stack) -> World<'_> {
        World::at(Place::of(stack)).await
    }

    /// An application of its own, wherever the functions run.
    pub async fn at<'a>(place: &'a Place<'a>) -> World<'a> {
        let keys = place.application().await;
        let seed = seed();
        println!("WORLD_SEED={seed}");
        World { stack: place, keys, http: http(), seed }
    }

    /// Asks the API as the test's application; answers status and body.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let request = self.http.request(method, format!("{}{path}", self.stack.url));
        let request = request.header("x-api-key", &self.keys.api_key).header("x-api-secret", &self.keys.api_secret);
        let answer = match body {
            Some(body) => request.json(&body).send().await,
            None => request.send().await,
        };
        let answer = answer.expect("the API answers");
        let (status, text) = (answer.status().as_u16(), answer.text().await.expect("a body"));
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// A bucket in the stack's own S3, scanned on request alone.
    pub async fn bucket(&self) -> Bucket {
        let name = format!("b{}", &self.keys.application_id[..8]);
        let folder = self.stack.bucket_folder(&name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let id = self.bucket_at(&self.stack.s3_url, &name, json!({})).await;
        Bucket { id, folder, name }
    }

    /// A bucket somewhere, with more members than the usual ones; answers its id.
    pub async fn bucket_at(&self, endpoint: &str, name: &str, more: Value) -> String {
        let mut body = json!({
            "system": "datacore", "endpoint": endpoint, "bucket": name, "schedule": "rate(30 days)",
            "credentials": { "accessKey": "test", "secretKey": "test" },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        let (status, bucket) = self.ask("POST", "/api/v1/Media/Buckets", Some(body)).await;
        assert_eq!(status, 201, "{bucket}");
        text(&bucket["id"])
    }

    /// Scans a bucket and waits for the end of it; answers how it ended.
    pub async fn scan(&self, bucket: &str) -> Value {
        let path = format!("/api/v1/Media/Buckets/{bucket}");
        let (status, ordered) = self.ask("POST", &format!("{path}/scan"), None).await;
        assert_eq!(status, 202, "{ordered}");
        self.until("the scan ends", async || {
            let seen = self.get(&path).await["lastScan"].clone();
            (seen["scan"] == ordered["scan"] && seen["running"] != true).then_some(seen)
        })
        .await
    }

    /// The items of a bucket, once `count` of them have come to an end.
    pub async fn ended(&self, bucket: &str, count: usize) -> Vec<Value> {
        until(&format!("{count} items end"), async || {
            let items = self.items(&format!("bucket={bucket}")).await;
            let open = |it: &Value| matches!(it["status"].as_str(), Some("Pending" | "Processing"));
            (items.len() == count && !items.iter().any(open)).then_some(items)
        })
        .await
    }

    /// All items that fit a query, over all pages.
    pub async fn items(&self, query: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/api/v1/Media/Items?limit=100&{query}{cursor}")).await;
            all.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// A receiver on a port of its own, and a channel that points to it.
    pub async fn webhook(&self, more: &[(&str, &str)]) -> Receiver {
        let receiver = Receiver::start().await;
        let channel = self.channel(&receiver.url, more).await;
        receiver.knows(&text(&channel["signingSecret"]));
        let id = text(&channel["id"]);
        receiver.channel.lock().expect("not poisoned").clone_from(&id);
        if channel["status"] == "unconfirmed" {
            self.until("the receiver has answered its challenge", async || {
                (self.configuration(&id).await["status"] == "active").then_some(())
            })
            .await;
        }
        receiver
    }

    /// A channel as it is, with what the published shape does not have.
    pub async fn configuration(&self, id: &str) -> Value {
        let path = format!("{}/api/v1/Notification/ChannelConfiguration", self.stack.url);
        let query = [("applicationId", self.keys.application_id.as_str()), ("configurationId", id)];
        let request = self.http.get(path).query(&query).header("x-extended", "true");
        let request = request.header("x-api-key", &self.keys.api_key).header("x-api-secret", &self.keys.api_secret);
        request.send().await.expect("the API answers").json().await.expect("a channel")
    }

    /// A webhook; of every type, if `more` does not say otherwise.
    pub async fn channel(&self, url: &str, more: &[(&str, &str)]) -> Value {
        let mut form = more.to_vec();
        form.push(("webHookUrl", url));
        if !more.iter().any(|(name, _)| *name == "format") {
            form.push(("format", "native"));
        }
        let path = format!("{}/api/v1/Notification/ChannelConfiguration/WebHook", self.stack.url);
        let request =
            self.http.post(path).query(&[("applicationId", &self.keys.application_id)]).header("x-extended", "true");
        let request =
            request.header("x-api-key", &self.keys.api_key).header("x-api-secret", &self.keys.api_secret).form(&form);
        let answer = request.send().await.expect("the API answers");
        assert_eq!(answer.status(), 200);
        answer.json().await.expect("a channel")
    }

    /// Puts a message on a queue as a stranger could who has the right.
    pub fn queue(&self, name: &str, body: &str) {
        let message = local::sqs::NewMessage { body: body.to_owned(), attributes: Value::Null, delay: Duration::ZERO };
        self.stack.sqs.send(&format!("notifications-{name}"), &[message]).expect("the queue takes it");
    }

    /// The dead letters, for this test alone.
    pub async fn letters(&self) -> tokio::sync::MutexGuard<'static, ()> {
        LETTERS.lock().await
    }

    /// Runs the `notify` program against the stack of this world.
    pub async fn notify(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = tokio::process::Command::new(program());
        command.args(arguments);
        match arguments.first() {
            Some(&"publish") => command.env("NOTIFY_DATA", self.stack.data_folder()), // its `--data` is the event's
            _ => command.arg("--data").arg(self.stack.data_folder()),
        };
        let output = command.output().await.expect("notify runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Runs the `notify` program as the test's application.
    pub async fn notify_as(&self, arguments: &[&str]) -> (bool, String) {
        let keys = ["--url", &self.stack.url, "--application-id", &self.keys.application_id];
        let secrets = ["--api-key", &self.keys.api_key, "--api-secret", &self.keys.api_secret];
        self.notify(&[arguments, &keys, &secrets].concat()).await
    }

    /// Waits until a condition gives something.
    pub async fn until<T>(&self, what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
        until(what, condition).await
    }

    /// Messages of this application that are in a queue or among the dead letters. The look at a channel of OMA's when its
    /// lifetime is over is none: its queue keeps it until then, whatever becomes of the channel.
    pub fn leftovers(&self) -> Vec<String> {
        let Some(stack) = self.stack.local() else { return Vec::new() }; // `.ci/ministack.py` looks at the end
        let mut left = Vec::new();
        for queue in stack.sqs.queue_names() {
            let bodies = stack.sqs.bodies(queue).expect("the queue is read");
            let is_kept = |it: &str| queue == "notifications-PushQueue" && is_look_at_the_end(it);
            let ours = bodies.into_iter().filter(|it| it.contains(&self.keys.application_id) && !is_kept(it));
            left.extend(ours.map(|it| format!("{queue}: {it}")));
        }
        left
    }
}

/// Whether a message has a channel looked at when its lifetime is over.
fn is_look_at_the_end(body: &str) -> bool {
    serde_json::from_str::<Value>(body).is_ok_and(|it| it["what"]["expires"] == true)
}

/// Builds the program and finds, or installs, what the tests need beyond Rust: once.
pub async fn built() {
    static BUILT: OnceCell<()> = OnceCell::const_new();
    BUILT
        .get_or_init(async || {
            let mut cargo = tokio::process::Command::new(env!("CARGO"));
            // with the packages and targets of `cargo test --workspace`, so that nothing is built with other features
            cargo.args(["build", "--workspace", "--tests", "--bin", "notify", "--locked"]).current_dir(project());
            // set under `cargo test`, and watched by ring's build script: everything would be built again; the last one
            // is for `--report-time`
            let own = |it: &str| {
                matches!(it, "CARGO" | "RUSTC_BOOTSTRAP")
                    || ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|own| it.starts_with(own))
            };
            for (name, _) in variables().filter(|it| own(&it.0)) {
                cargo.env_remove(name);
            }
            assert!(cargo.status().await.expect("cargo runs").success(), "the program does not build");
            if !runs("ffmpeg", &["-version"]).await {
                let installed =
                    runs("apt-get", &["update"]).await && runs("apt-get", &["install", "-y", "ffmpeg"]).await;
                assert!(installed, "the tests need ffmpeg: apt-get install ffmpeg");
            }
        })
        .await;
}

#[expect(clippy::disallowed_methods, reason = "to take from a child what cargo gave this program")]
fn variables() -> std::env::Vars {
    std::env::vars()
}

pub async fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command.status().await.is_ok_and(|it| it.success())
}

fn runtime() -> &'static Runtime {
    RUNTIME.get_or_init(|| {
        drop(rustls::crypto::ring::default_provider().install_default()); // nobody was before us
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
    })
}

pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// `notify`, which holds the functions.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a program");
    test.parent().and_then(Path::parent).expect("target/debug/deps").join("notify")
}

/// A number from the environment: how large a test is to be.
#[expect(clippy::disallowed_methods, reason = "a test's size comes from outside")]
pub fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "a seed comes from outside, or from the clock")]
fn seed() -> u64 {
    setting("WORLD_SEED").unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |it| it.subsec_nanos().into())
    })
}

pub fn text(it: &Value) -> String {
    it.as_str().unwrap_or_default().to_owned()
}
