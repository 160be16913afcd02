//! Signatures of what a processor sends: those of Standard Webhooks, with the secret that we sign with (realtime, section 2).

use channels::sign::sign;
use subtle::ConstantTimeEq;

/// How far the time of a message may be from ours, in seconds (processors, section 5.4).
const TOLERANCE_SECONDS: u64 = 300;
/// The longest id of a message (processors, section 5.4).
const MAX_ID: usize = 128;
/// The most signatures of a message that are looked at: a sender has one for each of its secrets.
const MAX_SIGNATURES: usize = 8;
/// A key that signs nothing. A message for which there are no keys takes as long as one with a wrong signature.
const NO_KEY: [u8; 32] = [0; 32];

/// The headers that sign a message. An absent one is empty.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    /// `webhook-id`
    pub id: &'a str,
    /// `webhook-timestamp`, in seconds since 1970
    pub timestamp: &'a str,
    /// `webhook-signature`, separated by blanks
    pub signatures: &'a str,
}

impl Signature<'_> {
    /// Whether one of the keys has signed the body at a time near `now` (seconds since 1970). Signatures are compared in
    /// constant time.
    pub fn is_valid(&self, keys: &[Vec<u8>], body: &[u8], now: i64) -> bool {
        let at: Option<i64> = self.timestamp.parse().ok();
        let is_recent = at.is_some_and(|at| now.abs_diff(at) <= TOLERANCE_SECONDS);
        let is_id = (1..=MAX_ID).contains(&self.id.len()) && !self.id.contains('.');
        let no_key = [NO_KEY.to_vec()];
        let tried = if keys.is_empty() { &no_key[..] } else { keys };
        let mut is_signed = false;
        for key in tried {
            let wanted = sign(std::slice::from_ref(key), None, self.id, at.unwrap_or_default(), body);
            for given in self.signatures.split(' ').take(MAX_SIGNATURES) {
                is_signed |= bool::from(wanted.as_bytes().ct_eq(given.as_bytes()));
            }
        }
        is_signed && is_recent && is_id && !keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use channels::secret;

    use super::*;

    const JOB: &str = "0199a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b";
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const PROGRESS: &[u8] = br#"{"state":"running","progress":0.4}"#;
    const SENT: i64 = 1_763_676_010;

    fn key(text: &str) -> Vec<u8> {
        secret::decode(text).unwrap()
    }

    /// The test vector (processors, section 5.8).
    #[test]
    fn the_published_vector() {
        let body = format!(r#"{{"spec":"1","job_id":"{JOB}","attempt":1,"kind":"object_detection"}}"#);
        let signed = sign(&[key(SECRET)], None, &format!("{JOB}_1"), 1_763_676_000, body.as_bytes());
        assert_eq!(signed, "v1,+JBgJxyOvj+ZGDw+B8Obun0kw5EmohrFejkY56FsdrM=");
        let id = format!("{JOB}_1_1");
        let signatures = "v1,KIsKzbo/PPpR2GKr9db2zV98Y54I45s6nkfYrHYeY8U=";
        let callback = Signature { id: &id, timestamp: "1763676010", signatures };
        assert!(callback.is_valid(&[key(SECRET)], PROGRESS, SENT));
    }

    #[test]
    fn what_is_old_forged_or_changed_is_refused_and_either_secret_is_good() {
        let (old, new) = ([key(SECRET)], [vec![7; 32]]);
        let both = [new[0].clone(), old[0].clone()];
        let check = |keys: &[Vec<u8>], id: &str, at: i64, want: bool| {
            let signatures = format!("v1,AAAA {}", sign(&old, None, id, SENT, PROGRESS));
            let timestamp = SENT.to_string();
            let signature = Signature { id, timestamp: &timestamp, signatures: &signatures };
            assert_eq!(signature.is_valid(keys, PROGRESS, at), want, "{id} at {at}");
        };
        check(&old, "a_1", SENT, true);
        check(&both, "a_1", SENT, true);
        check(&new, "a_1", SENT, false);
        check(&[], "a_1", SENT, false);
        check(&old, "a_1", SENT + 299, true);
        check(&old, "a_1", SENT - 300, true);
        check(&old, "a_1", SENT + 301, false);
        check(&old, "a.1", SENT, false);
        check(&old, "", SENT, false);
        check(&old, &"a".repeat(129), SENT, false);
        let signatures = sign(&old, None, "a_1", SENT, PROGRESS);
        let signature = Signature { id: "a_1", timestamp: "1763676010", signatures: &signatures };
        assert!(!signature.is_valid(&old, b"{}", SENT), "another body");
        assert!(!Signature { id: "a_2", ..signature }.is_valid(&old, PROGRESS, SENT), "another id");
        assert!(!Signature { timestamp: "1763676011", ..signature }.is_valid(&old, PROGRESS, SENT), "another time");
        assert!(!Signature { timestamp: "", ..signature }.is_valid(&old, PROGRESS, SENT), "no time");
    }

    #[test]
    fn a_key_of_nothing_signs_nothing() {
        let signatures = sign(&[NO_KEY.to_vec()], None, "a_1", SENT, PROGRESS);
        let signature = Signature { id: "a_1", timestamp: "1763676010", signatures: &signatures };
        assert!(!signature.is_valid(&[], PROGRESS, SENT));
    }
}
