//! The endpoint of an application's processor, with its secrets opened.

use domain::AppId;
use domain::processor::ProcessorKind;
use domain::processor_endpoint::ProcessorEndpoint;
use entry::Secrets;
use entry::secrets::SecretError;
use serde_json::{Map, Value};
use table::{Table, TableError};
use time::{Duration, OffsetDateTime};

/// Where jobs are sent, and what signs them.
#[derive(Clone)]
pub struct Endpoint {
    pub url: String,
    /// The bytes of the signing secrets that are valid now, newest first: one or two.
    pub keys: Vec<Vec<u8>>,
    /// How long an attempt may take.
    pub deadline: Option<Duration>,
    /// Members of `params` that are sent unless the job has its own.
    pub parameters: Map<String, Value>,
}

/// Why an endpoint could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    #[error("could not read the endpoint of a processor")]
    Table(#[from] TableError),
    #[error("could not open the secret of a processor's endpoint")]
    Secret(#[from] SecretError),
}

/// The endpoint that an application has registered for a processor, if it has, with the secrets that are valid at `now`.
///
/// # Errors
/// If the table or the key service does not answer.
pub async fn endpoint(
    table: &Table,
    secrets: &Secrets,
    app: AppId,
    kind: ProcessorKind,
    now: OffsetDateTime,
) -> Result<Option<Endpoint>, EndpointError> {
    let Some(stored) = table.processor_endpoint(app, kind).await? else { return Ok(None) };
    let keys = open_keys(secrets, app, kind, &stored, now).await?;
    let deadline = Some(Duration::seconds(stored.deadline_seconds.into()));
    Ok(Some(Endpoint { url: stored.url, keys, deadline, parameters: stored.parameters }))
}

/// The bytes of the secrets of a stored endpoint that are valid at `now`.
///
/// # Errors
/// If the key service does not answer.
pub async fn open_keys(
    secrets: &Secrets,
    app: AppId,
    kind: ProcessorKind,
    stored: &ProcessorEndpoint,
    now: OffsetDateTime,
) -> Result<Vec<Vec<u8>>, SecretError> {
    let mut keys = Vec::new();
    for key in stored.valid_keys(now) {
        keys.push(secrets.open(app, &key_field(kind), &key.secret).await?);
    }
    Ok(keys)
}

/// The field of the secrets of a processor's endpoint, which they are sealed for.
pub fn key_field(kind: ProcessorKind) -> String {
    format!("processor|{}", kind.name())
}
