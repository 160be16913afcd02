//! `GET /api/v1/Usage`: what an application did on a day, by path, and its list price.

use axum::Json;
use axum::extract::State;
use domain::list_price::PricedPath;
use domain::millis;
use entry::clock;
use entry::http::auth::Caller;
use entry::http::{Problem, QueryParams};
use serde::{Deserialize, Serialize};
use time::macros::format_description;
use time::{Date, Duration};
use utoipa::{IntoParams, ToSchema};

use crate::context::Context;

/// How long the rows are kept that are counted, in days.
const MAX_AGE_DAYS: i64 = 30;

/// Which day.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsageParameters {
    /// A day in UTC, such as `2026-11-29`, at most 30 days ago; today by default
    day: Option<String>,
}

/// The usage of a day.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageOut {
    day: String,
    paths: Vec<PathUsageOut>,
    /// The sum of the paths' list prices, in US dollars
    list_price: f64,
    /// Whether there was more than one request counts
    more: bool,
}

/// The usage of one path.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PathUsageOut {
    /// `item`: found and processed; `delivery`: to a channel, at the first attempt; `inbox`: a notification of a user
    path: &'static str,
    units: u64,
    /// US dollars at list price in us-east-1, by what the meter measured for one unit: requests and capacity units, without
    /// computing time and traffic
    list_price: f64,
}

/// What the application did on a day in UTC, and what it costs at AWS's list price. The caller needs the scope `keys`.
#[utoipa::path(get, path = "/api/v1/Usage", tag = "Operations", security(("keys" = [])), params(UsageParameters),
    responses((status = 200, body = UsageOut), (status = 422, body = Problem)))]
pub(crate) async fn get(
    State(context): State<Context>,
    Caller(app): Caller,
    QueryParams(parameters): QueryParams<UsageParameters>,
) -> Result<Json<UsageOut>, Problem> {
    let format = format_description!("[year]-[month]-[day]");
    let today = clock::now().date();
    let invalid = || Problem::invalid("day", format!("a day such as {today}, at most {MAX_AGE_DAYS} days ago"));
    let day = match parameters.day.as_deref() {
        None => today,
        Some(text) => Date::parse(text, format).map_err(|_| invalid())?,
    };
    if !(0..=MAX_AGE_DAYS).contains(&(today - day).whole_days()) {
        return Err(invalid());
    }
    let from = day.midnight().assume_utc();
    let counts = context.table.period_counts(app, millis(from), millis(from + Duration::DAY)).await?;
    let path = |path: PricedPath| {
        let units = match path {
            PricedPath::Item => counts.items,
            PricedPath::Delivery => counts.deliveries,
            PricedPath::Inbox => counts.inbox,
        };
        PathUsageOut { path: path.name(), units, list_price: path.list_price(units) }
    };
    let paths: Vec<PathUsageOut> = PricedPath::ALL.into_iter().map(path).collect();
    let list_price = paths.iter().map(|it| it.list_price).sum();
    Ok(Json(UsageOut { day: day.to_string(), paths, list_price, more: counts.more }))
}
