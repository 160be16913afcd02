//! An external processor as a customer would write it, with the official library for signatures; and as one would not.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::World;
use crate::clock::unix_seconds;
use crate::server::serve;

/// The secret of the stand-in.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// An answer to a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A status and a body.
    Status(u16, String),
    /// A redirect to an address.
    Redirect(String),
    /// Nothing at all.
    Silence,
}

impl Reply {
    /// A status and a body of JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Status(status, body.to_string())
    }
}

/// A request that was signed well.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub id: String,
    pub body: Value,
}

#[derive(Default)]
struct Inner {
    asked: Mutex<Vec<Asked>>,
    forged: Mutex<u32>,
    /// Answers to jobs, before the usual 202.
    replies: Mutex<VecDeque<Reply>>,
    /// The answers when it is asked about jobs, by their paths; 404 for others.
    states: Mutex<BTreeMap<String, Value>>,
}

/// A running processor.
#[derive(Clone)]
pub struct Processor {
    pub url: String,
    inner: Arc<Inner>,
}

impl Processor {
    pub async fn start() -> Self {
        let inner = Arc::<Inner>::default();
        let router = Router::new().fallback(take).with_state(inner.clone());
        Self { url: serve(router).await + "/jobs", inner }
    }

    /// Starts one, and registers it for the application of a test.
    pub async fn registered(world: &World<'_>, name: &str, more: Value) -> Self {
        let processor = Self::start().await;
        let mut body = json!({ "endpoint": processor.url, "secret": SECRET });
        for (member, value) in more.as_object().into_iter().flatten() {
            body[member] = value.clone();
        }
        let (status, answer) = world.ask("PUT", &format!("/api/v1/Media/Processors/{name}"), Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        processor
    }

    /// What to answer to the next jobs, before the usual 202.
    pub fn replies(&self, replies: impl IntoIterator<Item = Reply>) {
        self.inner.replies.lock().expect("not poisoned").extend(replies);
    }

    /// What to say when it is asked at a path.
    pub fn says(&self, path: &str, state: Value) {
        self.inner.states.lock().expect("not poisoned").insert(path.to_owned(), state);
    }

    /// What came, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner.asked.lock().expect("not poisoned").clone()
    }

    /// The jobs that came.
    pub fn jobs(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(|it| it.method == "POST").collect()
    }

    /// How many requests came without a good signature.
    pub fn forged(&self) -> u32 {
        *self.inner.forged.lock().expect("not poisoned")
    }

    /// Waits for a job, by its number.
    pub async fn job(&self, index: usize) -> Value {
        crate::until("a job comes", async || self.jobs().get(index).map(|it| it.body.clone())).await
    }
}

/// Sends a message to the callback of a job, signed; answers status and body.
pub async fn call(job: &Value, id: &str, message: &Value) -> (u16, Value) {
    call_as(SECRET, 0, job["callback"]["url"].as_str().expect("a callback"), id, &message.to_string()).await
}

/// Sends a text to an address, signed with a secret, so many seconds ago.
pub async fn call_as(secret: &str, ago: i64, url: &str, id: &str, body: &str) -> (u16, Value) {
    let at = unix_seconds() - ago;
    let signature = Webhook::new(secret).and_then(|it| it.sign(id, at, body.as_bytes())).expect("it signs");
    let request = crate::http().post(url).header("webhook-id", id).header("webhook-timestamp", at.to_string());
    let request = request.header("webhook-signature", signature).header("content-type", "application/json");
    let answer = request.body(body.to_owned()).send().await.expect("the API answers");
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn take(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if !Webhook::new(SECRET).is_ok_and(|it| it.verify(&body, &headers).is_ok()) {
        *inner.forged.lock().expect("not poisoned") += 1;
        return answer(401, &json!({ "code": "unauthorized" }).to_string());
    }
    let id = headers["webhook-id"].to_str().expect("an id").to_owned();
    let asked = Asked {
        method: method.to_string(),
        path: uri.path().to_owned(),
        id: id.clone(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let reply = {
        // those that come at once are answered in the order in which they are listed
        let mut all = inner.asked.lock().expect("not poisoned");
        all.push(asked);
        if method == Method::POST { inner.replies.lock().expect("not poisoned").pop_front() } else { None }
    };
    if method != Method::POST {
        let state = inner.states.lock().expect("not poisoned").get(uri.path()).cloned();
        return state.map_or_else(|| answer(404, "{}"), |it| answer(200, &it.to_string()));
    }
    match reply {
        None => answer(202, &json!({ "external_id": format!("run/{id}") }).to_string()),
        Some(Reply::Status(status, body)) => answer(status, &body),
        Some(Reply::Redirect(to)) => {
            Response::builder().status(307).header("location", to).body(Body::empty()).expect("a response")
        }
        Some(Reply::Silence) => std::future::pending().await,
    }
}

fn answer(status: u16, body: &str) -> Response<Body> {
    Response::builder().status(status).body(Body::from(body.to_owned())).expect("a response")
}
