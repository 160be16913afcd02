//! The check of a connection to Iconik: it verifies the credentials, repairs our webhooks, and catches up on what was
//! missed.

use domain::AppId;
use domain::asset_manager::{WebhookHealth, on_queue_read, on_unreachable, on_webhooks_checked};
use domain::command::{Ingest, IngestCommand};
use domain::notification::Stream;
use domain::settings::is_iconik_host;
use entry::MessageError;
use iconik::IconikError;
use iconik::webhooks::{DesiredWebhook, ExistingWebhook, WebhookComparison, compare, desired_webhooks};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::context::{Context, Session};
use crate::error::IngestError;
use crate::external_queue;

/// Checks the connection, and stores what it has found.
///
/// # Errors
/// Iconik's error, if a request failed; nothing is known then, and `record_failure` notes that.
pub(crate) async fn run(
    context: &Context,
    session: &mut Session,
    app: AppId,
    now: OffsetDateTime,
) -> Result<(), IngestError> {
    let (user, domain) = session.iconik.current_user().await?;
    store_user(context, session, app, &user, domain.as_deref()).await?;
    let named = domain
        .filter(|_| session.settings.iconik_url.as_ref().is_some_and(|it| is_iconik_host(it, &context.iconik_hosts)));
    store_domain(context, session, app, named).await?;
    let secret = webhook_secret(context, session, app).await?.unwrap_or_default();
    let secret = String::from_utf8(secret).unwrap_or_default();
    let desired: Vec<DesiredWebhook> = match &session.settings.system_endpoint {
        Some(endpoint) if !secret.is_empty() => desired_webhooks(&session.settings, endpoint),
        _ => Vec::new(),
    };
    let WebhookComparison { matched, surplus } = compare_webhooks(context, session, app, &desired, &secret).await?;
    let health: Vec<WebhookHealth> =
        desired.iter().zip(&matched).map(|(desired, existing)| webhook_health(desired, existing.as_ref())).collect();
    let reconcile = Duration::minutes(i64::from(session.settings.reconcile_minutes.max(1)));
    let mut plan = on_webhooks_checked(now, &session.state, &user, health, reconcile);
    let mut ours: Vec<String> = matched.iter().flatten().map(|it| it.0.id.clone()).collect();
    for index in plan.repair {
        let webhook = &desired[index];
        tracing::warn!(webhook = webhook.name, "webhook `{}` is repaired", webhook.name);
        let existing = matched[index].as_ref().map(|it| &it.0);
        ours.push(session.iconik.put_webhook(webhook, existing, &secret).await?);
        plan.next.webhooks[index].status = "ENABLED".to_owned();
    }
    // last, so that an event may come twice in between, but is never missed
    for webhook in &surplus {
        tracing::warn!(webhook = webhook.name, "webhook `{}` is deleted: the settings do not ask for it", webhook.name);
        session.iconik.delete_webhook(&webhook.id).await?;
    }
    ours.sort();
    ours.dedup();
    plan.next.ours = ours;
    if let Some((from, to)) = plan.catch_up {
        let search = Ingest::Search { from, to, after: None, seen: 0 };
        context.queue.send(&IngestCommand::new(app, search, domain::millis(now)), Duration::ZERO).await?;
    }
    if session.settings.sqs_queue_url.is_some() {
        // the original system reads its queue once a minute
        plan.next.next_at = plan.next.next_at.min(domain::millis(now + Duration::MINUTE));
        let error = external_queue::run(context, session, app, now).await?;
        let (failed, notifications) = on_queue_read(now, &plan.next, error);
        plan.next.queue_failed = failed;
        plan.notifications.extend(notifications);
    } else {
        plan.next.queue_failed = None;
    }
    if !plan.notifications.is_empty() {
        let write_id = format!("{app}.check.{}", domain::millis(now));
        context.table.append(app, &Stream::App, &plan.notifications, &write_id, now).await?;
    }
    Ok(context.table.put_asset_manager(app, &plan.next, true).await?)
}

/// Compares the webhooks at Iconik with the desired ones. A webhook with the secret of another application is left out:
/// it is that application's, even if it has the same address and name.
async fn compare_webhooks(
    context: &Context,
    session: &Session,
    app: AppId,
    desired: &[DesiredWebhook],
    secret: &str,
) -> Result<WebhookComparison, IngestError> {
    if desired.is_empty() && session.state.ours.is_empty() {
        return Ok(WebhookComparison { matched: Vec::new(), surplus: Vec::new() });
    }
    let mut all = Vec::new();
    for webhook in session.iconik.webhooks().await? {
        let same_url = desired.iter().any(|it| it.url == webhook.url());
        let other_secret =
            webhook.secret().filter(|it| *it != secret && same_url && !session.state.ours.contains(&webhook.id));
        let row = match other_secret {
            Some(other) => context.table.iconik_webhook(&domain::id::sha256_hex(other.as_bytes())).await?,
            None => None,
        };
        if row.is_none_or(|it| it.app == app) {
            all.push(webhook);
        }
    }
    Ok(compare(all, desired, &session.state.ours, secret))
}

/// Deletes our webhooks: Iconik is not among the application's systems any more.
pub(crate) async fn delete_webhooks(context: &Context, session: &mut Session, app: AppId) -> Result<(), IngestError> {
    for id in std::mem::take(&mut session.state.ours) {
        session.iconik.delete_webhook(&id).await?;
    }
    session.state.webhooks.clear();
    Ok(context.table.put_asset_manager(app, &session.state, false).await?)
}

/// Records that a check failed. Nothing is known about the webhooks then; only the time of the next check changes. The
/// start of an outage is published once.
pub(crate) async fn record_failure(
    context: &Context,
    session: &Session,
    app: AppId,
    error: &IconikError,
    now: OffsetDateTime,
) -> Result<(), MessageError> {
    tracing::warn!(error = %error, "Iconik could not be checked: {error}");
    let mut plan = on_unreachable(now, &session.state, &error.to_string());
    if matches!(error, IconikError::RateLimited(_) | IconikError::Table(_)) {
        // Iconik answers, or was not asked
        (plan.next.unreachable, plan.notifications) = (session.state.unreachable.clone(), Vec::new());
    }
    if !plan.notifications.is_empty() {
        let write_id = format!("{app}.unreachable.{}", domain::millis(now));
        context.table.append(app, &Stream::App, &plan.notifications, &write_id, now).await?;
    }
    Ok(context.table.put_asset_manager(app, &plan.next, true).await?)
}

/// Stores the user that our token stands for beside the webhooks' secret: events that this user has caused are ignored.
async fn store_user(
    context: &Context,
    session: &Session,
    app: AppId,
    user: &str,
    domain: Option<&str>,
) -> Result<(), IngestError> {
    let domain = session.settings.iconik_domain_id.as_deref().or(domain);
    if session.state.user.as_deref() == Some(user) {
        return Ok(());
    }
    let Some(secret) = webhook_secret(context, session, app).await? else { return Ok(()) };
    let hash = domain::id::sha256_hex(&secret);
    if let Some(mut row) = context.table.iconik_webhook(&hash).await? {
        row.user = Some(user.to_owned());
        row.domain = domain.map(str::to_owned);
        context.table.put_iconik_webhook(&hash, &row).await?;
    }
    Ok(())
}

/// The bytes of the webhooks' secret; `None` if the settings have none.
async fn webhook_secret(context: &Context, session: &Session, app: AppId) -> Result<Option<Vec<u8>>, IngestError> {
    match &session.settings.iconik_webhook_secret {
        Some(sealed) => Ok(Some(context.secrets.open(app, entry::secrets::ICONIK_SECRET, sealed).await?)),
        None => Ok(None),
    }
}

/// Stores the Iconik domain whose events on the common queue are for the application: the one that Iconik itself named.
/// Row and state are written before anything else can fail. The row is written with each check, which repairs what
/// another application may have overwritten.
async fn store_domain(
    context: &Context,
    session: &mut Session,
    app: AppId,
    named: Option<String>,
) -> Result<(), IngestError> {
    if let Some(old) = session.state.domain.as_ref().filter(|it| Some(*it) != named.as_ref()) {
        context.table.put_iconik_domain(old, app, false).await?;
    }
    if let Some(domain) = &named {
        context.table.put_iconik_domain(domain, app, true).await?;
    }
    if session.state.domain != named {
        session.state.domain = named;
        context.table.put_asset_manager(app, &session.state, true).await?;
    }
    Ok(())
}

fn webhook_health(desired: &DesiredWebhook, existing: Option<&(ExistingWebhook, bool)>) -> WebhookHealth {
    let status = match existing {
        None => "MISSING",
        Some((webhook, _)) if webhook.status != "ENABLED" => webhook.status.as_str(),
        Some((_, true)) => "CHANGED",
        Some(_) => "ENABLED",
    };
    let existing = existing.map(|it| &it.0);
    let since = existing.and_then(|it| it.first_failed_at.as_deref());
    let since = since.and_then(|it| OffsetDateTime::parse(it, &Rfc3339).ok()).map(domain::millis);
    WebhookHealth {
        name: desired.name.clone(),
        status: status.to_owned(),
        failing_since: since.filter(|_| matches!(status, "FAILING" | "DISABLED")),
        error: existing.and_then(|it| it.last_error.clone()),
    }
}
