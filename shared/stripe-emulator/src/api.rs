//! A request to the API, from its headers to its answer: authentication, faults, idempotency, and what it does.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::account::Account;
use crate::clock::pause;
use crate::emulator::{State, StripeEmulator};
use crate::endpoint::Endpoint;
use crate::error::{ApiError, ApiResult};
use crate::expand::expand;
use crate::faults::{Fault, Moment, take};
use crate::form::decode;
use crate::idempotency::{Answer, KeyedRequest};
use crate::random::random_id;
use crate::render::render;
use crate::request::Request;
use crate::router::route;
use crate::version::ApiVersion;

/// The requests that are remembered.
const MAX_REQUESTS: usize = 10_000;

/// A request as it came.
#[derive(Debug)]
pub(crate) struct IncomingRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// The answer to a request, with Stripe's headers.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl IncomingRequest {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|it| it.to_str().ok())
    }
}

/// Carries out a request. `None`: the connection is to be closed without an answer.
pub(crate) async fn handle(emulator: &StripeEmulator, incoming: IncomingRequest) -> Option<Reply> {
    let id = random_id("req");
    let parameters = decode(&format!("{}&{}", incoming.query, incoming.body));
    let key = incoming.header("idempotency-key").filter(|_| incoming.method == "POST").map(str::to_owned);
    let fault = {
        let mut state = emulator.state();
        log(&mut state, &id, &incoming, &parameters, key.as_deref());
        let text = format!("{} {parameters} {}", incoming.path, key.as_deref().unwrap_or_default());
        take(&mut state.faults, &incoming.method, &incoming.path, &text)
    };
    let keyed = key.as_deref().map(|key| KeyedRequest { key, path: &incoming.path, parameters: &parameters });
    let outcome = match prepare(emulator, &incoming, &parameters) {
        Ok((endpoint, request)) => run(emulator, &id, endpoint, &request, keyed.as_ref(), fault.as_ref()).await?,
        Err(error) => interfere(Outcome { answer: error.into(), original: None }, fault.as_ref()).await?,
    };
    let mut headers = vec![("request-id", id.clone()), ("stripe-version", version_of(&incoming))];
    if let Some(key) = &key {
        headers.push(("idempotency-key", key.clone()));
        headers.push(("original-request", outcome.original.clone().unwrap_or_else(|| id.clone())));
    }
    if outcome.original.is_some() {
        headers.push(("idempotent-replayed", "true".to_owned()));
    }
    let mut state = emulator.state();
    if let Some(entry) = state.requests.iter_mut().rev().find(|it| it["id"] == id.as_str()) {
        entry["status"] = outcome.answer.status.into();
        entry["replayed"] = outcome.original.is_some().into();
    }
    drop(state);
    emulator.wake();
    Some(Reply { answer: outcome.answer, headers })
}

/// An answer, and the id of the request that it was first given to, if it is a replay.
struct Outcome {
    answer: Answer,
    original: Option<String>,
}

fn log(state: &mut State, id: &str, incoming: &IncomingRequest, parameters: &Value, key: Option<&str>) {
    state.requests.push_back(json!({
        "id": id, "at": state.account.now(), "method": incoming.method, "path": incoming.path, "parameters": parameters,
        "idempotency_key": key, "stripe_version": incoming.header("stripe-version"), "status": 0, "replayed": false,
    }));
    if state.requests.len() > MAX_REQUESTS {
        state.requests.pop_front();
    }
}

/// Checks the key, finds the endpoint, and checks the parameters.
fn prepare(
    emulator: &StripeEmulator,
    incoming: &IncomingRequest,
    parameters: &Value,
) -> Result<(&'static Endpoint, Request), ApiError> {
    let IncomingRequest { method, path, .. } = incoming;
    authenticate(emulator, incoming)?;
    let version = match incoming.header("stripe-version") {
        Some(text) => ApiVersion::parse(text)
            .ok_or_else(|| ApiError::invalid(&format!("Invalid Stripe API version: {text}")).param("Stripe-Version"))?,
        None => ApiVersion::latest(),
    };
    let (endpoint, ids) = route(method, path).ok_or_else(|| {
        ApiError::new(404, "invalid_request_error", &format!("Unrecognized request URL ({method}: {path})."))
    })?;
    let request = Request { ids, parameters: parameters.clone(), version };
    endpoint.check(&request)?;
    Ok((endpoint, request))
}

/// Checks the API key: as a bearer token, or as the user of Basic authentication.
fn authenticate(emulator: &StripeEmulator, incoming: &IncomingRequest) -> Result<(), ApiError> {
    let unauthorized = |message: &str| ApiError::new(401, "invalid_request_error", message);
    let header = incoming.header("authorization").unwrap_or_default();
    let basic = header.strip_prefix("Basic ").and_then(|it| STANDARD.decode(it.trim()).ok());
    let basic = basic.and_then(|it| String::from_utf8(it).ok());
    let user = basic.as_deref().map(|it| it.split(':').next().unwrap_or_default());
    let key = header.strip_prefix("Bearer ").map(str::trim).or(user).unwrap_or_default();
    if key.is_empty() {
        return Err(unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth.",
        ));
    }
    if key == emulator.publishable_key() {
        let makes_card = ["/v1/tokens", "/v1/payment_methods"].contains(&incoming.path.as_str());
        let confirms = incoming.path.starts_with("/v1/payment_intents/") && incoming.body.contains("client_secret=");
        let is_public = incoming.method == "POST" && (makes_card || confirms);
        let message = "This API call cannot be made with a publishable API key. Please use a secret API key.";
        return if is_public { Ok(()) } else { Err(unauthorized(message)) };
    }
    let shown: String = key.chars().take(8).collect();
    let is_known = key == emulator.secret_key();
    if is_known { Ok(()) } else { Err(unauthorized(&format!("Invalid API Key provided: {shown}****"))) }
}

/// Carries out a request that is valid, or replays the answer of its key. `None`: the connection is to be closed.
async fn run(
    emulator: &StripeEmulator,
    id: &str,
    endpoint: &Endpoint,
    request: &Request,
    keyed: Option<&KeyedRequest<'_>>,
    fault: Option<&Fault>,
) -> Option<Outcome> {
    if let Some(outcome) = keyed.and_then(|it| claim(&mut emulator.state(), it)) {
        return interfere(outcome, fault).await;
    }
    if let Some(fault) = fault {
        pause(Duration::from_millis(fault.delay_ms)).await;
    }
    let mut state = emulator.state();
    if let Some(keyed) = keyed {
        state.keys_in_use.remove(keyed.key);
    }
    if fault.is_some_and(|it| it.drop == Some(Moment::Before)) {
        return None;
    }
    let answer = match fault.and_then(|it| it.status_at(Moment::Before)) {
        Some(status) => injected(status),
        None => {
            let done = execute(&mut state.account, id, endpoint, request, keyed);
            match fault.and_then(|it| it.status_at(Moment::After)) {
                Some(status) => injected(status),
                None => done,
            }
        }
    };
    keep(&mut state.account, id, keyed, &answer);
    if fault.is_some_and(|it| it.drop == Some(Moment::After)) {
        return None;
    }
    Some(Outcome { answer, original: None })
}

/// Marks a key as in use. Answers what a request is told that does not begin: the stored answer, or why it cannot.
fn claim(state: &mut State, keyed: &KeyedRequest<'_>) -> Option<Outcome> {
    match keyed.stored_answer(&state.account) {
        Ok(Some((answer, original))) => Some(Outcome { answer, original: Some(original) }),
        Err(error) => Some(Outcome { answer: error.into(), original: None }),
        Ok(None) => {
            let is_free = state.keys_in_use.insert(keyed.key.to_owned());
            (!is_free).then(|| Outcome { answer: keyed.in_use().into(), original: None })
        }
    }
}

/// Lets a fault delay, drop or replace the answer to a request that is not carried out.
async fn interfere(outcome: Outcome, fault: Option<&Fault>) -> Option<Outcome> {
    let Some(fault) = fault else { return Some(outcome) };
    pause(Duration::from_millis(fault.delay_ms)).await;
    let status = fault.status_at(Moment::Before).or(fault.status_at(Moment::After));
    let replaced = status.map(|status| Outcome { answer: injected(status), original: None });
    Some(replaced.unwrap_or(outcome)).filter(|_| fault.drop.is_none())
}

/// The answer of a fault.
fn injected(status: u16) -> Answer {
    let kind = if status >= 500 { "api_error" } else { "invalid_request_error" };
    let error = ApiError::new(status, kind, "An unknown error occurred");
    if status == 429 { error.code("rate_limit").into() } else { error.into() }
}

/// Runs an endpoint. What a request that fails changed is undone.
fn execute(
    account: &mut Account,
    id: &str,
    endpoint: &Endpoint,
    request: &Request,
    keyed: Option<&KeyedRequest<'_>>,
) -> Answer {
    account.begin(id, keyed.map(|it| it.key));
    let result: ApiResult = (endpoint.run)(account, request).and_then(|object| {
        let mut shown = render(&object, &request.version);
        expand(account, &request.version, &mut shown, &request.texts("/expand"))?;
        Ok(shown)
    });
    match result {
        Ok(body) => Answer { status: 200, body },
        Err(error) => {
            if !error.keeps_changes {
                account.roll_back();
            }
            error.into()
        }
    }
}

/// Commits what a request changed, together with the answer for its key. The answer of a request that was not begun is not
/// kept: its parameters were invalid, or it came too soon (Stripe, Idempotent requests).
fn keep(account: &mut Account, id: &str, keyed: Option<&KeyedRequest<'_>>, answer: &Answer) {
    let code = answer.body["error"]["code"].as_str().unwrap_or_default();
    let was_begun = !code.starts_with("parameter_") && !matches!(answer.status, 409 | 429);
    if let Some(keyed) = keyed.filter(|_| was_begun) {
        keyed.store(account, id, answer);
    }
    account.commit();
}

fn version_of(incoming: &IncomingRequest) -> String {
    let version = incoming.header("stripe-version").and_then(ApiVersion::parse);
    version.unwrap_or_else(ApiVersion::latest).as_str().to_owned()
}
