//! The webhook receivers of a run: each verifies the signature, and behaves well or badly by plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use standardwebhooks::Webhook;

use super::ledger::Ledger;
use super::plan::{Plan, Receiver};
use crate::error::CliError;

/// How long the slow receiver takes.
const SLOW: Duration = Duration::from_millis(300);
/// Answers of the flapping receiver before it changes.
const FLAP: u32 = 20;

/// What all receivers know.
pub(super) struct Webhooks {
    plan: Arc<Plan>,
    ledger: Arc<Ledger>,
    secrets: Mutex<BTreeMap<String, Webhook>>,
    /// Requests to the flapping receiver.
    flapping: AtomicU32,
    /// Events that the ordered receiver has refused once.
    refused: Mutex<BTreeSet<u32>>,
    /// Requests without a good signature, or with what cannot be read.
    pub(super) forged: AtomicU32,
}

impl Webhooks {
    /// Listens on a port of 127.0.0.1; 0 takes any. Returns the port.
    pub(super) async fn start(port: u16, plan: Arc<Plan>, ledger: Arc<Ledger>) -> Result<(Arc<Self>, u16), CliError> {
        let failed = |it: std::io::Error| CliError::Other(format!("the receivers cannot listen: {it}"));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let (secrets, flapping, refused, forged) = Default::default();
        let webhooks = Arc::new(Self { plan, ledger, secrets, flapping, refused, forged });
        let router = Router::new().route("/{name}", post(receive)).with_state(webhooks.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((webhooks, port))
    }

    /// The secret with which a receiver verifies what it gets.
    pub(super) fn set_secret(&self, receiver: Receiver, secret: &str) -> Result<(), CliError> {
        let webhook =
            Webhook::new(secret).map_err(|it| CliError::Other(format!("a signing secret is not usable: {it}")))?;
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).insert(receiver.name().to_owned(), webhook);
        Ok(())
    }

    fn is_signed(&self, receiver: Receiver, headers: &HeaderMap, body: &[u8]) -> bool {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.get(receiver.name()).is_some_and(|it| it.verify(body, headers).is_ok())
    }

    /// What a receiver does with an event.
    async fn answer(&self, receiver: Receiver, number: u32) -> StatusCode {
        let past = |part: u32| self.ledger.accepted() >= self.plan.messages / 3 * part;
        match receiver {
            Receiver::Hanging if !past(1) => std::future::pending().await,
            Receiver::Flapping if !past(2) && self.flapping.fetch_add(1, Ordering::Relaxed) / FLAP % 2 == 1 => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Receiver::Failing => StatusCode::INTERNAL_SERVER_ERROR,
            Receiver::Ordered if self.plan.refuses_first(number) && self.refuse(number) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Receiver::Slow => {
                pause(SLOW).await;
                StatusCode::NO_CONTENT
            }
            _ => StatusCode::NO_CONTENT,
        }
    }

    /// Whether an event is refused: the first time alone.
    fn refuse(&self, number: u32) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(number)
    }
}

#[expect(clippy::disallowed_methods, reason = "a receiver that is slow on purpose")]
async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

async fn receive(
    State(webhooks): State<Arc<Webhooks>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let Some(receiver) = Receiver::WEBHOOKS.into_iter().find(|it| it.name() == name) else {
        return (StatusCode::NOT_FOUND, String::new());
    };
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    if message["type"] == "channel.challenge" {
        // the channel is being created, and its secret is not known yet
        return (StatusCode::OK, message["data"]["challenge"].as_str().unwrap_or_default().to_owned());
    }
    let id = headers.get("webhook-id").and_then(|it| it.to_str().ok());
    let number = message["data"]["n"].as_u64().and_then(|it| u32::try_from(it).ok());
    let (Some(id), Some(number), true) = (id, number, webhooks.is_signed(receiver, &headers, &body)) else {
        webhooks.forged.fetch_add(1, Ordering::Relaxed);
        return (StatusCode::UNAUTHORIZED, String::new());
    };
    let status = webhooks.answer(receiver, number).await;
    if status.is_success() && webhooks.ledger.arrive(receiver, number, id).is_err() {
        return (StatusCode::INTERNAL_SERVER_ERROR, String::new());
    }
    (status, String::new())
}
