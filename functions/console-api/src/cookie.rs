//! The cookies, and the proof that a page of ours has sent them (RFC 6265bis; Fetch Metadata).

use axum::http::{HeaderMap, HeaderValue, header};
use entry::http::{Problem, ProblemType};
use time::Duration;

/// The header that pages send with the cookie. A page of another origin would need a preflight for it, which is refused.
const OWN_HEADER: &str = "x-console";

/// A cookie of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// The secret of a session.
    Session,
    /// A sign-in at an issuer that was begun.
    SignIn,
}

impl Cookie {
    /// Its name. Over HTTPS the prefix makes browsers refuse one that another host of the domain has set, so that nobody signs a
    /// visitor in as somebody else (RFC 6265bis, section 4.1.3.2). Browsers keep cookies of all ports of a host together: without
    /// HTTPS, as on the local stack, the port tells them apart.
    fn name(self, headers: &HeaderMap) -> String {
        let name = match self {
            Self::Session => "console",
            Self::SignIn => "console-sign-in",
        };
        if is_https(headers) {
            return format!("__Host-{name}");
        }
        let port = text(headers, "host").and_then(|it| it.rsplit_once(':')).map_or("80", |it| it.1);
        let port: String = port.chars().filter(char::is_ascii_digit).take(5).collect();
        format!("{name}-{port}")
    }

    /// To whose requests it is added. The issuer's page leads back to ours, so that a strict one would not come with the answer.
    fn same_site(self) -> &'static str {
        match self {
            Self::Session => "Strict",
            Self::SignIn => "Lax",
        }
    }

    /// Its value in a request.
    pub(crate) fn value(self, headers: &HeaderMap) -> Option<&str> {
        let name = self.name(headers);
        let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|it| it.to_str().ok());
        let mut pairs = lines.flat_map(|it| it.split(';')).filter_map(|it| it.trim().split_once('='));
        pairs.find(|it| it.0 == name).map(|it| it.1)
    }

    /// The header that stores a value for a time. The value is letters, digits and marks that a cookie may have.
    pub(crate) fn set(self, headers: &HeaderMap, value: &str, lifetime: Duration) -> HeaderValue {
        let (name, age, site) = (self.name(headers), lifetime.whole_seconds().max(0), self.same_site());
        // the prefix wants the path `/`; the API takes no cookie
        let (path, secure) = if is_https(headers) { ("/", "; Secure") } else { ("/console", "") };
        let text = format!("{name}={value}; Path={path}; Max-Age={age}; HttpOnly; SameSite={site}{secure}");
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }

    /// The header that forgets it.
    pub(crate) fn forget(self, headers: &HeaderMap) -> HeaderValue {
        self.set(headers, "", Duration::ZERO)
    }
}

/// Whether the client came over HTTPS: API Gateway says so.
pub(crate) fn is_https(headers: &HeaderMap) -> bool {
    text(headers, "x-forwarded-proto").is_some_and(|it| it.eq_ignore_ascii_case("https"))
}

/// The origin of the pages, as the browser that asks sees it. Another client has that of the host that it asked.
pub(crate) fn own_origin(headers: &HeaderMap) -> Option<String> {
    if let Some(origin) = text(headers, "origin") {
        return Some(origin.to_owned());
    }
    let scheme = if is_https(headers) { "https" } else { "http" };
    text(headers, "host").map(|it| format!("{scheme}://{it}"))
}

/// Refuses a request whose cookie another site's page may have sent: besides `SameSite`, the header of our pages is required,
/// and what the browser says of the sender must be this origin.
///
/// # Errors
/// 403.
pub(crate) fn check_sender(headers: &HeaderMap) -> Result<(), Problem> {
    check_origin(headers)?;
    if headers.contains_key(OWN_HEADER) { Ok(()) } else { Err(wrong_sender()) }
}

/// Refuses a request that a page of another origin makes, as the browser says: it could sign its visitor in as somebody else.
///
/// # Errors
/// 403.
pub(crate) fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let is_own = match (text(headers, "sec-fetch-site"), text(headers, "origin")) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|it| it.1);
            host.is_some() && host == text(headers, "host")
        }
        (None, None) => true, // no browser
    };
    if is_own { Ok(()) } else { Err(wrong_sender()) }
}

fn wrong_sender() -> Problem {
    let reason = format!("a session begins and goes on from the console's own pages alone, which send {OWN_HEADER}");
    Problem::new(ProblemType::Origin, reason)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|it| (HeaderName::from_static(it.0), HeaderValue::from_static(it.1))).collect()
    }

    #[test]
    fn a_cookie_is_secure_over_https_and_of_its_port_without() {
        let (https, plain) = (headers(&[("x-forwarded-proto", "https")]), headers(&[("host", "127.0.0.1:8000")]));
        let cookie = |it: &HeaderMap, secret: &str, age: Duration| {
            Cookie::Session.set(it, secret, age).to_str().unwrap().to_owned()
        };
        assert_eq!(
            Cookie::SignIn.set(&https, "s", Duration::MINUTE),
            "__Host-console-sign-in=s; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            cookie(&https, "s", Duration::HOUR),
            "__Host-console=s; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(
            cookie(&plain, "", Duration::ZERO),
            "console-8000=; Path=/console; Max-Age=0; HttpOnly; SameSite=Strict"
        );
        for (cookies, want) in [
            ("console-8000=a", Some("a")),
            ("x=1;console-8000=a; y=2", Some("a")),
            ("console-8001=b; console-8000=a", Some("a")),
            ("console-8001=b", None),
            ("console-sign-in-8000=b", None),
            ("console", None),
        ] {
            let sent = headers(&[("host", "127.0.0.1:8000"), ("cookie", cookies)]);
            assert_eq!(Cookie::Session.value(&sent), want, "{cookies}");
        }
    }

    #[test]
    fn the_pages_are_where_the_browser_says() {
        let (host, https) = (("host", "api.example.com"), ("x-forwarded-proto", "https"));
        for (sent, want) in [
            (&[host, https, ("origin", "https://cdn.example.com")][..], Some("https://cdn.example.com")),
            (&[host, https], Some("https://api.example.com")),
            (&[host], Some("http://api.example.com")),
            (&[], None),
        ] {
            assert_eq!(own_origin(&headers(sent)).as_deref(), want, "{sent:?}");
        }
    }

    #[test]
    fn only_a_page_of_our_own_sends_the_cookie() {
        let (host, own) = (("host", "api.example.com"), ("x-console", "1"));
        for (sent, want) in [
            (&[host, own, ("sec-fetch-site", "same-origin")][..], true),
            (&[host, own, ("origin", "https://api.example.com")], true),
            (&[host, own], true),
            (&[host, ("sec-fetch-site", "same-origin")], false),
            (&[host, own, ("sec-fetch-site", "same-site")], false),
            (&[host, own, ("sec-fetch-site", "cross-site")], false),
            (&[host, own, ("sec-fetch-site", "none")], false),
            (&[host, own, ("origin", "https://evil.example.com")], false),
            (&[host, own, ("origin", "null")], false),
            (&[own, ("origin", "null")], false),
        ] {
            assert_eq!(check_sender(&headers(sent)).is_ok(), want, "{sent:?}");
            let without: Vec<_> = sent.iter().copied().filter(|it| it.0 != own.0).collect();
            let is_own = check_origin(&headers(&without)).is_ok();
            assert_eq!(is_own, want || *sent == [host, ("sec-fetch-site", "same-origin")], "{without:?}");
        }
    }
}
