//! Types of notifications with a JSON Schema for their `data`: what does not fit is not sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use domain::AppId;
use entry::TtlCache;
use entry::http::auth::Caller;
use entry::http::{JsonBody, Problem, ProblemType};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use table::Table;
use utoipa::ToSchema;

use crate::Context;
use crate::dto::is_type_name;
use crate::schema::Schema;
use crate::schema_quota::{MAX_TIME, TimeQuota};

/// The largest schema, in bytes of JSON.
const MAX_SCHEMA_BYTES: usize = 32 * 1024;
/// How soon a changed schema is obeyed.
const CACHE_TTL: Duration = Duration::from_secs(10);
/// Types without schema that are remembered, and those with one. A compiled schema takes up to about 5 MB with the caches
/// of its patterns, though few kilobytes as a rule; the function has 256 MB.
const MAX_WITHOUT_SCHEMA: usize = 500;
const MAX_LIGHT: usize = 32;
const MAX_HEAVY: usize = 4;
/// How long compiling a schema, or holding data against it, may take until nobody waits for it any more. With 256 MB this
/// is 0.3 s of a processor, several times what the bounds and the budget allow (`schema.rs`).
const DEADLINE: Duration = Duration::from_secs(2);
/// The stack of the threads on which schemas are compiled and applied, by recursion that the bounds limit: 2,048
/// subschemas one in another over data (`schema_work.rs`), or 1,000 while compiling, some kilobytes each without
/// optimisation. Memory is taken as it is used.
pub(crate) const STACK_BYTES: usize = 32 * 1024 * 1024;

/// What is known of a type's schema.
#[derive(Clone)]
enum CachedSchema {
    Compiled(Arc<Schema>),
    /// It was stored when less was known of what schemas cost.
    Rejected(Arc<str>),
}

/// Schemas of types, remembered for a moment.
#[derive(Clone)]
pub struct TypeSchemas {
    /// Types without schema.
    without_schema: Arc<TtlCache<(AppId, String), ()>>,
    light: Arc<TtlCache<(AppId, String), CachedSchema>>,
    /// The same of heavy schemas: a few, so that a batch compiles one once.
    heavy: Arc<TtlCache<(AppId, String), CachedSchema>>,
    quota: Arc<TimeQuota>,
}

impl Default for TypeSchemas {
    fn default() -> Self {
        let [held, heavy] = [MAX_LIGHT, MAX_HEAVY].map(|it| Arc::new(TtlCache::new(it)));
        Self { without_schema: Arc::new(TtlCache::new(MAX_WITHOUT_SCHEMA)), light: held, heavy, quota: Arc::default() }
    }
}

impl TypeSchemas {
    /// Holds the data of a notification against the schema of its type, if there is one.
    pub(crate) async fn check(&self, table: &Table, app: AppId, kind: &str, data: &Value) -> Result<(), Problem> {
        match self.schema_of(table, app, kind).await? {
            None => Ok(()),
            Some(CachedSchema::Rejected(why)) => {
                let why = format!("the schema of `{kind}` cannot be used any more, give it another one: {why}");
                Err(Problem::invalid("schema", why))
            }
            Some(CachedSchema::Compiled(schema)) => {
                let data = data.clone();
                let late = "time: the data could not be held against the schema of its type";
                self.run_with_deadline(app, late, move || schema.validate(&data)).await?
            }
        }
    }

    async fn schema_of(&self, table: &Table, app: AppId, kind: &str) -> Result<Option<CachedSchema>, Problem> {
        let key = (app, kind.to_owned());
        if self.without_schema.get(&key).is_some() {
            return Ok(None);
        }
        if let Some(it) = self.light.get(&key).or_else(|| self.heavy.get(&key)) {
            return Ok(Some(it));
        }
        let Some(schema) = table.notification_type(app, kind).await? else {
            self.without_schema.put(key, (), CACHE_TTL);
            return Ok(None);
        };
        let held = match self.compile(app, serde_json::from_str(&schema)?).await? {
            Ok(schema) => CachedSchema::Compiled(Arc::new(schema)),
            Err(why) => CachedSchema::Rejected(why.into()),
        };
        let heavy = matches!(&held, CachedSchema::Compiled(it) if !it.is_light());
        let kept = if heavy { &self.heavy } else { &self.light };
        kept.put(key, held.clone(), CACHE_TTL);
        Ok(Some(held))
    }

    /// Compiles a schema, or says why it is refused.
    async fn compile(&self, app: AppId, schema: Value) -> Result<Result<Schema, String>, Problem> {
        self.run_with_deadline(app, "time: the schema could not be compiled", move || Schema::new(&schema)).await
    }

    /// Does what may take long on a thread of its own, out of the time of the application. The thread cannot be stopped:
    /// bounds and budgets see to it that it ends.
    async fn run_with_deadline<T, F>(&self, app: AppId, late: &str, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        if let Err(wait) = self.quota.reserve(app, DEADLINE, Instant::now()) {
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            let most = MAX_TIME.as_secs();
            let title = format!("the schemas of this application took {most} s within a minute; send less at once");
            return Err(Problem::too_many(title, seconds));
        }
        let times = Arc::clone(&self.quota);
        let work = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let done = work();
            times.settle(app, DEADLINE, began.elapsed());
            done
        });
        match tokio::time::timeout(DEADLINE, work).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(Problem::invalid("schema", format!("{late} within {} s", DEADLINE.as_secs()))),
        }
    }
}

/// A type.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypeBody {
    /// JSON Schema of the `data` of notifications of this type, draft 4 to 2020-12, at most 32 KB. It refers to nothing
    /// outside itself; its patterns have no look-around and no back-references
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
pub(crate) async fn list(Shared(state): Shared<Context>, Caller(app): Caller) -> Result<Json<Vec<TypeOut>>, Problem> {
    let mut all = Vec::new();
    for (name, schema) in state.table.notification_types(app).await? {
        all.push(TypeOut { r#type: name, schema: serde_json::from_str(&schema)? });
    }
    Ok(Json(all))
}

/// Gives a type its schema. What is sent later, or changed, must fit it.
#[utoipa::path(put, path = "/api/v1/Types/{type}", tag = "Types", security(("keys" = [])), params(("type" = String, Path)),
    request_body = TypeBody, responses((status = 200, body = TypeBody), (status = 422, body = Problem),
        (status = 429, body = Problem)))]
pub(crate) async fn put(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path(kind): Path<String>,
    JsonBody(it): JsonBody<TypeBody>,
) -> Result<Json<TypeBody>, Problem> {
    if !is_type_name(&kind) {
        return Err(Problem::invalid("type", "dotted words of letters, digits, underlines and hyphens"));
    }
    let text = it.schema.to_string();
    if text.len() > MAX_SCHEMA_BYTES {
        return Err(Problem::invalid("schema", format!("size: at most {MAX_SCHEMA_BYTES} bytes")));
    }
    state.type_schemas.compile(app, it.schema.clone()).await?.map_err(|why| Problem::invalid("schema", why))?;
    state.table.put_notification_type(app, &kind, &text).await?;
    Ok(Json(it))
}

/// Takes a type's schema away: whatever is sent fits.
#[utoipa::path(delete, path = "/api/v1/Types/{type}", tag = "Types", security(("keys" = [])), params(("type" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn delete(
    Shared(state): Shared<Context>,
    Caller(app): Caller,
    Path(kind): Path<String>,
) -> Result<StatusCode, Problem> {
    if is_type_name(&kind) && state.table.delete_notification_type(app, &kind).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::new(ProblemType::NoSuchType, "the type has no schema"))
    }
}
