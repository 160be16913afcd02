//! An OpenID Connect issuer: its configuration, its keys, and tokens that it signs.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

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
}

impl Issuer {
    pub async fn start() -> Self {
        let inner = Arc::new(Inner::default());
        let router =
            Router::new().route("/.well-known/openid-configuration", get(configuration)).route("/keys", get(keys));
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

    /// A token with these claims; `iss` is ours, if they name none.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(json!({}), claims)
    }

    /// A token with members of its header beside the usual ones; `null` takes one away.
    pub fn token_with(&self, header: Value, claims: &Value) -> String {
        let mut claims = claims.clone();
        if claims.get("iss").is_none() {
            claims["iss"] = json!(self.url);
        }
        let keys = self.inner.keys.lock().expect("not poisoned");
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
}

async fn configuration(State(it): State<Arc<Inner>>) -> Response {
    *it.visits.lock().expect("not poisoned") += 1;
    if *it.broken.lock().expect("not poisoned") {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let url = it.url.lock().expect("not poisoned").clone();
    Json(json!({ "issuer": url, "jwks_uri": format!("{url}/keys") })).into_response()
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
