//! An OpenID Connect issuer: its configuration, its keys, tokens that it signs, and people whom it signs in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Url;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::in_seconds;
use crate::server::serve;

/// A running issuer.
pub struct Issuer {
    pub url: String,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    url: Mutex<String>,
    keys: Mutex<Vec<(String, EcdsaKeyPair)>>,
    asked: Mutex<u32>,
    /// How often its configuration was asked for.
    visits: Mutex<u32>,
    broken: Mutex<bool>,
    rules: Mutex<SignInRules>,
    /// What each code is good for, once.
    codes: Mutex<HashMap<String, HashMap<String, String>>>,
    /// How often a code was redeemed.
    redeemed: Mutex<u32>,
}

/// How it signs people in, whoever comes.
#[derive(Debug, Clone, Default)]
pub struct SignInRules {
    /// Claims of access tokens; without them an access token is no JWT.
    pub access: Option<Value>,
    /// Claims of ID tokens beside the usual ones, or in place of them.
    pub id: Value,
    /// The secret that the client has to show.
    pub secret: Option<String>,
    /// Signs nobody in, with this error.
    pub denies: Option<String>,
    /// The issuer that its answer names, if it is another one.
    pub named: Option<String>,
    /// Another address of its token endpoint.
    pub token_endpoint: Option<String>,
}

impl Issuer {
    pub async fn start() -> Self {
        let inner = Arc::new(Inner::default());
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token));
        let url = serve(router.with_state(inner.clone())).await;
        inner.url.lock().expect("not poisoned").clone_from(&url);
        let issuer = Self { url, inner };
        issuer.rotate("first");
        issuer
    }

    /// Signs with a new key from now on; the old ones are gone.
    pub fn rotate(&self, kid: &str) {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).expect("a pair");
        *self.inner.keys.lock().expect("not poisoned") = vec![(kid.to_owned(), pair)];
    }

    /// How often the keys were asked for.
    pub fn asked(&self) -> u32 {
        *self.inner.asked.lock().expect("not poisoned")
    }

    /// How often its configuration was asked for.
    pub fn visits(&self) -> u32 {
        *self.inner.visits.lock().expect("not poisoned")
    }

    /// From now on it answers with an error, or as it should.
    pub fn fail(&self, broken: bool) {
        *self.inner.broken.lock().expect("not poisoned") = broken;
    }

    /// Changes how it signs people in.
    pub fn rules(&self, change: impl FnOnce(&mut SignInRules)) {
        change(&mut self.inner.rules.lock().expect("not poisoned"));
    }

    /// How often a code was redeemed.
    pub fn redeemed(&self) -> u32 {
        *self.inner.redeemed.lock().expect("not poisoned")
    }

    /// A token with these claims; `iss` is ours, if they name none.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(json!({}), claims)
    }

    /// A token with members of its header beside the usual ones; `null` takes one away.
    pub fn token_with(&self, header: Value, claims: &Value) -> String {
        self.inner.token_with(header, claims)
    }
}

impl Inner {
    fn url(&self) -> String {
        self.url.lock().expect("not poisoned").clone()
    }

    fn rules(&self) -> MutexGuard<'_, SignInRules> {
        self.rules.lock().expect("not poisoned")
    }

    fn token_with(&self, header: Value, claims: &Value) -> String {
        let mut claims = claims.clone();
        if claims.get("iss").is_none() {
            claims["iss"] = json!(self.url());
        }
        let keys = self.keys.lock().expect("not poisoned");
        let (kid, pair) = &keys[0];
        let mut usual = json!({ "alg": "ES256", "typ": "JWT", "kid": kid });
        for (name, value) in header.as_object().into_iter().flatten() {
            usual[name] = value.clone();
        }
        let mut header = usual;
        header.as_object_mut().expect("an object").retain(|_, it| !it.is_null());
        let encode = |it: &Value| URL_SAFE_NO_PAD.encode(it.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let tag = pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// A token of ten minutes with these claims.
    fn fresh(&self, mut claims: Value, more: &Value) -> String {
        let ends = OffsetDateTime::parse(&in_seconds(600), &Rfc3339).expect("a time");
        claims["exp"] = json!(ends.unix_timestamp());
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        self.token_with(json!({}), &claims)
    }
}

/// The page at which somebody signs in: it sends the browser back at once (OpenID Connect Core 1.0, section 3.1.2).
async fn authorize(State(it): State<Arc<Inner>>, Query(asked): Query<HashMap<String, String>>) -> Response {
    let text = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let is_right = text("response_type") == "code"
        && text("code_challenge_method") == "S256"
        && text("scope").split(' ').any(|it| it == "openid")
        && ["state", "nonce", "client_id", "code_challenge"].iter().all(|it| !text(it).is_empty());
    let back = Url::parse(text("redirect_uri")).ok().filter(|_| is_right);
    let Some(mut back) = back else { return (StatusCode::BAD_REQUEST, format!("{asked:?}")).into_response() };
    let rules = it.rules().clone();
    back.query_pairs_mut()
        .append_pair("state", text("state"))
        .append_pair("session_state", "of another specification")
        .append_pair("iss", &rules.named.unwrap_or_else(|| it.url()));
    match rules.denies {
        Some(error) => {
            back.query_pairs_mut().append_pair("error", &error);
        }
        None => {
            let mut codes = it.codes.lock().expect("not poisoned");
            let code = format!("code-{}", codes.len());
            back.query_pairs_mut().append_pair("code", &code);
            codes.insert(code, asked);
        }
    }
    (StatusCode::FOUND, [(header::LOCATION, String::from(back))]).into_response()
}

/// Redeems a code (OpenID Connect Core 1.0, section 3.1.3; RFC 7636, section 4.6).
async fn token(State(it): State<Arc<Inner>>, headers: HeaderMap, body: String) -> Response {
    *it.redeemed.lock().expect("not poisoned") += 1;
    let refuse = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let sent: HashMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let text = |name: &str| sent.get(name).map(String::as_str).unwrap_or_default();
    let rules = it.rules().clone();
    // a code is good once, also if what comes with it is wrong; an entry without members stays, for the next code's number
    let asked = it.codes.lock().expect("not poisoned").get_mut(text("code")).map(std::mem::take).unwrap_or_default();
    let client_id = asked.get("client_id").map(String::as_str).unwrap_or_default();
    let basic = rules.secret.as_ref().map(|secret| {
        let encode = |it: &str| form_urlencoded::byte_serialize(it.as_bytes()).collect::<String>();
        format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(client_id), encode(secret))))
    });
    let shown = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    let is_client = match &basic {
        Some(basic) => shown == Some(basic.as_str()),
        None => shown.is_none() && !client_id.is_empty() && client_id == text("client_id"),
    };
    if !is_client {
        return refuse("invalid_client");
    }
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, text("code_verifier").as_bytes()));
    let fits = text("grant_type") == "authorization_code"
        && asked.get("code_challenge") == Some(&challenge)
        && asked.get("redirect_uri").is_some_and(|it| it == text("redirect_uri"));
    if !fits {
        return refuse("invalid_grant");
    }
    let id = json!({ "aud": client_id, "sub": "jane", "nonce": asked["nonce"] });
    let access =
        rules.access.as_ref().map_or_else(|| "opaque".to_owned(), |more| it.fresh(json!({ "sub": "jane" }), more));
    Json(json!({ "token_type": "Bearer", "access_token": access, "id_token": it.fresh(id, &rules.id) })).into_response()
}

async fn configuration(State(it): State<Arc<Inner>>) -> Response {
    *it.visits.lock().expect("not poisoned") += 1;
    if *it.broken.lock().expect("not poisoned") {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let url = it.url();
    let token = it.rules().token_endpoint.clone().unwrap_or_else(|| format!("{url}/token"));
    Json(json!({
        "issuer": url, "jwks_uri": format!("{url}/keys"), "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": token, "authorization_response_iss_parameter_supported": true,
    }))
    .into_response()
}

async fn keys(State(it): State<Arc<Inner>>) -> impl IntoResponse {
    *it.asked.lock().expect("not poisoned") += 1;
    let keys = it.keys.lock().expect("not poisoned");
    let shown = keys.iter().map(|(kid, pair)| {
        let point = pair.public_key().as_ref(); // 4, x, y
        let part = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": kid, "x": part(1), "y": part(33) })
    });
    // a key of a kind that nobody knows must not spoil the set
    let other = json!({ "kty": "XYZ", "kid": "other" });
    Json(json!({ "keys": shown.chain([other]).collect::<Vec<Value>>() }))
}
