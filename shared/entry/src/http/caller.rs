//! Who calls: a key pair, with or without a token, the application's own token, or another issuer's (channel API, section 2).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use domain::AppId;
use domain::address::Allowed;
use domain::application::{ApiKey, Application, Scope, TOKEN_SCOPES};
use domain::id::sha256_hex;
use domain::socket::Member;
use subtle::ConstantTimeEq;
use table::{Table, TableError};

use super::attackers::Attackers;
use super::oidc::Oidc;
use super::token::Claims;
use super::{Problem, ProblemType, TICKET, acts_for, token};
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
    /// What callers of this function need.
    scope: Scope,
    oidc: Arc<Oidc>,
    attackers: Arc<Attackers>,
    /// Rows of keys by their ids.
    keys: Arc<Remembered<String, ApiKey>>,
    /// Ids that nobody has: apart, so that guesses push out no key that is in use.
    no_keys: Arc<Remembered<String, ()>>,
    /// Rows of applications; `None` is one that there is not.
    applications: Arc<Remembered<AppId, Option<Application>>>,
}

/// What a caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    pub app: AppId,
    /// The key that was presented, by its id; a token alone has none.
    pub key_id: Option<String>,
    pub scopes: Vec<Scope>,
}

/// Why a caller is refused. What exactly was wrong is nobody's business.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    #[error("the credentials are missing or wrong")]
    Credentials,
    /// There is no key pair, and nothing that could stand in its place: no guess.
    #[error("the credentials are missing")]
    Missing,
    /// They were good once, by their own word: no guess.
    #[error("the token has expired")]
    Expired,
    /// Rightly signed, and not good yet: the issuer's clock is ahead of ours, or the caller is early. No guess.
    #[error("the token is not valid yet: its nbf lies ahead of our clock")]
    Early,
    #[error("the key lacks the scope {}", .0.name())]
    Scope(Scope),
    #[error("too many wrong credentials came from this address")]
    TooMany,
    /// Who could say whether they are right does not answer; ask again after so many seconds.
    #[error("the issuer of the token does not answer")]
    Unavailable(u32),
    #[error("could not check the credentials")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Callers {
    /// Checks callers of a function that need a scope.
    pub fn new(table: Table, seal: Arc<Seal>, allowed: &Allowed, scope: Scope) -> Self {
        Self {
            oidc: Arc::new(Oidc::new(table.clone(), allowed.clone())),
            table,
            seal,
            scope,
            attackers: Arc::default(),
            keys: Arc::new(Remembered::new(MOST)),
            no_keys: Arc::new(Remembered::new(MOST)),
            applications: Arc::new(Remembered::new(MOST)),
        }
    }

    /// The application that a request may act for, with the scope that this function needs.
    pub async fn check(&self, headers: &HeaderMap) -> Result<Granted, Unknown> {
        self.check_for(headers, self.scope).await
    }

    /// The application that a request may act for, with a scope: a machine with its key pair, a user with a token beside
    /// it, or whoever has a token of an issuer that the application trusts.
    ///
    /// Wrong credentials cost next to nothing: a key is told from other text by its checksum, unknown ones are
    /// remembered, and an address that keeps guessing is told so for a while. Right ones pass from there, too: whoever
    /// guesses may sit behind the same address as others.
    pub async fn check_for(&self, headers: &HeaderMap, scope: Scope) -> Result<Granted, Unknown> {
        let from = source(headers);
        let granted = self.counted(&from, self.granted(headers, scope).await)?;
        acts_for(granted.app);
        if granted.scopes.contains(&scope) { Ok(granted) } else { Err(Unknown::Scope(scope)) }
    }

    async fn granted(&self, headers: &HeaderMap, scope: Scope) -> Result<Granted, Unknown> {
        let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let token = bearer(headers)?;
        if token.is_some_and(|it| token::is_over(it, clock::now())) {
            return Err(Unknown::Expired);
        }
        let presented = header("x-api-key");
        if presented.is_empty() {
            let Some(token) = token else { return Err(Unknown::Missing) };
            if token::is_ours(token) {
                return self.own(token, scope).await;
            }
            let identity = self.oidc.read(token, named(headers)).await?;
            return Ok(Granted { app: identity.member.app, key_id: None, scopes: identity.scopes });
        }
        let stored = self.key(presented).await?.ok_or(Unknown::Credentials)?;
        let key = matches(presented, &stored.key_hash);
        let secret = matches(header("x-api-secret"), &stored.secret_hash);
        if !(key && secret) || stored.has_ended(domain::millis(clock::now())) {
            return Err(Unknown::Credentials);
        }
        let of = match token {
            Some(token) if token::is_ours(token) => self.token(stored.app, token).await?.application,
            Some(token) => self.oidc.read(token, Some(stored.app)).await?.member.app,
            None => stored.app,
        };
        if of != stored.app {
            return Err(Unknown::Credentials); // good, but another application's
        }
        Ok(Granted { app: stored.app, key_id: Some(stored.id), scopes: stored.scopes })
    }

    /// What an application's own token is good for alone. Where it is not, a key pair is missing (channel API, section 2.4).
    async fn own(&self, token: &str, scope: Scope) -> Result<Granted, Unknown> {
        let app = token::claimed(token, clock::now()).ok_or(Unknown::Credentials)?;
        let claims = self.token(app, token).await?;
        if claims.sub.is_some() || !TOKEN_SCOPES.contains(&scope) {
            return Err(Unknown::Missing);
        }
        Ok(Granted { app, key_id: None, scopes: TOKEN_SCOPES.to_vec() })
    }

    /// Counts that the credentials of a request, which were checked elsewhere, are wrong; answers how it is refused.
    pub fn failed(&self, headers: &HeaderMap) -> Unknown {
        self.attackers.failed(&source(headers))
    }

    fn counted<T>(&self, from: &str, checked: Result<T, Unknown>) -> Result<T, Unknown> {
        checked.map_err(|why| if matches!(why, Unknown::Credentials) { self.attackers.failed(from) } else { why })
    }

    /// An application's row.
    pub async fn application(&self, app: AppId) -> Result<Application, Unknown> {
        if let Some(it) = self.applications.get(&app) {
            return it.ok_or(Unknown::Credentials);
        }
        let it = self.table.application(app).await.map_err(internal)?;
        self.applications.put(app, it.clone(), if it.is_some() { KNOWN } else { UNKNOWN });
        it.ok_or(Unknown::Credentials)
    }

    async fn token(&self, app: AppId, token: &str) -> Result<Claims, Unknown> {
        if token::claimed(token, clock::now()) != Some(app) {
            return Err(Unknown::Credentials);
        }
        token::read(token, &self.token_key(app).await?, clock::now()).ok_or(Unknown::Credentials)
    }

    async fn token_key(&self, app: AppId) -> Result<[u8; 32], Unknown> {
        let wrapped = self.application(app).await?.wrapped_key;
        self.seal.derived(app, &wrapped, token::PURPOSE).await.map_err(|it| Unknown::Internal(Box::new(it)))
    }

    /// The user that a ticket or a token is for, with no key pair beside it. An application's own token is for none.
    /// `named` is the application that the request names, for another issuer's token that names none itself. Wrong ones
    /// are counted by the address that `headers` tell.
    pub async fn member(&self, headers: &HeaderMap, pass: &str, named: Option<AppId>) -> Result<Member, Unknown> {
        if token::is_over(pass, clock::now()) {
            return Err(Unknown::Expired);
        }
        let member = self.counted(&source(headers), self.read(pass, named).await)?;
        acts_for(member.app);
        Ok(member)
    }

    async fn read(&self, pass: &str, named: Option<AppId>) -> Result<Member, Unknown> {
        if pass.starts_with(TICKET) {
            let taken = self.table.take_ticket(&sha256_hex(pass.as_bytes()), clock::now()).await;
            return taken.map_err(internal)?.ok_or(Unknown::Credentials);
        }
        if !token::is_ours(pass) {
            return Ok(self.oidc.read(pass, named).await?.member);
        }
        let app = token::claimed(pass, clock::now()).ok_or(Unknown::Credentials)?;
        let claims = self.token(app, pass).await?;
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
            return Ok(Some(key));
        }
        if self.no_keys.get(id).is_some() {
            return Ok(None);
        }
        let key = self.table.api_key(api_key).await.map_err(internal)?;
        match &key {
            Some(key) => self.keys.put(id.to_owned(), key.clone(), KNOWN),
            None => self.no_keys.put(id.to_owned(), (), UNKNOWN),
        }
        Ok(key)
    }
}

fn internal(it: TableError) -> Unknown {
    Unknown::Internal(Box::new(it))
}

/// The token that a request bears, if it bears one; `Credentials` if the header has another form.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Unknown> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let (scheme, token) = value.to_str().ok().and_then(|it| it.split_once(' ')).ok_or(Unknown::Credentials)?;
    // the scheme's case is free (RFC 9110, section 11.1)
    if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(token.trim())) } else { Err(Unknown::Credentials) }
}

/// Whether a token says to be an application's own, and no user's: whoever has it speaks for every user.
pub fn speaks_for_all(token: &str) -> bool {
    token::is_ours(token) && token::claims::<Claims>(token).is_some_and(|it| it.sub.is_none())
}

/// The application that a request names beside its token.
pub fn named(headers: &HeaderMap) -> Option<AppId> {
    headers.get("x-application-id")?.to_str().ok()?.parse().ok()
}

/// Where a request comes from: API Gateway adds the address that it saw to the end of this header.
fn source(headers: &HeaderMap) -> String {
    let all = headers.get("x-forwarded-for").and_then(|it| it.to_str().ok()).unwrap_or_default();
    all.rsplit(',').next().unwrap_or_default().trim().to_owned()
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
        let app = Callers::from_ref(state).check(&parts.headers).await.map_err(refused)?.app;
        // whoever names an application means that one
        if named(&parts.headers).is_some_and(|it| it != app) {
            let why = "the credentials are another application's than the one that x-application-id names";
            return Err(Problem::new(ProblemType::OtherApplication, why));
        }
        Ok(Self(app))
    }
}

/// How a caller is refused.
pub fn refused(why: Unknown) -> Problem {
    match why {
        Unknown::Credentials | Unknown::Missing => {
            let title = "send x-api-key and x-api-secret of your application, or a token that is good for this";
            Problem::new(ProblemType::Credentials, title)
        }
        Unknown::Expired => Problem::new(ProblemType::Expired, why.to_string()),
        Unknown::Early => Problem::new(ProblemType::Early, why.to_string()),
        Unknown::Scope(_) => Problem::new(ProblemType::Scope, why.to_string()),
        Unknown::TooMany => Problem::too_many(why.to_string(), super::attackers::WHILE.as_secs() as u32),
        Unknown::Unavailable(after) => {
            Problem { retry_after: Some(after), ..Problem::new(ProblemType::Issuer, why.to_string()) }
        }
        it => Problem::internal(&it),
    }
}
