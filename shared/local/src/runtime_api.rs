//! The Lambda runtime API for one process (AWS Lambda, "Using the Lambda runtime API for custom runtimes"). It gives
//! the process one invocation at a time and takes its response.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::account::{ACCOUNT, REGION};
use crate::clock::now_ms;
use crate::error::StackError;
use crate::listener::{base_url, listen_for, serve};
use crate::lock::lock;

/// The reply of a process to an invocation.
#[derive(Debug)]
pub(crate) enum InvocationReply {
    Response(Bytes),
    Error { kind: String, message: String },
}

/// An invocation for a process.
pub(crate) struct Invocation {
    pub(crate) id: String,
    pub(crate) payload: Bytes,
    pub(crate) timeout_ms: i64,
    pub(crate) reply: oneshot::Sender<InvocationReply>,
}

/// The runtime API's server for one process.
pub(crate) struct RuntimeApi {
    pub(crate) address: String,
    pub(crate) invocations: mpsc::Sender<Invocation>,
    /// Becomes `true` with the first `next`, which ends the init phase.
    pub(crate) ready: watch::Receiver<bool>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Context {
    function: String,
    invocations: Mutex<mpsc::Receiver<Invocation>>,
    pending: std::sync::Mutex<Option<(String, oneshot::Sender<InvocationReply>)>>,
    ready: watch::Sender<bool>,
}

type RuntimeState = State<Arc<Context>>;

impl RuntimeApi {
    pub(crate) async fn start(function: &str) -> Result<Self, StackError> {
        let (invocations, receiver) = mpsc::channel(1);
        let (sender, ready) = watch::channel(false);
        let context = Arc::new(Context {
            function: function.to_owned(),
            invocations: Mutex::new(receiver),
            pending: std::sync::Mutex::default(),
            ready: sender,
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .layer(DefaultBodyLimit::max(16 << 20))
            .with_state(context);
        let listener = listen_for("a function").await?;
        let address = base_url(&listener)?.trim_start_matches("http://").to_owned();
        let server = serve(listener, router);
        Ok(Self { address, invocations, ready, server })
    }
}

async fn next(State(context): RuntimeState) -> Response {
    context.ready.send_replace(true);
    let Some(invocation) = context.invocations.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", invocation.id.clone()),
        ("lambda-runtime-deadline-ms", (now_ms() + invocation.timeout_ms).to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", context.function),
        ),
        ("lambda-runtime-trace-id", trace_id(&invocation.id)),
        ("content-type", "application/json".to_owned()),
    ];
    *pending(&context) = Some((invocation.id, invocation.reply));
    (headers, invocation.payload).into_response()
}

async fn response(State(context): RuntimeState, Path(id): Path<String>, body: Bytes) -> StatusCode {
    complete(&context, &id, InvocationReply::Response(body))
}

async fn error(State(context): RuntimeState, Path(id): Path<String>, body: Bytes) -> StatusCode {
    let error: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    complete(&context, &id, InvocationReply::Error { kind: text("errorType"), message: text("errorMessage") })
}

async fn init_error() -> StatusCode {
    StatusCode::ACCEPTED // the process exits by itself, and its end is noticed
}

fn complete(context: &Context, id: &str, reply: InvocationReply) -> StatusCode {
    match pending(context).take_if(|it| it.0 == id) {
        Some((_, sender)) => {
            drop(sender.send(reply)); // the caller may have stopped waiting
            StatusCode::ACCEPTED
        }
        None => StatusCode::BAD_REQUEST,
    }
}

fn pending(context: &Context) -> std::sync::MutexGuard<'_, Option<(String, oneshot::Sender<InvocationReply>)>> {
    lock(&context.pending)
}

fn trace_id(id: &str) -> String {
    let hex: String = id.chars().filter(|it| *it != '-').take(24).collect();
    format!("Root=1-{:08x}-{hex:0>24};Sampled=0", now_ms() / 1_000)
}
