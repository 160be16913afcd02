//! The secrets of our webhooks at Iconik: whose each is.

use std::time::Duration;

use domain::id::sha256_hex;
use entry::{TtlCache, clock};
use table::{IconikWebhook, Table, TableError};

/// How long a secret's row is cached when it is there, and that it is not there.
const FOUND_TTL: Duration = Duration::from_secs(60);
const MISSING_TTL: Duration = Duration::from_secs(5);
const MAX_CACHED: usize = 1_000;

/// Rows of secrets by their hashes.
pub(crate) struct WebhookSecrets {
    table: Table,
    cache: TtlCache<String, Option<IconikWebhook>>,
}

impl WebhookSecrets {
    pub(crate) fn new(table: Table) -> Self {
        Self { table, cache: TtlCache::new(MAX_CACHED) }
    }

    /// The row of a secret; `None` if no application has it, or it has expired. The row is found by the secret's hash,
    /// so that no comparison reveals by its duration how much of a guess was right.
    pub(crate) async fn find(&self, secret: &str) -> Result<Option<IconikWebhook>, TableError> {
        let hash = sha256_hex(secret.as_bytes());
        if let Some(webhook) = self.cache.get(&hash) {
            return Ok(webhook);
        }
        let webhook = self.table.iconik_webhook(&hash).await?;
        let webhook = webhook.filter(|it| it.until.is_none_or(|until| until > domain::millis(clock::now())));
        self.cache.put(hash, webhook.clone(), if webhook.is_some() { FOUND_TTL } else { MISSING_TTL });
        Ok(webhook)
    }
}
