//! `/api/v1/Applications/{id}/Keys`: an application's keys, for the operator, and for keys with the scope `keys`.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use domain::AppId;
use domain::application::{ApiKey, Scope, api_key};
use domain::id::sha256_hex;
use domain::{from_millis, millis, rfc3339};
use entry::clock;
use entry::http::{Body, Problem, refused};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::State;
use crate::application::is_operator;

/// Keys of an application at most.
const MOST: usize = 50;
/// The longest overlap of a key that is replaced: a week.
const LONGEST: u32 = 7 * 86_400;

/// A key to make.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeyIn {
    /// What it is for
    #[schema(example = "newsroom player")]
    name: String,
    /// media, channels, channels:reveal, inbox, images, keys; by default all but channels:reveal
    #[serde(default)]
    scopes: Option<Vec<String>>,
}

/// How a key is replaced.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OverlapIn {
    /// How long the old one stays good: 0 to 604800, by default 86400
    #[serde(default)]
    pub(crate) overlap_seconds: Option<u32>,
}

impl OverlapIn {
    pub(crate) fn seconds(&self) -> Result<Duration, Problem> {
        match self.overlap_seconds.unwrap_or(86_400) {
            it if it <= LONGEST => Ok(Duration::seconds(it.into())),
            _ => Err(Problem::invalid("overlapSeconds", format!("0 to {LONGEST}"))),
        }
    }
}

/// A key. Its two parts are shown when it is made, and never again.
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
    fn new(it: &ApiKey) -> Self {
        Self {
            id: it.id.clone(),
            name: it.name.clone(),
            scopes: it.scopes.iter().map(|it| it.name()).collect(),
            created_at: rfc3339(from_millis(it.created_at)),
            expires_at: it.expires_at.map(|it| rfc3339(from_millis(it))),
            api_key: None,
            api_secret: None,
        }
    }
}

/// A key pair that was just made.
pub(crate) struct Made {
    pub(crate) stored: ApiKey,
    pub(crate) api_key: String,
    pub(crate) api_secret: String,
}

impl Made {
    pub(crate) fn new(app: AppId, name: &str, scopes: Vec<Scope>, now: OffsetDateTime) -> Self {
        let id = clock::word(10);
        let (api_key, api_secret) = (api_key(&id, &clock::word(43)), clock::word(43)); // 43 letters of 62 are 256 bits
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

    fn shown(self) -> KeyOut {
        KeyOut { api_key: Some(self.api_key), api_secret: Some(self.api_secret), ..KeyOut::new(&self.stored) }
    }
}

/// Whether the caller manages this application: the operator, or a key of it with the scope `keys`.
pub(crate) async fn manages(state: &State, headers: &HeaderMap, app: &str) -> Result<AppId, Problem> {
    manager(state, headers, app).await.map(|it| it.0)
}

/// The application that the caller manages, and the scopes that it may give away: its own, or the operator's, which are
/// all.
async fn manager(state: &State, headers: &HeaderMap, app: &str) -> Result<(AppId, Vec<Scope>), Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "no-such-application", "there is no such application");
    let app: AppId = app.parse().map_err(|_| missing())?;
    if headers.contains_key("x-operator-key") {
        is_operator(state, headers)?;
        let there = state.table.application(app).await?.ok_or_else(missing)?;
        return Ok((there.id, Scope::ALL.to_vec()));
    }
    let granted = state.callers.check_for(headers, Scope::Keys).await.map_err(refused)?;
    if granted.app == app { Ok((app, granted.scopes)) } else { Err(missing()) }
}

/// The application's keys, without their secret parts.
#[utoipa::path(get, path = "/api/v1/Applications/{id}/Keys", tag = "Applications", security(("keys" = [])),
    params(("id" = String, Path), ("x-operator-key" = Option<String>, Header)),
    responses((status = 200, body = Vec<KeyOut>), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Vec<KeyOut>>, Problem> {
    let app = manages(&state, &headers, &app).await?;
    let now = millis(clock::now());
    let keys = state.table.api_keys(app).await?;
    Ok(Json(keys.iter().filter(|it| it.expires_at.is_none_or(|it| it > now)).map(KeyOut::new).collect()))
}

/// Makes a key and shows it, this once.
#[utoipa::path(post, path = "/api/v1/Applications/{id}/Keys", tag = "Applications", security(("keys" = [])), request_body = KeyIn,
    params(("id" = String, Path), ("x-operator-key" = Option<String>, Header)),
    responses((status = 201, body = KeyOut), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create(
    Shared(state): Shared<State>,
    Path(app): Path<String>,
    headers: HeaderMap,
    Body(it): Body<KeyIn>,
) -> Result<(StatusCode, Json<KeyOut>), Problem> {
    let (app, own) = manager(&state, &headers, &app).await?;
    if it.name.trim().is_empty() || it.name.len() > 100 {
        return Err(Problem::invalid("name", "1 to 100 characters"));
    }
    let scopes = match it.scopes {
        None => Scope::usual(),
        Some(names) if names.is_empty() => return Err(Problem::invalid("scopes", "at least one")),
        Some(names) => {
            let known = names.iter().map(|it| it.parse().map_err(|()| it.as_str())).collect::<Result<Vec<Scope>, _>>();
            known.map_err(|it| {
                Problem::invalid("scopes", format!("`{}` is no scope", it.chars().take(40).collect::<String>()))
            })?
        }
    };
    // nobody gives away what he does not have
    if let Some(more) = scopes.iter().find(|it| !own.contains(it)) {
        let title = format!("the key lacks the scope {}, and cannot give it to another", more.name());
        return Err(Problem::new(StatusCode::FORBIDDEN, "scope", title));
    }
    if state.table.api_keys(app).await?.len() >= MOST {
        return Err(Problem::invalid("name", format!("an application has at most {MOST} keys")));
    }
    let made = Made::new(app, &it.name, scopes, clock::now());
    state.table.put_api_key(&made.stored, None).await?;
    note(&state, app, "key made", &made.stored.id).await?;
    Ok((StatusCode::CREATED, Json(made.shown())))
}

/// Replaces a key by a new one of the same name and scopes; the old one stays good for a while.
#[utoipa::path(post, path = "/api/v1/Applications/{id}/Keys/{key}/rotate", tag = "Applications", security(("keys" = [])), request_body = OverlapIn,
    params(("id" = String, Path), ("key" = String, Path), ("x-operator-key" = Option<String>, Header)),
    responses((status = 201, body = KeyOut), (status = 404, body = Problem)))]
pub(crate) async fn rotate(
    Shared(state): Shared<State>,
    Path((app, key)): Path<(String, String)>,
    headers: HeaderMap,
    Body(it): Body<OverlapIn>,
) -> Result<(StatusCode, Json<KeyOut>), Problem> {
    let app = manages(&state, &headers, &app).await?;
    let (overlap, now) = (it.seconds()?, clock::now());
    let mut old = known(&state, app, &key).await?;
    let made = Made::new(app, &old.name, old.scopes.clone(), now);
    let end = millis(now + overlap);
    old.expires_at = Some(old.expires_at.map_or(end, |it| it.min(end)));
    state.table.put_api_key(&made.stored, Some(&old)).await?;
    note(&state, app, "key replaced", &key).await?;
    Ok((StatusCode::CREATED, Json(made.shown())))
}

/// Ends a key. Where it was used a moment ago, it is remembered for up to a minute.
#[utoipa::path(delete, path = "/api/v1/Applications/{id}/Keys/{key}", tag = "Applications", security(("keys" = [])),
    params(("id" = String, Path), ("key" = String, Path), ("x-operator-key" = Option<String>, Header)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn revoke(
    Shared(state): Shared<State>,
    Path((app, key)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let app = manages(&state, &headers, &app).await?;
    known(&state, app, &key).await?;
    state.table.delete_api_key(app, &key).await?;
    note(&state, app, "key revoked", &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn known(state: &State, app: AppId, id: &str) -> Result<ApiKey, Problem> {
    let found = state.table.api_keys(app).await?.into_iter().find(|it| it.id == id);
    found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no-such-key", "there is no such key"))
}

pub(crate) async fn note(state: &State, app: AppId, what: &str, key: &str) -> Result<(), Problem> {
    let what = serde_json::json!({ "what": what, "key": key });
    state.table.put_audit(app, &what, &clock::word(10), clock::now()).await?;
    Ok(())
}
