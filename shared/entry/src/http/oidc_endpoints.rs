//! Where people sign in at an issuer, and how a client shows there who it is (OpenID Connect Discovery 1.0, section 3).

use form_urlencoded::byte_serialize;
use serde_json::Value;

/// The endpoints of an issuer. They are checked before each use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) authorization: String,
    pub(super) token: String,
    /// Whether each answer to a browser names the issuer (RFC 9207, section 3).
    pub(super) names_issuer: bool,
    /// Whether a client's secret goes into the body, since the header `authorization` is not taken.
    secret_in_body: bool,
}

/// A client of an issuer, with its secret if it has one.
pub(super) struct Client<'a> {
    pub(super) id: &'a str,
    pub(super) secret: Option<&'a str>,
}

impl Endpoints {
    /// The endpoints in an issuer's configuration; `None` if one is missing.
    pub(super) fn parse(metadata: &Value) -> Option<Self> {
        let text = |name: &str| metadata[name].as_str().map(str::to_owned);
        let methods = metadata["token_endpoint_auth_methods_supported"].as_array();
        // without a list it is `client_secret_basic`
        let takes = |method: &str| methods.is_some_and(|all| all.iter().any(|it| it == method));
        Some(Self {
            authorization: text("authorization_endpoint")?,
            token: text("token_endpoint")?,
            names_issuer: metadata["authorization_response_iss_parameter_supported"] == true,
            secret_in_body: takes("client_secret_post") && !takes("client_secret_basic"),
        })
    }
}

impl Client<'_> {
    /// A request with a grant and the client's credentials (RFC 6749, section 2.3.1).
    pub(super) fn authenticate(
        &self,
        request: guard::Request,
        endpoints: &Endpoints,
        grant: &[(&str, &str)],
    ) -> guard::Request {
        let mut form = grant.to_vec();
        match self.secret {
            Some(secret) if !endpoints.secret_in_body => {
                let encoded = |it: &str| byte_serialize(it.as_bytes()).collect::<String>();
                return request.basic_auth(encoded(self.id), Some(encoded(secret))).form(&form);
            }
            Some(secret) => form.extend([("client_id", self.id), ("client_secret", secret)]),
            None => form.push(("client_id", self.id)),
        }
        request.form(&form)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_goes_where_the_issuer_takes_it() {
        let urls =
            json!({ "authorization_endpoint": "https://a.example/auth", "token_endpoint": "https://a.example/token" });
        for (methods, want) in [
            (None, false),
            (Some(json!(["client_secret_basic", "client_secret_post"])), false),
            (Some(json!(["client_secret_post"])), true),
            (Some(json!(["private_key_jwt"])), false),
            (Some(json!("client_secret_post")), false),
        ] {
            let mut metadata = urls.clone();
            if let Some(methods) = &methods {
                metadata["token_endpoint_auth_methods_supported"] = methods.clone();
            }
            assert_eq!(Endpoints::parse(&metadata).unwrap().secret_in_body, want, "{methods:?}");
        }
        for missing in ["authorization_endpoint", "token_endpoint"] {
            let mut metadata = urls.clone();
            metadata[missing] = Value::Null;
            assert_eq!(Endpoints::parse(&metadata), None, "{missing}");
        }
    }
}
