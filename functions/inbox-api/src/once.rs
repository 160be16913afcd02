//! `Idempotency-Key`: a request that is repeated does nothing twice, and gets the same answer (realtime, D-13).

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::AppId;
use domain::id::sha256_hex;
use entry::clock;
use entry::http::{Problem, ProblemType};
use table::{Once, Table};

/// After this time a request that gave no answer is taken for dead, and its key for free.
const DEAD: i64 = 60_000;

/// A request with or without a key.
pub(crate) struct Keyed {
    /// What its writes are called: the same for a repeat.
    pub(crate) write_id: String,
    /// When it began first, in milliseconds.
    pub(crate) since: i64,
    /// Whether an earlier try may have written already.
    pub(crate) again: bool,
    key: Option<(String, Once)>,
}

/// Begins a request. `Err` is its answer already: an earlier one's, or why it is refused.
pub(crate) async fn begin(
    table: &Table,
    app: AppId,
    headers: &HeaderMap,
    route: &str,
    body: &str,
) -> Result<Result<Keyed, Response>, Problem> {
    let (now, nonce) = (clock::now(), clock::word(20));
    let since = domain::millis(now);
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(Ok(Keyed { write_id: nonce, since, again: false, key: None }));
    };
    let key = key.to_str().ok().filter(|it| (1..=200).contains(&it.len()));
    let key = key.ok_or_else(|| Problem::invalid("Idempotency-Key", "1 to 200 printable characters"))?;
    let (key, body) = (sha256_hex(format!("{route}|{key}").as_bytes()), sha256_hex(body.as_bytes()));
    let write_id = key[..32].to_owned();
    let Some(there) = table.begin_once(app, &key, &body, &nonce, now).await? else {
        let once = Once { body, answer: None, at: since };
        return Ok(Ok(Keyed { write_id, since, again: false, key: Some((key, once)) }));
    };
    if there.body != body {
        let title = "the key was used with another body";
        return Err(Problem::new(ProblemType::IdempotencyKey, title));
    }
    match &there.answer {
        Some(answer) => Ok(Err(respond(answer.clone(), true))),
        None if there.at + DEAD > since => {
            Err(Problem::new(ProblemType::InFlight, "a request with this key is under way"))
        }
        None => Ok(Ok(Keyed { write_id, since: there.at, again: true, key: Some((key, there)) })),
    }
}

/// Ends a request with its answer, JSON.
pub(crate) async fn end(table: &Table, app: AppId, keyed: Keyed, answer: String) -> Result<Response, Problem> {
    if let Some((key, once)) = keyed.key {
        table.end_once(app, &key, &Once { answer: Some(answer.clone()), ..once }).await?;
    }
    Ok(respond(answer, false))
}

fn respond(answer: String, again: bool) -> Response {
    let mut response = (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], answer).into_response();
    if again {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}
