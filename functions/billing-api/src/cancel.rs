//! `POST /1/billing/cancel-subscription.json` (billing, section 1.7).

use axum::response::Response;
use billing::Cancellation;
use domain::billing::cancellation::Scope;

use crate::answer::Fault;
use crate::asked::Asked;
use crate::change::{Change, change};
use crate::dto::{CancelForm, Error, Success};
use crate::route::Endpoint;

/// Cancels every subscription and every trial of a product: when the period ends that is paid, or now. What is cancelled
/// already stays so.
#[utoipa::path(post, path = "/1/billing/cancel-subscription.json", tag = "Billing", security(("keys" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body(content((CancelForm = "application/x-www-form-urlencoded"), (CancelForm = "application/json"))),
    responses((status = 200, body = Success), (status = 400, body = Error), (status = 403, body = Error), (status = 404, body = Error)))]
pub(crate) async fn cancel(asked: Asked<'_>) -> Result<Response, Fault> {
    let billing = &asked.context.provider()?.billing;
    let product = asked.product(&billing.plans)?;
    let at_period_end = asked.params.flag("atPeriodEnd")?.unwrap_or(true);
    let what = Cancellation { scope: Scope::All, at_period_end };
    change(&asked, Endpoint::Cancel, product, Change::Cancel(what)).await
}
