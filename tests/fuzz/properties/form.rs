//! Form bodies of the channel API: what an honest client writes is read the same in each media type, and what a stranger
//! writes is read as the media type says, or refused in few words.

use std::collections::BTreeMap;

use adcreative_api::{ApiError, Form};
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use form_urlencoded::Serializer;
use serde_json::{Map, Value};

use super::block_on;

const MULTIPART: &str = "multipart/form-data; boundary=xx";
const URL_ENCODED: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
/// The most bytes of a refusal's text.
const MAX_REFUSAL_BYTES: usize = 500;

/// The first line of the input is a media type, or `fields`; the rest is a body, or a line for each field, `name=value`.
pub fn check(input: &[u8]) {
    let end = input.iter().position(|it| *it == b'\n').unwrap_or(input.len());
    let (first, rest) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let (Ok(media_type), body) = (std::str::from_utf8(first), rest.to_vec()) else { return };
    match (media_type, std::str::from_utf8(&body)) {
        ("fields", Ok(lines)) => honest_fields(lines),
        ("fields", Err(_)) => {}
        (URL_ENCODED, _) => url_encoded(&body),
        (media_type, _) => drop(read(media_type, body)),
    }
}

/// Reads a body.
fn read(media_type: &str, body: Vec<u8>) -> Option<Form> {
    let request = Request::builder().method("PUT").header(CONTENT_TYPE, media_type).body(Body::from(body)).ok()?;
    match block_on(Form::from_request(request, &())) {
        Ok(form) => Some(form),
        Err(error @ (ApiError::InvalidField(..) | ApiError::MediaType(_) | ApiError::TooLarge)) => {
            assert!(error.to_string().len() <= MAX_REFUSAL_BYTES, "a refusal of {} bytes", error.to_string().len());
            None
        }
        Err(error) => panic!("a stranger's body is an error of ours: {error:?}"),
    }
}

/// The same fields, as a client writes them in each media type.
fn honest_fields(lines: &str) {
    let mut fields: BTreeMap<String, &str> = BTreeMap::new();
    for (name, value) in lines.lines().filter_map(|line| line.split_once('=')) {
        // the names that the API documents are such
        let is_name = !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric());
        if is_name && !value.contains(['\r', '\n']) && fields.len() < 20 {
            fields.entry(name.to_ascii_lowercase()).or_insert(value);
        }
    }
    let mut multipart = String::new();
    for (name, value) in &fields {
        multipart += &format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    let json: Map<String, Value> = fields.iter().map(|it| (it.0.clone(), Value::from(*it.1))).collect();
    let url_encoded = Serializer::new(String::new()).extend_pairs(&fields).finish();
    let bodies =
        [(MULTIPART, multipart + "--xx--\r\n"), (URL_ENCODED, url_encoded), (JSON, Value::from(json).to_string())];
    for (media_type, body) in bodies {
        if body.len() > 60_000 || (media_type == MULTIPART && fields.values().any(|it| it.contains("--xx"))) {
            continue; // too large, or a boundary that a client would not choose
        }
        let form = read(media_type, body.into_bytes()).unwrap_or_else(|| panic!("{media_type}: {fields:?} is refused"));
        for (name, value) in &fields {
            assert_eq!(form.has(&name.to_ascii_uppercase()), !value.is_empty(), "{media_type}: {name}");
        }
        let want = fields.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect();
        assert_eq!(form, Form::from_fields(want), "{media_type}");
    }
}

/// A second reading of a URL-encoded form (WHATWG URL, section 5.1).
fn url_encoded(body: &[u8]) {
    let Some(form) = read(URL_ENCODED, body.to_vec()) else { return };
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for pair in body.split(|it| *it == b'&') {
        let at = pair.iter().position(|it| *it == b'=').unwrap_or(pair.len());
        let (name, value) = (decode(&pair[..at]), decode(pair.get(at + 1..).unwrap_or_default()));
        if !value.is_empty() {
            fields.entry(name.to_ascii_lowercase()).or_insert(value);
        }
    }
    assert_eq!(form, Form::from_fields(fields));
}

fn decode(text: &[u8]) -> String {
    let (mut bytes, mut at) = (Vec::new(), 0);
    let digit = |at: usize| text.get(at).and_then(|it| (*it as char).to_digit(16));
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => bytes.push(b' '),
            (byte, ..) => bytes.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
