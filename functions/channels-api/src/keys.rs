//! `/api/v1/Applications/{id}/Keys`: an application's API keys, for the operator and for keys with the scope `keys`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::AppId;
use domain::application::{ApiKey, Grant, Scope, check_grant, format_api_key};
use domain::id::sha256_hex;
use domain::{from_millis, millis, rfc3339};
use entry::clock;
use entry::http::{JsonBody, Problem, ProblemType};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::context::Context;
use crate::manager::Manager;

/// Valid keys of an application at most.
const MAX_KEYS: usize = 50;
/// The longest overlap of a key that is replaced: a week.
const MAX_OVERLAP_SECONDS: u32 = 7 * 86_400;

/// A key to create.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeyIn {
    /// What it is for
    #[schema(example = "newsroom player")]
    name: String,
    /// media, channels, channels:reveal, inbox, messages, images, oma, billing, keys, read (a viewer: reads what most others
    /// cover, and changes nothing); by default all but channels:reveal and read
    #[serde(default)]
    scopes: Option<Vec<String>>,
}

/// How a key is replaced.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OverlapIn {
    /// How long the previous key stays valid, in seconds: 0 to 604800, by default 86400
    #[serde(default)]
    #[schema(minimum = 0, maximum = 604_800)]
    pub(crate) overlap_seconds: Option<u32>,
}

impl OverlapIn {
    pub(crate) fn overlap(&self) -> Result<Duration, Problem> {
        match self.overlap_seconds.unwrap_or(86_400) {
            seconds if seconds <= MAX_OVERLAP_SECONDS => Ok(Duration::seconds(seconds.into())),
            _ => Err(Problem::invalid("overlapSeconds", format!("0 to {MAX_OVERLAP_SECONDS}"))),
        }
    }
}

/// A key. Its two parts are shown only when it is created.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyOut {
    id: String,
    name: String,
    scopes: Vec<&'static str>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_secret: Option<String>,
}

impl KeyOut {
    fn new(key: &ApiKey) -> Self {
        Self {
            id: key.id.clone(),
            name: key.name.clone(),
            scopes: key.scopes.iter().map(|it| it.name()).collect(),
            created_at: rfc3339(from_millis(key.created_at)),
            expires_at: key.expires_at.map(|it| rfc3339(from_millis(it))),
            api_key: None,
            api_secret: None,
        }
    }
}

/// A key that was just created, with both parts.
pub(crate) struct NewKey {
    pub(crate) stored: ApiKey,
    pub(crate) api_key: String,
    pub(crate) api_secret: String,
}

impl NewKey {
    pub(crate) fn new(app: AppId, name: &str, scopes: Vec<Scope>, now: OffsetDateTime) -> Self {
        let id = clock::random_alphanumeric(10);
        // 43 characters out of 62 are 256 bits
        let (api_key, api_secret) =
            (format_api_key(&id, &clock::random_alphanumeric(43)), clock::random_alphanumeric(43));
        let stored = ApiKey {
            app,
            id,
            name: name.to_owned(),
            scopes,
            key_hash: sha256_hex(api_key.as_bytes()),
            secret_hash: sha256_hex(api_secret.as_bytes()),
            created_at: millis(now),
            expires_at: None,
        };
        Self { stored, api_key, api_secret }
    }

    fn into_output(self) -> KeyOut {
        KeyOut { api_key: Some(self.api_key), api_secret: Some(self.api_secret), ..KeyOut::new(&self.stored) }
    }
}

/// The application's keys, without their secret parts.
#[utoipa::path(get, path = "/api/v1/Applications/{id}/Keys", tag = "Applications", security(("keys" = [])),
    params(("id" = String, Path), ("x-operator-key" = Option<String>, Header)),
    responses((status = 200, body = Vec<KeyOut>), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(context): State<Context>,
    Manager { app, .. }: Manager,
) -> Result<Json<Vec<KeyOut>>, Problem> {
    let now = millis(clock::now());
    let keys = context.table.api_keys(app).await?;
    Ok(Json(keys.iter().filter(|it| !it.has_expired(now)).map(KeyOut::new).collect()))
}

/// Creates a key. Its two parts are shown only now.
#[utoipa::path(post, path = "/api/v1/Applications/{id}/Keys", tag = "Applications", security(("keys" = [])), request_body = KeyIn,
    params(("id" = String, Path), ("x-operator-key" = Option<String>, Header)),
    responses((status = 201, body = KeyOut), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(context): State<Context>,
    Manager { app, scopes: own }: Manager,
    JsonBody(body): JsonBody<KeyIn>,
) -> Result<(StatusCode, Json<KeyOut>), Problem> {
    if body.name.trim().is_empty() || body.name.len() > 100 {
        return Err(Problem::invalid("name", "1 to 100 characters"));
    }
    let scopes = match body.scopes {
        None => Scope::default_scopes(),
        Some(names) if names.is_empty() => return Err(Problem::invalid("scopes", "at least one")),
        Some(names) => {
            let known = names.iter().map(|it| it.parse().map_err(|()| it.as_str())).collect::<Result<Vec<Scope>, _>>();
            known.map_err(|unknown| {
                Problem::invalid("scopes", format!("`{}` is no scope", unknown.chars().take(40).collect::<String>()))
            })?
        }
    };
    check_grant(&own, Grant::ApiKey(&scopes)).map_err(scope_not_grantable)?;
    let now = clock::now();
    check_key_limit(&context.table.api_keys(app).await?, millis(now))?;
    let new = NewKey::new(app, &body.name, scopes, now);
    context.table.put_api_key(&new.stored, None).await?;
    audit(&context, app, "key made", &new.stored.id).await?;
    Ok((StatusCode::CREATED, Json(new.into_output())))
}

/// Replaces a key by a new one of the same name and scopes; the previous one stays valid for a while. A key that has
/// expired cannot be replaced. The caller's own key must have all scopes of the one that it replaces.
#[utoipa::path(post, path = "/api/v1/Applications/{id}/Keys/{key}/rotate", tag = "Applications", security(("keys" = [])), request_body = OverlapIn,
    params(("id" = String, Path), ("key" = String, Path), ("x-operator-key" = Option<String>, Header)),
    responses((status = 201, body = KeyOut), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn rotate(
    State(context): State<Context>,
    Manager { app, scopes: own }: Manager,
    Path((_, key)): Path<(String, String)>,
    JsonBody(body): JsonBody<OverlapIn>,
) -> Result<(StatusCode, Json<KeyOut>), Problem> {
    let (overlap, now) = (body.overlap()?, clock::now());
    let mut keys = context.table.api_keys(app).await?;
    let index = keys.iter().position(|it| it.id == key && !it.has_expired(millis(now)));
    let mut old = keys.swap_remove(index.ok_or_else(no_such_key)?);
    check_grant(&own, Grant::ApiKey(&old.scopes)).map_err(scope_not_grantable)?;
    if overlap.is_positive() {
        keys.push(old.clone()); // both are valid for a while
    }
    check_key_limit(&keys, millis(now))?;
    let new = NewKey::new(app, &old.name, old.scopes.clone(), now);
    let end = millis(now + overlap);
    old.expires_at = Some(old.expires_at.map_or(end, |it| it.min(end)));
    context.table.put_api_key(&new.stored, Some(&old)).await?;
    audit(&context, app, "key replaced", &key).await?;
    Ok((StatusCode::CREATED, Json(new.into_output())))
}

/// Revokes a key. Functions that have used it lately accept it for up to another minute.
#[utoipa::path(delete, path = "/api/v1/Applications/{id}/Keys/{key}", tag = "Applications", security(("keys" = [])),
    params(("id" = String, Path), ("key" = String, Path), ("x-operator-key" = Option<String>, Header)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn revoke(
    State(context): State<Context>,
    Manager { app, .. }: Manager,
    Path((_, key)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    if !context.table.delete_api_key(app, &key).await? {
        return Err(no_such_key());
    }
    audit(&context, app, "key revoked", &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn no_such_key() -> Problem {
    Problem::new(ProblemType::NoSuchKey, "there is no such key")
}

pub(crate) fn scope_not_grantable(lacking: Scope) -> Problem {
    let title = format!("the key lacks the scope {}, and cannot give it to another", lacking.name());
    Problem::new(ProblemType::Scope, title)
}

/// Checks that an application may have one more key. Expired keys are not counted. `now` is in milliseconds since 1970.
fn check_key_limit(keys: &[ApiKey], now: i64) -> Result<(), Problem> {
    if keys.iter().filter(|it| !it.has_expired(now)).count() < MAX_KEYS {
        return Ok(());
    }
    Err(Problem::invalid("name", format!("an application has at most {MAX_KEYS} keys")))
}

pub(crate) async fn audit(context: &Context, app: AppId, what: &str, key: &str) -> Result<(), Problem> {
    let what = serde_json::json!({ "what": what, "key": key });
    context.table.put_audit(app, &what, &clock::random_alphanumeric(10), clock::now()).await?;
    Ok(())
}
