//! An application's settings, and the rows that find it by a webhook's secret or an Iconik domain.

use domain::AppId;
use domain::settings::Settings;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::codec::{self, Attributes};
use crate::commit::CommitOutcome;
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::{RangeQuery, Table, condition_held, revision_before};

/// Rows of a domain that are read at a time.
const DOMAIN_PAGE: i32 = 100;

/// The application whose Iconik webhooks carry a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IconikWebhook {
    pub app: AppId,
    /// The Iconik domain that the webhooks must come from.
    pub domain: Option<String>,
    /// Our own user in Iconik, whose changes are ignored.
    pub user: Option<String>,
    /// Collections that are watched; all if empty.
    #[serde(default)]
    pub collections: Vec<Uuid>,
    /// When the secret expires, in milliseconds since 1970, after it was replaced.
    #[serde(default)]
    pub until: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct IconikDomainRow {
    app: AppId,
    /// Iconik named the domain for the application's token. Without this the row is only a claim.
    #[serde(default)]
    named: bool,
}

impl Table {
    /// An application's settings; the defaults if none are stored.
    pub async fn settings(&self, app: AppId) -> Result<Settings, TableError> {
        Ok(self.get(&Row::Settings(app)).await?.unwrap_or_default())
    }

    /// Stores an application's settings, whose revision is the one that was read and one more. `Conflict` if somebody else has stored
    /// others since.
    pub async fn put_settings(&self, app: AppId, settings: &Settings) -> Result<CommitOutcome, TableError> {
        let row = Row::Settings(app);
        let put = self
            .put_item()
            .set_item(Some(codec::encode(&row, settings, Attributes::new())?))
            .condition_expression("attribute_not_exists(revision) OR revision = :before") // older rows have none
            .expression_attribute_values(":before", revision_before(settings.revision));
        if condition_held(&row, put.send().await)? {
            return Ok(CommitOutcome::Committed);
        }
        // the condition also fails on our own write, when its answer was lost and the SDK tried again
        Ok(if self.settings(app).await? == *settings { CommitOutcome::Committed } else { CommitOutcome::Conflict })
    }

    /// The application whose webhooks carry the secret with this SHA-256.
    pub async fn iconik_webhook(&self, hash: &str) -> Result<Option<IconikWebhook>, TableError> {
        self.get(&Row::IconikWebhook(hash.to_owned())).await
    }

    /// Stores the application of a secret, by the secret's SHA-256.
    pub async fn put_iconik_webhook(&self, hash: &str, webhook: &IconikWebhook) -> Result<(), TableError> {
        let extra = webhook.until.map(|it| codec::ttl(it / 1_000 + 1)).unwrap_or_default();
        self.put(&Row::IconikWebhook(hash.to_owned()), webhook, extra).await
    }

    /// Stores whether Iconik itself named this domain for an application's token.
    pub async fn put_iconik_domain(&self, domain: &str, app: AppId, named: bool) -> Result<(), TableError> {
        self.put(&Row::IconikDomain(domain.to_owned(), app), &IconikDomainRow { app, named }, Attributes::new()).await
    }

    /// All applications for which Iconik itself named a domain. Those that only claim it are left out.
    pub async fn applications_of_domain(&self, domain: &str) -> Result<Vec<AppId>, TableError> {
        let partition = keys::iconik_domain(domain);
        let (mut from, mut apps) = ("0".to_owned(), Vec::new());
        loop {
            let range = RangeQuery {
                partition: &partition,
                from: &from,
                to: "~",
                forward: true,
                consistent: true,
                limit: DOMAIN_PAGE,
            };
            let rows = self.query_range(range).await?;
            let is_last_page = rows.len() < DOMAIN_PAGE as usize;
            for row in rows {
                let row: IconikDomainRow = codec::decode("domain", row)?;
                from = format!("{} ", row.app); // the next possible key
                if row.named {
                    apps.push(row.app);
                }
            }
            if is_last_page {
                return Ok(apps);
            }
        }
    }
}
