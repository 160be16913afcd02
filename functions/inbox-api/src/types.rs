//! Endpoints of notification types: an application stores a JSON Schema for the `data` of each type.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::notification::{TYPE_RULE, is_type_name};
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem, ProblemType};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::context::Context;

/// The largest schema, in bytes of JSON.
const MAX_SCHEMA_BYTES: usize = 32 * 1024;

/// A notification type.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypeBody {
    /// JSON Schema of the `data` of notifications of this type, draft 4 to 2020-12, at most 32 KB. References stay within
    /// the schema; patterns have no look-around and no back-references. `true` allows any data, `false` none
    #[schema(value_type = Object, example = json!({ "type": "object", "required": ["sender"], "properties": { "sender": { "type": "string" } } }))]
    schema: Value,
}

/// A notification type with its name.
#[derive(Serialize, ToSchema)]
pub(crate) struct TypeOut {
    r#type: String,
    #[schema(value_type = Object)]
    schema: Value,
}

/// The application's notification types that have a schema.
#[utoipa::path(get, path = "/api/v1/Types", tag = "Types", security(("keys" = [])), responses((status = 200, body = Vec<TypeOut>)))]
pub(crate) async fn list(State(context): State<Context>, Caller(app): Caller) -> Result<Json<Vec<TypeOut>>, Problem> {
    let mut types = Vec::new();
    for (name, schema) in context.table.notification_types(app).await? {
        types.push(TypeOut { r#type: name, schema: serde_json::from_str(&schema)? });
    }
    Ok(Json(types))
}

/// Sets the schema of a type. Notifications that are sent or updated later must be valid by it.
#[utoipa::path(put, path = "/api/v1/Types/{type}", tag = "Types", security(("keys" = [])), params(("type" = String, Path)),
    request_body = TypeBody, responses((status = 200, body = TypeBody), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn put(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(kind): Path<String>,
    JsonBody(body): JsonBody<TypeBody>,
) -> Result<Json<TypeBody>, Problem> {
    if !is_type_name(&kind) {
        return Err(Problem::invalid("type", TYPE_RULE));
    }
    let text = body.schema.to_string();
    if text.len() > MAX_SCHEMA_BYTES {
        return Err(Problem::invalid("schema", format!("size: at most {MAX_SCHEMA_BYTES} bytes")));
    }
    context
        .type_schemas
        .compile(app, body.schema.clone())
        .await?
        .map_err(|reason| Problem::invalid("schema", reason))?;
    context.table.put_notification_type(app, &kind, &text).await?;
    Ok(Json(body))
}

/// Deletes the schema of a type: any data is valid.
#[utoipa::path(delete, path = "/api/v1/Types/{type}", tag = "Types", security(("keys" = [])), params(("type" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn delete(
    State(context): State<Context>,
    Caller(app): Caller,
    Path(kind): Path<String>,
) -> Result<StatusCode, Problem> {
    if is_type_name(&kind) && context.table.delete_notification_type(app, &kind).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::new(ProblemType::NoSuchType, "the type has no schema"))
    }
}
