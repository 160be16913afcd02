//! What a user wants of which type: in the inbox or not, and who is told if it stays unread.

use axum::Json;
use axum::extract::{Path, State as Shared};
use domain::inbox::{PreferenceRule, Preferences};
use entry::http::{JsonBody, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dto::is_type_name;
use crate::inbox_caller::InboxCaller;
use crate::{Context, user_stream};

/// Rules of one user at most, and the longest wait of an escalation: four weeks.
const MAX_RULES: usize = 50;
const MAX_ESCALATION_MINUTES: u32 = 28 * 24 * 60;

/// Rules; of those that fit a type the one that says most about it holds.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreferencesBody {
    #[schema(value_type = Vec<RuleBody>, max_items = 50)]
    rules: Vec<PreferenceRule>,
}

/// A rule. Describes [`Rule`], whose crate knows no descriptions.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RuleBody {
    /// `message.received`, `message.*` or `*`
    #[schema(max_length = 102, pattern = "^(\\*|[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*(\\.\\*)?)$")]
    r#type: String,
    /// Whether it goes to the inbox at all
    in_app: bool,
    /// After so many minutes unread, `notification.escalated` goes to the application's webhooks; reading it before cancels
    /// that; only with `inApp`
    #[schema(maximum = 40_320)]
    escalate_after_minutes: Option<u32>,
}

/// What a user wants.
#[utoipa::path(get, path = "/api/v1/Inbox/{user}/Preferences", tag = "Inbox", security(("keys" = []), ("user" = [])),
    params(("user" = String, Path)), responses((status = 200, body = PreferencesBody)))]
pub(crate) async fn get(
    Shared(state): Shared<Context>,
    InboxCaller(app): InboxCaller,
    Path(user): Path<String>,
) -> Result<Json<PreferencesBody>, Problem> {
    user_stream(&user)?;
    Ok(Json(PreferencesBody { rules: state.table.preferences(app, &user).await?.rules }))
}

/// Replaces what a user wants, for what is sent from now on.
#[utoipa::path(put, path = "/api/v1/Inbox/{user}/Preferences", tag = "Inbox", security(("keys" = []), ("user" = [])),
    params(("user" = String, Path)), request_body = PreferencesBody,
    responses((status = 200, body = PreferencesBody), (status = 422, body = Problem)))]
pub(crate) async fn put(
    Shared(state): Shared<Context>,
    InboxCaller(app): InboxCaller,
    Path(user): Path<String>,
    JsonBody(it): JsonBody<PreferencesBody>,
) -> Result<Json<PreferencesBody>, Problem> {
    user_stream(&user)?;
    let fits = |it: &PreferenceRule| {
        let plain = it.kind == "*" || is_type_name(it.kind.strip_suffix(".*").unwrap_or(&it.kind));
        // what is not in the inbox cannot be read, and so not stay unread
        plain && it.escalate_after_minutes.is_none_or(|minutes| it.in_app && minutes <= MAX_ESCALATION_MINUTES)
    };
    if it.rules.len() > MAX_RULES || !it.rules.iter().all(fits) {
        let title = format!(
            "at most {MAX_RULES}, each of a type, `type.*` or `*`; with `inApp` also 0 to {MAX_ESCALATION_MINUTES} minutes to escalate"
        );
        return Err(Problem::invalid("rules", title));
    }
    state.table.put_preferences(app, &user, &Preferences { rules: it.rules.clone() }).await?;
    Ok(Json(it))
}
