//! Protection against server-side request forgery (SSRF): which user-supplied addresses this service may call
//! (realtime, section 4). The HTTP clients of `channels` and `media` enforce it.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use url::{Host, Url};

/// Networks that the deployment allows although they are not public. Empty by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedNetworks(Vec<IpNet>);

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the address is not a URL")]
    InvalidUrl,
    #[error("the address must begin with {0}://")]
    Scheme(&'static str),
    #[error("the address must not hold a user name, a password or a fragment")]
    UserInfoOrFragment,
    #[error("put credentials in username/password")]
    Credentials,
    #[error("the virtual host is UTF-8 of at most 255 bytes without control characters")]
    VirtualHost,
    #[error("the parameter {0} {1}")]
    Parameter(String, &'static str),
    #[error("the address must not have a query: what is secret in it would be stored in clear")]
    Query,
    #[error("the address holds line breaks or other control characters")]
    ControlCharacters,
    #[error("the address is longer than 2048 characters")]
    TooLong,
    #[error("port {0} is not among {1:?}")]
    Port(u16, &'static [u16]),
    #[error("`{0}` is not a public host name")]
    Host(String),
    #[error("`{0}` is not a public address")]
    Address(IpAddr),
}

/// A text that is not a network in CIDR notation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network such as 127.0.0.0/8")]
pub struct InvalidNetwork(String);

impl FromStr for AllowedNetworks {
    type Err = InvalidNetwork;
    /// Parses networks separated by commas. An empty text allows none.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let networks = text.split(',').map(str::trim).filter(|it| !it.is_empty());
        networks.map(|it| it.parse().map_err(|_| InvalidNetwork(it.to_owned()))).collect::<Result<_, _>>().map(Self)
    }
}

/// Returns the origin of a URL, `https://example.com:8443` (RFC 6454); `None` if the text is not a URL or has no
/// origin. A secret that was stored for one origin is never sent to another.
pub fn origin_of(url: &str) -> Option<String> {
    let origin = Url::parse(url).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

impl AllowedNetworks {
    /// Whether one of the networks contains the address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|it| it.contains(&address))
    }

    /// Whether a URL names an address in one of the networks, and no other host.
    pub fn contains_host(&self, url: &Url) -> bool {
        matches!(check_host(url, self), Ok(true))
    }

    /// Whether a connection to this IP address is allowed. Call it for every address that a host name resolves to.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.contains(address) || is_public(address)
    }
}

/// Ports that are allowed for webhooks and SignalR hubs.
const WEB_PORTS: &[u16] = &[443, 8443, 80, 8080];

/// Checks a user-supplied URL by its text. Call it when the URL is stored and before each request, because a literal IP
/// address is never resolved. For host names the resolved addresses are checked as well ([`AllowedNetworks::allows`]).
///
/// Plain `http`, other ports and `localhost` are accepted for allowed networks only.
pub fn check_url(text: &str, allowed: &AllowedNetworks) -> Result<Url, AddressError> {
    if text.len() > 2048 {
        return Err(AddressError::TooLong);
    }
    let url = Url::parse(text).map_err(|_| AddressError::InvalidUrl)?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(AddressError::UserInfoOrFragment);
    }
    if !matches!(url.scheme(), "https" | "http") {
        return Err(AddressError::Scheme("https"));
    }
    if check_host(&url, allowed)? {
        return Ok(url);
    }
    if url.scheme() != "https" {
        return Err(AddressError::Scheme("https"));
    }
    match url.port_or_known_default() {
        Some(port) if WEB_PORTS.contains(&port) => Ok(url),
        port => Err(AddressError::Port(port.unwrap_or_default(), WEB_PORTS)),
    }
}

/// Checks a URL before it is stored. Store the returned URL, not the text: URL parsers ignore line breaks and tabs,
/// other readers of the text do not, so control characters are refused.
pub fn check_new_url(text: &str, allowed: &AllowedNetworks) -> Result<Url, AddressError> {
    check_no_control_characters(text)?;
    check_url(text, allowed)
}

/// Checks the base URL of a media system before it is stored. It must not have a query, because paths are appended to
/// it.
pub fn check_endpoint(text: &str, allowed: &AllowedNetworks) -> Result<Url, AddressError> {
    let url = check_new_url(text, allowed)?;
    if url.query().is_some() { Err(AddressError::Query) } else { Ok(url) }
}

/// Refuses a text with control characters.
pub fn check_no_control_characters(text: &str) -> Result<(), AddressError> {
    if text.chars().any(char::is_control) { Err(AddressError::ControlCharacters) } else { Ok(()) }
}

/// Checks a URL's host. Returns `true` if it is in an allowed network.
pub(crate) fn check_host(url: &Url, allowed: &AllowedNetworks) -> Result<bool, AddressError> {
    let literal = match url.host() {
        None => return Err(AddressError::InvalidUrl),
        Some(Host::Ipv4(it)) => Some(IpAddr::V4(it)),
        Some(Host::Ipv6(it)) => Some(IpAddr::V6(it).to_canonical()),
        Some(Host::Domain("localhost")) if allowed.contains(IpAddr::from([127, 0, 0, 1])) => {
            Some(IpAddr::from([127, 0, 0, 1]))
        }
        Some(Host::Domain(name)) => {
            check_public_name(name)?;
            None
        }
    };
    match literal {
        Some(address) if allowed.contains(address) => Ok(true),
        Some(address) if !is_public(address) => Err(AddressError::Address(address)),
        _ => Ok(false),
    }
}

/// A name has at least two labels of letters, digits, hyphens and underscores. URL parsers accept more in a host (WHATWG URL,
/// section 3.1, "forbidden host code point"), but then no HTTP client sends a request to it.
fn check_public_name(name: &str) -> Result<(), AddressError> {
    let name = name.to_lowercase();
    let reserved = [".local", ".internal", ".localhost", ".home.arpa"].iter().any(|it| name.ends_with(it));
    let is_label =
        |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'));
    let is_public = !reserved && name.contains('.') && name.split('.').all(is_label);
    if is_public { Ok(()) } else { Err(AddressError::Host(name)) }
}

/// Whether an address is on the public internet, that is, in none of the ranges of realtime, section 4.2, and aws,
/// section 2.7.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            !(matches!(a, 0 | 10 | 127 | 224..)
                || matches!((a, b), (100, 64..=127) | (169, 254) | (172, 16..=31) | (192, 168) | (198, 18..=19))
                || matches!((a, b, c), (192, 0, 0 | 2) | (192, 88, 99) | (198, 51, 100) | (203, 0, 113)))
        }
        IpAddr::V6(it) => is_public_v6(it),
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let global_unicast = a & 0xe000 == 0x2000; // everything that is not 2000::/3 is reserved, local or multicast
    let special = match a {
        0x2001 => b < 0x0200 || b == 0x0db8, // 2001::/23 (Teredo among it) and documentation
        0x2002 => true,                      // 6to4
        0x3fff => b < 0x1000,                // documentation
        _ => false,
    };
    global_unicast && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> AddressError {
        check_url(url, &AllowedNetworks::default()).expect_err(url)
    }

    #[test]
    fn the_published_list_of_addresses_holds() {
        for good in ["1.1.1.1", "8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"] {
            assert!(AllowedNetworks::default().allows(good.parse().unwrap()), "{good}");
        }
        for bad in [
            "0.1.2.3",
            "10.0.0.1",
            "127.254.254.254",
            "169.254.169.254",
            "100.100.0.0",
            "172.31.0.1",
            "192.168.1.1",
            "192.0.0.255",
            "192.88.99.1",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.240.240.240",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:0.0.0.1",
            "::7f00:1",
            "febf:ffff::1",
            "fd00:ec2::254",
            "fec0::1",
            "2002:c0a8:1::1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "5f00::1",
            "100::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
        ] {
            assert!(!AllowedNetworks::default().allows(bad.parse().unwrap()), "{bad}");
        }
    }

    #[test]
    fn urls_are_judged_before_anything_is_resolved() {
        assert!(check_url("https://example.com:8443/hook?x=1", &AllowedNetworks::default()).is_ok());
        assert_eq!(refused("http://example.com/"), AddressError::Scheme("https"));
        assert_eq!(refused("ftp://example.com/"), AddressError::Scheme("https"));
        assert_eq!(refused("https://user@example.com/"), AddressError::UserInfoOrFragment);
        assert_eq!(refused("https://example.com/#top"), AddressError::UserInfoOrFragment);
        assert_eq!(refused("https://example.com:22/"), AddressError::Port(22, WEB_PORTS));
        for text in ["https://example.com/a\nb", "https://exa\tmple.com/", "https://example.com/\r"] {
            assert_eq!(
                check_new_url(text, &AllowedNetworks::default()),
                Err(AddressError::ControlCharacters),
                "{text:?}"
            );
            assert!(
                check_url(text, &AllowedNetworks::default()).is_ok(),
                "what was stored before is called as the parser reads it"
            );
        }
        let with_query = check_endpoint("https://example.com/?token=abc", &AllowedNetworks::default());
        assert_eq!(with_query, Err(AddressError::Query));
        for good in ["https://b\u{fc}cher.example/", "https://a_b.example/", "https://xn--bcher-kva.example/"] {
            assert!(check_url(good, &AllowedNetworks::default()).is_ok(), "{good}");
        }
        let stored = check_new_url("https://Example.com/a b", &AllowedNetworks::default()).unwrap();
        assert_eq!(stored.as_str(), "https://example.com/a%20b");
        for name in [
            "https://metadata/",
            "https://printer.local/",
            "https://vault.internal/",
            "https://localhost/",
            "https://example.com./",
            "https://example..com/",
            "https://exam`ple.com/",
            "https://exam{p}le.com/",
            "https://b\u{fc}ch\"er.example/",
        ] {
            assert!(matches!(refused(name), AddressError::Host(_)), "{name}");
        }
        // all spellings of 127.0.0.1 and of the metadata service
        for literal in [
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://017700000001/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/",
            "https://[fd00:ec2::254]/",
        ] {
            assert!(matches!(refused(literal), AddressError::Address(_)), "{literal}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(origin_of("https://Example.com:443/x?y").as_deref(), Some("https://example.com"));
        assert_eq!((origin_of("nonsense"), origin_of("data:x")), (None, None));
    }

    #[test]
    fn an_allowed_network_is_allowed_and_nothing_beside_it() {
        let allowed: AllowedNetworks = "127.0.0.0/8".parse().unwrap();
        assert!(check_url("http://127.0.0.1:9000/", &allowed).is_ok());
        assert!(check_url("http://localhost:9000/", &allowed).is_ok());
        assert!(check_url("http://10.0.0.1/", &allowed).is_err());
        assert!(check_url("http://example.com/", &allowed).is_err());
        assert!("127.0.0.0/99".parse::<AllowedNetworks>().is_err());
        assert!("localhost".parse::<AllowedNetworks>().is_err());
    }
}
