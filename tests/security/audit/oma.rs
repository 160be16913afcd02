//! What an application has in OMA's APIs; and the URLs whose token is all that they take.

use reqwest::StatusCode;
use serde_json::{Value, json};
use system_tests::socket::Socket;
use system_tests::{World, text};

use crate::security::audit::planted::USER;

/// Names that each application may use: of a store, of the only flag of the object, and the path of its folder.
pub(crate) const STORE: &str = "audit";
pub(crate) const FLAG: &str = "audit";
pub(crate) const FOLDER: &str = "/audit";

const SUBPROTOCOL: &str = "notificationchannel-netapi-rest.openmobilealliance.org";
const BASE: &str = "/notificationchannel/v1";
/// Members that count down, in seconds.
const COUNTDOWNS: [&str; 3] = ["channelLifetime", "channelLifeTime", "duration"];

/// A channel, and in a box an object and a subscription: the last parts of their URLs.
pub(crate) struct PlantedOma {
    pub(crate) channel: String,
    pub(crate) object: String,
    pub(crate) object_path: String,
    pub(crate) folder: String,
    pub(crate) subscription: String,
    /// The tokens of the channel's URLs.
    pub(crate) poll_token: String,
    pub(crate) callback_token: String,
    /// The `channelURL` of a channel for sockets.
    socket_url: String,
}

impl PlantedOma {
    /// A word is in all that a client says of its own.
    pub(crate) async fn new(world: &World<'_>, word: &str) -> Self {
        let (channel, sockets) = (create(world, "LongPolling", word).await, create(world, "WebSockets", word).await);
        let reference = json!({ "notifyURL": channel["callbackURL"], "callbackData": word });
        let subscription = json!({ "nmsSubscription": { "callbackReference": reference } });
        let in_box = format!("/nms/v1/{STORE}/{USER}");
        let (status, subscribed) = world.ask("POST", &format!("{in_box}/subscriptions"), Some(subscription)).await;
        assert_eq!(status, 201, "{subscribed}");
        let made = put_object(world, &format!("{in_box}/objects"), word).await;
        let object = last(&made["reference"]["resourceURL"]);
        let (status, read) = world.ask("GET", &format!("{in_box}/objects/{object}"), None).await;
        assert_eq!(status, 200, "{read}");
        Self {
            channel: last(&channel["resourceURL"]),
            object_path: text(&read["object"]["path"]),
            folder: last(&read["object"]["parentFolder"]),
            object,
            subscription: last(&subscribed["nmsSubscription"]["resourceURL"]),
            poll_token: last(&channel["channelData"]["channelURL"]),
            callback_token: last(&channel["callbackURL"]),
            socket_url: text(&sockets["channelData"]["channelURL"]),
        }
    }
}

/// The last part of a URL.
fn last(url: &Value) -> String {
    text(url).rsplit('/').next().unwrap().to_owned()
}

async fn create(world: &World<'_>, kind: &str, tag: &str) -> Value {
    let channel = json!({ "notificationChannel": { "channelType": kind, "applicationTag": tag } });
    let (status, made) = world.ask("POST", &format!("{BASE}/{USER}/channels"), Some(channel)).await;
    assert_eq!(status, 201, "{made}");
    made["notificationChannel"].clone()
}

/// An object whose payload has one part.
async fn put_object(world: &World<'_>, path: &str, word: &str) -> Value {
    let attributes = json!({ "attribute": [{ "name": "Subject", "value": [word] }] });
    let fields =
        json!({ "object": { "parentFolderPath": FOLDER, "attributes": attributes, "flags": { "flag": [FLAG] } } });
    let payload = format!("--in\r\nContent-Type: text/plain\r\n\r\n{word}\r\n--in--\r\n");
    let part = |name: &str, kind: &str, content: &str| {
        let disposition = format!("Content-Disposition: form-data; name=\"{name}\"");
        format!("--cut\r\n{disposition}\r\nContent-Type: {kind}\r\n\r\n{content}\r\n")
    };
    let body = part("root-fields", "application/json", &fields.to_string())
        + &part("attachments", "multipart/mixed; boundary=\"in\"", &payload)
        + "--cut--\r\n";
    let request = world.http.post(format!("{}{path}", world.stack.url)).header("x-api-key", &world.keys.api_key);
    let request = request.header("x-api-secret", &world.keys.api_secret).body(body);
    let answer = request.header("content-type", "multipart/form-data; boundary=cut").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    answer.json().await.unwrap()
}

/// A body without what counts down: of the seconds that are left, the ten thousands stay.
pub(crate) fn steady(body: &str) -> String {
    fn walk(it: &mut Value) {
        match it {
            Value::Object(members) => {
                for (name, value) in members.iter_mut() {
                    match value.as_u64() {
                        Some(seconds) if COUNTDOWNS.contains(&name.as_str()) => *value = json!(seconds / 10_000),
                        _ => walk(value),
                    }
                }
            }
            Value::Array(all) => all.iter_mut().for_each(walk),
            _ => {}
        }
    }
    let Ok(mut value) = serde_json::from_str::<Value>(body) else { return body.to_owned() };
    walk(&mut value);
    value.to_string()
}

/// Whoever has a URL with a token needs nothing else, and no token is good at another URL. Answers what is wrong.
pub(crate) async fn tokens(world: &World<'_>, other: &World<'_>, planted: &PlantedOma) -> Vec<String> {
    let mut wrong = Vec::new();
    let (poll, callback) = (planted.poll_token.as_str(), planted.callback_token.as_str());
    let others = last(&create(other, "LongPolling", "another's").await["callbackURL"]);
    // a key of this application's, with what proves another's
    let mixed = format!("{}.{}", callback.split_once('.').unwrap().0, others.split_once('.').unwrap().1);
    let changed = format!("{}{}", &callback[..callback.len() - 1], if callback.ends_with('A') { 'B' } else { 'A' });
    let notification = json!({ "presenceNotification": { "resourceStatus": "Active" } });
    let nothing = json!({ "longPollingRequestParameters": null });
    for (path, token, body, want) in [
        ("callbacks", poll, &notification, 404),
        ("callbacks", &mixed, &notification, 404),
        ("callbacks", &changed, &notification, 404),
        ("callbacks", "nobody", &notification, 404),
        ("poll", callback, &nothing, 404),
        ("poll", &others, &nothing, 404),
        ("callbacks", callback, &notification, 204),
        ("poll", poll, &nothing, 200),
    ] {
        let url = format!("{}{BASE}/{path}/{token}", world.stack.url);
        let answer = world.http.post(url).json(body).send().await.unwrap();
        if answer.status().as_u16() != want {
            wrong.push(format!("{path} by the token {token}: {}, not {want}", answer.status()));
        }
    }
    let (endpoint, right) = planted.socket_url.rsplit_once("t=").unwrap();
    let offered = [("sec-websocket-protocol", SUBPROTOCOL)];
    for (token, headers, want) in [
        (right, &[][..], Some(400)),
        (poll, &offered[..], Some(404)),
        (callback, &offered[..], Some(404)),
        (&changed, &offered[..], Some(404)),
        (right, &offered[..], None),
    ] {
        let refused = Socket::open(&format!("{endpoint}t={token}"), headers).await.err();
        if refused != want {
            wrong.push(format!("the socket of a channel by the token {token}: {refused:?}, not {want:?}"));
        }
    }
    wrong
}
