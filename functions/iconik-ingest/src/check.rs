//! The health of the connection: are we who we say, are our webhooks as they should be, what did we miss?

use domain::AppId;
use domain::asset_manager::{WebhookHealth, on_queue_read, on_unreachable, on_webhooks_checked};
use domain::command::{Ingest, IngestCommand};
use domain::notification::Stream;
use domain::settings::is_iconik_host;
use entry::Failure;
use iconik::IconikError;
use iconik::webhooks::{DesiredWebhook, ExistingWebhook, WebhookComparison, compare, desired_webhooks};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::external_queue;
use crate::handler::{Context, IngestError, Session};

/// Looks, repairs, catches up.
pub(crate) async fn run(parts: &Context, at: &mut Session, app: AppId, now: OffsetDateTime) -> Result<(), IngestError> {
    let (user, domain) = at.iconik.current_user().await?;
    store_user(parts, at, app, &user, domain.as_deref()).await?;
    let named =
        domain.filter(|_| at.settings.iconik_url.as_ref().is_some_and(|it| is_iconik_host(it, &parts.iconik_hosts)));
    store_domain(parts, at, app, named).await?;
    let secret = match &at.settings.iconik_webhook_secret {
        Some(it) => parts
            .secrets
            .open(app, entry::secrets::ICONIK_SECRET, it)
            .await
            .map_err(|it| IngestError::Internal(it.into()))?,
        None => Vec::new(),
    };
    let secret = String::from_utf8(secret).unwrap_or_default();
    let want: Vec<DesiredWebhook> = match &at.settings.system_endpoint {
        Some(endpoint) if !secret.is_empty() => desired_webhooks(&at.settings, endpoint),
        _ => Vec::new(),
    };
    let WebhookComparison { matched: there, surplus } = compare_webhooks(parts, at, app, &want, &secret).await?;
    let seen: Vec<WebhookHealth> =
        want.iter().zip(&there).map(|(want, there)| webhook_health(want, there.as_ref())).collect();
    let reconcile = Duration::minutes(i64::from(at.settings.reconcile_minutes.max(1)));
    let mut plan = on_webhooks_checked(now, &at.state, &user, seen, reconcile);
    let mut ours: Vec<String> = there.iter().flatten().map(|it| it.0.id.clone()).collect();
    for place in plan.repair {
        tracing::warn!(webhook = want[place].name, "webhook `{}` is put right", want[place].name);
        let there = there[place].as_ref().map(|it| &it.0);
        ours.push(at.iconik.put_webhook(&want[place], there, &secret).await?);
        plan.next.webhooks[place].status = "ENABLED".to_owned();
    }
    // last: in between an event may come twice, and never not at all
    for it in &surplus {
        tracing::warn!(webhook = it.name, "webhook `{}` is wanted no more, and goes", it.name);
        at.iconik.delete_webhook(&it.id).await?;
    }
    ours.sort();
    ours.dedup();
    plan.next.ours = ours;
    if let Some((from, to)) = plan.catch_up {
        let what = Ingest::Search { from, to, after: None, seen: 0 };
        parts.queue.send(&IngestCommand::new(app, what, domain::millis(now)), Duration::ZERO).await?;
    }
    if at.settings.sqs_queue_url.is_some() {
        // the seed looks into its queue once a minute
        plan.next.next_at = plan.next.next_at.min(domain::millis(now + Duration::MINUTE));
        let why = external_queue::run(parts, at, app, now).await?;
        let (failed, news) = on_queue_read(now, &plan.next, why);
        plan.next.queue_failed = failed;
        plan.notifications.extend(news);
    } else {
        plan.next.queue_failed = None;
    }
    if !plan.notifications.is_empty() {
        let write_id = format!("{app}.check.{}", domain::millis(now));
        parts.table.append(app, &Stream::App, &plan.notifications, &write_id, now).await?;
    }
    Ok(parts.table.put_asset_manager(app, &plan.next, true).await?)
}

/// The webhooks that are wanted and those that are not any more. One of another application at the same address is not ours,
/// whatever it is called.
async fn compare_webhooks(
    parts: &Context,
    at: &Session,
    app: AppId,
    want: &[DesiredWebhook],
    secret: &str,
) -> Result<WebhookComparison, IngestError> {
    if want.is_empty() && at.state.ours.is_empty() {
        return Ok(WebhookComparison { matched: Vec::new(), surplus: Vec::new() });
    }
    let mut all = Vec::new();
    for it in at.iconik.webhooks().await? {
        let stranger = it.secret().filter(|carried| {
            *carried != secret && !at.state.ours.contains(&it.id) && want.iter().any(|want| want.url == it.url())
        });
        let row = match stranger {
            Some(carried) => parts.table.iconik_webhook(&domain::id::sha256_hex(carried.as_bytes())).await?,
            None => None,
        };
        if row.is_none_or(|it| it.app == app) {
            all.push(it);
        }
    }
    Ok(compare(all, want, &at.state.ours, secret))
}

/// Takes our webhooks away: Iconik is not among the application's systems any more.
pub(crate) async fn delete_webhooks(parts: &Context, at: &mut Session, app: AppId) -> Result<(), IngestError> {
    for id in std::mem::take(&mut at.state.ours) {
        at.iconik.delete_webhook(&id).await?;
    }
    at.state.webhooks.clear();
    Ok(parts.table.put_asset_manager(app, &at.state, false).await?)
}

/// Iconik did not answer: nothing is known, so nothing is changed but the time of the next look. An outage is told once.
pub(crate) async fn record_failure(
    parts: &Context,
    at: &Session,
    app: AppId,
    error: &IconikError,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    tracing::warn!(error = %error, "Iconik could not be checked: {error}");
    let mut plan = on_unreachable(now, &at.state, &error.to_string());
    if matches!(error, IconikError::RateLimited(_) | IconikError::Table(_)) {
        // it answers, or we were not able to ask
        (plan.next.unreachable, plan.notifications) = (at.state.unreachable.clone(), Vec::new());
    }
    if !plan.notifications.is_empty() {
        let write_id = format!("{app}.unreachable.{}", domain::millis(now));
        parts.table.append(app, &Stream::App, &plan.notifications, &write_id, now).await?;
    }
    Ok(parts.table.put_asset_manager(app, &plan.next, true).await?)
}

/// Keeps beside the webhook's secret who we are at Iconik, so that what we do is known as ours.
async fn store_user(
    parts: &Context,
    at: &Session,
    app: AppId,
    user: &str,
    domain: Option<&str>,
) -> Result<(), IngestError> {
    let domain = at.settings.iconik_domain_id.as_deref().or(domain);
    if at.state.user.as_deref() == Some(user) {
        return Ok(());
    }
    let Some(sealed) = &at.settings.iconik_webhook_secret else { return Ok(()) };
    let secret = parts
        .secrets
        .open(app, entry::secrets::ICONIK_SECRET, sealed)
        .await
        .map_err(|it| IngestError::Internal(it.into()))?;
    let hash = domain::id::sha256_hex(&secret);
    if let Some(mut hook) = parts.table.iconik_webhook(&hash).await? {
        hook.user = Some(user.to_owned());
        hook.domain = domain.map(str::to_owned);
        parts.table.put_iconik_webhook(&hash, &hook).await?;
    }
    Ok(())
}

/// Keeps which Iconik domain's events on the common queue are for the application: the one that Iconik itself named. Row
/// and state are written before anything else can fail, and the row with each check: whoever was in between is put right.
async fn store_domain(parts: &Context, at: &mut Session, app: AppId, named: Option<String>) -> Result<(), IngestError> {
    if let Some(old) = at.state.domain.as_ref().filter(|it| Some(*it) != named.as_ref()) {
        parts.table.put_iconik_domain(old, app, false).await?;
    }
    if let Some(domain) = &named {
        parts.table.put_iconik_domain(domain, app, true).await?;
    }
    if at.state.domain != named {
        at.state.domain = named;
        parts.table.put_asset_manager(app, &at.state, true).await?;
    }
    Ok(())
}

fn webhook_health(want: &DesiredWebhook, there: Option<&(ExistingWebhook, bool)>) -> WebhookHealth {
    let status = match there {
        None => "MISSING",
        Some((it, _)) if it.status != "ENABLED" => it.status.as_str(),
        Some((_, true)) => "CHANGED",
        Some(_) => "ENABLED",
    };
    let there = there.map(|it| &it.0);
    let since = there.and_then(|it| it.first_failed_at.as_deref());
    let since = since.and_then(|it| OffsetDateTime::parse(it, &Rfc3339).ok()).map(domain::millis);
    WebhookHealth {
        name: want.name.clone(),
        status: status.to_owned(),
        failing_since: since.filter(|_| matches!(status, "FAILING" | "DISABLED")),
        error: there.and_then(|it| it.last_error.clone()),
    }
}
