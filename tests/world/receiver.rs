//! A webhook receiver as a customer would write it, with the official library; and as one would not.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::sync::watch;

use crate::server::serve;

/// A message that came and was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub id: String,
    pub body: Value,
    /// How long ago it was told when it came.
    pub took: std::time::Duration,
    /// Whether it was answered as the receiver always does.
    pub well: bool,
}

/// An answer that the receiver is told to give.
#[derive(Debug, Clone)]
pub enum Answer {
    Status(u16, Vec<(String, String)>),
    /// A body without end, one byte a second.
    Drip,
    /// A body without end, as fast as it goes.
    Flood,
    /// Nothing at all.
    Silence,
    /// 204, after a while.
    Late(std::time::Duration),
    /// 204, once the test releases it.
    Held,
}

#[derive(Default)]
struct Inner {
    secret: Mutex<Option<String>>,
    messages: Mutex<Vec<Message>>,
    forged: Mutex<Vec<String>>,
    /// Answers to give before the usual 204.
    answers: Mutex<VecDeque<Answer>>,
    /// What it answers to everything, if not 204.
    always: Mutex<Option<Answer>>,
    /// Whether it repeats challenges.
    willing: AtomicBool,
    /// Whether what is held is answered.
    released: watch::Sender<bool>,
    /// The ids of what was held, and was answered in the end.
    held: Mutex<Vec<String>>,
    /// What the last message was signed over, and its signatures.
    signed: Mutex<Option<(Vec<u8>, String)>>,
    /// Its headers and body.
    last: Mutex<Option<(BTreeMap<String, String>, String)>>,
}

/// A running receiver.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    pub channel: Arc<Mutex<String>>,
    inner: Arc<Inner>,
}

impl Receiver {
    pub async fn start() -> Self {
        let inner = Arc::new(Inner { willing: true.into(), ..Inner::default() });
        let router = Router::new().fallback(post(take)).with_state(inner.clone());
        let url = serve(router).await + "/hook";
        Self { url, channel: Arc::default(), inner }
    }

    /// It wants not to be called.
    pub fn unwilling(&self) {
        self.inner.willing.store(false, Ordering::Relaxed);
    }

    pub fn knows(&self, secret: &str) {
        *self.inner.secret.lock().expect("not poisoned") = Some(secret.to_owned());
    }

    /// What to answer next, before the usual 204.
    pub fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.inner.answers.lock().expect("not poisoned").extend(answers);
    }

    pub fn messages(&self) -> Vec<Message> {
        self.inner.messages.lock().expect("not poisoned").clone()
    }

    /// Messages of a type.
    pub fn of(&self, kind: &str) -> Vec<Message> {
        self.messages().into_iter().filter(|it| it.body["type"] == kind).collect()
    }

    pub fn first(&self, kind: &str) -> Option<Message> {
        self.of(kind).into_iter().next()
    }

    /// What to answer to everything from now on.
    pub fn always(&self, answer: Answer) {
        *self.inner.always.lock().expect("not poisoned") = Some(answer);
    }

    /// Back to 204.
    pub fn sometimes(&self) {
        *self.inner.always.lock().expect("not poisoned") = None;
    }

    /// Answers what is held, and everything from now on.
    pub fn release(&self) {
        self.sometimes();
        self.inner.released.send_replace(true);
    }

    /// The ids of what was held and then answered.
    pub fn answered_late(&self) -> Vec<String> {
        self.inner.held.lock().expect("not poisoned").clone()
    }

    /// The ids of what was answered with 204.
    pub fn well_since(&self) -> Vec<String> {
        self.messages().into_iter().filter(|it| it.well).map(|it| it.id).collect()
    }

    /// The last message as it came: headers and body, and the secret that it is verified with.
    pub fn last(&self) -> Value {
        let secret = self.inner.secret.lock().expect("not poisoned").clone();
        let (headers, body) = self.inner.last.lock().expect("not poisoned").clone().unwrap_or_default();
        serde_json::json!({ "secret": secret, "headers": headers, "body": body })
    }

    /// As if nothing had come yet.
    pub fn forget(&self) {
        self.inner.messages.lock().expect("not poisoned").clear();
    }

    /// How long messages of a type took, since they were told.
    pub fn times(&self, kind: &str) -> Vec<std::time::Duration> {
        self.of(kind).into_iter().map(|it| it.took).collect()
    }

    /// No more bad answers.
    pub fn well(&self) {
        self.inner.answers.lock().expect("not poisoned").clear();
    }

    /// Whether the `v1a` signature of the last message holds by a public key, a JSON Web Key (RFC 8037).
    pub fn verified_by(&self, key: &Value) -> bool {
        let last = self.inner.signed.lock().expect("not poisoned").clone();
        let Some((signed, header)) = last else { return false };
        let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap_or_default()).expect("a key in base64url");
        let key = UnparsedPublicKey::new(&ED25519, public);
        let tags = header.split(' ').filter_map(|it| STANDARD.decode(it.strip_prefix("v1a,")?).ok());
        tags.into_iter().any(|tag| key.verify(&signed, &tag).is_ok())
    }

    /// What came without a good signature.
    pub fn forged(&self) -> Vec<String> {
        self.inner.forged.lock().expect("not poisoned").clone()
    }
}

async fn take(State(it): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let secret = it.secret.lock().expect("not poisoned").clone().unwrap_or_default();
    let verified = Webhook::new(&secret).is_ok_and(|it| it.verify(&body, &headers).is_ok());
    if !verified {
        it.forged.lock().expect("not poisoned").push(String::from_utf8_lossy(&body).into_owned());
        return status(401, &[]);
    }
    let id = headers["webhook-id"].to_str().expect("an id").to_owned();
    let header = |name: &str| headers[name].to_str().expect("a text").to_owned();
    let signed = [format!("{id}.{}.", header("webhook-timestamp")).as_bytes(), &body].concat();
    *it.signed.lock().expect("not poisoned") = Some((signed, header("webhook-signature")));
    let named = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    let plain = String::from_utf8(body.to_vec()).expect("a body of text");
    *it.last.lock().expect("not poisoned") = Some((named.collect(), plain));
    let body: Value = serde_json::from_slice(&body).expect("a JSON body");
    if body["type"] == "channel.challenge" && it.willing.load(Ordering::Relaxed) {
        return Response::new(Body::from(body["data"]["challenge"].as_str().unwrap_or_default().to_owned()));
    }
    let answer = it.answers.lock().expect("not poisoned").pop_front();
    let answer = answer.or_else(|| it.always.lock().expect("not poisoned").clone());
    let took = crate::since(body["timestamp"].as_str().unwrap_or_default());
    let message = Message { id: id.clone(), body, took, well: answer.is_none() };
    it.messages.lock().expect("not poisoned").push(message);
    match answer {
        Some(Answer::Late(pause)) => {
            drip(pause).await;
            status(204, &[])
        }
        Some(Answer::Held) => {
            it.released.subscribe().wait_for(|released| *released).await.expect("the receiver runs");
            it.held.lock().expect("not poisoned").push(id);
            status(204, &[])
        }
        None => status(204, &[]),
        Some(Answer::Status(code, headers)) => status(code, &headers),
        Some(Answer::Silence) => std::future::pending().await,
        Some(Answer::Drip) => endless(std::time::Duration::from_secs(1), 1),
        Some(Answer::Flood) => endless(std::time::Duration::ZERO, 65_536),
    }
}

fn status(code: u16, headers: &[(String, String)]) -> Response<Body> {
    let builder = headers.iter().fold(Response::builder().status(code), |it, (name, value)| it.header(name, value));
    builder.body(Body::empty()).expect("a response")
}

fn endless(pause: std::time::Duration, size: usize) -> Response<Body> {
    let chunks = futures_util::stream::unfold(pause, move |pause| async move {
        if !pause.is_zero() {
            drip(pause).await;
        }
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(vec![b'x'; size])), pause))
    });
    Response::new(Body::from_stream(chunks))
}

#[expect(clippy::disallowed_methods, reason = "a receiver that is slow on purpose")]
async fn drip(pause: std::time::Duration) {
    tokio::time::sleep(pause).await;
}
