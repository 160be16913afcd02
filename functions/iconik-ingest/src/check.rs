//! The health of the connection: are we who we say, are our webhooks as they should be, what did we miss?

use domain::AppId;
use domain::manager::{Health, State, checked};
use domain::notification::Stream;
use domain::order::{Ingest, IngestOrder};
use domain::settings::is_iconiks;
use entry::Failure;
use iconik::IconikError;
use iconik::webhooks::{There, Wanted, wanted};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::handler::{At, Parts, Trouble};
use crate::pull;

/// Looks, repairs, catches up.
pub(crate) async fn run(parts: &Parts, at: &mut At, app: AppId, now: OffsetDateTime) -> Result<(), Trouble> {
    let (user, domain) = at.iconik.myself().await?;
    learn(parts, at, app, &user, domain.as_deref()).await?;
    let named =
        domain.filter(|_| at.settings.iconik_url.as_ref().is_some_and(|it| is_iconiks(it, &parts.iconik_hosts)));
    belong(parts, at, app, named).await?;
    let secret = match &at.settings.iconik_webhook_secret {
        Some(it) => {
            parts.secrets.open(app, entry::secrets::ICONIK_SECRET, it).await.map_err(|it| Trouble::Ours(it.into()))?
        }
        None => Vec::new(),
    };
    let secret = String::from_utf8(secret).unwrap_or_default();
    let want: Vec<Wanted> = match &at.settings.system_endpoint {
        Some(endpoint) if !secret.is_empty() => wanted(&at.settings, endpoint),
        _ => Vec::new(),
    };
    let there = if want.is_empty() { Vec::new() } else { at.iconik.webhooks(&want, &secret).await? };
    let seen: Vec<Health> = want.iter().zip(&there).map(|(want, there)| health(want, there.as_ref())).collect();
    let reconcile = Duration::minutes(i64::from(at.settings.reconcile_minutes.max(1)));
    let mut plan = checked(now, &at.state, &user, seen, reconcile);
    for place in plan.repair {
        tracing::warn!(webhook = want[place].name, "webhook `{}` is put right", want[place].name);
        at.iconik.put_webhook(&want[place], there[place].as_ref(), &secret).await?;
        plan.next.webhooks[place].status = "ENABLED".to_owned();
    }
    if let Some((from, to)) = plan.catch_up {
        let what = Ingest::Search { from, to, after: None, seen: 0 };
        parts.queue.send(&IngestOrder::new(app, what, domain::millis(now)), Duration::ZERO).await?;
    }
    if at.settings.sqs_queue_url.is_some() {
        // the seed looks into its queue once a minute
        plan.next.next_at = plan.next.next_at.min(domain::millis(now + Duration::MINUTE));
        pull::run(parts, at, app, now).await?;
    }
    if !plan.news.is_empty() {
        let write_id = format!("{app}.check.{}", domain::millis(now));
        parts.table.append(app, &Stream::App, &plan.news, &write_id, now).await?;
    }
    Ok(parts.table.put_manager(app, &plan.next, true).await?)
}

/// Iconik did not answer: nothing is known, so nothing is changed but the time of the next look.
pub(crate) async fn unwell(
    parts: &Parts,
    at: &At,
    app: AppId,
    error: &IconikError,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    tracing::warn!(error = %error, "Iconik could not be checked: {error}");
    let next = State { next_at: domain::millis(now + Duration::MINUTE), ..at.state.clone() };
    Ok(parts.table.put_manager(app, &next, true).await?)
}

/// Keeps beside the webhook's secret who we are at Iconik, so that what we do is known as ours.
async fn learn(parts: &Parts, at: &At, app: AppId, user: &str, domain: Option<&str>) -> Result<(), Trouble> {
    let domain = at.settings.iconik_domain_id.as_deref().or(domain);
    if at.state.user.as_deref() == Some(user) {
        return Ok(());
    }
    let Some(sealed) = &at.settings.iconik_webhook_secret else { return Ok(()) };
    let secret =
        parts.secrets.open(app, entry::secrets::ICONIK_SECRET, sealed).await.map_err(|it| Trouble::Ours(it.into()))?;
    let hash = domain::id::sha256_hex(&secret);
    if let Some(mut hook) = parts.table.hook(&hash).await? {
        hook.user = Some(user.to_owned());
        hook.domain = domain.map(str::to_owned);
        parts.table.put_hook(&hash, &hook).await?;
    }
    Ok(())
}

/// Keeps which Iconik domain's events on the common queue are for the application: the one that Iconik itself named. Row
/// and state are written before anything else can fail, and the row with each check: whoever was in between is put right.
async fn belong(parts: &Parts, at: &mut At, app: AppId, named: Option<String>) -> Result<(), Trouble> {
    if let Some(old) = at.state.domain.as_ref().filter(|it| Some(*it) != named.as_ref()) {
        parts.table.put_domain(old, app, false).await?;
    }
    if let Some(domain) = &named {
        parts.table.put_domain(domain, app, true).await?;
    }
    if at.state.domain != named {
        at.state.domain = named;
        parts.table.put_manager(app, &at.state, true).await?;
    }
    Ok(())
}

fn health(want: &Wanted, there: Option<&There>) -> Health {
    let status = match there {
        None => "MISSING",
        Some(it) if it.status != "ENABLED" => it.status.as_str(),
        Some(it) if it.differs => "CHANGED",
        Some(_) => "ENABLED",
    };
    let since = there.and_then(|it| it.first_failed_at.as_deref());
    let since = since.and_then(|it| OffsetDateTime::parse(it, &Rfc3339).ok()).map(domain::millis);
    Health {
        name: want.name.clone(),
        status: status.to_owned(),
        failing_since: since.filter(|_| matches!(status, "FAILING" | "DISABLED")),
        error: there.and_then(|it| it.last_error.clone()),
    }
}
