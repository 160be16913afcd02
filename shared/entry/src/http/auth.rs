//! Authentication of callers: by a key pair, with or without a token; by the application's own token; by a token of another
//! issuer; or by a ticket (channel API, section 2).

pub mod sign_in;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use domain::AppId;
use domain::application::{Access, ApiKey, Application, Scope, TOKEN_SCOPES, allows};
use domain::id::sha256_hex;
use domain::socket::ConnectionUser;
use domain::ssrf::AllowedNetworks;
use subtle::ConstantTimeEq;
use table::{Table, TableError};

use super::auth_error::{AuthError, auth_problem};
use super::auth_throttle::AuthThrottle;
use super::oidc::Oidc;
use super::problem::{Problem, ProblemType};
use super::request_application::record_application;
use super::token;
use super::token::Claims;
use crate::seal::Seal;
use crate::ttl_cache::TtlCache;
use crate::{client_address, clock};

/// The prefix of tickets, which tells them from tokens.
pub const TICKET_PREFIX: &str = "tkt_";

/// How long an existing key or application is cached, and a missing one.
const KEY_TTL: Duration = Duration::from_secs(60);
const UNKNOWN_KEY_TTL: Duration = Duration::from_secs(5);
const MAX_CACHED: usize = 1_000;

/// Checks callers' credentials.
#[derive(Clone)]
pub struct Authenticator {
    table: Table,
    seal: Arc<Seal>,
    /// The scope that callers of this function need.
    scope: Scope,
    oidc: Arc<Oidc>,
    throttle: Arc<AuthThrottle>,
    /// Rows of keys by their ids.
    keys: Arc<TtlCache<String, ApiKey>>,
    /// Ids of keys that do not exist. A cache of their own, so that guesses do not evict keys in use.
    unknown_keys: Arc<TtlCache<String, ()>>,
    /// Rows of applications; `None` for one that does not exist.
    applications: Arc<TtlCache<AppId, Option<Application>>>,
}

/// An authenticated caller: its application and its scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub app: AppId,
    /// The id of the key that was presented; `None` for a token alone.
    pub key_id: Option<String>,
    pub scopes: Vec<Scope>,
}

impl Principal {
    /// Whether its scopes allow this.
    pub fn may(&self, scope: Scope, access: Access) -> bool {
        allows(&self.scopes, scope, access)
    }
}

/// What a request of this method does: the safe ones read (RFC 9110, section 9.2.1).
pub fn access_of(method: &Method) -> Access {
    if method.is_safe() { Access::Read } else { Access::Change }
}

impl Authenticator {
    /// Checks the callers of a function that requires a scope. Issuers are fetched from public addresses and the `allowed`
    /// networks.
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

    /// The caller that [`Self::authenticate`] finds, whose application is the one that the request names, if it names one.
    ///
    /// # Errors
    /// As the problem that is answered.
    pub async fn named_principal(&self, headers: &HeaderMap, access: Access) -> Result<Principal, Problem> {
        let principal = self.authenticate(headers, access).await.map_err(auth_problem)?;
        check_named_application(headers, principal.app)?;
        Ok(principal)
    }

    /// Authenticates a request, and checks the scope that this function requires.
    pub async fn authenticate(&self, headers: &HeaderMap, access: Access) -> Result<Principal, AuthError> {
        self.authorize(headers, self.scope, access).await
    }

    /// Authenticates a request, and checks a scope. The credentials are a key pair, with or without a token beside it, or a
    /// token alone: the application's own, or one of an issuer that the application trusts.
    ///
    /// Wrong credentials are cheap: a checksum tells keys from other texts, unknown keys are cached, and an address that
    /// keeps guessing is answered with 429 for a while. Right credentials pass from there, too, since many callers may
    /// share an address.
    pub async fn authorize(&self, headers: &HeaderMap, scope: Scope, access: Access) -> Result<Principal, AuthError> {
        let principal = self.count_failure(headers, self.identify(headers, Some(scope)).await)?;
        record_application(principal.app);
        if principal.may(scope, access) { Ok(principal) } else { Err(AuthError::InsufficientScope(scope)) }
    }

    /// Authenticates a request whatever its scopes are: the caller checks them. The credentials are those of
    /// [`Authenticator::authorize`].
    pub async fn principal(&self, headers: &HeaderMap) -> Result<Principal, AuthError> {
        let principal = self.count_failure(headers, self.identify(headers, None).await)?;
        record_application(principal.app);
        Ok(principal)
    }

    /// `scope` is the one that is needed, if only one is.
    async fn identify(&self, headers: &HeaderMap, scope: Option<Scope>) -> Result<Principal, AuthError> {
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
        let app = match token {
            Some(token) if token::is_own(token) => self.verify_token(stored.app, token).await?.application,
            Some(token) => self.oidc.read(token, Some(stored.app)).await?.member.app,
            None => stored.app,
        };
        if app != stored.app {
            return Err(AuthError::InvalidCredentials); // a valid token, but of another application
        }
        Ok(Principal { app, key_id: Some(stored.id), scopes: stored.scopes })
    }

    /// Authenticates by an application's own token alone, or a session's; `MissingCredentials` where a key pair is required
    /// (channel API, section 2.4).
    async fn application_token(&self, token: &str, scope: Option<Scope>) -> Result<Principal, AuthError> {
        let app = token::unverified_application(token, clock::now()).ok_or(AuthError::InvalidCredentials)?;
        let claims = self.verify_token(app, token).await?;
        if let Some(scopes) = claims.scopes {
            return Ok(Principal { app, key_id: claims.key, scopes });
        }
        if claims.sub.is_some() || scope.is_some_and(|it| !TOKEN_SCOPES.contains(&it)) {
            return Err(AuthError::MissingCredentials);
        }
        Ok(Principal { app, key_id: None, scopes: TOKEN_SCOPES.to_vec() })
    }

    /// Counts wrong credentials that were checked elsewhere; returns the error to answer with.
    pub fn record_failure(&self, headers: &HeaderMap) -> AuthError {
        self.throttle.record_failure(&client_address::of(headers))
    }

    fn count_failure<T>(&self, headers: &HeaderMap, checked: Result<T, AuthError>) -> Result<T, AuthError> {
        checked.map_err(|error| match error {
            AuthError::InvalidCredentials => self.record_failure(headers),
            other => other,
        })
    }

    /// An application's row, at most a minute old; `InvalidCredentials` if it does not exist.
    pub async fn application(&self, app: AppId) -> Result<Application, AuthError> {
        if let Some(application) = self.applications.get(&app) {
            return application.ok_or(AuthError::InvalidCredentials);
        }
        let application = self.table.application(app).await.map_err(internal_error)?;
        let ttl = if application.is_some() { KEY_TTL } else { UNKNOWN_KEY_TTL };
        self.applications.put(app, application.clone(), ttl);
        application.ok_or(AuthError::InvalidCredentials)
    }

    /// Verifies a token of ours for an application.
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

    /// The user of a ticket or a token, without a key pair. An application's own token has no user and is refused. `named` is
    /// the application that the request names, for a token of another issuer that names none. Wrong credentials are
    /// counted by the client's address in `headers`.
    pub async fn authenticate_user(
        &self,
        headers: &HeaderMap,
        credential: &str,
        named: Option<AppId>,
    ) -> Result<ConnectionUser, AuthError> {
        if token::is_expired(credential, clock::now()) {
            return Err(AuthError::ExpiredToken);
        }
        let member = self.count_failure(headers, self.identify_user(credential, named).await)?;
        record_application(member.app);
        Ok(member)
    }

    async fn identify_user(&self, credential: &str, named: Option<AppId>) -> Result<ConnectionUser, AuthError> {
        if credential.starts_with(TICKET_PREFIX) {
            let user = self.table.redeem_ticket(&sha256_hex(credential.as_bytes()), clock::now()).await;
            return user.map_err(internal_error)?.ok_or(AuthError::InvalidCredentials);
        }
        if !token::is_own(credential) {
            return Ok(self.oidc.read(credential, named).await?.member);
        }
        let app = token::unverified_application(credential, clock::now()).ok_or(AuthError::InvalidCredentials)?;
        let claims = self.verify_token(app, credential).await?;
        let user = claims.sub.ok_or(AuthError::InvalidCredentials)?;
        Ok(ConnectionUser::new(app, user, claims.groups))
    }

    /// Issues a token for one user.
    pub async fn issue_token(&self, member: ConnectionUser, lifetime: time::Duration) -> Result<String, AuthError> {
        let key = self.token_key(member.app).await?;
        Ok(token::issue_for_user(member, lifetime, &key, clock::now()))
    }

    /// Issues a token for a session, with the scopes and the key of a principal.
    pub async fn issue_session_token(
        &self,
        principal: Principal,
        lifetime: time::Duration,
    ) -> Result<String, AuthError> {
        let key = self.token_key(principal.app).await?;
        let Principal { app, key_id, scopes } = principal;
        Ok(token::issue_for_session(app, scopes, key_id, lifetime, &key, clock::now()))
    }

    /// The stored key of an API key, at most a minute old.
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

fn internal_error(error: TableError) -> AuthError {
    AuthError::Internal(Box::new(error))
}

/// The bearer token of a request, if it has one.
///
/// # Errors
/// `InvalidCredentials` if the header `authorization` has another form (RFC 6750, section 2.1).
pub fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let (scheme, token) = value.to_str().ok().and_then(|it| it.split_once(' ')).ok_or(AuthError::InvalidCredentials)?;
    // the scheme is case-insensitive (RFC 9110, section 11.1)
    if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(token.trim())) } else { Err(AuthError::InvalidCredentials) }
}

/// Whether a token claims to be an application's own rather than a user's: its holder may act for every user.
pub fn is_application_token(token: &str) -> bool {
    token::is_own(token) && token::unverified_claims::<Claims>(token).is_some_and(|it| it.sub.is_none())
}

/// When the bearer token of a request ends by its own claim, in seconds since 1970. Good for a token that was verified.
pub fn bearer_expiry(headers: &HeaderMap) -> Option<i64> {
    token::expiry(bearer_token(headers).ok()??)
}

/// The application that a request names in the header `x-application-id`.
pub fn named_application(headers: &HeaderMap) -> Option<AppId> {
    headers.get("x-application-id")?.to_str().ok()?.parse().ok()
}

/// Whether a secret has this SHA-256 (hexadecimal), compared in constant time.
pub fn matches_hash(secret: &str, hash: &str) -> bool {
    sha256_hex(secret.as_bytes()).as_bytes().ct_eq(hash.as_bytes()).into()
}

/// An extractor: the application of the authenticated caller.
pub struct Caller(pub AppId);

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Authenticator: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let access = access_of(&parts.method);
        Ok(Self(Authenticator::from_ref(state).named_principal(&parts.headers, access).await?.app))
    }
}

/// An extractor: an authenticated caller that may at least read, whatever the method of its request is.
pub struct Reader(pub Principal);

impl<S: Send + Sync> FromRequestParts<S> for Reader
where
    Authenticator: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(Authenticator::from_ref(state).named_principal(&parts.headers, Access::Read).await?))
    }
}

/// An extractor: an authenticated caller, whatever its scopes are.
pub struct AnyCaller(pub Principal);

impl<S: Send + Sync> FromRequestParts<S> for AnyCaller
where
    Authenticator: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let principal = Authenticator::from_ref(state).principal(&parts.headers).await.map_err(auth_problem)?;
        check_named_application(&parts.headers, principal.app)?;
        Ok(Self(principal))
    }
}

/// Refuses credentials of another application than the one that the request names, if it names one.
///
/// # Errors
/// 403.
pub fn check_named_application(headers: &HeaderMap, app: AppId) -> Result<(), Problem> {
    match named_application(headers) {
        Some(named) if named != app => {
            let reason = "the credentials are another application's than the one that x-application-id names";
            Err(Problem::new(ProblemType::OtherApplication, reason))
        }
        _ => Ok(()),
    }
}
