//! `Idempotency-Key`: a request that is repeated does nothing twice, and gets the same answer (realtime, D-13).

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::AppId;
use domain::id::sha256_hex;
use entry::clock;
use entry::http::{Problem, ProblemType};
use table::{IdempotencyRecord, Table};

/// After this time a request that gave no answer is taken for dead, and its key for free.
const IN_FLIGHT_TIMEOUT_MS: i64 = 60_000;

/// A request with or without a key.
pub(crate) struct IdempotentRequest {
    /// What its writes are called: the same for a repeat.
    pub(crate) write_id: String,
    /// When it began first, in milliseconds.
    pub(crate) started_at: i64,
    /// Whether an earlier try may have written already.
    pub(crate) is_retry: bool,
    key: Option<(String, IdempotencyRecord)>,
}

/// Begins a request. `Err` is its answer already: an earlier one's, or why it is refused.
pub(crate) async fn begin(
    table: &Table,
    app: AppId,
    headers: &HeaderMap,
    route: &str,
    body: &str,
) -> Result<Result<IdempotentRequest, Response>, Problem> {
    let (now, nonce) = (clock::now(), clock::random_alphanumeric(20));
    let since = domain::millis(now);
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(Ok(IdempotentRequest { write_id: nonce, started_at: since, is_retry: false, key: None }));
    };
    let key = key.to_str().ok().filter(|it| (1..=200).contains(&it.len()));
    let key = key.ok_or_else(|| Problem::invalid("Idempotency-Key", "1 to 200 printable characters"))?;
    let (key, body) = (sha256_hex(format!("{route}|{key}").as_bytes()), sha256_hex(body.as_bytes()));
    let write_id = key[..32].to_owned();
    let Some(there) = table.begin_idempotent(app, &key, &body, &nonce, now).await? else {
        let once = IdempotencyRecord { body, answer: None, at: since };
        return Ok(Ok(IdempotentRequest { write_id, started_at: since, is_retry: false, key: Some((key, once)) }));
    };
    if there.body != body {
        let title = "the key was used with another body";
        return Err(Problem::new(ProblemType::IdempotencyKey, title));
    }
    match &there.answer {
        Some(answer) => Ok(Err(json_response(answer.clone(), true))),
        None if there.at + IN_FLIGHT_TIMEOUT_MS > since => {
            Err(Problem::new(ProblemType::InFlight, "a request with this key is under way"))
        }
        None => Ok(Ok(IdempotentRequest { write_id, started_at: there.at, is_retry: true, key: Some((key, there)) })),
    }
}

/// Ends a request with its answer, JSON.
pub(crate) async fn complete(
    table: &Table,
    app: AppId,
    keyed: IdempotentRequest,
    answer: String,
) -> Result<Response, Problem> {
    if let Some((key, once)) = keyed.key {
        table.finish_idempotent(app, &key, &IdempotencyRecord { answer: Some(answer.clone()), ..once }).await?;
    }
    Ok(json_response(answer, false))
}

fn json_response(answer: String, is_replay: bool) -> Response {
    let mut response = (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], answer).into_response();
    if is_replay {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}
