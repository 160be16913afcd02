//! Content codings (RFC 9110, section 8.4): request bodies and responses compressed with gzip.

use std::io::{Read, Write};

use axum::body::Bytes;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::problem::{Problem, ProblemType};

/// The most bytes of an inflated body: as many as Lambda takes in a request (6 MB).
const MAX_INFLATED_BYTES: u64 = 6 << 20;
/// Shorter responses gain nothing.
const MIN_DEFLATED_BYTES: usize = 1_024;

/// Why a body cannot be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ContentCodingError {
    Unsupported,
    Malformed,
    TooLarge,
}

impl IntoResponse for ContentCodingError {
    fn into_response(self) -> Response {
        match self {
            Self::Unsupported => {
                let title = "send the body as it is, or compressed by gzip";
                let problem = Problem::new(ProblemType::ContentCoding, title);
                // the codings that are supported (RFC 9110, section 12.5.3)
                ([(header::ACCEPT_ENCODING, "gzip")], problem).into_response()
            }
            Self::Malformed => Problem::new(ProblemType::NotGzip, "the body is not what gzip makes").into_response(),
            Self::TooLarge => {
                let title = format!("an inflated body has at most {MAX_INFLATED_BYTES} bytes");
                Problem::new(ProblemType::TooLarge, title).into_response()
            }
        }
    }
}

/// Inflates a body; its headers become those of the inflated body. Where there is no body, its coding says nothing.
pub(super) fn inflate(headers: &mut HeaderMap, body: Bytes) -> Result<Bytes, ContentCodingError> {
    if body.is_empty() {
        headers.remove(header::CONTENT_ENCODING);
        return Ok(body);
    }
    let all: Vec<&HeaderValue> = headers.get_all(header::CONTENT_ENCODING).iter().collect();
    let coding = match all[..] {
        [] => return Ok(body),
        [one] => one.to_str().map_err(|_| ContentCodingError::Unsupported)?.trim().to_ascii_lowercase(),
        _ => return Err(ContentCodingError::Unsupported),
    };
    let body = match coding.as_str() {
        "identity" | "" => body,
        "gzip" | "x-gzip" => {
            let mut inflated = Vec::new();
            let read = MultiGzDecoder::new(&body[..]).take(MAX_INFLATED_BYTES + 1).read_to_end(&mut inflated);
            read.map_err(|_| ContentCodingError::Malformed)?;
            if inflated.len() as u64 > MAX_INFLATED_BYTES {
                return Err(ContentCodingError::TooLarge);
            }
            inflated.into()
        }
        _ => return Err(ContentCodingError::Unsupported),
    };
    headers.remove(header::CONTENT_ENCODING);
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    Ok(body)
}

/// Compresses a response's body, if the client accepts gzip and the body is a text that is long enough.
pub(super) fn deflate(accepted: &HeaderMap, response: &HeaderMap, body: &[u8]) -> Option<Vec<u8>> {
    let kind = response.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let text = kind.starts_with("text/") || ["json", "javascript", "xml"].iter().any(|it| kind.contains(it));
    if !text
        || body.len() < MIN_DEFLATED_BYTES
        || response.contains_key(header::CONTENT_ENCODING)
        || !accepts_gzip(accepted)
    {
        return None;
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(body).ok()?;
    gzip.finish().ok()
}

/// Whether a client accepts gzip: by its name, or else by `*` (RFC 9110, section 12.5.3).
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|it| it.to_str().ok());
    let (mut named, mut any) = (None, None);
    for element in lines.flat_map(|it| it.split(',')) {
        let mut parts = element.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|it| it.strip_prefix("q=").or_else(|| it.strip_prefix("Q=")));
        let accepts = weight.is_none_or(|it| it.parse::<f32>().is_ok_and(|it| it > 0.0));
        match coding.as_str() {
            "gzip" | "x-gzip" => named = Some(accepts),
            "*" => any = Some(accepts),
            _ => {}
        }
    }
    named.or(any).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(body: &[u8]) -> Bytes {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(body).unwrap();
        gzip.finish().unwrap().into()
    }

    fn coded(coding: &'static str) -> HeaderMap {
        [(header::CONTENT_ENCODING, HeaderValue::from_static(coding))].into_iter().collect()
    }

    #[test]
    fn a_body_is_inflated_up_to_a_bound() {
        let mut headers = coded("GZip");
        assert_eq!(inflate(&mut headers, gzip(b"{\"a\":1}")), Ok(Bytes::from_static(b"{\"a\":1}")));
        assert_eq!((headers.get(header::CONTENT_ENCODING), &headers[header::CONTENT_LENGTH]), (None, &7.into()));
        let two = [gzip(b"{\"a\""), gzip(b":1}")].concat(); // members follow each other (RFC 1952, section 2.2)
        assert_eq!(inflate(&mut coded("x-gzip"), two.into()), Ok(Bytes::from_static(b"{\"a\":1}")));
        let whole = vec![b' '; MAX_INFLATED_BYTES as usize];
        assert_eq!(inflate(&mut coded("gzip"), gzip(&whole)).map(|it| it.len()), Ok(whole.len()));
        assert_eq!(inflate(&mut coded("gzip"), gzip(&[&whole[..], b" "].concat())), Err(ContentCodingError::TooLarge));
    }

    #[test]
    fn what_is_no_gzip_is_refused() {
        for (coding, body, want) in [
            ("br", Bytes::from_static(b"{}"), ContentCodingError::Unsupported),
            ("gzip, gzip", gzip(b"{}"), ContentCodingError::Unsupported),
            ("deflate", gzip(b"{}"), ContentCodingError::Unsupported),
            ("gzip", Bytes::from_static(b"{}"), ContentCodingError::Malformed),
            ("gzip", gzip(b"{}").slice(..12), ContentCodingError::Malformed),
        ] {
            assert_eq!(inflate(&mut coded(coding), body), Err(want), "{coding}");
        }
        let mut no_text =
            [(header::CONTENT_ENCODING, HeaderValue::from_bytes(b"gzip\xa0").unwrap())].into_iter().collect();
        assert_eq!(inflate(&mut no_text, gzip(b"{}")), Err(ContentCodingError::Unsupported));
        assert_eq!(inflate(&mut coded("identity"), Bytes::from_static(b"{}")), Ok(Bytes::from_static(b"{}")));
        assert_eq!(inflate(&mut coded("br"), Bytes::new()), Ok(Bytes::new()), "there is nothing to read");
        let refused = ContentCodingError::Unsupported.into_response();
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()[header::ACCEPT_ENCODING]),
            (415, &"gzip".parse().unwrap())
        );
    }

    #[test]
    fn an_answer_is_compressed_for_whoever_takes_it() {
        for (accepted, want) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("*;q=1, gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("identity", false),
            ("br", false),
        ] {
            let headers = [(header::ACCEPT_ENCODING, accepted.parse().unwrap())].into_iter().collect();
            let response = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
            assert_eq!(deflate(&headers, &response, &[b'a'; MIN_DEFLATED_BYTES]).is_some(), want, "{accepted}");
            assert_eq!(deflate(&headers, &response, &[b'a'; MIN_DEFLATED_BYTES - 1]), None);
        }
    }
}
