//! What an endpoint's answer to an order means (processors, section 5.3).

use domain::item::Problem;
use domain::job::{BackendError, Submission};
use serde::Deserialize;
use serde_json::value::RawValue;
use time::Duration;

use crate::message::{MAX_INLINE_RESULT, failure};

/// When a job that was accepted is asked about for the first time, if no callback has come and its endpoint does not say it,
/// in seconds; and the latest that it may say.
const POLL_AFTER_SECONDS: u32 = 60;
const MAX_POLL_AFTER_SECONDS: u32 = 3_600;
const MAX_EXTERNAL_ID: usize = 200;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In seconds.
    pub(crate) retry_after: Option<u64>,
    /// As far as it was read.
    pub(crate) body: Vec<u8>,
}

#[derive(Deserialize)]
struct AcceptedIn {
    external_id: String,
    /// In seconds.
    #[serde(default)]
    poll_after: Option<u32>,
}

#[derive(Deserialize)]
struct DoneIn<'a> {
    #[serde(borrow)]
    result: &'a RawValue,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorIn {
    code: Option<String>,
    message: Option<String>,
    hint: Option<String>,
}

/// What became of an order.
pub(crate) fn submission(answer: &Answer) -> Result<Submission, BackendError> {
    match answer.status {
        202 => accepted(&answer.body),
        200..=299 => done(&answer.body),
        _ => Err(refused(answer)),
    }
}

fn accepted(body: &[u8]) -> Result<Submission, BackendError> {
    let read = serde_json::from_slice::<AcceptedIn>(body).ok().filter(|it| is_external_id(&it.external_id));
    let AcceptedIn { external_id, poll_after } =
        read.ok_or_else(|| invalid("a 202 comes with an `external_id` of 1 to 200 printable characters"))?;
    let seconds = poll_after.unwrap_or(POLL_AFTER_SECONDS).clamp(1, MAX_POLL_AFTER_SECONDS);
    Ok(Submission::Accepted { external_id, poll_after: Duration::seconds(seconds.into()) })
}

fn is_external_id(text: &str) -> bool {
    (1..=MAX_EXTERNAL_ID).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn done(body: &[u8]) -> Result<Submission, BackendError> {
    let read: DoneIn<'_> = serde_json::from_slice(body).map_err(|_| invalid("a 200 comes with a `result`"))?;
    let result = read.result.get().as_bytes();
    if result.len() > MAX_INLINE_RESULT {
        return Err(invalid("a `result` in an answer has at most 262144 bytes"));
    }
    Ok(Submission::Done(result.to_vec()))
}

fn invalid(message: &str) -> BackendError {
    BackendError::Permanent(Problem::new("invalid_result", message))
}

/// The error that a status other than 2xx means.
pub(crate) fn refused(answer: &Answer) -> BackendError {
    let said: ErrorIn = serde_json::from_slice(&answer.body).unwrap_or_default();
    match answer.status {
        503 if said.code.as_deref() == Some("backend_unavailable") => {
            BackendError::Unavailable(failure(said.code.as_deref(), said.message.as_deref(), said.hint.as_deref()))
        }
        429 | 500.. => {
            let after = answer.retry_after.and_then(|it| i64::try_from(it).ok()).map(Duration::seconds);
            retry(after, format!("the endpoint answers {}", answer.status))
        }
        300..=399 => {
            let message = format!("the endpoint answers {}; redirects are not followed", answer.status);
            BackendError::Permanent(Problem::new("endpoint_failed", message))
        }
        status => {
            let message = said.message.unwrap_or_else(|| format!("the endpoint answers {status}"));
            BackendError::Permanent(failure(said.code.as_deref(), Some(&message), said.hint.as_deref()))
        }
    }
}

/// A failure that a later try may not have.
pub(crate) fn retry(after: Option<Duration>, message: String) -> BackendError {
    BackendError::Retry { after, problem: Problem::new("endpoint_failed", message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after: None, body: body.as_bytes().to_vec() }
    }

    #[track_caller]
    fn code(status: u16, body: &str) -> (&'static str, String) {
        match submission(&answer(status, body)) {
            Ok(Submission::Done(_)) => ("done", String::new()),
            Ok(Submission::Accepted { external_id, .. }) => ("accepted", external_id),
            Err(BackendError::Retry { problem, .. }) => ("retry", problem.code),
            Err(BackendError::Permanent(problem)) => ("permanent", problem.code),
            Err(BackendError::Unavailable(problem)) => ("unavailable", problem.hint.unwrap_or_default()),
        }
    }

    #[test]
    fn each_answer_means_what_the_contract_says() {
        let check = |status, body: &str, means: &str, what: &str| {
            assert_eq!(code(status, body), (means, what.to_owned()), "{status} {body}");
        };
        check(202, r#"{"external_id":"run-42"}"#, "accepted", "run-42");
        check(202, r#"{"external_id":"run-42","poll_after":5}"#, "accepted", "run-42");
        check(202, r#"{"external_id":"run-42","poll_after":"soon"}"#, "permanent", "invalid_result");
        check(202, r#"{"external_id":""}"#, "permanent", "invalid_result");
        check(202, r#"{"external_id":"a\nb"}"#, "permanent", "invalid_result");
        check(202, "accepted", "permanent", "invalid_result");
        check(200, r#"{"result":{"schema":"processor-result/1"}}"#, "done", "");
        check(200, "{}", "permanent", "invalid_result");
        check(204, "", "permanent", "invalid_result");
        check(503, r#"{"code":"backend_unavailable","hint":"npm ci"}"#, "unavailable", "npm ci");
        check(503, "down for a while", "retry", "endpoint_failed");
        check(429, "", "retry", "endpoint_failed");
        check(500, r#"{"code":"backend_unavailable"}"#, "retry", "endpoint_failed");
        check(302, "", "permanent", "endpoint_failed");
        check(404, "<html>", "permanent", "endpoint_failed");
        check(422, r#"{"code":"unsupported_media","message":"no video"}"#, "permanent", "unsupported_media");
    }

    #[test]
    fn a_result_is_taken_byte_for_byte_up_to_its_cap() {
        let of = |bytes: usize| answer(200, &format!(r#"{{"result":"{}"}}"#, "x".repeat(bytes - 2)));
        assert!(
            matches!(submission(&of(MAX_INLINE_RESULT)), Ok(Submission::Done(it)) if it.len() == MAX_INLINE_RESULT)
        );
        assert!(matches!(submission(&of(MAX_INLINE_RESULT + 1)), Err(BackendError::Permanent(_))));
    }

    #[test]
    fn retry_after_is_kept() {
        let asked = refused(&Answer { retry_after: Some(90), ..answer(429, "") });
        assert!(matches!(asked, BackendError::Retry { after: Some(it), .. } if it == Duration::seconds(90)));
    }
}
