//! What a processor says of a job: at the callback, and as the answer when it is asked (processors, sections 5.4 and 5.5).

use domain::item::Problem;
use domain::job::Report;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The largest result in a message or an answer, in bytes (processors, sections 5.3 and 5.4). A larger one is put at
/// `output.url`.
pub const MAX_INLINE_RESULT: usize = 262_144;
/// The longest code of a failure, in characters.
const MAX_CODE: usize = 64;

/// What a processor says.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Report(Report),
    /// It has succeeded, and this is the result document as it was sent.
    Result(Vec<u8>),
}

/// Why a message is not one of the contract's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    #[error("the body is not JSON")]
    NotJson,
    #[error("{0}")]
    Malformed(&'static str),
    #[error("a result in a message has at most {MAX_INLINE_RESULT} bytes; put a larger one at `output.url`")]
    TooLarge,
}

#[derive(Deserialize)]
struct MessageIn<'a> {
    state: Option<String>,
    progress: Option<f64>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    code: Option<String>,
    message: Option<String>,
    hint: Option<String>,
    #[serde(default)]
    retryable: bool,
}

#[derive(Deserialize)]
struct OutputIn {
    r#ref: Option<String>,
    sha256: Option<String>,
}

/// Reads a message.
///
/// # Errors
/// Why it is none.
pub fn read_message(body: &[u8]) -> Result<Message, InvalidMessage> {
    if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_err() {
        return Err(InvalidMessage::NotJson);
    }
    let read: MessageIn<'_> = serde_json::from_slice(body)
        .map_err(|_| InvalidMessage::Malformed("a member of the message has another type than the contract says"))?;
    match read.state.as_deref() {
        Some("running") => match read.progress {
            Some(progress) if !(0.0..=1.0).contains(&progress) => {
                Err(InvalidMessage::Malformed("`progress` is a number from 0 to 1"))
            }
            // thousandths: a row keeps no number below 1E-130
            progress => {
                let progress = progress.map(|it| (it * 1_000.0).round() / 1_000.0);
                Ok(Message::Report(Report::Running { progress }))
            }
        },
        Some("succeeded") => succeeded(read.result),
        Some("failed") => {
            let (code, message) = (read.code.as_deref(), read.message.as_deref());
            let problem = failure(code, message, read.hint.as_deref());
            Ok(Message::Report(Report::Failed { problem, retryable: read.retryable }))
        }
        _ => Err(InvalidMessage::Malformed("`state` is `running`, `succeeded` or `failed`")),
    }
}

fn succeeded(result: Option<&RawValue>) -> Result<Message, InvalidMessage> {
    let result = result.ok_or(InvalidMessage::Malformed("`succeeded` comes with a `result`"))?.get();
    match serde_json::from_str::<OutputIn>(result) {
        Ok(OutputIn { r#ref: Some(place), sha256 }) => {
            let is_hash = |it: &String| it.len() == 64 && it.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
            if place != "output" {
                return Err(InvalidMessage::Malformed("`result.ref` is `output`"));
            }
            if sha256.as_ref().is_some_and(|it| !is_hash(it)) {
                return Err(InvalidMessage::Malformed("`result.sha256` has 64 hex digits in lower case"));
            }
            Ok(Message::Report(Report::Succeeded { sha256 }))
        }
        _ if result.len() > MAX_INLINE_RESULT => Err(InvalidMessage::TooLarge),
        _ => Ok(Message::Result(result.as_bytes().to_vec())),
    }
}

/// The problem that a processor tells of. Its code is text from outside: one that is no word is `endpoint_failed`.
pub(crate) fn failure(code: Option<&str>, message: Option<&str>, hint: Option<&str>) -> Problem {
    let is_word = |text: &str| {
        (1..=MAX_CODE).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
    };
    let code = code.filter(|it| is_word(it)).unwrap_or("endpoint_failed");
    let hint = hint.filter(|it| !it.is_empty()).map(|it| it.chars().take(1_000).collect());
    Problem { hint, ..Problem::new(code, message.unwrap_or("the processor does not say why")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, want: Result<Message, InvalidMessage>) {
        assert_eq!(read_message(body.as_bytes()), want, "{body}");
    }

    #[test]
    fn the_messages_of_the_contract_are_read() {
        let running = |progress| Ok(Message::Report(Report::Running { progress }));
        check(r#"{"state":"running","progress":0.4}"#, running(Some(0.4)));
        check(r#"{"state":"running","progress":5e-324}"#, running(Some(0.0)));
        check(r#"{"state":"running","more":[1]}"#, running(None));
        let sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        check(
            &format!(r#"{{"state":"succeeded","result":{{"ref":"output","sha256":"{sha256}"}}}}"#),
            Ok(Message::Report(Report::Succeeded { sha256: Some(sha256.to_owned()) })),
        );
        check(r#"{"state":"succeeded","result":{ "a": 1.50 }}"#, Ok(Message::Result(br#"{ "a": 1.50 }"#.to_vec())));
        let problem = Problem::new("media_unreadable", "moov atom not found");
        check(
            r#"{"state":"failed","code":"media_unreadable","message":"moov atom not found","retryable":true}"#,
            Ok(Message::Report(Report::Failed { problem, retryable: true })),
        );
        let problem = Problem::new("endpoint_failed", "the processor does not say why");
        check(r#"{"state":"failed","code":"<b>"}"#, Ok(Message::Report(Report::Failed { problem, retryable: false })));
    }

    #[test]
    fn everything_else_is_refused() {
        check("", Err(InvalidMessage::NotJson));
        check("{", Err(InvalidMessage::NotJson));
        for body in [
            "[]",
            "null",
            "{}",
            r#"{"state":"done"}"#,
            r#"{"state":1}"#,
            r#"{"state":"running","progress":1.01}"#,
            r#"{"state":"running","progress":-0.1}"#,
            r#"{"state":"running","progress":"half"}"#,
            r#"{"state":"succeeded"}"#,
            r#"{"state":"succeeded","result":{"ref":"elsewhere"}}"#,
            r#"{"state":"succeeded","result":{"ref":"output","sha256":"00"}}"#,
        ] {
            assert!(matches!(read_message(body.as_bytes()), Err(InvalidMessage::Malformed(_))), "{body}");
        }
        let result = |bytes: usize| format!(r#"{{"state":"succeeded","result":"{}"}}"#, "x".repeat(bytes - 2));
        assert!(matches!(read_message(result(MAX_INLINE_RESULT).as_bytes()), Ok(Message::Result(_))));
        check(&result(MAX_INLINE_RESULT + 1), Err(InvalidMessage::TooLarge));
    }
}
