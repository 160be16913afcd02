//! `POST /1/billing/start-trial.json` and `POST /1/billing/cancel-trial.json` (billing, sections 1.4 and 1.5).

use axum::response::Response;
use billing::{Cancellation, Trial};
use domain::billing::cancellation::Scope;
use domain::billing::plans::MAX_TRIAL_DAYS;

use crate::answer::Fault;
use crate::asked::Asked;
use crate::change::{Change, change};
use crate::dto::{CancelTrialForm, Error, StartTrialForm, Success};
use crate::route::Endpoint;

/// Starts a trial, which needs no card. An application has one trial of a product.
#[utoipa::path(post, path = "/1/billing/start-trial.json", tag = "Billing", security(("keys" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body(content((StartTrialForm = "application/x-www-form-urlencoded"), (StartTrialForm = "application/json"))),
    responses((status = 200, body = Success), (status = 400, body = Error), (status = 403, body = Error)))]
pub(crate) async fn start(asked: Asked<'_>) -> Result<Response, Fault> {
    let billing = &asked.context.provider()?.billing;
    let (params, product) = (&asked.params, asked.product(&billing.plans)?);
    let (plan, of) = asked.plan(&billing.plans, product)?;
    let trial = Trial {
        plan,
        cycle: params.cycle()?,
        quantity: params.number("quantity", of.max_quantity())?.unwrap_or(1),
        days: params.number("trialLength", MAX_TRIAL_DAYS)?.unwrap_or(of.trial_days()),
    };
    change(&asked, Endpoint::StartTrial, product, Change::StartTrial(trial)).await
}

/// Cancels the trial of a product: it ends when it would have ended, and nothing is paid.
#[utoipa::path(post, path = "/1/billing/cancel-trial.json", tag = "Billing", security(("keys" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body(content((CancelTrialForm = "application/x-www-form-urlencoded"), (CancelTrialForm = "application/json"))),
    responses((status = 200, body = Success), (status = 400, body = Error), (status = 403, body = Error), (status = 404, body = Error)))]
pub(crate) async fn cancel(asked: Asked<'_>) -> Result<Response, Fault> {
    let billing = &asked.context.provider()?.billing;
    let product = asked.product(&billing.plans)?;
    let what = Cancellation { scope: Scope::Trials, at_period_end: true };
    change(&asked, Endpoint::CancelTrial, product, Change::Cancel(what)).await
}
