//! One of everything that an application can have, with a word in all of it that nobody else may ever read.

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::client::CHANNELS;
use system_tests::receiver::Receiver;
use system_tests::socket::Socket;
use system_tests::{World, media, text};

use crate::security::audit::callers::{Caller, Class, access, pair};
use crate::security::audit::oma::PlantedOma;
use crate::security::audit::rules::Rule;

/// Names that stand in paths. Each application may use the same.
pub(crate) const USER: &str = "jane";
pub(crate) const GROUP: &str = "editors";
pub(crate) const TYPE: &str = "audit.told";

const GENERATE: &str = "/api/v1/Image/Generation/AdCreativesByKind";
const PROGRESS: &str = "/api/v1/Image/Generation/CheckUserProgress";

/// What the application that is attacked has, by id.
pub(crate) struct Planted {
    pub(crate) app: String,
    pub(crate) bucket: String,
    pub(crate) item: String,
    pub(crate) channel: String,
    /// A notification of the application's own, and its delivery to the channel.
    pub(crate) told: String,
    pub(crate) delivery: String,
    pub(crate) process: String,
    pub(crate) task: String,
    pub(crate) notification: String,
    pub(crate) of_group: String,
    pub(crate) of_everyone: String,
    pub(crate) connection: String,
    pub(crate) key: String,
    pub(crate) refresh: String,
    pub(crate) oma: PlantedOma,
    /// The user's socket, in the group.
    pub(crate) socket: Socket,
    /// What Iconik shows.
    hook: String,
    /// The word, and all secrets.
    words: Vec<String>,
    _receiver: Receiver,
}

impl Planted {
    pub(crate) async fn new(world: &World<'_>) -> Self {
        let word = format!("marker{}", world.seed);
        let app = world.keys.application_id.clone();
        let (channel, receiver) = channel(world, &word).await;
        let (bucket, item) = item(world, &word).await;
        let (process, task) = picture(world, &item, &word).await;
        let oma = PlantedOma::new(world, &word).await;
        let told = world.send_test(&text(&channel["id"])).await;
        let delivery = world.delivery(&text(&channel["id"]), &told, "delivered").await;
        let hook = format!("{word}-of-iconik-{app}");
        let more = json!({ "title": word });
        let schema = json!({ "type": "object", "title": word });
        let rules = json!([{ "type": TYPE, "inApp": true }]);
        let key = json!({ "name": word });
        let endpoint = json!({ "endpoint": "http://127.0.0.1:9/jobs", "params": { "of": word } });
        let mut made = Vec::new();
        for (method, path, body) in [
            ("POST", format!("/api/v1/Inbox/{USER}/Notifications"), more.clone()),
            ("POST", format!("/api/v1/Groups/{GROUP}/Notifications"), more.clone()),
            ("POST", "/api/v1/Everyone/Notifications".to_owned(), more),
            ("POST", format!("/api/v1/Applications/{app}/Keys"), key),
            ("PUT", format!("/api/v1/Types/{TYPE}"), json!({ "schema": schema })),
            ("PUT", format!("/api/v1/Inbox/{USER}/Preferences"), json!({ "rules": rules })),
            ("PUT", "/api/v1/Media/Settings".to_owned(), json!({ "iconik_webhook_secret": hook, "temp_folder": word })),
            ("PUT", "/api/v1/Media/Processors/FacialRecognition".to_owned(), endpoint),
        ] {
            let (status, it) = world.ask(method, &path, Some(body)).await;
            assert!(matches!(status, 200 | 201), "{method} {path}: {status} {it}");
            made.push(it);
        }
        let key = &made[3];
        let ticket = world.ticket(USER, &[GROUP]).await;
        let url = format!("{}/api/v1/Inbox/Socket?ticket={ticket}", world.stack.url);
        let mut socket = Socket::open(&url, &[]).await.unwrap();
        socket.say(&json!({ "action": "resume" })).await;
        socket.wait("resumed").await;
        let connection = world
            .until("the connection is listed", async || {
                let all = world.get(&format!("/api/v1/Inbox/{USER}/Connections")).await;
                all[0]["id"].as_str().map(str::to_owned)
            })
            .await;
        // what is counted and listed comes by the table's stream
        world
            .until("the item is counted", async || {
                let tally = world.get("/api/v1/Media/Summary").await;
                (tally["Completed"] == 1 && tally["Pending"] == 0 && tally["Processing"] == 0).then_some(())
            })
            .await;
        world
            .until("the notification is in the list of all", async || {
                world.get("/notifications/").await.to_string().contains(&word).then_some(())
            })
            .await;
        let id = |it: &Value| text(&it[0]["id"]);
        let secrets = [&world.keys.api_key, &world.keys.api_secret, &world.keys.jwt_private_key];
        let mut words: Vec<String> = secrets.into_iter().cloned().collect();
        words.extend([&channel["signingSecret"], &key["apiKey"], &key["apiSecret"]].map(text));
        words.push(text(&made[7]["secret"]));
        words.extend([&oma.poll_token, &oma.callback_token].map(String::clone));
        words.push(word);
        assert!(words.iter().all(|it| it.len() > 6), "each is long enough to be found");
        Self {
            refresh: access(world).await.1,
            bucket,
            item,
            channel: text(&channel["id"]),
            delivery: text(&delivery["id"]),
            told,
            process,
            task,
            notification: id(&made[0]),
            of_group: id(&made[1]),
            of_everyone: id(&made[2]),
            connection,
            key: text(&key["id"]),
            oma,
            app,
            socket,
            hook,
            words,
            _receiver: receiver,
        }
    }

    /// Whoever may call what a rule guards.
    pub(crate) fn owner(&self, world: &World<'_>, rule: Rule) -> Caller {
        let keys = pair(&world.keys.api_key, &world.keys.api_secret);
        let headers = match rule {
            Rule::Public | Rule::Body | Rule::Token => &[][..],
            Rule::Operator => &[("x-operator-key", world.stack.operator_key.as_str())],
            Rule::Iconik => &[("x-webhook-secret", self.hook.as_str())],
            Rule::Manager
            | Rule::Scope(_)
            | Rule::Billing
            | Rule::Own(_)
            | Rule::Users
            | Rule::Door
            | Rule::SignIn
            | Rule::Seed => &keys,
        };
        Caller::new("its owner", Class::Nobody, headers, world)
    }

    /// What an answer told that it must not: a secret, the word, or the application's id beyond an echo.
    pub(crate) fn leaked(&self, sent: &str, body: &str) -> Option<&str> {
        let word = self.words.iter().find(|it| body.contains(it.as_str())).map(String::as_str);
        word.or_else(|| Some(self.app.as_str()).filter(|it| body.contains(it) && !sent.contains(it)))
    }
}

/// A webhook that is told of tests alone, and answers.
async fn channel(world: &World<'_>, word: &str) -> (Value, Receiver) {
    let receiver = Receiver::start().await;
    let channel = world.channel(&format!("{}/{word}", receiver.url), &[("types", "channel.test")]).await;
    receiver.knows(&text(&channel["signingSecret"]));
    let id = text(&channel["id"]);
    world
        .until("the channel is confirmed", async || {
            (world.configuration(&id).await["status"] == "active").then_some(())
        })
        .await;
    (channel, receiver)
}

/// A bucket, and an item out of it with a result.
async fn item(world: &World<'_>, word: &str) -> (String, String) {
    let folder = world.stack.bucket_folder(word);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{word}.jpg")), media("astronaut.jpg")).unwrap();
    let bucket = world.bucket_at(&world.stack.s3_url, word, json!({})).await;
    world.scan(&bucket).await;
    let items = world.ended(&bucket, 1).await;
    assert_eq!(items[0]["status"], "Completed", "{}", items[0]);
    (bucket, text(&items[0]["id"]))
}

/// A process of an image task that has come to its end, and its task.
async fn picture(world: &World<'_>, item: &str, word: &str) -> (String, String) {
    let form = [("renderKind", "Post"), ("itemId", item), ("userId", USER), ("mainHeadline", word)];
    let (status, made) = world.channels(Method::POST, GENERATE, &[], Some(&form)).await;
    assert_eq!(status, 200, "{made}");
    let id = text(&made["imageRenderProcessId"]);
    let task = world
        .until("the picture is made", async || {
            let query = [("imageRenderProcessId", id.as_str())];
            let (_, seen) = world.channels(Method::GET, PROGRESS, &query, None).await;
            (seen[0]["progress"] == 100).then(|| seen[0]["tasks"][0].clone())
        })
        .await;
    assert_eq!(task["isSuccessful"], true, "{task}");
    let (status, _) = world.channels(Method::GET, &format!("{CHANNELS}/Active"), &[], None).await;
    assert_eq!(status, 200, "without an active channel there are no pictures");
    (id, text(&task["taskId"]))
}
