//! The address that a request comes from, by which wrong credentials are counted. No header that a client sends can choose it.
//!
//! It is the address that API Gateway saw, unless that is CloudFront's: then it is the viewer's, which CloudFront appends to
//! `x-forwarded-for` (Amazon CloudFront Developer Guide, request behavior for custom origins). Who reaches the API past
//! CloudFront can send the same header, so it counts only beside the token that our distribution adds and nobody else knows.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use subtle::ConstantTimeEq;

/// The header in which the functions find the address, instead of what a client may have put there.
pub(crate) const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("x-client-address");
/// The header in which CloudFront sends its token (`Distribution` in the template).
const EDGE_TOKEN: HeaderName = HeaderName::from_static("x-edge-token");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Stores the address of a request in [`CLIENT_ADDRESS`], and removes the token. `source` is the address that API Gateway saw,
/// `edge_token` CloudFront's; it is empty where no CloudFront is in front.
pub(crate) fn mark(headers: &mut HeaderMap, source: &str, edge_token: &str) {
    let presented = headers.remove(EDGE_TOKEN);
    let by_edge =
        presented.is_some_and(|it| !edge_token.is_empty() && it.as_bytes().ct_eq(edge_token.as_bytes()).into());
    let viewer = by_edge.then(|| viewer(headers, source)).flatten();
    let address = counted_address(viewer.as_deref().unwrap_or(source));
    match HeaderValue::from_str(&address) {
        Ok(address) => drop(headers.insert(CLIENT_ADDRESS, address)),
        Err(_) => drop(headers.remove(CLIENT_ADDRESS)),
    }
}

/// The address that [`mark`] has stored; empty if there is none.
pub(crate) fn of(headers: &HeaderMap) -> String {
    headers.get(CLIENT_ADDRESS).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned()
}

/// The last address of `x-forwarded-for` but the one that API Gateway has appended.
fn viewer(headers: &HeaderMap, source: &str) -> Option<String> {
    // what a client has put before its address may be no text at all: that takes nothing away from what stands behind it
    let lines = headers.get_all(FORWARDED_FOR).into_iter().map(|it| String::from_utf8_lossy(it.as_bytes()));
    let lines: Vec<_> = lines.collect();
    let hops = lines.iter().flat_map(|it| it.split(',')).map(str::trim).filter(|it| !it.is_empty());
    let mut hops: Vec<&str> = hops.collect();
    if hops.last() == Some(&source) {
        hops.pop();
    }
    hops.last().map(|it| (*it).to_owned())
}

/// What is counted of an address: of IPv6 the network that one customer of a provider has (RFC 6177: a /64 at least), since
/// it has more addresses than there are guesses.
fn counted_address(address: &str) -> String {
    match address.parse::<IpAddr>().map(|it| it.to_canonical()) {
        Ok(IpAddr::V6(it)) => {
            let network = Ipv6Addr::from_bits(it.to_bits() & !u128::from(u64::MAX));
            format!("{network}/64")
        }
        Ok(IpAddr::V4(it)) => it.to_string(),
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0b7d3f0e-cafe";

    #[track_caller]
    fn check(headers: &[(HeaderName, &str)], source: &str, edge_token: &str, want: &str) {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(name, value.parse().unwrap());
        }
        mark(&mut all, source, edge_token);
        assert_eq!(of(&all), want, "{headers:?}");
        assert!(all.get(EDGE_TOKEN).is_none(), "the token is shown to nobody");
    }

    #[test]
    fn a_client_cannot_choose_its_address() {
        let forged = (FORWARDED_FOR, "192.0.2.7, 198.51.100.1");
        check(&[], "198.51.100.1", TOKEN, "198.51.100.1");
        check(std::slice::from_ref(&forged), "198.51.100.1", TOKEN, "198.51.100.1");
        check(&[(CLIENT_ADDRESS, "192.0.2.7")], "198.51.100.1", "", "198.51.100.1");
        check(&[forged.clone(), (EDGE_TOKEN, "guessed")], "198.51.100.1", TOKEN, "198.51.100.1");
        check(&[forged.clone(), (EDGE_TOKEN, "")], "198.51.100.1", "", "198.51.100.1");
        check(&[(CLIENT_ADDRESS, "192.0.2.7")], "", "", "");
    }

    #[test]
    fn behind_cloudfront_it_is_the_viewers() {
        let by_edge = (EDGE_TOKEN, TOKEN);
        let forwarded = |text| (FORWARDED_FOR, text);
        check(
            &[by_edge.clone(), forwarded("192.0.2.7, 203.0.113.9, 130.176.0.1")],
            "130.176.0.1",
            TOKEN,
            "203.0.113.9",
        );
        check(&[by_edge.clone(), forwarded("203.0.113.9")], "130.176.0.1", TOKEN, "203.0.113.9");
        check(
            &[by_edge.clone(), forwarded("1.1.1.1"), forwarded("203.0.113.9,130.176.0.1")],
            "130.176.0.1",
            TOKEN,
            "203.0.113.9",
        );
        check(
            &[by_edge.clone(), forwarded("2001:db8:1:2:3:4:5:6, 130.176.0.1")],
            "130.176.0.1",
            TOKEN,
            "2001:db8:1:2::/64",
        );
        check(&[by_edge.clone(), forwarded("\u{e9}, 203.0.113.9, 130.176.0.1")], "130.176.0.1", TOKEN, "203.0.113.9");
        check(&[by_edge.clone(), forwarded("::ffff:203.0.113.9")], "130.176.0.1", TOKEN, "203.0.113.9");
        check(&[by_edge], "130.176.0.1", TOKEN, "130.176.0.1");
    }
}
