//! Standard Webhooks signatures, versions `v1` and `v1a` (realtime, section 2).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The purpose for which an application's `v1a` seed is derived from its own key.
pub const PURPOSE: &str = "webhook-v1a";

/// The same for the lists that are posted to `notifyURL`s (NMS): users choose those addresses, and some of what the lists hold, so
/// that a key of the webhooks would let them sign what an application's own webhooks believe.
pub const NMS_PURPOSE: &str = "nms-v1a";

/// An application's key pair for `v1a`.
pub struct SigningKeyPair(Ed25519KeyPair);

impl SigningKeyPair {
    /// The key pair of a seed.
    ///
    /// # Panics
    /// Never: every 32 bytes are a seed.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes are a seed"))
    }

    /// The public key as Standard Webhooks writes it: `whpk_…`.
    pub fn public_key(&self) -> String {
        format!("whpk_{}", STANDARD.encode(self.0.public_key()))
    }

    /// The public key as a JSON Web Key (RFC 8037).
    pub fn jwk(&self) -> Value {
        let public = self.0.public_key().as_ref();
        let kid = &domain::id::hex(&Sha256::digest(public))[..16];
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": URL_SAFE_NO_PAD.encode(public) })
    }
}

/// The value of the header `webhook-signature`: signatures over id, `timestamp` (seconds since 1970, of this attempt)
/// and body, by every key that is still valid, then by the application's key pair.
pub fn sign(keys: &[Vec<u8>], pair: Option<&SigningKeyPair>, id: &str, timestamp: i64, body: &[u8]) -> String {
    let front = format!("{id}.{timestamp}.");
    let mut all: Vec<String> = keys
        .iter()
        .map(|key| {
            let mut hmac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
            hmac.update(front.as_bytes());
            hmac.update(body);
            format!("v1,{}", STANDARD.encode(hmac.sign()))
        })
        .collect();
    if let Some(SigningKeyPair(pair)) = pair {
        all.push(format!("v1a,{}", STANDARD.encode(pair.sign(&[front.as_bytes(), body].concat()))));
    }
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const A: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const B: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    /// The RFC 8032 test 1 seed.
    const C: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    const PLAIN: &str = r#"{"test": 2432232314}"#;
    const UMLAUT: &str = r#"{"type":"image.progress","data":{"name":"Übersicht ✓"}}"#;

    #[track_caller]
    fn check(secret: &str, timestamp: i64, body: &str, want: &str) {
        let key = secret::decode(secret).unwrap();
        assert_eq!(sign(&[key], None, ID, timestamp, body.as_bytes()), want);
    }

    /// The vectors of the specification (realtime, 2.10): V1, V3, V4, V5, V6, V7.
    #[test]
    fn the_published_vectors() {
        check(A, 1_614_265_330, PLAIN, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        check(B, 1_614_265_330, PLAIN, "v1,O4Gjv1HqPqsMrjmczoggs/sWA8gZD0VyHG+fLh4+ktI=");
        check(A, 1_614_265_335, PLAIN, "v1,IFrHNvFdSlxTmO/uOkpKdCwyVAkNxveF9T56NbTULfE=");
        check(A, 1_614_265_330, "", "v1,v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A=");
        check(A, 1_614_265_330, UMLAUT, "v1,sIvWAwEMp69AmXRWHko2hxI6ZiRjesFjwygksD8+48k=");
        check(A, 1_614_265_330, r#"{"test":2432232314}"#, "v1,Vif40peJBP7Iyl0XGmu61n4MwdrcHov5CFREBpE0svs=");
    }

    /// V2 and V6a: ed25519; the public key and its JSON Web Key are the published ones.
    #[test]
    fn the_published_vectors_of_v1a() {
        let seed: [u8; 32] = STANDARD.decode(C).unwrap().try_into().unwrap();
        let pair = SigningKeyPair::new(&seed);
        assert_eq!(pair.public_key(), "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
        assert_eq!(pair.jwk()["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        for (body, want) in [
            (PLAIN, "v1a,fldxM4gAKugP6nnt1hdz3sgGfZ6d99nzrMFnZOELIxbzEHoVmAb2ADpkJK7zgPePmPsle0zV9jSeGlHFG2NVAw=="),
            (UMLAUT, "v1a,zTvWO7soZ7TT7lvi2GZlVvzQECFr6OwKi2oFY/tjiqhWmXyuhjOfuwHEwWnZtx7mbd6wMVjTpd5E8HhAkF2BBA=="),
        ] {
            assert_eq!(sign(&[], Some(&pair), ID, 1_614_265_330, body.as_bytes()), want);
        }
    }

    /// While a key is replaced, both sign: V3 and V1 in one header, then the pair.
    #[test]
    fn every_key_that_is_good_signs() {
        let keys = [B, A].map(|it| secret::decode(it).unwrap());
        let header = sign(&keys, Some(&SigningKeyPair::new(&[7; 32])), ID, 1_614_265_330, PLAIN.as_bytes());
        let items: Vec<&str> = header.split(' ').collect();
        assert_eq!(
            items[..2],
            ["v1,O4Gjv1HqPqsMrjmczoggs/sWA8gZD0VyHG+fLh4+ktI=", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="]
        );
        assert!(items.len() == 3 && items[2].starts_with("v1a,"));
    }

    /// The official library accepts what we sign.
    #[test]
    fn the_official_library_agrees() {
        let oracle = standardwebhooks::Webhook::new(B).unwrap();
        let now = time::OffsetDateTime::UNIX_EPOCH.unix_timestamp() + 1_800_000_000;
        let signature = oracle.sign("ntf_YXBw_1_2", now, b"{\"a\":1}").unwrap();
        assert_eq!(sign(&[secret::decode(B).unwrap()], None, "ntf_YXBw_1_2", now, b"{\"a\":1}"), signature);
    }

    #[test]
    fn a_secret_of_a_wrong_length_is_none() {
        for bad in ["whsec_", "whsec_AAECAw==", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!"] {
            assert_eq!(secret::decode(bad), Err(secret::InvalidSecret), "{bad}");
        }
        assert_eq!(secret::encode(&secret::decode(A).unwrap()), A);
    }
}
