//! Origins of pages, in the form in which a browser sends them (RFC 6454, section 6.2; Fetch, section 3.2).

use std::str::FromStr;

use url::Url;

/// Why a text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an origin is a scheme, a host and perhaps a port, such as https://news.example.com")]
pub struct NotAnOrigin;

/// Reads an origin as a person writes it and answers it as a browser sends it: the host in lower case and in Punycode,
/// without a default port or a slash at the end. With a path, a query or a user name it is none; nor is a pattern.
pub fn read(text: &str) -> Result<String, NotAnOrigin> {
    let plain = text.len() <= 300 && !text.contains(|it: char| it.is_whitespace() || it.is_control() || it == '\\');
    let (scheme, rest) = text.split_once("://").filter(|_| plain).ok_or(NotAnOrigin)?;
    let web = ["https", "http"].iter().any(|it| scheme.eq_ignore_ascii_case(it));
    if !web || rest.starts_with('/') || rest.contains(['@', '?', '#', '*']) {
        return Err(NotAnOrigin);
    }
    let url = Url::parse(text).map_err(|_| NotAnOrigin)?;
    if url.path() == "/" { Ok(url.origin().ascii_serialization()) } else { Err(NotAnOrigin) }
}

/// Whether an origin is among others, of which some may have been stored before they were read as they are now.
pub fn is_among(origin: &str, listed: &[String]) -> bool {
    listed.iter().any(|it| it == origin || read(it).as_deref() == Ok(origin))
}

/// Origins that a deployment allows for all its applications (parameter `AllowedOrigins`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

/// A setting that is no list of origins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no origin such as https://news.example.com")]
pub struct NotOrigins(String);

impl FromStr for Origins {
    type Err = NotOrigins;
    /// Origins separated by commas; an empty text is none.
    fn from_str(text: &str) -> Result<Self, NotOrigins> {
        let all = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        all.map(|it| read(it).map_err(|_| NotOrigins(it.to_owned()))).collect::<Result<_, _>>().map(Self)
    }
}

impl Origins {
    pub fn hold(&self, origin: &str) -> bool {
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
            assert_eq!(read(written).as_deref(), Ok(sent), "{written}");
            assert_eq!(read(sent).as_deref(), Ok(sent), "{sent} is as it is sent");
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
            assert_eq!(read(bad), Err(NotAnOrigin), "{bad}");
        }
    }

    #[test]
    fn what_was_stored_as_it_was_written_counts_as_well() {
        let listed = ["https://News.example.com".to_owned(), "nonsense".to_owned()];
        assert!(is_among("https://news.example.com", &listed));
        assert!(!is_among("https://evil.example.com", &listed) && !is_among("nonsens", &listed));
    }

    #[test]
    fn a_deployments_list_is_read_whole_or_not_at_all() {
        let all: Origins = " https://A.example , http://b.example:80,".parse().unwrap();
        assert!(all.hold("https://a.example") && all.hold("http://b.example") && !all.hold("https://b.example"));
        assert!("".parse::<Origins>().unwrap().is_empty());
        assert_eq!("https://a.example,*".parse::<Origins>(), Err(NotOrigins("*".to_owned())));
    }
}
