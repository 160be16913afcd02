//! Applications, their API keys and refresh tokens, and what was noted of them.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use domain::AppId;
use domain::application::{ApiKey, Application};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{Attributes, CAPACITY, PutOutcome, RangeQuery, Row, Table, TableError, codec, keys};

/// How long audit records are kept, in seconds: a year.
const AUDIT_RETENTION_SECONDS: i64 = 365 * 86_400;

/// A refresh token as it is stored, under its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshToken {
    pub app: AppId,
    /// The same for all tokens that came of one another.
    pub family: String,
    /// Seconds since 1970.
    pub expires: i64,
}

/// What became of a refresh token that was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// It is good, and used up now.
    Valid(RefreshToken),
    /// It was used before: somebody has a copy. Its whole family is void.
    Reused,
    /// Nobody has such a token, or not any more.
    Unknown,
}

/// An application in the list of all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApplicationSummary {
    pub app: AppId,
    pub name: String,
    /// Milliseconds.
    pub created_at: i64,
}

#[derive(Serialize, Deserialize)]
struct TokenFamilyRow {
    expires: i64,
}

#[derive(Serialize)]
struct AuditRow {
    what: String,
    at: i64,
}

const IF_ABSENT: &str = "attribute_not_exists(PK)";
const IF_PRESENT: &str = "attribute_exists(PK)";

impl Table {
    /// Stores an application with its first key, together.
    pub async fn put_application(&self, app: &Application, key: &ApiKey) -> Result<(), TableError> {
        let listed =
            ApplicationSummary { app: app.id, name: app.name.clone(), created_at: domain::millis(app.created_at) };
        self.put_together(
            &Row::Application(app.id),
            vec![
                self.transaction_put(&Row::Application(app.id), app, Attributes::new(), IF_ABSENT)?,
                self.transaction_put(&Row::ApplicationSummary(app.id), &listed, Attributes::new(), IF_ABSENT)?,
                self.transaction_put(&Row::ApiKey(key.id.clone()), key, Attributes::new(), IF_ABSENT)?,
                self.transaction_put(&Row::ApplicationKey(app.id, key.id.clone()), key, Attributes::new(), IF_ABSENT)?,
            ],
        )
        .await
    }

    pub async fn replace_application(&self, app: &Application) -> Result<bool, TableError> {
        self.replace(&Row::Application(app.id), app, Attributes::new()).await
    }

    /// An application, if there is one of that id.
    pub async fn application(&self, app: AppId) -> Result<Option<Application>, TableError> {
        self.get(&Row::Application(app)).await
    }

    /// All applications, by id, at most 1,000.
    pub async fn applications(&self) -> Result<Vec<ApplicationSummary>, TableError> {
        let ask = RangeQuery {
            partition: keys::APPLICATIONS,
            from: "0",
            to: "~",
            forward: true,
            consistent: true,
            limit: 1_000,
        };
        self.query_range(ask).await?.into_iter().map(|it| codec::decode("listed", it)).collect()
    }

    /// What is stored for an API key; `None` for a text that is no key, or a key that nobody has.
    pub async fn api_key(&self, api_key: &str) -> Result<Option<ApiKey>, TableError> {
        match Row::of_api_key(api_key) {
            Some(row) => self.get(&row).await,
            None => Ok(None),
        }
    }

    /// The keys of an application, by id.
    pub async fn api_keys(&self, app: AppId) -> Result<Vec<ApiKey>, TableError> {
        self.query_by_prefix(app, "KEY", "key").await
    }

    /// Stores a new key and, where it replaces one, that one's end: together.
    pub async fn put_api_key(&self, key: &ApiKey, replaced: Option<&ApiKey>) -> Result<(), TableError> {
        let mut rows = Vec::new();
        for (key, condition) in [(Some(key), IF_ABSENT), (replaced, IF_PRESENT)] {
            let Some(key) = key else { continue };
            // DynamoDB clears away what has ended long ago
            let ttl = || key.expires_at.map(|it| codec::ttl(it / 1_000 + 86_400)).unwrap_or_default();
            rows.push(self.transaction_put(&Row::ApiKey(key.id.clone()), key, ttl(), condition)?);
            rows.push(self.transaction_put(&Row::ApplicationKey(key.app, key.id.clone()), key, ttl(), condition)?);
        }
        self.put_together(&Row::ApiKey(key.id.clone()), rows).await
    }

    /// Ends a key now; `false` if the application has none of that id.
    pub async fn delete_api_key(&self, app: AppId, id: &str) -> Result<bool, TableError> {
        // the list is the application's own: what is not in it is not its key
        if !self.api_keys(app).await?.iter().any(|it| it.id == id) {
            return Ok(false);
        }
        self.delete(&Row::ApiKey(id.to_owned())).await?;
        self.delete(&Row::ApplicationKey(app, id.to_owned())).await
    }

    pub async fn put_refresh_token(&self, hash: &str, token: &RefreshToken) -> Result<PutOutcome, TableError> {
        let row = Row::RefreshToken(hash.to_owned());
        self.put_new(&row, token, hash, codec::ttl(token.expires)).await
    }

    /// Uses a refresh token: once. With a second use its family ends.
    /// `nonce` tells this use from another one.
    pub async fn redeem_refresh_token(
        &self,
        app: AppId,
        hash: &str,
        nonce: &str,
        now: OffsetDateTime,
    ) -> Result<RefreshOutcome, TableError> {
        let row = Row::RefreshToken(hash.to_owned());
        let token = self.get::<RefreshToken>(&row).await?;
        let token = token.filter(|it| it.app == app && it.expires > now.unix_timestamp());
        let Some(token) = token else { return Ok(RefreshOutcome::Unknown) };
        let (pk, sk) = row.key();
        let update = self.client.update_item().table_name(&self.name).return_consumed_capacity(CAPACITY);
        let update = update
            .key("PK", AttributeValue::S(pk))
            .key("SK", AttributeValue::S(sk))
            .update_expression("SET used = :nonce")
            // the SDK tries again when an answer is lost: what we have used ourselves is ours
            .condition_expression("attribute_exists(PK) AND (attribute_not_exists(used) OR used = :nonce)")
            .expression_attribute_values(":nonce", AttributeValue::S(nonce.to_owned()));
        match update.send().await.map_err(|it| it.into_service_error()) {
            Ok(_) => {}
            Err(it) if it.is_conditional_check_failed_exception() => {
                let family = Row::TokenFamily(token.family.clone());
                self.put(&family, &TokenFamilyRow { expires: token.expires }, codec::ttl(token.expires + 8 * 86_400))
                    .await?;
                return Ok(RefreshOutcome::Reused);
            }
            Err(source) => return Err(TableError::write(&row, source)),
        }
        let void: Option<TokenFamilyRow> = self.get(&Row::TokenFamily(token.family.clone())).await?;
        Ok(if void.is_some() { RefreshOutcome::Unknown } else { RefreshOutcome::Valid(token) })
    }

    /// Notes what somebody did, for a year.
    pub async fn put_audit(&self, app: AppId, what: &Value, id: &str, now: OffsetDateTime) -> Result<(), TableError> {
        let at = domain::millis(now);
        let row = Row::Audit(app, at, id.to_owned());
        self.put(&row, &AuditRow { what: what.to_string(), at }, codec::ttl(at / 1_000 + AUDIT_RETENTION_SECONDS)).await
    }

    async fn put_together(&self, row: &Row, rows: Vec<aws_sdk_dynamodb::types::Put>) -> Result<(), TableError> {
        let rows = rows.into_iter().map(|it| TransactWriteItem::builder().put(it).build()).collect();
        let write = self.client.transact_write_items().set_transact_items(Some(rows));
        write.return_consumed_capacity(CAPACITY).send().await.map(drop).map_err(|it| TableError::write(row, it))
    }
}
