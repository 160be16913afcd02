//! Requests in AWS's JSON protocol to an emulator in this process.

use serde_json::Value;

use crate::error::StackError;

/// Calls an operation (`x-amz-target`). An error response becomes an error with its text.
pub(crate) async fn call(http: &reqwest::Client, url: &str, target: &str, body: &Value) -> Result<Value, StackError> {
    let failed = |it: reqwest::Error| StackError::emulator(&format!("{target} failed"), it);
    let request = http.post(url).header("x-amz-target", target).header("content-type", "application/x-amz-json-1.0");
    let request = request.header(
        "authorization",
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
    );
    let request = request.header("x-amz-date", "20260101T000000Z").body(body.to_string());
    let response = request.send().await.map_err(failed)?;
    let succeeded = response.status().is_success();
    let body: Value = response.json().await.map_err(failed)?;
    if succeeded { Ok(body) } else { Err(StackError::emulator(&format!("{target} was refused"), body.to_string())) }
}

/// An HTTP client for the emulators in this process.
#[expect(clippy::disallowed_methods, reason = "talks to 127.0.0.1 alone")]
pub(crate) fn http_client() -> Result<reqwest::Client, StackError> {
    drop(rustls::crypto::ring::default_provider().install_default()); // a second stack finds it installed
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([]) // no TLS on 127.0.0.1: the system's certificates are not read
        .build()
        .map_err(|it| StackError::emulator("could not make an HTTP client", it))
}
