//! The JSON Schemas of notification types: compiled, cached, and applied within a quota of time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::AppId;
use entry::TtlCache;
use entry::http::Problem;
use serde_json::Value;
use table::Table;

use crate::schema::Schema;
use crate::schema_quota::{MAX_TIME, TimeQuota};

/// How long a schema is cached, and so how soon a change applies everywhere.
const CACHE_TTL: Duration = Duration::from_secs(10);
/// Cached types without a schema.
const MAX_WITHOUT_SCHEMA: usize = 500;
/// Cached light and heavy schemas. A compiled schema takes up to about 5 MB with the caches of its patterns, usually a few
/// kilobytes; the function has 256 MB.
const MAX_LIGHT: usize = 32;
const MAX_HEAVY: usize = 4;
/// The deadline of compiling a schema, or of validating data by it. With 256 MB of memory this is 0.3 s of a processor,
/// several times what the limits and the budget allow (`schema.rs`).
const DEADLINE: Duration = Duration::from_secs(2);
/// The stack of the threads that compile and apply schemas. The limits bound their recursion: 2,048 nested subschemas over
/// data (`schema_cost.rs`), or 1,000 while compiling, some kilobytes each without optimisation. The memory is committed only
/// as it is used.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// The runtime of a function that compiles and applies schemas: as `#[tokio::main(flavor = "current_thread")]`, which
/// cannot set the stack size of blocking threads.
///
/// # Errors
/// If the operating system gives no resources for it.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().thread_stack_size(STACK_BYTES).build()
}

/// The cached state of a type's schema.
#[derive(Clone)]
enum CachedSchema {
    Compiled(Arc<Schema>),
    /// It was stored under earlier, wider limits. The reason is for the caller.
    Rejected(Arc<str>),
}

/// The schemas of all applications' types, cached for ten seconds.
#[derive(Clone)]
pub struct TypeSchemas {
    /// Types without a schema.
    without_schema: Arc<TtlCache<(AppId, String), ()>>,
    light: Arc<TtlCache<(AppId, String), CachedSchema>>,
    /// A few heavy schemas, so that a batch of notifications compiles each once.
    heavy: Arc<TtlCache<(AppId, String), CachedSchema>>,
    quota: Arc<TimeQuota>,
}

impl Default for TypeSchemas {
    fn default() -> Self {
        let [light, heavy] = [MAX_LIGHT, MAX_HEAVY].map(|it| Arc::new(TtlCache::new(it)));
        Self { without_schema: Arc::new(TtlCache::new(MAX_WITHOUT_SCHEMA)), light, heavy, quota: Arc::default() }
    }
}

impl TypeSchemas {
    /// Validates the data of a notification by the schema of its type, if there is one.
    ///
    /// # Errors
    /// 422 if the data is not valid, or the schema or the data is too expensive; 429 if the application has used up its quota.
    pub async fn check(&self, table: &Table, app: AppId, kind: &str, data: &Value) -> Result<(), Problem> {
        match self.schema_of(table, app, kind).await? {
            None => Ok(()),
            Some(CachedSchema::Rejected(reason)) => {
                let detail = format!("the schema of `{kind}` cannot be used any more, give it another one: {reason}");
                Err(Problem::invalid("schema", detail))
            }
            Some(CachedSchema::Compiled(schema)) => {
                let data = data.clone();
                let timeout = "time: the data could not be held against the schema of its type";
                self.run_with_deadline(app, timeout, move || schema.validate(&data)).await?
            }
        }
    }

    async fn schema_of(&self, table: &Table, app: AppId, kind: &str) -> Result<Option<CachedSchema>, Problem> {
        let key = (app, kind.to_owned());
        if self.without_schema.get(&key).is_some() {
            return Ok(None);
        }
        if let Some(cached) = self.light.get(&key).or_else(|| self.heavy.get(&key)) {
            return Ok(Some(cached));
        }
        let Some(schema) = table.notification_type(app, kind).await? else {
            self.without_schema.put(key, (), CACHE_TTL);
            return Ok(None);
        };
        let cached = match self.compile(app, serde_json::from_str(&schema)?).await? {
            Ok(schema) => CachedSchema::Compiled(Arc::new(schema)),
            Err(reason) => CachedSchema::Rejected(reason.into()),
        };
        let is_heavy = matches!(&cached, CachedSchema::Compiled(schema) if !schema.is_light());
        let cache = if is_heavy { &self.heavy } else { &self.light };
        cache.put(key, cached.clone(), CACHE_TTL);
        Ok(Some(cached))
    }

    /// Compiles a schema. An inner error is the reason why it is rejected.
    pub async fn compile(&self, app: AppId, schema: Value) -> Result<Result<Schema, String>, Problem> {
        self.run_with_deadline(app, "time: the schema could not be compiled", move || Schema::new(&schema)).await
    }

    /// Runs `work` on a blocking thread, and charges its time to the application. The thread cannot be stopped: the limits
    /// ensure that it ends.
    async fn run_with_deadline<T, F>(&self, app: AppId, timeout: &str, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        if let Err(wait) = self.quota.reserve(app, DEADLINE, Instant::now()) {
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            let max = MAX_TIME.as_secs();
            let detail = format!("the schemas of this application took {max} s within a minute; send less at once");
            return Err(Problem::too_many(detail, seconds));
        }
        let quota = Arc::clone(&self.quota);
        let work = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let output = work();
            quota.settle(app, DEADLINE, started.elapsed());
            output
        });
        match tokio::time::timeout(DEADLINE, work).await {
            Ok(output) => Ok(output?),
            Err(_) => Err(Problem::invalid("schema", format!("{timeout} within {} s", DEADLINE.as_secs()))),
        }
    }
}
