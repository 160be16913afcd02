//! Tokens, ours and those of OpenID Connect issuers: nothing is accepted that the right key did not sign, whatever the token
//! says of itself.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::AppId;
use domain::application::Scope;
use domain::notification::is_valid_name;
use domain::settings::OidcIssuer;
use domain::socket::MAX_GROUPS;
use entry::http::oidc_token::{IssuerKeys, UnverifiedToken};
use entry::http::token;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::app;

const ISSUER: &str = "https://login.example.com";
const OWN_KEY: [u8; 32] = [9; 32];
/// 2026-11-28.
const NOW: i64 = 1_795_824_000;

/// An issuer with a key for signatures, and what our application trusts.
struct Issuer {
    pair: Ed25519KeyPair,
    other: Ed25519KeyPair,
    keys: IssuerKeys,
    trusted: [OidcIssuer; 2],
}

static OPENID: LazyLock<Issuer> = LazyLock::new(|| {
    let [pair, other] = [[7; 32], [8; 32]].map(|seed| Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key"));
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    // a public key that a verifier could take for the secret of an HMAC, and a key for another use
    let keys = IssuerKeys::parse(&json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k1", "alg": "EdDSA", "use": "sig" },
        { "kty": "oct", "k": x, "kid": "k2" },
        { "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(other.public_key()), "kid": "k3", "use": "enc" },
        { "kty": "unknown" },
    ] }));
    let trust = |audience: &str, scopes: &[Scope]| OidcIssuer {
        issuer: ISSUER.to_owned(),
        audience: audience.to_owned(),
        scopes: scopes.to_vec(),
        console: None,
    };
    Issuer { pair, other, keys, trusted: [trust("us", &[Scope::Inbox]), trust("them", &[])] }
});

/// The input is a token, or a header and claims with a line break between: the property signs them itself.
pub fn check(input: &[u8]) {
    let end = input.iter().position(|it| *it == b'\n').unwrap_or(input.len());
    let (header, claims) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    if let Ok(text) = std::str::from_utf8(input) {
        assert!(!openid(text) && !own(text), "{text} was not signed");
        // parts of a good token in other company
        let good = signed(br#"{"alg":"EdDSA","kid":"k1"}"#, good_claims().to_string().as_bytes(), &OPENID.pair);
        assert!(openid(&good));
        for (at, part) in good.split('.').enumerate() {
            let mixed = text.split('.').enumerate().map(|(place, it)| if place == at { part } else { it });
            let mixed = mixed.collect::<Vec<_>>().join(".");
            assert!(mixed == good || !openid(&mixed), "{mixed}");
        }
    }
    // `None` although a token is accepted: serde does not look into members that nobody reads
    let claimed = serde_json::from_slice::<Value>(claims).ok();
    if openid(&signed(header, claims, &OPENID.pair))
        && let Some(claims) = &claimed
    {
        agrees(header, claims);
    }
    assert!(!openid(&signed(header, claims, &OPENID.other)), "a key for another use");
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mac = |key: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), input.as_bytes());
    let with = |tag: &[u8]| format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag));
    for key in [OPENID.pair.public_key().as_ref(), &OWN_KEY] {
        assert!(!openid(&with(mac(key).as_ref())), "an HMAC is no issuer's signature");
    }
    if own(&with(mac(&OWN_KEY).as_ref()))
        && let Some(said) = claimed
    {
        let is_own = |name: &str, at: usize| said.get(name).or(said.get(at)) == Some(&json!("notifications-api"));
        assert!(
            said.is_array() || (is_own("iss", 3) && is_own("aud", 4) && said["exp"].as_i64() > Some(NOW)),
            "{said}"
        );
    }
    assert!(!own(&with(mac(&[8; 32]).as_ref())) && !own(&with(&[])), "another key, and none");
}

fn good_claims() -> Value {
    json!({ "iss": ISSUER, "aud": "us", "sub": "jane", "exp": 4_102_444_800_u64, "scope": "inbox media" })
}

fn signed(header: &[u8], claims: &[u8], pair: &Ed25519KeyPair) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let tag = pair.sign(input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Whether an issuer's token is accepted.
fn openid(text: &str) -> bool {
    let Some(token) = UnverifiedToken::parse(text) else { return false };
    let Ok(identity) = token.verify(app(), &OPENID.trusted, &OPENID.keys) else { return false };
    let member = &identity.member;
    assert!(member.app == app() && is_valid_name(&member.user) && member.groups.len() <= MAX_GROUPS);
    assert!(member.groups.iter().all(|it| is_valid_name(it)));
    assert!(identity.scopes.iter().all(|it| *it == Scope::Inbox), "more than is granted: {:?}", identity.scopes);
    true
}

/// Whether a token that our issuer has signed says what makes it good.
fn agrees(header: &[u8], claims: &Value) {
    let header: Value = serde_json::from_slice(header).expect("a header is read whole");
    assert!(header["alg"] == "EdDSA" && header.get("crit").is_none(), "{header}");
    assert!(matches!(header.get("kid"), None | Some(Value::Null)) || header["kid"] == "k1", "{header}");
    let audiences = match &claims["aud"] {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    assert!(claims["iss"] == ISSUER && audiences.iter().any(|it| it == "us" || it == "them"), "{claims}");
    assert!(claims["exp"].as_f64().is_some_and(|it| it > NOW as f64 - 61.0), "{claims}");
    assert!(claims["sub"].as_str().is_some_and(is_valid_name), "{claims}");
    let named = claims.get("ApplicationId").and_then(Value::as_str).map(str::parse::<AppId>);
    assert!(named.is_none_or(|it| it == Ok(app())), "{claims}");
}

/// Whether a token of ours is accepted.
fn own(text: &str) -> bool {
    let now = OffsetDateTime::from_unix_timestamp(NOW).expect("a time");
    let verified = token::verify(text, &OWN_KEY, now);
    if verified.is_some() {
        let (input, tag) = text.rsplit_once('.').expect("a signature");
        let tag = URL_SAFE_NO_PAD.decode(tag).expect("base64");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &OWN_KEY);
        assert_eq!(hmac::sign(&key, input.as_bytes()).as_ref(), tag);
    }
    verified.is_some()
}
