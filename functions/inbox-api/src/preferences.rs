//! A user's preferences by type of notification: whether it goes to the inbox, and when it escalates if it stays unread.

use axum::Json;
use axum::extract::{Path, State};
use domain::inbox::{PreferenceRule, Preferences};
use domain::notification::is_type_name;
use entry::http::{JsonBody, Problem};
use inbox::path::user_stream;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::context::Context;
use crate::inbox_caller::InboxCaller;

/// Rules of one user.
const MAX_RULES: usize = 50;
/// The longest delay of an escalation: four weeks.
const MAX_ESCALATION_MINUTES: u32 = 28 * 24 * 60;

/// Rules. For a type the most specific matching rule applies.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreferencesBody {
    #[schema(value_type = Vec<RuleBody>, max_items = 50)]
    rules: Vec<PreferenceRule>,
}

/// A rule. Describes [`PreferenceRule`], whose crate does not depend on utoipa.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RuleBody {
    /// `message.received`, `message.*` or `*`
    #[schema(max_length = 102, pattern = "^(\\*|[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*(\\.\\*)?)$")]
    r#type: String,
    /// Whether notifications of the type go to the inbox
    in_app: bool,
    /// After this many minutes unread, `notification.escalated` goes to the application's webhooks. Reading the
    /// notification before cancels it. Only with `inApp`
    #[schema(maximum = 40_320)]
    escalate_after_minutes: Option<u32>,
}

/// A user's preferences.
#[utoipa::path(get, path = "/api/v1/Inbox/{user}/Preferences", tag = "Inbox", security(("keys" = []), ("user" = [])),
    params(("user" = String, Path)), responses((status = 200, body = PreferencesBody)))]
pub(crate) async fn get(
    State(context): State<Context>,
    InboxCaller(app): InboxCaller,
    Path(user): Path<String>,
) -> Result<Json<PreferencesBody>, Problem> {
    user_stream(&user)?;
    Ok(Json(PreferencesBody { rules: context.table.preferences(app, &user).await?.rules }))
}

/// Replaces a user's preferences, for notifications that are sent from now on.
#[utoipa::path(put, path = "/api/v1/Inbox/{user}/Preferences", tag = "Inbox", security(("keys" = []), ("user" = [])),
    params(("user" = String, Path)), request_body = PreferencesBody,
    responses((status = 200, body = PreferencesBody), (status = 422, body = Problem)))]
pub(crate) async fn put(
    State(context): State<Context>,
    InboxCaller(app): InboxCaller,
    Path(user): Path<String>,
    JsonBody(body): JsonBody<PreferencesBody>,
) -> Result<Json<PreferencesBody>, Problem> {
    user_stream(&user)?;
    let is_valid = |rule: &PreferenceRule| {
        let is_pattern = rule.kind == "*" || is_type_name(rule.kind.strip_suffix(".*").unwrap_or(&rule.kind));
        // a notification that is not in the inbox has no read state, and so cannot stay unread
        is_pattern && rule.escalate_after_minutes.is_none_or(|minutes| rule.in_app && minutes <= MAX_ESCALATION_MINUTES)
    };
    if body.rules.len() > MAX_RULES || !body.rules.iter().all(is_valid) {
        let detail = format!(
            "at most {MAX_RULES}, each of a type, `type.*` or `*`; with `inApp` also 0 to {MAX_ESCALATION_MINUTES} minutes to escalate"
        );
        return Err(Problem::invalid("rules", detail));
    }
    context.table.put_preferences(app, &user, &Preferences { rules: body.rules.clone() }).await?;
    Ok(Json(body))
}
