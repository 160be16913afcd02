//! `POST /1/billing/start-or-update-subscription.json` (billing, section 1.6).

use axum::response::Response;
use billing::{Card, Subscribe};

use crate::answer::Fault;
use crate::asked::Asked;
use crate::change::{Change, change};
use crate::dto::{Error, StartOrUpdateForm, Success};
use crate::route::Endpoint;

/// Starts a subscription, or changes the one that the application has of the product; also to complete a trial. The
/// quantity, given or not, always replaces the current one. A request with an `Idempotency-Key` is safe to repeat for 24
/// hours, and one without for a minute.
#[utoipa::path(post, path = "/1/billing/start-or-update-subscription.json", tag = "Billing", security(("keys" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body(content((StartOrUpdateForm = "application/x-www-form-urlencoded"), (StartOrUpdateForm = "application/json"))),
    responses((status = 200, body = Success), (status = 400, body = Error), (status = 402, body = Error), (status = 403, body = Error)))]
pub(crate) async fn start_or_update(asked: Asked<'_>) -> Result<Response, Fault> {
    let billing = &asked.context.provider()?.billing;
    let (params, product) = (&asked.params, asked.product(&billing.plans)?);
    let (plan, of) = asked.plan(&billing.plans, product)?;
    let token = params.provider_id("stripeToken", &["tok_"])?.map(Card::Token);
    let method = params.provider_id("payment_method_id", &["pm_", "card_"])?.map(Card::PaymentMethod);
    let paid_by_customer = match params.text("payment_behavior") {
        None | Some("error_if_incomplete") => false,
        Some("default_incomplete") => true,
        Some(_) => return Err(Fault::unknown_value("payment_behavior", "`default_incomplete`")),
    };
    let subscribe = Subscribe {
        plan,
        cycle: params.cycle()?,
        quantity: params.number("quantity", of.max_quantity())?.unwrap_or(1),
        card: method.or(token),
        paid_by_customer,
    };
    change(&asked, Endpoint::StartOrUpdate, product, Change::Subscribe(subscribe)).await
}
