//! Masking of the secrets in URLs, and in messages that people look at.

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Replacement for a secret.
pub const MASK: &str = "********";
/// Parts of names that suggest a secret.
const SECRET_NAMES: [&str; 15] = [
    "token", "key", "secret", "sig", "code", "auth", "pass", "pwd", "jwt", "sess", "cred", "hmac", "hash", "policy",
    "ticket",
];
/// Parts of the names of members whose values are secrets, whatever they are. Fewer than in a URL: an object's `key`, a problem's
/// `code` and a collapse key say what happened.
const SECRET_MEMBERS: [&str; 11] = [
    "token",
    "secret",
    "signature",
    "authorization",
    "password",
    "passwd",
    "jwt",
    "credential",
    "hmac",
    "apikey",
    "api_key",
];
/// A query value of at least this many characters counts as a secret, whatever its name.
const MIN_SECRET_LENGTH: usize = 20;

/// Masks the secrets in a URL's query: values whose names suggest a secret (channel API, section 7.1), signatures of
/// presigned links, and long values.
pub fn mask_url(url: &str) -> String {
    let Some((front, query)) = url.split_once('?') else { return url.to_owned() };
    let pairs = query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let lower = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
        match () {
            () if !value.is_empty()
                && (value.len() >= MIN_SECRET_LENGTH || SECRET_NAMES.iter().any(|it| lower.contains(it))) =>
            {
                format!("{name}={MASK}")
            }
            () if value.is_empty() && name.len() >= MIN_SECRET_LENGTH => MASK.to_owned(), // a bare word
            () => pair.to_owned(),
        }
    });
    format!("{front}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// Masks the secrets in a message: whatever members hold whose names suggest one, and what is secret in URLs.
pub fn mask_message(message: &mut Value) {
    match message {
        Value::Object(members) => {
            for (name, value) in members {
                if is_secret_member(name) {
                    mask_whole(value);
                } else {
                    mask_message(value);
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(mask_message),
        Value::String(text) if text.contains("://") => *text = mask_url(&mask_users(text)),
        _ => {}
    }
}

/// Masks the secrets in a sentence, such as what an error says: in its URLs, behind `Bearer` and `Basic`, and where a word says
/// `name=value` or `name:value` and the name suggests one.
pub fn mask_text(text: &str) -> String {
    let mut is_credential = false;
    let words = text.split(' ').map(|word| {
        if word.is_empty() {
            return String::new();
        }
        if std::mem::replace(&mut is_credential, is_scheme(word)) {
            return MASK.to_owned();
        }
        if word.contains("://") {
            return mask_url(&mask_users(word));
        }
        let Some(end) = word.find(['=', ':']).filter(|it| it + 1 < word.len()) else {
            // `token: value`
            is_credential |= word.strip_suffix([':', '=']).is_some_and(is_secret_member);
            return word.to_owned();
        };
        if is_secret_member(&word[..end]) { format!("{}{MASK}", &word[..=end]) } else { word.to_owned() }
    });
    words.collect::<Vec<String>>().join(" ")
}

/// Whether a credential follows a word (RFC 9110, section 11.1).
fn is_scheme(word: &str) -> bool {
    let word = word.trim_start_matches(|it: char| !it.is_ascii_alphanumeric());
    word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic")
}

/// Whether a member's name suggests that its value is a secret.
fn is_secret_member(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    SECRET_MEMBERS.iter().any(|it| lower.contains(it))
}

/// Masks each text and number of a value, which is a secret or a list or an object of some.
fn mask_whole(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(mask_whole),
        Value::Array(all) => all.iter_mut().for_each(mask_whole),
        Value::String(text) if text.is_empty() => {}
        Value::String(_) | Value::Number(_) => *value = Value::String(MASK.to_owned()),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Masks the user, and with it the password, of each URL in a text (RFC 3986, section 3.2.1).
fn mask_users(text: &str) -> String {
    let mut parts = text.split("://");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|it: char| matches!(it, '/' | '?' | '#') || it.is_whitespace()).unwrap_or(part.len());
        let host = part[..end].rfind('@').map_or(0, |it| it + 1);
        masked.push_str("://");
        if host > 0 {
            masked.push_str(MASK);
            masked.push('@');
        }
        masked.push_str(&part[host..]);
    }
    masked
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_message_holds_in_secret_is_masked() {
        let mut message = json!({
            "app": "a", "key": "clip.mp4", "token": null, "code": "no_media",
            "notification": { "data": { "accessToken": "abc", "list": [{ "Password": "x" }], "url": "https://a.example/?sig=1" } },
        });
        mask_message(&mut message);
        assert_eq!(
            message,
            json!({
                "app": "a", "key": "clip.mp4", "token": null, "code": "no_media",
                "notification": { "data": { "accessToken": MASK, "list": [{ "Password": MASK }], "url": "https://a.example/?sig=********" } },
            })
        );
        for (member, want) in [
            (json!({ "tokens": ["abc", "", 7] }), json!({ "tokens": [MASK, "", MASK] })),
            (
                json!({ "credentials": { "user": "a", "pin": 7 } }),
                json!({ "credentials": { "user": MASK, "pin": MASK } }),
            ),
            (json!({ "secret": 7, "hasSecret": true }), json!({ "secret": MASK, "hasSecret": true })),
            (json!({ "url": "amqps://me:pw@b.example/v" }), json!({ "url": "amqps://********@b.example/v" })),
            (
                json!(["see https://a.example/@x and https://t@b.example?sig=1"]),
                json!(["see https://a.example/@x and https://********@b.example?sig=********"]),
            ),
        ] {
            let mut message = member.clone();
            mask_message(&mut message);
            assert_eq!(message, want, "{member}");
            mask_message(&mut message);
            assert_eq!(message, want, "twice is once");
        }
    }

    #[test]
    fn what_a_sentence_holds_in_secret_is_masked() {
        for (text, want) in [
            ("", ""),
            ("the hub answered 401: is it there? no", "the hub answered 401: is it there? no"),
            (
                "could not reach https://me:pw@a.example/x?sig=1&page=2 in time",
                "could not reach https://********@a.example/x?sig=********&page=2 in time",
            ),
            ("amqps://me:pw@b.example/v: refused", "amqps://********@b.example/v: refused"),
            ("it sent Authorization: Bearer abc.def twice", "it sent Authorization: ******** ******** twice"),
            ("(bearer abc) and Basic  YWJj", "(bearer ******** and Basic  ********"),
            (
                "password=hush, apiKey:abc and secret: xyz, code:5",
                "password=******** apiKey:******** and secret: ******** code:5",
            ),
            ("the key a/b.mp4 is gone: NoSuchKey", "the key a/b.mp4 is gone: NoSuchKey"),
        ] {
            assert_eq!(mask_text(text), want);
            assert_eq!(mask_text(want), want, "twice is once");
        }
    }

    #[test]
    fn what_a_query_holds_in_secret_is_masked() {
        for (url, want) in [
            ("https://a.example/hook", "https://a.example/hook"),
            ("https://a.example/?x=1&empty=&flag", "https://a.example/?x=1&empty=&flag"),
            (
                "https://a.example/?x=1&access_token=abc&Sig=d",
                "https://a.example/?x=1&access_token=********&Sig=********",
            ),
            (
                "https://a.example/?X-Amz-Credential=a&X-Amz-Date=2",
                "https://a.example/?X-Amz-Credential=********&X-Amz-Date=2",
            ),
            ("https://a.example/?t%6Fken=abc", "https://a.example/?t%6Fken=********"),
            ("https://a.example/?t=0123456789abcdefghij", "https://a.example/?t=********"),
            ("https://a.example/?0123456789abcdefghij", "https://a.example/?********"),
            ("https://a.example/?t=a=b&u=c", "https://a.example/?t=a=b&u=c"),
        ] {
            assert_eq!(mask_url(url), want);
            assert_eq!(mask_url(&mask_url(url)), want, "twice is once");
        }
    }
}
