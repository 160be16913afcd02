//! A client of the API. It calls a deployment by its URL and keys, or the local stack by its `stack.json`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use local::demo::{self, Demo};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::CliError;
use crate::{hint, print};

/// Which API to call. Without these options, the local stack and its demo application.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Target {
    /// The API's address; without it, the local stack and its demo application
    #[arg(long, env = "NOTIFY_URL", help_heading = "Which API")]
    url: Option<String>,
    /// The id of the application that the key belongs to
    #[arg(long, env = "NOTIFY_APPLICATION_ID", help_heading = "Which API")]
    application_id: Option<String>,
    /// A key of the application (`x-api-key`)
    #[arg(long, env = "NOTIFY_API_KEY", hide_env_values = true, help_heading = "Which API")]
    api_key: Option<String>,
    /// The key's secret (`x-api-secret`); prefer the variable: other users of the machine can see a command's arguments
    #[arg(long, env = "NOTIFY_API_SECRET", hide_env_values = true, help_heading = "Which API")]
    api_secret: Option<String>,
}

impl Target {
    /// Whether an address or keys were given.
    pub(crate) fn is_given(&self) -> bool {
        let all = [&self.url, &self.application_id, &self.api_key, &self.api_secret];
        all.into_iter().flatten().any(|it| !it.is_empty())
    }

    /// Whether keys were given.
    pub(crate) fn has_keys(&self) -> bool {
        [&self.api_key, &self.api_secret].into_iter().flatten().any(|it| !it.is_empty())
    }

    /// The address, if one was given.
    pub(crate) fn address(&self) -> Option<String> {
        self.url.clone().filter(|it| !it.is_empty()).map(|it| it.trim_end_matches('/').to_owned())
    }

    pub(crate) fn set_address(&mut self, url: &str) {
        self.url = Some(url.to_owned());
    }
}

/// A connection to one application.
pub(crate) struct Client {
    http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) application_id: String,
    api_key: String,
    api_secret: String,
    /// What to try if the API does not answer.
    advice: String,
    /// The file that the keys were read from, unless they were given.
    saved_keys_path: Option<PathBuf>,
}

/// Options that belong together (an address and credentials): all of them, or `None`. An empty one counts as missing. A
/// part of them is an error, because the command could then change another application than its user meant.
pub(crate) fn all_or_none<const N: usize>(given: [(&str, Option<String>); N]) -> Result<Option<[String; N]>, CliError> {
    let given = given.map(|(name, it)| (name, it.filter(|it| !it.is_empty())));
    let names_where = |wanted: bool| {
        let matching = given.iter().filter(|it| it.1.is_some() == wanted).map(|it| it.0);
        matching.collect::<Vec<_>>().join(", ")
    };
    let (present, missing) = (names_where(true), names_where(false));
    if present.is_empty() {
        return Ok(None);
    }
    if !missing.is_empty() {
        let text = format!(
            "{present} given without {missing}: give all of them (as options, or as variables, see --help), or none for the local stack"
        );
        return Err(CliError::Usage(text));
    }
    Ok(Some(given.map(|it| it.1.unwrap_or_default())))
}

impl Client {
    pub(crate) fn open(target: Target, data: &Path) -> Result<Self, CliError> {
        let http = http_client()?;
        let given = all_or_none([
            ("--url", target.url),
            ("--application-id", target.application_id),
            ("--api-key", target.api_key),
            ("--api-secret", target.api_secret),
        ])?;
        if let Some([url, application_id, api_key, api_secret]) = given {
            let url = url.trim_end_matches('/').to_owned();
            let parsed = reqwest::Url::parse(&url).ok();
            if !parsed.is_some_and(|it| matches!(it.scheme(), "http" | "https") && it.has_host()) {
                return Err(CliError::Usage("--url: not a URL like https://…".to_owned()));
            }
            let Ok(application_id) = uuid::Uuid::parse_str(&application_id) else {
                let text = "--application-id: not an id like 0f8fad5b-d9cb-469f-a165-70867728950e";
                return Err(CliError::Usage(text.to_owned()));
            };
            let application_id = application_id.to_string();
            return Ok(Self {
                http,
                url,
                application_id,
                api_key,
                api_secret,
                advice: String::new(),
                saved_keys_path: None,
            });
        }
        let Demo { url, application_id, api_key, api_secret, .. } = running_stack(data)?;
        let advice = unreachable_advice(&url);
        let saved_keys_path = Some(demo::stack_file(data));
        Ok(Self { http, url, application_id, api_key, api_secret, advice, saved_keys_path })
    }

    /// A path of these segments, each percent-encoded. An empty one, `.` and `..` are errors (RFC 3986, section 5.2.4),
    /// and control characters as well, because URL parsers remove some of them.
    pub(crate) fn path(segments: &[&str]) -> Result<String, CliError> {
        if let Some(segment) = segments.iter().find(|it| matches!(**it, "" | "." | "..")) {
            return Err(CliError::Usage(format!("`{segment}` is no name and no id")));
        }
        if let Some(segment) = segments.iter().find(|it| it.contains(char::is_control)) {
            return Err(CliError::Usage(format!(
                "`{}` has control characters: no name and no id has",
                segment.escape_debug()
            )));
        }
        let mut url = reqwest::Url::parse("http://localhost").map_err(|it| CliError::Other(it.to_string()))?;
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.extend(segments);
        }
        Ok(url.path().to_owned())
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let request = request.header("x-api-key", &self.api_key).header("x-api-secret", &self.api_secret);
        // the API refuses a key of another application, which would change something that was not meant
        request.header("x-application-id", &self.application_id)
    }

    /// Sends a request. Returns the JSON of a success.
    pub(crate) async fn send(&self, what: &str, request: RequestBuilder) -> Result<Value, CliError> {
        match (send_request(&self.url, &self.advice, what, request).await, &self.saved_keys_path) {
            (Err(CliError::ErrorResponse { status: 401, .. }), Some(path)) => {
                let fresh = hint::command("up --fresh");
                Err(CliError::SavedKeysRejected { url: self.url.clone(), path: path.clone(), fresh })
            }
            (answer, _) => answer,
        }
    }

    /// Stores keys that this program has replaced in `stack.json`, if they belong to the demo application. Returns
    /// whether they do.
    pub(crate) fn update_saved_keys(
        &self,
        data: &Path,
        change: impl FnOnce(&mut Demo) -> bool,
    ) -> Result<bool, CliError> {
        let Ok(mut demo) = demo::read_stack_file(data) else { return Ok(false) };
        let is_demo_application = demo.application_id == self.application_id && demo.url == self.url;
        let kept = is_demo_application && change(&mut demo);
        if kept {
            demo::write_stack_file(data, &demo)?;
            print::note(&format!("the new one stands in {}, too", demo::stack_file(data).display()));
        }
        Ok(kept)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, CliError> {
        self.send(path, self.request(Method::GET, path)).await
    }
}

/// Sends a request. Returns the JSON of a success, or the API's reason as an error. `advice` says what to try if it
/// does not answer.
pub(crate) async fn send_request(
    url: &str,
    advice: &str,
    what: &str,
    request: RequestBuilder,
) -> Result<Value, CliError> {
    let unreachable = |source| CliError::Unreachable { url: url.to_owned(), advice: advice.to_owned(), source };
    let answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    let text = answer.text().await.map_err(unreachable)?;
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    if status.is_success() {
        return Ok(body);
    }
    let field = body["field"].as_str().map(str::to_owned);
    Err(CliError::ErrorResponse { what: what.to_owned(), status: status.as_u16(), field, reason: error_reason(&body) })
}

/// The text of OMA's `requestError`, with its variables in their places.
fn oma_reason(body: &Value) -> Option<String> {
    let error = &body["requestError"];
    let exception = error.get("serviceException").or_else(|| error.get("policyException"))?;
    let mut reason = exception["text"].as_str()?.to_owned();
    for (number, variable) in (1..).zip(exception["variables"].as_array().into_iter().flatten()) {
        reason = reason.replace(&format!("%{number}"), variable.as_str().unwrap_or_default());
    }
    Some(format!("{reason} ({})", exception["messageId"].as_str().unwrap_or_default()))
}

/// The reason of an error response: problem+json (RFC 9457) with its `field`, or the envelope of the channel API, whose
/// `errors` are by field or by layer (section 6.3), or the `error` of billing.
fn error_reason(body: &Value) -> String {
    if let Some(reason) = oma_reason(body) {
        return reason;
    }
    let text = |name: &str| body[name].as_str().filter(|it| !it.is_empty());
    let mut all = Vec::new();
    for (name, texts) in body["errors"].as_object().into_iter().flatten() {
        for message in texts.as_array().into_iter().flatten().filter_map(Value::as_str) {
            all.push(if name.contains(':') { message.to_owned() } else { format!("{name}: {message}") });
        }
    }
    if !all.is_empty() {
        return all.join("; ");
    }
    // the title names the type of the problem, the detail this case of it
    let reason = ["detail", "title", "message", "error"].into_iter().find_map(text).unwrap_or("no reason given");
    match text("field").filter(|it| !reason.starts_with(it)) {
        Some(field) => format!("{field}: {reason}"),
        None => reason.to_owned(),
    }
}

/// What to try if the local stack does not answer.
pub(crate) fn unreachable_advice(url: &str) -> String {
    let port = url.rsplit(':').next().and_then(|it| it.parse().ok()).unwrap_or(hint::DEFAULT_PORT);
    format!("; is the stack running? Start it with `{}`", hint::up_command(port))
}

/// Checks an argument that is a time such as `2026-11-21T09:00:00Z` (RFC 3339).
pub(crate) fn parse_time(text: &str) -> Result<String, String> {
    let parsed = OffsetDateTime::parse(text, &Rfc3339);
    parsed.map(|_| text.to_owned()).map_err(|_| "not a time like 2026-11-21T09:00:00Z".to_owned())
}

/// The local stack that runs in this data folder, or ran there last.
pub(crate) fn running_stack(data: &Path) -> Result<Demo, CliError> {
    demo::read_stack_file(data).map_err(|why| match why {
        local::StackError::Unreadable { .. } => {
            let start = hint::up_command(hint::DEFAULT_PORT);
            CliError::Other(format!("no stack has run in {}; start one with `{start}`", data.display()))
        }
        other => other.into(),
    })
}

#[expect(clippy::disallowed_methods, reason = "the program talks to its own API, which its user named")]
pub(crate) fn http_client() -> Result<reqwest::Client, CliError> {
    reqwest::Client::builder().timeout(Duration::from_secs(35)).build().map_err(|it| CliError::Other(it.to_string()))
}

/// Waits between two polls: 0.3 seconds.
#[expect(clippy::disallowed_methods, reason = "a program that watches looks now and then")]
pub(crate) async fn poll_delay() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reason_names_its_field_and_says_all() {
        for (body, want) in [
            (
                json!({ "title": "Not valid", "status": 422, "detail": "prefixes: at most 20", "field": "prefixes" }),
                "prefixes: at most 20",
            ),
            (json!({ "title": "invalid", "detail": "1 to 10", "field": "priority" }), "priority: 1 to 10"),
            (
                json!({ "title": "There is no such bucket", "detail": "there is no bucket of that id" }),
                "there is no bucket of that id",
            ),
            (
                json!({ "title": "One or more validation errors occurred.", "errors": { "RetryCount": ["0 to 20"] } }),
                "RetryCount: 0 to 20",
            ),
            (json!({ "title": "x", "errors": { "business: Get": ["not found"] } }), "not found"),
            (
                json!({ "requestError": { "policyException": { "messageId": "POL1023", "text": "%1 is none of %2",
                    "variables": ["OMAPush", "LongPolling, WebSockets"] } } }),
                "OMAPush is none of LongPolling, WebSockets (POL1023)",
            ),
            (json!({ "message": "Forbidden" }), "Forbidden"),
            (json!({ "code": 1000, "error": "No active subscription." }), "No active subscription."),
            (Value::Null, "no reason given"),
        ] {
            assert_eq!(error_reason(&body), want);
        }
    }

    #[test]
    fn half_of_an_address_and_its_keys_is_refused() {
        let some = |it: &str| Some(it.to_owned());
        assert_eq!(all_or_none([("--url", None), ("--api-key", some(""))]).unwrap(), None);
        assert_eq!(
            all_or_none([("--url", some("u")), ("--api-key", some("k"))]).unwrap(),
            Some(["u", "k"].map(str::to_owned))
        );
        let error = all_or_none([("--url", None), ("--api-key", some("nk_live_secret"))]).unwrap_err().to_string();
        assert!(error.starts_with("--api-key given without --url: ") && !error.contains("nk_live"), "{error}");
    }

    #[test]
    fn what_cannot_be_a_segment_is_refused() {
        assert_eq!(Client::path(&["api", "a/b%c ü?#"]).unwrap(), "/api/a%2Fb%25c%20%C3%BC%3F%23");
        for segment in ["", ".", "..", "a\tb", "a\r\n", "\u{7f}"] {
            assert!(Client::path(&["api", segment]).is_err(), "{segment:?}");
        }
    }
}
