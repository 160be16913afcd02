//! The pages: built files out of the binary, compressed when they were built.

use std::io::Read;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use entry::http::{Problem, ProblemType, accepts_gzip};
use flate2::read::GzDecoder;
use url::Url;

use crate::context::Context;
use files::{FILES, INDEX};

#[path = "../dist/files.rs"]
mod files;

/// A built file.
pub(crate) struct BuiltFile {
    /// Its name, which has a hash of its content.
    pub(crate) name: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) gzip: &'static [u8],
}

/// A file's content never changes under its name (RFC 8246).
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// The page names the files of one build: it is asked for each time.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// What the beginning of a file's name says: it is the service worker that gives players their media.
const MEDIA_WORKER: &str = "mediaworker-";

/// What the pages may load and call: files and the API of their own host, pictures that they have fetched themselves, and the
/// address of the sockets if they are elsewhere. No inline script or style, no other site's frame, no form. Media comes from their own
/// host as well: a service worker asks the API for it.
pub(crate) fn content_security_policy(socket_url: Option<&str>) -> HeaderValue {
    let socket = socket_url.and_then(|it| Url::parse(it).ok());
    let origin = socket.as_ref().map(|it| &it[..url::Position::BeforePath]).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self' {origin}; \
         media-src 'self'; worker-src 'self'; manifest-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types console"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// The page that holds all others.
pub(crate) async fn index(State(context): State<Context>, headers: HeaderMap) -> Response {
    let page = BuiltFile { name: "index.html", content_type: "text/html; charset=utf-8", gzip: INDEX };
    let mut response = serve(&page, NO_CACHE, &headers);
    let isolated: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_SECURITY_POLICY, context.policy),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    ];
    response.headers_mut().extend(isolated);
    response
}

/// A file that a page names.
pub(crate) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match FILES.iter().find(|it| it.name == name) {
        Some(file) => {
            let mut response = serve(file, FOREVER, &headers);
            if file.name.starts_with(MEDIA_WORKER) {
                // the page itself is outside of the folder of its files, and a worker has a policy of its own
                let headers: [(HeaderName, HeaderValue); 2] = [
                    (HeaderName::from_static("service-worker-allowed"), HeaderValue::from_static("/console")),
                    (
                        header::CONTENT_SECURITY_POLICY,
                        HeaderValue::from_static("default-src 'none'; connect-src 'self'"),
                    ),
                ];
                response.headers_mut().extend(headers);
            }
            response
        }
        None => Problem::new(ProblemType::NoSuchPage, "there is no such page").into_response(),
    }
}

/// A file as the client takes it: compressed, or inflated.
fn serve(file: &BuiltFile, cache: HeaderValue, headers: &HeaderMap) -> Response {
    let (body, coding) = if accepts_gzip(headers) {
        (file.gzip.to_vec(), Some(HeaderValue::from_static("gzip")))
    } else {
        let mut inflated = Vec::new();
        match GzDecoder::new(file.gzip).read_to_end(&mut inflated) {
            Ok(_) => (inflated, None),
            Err(error) => return Problem::internal(&error).into_response(),
        }
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, coding);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As much as a page may load in all, compressed, in bytes.
    const MAX_BYTES: usize = 300_000;

    fn inflated(gzip: &[u8]) -> String {
        let mut text = String::new();
        GzDecoder::new(gzip).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_policy_allows_the_own_host_and_the_sockets_alone() {
        let policy = |it: Option<&str>| content_security_policy(it).to_str().unwrap().to_owned();
        assert!(policy(None).contains("connect-src 'self' ;") && !policy(None).contains("unsafe"));
        let elsewhere = policy(Some("wss://abc.execute-api.eu-central-1.amazonaws.com/live"));
        assert!(
            elsewhere.contains("connect-src 'self' wss://abc.execute-api.eu-central-1.amazonaws.com;"),
            "{elsewhere}"
        );
    }

    #[test]
    fn the_page_names_files_that_are_there_and_all_of_them_are_small() {
        let page = inflated(INDEX);
        assert!(!page.contains("style=") && !page.contains("<style"), "{page}");
        let named: Vec<&str> =
            page.split("/console/").skip(1).filter_map(|it| it.split('"').next()).filter(|it| !it.is_empty()).collect();
        assert!(named.len() >= 2, "a script and a style: {named:?}");
        for name in named {
            assert!(FILES.iter().any(|it| it.name == name), "{name}");
        }
        let scripts = page.matches("<script").count();
        assert_eq!(scripts, page.matches("<script type=\"module\" src=\"/console/").count(), "no script is inline");
        assert!(FILES.iter().any(|it| it.name.starts_with(MEDIA_WORKER)), "the page's policy is not the worker's");
        let bytes = FILES.iter().map(|it| it.gzip.len()).sum::<usize>() + INDEX.len();
        assert!(bytes < MAX_BYTES, "{bytes} bytes");
        for file in FILES {
            assert!(!inflated(file.gzip).is_empty(), "{}", file.name);
        }
    }
}
