//! Standard Webhooks signatures, version `v1` (realtime, section 2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// The value of `webhook-signature`: over id, the attempt's time in seconds, and the very bytes of the body.
pub fn sign(key: &[u8], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut hmac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    hmac.update(format!("{id}.{timestamp}.").as_bytes());
    hmac.update(body);
    format!("v1,{}", STANDARD.encode(hmac.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret;

    const A: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const B: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[track_caller]
    fn check(secret: &str, timestamp: i64, body: &str, want: &str) {
        let key = secret::read(secret).unwrap();
        assert_eq!(sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp, body.as_bytes()), want);
    }

    /// The vectors of the specification (realtime, 2.10): V1, V3, V4, V5, V6, V7.
    #[test]
    fn the_published_vectors() {
        let body = r#"{"test": 2432232314}"#;
        check(A, 1_614_265_330, body, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        check(B, 1_614_265_330, body, "v1,O4Gjv1HqPqsMrjmczoggs/sWA8gZD0VyHG+fLh4+ktI=");
        check(A, 1_614_265_335, body, "v1,IFrHNvFdSlxTmO/uOkpKdCwyVAkNxveF9T56NbTULfE=");
        check(A, 1_614_265_330, "", "v1,v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A=");
        let umlaut = r#"{"type":"image.progress","data":{"name":"Übersicht ✓"}}"#;
        check(A, 1_614_265_330, umlaut, "v1,sIvWAwEMp69AmXRWHko2hxI6ZiRjesFjwygksD8+48k=");
        check(A, 1_614_265_330, r#"{"test":2432232314}"#, "v1,Vif40peJBP7Iyl0XGmu61n4MwdrcHov5CFREBpE0svs=");
    }

    /// The official library accepts what we sign.
    #[test]
    fn the_official_library_agrees() {
        let oracle = standardwebhooks::Webhook::new(B).unwrap();
        let now = time::OffsetDateTime::UNIX_EPOCH.unix_timestamp() + 1_800_000_000;
        let signature = oracle.sign("ntf_YXBw_1_2", now, b"{\"a\":1}").unwrap();
        assert_eq!(sign(&secret::read(B).unwrap(), "ntf_YXBw_1_2", now, b"{\"a\":1}"), signature);
    }

    #[test]
    fn a_secret_of_a_wrong_length_is_none() {
        for bad in ["whsec_", "whsec_AAECAw==", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!"] {
            assert_eq!(secret::read(bad), Err(secret::NotASecret), "{bad}");
        }
        assert_eq!(secret::show(&secret::read(A).unwrap()), A);
    }
}
