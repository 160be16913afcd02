//! The CORS rules of buckets, evaluated as Amazon S3 does ("How does Amazon S3 evaluate
//! the CORS configuration on a bucket?").

use std::collections::BTreeMap;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};

use crate::template::CorsRule;

/// A cross-origin request, or its preflight.
pub(crate) struct CorsRequest {
    bucket: String,
    origin: String,
    method: String,
    /// The headers that a preflight asks for, in lower case.
    headers: Vec<String>,
    /// The same as the preflight wrote them.
    requested_headers: Option<HeaderValue>,
    pub(crate) is_preflight: bool,
}

impl CorsRequest {
    /// The CORS members of a request with the path `/bucket/key`; `None` without an `Origin`.
    pub(crate) fn from_request<B>(request: &http::Request<B>) -> Option<Self> {
        let text = |name: HeaderName| request.headers().get(name).and_then(|it| it.to_str().ok());
        let origin = text(header::ORIGIN)?.to_owned();
        let requested_method =
            text(header::ACCESS_CONTROL_REQUEST_METHOD).filter(|_| request.method() == Method::OPTIONS);
        let requested_headers =
            request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).filter(|_| requested_method.is_some());
        let headers = requested_headers.and_then(|it| it.to_str().ok()).unwrap_or_default().split(',');
        Some(Self {
            bucket: request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default().to_owned(),
            origin,
            method: requested_method.unwrap_or(request.method().as_str()).to_owned(),
            headers: headers.map(|it| it.trim().to_lowercase()).filter(|it| !it.is_empty()).collect(),
            requested_headers: requested_headers.cloned(),
            is_preflight: requested_method.is_some(),
        })
    }

    /// The response headers of the first rule that matches; `None` if no rule does.
    pub(crate) fn response_headers(&self, rules: &BTreeMap<String, Vec<CorsRule>>) -> Option<HeaderMap> {
        let matches_request = |rule: &&CorsRule| {
            rule.origins.iter().any(|it| matches_wildcard(it, &self.origin))
                && rule.methods.contains(&self.method)
                && self
                    .headers
                    .iter()
                    .all(|name| rule.headers.iter().any(|it| matches_wildcard(&it.to_lowercase(), name)))
        };
        let rule = rules.get(&self.bucket)?.iter().find(matches_request)?;
        let any_origin = rule.origins.iter().any(|it| it == "*");
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        };
        put(header::ACCESS_CONTROL_ALLOW_ORIGIN, if any_origin { "*" } else { &self.origin });
        if !any_origin {
            put(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        put(header::ACCESS_CONTROL_ALLOW_METHODS, &rule.methods.join(", "));
        if !rule.exposed.is_empty() {
            put(header::ACCESS_CONTROL_EXPOSE_HEADERS, &rule.exposed.join(", "));
        }
        if let Some(seconds) = rule.max_age {
            put(header::ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        put(header::VARY, "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
        if let Some(requested_headers) = self.requested_headers.clone() {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, requested_headers);
        }
        Some(headers)
    }
}

/// The response to a preflight: 200 with these headers, or 403.
pub(crate) fn preflight<B: From<String>>(allowed: Option<HeaderMap>) -> Response<B> {
    let Some(headers) = allowed else {
        let text = "<Error><Code>AccessForbidden</Code><Message>CORSResponse: This CORS request is not allowed.</Message></Error>";
        let mut response = Response::new(B::from(text.to_owned()));
        *response.status_mut() = StatusCode::FORBIDDEN;
        return response;
    };
    let mut response = Response::new(B::from(String::new()));
    *response.headers_mut() = headers;
    response
}

/// Whether a text matches a pattern with at most one `*`, which stands for anything.
fn matches_wildcard(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((front, end)) => text.len() >= front.len() + end.len() && text.starts_with(front) && text.ends_with(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> BTreeMap<String, Vec<CorsRule>> {
        let texts = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let news =
            CorsRule { origins: texts(&["https://*.example.com"]), methods: texts(&["PUT"]), ..CorsRule::default() };
        let all = CorsRule {
            origins: texts(&["*"]),
            methods: texts(&["GET", "HEAD"]),
            headers: texts(&["x-*"]),
            exposed: texts(&["ETag"]),
            max_age: Some(60),
        };
        [("results".to_owned(), vec![news, all])].into()
    }

    #[track_caller]
    fn check(method: &str, path: &str, headers: &[(&str, &str)], want: Option<(&str, bool)>) {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cors_request = CorsRequest::from_request(&request.body(()).unwrap());
        let allowed = cors_request.and_then(|it| it.response_headers(&rules()));
        let found = allowed.as_ref().map(|headers| {
            let origin = headers[header::ACCESS_CONTROL_ALLOW_ORIGIN].to_str().unwrap();
            (origin, headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS))
        });
        assert_eq!(found, want, "{method} {path} {headers:?}");
    }

    #[test]
    fn the_first_rule_that_fits_lets_in() {
        let (page, evil) = (("origin", "https://news.example.com"), ("origin", "null"));
        check("GET", "/results/a/b", &[], None);
        check("GET", "/results/a/b", &[page], Some(("*", false)));
        check("GET", "/results/a/b", &[evil], Some(("*", false)));
        check("GET", "/other/a/b", &[page], None);
        check("PUT", "/results/a", &[page], Some(("https://news.example.com", true)));
        check("PUT", "/results/a", &[evil], None);
        let asks = |method: &'static str| ("access-control-request-method", method);
        let with = |names: &'static str| ("access-control-request-headers", names);
        check("OPTIONS", "/results/a", &[evil, asks("GET"), with("X-Api-Key, x-api-secret")], Some(("*", false)));
        check("OPTIONS", "/results/a", &[evil, asks("GET"), with("authorization")], None);
        check("OPTIONS", "/results/a", &[evil, asks("DELETE")], None);
        check("OPTIONS", "/results/a", &[page, asks("PUT")], Some(("https://news.example.com", true)));
    }
}
