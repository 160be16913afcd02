//! Addresses of callers: one that passes names no forbidden network, however it is spelled, and other readers of the same
//! text read the same host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::Uri;
use domain::amqp_uri::parse_amqp_uri;
use domain::ssrf::{AllowedNetworks, check_endpoint, check_new_url, check_url, origin_of};
use ipnet::{Ipv4Net, Ipv6Net};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// What no address may be in: the special-purpose registries (RFC 6890), multicast, and what translates to IPv4.
const FORBIDDEN_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
const FORBIDDEN_V6: [&str; 13] = [
    "::/8",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// The input is an address.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let nothing = AllowedNetworks::default();
    if let Ok(url) = check_url(text, &nothing) {
        let host = url.host_str().expect("a host");
        is_public(host);
        assert!(url.scheme() == "https" && url.as_str().len() <= 3 * 2_048 + 16);
        assert!(matches!(url.port_or_known_default(), Some(443 | 8443 | 80 | 8080)));
        assert_eq!(check_url(url.as_str(), &nothing).as_ref(), Ok(&url), "what is stored passes as it is");
        // the HTTP client reads the URL once more
        let uri: Uri = url.as_str().parse().unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!((uri.host(), uri.port_u16()), (Some(host), url.port()), "{url}");
        assert_eq!(origin_of(text), origin_of(url.as_str()));
        let control = text.chars().any(char::is_control);
        assert_eq!(check_new_url(text, &nothing).is_ok(), !control);
        assert_eq!(check_endpoint(text, &nothing).is_ok(), !control && url.query().is_none());
    }
    let local: AllowedNetworks = "127.0.0.0/8".parse().expect("a network");
    if let Ok(url) = check_url(text, &local)
        && url.scheme() == "http"
    {
        let host = url.host_str().expect("a host");
        assert!(
            host == "localhost" || literal(host).is_some_and(|it| it.is_loopback() || is_mapped_loopback(it)),
            "{url}"
        );
    }
    amqp(text, &nothing);
    if let Some(rest) = text.strip_prefix("https") {
        amqp(&format!("amqps{rest}"), &nothing);
    }
}

fn amqp(text: &str, nothing: &AllowedNetworks) {
    let Ok(broker) = parse_amqp_uri(text, nothing) else { return };
    is_public(&broker.host);
    assert!(broker.tls && matches!(broker.port, 5671 | 5672));
    assert!((1..=255).contains(&broker.virtual_host.len()) && !broker.virtual_host.chars().any(char::is_control));
    let host = if broker.host.contains(':') { format!("[{}]", broker.host) } else { broker.host.clone() };
    let virtual_host = utf8_percent_encode(&broker.virtual_host, NON_ALPHANUMERIC);
    let written = format!("amqps://{host}:{}/{virtual_host}", broker.port);
    let again = parse_amqp_uri(&written, nothing).unwrap_or_else(|error| panic!("{text} is {written}: {error}"));
    assert_eq!((&again.host, again.port, &again.virtual_host), (&broker.host, broker.port, &broker.virtual_host));
}

/// A host that is a literal address in any reader's eyes is a public one.
fn is_public(host: &str) {
    if let Some(address) = literal(host) {
        assert!(!is_forbidden(address), "{host} is {address}");
        return;
    }
    let name = host.to_ascii_lowercase();
    assert!(name.contains('.') && !name.ends_with('.'), "{host} is no name of the internet");
    for suffix in [".localhost", ".local", ".internal", ".home.arpa"] {
        assert!(!name.ends_with(suffix), "{host}");
    }
    assert!(name.is_ascii() && !name.contains(['/', '\\', '@', '?', '#', '%', ' ', ':', '[', ']']), "{host}");
}

/// A literal address as `inet_aton` reads it (1 to 4 numbers, decimal, octal or hexadecimal), or IPv6.
fn literal(host: &str) -> Option<IpAddr> {
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<Ipv6Addr>() {
        return Some(address.into());
    }
    let number = |text: &str| {
        let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        match (hexadecimal, text.strip_prefix('0')) {
            (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
            (None, Some(digits)) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
            _ => text.parse().ok(),
        }
    };
    let numbers: Vec<u32> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = numbers.split_last()?;
    let fits = first.len() < 4 && first.iter().all(|it| *it < 256) && u64::from(*last) < 1 << (8 * (4 - first.len()));
    let high = first.iter().enumerate().map(|(at, byte)| byte << (24 - 8 * at)).sum::<u32>();
    fits.then(|| Ipv4Addr::from(high | last).into())
}

fn is_forbidden(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(it) => FORBIDDEN_V4.iter().any(|net| net.parse::<Ipv4Net>().expect("a network").contains(&it)),
        IpAddr::V6(it) => FORBIDDEN_V6.iter().any(|net| net.parse::<Ipv6Net>().expect("a network").contains(&it)),
    }
}

fn is_mapped_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
