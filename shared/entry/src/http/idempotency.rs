//! `Idempotency-Key`: a repeated request writes once and gets the same response (realtime, D-13).

use crate::clock;
use crate::http::{Problem, ProblemType};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::AppId;
use domain::id::sha256_hex;
use table::{IdempotencyRecord, Table, TableError};

/// A request without a response counts as failed after this time, in milliseconds: a retry may go on with its key.
const IN_FLIGHT_TIMEOUT_MS: i64 = 60_000;

/// A request with or without a key.
pub struct IdempotentRequest {
    /// The id of its writes: the same for a retry.
    pub write_id: String,
    /// When its first attempt began, in milliseconds.
    pub started_at: i64,
    /// Whether an earlier attempt may have written already.
    pub is_retry: bool,
    key: Option<(String, IdempotencyRecord)>,
    /// The status of its success.
    status: StatusCode,
}

/// Begins a request. `status` is that of its success. An inner `Err` is the stored response of an earlier attempt.
///
/// # Errors
/// 409 while an attempt is in flight, 422 if the key is malformed or was used with another body.
pub async fn begin(
    table: &Table,
    app: AppId,
    headers: &HeaderMap,
    route: &str,
    body: &[u8],
    status: StatusCode,
) -> Result<Result<IdempotentRequest, Response>, Problem> {
    let (now, nonce) = (clock::now(), clock::random_alphanumeric(20));
    let now_ms = domain::millis(now);
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(Ok(IdempotentRequest { write_id: nonce, started_at: now_ms, is_retry: false, key: None, status }));
    };
    let key = key.to_str().ok().filter(|it| (1..=200).contains(&it.len()));
    let key = key.ok_or_else(|| Problem::invalid("Idempotency-Key", "1 to 200 printable characters"))?;
    let (key, body) = (sha256_hex(format!("{route}|{key}").as_bytes()), sha256_hex(body));
    let write_id = key[..32].to_owned();
    let Some(stored) = table.begin_idempotent(app, &key, &body, &nonce, now).await? else {
        let record = IdempotencyRecord { body, answer: None, at: now_ms };
        return Ok(Ok(IdempotentRequest {
            write_id,
            started_at: now_ms,
            is_retry: false,
            key: Some((key, record)),
            status,
        }));
    };
    if stored.body != body {
        let detail = "the key was used with another body";
        return Err(Problem::new(ProblemType::IdempotencyKey, detail));
    }
    match &stored.answer {
        Some(answer) => Ok(Err(json_response(status, answer.clone(), true))),
        None if stored.at + IN_FLIGHT_TIMEOUT_MS > now_ms => {
            Err(Problem::new(ProblemType::InFlight, "a request with this key is under way"))
        }
        None => Ok(Ok(IdempotentRequest {
            write_id,
            started_at: stored.at,
            is_retry: true,
            key: Some((key, stored)),
            status,
        })),
    }
}

/// Stores the JSON response of a request and returns it.
///
/// # Errors
/// If the table cannot be written.
pub async fn complete(
    table: &Table,
    app: AppId,
    request: IdempotentRequest,
    answer: String,
) -> Result<Response, Problem> {
    if let Some((key, record)) = request.key {
        table.finish_idempotent(app, &key, &IdempotencyRecord { answer: Some(answer.clone()), ..record }).await?;
    }
    Ok(json_response(request.status, answer, false))
}

/// Forgets a request that has written nothing: it may come again with its key.
///
/// # Errors
/// If the table cannot be written.
pub async fn forget(table: &Table, app: AppId, request: &IdempotentRequest) -> Result<(), TableError> {
    match &request.key {
        Some((key, _)) => table.forget_idempotent(app, key).await,
        None => Ok(()),
    }
}

fn json_response(status: StatusCode, answer: String, is_replay: bool) -> Response {
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], answer).into_response();
    if is_replay {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}
