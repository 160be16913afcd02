//! The signature of a webhook: `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>]`, an HMAC-SHA256 of `{t}.{body}` under the
//! endpoint's secret (billing, section 4.1).

use domain::id::hex;
use ring::hmac;
use subtle::ConstantTimeEq;

/// How far the time of a signature may be from ours, in seconds (billing, section 4.1).
pub const TOLERANCE_SECONDS: u64 = 300;

/// Why a signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the signature is missing or cannot be read")]
    Malformed,
    #[error("the signature is too old, or lies ahead of our clock")]
    OutOfTime,
    #[error("the signature is of another body or another secret")]
    Wrong,
}

/// Checks the signature of a body, byte for byte as it came. Any of several `v1` may be the right one: Stripe sends one for
/// each secret while a secret is replaced. `now` is in seconds since 1970.
///
/// # Errors
/// Why it is refused.
pub fn verify(header: &str, body: &[u8], secret: &str, now: i64) -> Result<(), SignatureError> {
    let parts = || header.split(',').filter_map(|it| it.split_once('='));
    let text = parts().find(|it| it.0 == "t").map(|it| it.1).ok_or(SignatureError::Malformed)?;
    let at: i64 = text.parse().map_err(|_| SignatureError::Malformed)?;
    let signatures: Vec<&str> = parts().filter(|it| it.0 == "v1").map(|it| it.1).collect();
    if signatures.is_empty() {
        return Err(SignatureError::Malformed);
    }
    let expected = sign(text, body, secret);
    let is_expected = |signature: &&str| bool::from(expected.as_bytes().ct_eq(signature.as_bytes()));
    if !signatures.iter().any(is_expected) {
        return Err(SignatureError::Wrong);
    }
    if now.abs_diff(at) > TOLERANCE_SECONDS { Err(SignatureError::OutOfTime) } else { Ok(()) }
}

/// The signature of a body at a time, in lower-case hex.
fn sign(at: &str, body: &[u8], secret: &str) -> String {
    let mut signed = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
    signed.update(at.as_bytes());
    signed.update(b".");
    signed.update(body);
    hex(signed.sign().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_205_554;
    const BODY: &[u8] = br#"{"id":"evt_1","object":"event","type":"customer.subscription.updated"}"#;
    const V1: &str = "1d78ca175b314669ff274029510b4faba0741b983b2b8fa70cc5b9858d2018b6";

    #[test]
    fn the_right_signature_is_accepted_among_others() {
        for header in [
            format!("t={NOW},v1={V1}"),
            format!("t={NOW},v1=00,v1={V1},v0=00"),
            format!("v1={V1},v1={},t={NOW}", "0".repeat(64)),
        ] {
            assert_eq!(verify(&header, BODY, "whsec_x", NOW), Ok(()), "{header}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        use SignatureError::{Malformed, Wrong};
        let right = format!("t={NOW},v1={V1}");
        for (header, want) in [
            (String::new(), Malformed),
            (format!("v1={V1}"), Malformed),
            (format!("t={NOW}"), Malformed),
            (format!("t=soon,v1={V1}"), Malformed),
            (format!("t={NOW},v0={V1}"), Malformed),
            (format!("t={NOW}, v1={V1}"), Malformed),
            (format!("t={NOW},v1={}", V1.to_uppercase()), Wrong),
            (format!("t={NOW},v1={}", &V1[1..]), Wrong),
            (format!("t={NOW},v1="), Wrong),
            (format!("t={},v1={V1}", NOW + 1), Wrong),
            (format!("t=+{NOW},v1={V1}"), Wrong),
        ] {
            assert_eq!(verify(&header, BODY, "whsec_x", NOW), Err(want), "{header}");
        }
        assert_eq!(verify(&right, BODY, "whsec_y", NOW), Err(Wrong));
        assert_eq!(verify(&right, &BODY[1..], "whsec_x", NOW), Err(Wrong));
        assert_eq!(verify(&right, b"", "whsec_x", NOW), Err(Wrong));
    }

    #[test]
    fn it_holds_for_five_minutes_around_its_time() {
        let right = format!("t={NOW},v1={V1}");
        for (now, want) in [
            (NOW + 300, Ok(())),
            (NOW - 300, Ok(())),
            (NOW + 301, Err(SignatureError::OutOfTime)),
            (NOW - 301, Err(SignatureError::OutOfTime)),
            (i64::MIN, Err(SignatureError::OutOfTime)),
        ] {
            assert_eq!(verify(&right, BODY, "whsec_x", now), want, "{now}");
        }
    }
}
