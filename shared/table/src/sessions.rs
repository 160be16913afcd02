//! Sessions of browsers, and the codes that begin one.

use aws_sdk_dynamodb::types::ReturnValue;
use domain::AppId;
use domain::application::{ApiKey, Scope};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::codec;
use crate::error::TableError;
use crate::keys::Row;
use crate::table::Table;

/// Whoever has signed in, with what, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub app: AppId,
    pub scopes: Vec<Scope>,
    /// The id of the key that signed in; `None` for a token of an OpenID Connect issuer, or the application's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The issuer at which the visitor signed in by redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// When it ends, in milliseconds since 1970.
    pub until: i64,
    /// Until when it can be extended, in milliseconds since 1970.
    pub latest: i64,
}

impl Table {
    /// Stores a session by the SHA-256 of its secret.
    pub async fn put_session(&self, hash: &str, session: &Session) -> Result<(), TableError> {
        self.put(&Row::Session(hash.to_owned()), session, codec::ttl(session.until / 1_000 + 1)).await
    }

    /// Stores a later end of a session; `false` if it was ended in the meantime, and stays so.
    pub async fn extend_session(&self, hash: &str, session: &Session) -> Result<bool, TableError> {
        self.replace(&Row::Session(hash.to_owned()), session, codec::ttl(session.until / 1_000 + 1)).await
    }

    /// A session that has not ended, by the SHA-256 of its secret.
    pub async fn session(&self, hash: &str, now: OffsetDateTime) -> Result<Option<Session>, TableError> {
        let session: Option<Session> = self.get(&Row::Session(hash.to_owned())).await?;
        Ok(session.filter(|it| it.until > domain::millis(now)))
    }

    /// Ends a session.
    pub async fn delete_session(&self, hash: &str) -> Result<(), TableError> {
        self.delete(&Row::Session(hash.to_owned())).await.map(drop)
    }

    /// Stores what a code signs in to, by the code's SHA-256. `until` is the code's end.
    pub async fn put_sign_in_code(&self, hash: &str, session: &Session) -> Result<(), TableError> {
        self.put(&Row::SignInCode(hash.to_owned()), session, codec::ttl(session.until / 1_000 + 1)).await
    }

    /// Redeems a code: the first caller gets what it signs in to, every other one `None`. A guess costs a read and no write.
    pub async fn redeem_sign_in_code(&self, hash: &str, now: OffsetDateTime) -> Result<Option<Session>, TableError> {
        let row = Row::SignInCode(hash.to_owned());
        let is_valid = |it: &Session| it.until > domain::millis(now);
        if !self.get::<Session>(&row).await?.is_some_and(|it| is_valid(&it)) {
            return Ok(None);
        }
        let delete = self.delete_item(&row).return_values(ReturnValue::AllOld);
        let response = delete.send().await.map_err(|it| TableError::write(&row, it))?;
        let stored = response.attributes.filter(|it| !it.is_empty());
        let session: Option<Session> = stored.map(|it| codec::decode(row.kind(), it)).transpose()?;
        Ok(session.filter(is_valid))
    }

    /// The stored key of an id, wherever its text is; `None` if it was revoked.
    pub async fn api_key_of_id(&self, id: &str) -> Result<Option<ApiKey>, TableError> {
        self.get(&Row::ApiKey(id.to_owned())).await
    }
}
