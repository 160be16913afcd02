//! Web origins in the form in which browsers send them (RFC 6454, section 6.2; Fetch, section 3.2).

use std::str::FromStr;

use url::Url;

/// A text that is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an origin is a scheme, a host and perhaps a port, such as https://news.example.com")]
pub struct InvalidOrigin;

/// Parses an origin and returns it as browsers send it: host in lower case and in Punycode, without a default port or a
/// trailing slash. Paths, queries, user names and wildcards are refused.
pub fn parse(text: &str) -> Result<String, InvalidOrigin> {
    let printable = text.len() <= 300 && !text.contains(|it: char| it.is_whitespace() || it.is_control() || it == '\\');
    let (scheme, rest) = text.split_once("://").filter(|_| printable).ok_or(InvalidOrigin)?;
    let is_http = ["https", "http"].iter().any(|it| scheme.eq_ignore_ascii_case(it));
    if !is_http || rest.starts_with('/') || rest.contains(['@', '?', '#', '*']) {
        return Err(InvalidOrigin);
    }
    let url = Url::parse(text).map_err(|_| InvalidOrigin)?;
    if url.path() == "/" { Ok(url.origin().ascii_serialization()) } else { Err(InvalidOrigin) }
}

/// Whether a list contains an origin. Entries may have been stored before origins were normalized.
pub fn is_listed(origin: &str, listed: &[String]) -> bool {
    listed.iter().any(|it| it == origin || parse(it).as_deref() == Ok(origin))
}

/// Origins that the deployment allows for all its applications (parameter `AllowedOrigins`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Vec<String>);

/// A text that is not a list of origins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin such as https://news.example.com")]
pub struct InvalidOriginList(String);

impl FromStr for AllowedOrigins {
    type Err = InvalidOriginList;
    /// Parses origins separated by commas. An empty text allows none.
    fn from_str(text: &str) -> Result<Self, InvalidOriginList> {
        let all = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        all.map(|it| parse(it).map_err(|_| InvalidOriginList(it.to_owned()))).collect::<Result<_, _>>().map(Self)
    }
}

impl AllowedOrigins {
    /// Whether the origin is allowed, in the form of [`parse`].
    pub fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|it| it == origin)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_as_a_browser_sends_it() {
        for (written, sent) in [
            ("https://news.example.com", "https://news.example.com"),
            ("https://News.Example.com", "https://news.example.com"),
            ("HTTPS://news.example.com/", "https://news.example.com"),
            ("https://news.example.com:443", "https://news.example.com"),
            ("http://news.example.com:80/", "http://news.example.com"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ] {
            assert_eq!(parse(written).as_deref(), Ok(sent), "{written}");
            assert_eq!(parse(sent).as_deref(), Ok(sent), "{sent} is as it is sent");
        }
        for bad in [
            "",
            "null",
            "*",
            "news.example.com",
            "https://",
            "https:///news.example.com",
            "https://*.example.com",
            "https://news.example.com/start",
            "https://news.example.com/?a",
            "https://news.example.com#a",
            "https://jane@news.example.com",
            "https://news.example.com ",
            "https://news.exa\tmple.com",
            "https:\\\\news.example.com",
            "https://news.example.com:99999",
            "ftp://news.example.com",
            "chrome-extension://abc",
        ] {
            assert_eq!(parse(bad), Err(InvalidOrigin), "{bad}");
        }
    }

    #[test]
    fn what_was_stored_as_it_was_written_counts_as_well() {
        let listed = ["https://News.example.com".to_owned(), "nonsense".to_owned()];
        assert!(is_listed("https://news.example.com", &listed));
        assert!(!is_listed("https://evil.example.com", &listed) && !is_listed("nonsens", &listed));
    }

    #[test]
    fn a_deployments_list_is_read_whole_or_not_at_all() {
        let all: AllowedOrigins = " https://A.example , http://b.example:80,".parse().unwrap();
        assert!(
            all.contains("https://a.example") && all.contains("http://b.example") && !all.contains("https://b.example")
        );
        assert!("".parse::<AllowedOrigins>().unwrap().is_empty());
        assert_eq!("https://a.example,*".parse::<AllowedOrigins>(), Err(InvalidOriginList("*".to_owned())));
    }
}
