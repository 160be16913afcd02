//! The API's client: a deployment by its URL and keys, or the local stack by its `stack.json`.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use local::demo::{self, Demo};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::error::CliError;

/// Which API to talk to. Without these, the local stack and its demo application.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Target {
    /// The API's address
    #[arg(long, env = "NOTIFY_URL", requires = "api_key")]
    url: Option<String>,
    /// The application's id
    #[arg(long, env = "NOTIFY_APPLICATION_ID")]
    application_id: Option<String>,
    #[arg(long, env = "NOTIFY_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    #[arg(long, env = "NOTIFY_API_SECRET", hide_env_values = true)]
    api_secret: Option<String>,
}

/// A connection to one application.
pub(crate) struct Client {
    http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) application_id: String,
    api_key: String,
    api_secret: String,
}

impl Client {
    pub(crate) fn open(target: Target, data: &Path) -> Result<Self, CliError> {
        let http = http()?;
        if let (Some(url), Some(api_key)) = (target.url, target.api_key) {
            let (application_id, api_secret) =
                (target.application_id.unwrap_or_default(), target.api_secret.unwrap_or_default());
            return Ok(Self { http, url: url.trim_end_matches('/').to_owned(), application_id, api_key, api_secret });
        }
        let Demo { url, application_id, api_key, api_secret, .. } = stack(data)?;
        Ok(Self { http, url, application_id, api_key, api_secret })
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.header("x-api-key", &self.api_key).header("x-api-secret", &self.api_secret)
    }

    /// Asks, and takes the JSON of a success.
    pub(crate) async fn ask(&self, what: &str, request: RequestBuilder) -> Result<Value, CliError> {
        settle(&self.url, what, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, CliError> {
        self.ask(path, self.request(Method::GET, path)).await
    }
}

/// Takes the JSON of a success; the title of a problem otherwise.
pub(crate) async fn settle(url: &str, what: &str, request: RequestBuilder) -> Result<Value, CliError> {
    let unreachable = |source| CliError::Unreachable { url: url.to_owned(), source };
    let answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    let text = answer.text().await.map_err(unreachable)?;
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    if status.is_success() {
        return Ok(body);
    }
    let title = body["errors"]
        .as_object()
        .and_then(|it| it.values().next()?.get(0)?.as_str())
        .or_else(|| body["title"].as_str());
    let title = title.or_else(|| body["message"].as_str()).unwrap_or("no reason given").to_owned();
    Err(CliError::Answer { what: what.to_owned(), status: status.as_u16(), title })
}

/// The running local stack.
pub(crate) fn stack(data: &Path) -> Result<Demo, CliError> {
    demo::read(data)
        .map_err(|_| CliError::Other(format!("no stack has run in {}; start one with `cargo run`", data.display())))
}

#[expect(clippy::disallowed_methods, reason = "the program talks to its own API, which its user named")]
pub(crate) fn http() -> Result<reqwest::Client, CliError> {
    reqwest::Client::builder().timeout(Duration::from_secs(35)).build().map_err(|it| CliError::Other(it.to_string()))
}

/// A pause between two looks at something that changes.
#[expect(clippy::disallowed_methods, reason = "a program that watches looks now and then")]
pub(crate) async fn moment() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}
