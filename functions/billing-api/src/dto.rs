//! Bodies of requests and answers, for the description of the API. [`crate::params::Params`] reads the requests.

use std::collections::BTreeMap;

use domain::billing::limits::Limits;
use serde::Serialize;
use utoipa::ToSchema;

/// The subscription to start or to change.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartOrUpdateForm {
    /// Instead of the header `authorization`
    #[serde(rename = "access_token")]
    access_token: Option<String>,
    #[schema(example = "publish")]
    product: String,
    #[schema(example = "pro")]
    plan: String,
    /// A token that the front end made of a card; required as long as the customer has no card
    #[schema(pattern = "^tok_[A-Za-z0-9_]+$", max_length = 255)]
    stripe_token: Option<String>,
    /// A payment method that the front end made of a card, instead of `stripeToken`
    #[serde(rename = "payment_method_id")]
    #[schema(pattern = "^(pm|card)_[A-Za-z0-9_]+$", max_length = 255)]
    payment_method_id: Option<String>,
    /// `month`, `year`, or `null`: then the current one stays, and a new subscription gets the plan's default
    #[schema(example = "month")]
    cycle: Option<String>,
    /// Always replaces the current quantity, by default with 1
    #[schema(minimum = 1, maximum = 10_000, example = 1)]
    quantity: Option<u32>,
    /// What led to the request, for tracking
    #[schema(max_length = 500)]
    cta: Option<String>,
    /// `default_incomplete`: the answer has a `client_secret`, with which the customer completes the first payment
    #[serde(rename = "payment_behavior")]
    payment_behavior: Option<String>,
}

/// The trial to start.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartTrialForm {
    /// Instead of the header `authorization`
    #[serde(rename = "access_token")]
    access_token: Option<String>,
    #[schema(example = "publish")]
    product: String,
    #[schema(example = "pro")]
    plan: String,
    /// Its length in days, by default the plan's
    #[schema(minimum = 1, maximum = 90, example = 14)]
    trial_length: Option<u32>,
    #[schema(example = "month")]
    cycle: Option<String>,
    #[schema(minimum = 1, maximum = 10_000, example = 1)]
    quantity: Option<u32>,
    /// What led to the request, for tracking
    #[schema(max_length = 500)]
    cta: Option<String>,
}

/// The trial to cancel.
#[derive(Serialize, ToSchema)]
pub(crate) struct CancelTrialForm {
    /// Instead of the header `authorization`
    access_token: Option<String>,
    #[schema(example = "publish")]
    product: String,
    /// What led to the request, for tracking
    #[schema(max_length = 500)]
    cta: Option<String>,
}

/// The subscription to cancel.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelForm {
    /// Instead of the header `authorization`
    #[serde(rename = "access_token")]
    access_token: Option<String>,
    #[schema(example = "publish")]
    product: String,
    /// `true`: when the period ends that is paid; `false`: now
    #[schema(default = true)]
    at_period_end: Option<bool>,
    /// What led to the request, for tracking
    #[schema(max_length = 500)]
    cta: Option<String>,
}

/// It was done.
#[derive(Serialize, ToSchema)]
#[schema(as = BillingSuccess)]
pub(crate) struct Success {
    pub(crate) success: bool,
    /// With `payment_behavior=default_incomplete`, if there is a payment to complete
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret: Option<String>,
}

/// It was not done.
#[derive(Serialize, ToSchema)]
#[schema(as = BillingError)]
pub(crate) struct Error {
    #[schema(example = 1000)]
    code: u16,
    #[schema(example = "An error message")]
    error: String,
}

/// What an application has of a product.
#[derive(Serialize, ToSchema)]
#[schema(as = BillingData)]
pub(crate) struct BillingData {
    pub(crate) subscriptions: Vec<SubscriptionOut>,
}

/// A subscription.
#[derive(Serialize, ToSchema)]
#[schema(as = BillingSubscription)]
pub(crate) struct SubscriptionOut {
    #[schema(example = "pro")]
    pub(crate) plan_name: String,
    pub(crate) quantity: u32,
    /// `month` or `year`
    #[schema(example = "month")]
    pub(crate) cycle: &'static str,
    /// Seconds since 1970
    pub(crate) current_period_end: i64,
    pub(crate) cancel_at_period_end: bool,
    pub(crate) is_paying: bool,
    pub(crate) is_trialing: bool,
    /// The same as `is_trialing`, for older clients
    pub(crate) is_trial: bool,
}

/// The subscriptions of a product.
#[derive(Serialize, ToSchema)]
#[schema(as = BillingDataAnswer)]
pub(crate) struct BillingDataOut {
    success: bool,
    data: BillingData,
}

/// The products, each with its plans.
#[derive(Serialize, ToSchema)]
#[schema(as = BillingPlans)]
pub(crate) struct PlansData {
    pub(crate) products: BTreeMap<String, BTreeMap<String, PlanOut>>,
}

/// A plan.
#[derive(Serialize, ToSchema)]
#[schema(as = BillingPlan)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanOut {
    /// The cycles in which it is sold; none for what an application has without a subscription
    pub(crate) cycles: Vec<&'static str>,
    pub(crate) default_cycle: &'static str,
    pub(crate) trial_days: u32,
    pub(crate) max_quantity: u32,
    /// What it limits: `itemsPerDay`, `notificationsPerMonth`, `channels`, `users`
    #[schema(value_type = Object)]
    pub(crate) limits: Limits,
}

/// The plans.
#[derive(Serialize, ToSchema)]
#[schema(as = BillingPlansAnswer)]
pub(crate) struct PlansOut {
    success: bool,
    data: PlansData,
}

/// What an application may use, and what it has used.
#[derive(Serialize, ToSchema)]
#[schema(as = BillingLimits)]
pub(crate) struct LimitsData {
    /// What its plans limit; what is absent is not limited
    #[schema(value_type = Object)]
    pub(crate) limits: Limits,
    pub(crate) usage: UsageOut,
}

/// What an application has used.
#[derive(Serialize, ToSchema)]
#[schema(as = BillingUsage)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageOut {
    /// Items that were processed today (UTC), where their number is limited
    pub(crate) items_today: u64,
    /// Notifications that were stored this month (UTC)
    pub(crate) notifications_this_month: u64,
    pub(crate) channels: u64,
    /// Users who got a token or a ticket this month (UTC), where their number is limited
    pub(crate) users_this_month: u64,
}

/// The limits.
#[derive(Serialize, ToSchema)]
#[schema(as = BillingLimitsAnswer)]
pub(crate) struct LimitsOut {
    success: bool,
    data: LimitsData,
}
