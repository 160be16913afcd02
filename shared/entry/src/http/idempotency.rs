//! `Idempotency-Key`: a repeated request writes once and gets the same response (realtime, D-13).

use crate::chain::Chain;
use crate::clock;
use crate::http::deadline::deadline_ms;
use crate::http::{Problem, ProblemType};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::AppId;
use domain::id::sha256_hex;
use table::{IdempotencyRecord, Table, TableError};

/// For how long an attempt may be under way whose end is not known, in milliseconds.
const IN_FLIGHT_TIMEOUT_MS: i64 = 60_000;
/// For how long after the end of an attempt what it has sent may arrive, and clocks may differ, in milliseconds.
const SETTLING_MS: i64 = 2_000;
/// When to ask again while an attempt is under way, in seconds.
const RETRY_AFTER_SECONDS: u32 = 1;

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

/// What a request is whose key was used before.
#[derive(Debug, PartialEq, Eq)]
enum Repeat<'a> {
    /// Another request.
    Other,
    /// It has this response.
    Answered(&'a str),
    /// An attempt may be under way.
    UnderWay,
    /// The earlier attempt has ended without a response: it was killed, or failed.
    Next,
}

/// Begins a request. `status` is that of its success. An inner `Err` is the stored response of an earlier attempt.
///
/// An attempt has its key up to the end of its invocation, which Lambda sees to: a repeat can go on when the earlier attempt
/// was killed, and of several repeats one does.
///
/// # Errors
/// 409 while an attempt may be under way, 422 if the key is malformed or was used with another body.
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
    let record = IdempotencyRecord {
        lease_until: Some(lease_until(now_ms, deadline_ms())),
        holder: Some(nonce.clone()),
        ..IdempotencyRecord::new(body, now)
    };
    let Some(stored) = table.begin_idempotent(app, &key, &record, &nonce).await? else {
        let key = Some((key, record));
        return Ok(Ok(IdempotentRequest { write_id, started_at: now_ms, is_retry: false, key, status }));
    };
    match repeat_of(&stored, &record.body, now_ms) {
        Repeat::Other => Err(Problem::new(ProblemType::IdempotencyKey, "the key was used with another body")),
        Repeat::Answered(answer) => Ok(Err(json_response(status, answer.to_owned(), true))),
        Repeat::UnderWay => Err(under_way()),
        Repeat::Next => {
            let record = IdempotencyRecord { at: stored.at, ..record };
            if !table.replace_idempotent(app, &key, stored.holder.as_deref(), &record).await? {
                return Err(under_way()); // another repeat was faster
            }
            let key = Some((key, record));
            Ok(Ok(IdempotentRequest { write_id, started_at: stored.at, is_retry: true, key, status }))
        }
    }
}

/// Ends an attempt: stores the JSON response of a success and returns it. After a failure a repeat may go on.
///
/// # Errors
/// That of the failure; or if the table cannot be written.
pub async fn end(
    table: &Table,
    app: AppId,
    request: IdempotentRequest,
    outcome: Result<String, Problem>,
) -> Result<Response, Problem> {
    let Some((key, record)) = request.key else {
        return outcome.map(|answer| json_response(request.status, answer, false));
    };
    match outcome {
        Ok(answer) => {
            table.finish_idempotent(app, &key, &IdempotencyRecord { answer: Some(answer.clone()), ..record }).await?;
            Ok(json_response(request.status, answer, false))
        }
        Err(problem) => {
            let holder = record.holder.clone();
            let lease_until = Some(domain::millis(clock::now()) + SETTLING_MS);
            let ended = IdempotencyRecord { lease_until, ..record };
            if let Err(error) = table.replace_idempotent(app, &key, holder.as_deref(), &ended).await {
                tracing::warn!("a failed request keeps its key up to its deadline: {}", Chain(&error));
            }
            Err(problem)
        }
    }
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

/// Until when an attempt that begins now may be under way.
fn lease_until(now_ms: i64, deadline_ms: Option<i64>) -> i64 {
    match deadline_ms.filter(|it| *it > now_ms) {
        Some(deadline) => deadline.saturating_add(SETTLING_MS),
        None => now_ms + IN_FLIGHT_TIMEOUT_MS,
    }
}

/// What a request with this body is, by the record of its key.
fn repeat_of<'a>(stored: &'a IdempotencyRecord, body: &str, now_ms: i64) -> Repeat<'a> {
    match &stored.answer {
        _ if stored.body != body => Repeat::Other,
        Some(answer) => Repeat::Answered(answer),
        None if now_ms < stored.lease_until.unwrap_or(stored.at + IN_FLIGHT_TIMEOUT_MS) => Repeat::UnderWay,
        None => Repeat::Next,
    }
}

fn under_way() -> Problem {
    let problem = Problem::new(ProblemType::InFlight, "a request with this key is under way");
    Problem { retry_after: Some(RETRY_AFTER_SECONDS), ..problem }
}

fn json_response(status: StatusCode, answer: String, is_replay: bool) -> Response {
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], answer).into_response();
    if is_replay {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_has_its_key_up_to_the_end_of_its_invocation() {
        for (deadline, want) in [
            (Some(31_000), 33_000),
            (Some(1_001), 3_001),
            (None, 61_000),
            (Some(0), 61_000),
            (Some(1_000), 61_000),
            (Some(i64::MAX), i64::MAX),
        ] {
            assert_eq!(lease_until(1_000, deadline), want, "{deadline:?}");
        }
    }

    #[test]
    fn a_repeat_is_answered_waits_or_goes_on() {
        let record = |answer: Option<&str>, lease_until: Option<i64>| IdempotencyRecord {
            body: "b".to_owned(),
            answer: answer.map(str::to_owned),
            at: 1_000,
            lease_until,
            holder: None,
        };
        for (stored, body, now, want) in [
            (record(None, Some(5_000)), "b", 4_999, Repeat::UnderWay),
            (record(None, Some(5_000)), "b", 5_000, Repeat::Next),
            (record(None, None), "b", 60_999, Repeat::UnderWay),
            (record(None, None), "b", 61_000, Repeat::Next),
            (record(Some("[]"), Some(5_000)), "b", 2_000, Repeat::Answered("[]")),
            (record(Some("[]"), Some(5_000)), "c", 2_000, Repeat::Other),
            (record(None, Some(5_000)), "c", 9_000, Repeat::Other),
        ] {
            assert_eq!(repeat_of(&stored, body, now), want, "{stored:?} {body} {now}");
        }
    }

    #[test]
    fn whoever_is_early_is_told_when_to_come_again() {
        let response = under_way().into_response();
        assert_eq!(
            (response.status().as_u16(), &response.headers()[header::RETRY_AFTER]),
            (409, &"1".parse().unwrap())
        );
    }
}
