//! Which format a body has, and which one the answer gets.

use crate::format::Format;

/// No format that the client accepts: 406.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client accepts neither JSON nor XML")]
pub struct NotAcceptable;

/// A format that no request has: 415.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a body of this type is not supported")]
pub struct UnsupportedMediaType;

/// The format of a request's body (NC 6, NC App. C, NMS 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFormat {
    Json,
    Xml,
    /// `application/x-www-form-urlencoded`
    Form,
    /// `multipart/form-data`
    Multipart,
}

/// The format of an answer: that of the query parameter `resFormat`, else the one that `Accept` prefers, else that of the
/// request's `Content-Type`, else JSON.
///
/// # Errors
/// If the client accepts neither format.
pub fn response_format(
    res_format: Option<&str>,
    accept: Option<&str>,
    content_type: Option<&str>,
) -> Result<Format, NotAcceptable> {
    if let Some(name) = res_format {
        return match name.to_ascii_uppercase().as_str() {
            "JSON" => Ok(Format::Json),
            "XML" => Ok(Format::Xml),
            _ => Err(NotAcceptable),
        };
    }
    let preferred = match content_type.map(|it| request_format(Some(it))) {
        Some(Ok(RequestFormat::Xml)) => Format::Xml,
        _ => Format::Json,
    };
    let Some(accept) = accept.filter(|it| !it.trim().is_empty()) else { return Ok(preferred) };
    let (json, xml) = (quality(accept, Format::Json), quality(accept, Format::Xml));
    match (json, xml) {
        (None, None) => Err(NotAcceptable),
        (Some(json), Some(xml)) if json == xml => Ok(preferred),
        // `None` is less than any quality
        (json, xml) => Ok(if json > xml { Format::Json } else { Format::Xml }),
    }
}

/// The format of a request's body. Without a `Content-Type` it is JSON.
///
/// # Errors
/// If no request has a body of this type, or its text is not in UTF-8.
pub fn request_format(content_type: Option<&str>) -> Result<RequestFormat, UnsupportedMediaType> {
    let Some(content_type) = content_type.filter(|it| !it.trim().is_empty()) else { return Ok(RequestFormat::Json) };
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let utf8 = parameters.split(';').all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let charset = value.trim().trim_matches('"');
            ["utf-8", "utf8", "us-ascii"].iter().any(|it| it.eq_ignore_ascii_case(charset))
        }
        _ => true,
    });
    match media_type.trim().to_ascii_lowercase().as_str() {
        "multipart/form-data" => Ok(RequestFormat::Multipart),
        _ if !utf8 => Err(UnsupportedMediaType),
        "application/json" => Ok(RequestFormat::Json),
        "application/xml" | "text/xml" => Ok(RequestFormat::Xml),
        "application/x-www-form-urlencoded" => Ok(RequestFormat::Form),
        _ => Err(UnsupportedMediaType),
    }
}

/// How much a client wants a format: the weight of the most specific range that has it, in thousandths, and how specific it
/// is (RFC 9110, 12.5.1). `None` if it does not accept it.
fn quality(accept: &str, format: Format) -> Option<(u16, u8)> {
    let ranges = accept.split(',').filter_map(|range| {
        let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
        let specific = match (name.trim().to_ascii_lowercase().as_str(), format) {
            ("application/json", Format::Json) | ("application/xml" | "text/xml", Format::Xml) => 2,
            ("application/*", _) | ("text/*", Format::Xml) => 1,
            ("*/*", _) => 0,
            _ => return None,
        };
        Some((specific, weight(parameters)))
    });
    // of two ranges as specific as each other, such as the two types of XML, the better one counts
    let (specific, weight) = ranges.max()?;
    (weight > 0).then_some((weight, specific))
}

/// The weight in thousandths. One that is not a weight counts as absent.
fn weight(parameters: &str) -> u16 {
    let given = parameters.split(';').rev().find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("q") {
            return None;
        }
        let (whole, fraction) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
        let fraction: u16 = if fraction.len() > 3 { return None } else { format!("{fraction:0<3}").parse().ok()? };
        match whole {
            "0" => Some(fraction),
            "1" if fraction == 0 => Some(1_000),
            _ => None,
        }
    });
    given.unwrap_or(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(res_format: Option<&str>, accept: Option<&str>, content_type: Option<&str>, want: Option<Format>) {
        assert_eq!(response_format(res_format, accept, content_type).ok(), want);
    }

    #[test]
    fn the_answer_follows_the_table() {
        use Format::{Json, Xml};
        let (json, xml) = (Some("application/json"), Some("application/xml; charset=utf-8"));
        check(None, None, None, Some(Json));
        check(None, None, xml, Some(Xml));
        check(None, None, Some("text/xml"), Some(Xml));
        check(None, None, Some("application/x-www-form-urlencoded"), Some(Json));
        check(None, None, Some("image/png"), Some(Json));
        check(None, Some(""), xml, Some(Xml));
        check(None, json, xml, Some(Json));
        check(None, Some("text/xml"), json, Some(Xml));
        check(None, Some("*/*"), xml, Some(Xml));
        check(None, Some("*/*"), None, Some(Json));
        check(None, Some("application/*"), xml, Some(Xml));
        check(None, Some("text/*"), json, Some(Xml));
        check(None, Some("application/json, application/xml"), xml, Some(Xml));
        check(None, Some("application/json;q=0.5, application/xml;q=0.9"), json, Some(Xml));
        check(None, Some("application/json;q=0.5, */*"), json, Some(Xml));
        check(None, Some("application/xml, */*"), json, Some(Xml));
        check(None, Some("application/json;q=0, */*;q=0.1"), json, Some(Xml));
        check(None, Some("application/json;q=0"), None, None);
        check(None, Some("text/html, image/*"), json, None);
        check(None, Some("Application/JSON ; Q=1.000"), xml, Some(Json));
        check(None, Some("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8"), None, Some(Xml));
        check(Some("XML"), json, json, Some(Xml));
        check(Some("json"), xml, xml, Some(Json));
        check(Some("YAML"), json, json, None);
    }

    #[test]
    fn the_body_follows_the_table() {
        for (content_type, want) in [
            (None, Some(RequestFormat::Json)),
            (Some(""), Some(RequestFormat::Json)),
            (Some("application/json"), Some(RequestFormat::Json)),
            (Some("Application/JSON; charset=\"UTF-8\""), Some(RequestFormat::Json)),
            (Some("application/xml"), Some(RequestFormat::Xml)),
            (Some("text/xml;charset=us-ascii"), Some(RequestFormat::Xml)),
            (Some("text/xml; charset=utf-16"), None),
            (Some("application/x-www-form-urlencoded"), Some(RequestFormat::Form)),
            (Some("multipart/form-data; boundary=\"a;b\""), Some(RequestFormat::Multipart)),
            (Some("text/plain"), None),
            (Some("application/jsonp"), None),
        ] {
            assert_eq!(request_format(content_type).ok(), want, "{content_type:?}");
        }
    }

    #[test]
    fn a_weight_is_read_exactly() {
        for (parameters, want) in [
            ("", 1_000),
            ("q=1", 1_000),
            ("q=0", 0),
            ("q=0.", 0),
            ("q=0.5", 500),
            ("level=1; q=0.123", 123),
            ("q=2", 1_000),
            ("q=0.1234", 1_000),
            ("q=-1", 1_000),
            ("q=x", 1_000),
        ] {
            assert_eq!(weight(parameters), want, "{parameters}");
        }
    }
}
