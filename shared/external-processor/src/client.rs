//! Requests to the endpoints of customers, which may be hostile: signed, to checked addresses, each within 15 seconds.

use std::error::Error;
use std::time::Duration;

use channels::sign::sign;
use domain::JobId;
use domain::item::Problem;
use domain::job::{BackendError, JobOrder, Report, Submission};
use domain::ssrf::{AllowedNetworks, check_url};
use guard::ForbiddenAddressError;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::Url;

use crate::answer::{Answer, refused, retry, submission};
use crate::endpoint::Endpoint;
use crate::message::{Message, read_message};
use crate::order::{SPEC, body, message_id};

/// How long a processor may take to note that a job is cancelled: a user waits.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(3);
/// The largest answer that is read, in bytes (processors, section 5.3).
const MAX_ANSWER: usize = 327_680;

/// Sends orders to endpoints of customers.
pub struct ExternalProcessor {
    http: guard::Client,
    allowed: AllowedNetworks,
    /// Where callbacks come, without a slash at its end.
    callback_base: String,
}

/// What a processor says when it is asked about a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Polled {
    Report(Report),
    /// It has succeeded, and this is the result document as it was sent.
    Result(Vec<u8>),
    /// It cannot be asked.
    NoSuchPath,
}

/// Why an endpoint is not registered. The text is shown to users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ChallengeError(pub String);

/// Why there is no whole answer.
enum SendError {
    /// The address is not one that may be called.
    Forbidden(String),
    Unreachable(String),
    TooLarge,
}

impl ExternalProcessor {
    /// A client without open connections. `callback_base` is the address of the API that callbacks come to.
    ///
    /// # Errors
    /// Never with these settings.
    pub fn new(allowed: AllowedNetworks, callback_base: String) -> reqwest::Result<Self> {
        let http = guard::client(&allowed, Some(guard::TOTAL_TIMEOUT))?;
        Ok(Self { http, allowed, callback_base: callback_base.trim_end_matches('/').to_owned() })
    }

    /// Sends an order. A repeat of the same attempt is the same message at another time.
    ///
    /// # Errors
    /// Why the endpoint has not taken it.
    pub async fn submit(
        &self,
        endpoint: &Endpoint,
        order: &JobOrder,
        now: OffsetDateTime,
    ) -> Result<Submission, BackendError> {
        let body = body(order, &self.callback_base).to_string();
        let url = self.checked(&endpoint.url).map_err(backend_error)?;
        let sent = self.send(Method::POST, url, &endpoint.keys, &message_id(order), body, now).await;
        submission(&sent.map_err(backend_error)?)
    }

    /// Asks about a job that was accepted as `external_id`; `poll` counts how often (processors, section 5.5).
    ///
    /// # Errors
    /// The endpoint does not answer, or not what the contract says.
    pub async fn poll(
        &self,
        endpoint: &Endpoint,
        job: JobId,
        attempt: u32,
        external_id: &str,
        poll: u32,
        now: OffsetDateTime,
    ) -> Result<Polled, BackendError> {
        let id = format!("{job}_{attempt}_poll_{poll}");
        let url = self.job_url(endpoint, external_id).map_err(backend_error)?;
        let sent = self.send(Method::GET, url, &endpoint.keys, &id, String::new(), now).await;
        let answer = sent.map_err(backend_error)?;
        match answer.status {
            200 => match read_message(&answer.body) {
                Ok(Message::Report(report)) => Ok(Polled::Report(report)),
                Ok(Message::Result(bytes)) => Ok(Polled::Result(bytes)),
                Err(error) => Err(BackendError::Permanent(Problem::new("invalid_result", error.to_string()))),
            },
            429 => Err(refused(&answer)),
            501 => Ok(Polled::NoSuchPath),
            500.. => Err(refused(&answer)),
            _ => Ok(Polled::NoSuchPath),
        }
    }

    /// Tells a processor that nobody waits for a job any more. It may be lost: a report of the job is answered with 409.
    pub async fn cancel(&self, endpoint: &Endpoint, job: JobId, attempt: u32, external_id: &str, now: OffsetDateTime) {
        let id = format!("{job}_{attempt}_cancel");
        let sent = match self.job_url(endpoint, external_id) {
            Ok(url) => self.send(Method::DELETE, url, &endpoint.keys, &id, String::new(), now).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            tracing::debug!(job.id = %job, "a cancelled job is not told: {}", error.text());
        }
    }

    /// Whether whoever registers an endpoint also answers at it: it repeats a word (realtime, H-9).
    ///
    /// # Errors
    /// What is wrong with the address or the answer.
    pub async fn challenge(
        &self,
        url: &str,
        keys: &[Vec<u8>],
        word: &str,
        now: OffsetDateTime,
    ) -> Result<(), ChallengeError> {
        let failed = |error: SendError| ChallengeError(error.text());
        let url = self.checked(url).map_err(failed)?;
        let body = json!({ "spec": SPEC, "challenge": word }).to_string();
        let sent = self.send(Method::POST, url, keys, &format!("challenge_{word}"), body, now).await;
        let answer = sent.map_err(failed)?;
        let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
        if answer.status == 200 && said.is_some_and(|it| it["challenge"] == word) {
            return Ok(());
        }
        let status = answer.status;
        Err(ChallengeError(format!("the endpoint has not repeated its challenge; it answers {status}")))
    }

    /// An endpoint's address. Literal addresses do not reach the resolver's check, so it is checked before each request.
    fn checked(&self, url: &str) -> Result<Url, SendError> {
        check_url(url, &self.allowed).map_err(|it| SendError::Forbidden(it.to_string()))
    }

    /// The address of a job at an endpoint.
    fn job_url(&self, endpoint: &Endpoint, external_id: &str) -> Result<Url, SendError> {
        let mut url = self.checked(&endpoint.url)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(external_id);
        }
        Ok(url)
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        keys: &[Vec<u8>],
        id: &str,
        body: String,
        now: OffsetDateTime,
    ) -> Result<Answer, SendError> {
        let timestamp = now.unix_timestamp();
        let signature = sign(keys, None, id, timestamp, body.as_bytes());
        let mut request = self.http.request(method.clone(), url);
        request = request.header("webhook-id", id).header("webhook-timestamp", timestamp.to_string());
        request = request.header("webhook-signature", signature);
        if method == Method::DELETE {
            request = request.timeout(CANCEL_TIMEOUT);
        }
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut response = request.send().await.map_err(send_error)?;
        let (status, retry_after) = (response.status().as_u16(), guard::retry_after(response.headers(), now));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(send_error)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                return Err(SendError::TooLarge);
            }
        }
        Ok(Answer { status, retry_after, body })
    }
}

impl SendError {
    fn text(&self) -> String {
        match self {
            Self::Forbidden(why) => format!("the endpoint may not be called: {why}"),
            Self::Unreachable(why) => why.clone(),
            Self::TooLarge => format!("the endpoint's answer has more than {MAX_ANSWER} bytes"),
        }
    }
}

fn backend_error(error: SendError) -> BackendError {
    let text = error.text();
    match error {
        SendError::Forbidden(_) => BackendError::Permanent(Problem::new("endpoint_failed", text)),
        SendError::TooLarge => BackendError::Permanent(Problem::new("invalid_result", text)),
        SendError::Unreachable(_) => retry(None, text),
    }
}

/// The text is that of the innermost cause: the error itself names the URL.
fn send_error(error: reqwest::Error) -> SendError {
    let mut cause: Option<&dyn Error> = Some(&error);
    let mut last = String::new();
    while let Some(current) = cause {
        if let Some(forbidden) = current.downcast_ref::<ForbiddenAddressError>() {
            return SendError::Forbidden(forbidden.to_string());
        }
        last = current.to_string();
        cause = current.source();
    }
    let stage = if error.is_timeout() {
        "the endpoint does not answer in time"
    } else if error.is_connect() {
        "the endpoint cannot be reached"
    } else {
        "the endpoint's answer is not whole"
    };
    SendError::Unreachable(format!("{stage}: {}", last.chars().take(200).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use domain::id::{AppId, ItemId};
    use domain::job::JobInput;
    use domain::processor::ProcessorKind;
    use serde_json::Map;
    use time::macros::datetime;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn endpoint(url: &str) -> Endpoint {
        Endpoint { url: url.to_owned(), keys: vec![vec![7; 32]], deadline: None, parameters: Map::new() }
    }

    #[test]
    fn an_order_is_what_the_contract_says() {
        let app = AppId::random([1; 16]);
        let item = ItemId::random([2; 16]);
        let id = domain::JobId::of(app, item, ProcessorKind::ObjectDetection);
        let order = JobOrder {
            id,
            app,
            item,
            attempt: 2,
            processor: ProcessorKind::ObjectDetection,
            parameters: json!({ "sample_fps": 2.0 }),
            deadline: datetime!(2026-11-20 13:00 UTC),
            input: JobInput {
                url: "https://media.example.com/clip.mp4?X-Amz-Signature=abc".to_owned(),
                media_type: "video/mp4".to_owned(),
                bytes: Some(464_598),
                sha256: None,
            },
            output_url: "https://results.example.com/out.json?X-Amz-Signature=def".to_owned(),
        };
        assert_eq!(message_id(&order), format!("{id}_2"));
        assert_eq!(
            body(&order, "https://api.example.com"),
            json!({
                "spec": "1",
                "job_id": id.to_string(),
                "attempt": 2,
                "kind": "object_detection",
                "params": { "sample_fps": 2.0 },
                "deadline": "2026-11-20T13:00:00Z",
                "input": {
                    "url": "https://media.example.com/clip.mp4?X-Amz-Signature=abc",
                    "media_type": "video/mp4",
                    "bytes": 464_598,
                    "sha256": null,
                },
                "output": { "url": "https://results.example.com/out.json?X-Amz-Signature=def", "max_bytes": 67_108_864 },
                "callback": { "url": format!("https://api.example.com/jobs/{id}/callback/2") },
            })
        );
    }

    /// Answers one request with a body; its address.
    async fn answering(body: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jobs", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut received = Vec::new();
            while !received.ends_with(b"}") {
                stream.read_buf(&mut received).await.unwrap();
            }
            assert!(String::from_utf8(received).unwrap().contains("webhook-signature: v1,"));
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        });
        url
    }

    #[tokio::test]
    async fn an_endpoint_confirms_itself_by_its_word() {
        let processor = ExternalProcessor::new("127.0.0.0/8".parse().unwrap(), String::new()).unwrap();
        let (keys, now) = ([vec![7; 32]], datetime!(2026-11-21 12:00 UTC));
        for (body, want) in [(r#"{"challenge":"abc"}"#, true), (r#"{"challenge":"abd"}"#, false), ("<html>", false)] {
            let url = answering(body).await;
            assert_eq!(processor.challenge(&url, &keys, "abc", now).await.is_ok(), want, "{body}");
        }
        let refused = processor.challenge("https://10.0.0.1/jobs", &keys, "abc", now).await.unwrap_err();
        assert_eq!(refused.to_string(), "the endpoint may not be called: `10.0.0.1` is not a public address");
    }

    #[test]
    fn an_external_id_stays_one_segment_of_the_path() {
        let processor =
            ExternalProcessor::new(AllowedNetworks::default(), "https://api.example.com/".to_owned()).unwrap();
        for (base, id, want) in [
            ("https://p.example.com", "run-42", "https://p.example.com/run-42"),
            ("https://p.example.com/jobs/", "a/b?c#d", "https://p.example.com/jobs/a%2Fb%3Fc%23d"),
        ] {
            let url = processor.job_url(&endpoint(base), id).map_err(|it| it.text()).unwrap();
            assert_eq!(url.as_str(), want);
        }
        assert!(processor.job_url(&endpoint("http://169.254.169.254/latest"), "a").is_err());
    }
}
