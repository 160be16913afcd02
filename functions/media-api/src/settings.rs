//! `/api/v1/Media/Settings`: the application's settings, under the names of the original system's configuration.

mod body;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use domain::AppId;
use domain::application::{Access, Grant, Scope, check_grant};
use domain::command::{Ingest, IngestCommand};
use domain::id::{hex, sha256_hex};
use domain::masking::MASK; // sent back, it leaves a secret as it is
use domain::settings::Settings;
use domain::settings_secret::SettingsSecret;
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem, ProblemType, auth_problem};
use entry::secrets::{ICONIK_SECRET, settings_field};
use table::{CommitOutcome, IconikWebhook};
use time::Duration;

use self::body::SettingsBody;
use crate::context::Context;
use crate::issuer;
use crate::processors::check_switched_on;

/// How long a webhook secret stays valid after it was changed.
const SECRET_OVERLAP: Duration = Duration::hours(24);

/// The application's settings, secrets masked. `ETag` names their version.
#[utoipa::path(get, path = "/api/v1/Media/Settings", tag = "Settings", security(("keys" = [])),
    responses((status = 200, body = SettingsBody), (status = 401, body = Problem)))]
pub(crate) async fn get(State(context): State<Context>, Caller(app): Caller) -> Result<impl IntoResponse, Problem> {
    Ok(shown(&context.table.settings(app).await?))
}

/// Replaces the application's settings. With `If-Match`, only the version of that `ETag` is replaced: what somebody else has stored
/// since it was read is not undone. With Iconik among its systems, the connection is checked at once, and the webhooks are created,
/// changed and deleted to match the settings.
#[utoipa::path(put, path = "/api/v1/Media/Settings", tag = "Settings", security(("keys" = [])), request_body = SettingsBody,
    params(("If-Match" = Option<String>, Header)),
    responses((status = 200, body = SettingsBody), (status = 401, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn put(
    State(context): State<Context>,
    Caller(app): Caller,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SettingsBody>,
) -> Result<impl IntoResponse, Problem> {
    let before = context.table.settings(app).await?;
    check_unchanged(&headers, &before)?;
    let mut next = body.validate(&before, &context.allowed_networks)?;
    check_switched_on(&next.processor, Some(&before.processor), &context.processors_off)?;
    if next.oidc_issuers != before.oidc_issuers || issuer::replaces_secret(&body.oidc_issuers, &next.oidc_issuers) {
        // to accept an issuer's tokens is to grant their scopes, which needs the scope `keys`; so does who may sign in there
        let granted = context.authenticator.authorize(&headers, Scope::Keys, Access::Change).await;
        let granted = granted.map_err(auth_problem)?;
        for issuer in next.oidc_issuers.iter().filter(|it| !before.oidc_issuers.contains(it)) {
            check_grant(&granted.scopes, Grant::Issuer(&issuer.scopes)).map_err(scope_not_grantable)?;
        }
    }
    let mut renew = false;
    for secret in SettingsSecret::ALL {
        let sent = body.sent_secret(secret).filter(|it| *it != MASK);
        // or a caller could have a stored secret sent to an address of its choice
        let moves =
            sent.is_none() && secret.changes_destination(&before, &next) && secret.value_mut(&mut next).is_some();
        if secret == SettingsSecret::IconikWebhookSecret {
            renew = moves; // a new one is generated below
            continue;
        }
        if moves {
            return Err(Problem::invalid(secret.name(), "what moves to another address needs its secret again"));
        }
        if let Some(text) = sent {
            if text.is_empty() || text.len() > 4_096 || !text.bytes().all(|it| it.is_ascii_graphic()) {
                return Err(Problem::invalid(secret.name(), "1 to 4096 printable characters without blanks"));
            }
            *secret.value_mut(&mut next) =
                Some(context.secrets.seal(app, settings_field(secret), text.as_bytes()).await?);
        }
    }
    issuer::seal_client_secrets(&context.secrets, app, &body.oidc_issuers, &mut next.oidc_issuers).await?;
    let replaced = put_webhook_secret(&context, app, &body, &before, renew, &mut next).await?;
    // origins are added before the settings that list them, and removed after them
    context.table.put_origins(app, &next.allowed_origins).await?;
    if context.table.put_settings(app, &next).await? == CommitOutcome::Conflict {
        return Err(Problem::new(ProblemType::Busy, "somebody else stores settings at the same time; try again"));
    }
    if let Some(hash) = replaced {
        // not before: where the settings are not stored, they still have this secret, and Iconik sends it
        expire_webhook_secret(&context, &hash).await?;
    }
    let removed = before.allowed_origins.iter().filter(|it| !next.allowed_origins.contains(it)).cloned();
    context.table.delete_origins(app, &removed.collect::<Vec<String>>()).await?;
    let mut manager = context.table.asset_manager(app).await?;
    if next.uses_iconik() {
        let now = domain::millis(clock::now());
        (manager.next_at, manager.user) = (now, None);
        context.table.put_asset_manager(app, &manager, true).await?;
        context.ingest_queue.send(&IngestCommand::new(app, Ingest::Check, now), Duration::ZERO).await?;
    } else {
        if let Some(domain) = manager.domain.take() {
            context.table.put_iconik_domain(&domain, app, false).await?;
        }
        context.table.put_asset_manager(app, &manager, false).await?;
        if !manager.ours.is_empty() {
            // the check deletes its webhooks
            let check = IngestCommand::new(app, Ingest::Check, domain::millis(clock::now()));
            context.ingest_queue.send(&check, Duration::ZERO).await?;
        }
    }
    Ok(shown(&next))
}

/// The settings as they are answered, with their tag.
fn shown(settings: &Settings) -> impl IntoResponse + use<> {
    ([(header::ETAG, tag(settings))], Json(SettingsBody::shown(settings)))
}

/// The tag of a version of the settings (RFC 9110, section 8.8.3).
fn tag(settings: &Settings) -> String {
    format!("\"{}\"", settings.revision)
}

/// Checks `If-Match`, if the request has it (RFC 9110, section 13.1.1).
///
/// # Errors
/// 412 if it names other versions.
fn check_unchanged(headers: &HeaderMap, stored: &Settings) -> Result<(), Problem> {
    let lines = headers.get_all(header::IF_MATCH).into_iter().filter_map(|it| it.to_str().ok());
    let mut tags = lines.flat_map(|it| it.split(',')).map(str::trim);
    if !headers.contains_key(header::IF_MATCH) || tags.any(|it| it == "*" || it == tag(stored)) {
        return Ok(());
    }
    Err(Problem::new(ProblemType::Changed, "somebody else has stored settings since they were read: read them again"))
}

fn scope_not_grantable(lacking: Scope) -> Problem {
    let title = format!("the key lacks the scope {}, and cannot give it to an issuer's tokens", lacking.name());
    Problem::new(ProblemType::Scope, title)
}

/// Stores the row by which the application is found by its webhook secret; with `renew` a new secret is generated. Returns the
/// SHA-256 of the secret that it replaces.
///
/// # Errors
/// 422 if the secret is not valid, or another application has it.
async fn put_webhook_secret(
    context: &Context,
    app: AppId,
    body: &SettingsBody,
    before: &Settings,
    renew: bool,
    next: &mut Settings,
) -> Result<Option<String>, Problem> {
    let stored = match &before.iconik_webhook_secret {
        Some(sealed) => {
            Some(String::from_utf8(context.secrets.open(app, ICONIK_SECRET, sealed).await?).unwrap_or_default())
        }
        None => None,
    };
    let secret = match (&body.iconik_webhook_secret, &stored) {
        (Some(sent), _) if sent != MASK => {
            if sent.len() < 16 || sent.len() > 200 || !sent.bytes().all(|it| it.is_ascii_graphic()) {
                return Err(Problem::invalid("iconik_webhook_secret", "16 to 200 printable characters"));
            }
            sent.clone()
        }
        (_, Some(stored)) if !renew => stored.clone(),
        (_, stored) if stored.is_some() || next.uses_iconik() => hex(&clock::random_bytes::<32>()),
        _ => return Ok(None),
    };
    let hash = sha256_hex(secret.as_bytes());
    if let Some(other) = context.table.iconik_webhook(&hash).await?.filter(|it| it.app != app) {
        tracing::warn!(application.id = %other.app, "an application wants the webhook secret of another");
        return Err(Problem::invalid("iconik_webhook_secret", "choose another"));
    }
    next.iconik_webhook_secret = Some(context.secrets.seal(app, ICONIK_SECRET, secret.as_bytes()).await?);
    let collections = next.iconik_collections.iter().filter_map(|it| it.parse().ok()).collect();
    let row = IconikWebhook { app, domain: next.iconik_domain_id.clone(), user: None, collections, until: None };
    context.table.put_iconik_webhook(&hash, &row).await?;
    Ok(stored.filter(|it| *it != secret).map(|it| sha256_hex(it.as_bytes())))
}

/// Lets a replaced webhook secret expire after [`SECRET_OVERLAP`], so that webhooks that still send it are accepted until the
/// check has repaired them.
async fn expire_webhook_secret(context: &Context, hash: &str) -> Result<(), Problem> {
    if let Some(mut row) = context.table.iconik_webhook(hash).await? {
        row.until = Some(domain::millis(clock::now() + SECRET_OVERLAP));
        context.table.put_iconik_webhook(hash, &row).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_version_that_was_read_is_replaced() {
        let stored = Settings { revision: 7, ..Settings::default() };
        for (sent, want) in [
            (&[][..], true),
            (&["\"7\""], true),
            (&["\"6\", \"7\""], true),
            (&["\"6\"", "\"7\""], true),
            (&["*"], true),
            (&["\"6\""], false),
            (&["W/\"7\""], false),
            (&["7"], false),
            (&[""], false),
        ] {
            let headers: HeaderMap =
                sent.iter().copied().map(|it| (header::IF_MATCH, HeaderValue::from_static(it))).collect();
            assert_eq!(check_unchanged(&headers, &stored).is_ok(), want, "{sent:?}");
        }
    }
}
