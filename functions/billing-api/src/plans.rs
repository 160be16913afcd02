//! `GET /1/billing/plans.json` and `GET /1/billing/limits.json`: what is sold, and what an application may use. The published
//! API does not have them.

use axum::response::Response;
use domain::billing::entitlement;
use domain::billing::plans::{Cycle, Plan};
use entry::clock;

use crate::answer::{Fault, data};
use crate::asked::Asked;
use crate::dto::{Error, LimitsData, LimitsOut, PlanOut, PlansData, PlansOut, UsageOut};

/// The plans that are sold, by product.
#[utoipa::path(get, path = "/1/billing/plans.json", tag = "Billing", security(("keys" = [])),
    params(("access_token" = Option<String>, Query)),
    responses((status = 200, body = PlansOut), (status = 403, body = Error)))]
pub(crate) async fn plans(asked: Asked<'_>) -> Result<Response, Fault> {
    let plans = &asked.context.provider()?.billing.plans;
    let of_product = |product: &str| {
        let all = plans.of_product(product).into_iter().flatten();
        (product.to_owned(), all.map(|(name, plan)| (name.clone(), shown(plan))).collect())
    };
    Ok(data(&PlansData { products: plans.products().map(of_product).collect() }))
}

/// What the application may use by its plans, and what it has used.
#[utoipa::path(get, path = "/1/billing/limits.json", tag = "Billing", security(("keys" = [])),
    params(("access_token" = Option<String>, Query)),
    responses((status = 200, body = LimitsOut), (status = 403, body = Error)))]
pub(crate) async fn limits(asked: Asked<'_>) -> Result<Response, Fault> {
    let (table, app, now) = (&asked.context.table, asked.app, clock::now());
    let plans = &asked.context.provider()?.billing.plans;
    let limits = entitlement::limits(plans, &table.product_states(app).await?, now);
    let day = now.to_offset(time::UtcOffset::UTC).date().to_string();
    let usage = UsageOut {
        items_today: table.usage(app, &day).await?.items,
        notifications_this_month: table.notifications_of_month(app, now).await?,
        channels: table.channels(app).await?.len() as u64,
        users_this_month: table.users_of_month(app, now).await?,
    };
    Ok(data(&LimitsData { limits, usage }))
}

fn shown(plan: &Plan) -> PlanOut {
    PlanOut {
        cycles: Cycle::ALL.into_iter().filter(|it| plan.price(*it).is_some()).map(Cycle::name).collect(),
        default_cycle: plan.default_cycle().name(),
        trial_days: plan.trial_days(),
        max_quantity: plan.max_quantity(),
        limits: plan.limits,
    }
}
