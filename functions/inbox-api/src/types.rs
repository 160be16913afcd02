//! Types of notifications with a JSON Schema for their `data`: what does not fit is not sent.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use domain::AppId;
use entry::Remembered;
use entry::http::caller::Caller;
use entry::http::{Body, Problem};
use jsonschema::Validator;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use table::Table;
use utoipa::ToSchema;

use crate::State;
use crate::dto::is_type;

/// The largest schema, in bytes of JSON.
const MOST: usize = 32 * 1024;
/// How soon a changed schema is obeyed.
const KEPT: Duration = Duration::from_secs(10);
const MOST_KEPT: usize = 500;

/// A type's schema; `None` if it has none.
type Schema = Option<Arc<Validator>>;

/// Schemas of types, remembered for a moment.
#[derive(Clone)]
pub struct Types(Arc<Remembered<(AppId, String), Schema>>);

impl Default for Types {
    fn default() -> Self {
        Self(Arc::new(Remembered::new(MOST_KEPT)))
    }
}

impl Types {
    /// Holds the data of a notification against the schema of its type, if there is one.
    pub(crate) async fn check(&self, table: &Table, app: AppId, kind: &str, data: &Value) -> Result<(), Problem> {
        let Some(schema) = self.of(table, app, kind).await? else { return Ok(()) };
        match schema.validate(data) {
            Ok(()) => Ok(()),
            Err(why) => {
                let at = format!("data{}", why.instance_path());
                Err(Problem::invalid(&at, why.to_string().chars().take(300).collect::<String>()))
            }
        }
    }

    async fn of(&self, table: &Table, app: AppId, kind: &str) -> Result<Schema, Problem> {
        let key = (app, kind.to_owned());
        if let Some(it) = self.0.get(&key) {
            return Ok(it);
        }
        let schema = table.type_schema(app, kind).await?;
        let schema: Option<Value> = schema.map(|it| serde_json::from_str(&it)).transpose()?;
        let made = schema.map(|it| compiled(&it)).transpose()?.map(Arc::new);
        self.0.put(key, made.clone(), KEPT);
        Ok(made)
    }
}

/// A schema, ready to use. It refers to nothing outside itself.
fn compiled(schema: &Value) -> Result<Validator, Problem> {
    jsonschema::validator_for(schema)
        .map_err(|why| Problem::invalid("schema", why.to_string().chars().take(300).collect::<String>()))
}

/// A type.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypeBody {
    /// JSON Schema of the `data` of notifications of this type, at most 32 KB
    #[schema(value_type = Object, example = json!({ "type": "object", "required": ["sender"], "properties": { "sender": { "type": "string" } } }))]
    schema: Value,
}

/// A type with its name.
#[derive(Serialize, ToSchema)]
pub(crate) struct TypeOut {
    r#type: String,
    #[schema(value_type = Object)]
    schema: Value,
}

/// The application's types.
#[utoipa::path(get, path = "/api/v1/Types", tag = "Types", security(("keys" = [])), responses((status = 200, body = Vec<TypeOut>)))]
pub(crate) async fn list(Shared(state): Shared<State>, Caller(app): Caller) -> Result<Json<Vec<TypeOut>>, Problem> {
    let mut all = Vec::new();
    for (name, schema) in state.table.types(app).await? {
        all.push(TypeOut { r#type: name, schema: serde_json::from_str(&schema)? });
    }
    Ok(Json(all))
}

/// Gives a type its schema. What is sent later, or changed, must fit it.
#[utoipa::path(put, path = "/api/v1/Types/{type}", tag = "Types", security(("keys" = [])), params(("type" = String, Path)),
    request_body = TypeBody, responses((status = 200, body = TypeBody), (status = 422, body = Problem)))]
pub(crate) async fn put(
    Shared(state): Shared<State>,
    Caller(app): Caller,
    Path(kind): Path<String>,
    Body(it): Body<TypeBody>,
) -> Result<Json<TypeBody>, Problem> {
    if !is_type(&kind) {
        return Err(Problem::invalid("type", "dotted words of letters, digits, underlines and hyphens"));
    }
    let text = it.schema.to_string();
    if text.len() > MOST {
        return Err(Problem::invalid("schema", format!("at most {MOST} bytes")));
    }
    compiled(&it.schema)?;
    state.table.put_type(app, &kind, &text).await?;
    Ok(Json(it))
}

/// Takes a type's schema away: whatever is sent fits.
#[utoipa::path(delete, path = "/api/v1/Types/{type}", tag = "Types", security(("keys" = [])), params(("type" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn delete(
    Shared(state): Shared<State>,
    Caller(app): Caller,
    Path(kind): Path<String>,
) -> Result<StatusCode, Problem> {
    if state.table.delete_type(app, &kind).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::new(StatusCode::NOT_FOUND, "no-such-type", "the type has no schema"))
    }
}
