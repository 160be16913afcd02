//! Who calls: a key pair, with or without a token (channel API, section 2).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use domain::AppId;
use domain::application::{ApiKey, Application};
use domain::id::sha256_hex;
use domain::socket::Member;
use subtle::ConstantTimeEq;
use table::{Table, TableError};

use super::token::Claims;
use super::{Problem, token};
use crate::{Remembered, Seal, clock};

/// How long a key's row is remembered when it is there, and when it is not.
const KNOWN: Duration = Duration::from_secs(60);
const UNKNOWN: Duration = Duration::from_secs(5);
const MOST: usize = 1_000;

/// Checks callers' credentials.
#[derive(Clone)]
pub struct Callers {
    table: Table,
    seal: Arc<Seal>,
    /// Rows of keys by their ids; `None` is a key that nobody has.
    keys: Arc<Remembered<String, Option<ApiKey>>>,
}

/// Why a caller is refused. What exactly was wrong is nobody's business.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    #[error("the credentials are missing or wrong")]
    Credentials,
    #[error("could not check the credentials")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Callers {
    pub fn new(table: Table, seal: Arc<Seal>) -> Self {
        Self { table, seal, keys: Arc::new(Remembered::new(MOST)) }
    }

    /// The application that a request may act for: a machine with its key pair, or a user with a token beside it.
    pub async fn check(&self, headers: &HeaderMap) -> Result<AppId, Unknown> {
        let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let stored = self.key(header("x-api-key")).await?.ok_or(Unknown::Credentials)?;
        let key = matches(header("x-api-key"), &stored.key_hash);
        let secret = matches(header("x-api-secret"), &stored.secret_hash);
        if !(key && secret) {
            return Err(Unknown::Credentials);
        }
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let token = value.to_str().ok().and_then(|it| it.strip_prefix("Bearer ")).ok_or(Unknown::Credentials)?;
            self.token(stored.app, token.trim()).await?;
        }
        Ok(stored.app)
    }

    /// An application's row.
    pub async fn application(&self, app: AppId) -> Result<Application, Unknown> {
        self.table.application(app).await.map_err(internal)?.ok_or(Unknown::Credentials)
    }

    async fn token(&self, app: AppId, token: &str) -> Result<Claims, Unknown> {
        if token::claimed(token) != Some(app) {
            return Err(Unknown::Credentials);
        }
        token::read(token, &self.token_key(app).await?, clock::now()).ok_or(Unknown::Credentials)
    }

    async fn token_key(&self, app: AppId) -> Result<[u8; 32], Unknown> {
        let wrapped = self.application(app).await?.wrapped_key;
        self.seal.derived(app, &wrapped, token::PURPOSE).await.map_err(|it| Unknown::Internal(Box::new(it)))
    }

    /// The user that a token is for, with no key pair beside it. An application's own token is for none.
    pub async fn member(&self, token: &str) -> Result<Member, Unknown> {
        let app = token::claimed(token).ok_or(Unknown::Credentials)?;
        let claims = self.token(app, token).await?;
        let user = claims.sub.ok_or(Unknown::Credentials)?;
        Ok(Member { app, user, groups: claims.groups })
    }

    /// Writes a token for one user.
    pub async fn token_for(&self, member: Member, lifetime: time::Duration) -> Result<String, Unknown> {
        let key = self.token_key(member.app).await?;
        Ok(token::write_for(member, lifetime, &key, clock::now()))
    }

    async fn key(&self, api_key: &str) -> Result<Option<ApiKey>, Unknown> {
        let Some(id) = domain::application::key_id(api_key) else { return Ok(None) };
        if let Some(key) = self.keys.get(id) {
            return Ok(key);
        }
        let key = self.table.api_key(api_key).await.map_err(internal)?;
        self.keys.put(id.to_owned(), key.clone(), if key.is_some() { KNOWN } else { UNKNOWN });
        Ok(key)
    }
}

fn internal(it: TableError) -> Unknown {
    Unknown::Internal(Box::new(it))
}

/// Compares with a stored SHA-256 in constant time.
pub fn matches(secret: &str, hash: &str) -> bool {
    sha256_hex(secret.as_bytes()).as_bytes().ct_eq(hash.as_bytes()).into()
}

/// The caller's application, in a handler's arguments.
pub struct Caller(pub AppId);

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Callers: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Callers::from_ref(state).check(&parts.headers).await.map(Self).map_err(refused)
    }
}

/// How a caller is refused.
pub fn refused(why: Unknown) -> Problem {
    match why {
        Unknown::Credentials => {
            let title = "send x-api-key and x-api-secret of your application";
            Problem::new(StatusCode::UNAUTHORIZED, "credentials", title)
        }
        it => Problem::internal(&it),
    }
}
