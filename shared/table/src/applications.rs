//! Applications, their API keys, their refresh tokens and their audit records.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use domain::AppId;
use domain::application::{ApiKey, Application};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::codec::{self, Attributes};
use crate::error::TableError;
use crate::keys::{self, Row};
use crate::table::{IF_ABSENT, IF_PRESENT, PutOutcome, RangeQuery, Table, condition_held};

/// How long audit records are kept: a year.
const AUDIT_RETENTION_SECONDS: i64 = 365 * 86_400;

/// A refresh token as it is stored, under its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshToken {
    pub app: AppId,
    /// The token family: the same for all tokens that were issued for one another.
    pub family: String,
    /// Seconds since 1970.
    pub expires: i64,
}

/// The outcome of presenting a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// The token was valid, and is used up now.
    Valid(RefreshToken),
    /// The token was used before, so there is a copy of it: its whole family is revoked (RFC 9700, section 4.14.2).
    Reused,
    /// There is no such token of this application, or it has expired, or its family is revoked.
    Unknown,
}

/// An application in the list of all applications.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApplicationSummary {
    pub app: AppId,
    pub name: String,
    /// Milliseconds since 1970.
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

impl Table {
    /// Stores a new application with its first key, in one transaction.
    pub async fn put_application(&self, app: &Application, key: &ApiKey) -> Result<(), TableError> {
        let summary =
            ApplicationSummary { app: app.id, name: app.name.clone(), created_at: domain::millis(app.created_at) };
        self.put_together(
            &Row::Application(app.id),
            vec![
                self.transaction_put(&Row::Application(app.id), app, Attributes::new(), IF_ABSENT)?,
                self.transaction_put(&Row::ApplicationSummary(app.id), &summary, Attributes::new(), IF_ABSENT)?,
                self.transaction_put(&Row::ApiKey(key.id.clone()), key, Attributes::new(), IF_ABSENT)?,
                self.transaction_put(&Row::ApplicationKey(app.id, key.id.clone()), key, Attributes::new(), IF_ABSENT)?,
            ],
        )
        .await
    }

    /// Replaces an application; `false` if it does not exist.
    pub async fn replace_application(&self, app: &Application) -> Result<bool, TableError> {
        self.replace(&Row::Application(app.id), app, Attributes::new()).await
    }

    /// An application by its id.
    pub async fn application(&self, app: AppId) -> Result<Option<Application>, TableError> {
        self.get(&Row::Application(app)).await
    }

    /// All applications, by id, at most 1,000.
    pub async fn applications(&self) -> Result<Vec<ApplicationSummary>, TableError> {
        let range = RangeQuery {
            partition: keys::APPLICATIONS,
            from: "0",
            to: "~",
            forward: true,
            consistent: true,
            limit: 1_000,
        };
        self.query_range(range).await?.into_iter().map(|it| codec::decode("listed", it)).collect()
    }

    /// The stored key of an API key; `None` if the text is not a key, or the key is unknown.
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

    /// Stores a new key and, if it replaces one, that one with its expiry, in one transaction.
    pub async fn put_api_key(&self, key: &ApiKey, replaced: Option<&ApiKey>) -> Result<(), TableError> {
        let mut rows = Vec::new();
        for (key, condition) in [(Some(key), IF_ABSENT), (replaced, IF_PRESENT)] {
            let Some(key) = key else { continue };
            // DynamoDB deletes expired keys a day later
            let ttl = || key.expires_at.map(|it| codec::ttl(it / 1_000 + 86_400)).unwrap_or_default();
            rows.push(self.transaction_put(&Row::ApiKey(key.id.clone()), key, ttl(), condition)?);
            rows.push(self.transaction_put(&Row::ApplicationKey(key.app, key.id.clone()), key, ttl(), condition)?);
        }
        self.put_together(&Row::ApiKey(key.id.clone()), rows).await
    }

    /// Revokes a key; `false` if the application has none of that id.
    pub async fn delete_api_key(&self, app: AppId, id: &str) -> Result<bool, TableError> {
        if !self.api_keys(app).await?.iter().any(|it| it.id == id) {
            return Ok(false);
        }
        self.delete(&Row::ApiKey(id.to_owned())).await?;
        self.delete(&Row::ApplicationKey(app, id.to_owned())).await
    }

    /// Stores a new refresh token by its SHA-256.
    pub async fn put_refresh_token(&self, hash: &str, token: &RefreshToken) -> Result<PutOutcome, TableError> {
        let row = Row::RefreshToken(hash.to_owned());
        self.put_new(&row, token, hash, codec::ttl(token.expires)).await
    }

    /// Redeems a refresh token, which can be done one time: a second use revokes its family. `nonce` identifies this use, so
    /// that the SDK's repeats of it are not a second one.
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
        let update = self
            .update_item(&row)
            .update_expression("SET used = :nonce")
            .condition_expression("attribute_exists(PK) AND (attribute_not_exists(used) OR used = :nonce)")
            .expression_attribute_values(":nonce", AttributeValue::S(nonce.to_owned()));
        let family = Row::TokenFamily(token.family.clone());
        if !condition_held(&row, update.send().await)? {
            self.put(&family, &TokenFamilyRow { expires: token.expires }, codec::ttl(token.expires + 8 * 86_400))
                .await?;
            return Ok(RefreshOutcome::Reused);
        }
        let revoked: Option<TokenFamilyRow> = self.get(&family).await?;
        Ok(if revoked.is_some() { RefreshOutcome::Unknown } else { RefreshOutcome::Valid(token) })
    }

    /// Stores an audit record for a year. `what` says what was done, and by whom.
    pub async fn put_audit(&self, app: AppId, what: &Value, id: &str, now: OffsetDateTime) -> Result<(), TableError> {
        let at = domain::millis(now);
        let row = Row::Audit(app, at, id.to_owned());
        self.put(&row, &AuditRow { what: what.to_string(), at }, codec::ttl(at / 1_000 + AUDIT_RETENTION_SECONDS)).await
    }

    /// Makes puts in one transaction; an error names `row`.
    async fn put_together(&self, row: &Row, puts: Vec<Put>) -> Result<(), TableError> {
        let writes = puts.into_iter().map(|it| TransactWriteItem::builder().put(it).build()).collect();
        self.transaction(writes).send().await.map(drop).map_err(|it| TableError::write(row, it))
    }
}
