//! The health of the connection: are we who we say, are our webhooks as they should be, what did we miss?

use domain::AppId;
use domain::manager::{Health, checked, queue_read, unreachable};
use domain::notification::Stream;
use domain::order::{Ingest, IngestOrder};
use domain::settings::is_iconiks;
use entry::Failure;
use iconik::IconikError;
use iconik::webhooks::{Found, There, Wanted, sorted, wanted};
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
    let Found { wanted: there, surplus } = found(parts, at, app, &want, &secret).await?;
    let seen: Vec<Health> = want.iter().zip(&there).map(|(want, there)| health(want, there.as_ref())).collect();
    let reconcile = Duration::minutes(i64::from(at.settings.reconcile_minutes.max(1)));
    let mut plan = checked(now, &at.state, &user, seen, reconcile);
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
        parts.queue.send(&IngestOrder::new(app, what, domain::millis(now)), Duration::ZERO).await?;
    }
    if at.settings.sqs_queue_url.is_some() {
        // the seed looks into its queue once a minute
        plan.next.next_at = plan.next.next_at.min(domain::millis(now + Duration::MINUTE));
        let why = pull::run(parts, at, app, now).await?;
        let (failed, news) = queue_read(now, &plan.next, why);
        plan.next.queue_failed = failed;
        plan.news.extend(news);
    } else {
        plan.next.queue_failed = None;
    }
    if !plan.news.is_empty() {
        let write_id = format!("{app}.check.{}", domain::millis(now));
        parts.table.append(app, &Stream::App, &plan.news, &write_id, now).await?;
    }
    Ok(parts.table.put_manager(app, &plan.next, true).await?)
}

/// The webhooks that are wanted and those that are not any more. One of another application at the same address is not ours,
/// whatever it is called.
async fn found(parts: &Parts, at: &At, app: AppId, want: &[Wanted], secret: &str) -> Result<Found, Trouble> {
    if want.is_empty() && at.state.ours.is_empty() {
        return Ok(Found { wanted: Vec::new(), surplus: Vec::new() });
    }
    let mut all = Vec::new();
    for it in at.iconik.webhooks().await? {
        let stranger = it.secret().filter(|carried| {
            *carried != secret && !at.state.ours.contains(&it.id) && want.iter().any(|want| want.url == it.url())
        });
        let row = match stranger {
            Some(carried) => parts.table.hook(&domain::id::sha256_hex(carried.as_bytes())).await?,
            None => None,
        };
        if row.is_none_or(|it| it.app == app) {
            all.push(it);
        }
    }
    Ok(sorted(all, want, &at.state.ours, secret))
}

/// Takes our webhooks away: Iconik is not among the application's systems any more.
pub(crate) async fn retire(parts: &Parts, at: &mut At, app: AppId) -> Result<(), Trouble> {
    for id in std::mem::take(&mut at.state.ours) {
        at.iconik.delete_webhook(&id).await?;
    }
    at.state.webhooks.clear();
    Ok(parts.table.put_manager(app, &at.state, false).await?)
}

/// Iconik did not answer: nothing is known, so nothing is changed but the time of the next look. An outage is told once.
pub(crate) async fn unwell(
    parts: &Parts,
    at: &At,
    app: AppId,
    error: &IconikError,
    now: OffsetDateTime,
) -> Result<(), Failure> {
    tracing::warn!(error = %error, "Iconik could not be checked: {error}");
    let mut plan = unreachable(now, &at.state, &error.to_string());
    if matches!(error, IconikError::Busy(_) | IconikError::Pace(_)) {
        // it answers, or we were not able to ask
        (plan.next.unreachable, plan.news) = (at.state.unreachable.clone(), Vec::new());
    }
    if !plan.news.is_empty() {
        let write_id = format!("{app}.unreachable.{}", domain::millis(now));
        parts.table.append(app, &Stream::App, &plan.news, &write_id, now).await?;
    }
    Ok(parts.table.put_manager(app, &plan.next, true).await?)
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

fn health(want: &Wanted, there: Option<&(There, bool)>) -> Health {
    let status = match there {
        None => "MISSING",
        Some((it, _)) if it.status != "ENABLED" => it.status.as_str(),
        Some((_, true)) => "CHANGED",
        Some(_) => "ENABLED",
    };
    let there = there.map(|it| &it.0);
    let since = there.and_then(|it| it.first_failed_at.as_deref());
    let since = since.and_then(|it| OffsetDateTime::parse(it, &Rfc3339).ok()).map(domain::millis);
    Health {
        name: want.name.clone(),
        status: status.to_owned(),
        failing_since: since.filter(|_| matches!(status, "FAILING" | "DISABLED")),
        error: there.and_then(|it| it.last_error.clone()),
    }
}
