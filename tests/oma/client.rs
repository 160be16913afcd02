//! A client of the OMA APIs, on the wire, in JSON or in XML: no code of the product in it.

use std::time::Duration;

use futures_util::future::join;
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use system_tests::socket::Socket;
use system_tests::{World, text};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::xml;

pub(crate) const SUBPROTOCOL: &str = "notificationchannel-netapi-rest.openmobilealliance.org";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Xml,
}

impl Format {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
        }
    }

    /// As `notificationFormat` and `resFormat` spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Xml => "XML",
        }
    }

    pub(crate) fn write(self, document: &Value) -> String {
        match self {
            Self::Json => document.to_string(),
            Self::Xml => xml::write(document),
        }
    }

    pub(crate) fn read(self, text: &str) -> Value {
        match self {
            Self::Json => serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")),
            Self::Xml => xml::read(text),
        }
    }
}

/// What the API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    headers: HeaderMap,
    format: Format,
}

impl Answer {
    pub(crate) async fn to(request: RequestBuilder, format: Format) -> Self {
        let answer = request.send().await.expect("the API answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Self { status, headers, text: answer.text().await.expect("a body"), format }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }

    /// The document, which is in the format that was asked for.
    pub(crate) fn body(&self) -> Value {
        let (kind, want) = (self.header("content-type"), self.format.media_type());
        assert!(kind.starts_with(want), "{} in `{kind}`: {}", self.status, self.text);
        self.format.read(&self.text)
    }

    /// What is under the document's root.
    pub(crate) fn root(&self, name: &str) -> Value {
        let body = self.body();
        body.get(name).unwrap_or_else(|| panic!("{} is no {name}", self.text)).clone()
    }

    /// The status, the code, and the variables of a fault.
    pub(crate) fn fault(&self) -> (u16, String, Vec<String>) {
        let error = self.root("requestError");
        let exceptions = [error.get("serviceException"), error.get("policyException")];
        let [exception] = exceptions.into_iter().flatten().collect::<Vec<_>>().try_into().expect("one exception");
        assert!(!text(&exception["text"]).is_empty(), "{}", self.text);
        let variables = exception["variables"].as_array().into_iter().flatten().map(text).collect();
        (self.status, text(&exception["messageId"]), variables)
    }
}

/// A user of the test's application whose client speaks one format.
pub(crate) struct Client<'a> {
    pub(crate) world: &'a World<'a>,
    pub(crate) format: Format,
    pub(crate) user: &'static str,
}

/// Runs a test in JSON and in XML, side by side, each as a user of its own.
pub(crate) async fn in_both(world: &World<'_>, test: impl AsyncFn(&Client<'_>)) {
    let (one, other) = (Client::new(world, Format::Json), Client::new(world, Format::Xml));
    join(test(&one), test(&other)).await;
}

impl<'a> Client<'a> {
    pub(crate) fn new(world: &'a World<'a>, format: Format) -> Self {
        let user = match format {
            Format::Json => "tel%3A%2B19585550100",
            Format::Xml => "tel%3A%2B19585550101",
        };
        Self { world, format, user }
    }

    pub(crate) fn request(&self, method: &str, url: &str) -> RequestBuilder {
        let url = if url.starts_with("http") { url.to_owned() } else { format!("{}{url}", self.world.stack.url) };
        self.world.http.request(method.parse().expect("a method"), url).header("accept", self.format.media_type())
    }

    /// Asks with the application's keys.
    pub(crate) async fn ask(&self, method: &str, url: &str, document: Option<Value>) -> Answer {
        let keys = &self.world.keys;
        let request = self.request(method, url).header("x-api-key", &keys.api_key);
        self.send(request.header("x-api-secret", &keys.api_secret), document).await
    }

    /// Every other verb is answered with those that are right.
    pub(crate) async fn assert_verbs(&self, url: &str, allowed: &str) {
        for verb in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            if !allowed.contains(verb) {
                let answer = self.ask(verb, url, None).await;
                assert_eq!((answer.status, answer.header("allow")), (405, allowed), "{verb} {url}");
            }
        }
    }

    /// Asks without: a channelURL and a callbackURL are all the right that they need.
    pub(crate) async fn call(&self, url: &Value, document: Value) -> Answer {
        self.send(self.request("POST", &text(url)), Some(document)).await
    }

    async fn send(&self, request: RequestBuilder, document: Option<Value>) -> Answer {
        let request = match document {
            Some(it) => request.header("content-type", self.format.media_type()).body(self.format.write(&it)),
            None => request,
        };
        Answer::to(request, self.format).await
    }

    // the notification channel

    pub(crate) fn channels(&self) -> String {
        format!("/notificationchannel/v1/{}/channels", self.user)
    }

    pub(crate) async fn try_create(&self, kind: &str, more: Value) -> Answer {
        let channel = merged(json!({ "channelType": kind }), more);
        self.ask("POST", &self.channels(), Some(json!({ "notificationChannel": channel }))).await
    }

    pub(crate) async fn create(&self, kind: &str, more: Value) -> Value {
        let answer = self.try_create(kind, more).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.root("notificationChannel")
    }

    /// The seconds that a channel has left.
    pub(crate) async fn remaining(&self, channel: &Value) -> u64 {
        let answer = self.ask("GET", &lifetime_url(channel), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.root("notificationChannelLifetime")["channelLifetime"].as_u64().expect("seconds")
    }

    /// Waits until a channel has used up so many seconds of its lifetime.
    pub(crate) async fn aged(&self, channel: &Value, seconds: u64) -> u64 {
        let granted = self.remaining(channel).await;
        let older = async || Some(self.remaining(channel).await).filter(|it| it + seconds <= granted);
        self.world.until("the channel is older", older).await
    }

    /// Between which moments a channel's lifetime ends, as far as an answer tells that took a while.
    async fn end(&self, channel: &Value) -> (Instant, Instant) {
        let asked = Instant::now();
        let left = Duration::from_secs(self.remaining(channel).await);
        (asked + left, Instant::now() + left + Duration::from_secs(1))
    }

    /// Waits until a reset would show; answers when the channel's lifetime ends at the latest, without one.
    pub(crate) async fn before_reset(&self, channel: &Value) -> Instant {
        let (earliest, latest) = self.end(channel).await;
        self.aged(channel, 5 + (latest - earliest).as_secs()).await;
        latest
    }

    /// Waits until a channel's lifetime ends later than it did.
    pub(crate) async fn until_reset(&self, channel: &Value, before: Instant) {
        let reset = async || (self.end(channel).await.0 > before).then_some(());
        self.world.until("the lifetime is reset", reset).await;
    }

    /// Posts what an enabler would: an event list with a number.
    pub(crate) async fn notify(&self, channel: &Value, number: u64) {
        let answer = self.call(&channel["callbackURL"], event_list(number)).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
    }

    pub(crate) async fn poll(&self, channel: &Value) -> Answer {
        self.call(&channel["channelData"]["channelURL"], json!({ "longPollingRequestParameters": null })).await
    }

    /// What a poll delivers.
    pub(crate) async fn polled(&self, channel: &Value) -> Vec<Value> {
        let answer = self.poll(channel).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        notifications(&answer.body())
    }

    /// What a poll delivers; nothing, if the function that answers it is killed.
    pub(crate) async fn polled_whatever(&self, channel: &Value) -> Vec<Value> {
        let answer = self.poll(channel).await;
        if answer.status == 200 { notifications(&answer.body()) } else { Vec::new() }
    }

    /// Polls until so many notifications have come.
    pub(crate) async fn poll_for(&self, channel: &Value, count: usize) -> Vec<Value> {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(self.polled(channel).await);
        }
        all
    }

    /// A poll that the server has begun to answer: it resets the lifetime, which is how one sees that it came.
    pub(crate) async fn waiting_poll(&self, channel: &Value) -> JoinHandle<Answer> {
        let before = self.before_reset(channel).await;
        let document = self.format.write(&json!({ "longPollingRequestParameters": null }));
        let request = self.request("POST", &text(&channel["channelData"]["channelURL"])).body(document);
        let poll = tokio::spawn(Answer::to(request.header("content-type", self.format.media_type()), self.format));
        self.until_reset(channel, before).await;
        poll
    }

    pub(crate) async fn open(&self, channel: &Value) -> Socket {
        let url = text(&channel["channelData"]["channelURL"]);
        assert!(url.starts_with("ws://") || url.starts_with("wss://"), "{url}");
        Socket::open(&url, &[("sec-websocket-protocol", SUBPROTOCOL)]).await.expect("the channelURL opens a socket")
    }

    /// The next so many notifications of a socket; empty lists are no harm.
    pub(crate) async fn hear(&self, socket: &mut Socket, count: usize) -> Vec<Value> {
        let mut all = Vec::new();
        while all.len() < count {
            let frame = socket.next_text().await.expect("the socket stays open");
            assert!(frame.len() <= 131_072, "a frame of {} bytes", frame.len());
            all.extend(notifications(&self.format.read(&frame)));
        }
        all
    }

    /// The next message with this root.
    pub(crate) async fn hear_root(&self, socket: &mut Socket, root: &str) -> Value {
        loop {
            let frame = self.format.read(&socket.next_text().await.expect("the socket stays open"));
            if let Some(it) = frame.get(root) {
                return it.clone();
            }
        }
    }

    // the message store

    pub(crate) fn store(&self, rest: &str) -> String {
        format!("/nms/v1/myStore/{}/{rest}", self.user)
    }

    /// Asks for an object with a payload.
    pub(crate) async fn try_object(&self, more: Value) -> Answer {
        let usual = json!({ "attributes": { "attribute": [{ "name": "Subject", "value": ["hello"] }] },
            "flags": { "flag": [] } });
        let (kind, root) = (self.format.media_type(), self.format.write(&json!({ "object": merged(usual, more) })));
        let body = format!(
            "--cut\r\nContent-Disposition: form-data; name=\"root-fields\"\r\nContent-Type: {kind}\r\n\r\n{root}\r\n\
             --cut\r\nContent-Disposition: form-data; name=\"attachments\"; filename=\"a.txt\"\r\n\
             Content-Type: text/plain\r\n\r\nhello\r\n--cut--\r\n"
        );
        let keys = &self.world.keys;
        let request = self.request("POST", &self.store("objects")).header("x-api-key", &keys.api_key);
        let request = request.header("x-api-secret", &keys.api_secret).body(body);
        let request = request.header("content-type", "multipart/form-data; boundary=cut");
        Answer::to(request, self.format).await
    }

    /// Asks for objects with payloads, in their order; an empty one is none.
    pub(crate) async fn bulk(&self, list: Value, payloads: &[&str]) -> Answer {
        let (kind, root) = (self.format.media_type(), self.format.write(&list));
        let mut body = format!(
            "--cut\r\nContent-Disposition: form-data; name=\"root-fields\"\r\nContent-Type: {kind}\r\n\r\n{root}\r\n"
        );
        for payload in payloads {
            let kind = if payload.is_empty() { "" } else { "Content-Type: text/plain\r\n" };
            body +=
                &format!("--cut\r\nContent-Disposition: form-data; name=\"attachments\"\r\n{kind}\r\n{payload}\r\n");
        }
        body += "--cut--\r\n";
        let request = self.request("POST", &self.store("objects/operations/bulkCreation"));
        let request = request.header("x-api-key", &self.world.keys.api_key);
        let request = request.header("x-api-secret", &self.world.keys.api_secret).body(body);
        Answer::to(request.header("content-type", "multipart/form-data; boundary=cut"), self.format).await
    }

    /// Makes an object with a payload; answers its URL.
    pub(crate) async fn object(&self, more: Value) -> String {
        let answer = self.try_object(more).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let body = answer.body();
        let url = text(&body.get("reference").or_else(|| body.get("object")).expect("what was made")["resourceURL"]);
        assert_eq!(answer.header("location"), url);
        url
    }

    /// Replaces all flags of an object.
    pub(crate) async fn flag(&self, object: &str, flags: &[&str]) {
        let document = json!({ "flagList": { "flag": flags } });
        let answer = self.ask("PUT", &format!("{object}/flags"), Some(document)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    pub(crate) async fn try_subscribe(&self, notify_url: &Value, more: Value) -> Answer {
        let reference = json!({ "notifyURL": notify_url, "callbackData": "abcd",
            "notificationFormat": self.format.name() });
        let subscription = merged(json!({ "callbackReference": reference, "duration": 7200 }), more);
        self.ask("POST", &self.store("subscriptions"), Some(json!({ "nmsSubscription": subscription }))).await
    }

    pub(crate) async fn subscribe(&self, notify_url: &Value, more: Value) -> Value {
        let answer = self.try_subscribe(notify_url, more).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let subscription = answer.root("nmsSubscription");
        assert_eq!(answer.header("location"), text(&subscription["resourceURL"]));
        subscription
    }

    pub(crate) async fn update(&self, subscription: &Value, document: Value) -> Answer {
        let url = text(&subscription["resourceURL"]);
        self.ask("POST", &url, Some(json!({ "nmsSubscriptionUpdate": document }))).await
    }
}

pub(crate) fn lifetime_url(channel: &Value) -> String {
    format!("{}/channelLifetime", text(&channel["resourceURL"]))
}

/// An object with more members than another has.
pub(crate) fn merged(mut one: Value, more: Value) -> Value {
    for (name, value) in more.as_object().into_iter().flatten() {
        one[name] = value.clone();
    }
    one
}

/// What an enabler posts to a callbackURL.
pub(crate) fn event_list(number: u64) -> Value {
    json!({ "nmsEventList": { "nmsEvent": [{ "resetBox": null }], "index": number, "restartToken": "any" } })
}

/// The notifications of a list, or the one that came bare.
pub(crate) fn notifications(frame: &Value) -> Vec<Value> {
    match frame.get("notificationList") {
        Some(list) => list.as_array().cloned().unwrap_or_default(),
        None if frame.get("connCheck").or_else(|| frame.get("connAck")).is_some() => Vec::new(),
        None => vec![frame.clone()],
    }
}

/// The indexes of event lists, in the order in which they came.
pub(crate) fn indexes(lists: &[Value]) -> Vec<u64> {
    lists.iter().map(|it| it["nmsEventList"]["index"].as_u64().expect("an index")).collect()
}

/// The events of event lists, in the order in which they came.
pub(crate) fn events(lists: &[Value]) -> Vec<Value> {
    lists.iter().flat_map(|it| it["nmsEventList"]["nmsEvent"].as_array().cloned().unwrap_or_default()).collect()
}
