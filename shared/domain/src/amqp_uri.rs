//! RabbitMQ's AMQP URIs: which ones are accepted, and what their query parameters mean
//! (<https://www.rabbitmq.com/docs/uri-spec>, <https://www.rabbitmq.com/docs/uri-query-parameters>).

use std::time::Duration;

use url::Url;

use crate::ssrf::{AddressError, AllowedNetworks, check_host};

/// Ports that are allowed for brokers.
const AMQP_PORTS: &[u16] = &[5671, 5672];

/// A checked AMQP URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmqpUri {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    pub virtual_host: String,
    pub parameters: AmqpParameters,
}

/// The query parameters of an AMQP URI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AmqpParameters {
    /// Heartbeat timeout in seconds; 0 disables heartbeats.
    pub heartbeat: Option<u16>,
    /// Maximum size of a frame in bytes.
    pub frame_max: Option<u32>,
    /// Maximum number of channels per connection; 0 means as many as the broker allows.
    pub channel_max: Option<u16>,
    pub connection_timeout: Option<Duration>,
    /// Whether to authenticate with `AMQPLAIN` instead of `PLAIN`.
    pub amqplain: bool,
}

/// Parses and checks `amqps://host[:port][/virtual host][?parameters]` under the rules of [`crate::ssrf::check_url`].
/// Plain `amqp` is accepted for allowed networks only. A trailing slash is ignored; a missing virtual host is `/`.
pub fn parse_amqp_uri(text: &str, allowed: &AllowedNetworks) -> Result<AmqpUri, AddressError> {
    if text.len() > 2048 {
        return Err(AddressError::TooLong);
    }
    let (scheme, rest) = text.split_once("://").ok_or(AddressError::InvalidUrl)?;
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "amqps" => true,
        "amqp" => false,
        _ => return Err(AddressError::Scheme("amqps")),
    };
    // The URL standard parses hosts of its special schemes only. `ftp` is one, and its default port is none of ours.
    let url = Url::parse(&format!("ftp://{rest}")).map_err(|_| AddressError::InvalidUrl)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::Credentials);
    }
    if url.fragment().is_some() {
        return Err(AddressError::UserInfoOrFragment);
    }
    let allowlisted = check_host(&url, allowed)?;
    if !tls && !allowlisted {
        return Err(AddressError::Scheme("amqps"));
    }
    let port = url.port().unwrap_or(if tls { 5671 } else { 5672 });
    if !allowlisted && !AMQP_PORTS.contains(&port) {
        return Err(AddressError::Port(port, AMQP_PORTS));
    }
    let virtual_host = parse_virtual_host(rest)?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let parameters = parse_parameters(&url, &host)?;
    Ok(AmqpUri { host, port, tls, virtual_host, parameters })
}

/// Returns the virtual host, percent-decoded once. It is read from the text because a URL parser resolves `%2E%2E` as
/// `..`, which would select another virtual host.
fn parse_virtual_host(rest: &str) -> Result<String, AddressError> {
    let rest = rest.split_once('?').map_or(rest, |it| it.0);
    let path = rest.split_once('/').map_or("", |it| it.1);
    let path = path.strip_suffix('/').unwrap_or(path);
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8().map_err(|_| AddressError::VirtualHost)?;
    match decoded.as_ref() {
        "" => Ok("/".to_owned()),
        it if it.len() > 255 || it.chars().any(char::is_control) => Err(AddressError::VirtualHost),
        it => Ok(it.to_owned()),
    }
}

/// Parses the query parameters. Unknown parameters are refused, and so are those that name local files or weaken the
/// certificate check, so that an accepted URI does what it says.
fn parse_parameters(url: &Url, host: &str) -> Result<AmqpParameters, AddressError> {
    let mut parameters = AmqpParameters::default();
    let mut seen = Vec::new();
    for (name, value) in url.query_pairs() {
        let invalid = |reason| Err(AddressError::Parameter(name.chars().take(64).collect(), reason));
        if seen.contains(&name) {
            return invalid("is given twice");
        }
        match name.as_ref() {
            "heartbeat" => match value.parse() {
                Ok(it) => parameters.heartbeat = Some(it),
                Err(_) => return invalid("is a number of seconds, 0 to 65535"),
            },
            "connection_timeout" => match value.parse() {
                Ok(it) if it > 0 => parameters.connection_timeout = Some(Duration::from_millis(it)),
                _ => return invalid("is a number of milliseconds, 1 or more"),
            },
            "channel_max" => match value.parse() {
                Ok(it) => parameters.channel_max = Some(it),
                Err(_) => return invalid("is a number of channels, 0 to 65535"),
            },
            "frame_max" => match value.parse() {
                Ok(it) if it == 0 || it >= 4_096 => parameters.frame_max = Some(it),
                _ => return invalid("is a number of bytes, 0 or 4096 and more"),
            },
            "auth_mechanism" => match value.to_ascii_lowercase().as_str() {
                "plain" => {}
                "amqplain" => parameters.amqplain = true,
                _ => return invalid("must be plain or amqplain: the client authenticates with user name and password"),
            },
            "verify" if value == "verify_peer" => {}
            "verify" => return invalid("must be verify_peer: the broker's certificate is always checked"),
            "server_name_indication" if value.eq_ignore_ascii_case(host) => {}
            "server_name_indication" => {
                return invalid("must be the address's host: the certificate is checked against that name");
            }
            "cacertfile" | "certfile" | "keyfile" => {
                return invalid("names a file, and files cannot be provided here");
            }
            "password" => return invalid("is for a key file, and files cannot be provided here"),
            "depth" | "fail_if_no_peer_cert" => {
                return invalid("is not supported: certificates are checked by our own rules");
            }
            _ => return invalid("is not known"),
        }
        seen.push(name);
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(host: &str, port: u16, tls: bool, virtual_host: &str) -> Result<AmqpUri, AddressError> {
        let (host, virtual_host) = (host.to_owned(), virtual_host.to_owned());
        Ok(AmqpUri { host, port, tls, virtual_host, parameters: AmqpParameters::default() })
    }

    #[test]
    fn brokers_are_judged_by_the_same_rules() {
        let (local, nothing): (AllowedNetworks, AllowedNetworks) =
            ("127.0.0.0/8".parse().unwrap(), AllowedNetworks::default());
        assert_eq!(parse_amqp_uri("amqps://mq.example.com", &nothing), broker("mq.example.com", 5671, true, "/"));
        assert_eq!(
            parse_amqp_uri("amqps://mq.example.com/Te%2Fst/", &nothing),
            broker("mq.example.com", 5671, true, "Te/st")
        );
        assert_eq!(parse_amqp_uri("amqp://localhost/Test/", &local), broker("localhost", 5672, false, "Test"));
        for (path, want) in [
            ("", "/"),
            ("/", "/"),
            ("/%2f", "/"),
            ("/%2E%2E", ".."),
            ("/a/../b", "a/../b"),
            ("/%252F", "%2F"),
            ("/a%5Cb", "a\\b"),
            ("/a\\b", "a\\b"),
            ("/a%3Fb", "a?b"),
            ("?verify=verify_peer", "/"),
            ("/a?server_name_indication=mq.example.com", "a"),
            ("/a/?auth_mechanism=PLAIN", "a"),
        ] {
            let text = format!("amqps://mq.example.com{path}");
            assert_eq!(parse_amqp_uri(&text, &nothing), broker("mq.example.com", 5671, true, want), "{path}");
        }
        for path in ["/a%0Ab", "/a\tb", "/%ff"] {
            let text = format!("amqps://mq.example.com{path}");
            assert_eq!(parse_amqp_uri(&text, &nothing), Err(AddressError::VirtualHost), "{path}");
        }
        assert_eq!(parse_amqp_uri("amqp://127.0.0.1:21/", &local), broker("127.0.0.1", 5672, false, "/"));
        for (bad, error) in [
            ("amqp://mq.example.com/", AddressError::Scheme("amqps")),
            ("https://mq.example.com/", AddressError::Scheme("amqps")),
            ("amqps://guest:guest@mq.example.com/", AddressError::Credentials),
            ("amqps://mq.example.com:22/", AddressError::Port(22, AMQP_PORTS)),
            ("amqps://mq.example.com/#top", AddressError::UserInfoOrFragment),
            ("amqps:mq.example.com", AddressError::InvalidUrl),
            ("amqps:///", AddressError::InvalidUrl),
        ] {
            assert_eq!(parse_amqp_uri(bad, &nothing), Err(error), "{bad}");
        }
        for inner in ["amqps://0x7f.1/", "amqps://[::1]/", "amqps://169.254.169.254/"] {
            assert!(matches!(parse_amqp_uri(inner, &nothing), Err(AddressError::Address(_))), "{inner}");
        }
    }

    #[test]
    fn parameters_are_taken_or_refused_by_name() {
        let read =
            |query: &str| parse_amqp_uri(&format!("amqps://mq.example.com/v?{query}"), &AllowedNetworks::default());
        let whole = "heartbeat=10&connection_timeout=10000&channel_max=7&frame_max=8192&auth_mechanism=amqplain";
        let want = AmqpParameters {
            heartbeat: Some(10),
            frame_max: Some(8_192),
            channel_max: Some(7),
            connection_timeout: Some(Duration::from_secs(10)),
            amqplain: true,
        };
        assert_eq!(read(whole).unwrap().parameters, want);
        for bad in [
            "heartbeat=-1",
            "heartbeat=65536",
            "heartbeat=",
            "heartbeat=1&heartbeat=2",
            "connection_timeout=0",
            "channel_max=65536",
            "frame_max=100",
            "auth_mechanism=external",
            "auth_mechanism=anonymous",
            "verify=verify_none",
            "server_name_indication=other.example.com",
            "server_name_indication=disable",
            "cacertfile=/etc/passwd",
            "certfile=x",
            "keyfile=x",
            "password=x",
            "depth=9",
            "fail_if_no_peer_cert=false",
            "Heartbeat=10",
            "colour=red",
        ] {
            let name = bad.split('=').next().unwrap();
            assert!(matches!(read(bad), Err(AddressError::Parameter(it, _)) if it == name), "{bad}");
        }
    }
}
