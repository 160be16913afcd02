//! Who calls: a key pair, with or without a token, the application's own token, or another issuer's (channel API, section 2).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use domain::AppId;
use domain::application::{ApiKey, Application, Scope, TOKEN_SCOPES};
use domain::id::sha256_hex;
use domain::socket::ConnectionUser;
use domain::ssrf::AllowedNetworks;
use subtle::ConstantTimeEq;
use table::{Table, TableError};

use super::auth_throttle::AuthThrottle;
use super::oidc::Oidc;
use super::token::Claims;
use super::{Problem, ProblemType, TICKET_PREFIX, record_application, token};
use crate::{Seal, TtlCache, clock};

/// How long a key's row is remembered when it is there, and when it is not.
const KEY_TTL: Duration = Duration::from_secs(60);
const UNKNOWN_KEY_TTL: Duration = Duration::from_secs(5);
const MAX_CACHED: usize = 1_000;

/// Checks callers' credentials.
#[derive(Clone)]
pub struct Authenticator {
    table: Table,
    seal: Arc<Seal>,
    /// What callers of this function need.
    scope: Scope,
    oidc: Arc<Oidc>,
    throttle: Arc<AuthThrottle>,
    /// Rows of keys by their ids.
    keys: Arc<TtlCache<String, ApiKey>>,
    /// Ids that nobody has: apart, so that guesses push out no key that is in use.
    unknown_keys: Arc<TtlCache<String, ()>>,
    /// Rows of applications; `None` is one that there is not.
    applications: Arc<TtlCache<AppId, Option<Application>>>,
}

/// What a caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub app: AppId,
    /// The key that was presented, by its id; a token alone has none.
    pub key_id: Option<String>,
    pub scopes: Vec<Scope>,
}

/// Why a caller is refused. What exactly was wrong is nobody's business.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("the credentials are missing or wrong")]
    InvalidCredentials,
    /// There is no key pair, and nothing that could stand in its place: no guess.
    #[error("the credentials are missing")]
    MissingCredentials,
    /// They were good once, by their own word: no guess.
    #[error("the token has expired")]
    ExpiredToken,
    /// Rightly signed, and not good yet: the issuer's clock is ahead of ours, or the caller is early. No guess.
    #[error("the token is not valid yet: its nbf lies ahead of our clock")]
    TokenNotYetValid,
    #[error("the key lacks the scope {}", .0.name())]
    InsufficientScope(Scope),
    #[error("too many wrong credentials came from this address")]
    TooManyFailures,
    /// Who could say whether they are right does not answer; ask again after so many seconds.
    #[error("the issuer of the token does not answer")]
    IssuerUnavailable(u32),
    #[error("could not check the credentials")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Authenticator {
    /// Checks callers of a function that need a scope.
    pub fn new(table: Table, seal: Arc<Seal>, allowed: &AllowedNetworks, scope: Scope) -> Self {
        Self {
            oidc: Arc::new(Oidc::new(table.clone(), allowed.clone())),
            table,
            seal,
            scope,
            throttle: Arc::default(),
            keys: Arc::new(TtlCache::new(MAX_CACHED)),
            unknown_keys: Arc::new(TtlCache::new(MAX_CACHED)),
            applications: Arc::new(TtlCache::new(MAX_CACHED)),
        }
    }

    /// The application that a request may act for, with the scope that this function needs.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, AuthError> {
        self.authorize(headers, self.scope).await
    }

    /// The application that a request may act for, with a scope: a machine with its key pair, a user with a token beside
    /// it, or whoever has a token of an issuer that the application trusts.
    ///
    /// Wrong credentials cost next to nothing: a key is told from other text by its checksum, unknown ones are
    /// remembered, and an address that keeps guessing is told so for a while. Right ones pass from there, too: whoever
    /// guesses may sit behind the same address as others.
    pub async fn authorize(&self, headers: &HeaderMap, scope: Scope) -> Result<Principal, AuthError> {
        let from = client_address(headers);
        let granted = self.count_failure(&from, self.identify(headers, scope).await)?;
        record_application(granted.app);
        if granted.scopes.contains(&scope) { Ok(granted) } else { Err(AuthError::InsufficientScope(scope)) }
    }

    async fn identify(&self, headers: &HeaderMap, scope: Scope) -> Result<Principal, AuthError> {
        let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let token = bearer_token(headers)?;
        if token.is_some_and(|it| token::is_expired(it, clock::now())) {
            return Err(AuthError::ExpiredToken);
        }
        let presented = header("x-api-key");
        if presented.is_empty() {
            let Some(token) = token else { return Err(AuthError::MissingCredentials) };
            if token::is_own(token) {
                return self.application_token(token, scope).await;
            }
            let identity = self.oidc.read(token, named_application(headers)).await?;
            return Ok(Principal { app: identity.member.app, key_id: None, scopes: identity.scopes });
        }
        let stored = self.key(presented).await?.ok_or(AuthError::InvalidCredentials)?;
        let key = matches_hash(presented, &stored.key_hash);
        let secret = matches_hash(header("x-api-secret"), &stored.secret_hash);
        if !(key && secret) || stored.has_expired(domain::millis(clock::now())) {
            return Err(AuthError::InvalidCredentials);
        }
        let of = match token {
            Some(token) if token::is_own(token) => self.verify_token(stored.app, token).await?.application,
            Some(token) => self.oidc.read(token, Some(stored.app)).await?.member.app,
            None => stored.app,
        };
        if of != stored.app {
            return Err(AuthError::InvalidCredentials); // good, but another application's
        }
        Ok(Principal { app: stored.app, key_id: Some(stored.id), scopes: stored.scopes })
    }

    /// What an application's own token is good for alone. Where it is not, a key pair is missing (channel API, section 2.4).
    async fn application_token(&self, token: &str, scope: Scope) -> Result<Principal, AuthError> {
        let app = token::unverified_application(token, clock::now()).ok_or(AuthError::InvalidCredentials)?;
        let claims = self.verify_token(app, token).await?;
        if claims.sub.is_some() || !TOKEN_SCOPES.contains(&scope) {
            return Err(AuthError::MissingCredentials);
        }
        Ok(Principal { app, key_id: None, scopes: TOKEN_SCOPES.to_vec() })
    }

    /// Counts that the credentials of a request, which were checked elsewhere, are wrong; answers how it is refused.
    pub fn record_failure(&self, headers: &HeaderMap) -> AuthError {
        self.throttle.record_failure(&client_address(headers))
    }

    fn count_failure<T>(&self, from: &str, checked: Result<T, AuthError>) -> Result<T, AuthError> {
        checked.map_err(|why| {
            if matches!(why, AuthError::InvalidCredentials) { self.throttle.record_failure(from) } else { why }
        })
    }

    /// An application's row.
    pub async fn application(&self, app: AppId) -> Result<Application, AuthError> {
        if let Some(it) = self.applications.get(&app) {
            return it.ok_or(AuthError::InvalidCredentials);
        }
        let it = self.table.application(app).await.map_err(internal_error)?;
        self.applications.put(app, it.clone(), if it.is_some() { KEY_TTL } else { UNKNOWN_KEY_TTL });
        it.ok_or(AuthError::InvalidCredentials)
    }

    async fn verify_token(&self, app: AppId, token: &str) -> Result<Claims, AuthError> {
        if token::unverified_application(token, clock::now()) != Some(app) {
            return Err(AuthError::InvalidCredentials);
        }
        token::verify(token, &self.token_key(app).await?, clock::now()).ok_or(AuthError::InvalidCredentials)
    }

    async fn token_key(&self, app: AppId) -> Result<[u8; 32], AuthError> {
        let wrapped = self.application(app).await?.wrapped_key;
        self.seal.derive_key(app, &wrapped, token::KEY_PURPOSE).await.map_err(|it| AuthError::Internal(Box::new(it)))
    }

    /// The user that a ticket or a token is for, with no key pair beside it. An application's own token is for none.
    /// `named` is the application that the request names, for another issuer's token that names none itself. Wrong ones
    /// are counted by the address that `headers` tell.
    pub async fn authenticate_user(
        &self,
        headers: &HeaderMap,
        pass: &str,
        named: Option<AppId>,
    ) -> Result<ConnectionUser, AuthError> {
        if token::is_expired(pass, clock::now()) {
            return Err(AuthError::ExpiredToken);
        }
        let member = self.count_failure(&client_address(headers), self.read_user_token(pass, named).await)?;
        record_application(member.app);
        Ok(member)
    }

    async fn read_user_token(&self, pass: &str, named: Option<AppId>) -> Result<ConnectionUser, AuthError> {
        if pass.starts_with(TICKET_PREFIX) {
            let taken = self.table.redeem_ticket(&sha256_hex(pass.as_bytes()), clock::now()).await;
            return taken.map_err(internal_error)?.ok_or(AuthError::InvalidCredentials);
        }
        if !token::is_own(pass) {
            return Ok(self.oidc.read(pass, named).await?.member);
        }
        let app = token::unverified_application(pass, clock::now()).ok_or(AuthError::InvalidCredentials)?;
        let claims = self.verify_token(app, pass).await?;
        let user = claims.sub.ok_or(AuthError::InvalidCredentials)?;
        Ok(ConnectionUser { app, user, groups: claims.groups })
    }

    /// Writes a token for one user.
    pub async fn issue_token(&self, member: ConnectionUser, lifetime: time::Duration) -> Result<String, AuthError> {
        let key = self.token_key(member.app).await?;
        Ok(token::issue_for_user(member, lifetime, &key, clock::now()))
    }

    async fn key(&self, api_key: &str) -> Result<Option<ApiKey>, AuthError> {
        let Some(id) = domain::application::key_id(api_key) else { return Ok(None) };
        if let Some(key) = self.keys.get(id) {
            return Ok(Some(key));
        }
        if self.unknown_keys.get(id).is_some() {
            return Ok(None);
        }
        let key = self.table.api_key(api_key).await.map_err(internal_error)?;
        match &key {
            Some(key) => self.keys.put(id.to_owned(), key.clone(), KEY_TTL),
            None => self.unknown_keys.put(id.to_owned(), (), UNKNOWN_KEY_TTL),
        }
        Ok(key)
    }
}

fn internal_error(it: TableError) -> AuthError {
    AuthError::Internal(Box::new(it))
}

/// The token that a request bears, if it bears one; `Credentials` if the header has another form.
pub fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let (scheme, token) = value.to_str().ok().and_then(|it| it.split_once(' ')).ok_or(AuthError::InvalidCredentials)?;
    // the scheme's case is free (RFC 9110, section 11.1)
    if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(token.trim())) } else { Err(AuthError::InvalidCredentials) }
}

/// Whether a token says to be an application's own, and no user's: whoever has it speaks for every user.
pub fn is_application_token(token: &str) -> bool {
    token::is_own(token) && token::unverified_claims::<Claims>(token).is_some_and(|it| it.sub.is_none())
}

/// The application that a request names beside its token.
pub fn named_application(headers: &HeaderMap) -> Option<AppId> {
    headers.get("x-application-id")?.to_str().ok()?.parse().ok()
}

/// Where a request comes from: API Gateway adds the address that it saw to the end of this header.
fn client_address(headers: &HeaderMap) -> String {
    let all = headers.get("x-forwarded-for").and_then(|it| it.to_str().ok()).unwrap_or_default();
    all.rsplit(',').next().unwrap_or_default().trim().to_owned()
}

/// Compares with a stored SHA-256 in constant time.
pub fn matches_hash(secret: &str, hash: &str) -> bool {
    sha256_hex(secret.as_bytes()).as_bytes().ct_eq(hash.as_bytes()).into()
}

/// The caller's application, in a handler's arguments.
pub struct Caller(pub AppId);

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Authenticator: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let app = Authenticator::from_ref(state).authenticate(&parts.headers).await.map_err(auth_problem)?.app;
        // whoever names an application means that one
        if named_application(&parts.headers).is_some_and(|it| it != app) {
            let why = "the credentials are another application's than the one that x-application-id names";
            return Err(Problem::new(ProblemType::OtherApplication, why));
        }
        Ok(Self(app))
    }
}

/// How a caller is refused.
pub fn auth_problem(why: AuthError) -> Problem {
    match why {
        AuthError::InvalidCredentials | AuthError::MissingCredentials => {
            let title = "send x-api-key and x-api-secret of your application, or a token that is good for this";
            Problem::new(ProblemType::Credentials, title)
        }
        AuthError::ExpiredToken => Problem::new(ProblemType::Expired, why.to_string()),
        AuthError::TokenNotYetValid => Problem::new(ProblemType::Early, why.to_string()),
        AuthError::InsufficientScope(_) => Problem::new(ProblemType::Scope, why.to_string()),
        AuthError::TooManyFailures => Problem::too_many(why.to_string(), super::auth_throttle::WINDOW.as_secs() as u32),
        AuthError::IssuerUnavailable(after) => {
            Problem { retry_after: Some(after), ..Problem::new(ProblemType::Issuer, why.to_string()) }
        }
        it => Problem::internal(&it),
    }
}
