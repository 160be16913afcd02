//! Answers, in the published shape, byte for byte: a success, data, and errors as `{code, error}` (billing, sections 1.2
//! and 2).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use billing::BillingError;
use entry::Chain;
use entry::http::AuthError;
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use stripe::StripeError;
use table::TableError;

/// The body of a success.
pub(crate) const SUCCESS: &str = "{\n    \"success\": true\n}";

/// After how many seconds a request is worth a repeat that was in the way of another one, or found no payment provider.
const RETRY_SECONDS: u32 = 5;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) code: u16,
    pub(crate) text: String,
    /// After how many seconds to ask again.
    pub(crate) retry_after: Option<u32>,
    /// The methods that the endpoint has.
    allow: Option<&'static str>,
}

/// The body of an error.
#[derive(Serialize)]
struct FaultBody<'a> {
    code: u16,
    error: &'a str,
}

impl Fault {
    pub(crate) fn new(status: u16, code: u16, text: impl Into<String>) -> Self {
        Self { status, code, text: text.into(), retry_after: None, allow: None }
    }

    /// 1003: a value that its parameter does not have.
    pub(crate) fn unknown_value(name: &str, expected: &str) -> Self {
        Self::new(400, 1003, format!("Parameter not recognized: {name} is {expected}."))
    }

    /// 1004: a parameter that has to be there.
    pub(crate) fn missing(name: &str) -> Self {
        Self::new(400, 1004, format!("Required parameter missing: {name}."))
    }

    /// 1006: a value outside of its bounds.
    pub(crate) fn out_of_bounds(name: &str, bounds: &str) -> Self {
        Self::new(400, 1006, format!("Parameter value not within bounds: {name} is {bounds}."))
    }

    /// 1001: no token, or an invalid one.
    pub(crate) fn token_required() -> Self {
        Self::new(403, 1001, "Access token required.")
    }

    /// 1002: a token or a key without the scope `billing`.
    pub(crate) fn out_of_scope() -> Self {
        Self::new(403, 1002, "Not within application scope.")
    }

    /// 403: credentials of another application than the one that the request names.
    pub(crate) fn permission_denied() -> Self {
        Self::new(403, 403, "Permission denied.")
    }

    pub(crate) fn no_endpoint() -> Self {
        Self::new(404, 404, "Endpoint not found.")
    }

    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::new(405, 405, "Method not allowed.") }
    }

    pub(crate) fn unsupported_format() -> Self {
        Self::new(406, 1005, "Unsupported response format.")
    }

    pub(crate) fn too_large(bytes: usize) -> Self {
        Self::new(413, 1000, format!("The body has more than {bytes} bytes."))
    }

    /// The deployment sells nothing.
    pub(crate) fn not_configured() -> Self {
        Self::new(501, 1000, "Billing is not set up in this deployment. Nothing is limited.")
    }

    /// Not now.
    pub(crate) fn unavailable(text: &str) -> Self {
        Self { retry_after: Some(RETRY_SECONDS), ..Self::new(503, 1000, text) }
    }

    /// An error on our side. It is logged with its causes; the caller gets none of them.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(error), "request failed: {}", Chain(error));
        Self::new(500, 1000, "An unknown error occurred.")
    }

    /// The fault of a change of a product's subscription.
    pub(crate) fn of_billing(error: &BillingError, product: &str) -> Self {
        let refused = |text: String| Self::new(400, 1000, text);
        match error {
            BillingError::Stripe(error) => Self::of_stripe(error),
            BillingError::Table(TableError::Conflict { .. }) | BillingError::Busy | BillingError::Unsettled => {
                tracing::warn!("a request is put off: {}", Chain(error));
                Self::unavailable("Another request changes the subscription. Try again.")
            }
            BillingError::Table(error) => Self::internal(error),
            BillingError::NotSold => Self::unknown_value("cycle", "one that the plan is sold in"),
            BillingError::NoCard => {
                Self::new(400, 1004, "stripeToken is required: the customer has no payment method.")
            }
            BillingError::NothingToCancel => {
                Self::new(404, 1000, format!("No active subscription for product '{product}'."))
            }
            BillingError::Subscribed => refused(format!("There is a subscription for product '{product}' already.")),
            BillingError::SecondTrial => refused(format!("There was a trial for product '{product}' before.")),
        }
    }

    fn of_stripe(error: &StripeError) -> Self {
        match error {
            StripeError::Card { message, .. } if message.is_empty() => Self::new(402, 1000, "The card was declined."),
            StripeError::Card { message, .. } => Self::new(402, 1000, message),
            StripeError::Refused { message, .. } if message.is_empty() => {
                Self::new(400, 1000, "The payment provider refuses the request.")
            }
            StripeError::Refused { message, .. } => Self::new(400, 1000, message),
            StripeError::InFlight
            | StripeError::RateLimited
            | StripeError::Server { .. }
            | StripeError::Unreachable(_) => {
                tracing::warn!(error = %Chain(error), "the payment provider does not answer: {}", Chain(error));
                Self::unavailable("The payment provider does not answer. Try again.")
            }
            StripeError::Key(_) | StripeError::Unreadable(_) => Self::internal(error),
        }
    }

    /// The fault of credentials. `has_token` says that the request has a token.
    pub(crate) fn of_auth(error: &AuthError, has_token: bool) -> Self {
        match error {
            // a user's token, which is good elsewhere
            AuthError::MissingCredentials if has_token => Self::out_of_scope(),
            AuthError::InvalidCredentials
            | AuthError::MissingCredentials
            | AuthError::ExpiredToken
            | AuthError::TokenNotYetValid => Self::token_required(),
            AuthError::InsufficientScope(_) => Self::out_of_scope(),
            AuthError::TooManyFailures => Self {
                retry_after: Some(60),
                ..Self::new(429, 1000, "Too many wrong credentials came from this address.")
            },
            AuthError::IssuerUnavailable(after) => {
                Self { retry_after: Some(*after), ..Self::new(503, 1000, "The issuer of the token does not answer.") }
            }
            AuthError::Internal(_) => Self::internal(error),
        }
    }
}

impl From<TableError> for Fault {
    fn from(error: TableError) -> Self {
        Self::internal(&error)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = respond(status, json(&FaultBody { code: self.code, error: &self.text }));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(methods) = self.allow {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        response
    }
}

/// A body as the published ones are laid out: each member on a line of its own, four blanks to a level.
pub(crate) fn json(body: &impl Serialize) -> String {
    let mut text = Vec::new();
    let written = body.serialize(&mut Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"    ")));
    written.ok().and_then(|()| String::from_utf8(text).ok()).unwrap_or_default() // texts as keys: it does not fail
}

/// A response with a body in JSON.
pub(crate) fn respond(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A success with data.
pub(crate) fn data(data: &impl Serialize) -> Response {
    #[derive(Serialize)]
    struct Body<'a, T> {
        success: bool,
        data: &'a T,
    }
    respond(StatusCode::OK, json(&Body { success: true, data }))
}

#[cfg(test)]
mod tests {
    use domain::application::Scope;

    use super::*;

    /// What the published page has, in its own layout.
    const PUBLISHED_SUCCESS: &str = "{
    \"success\": true
}";
    const PUBLISHED_ERROR: &str = "{
    \"code\": 1000,
    \"error\": \"An error message\"
}";

    #[test]
    fn answers_are_laid_out_as_they_were_published() {
        assert_eq!(SUCCESS, PUBLISHED_SUCCESS);
        assert_eq!(json(&serde_json::json!({ "success": true })), PUBLISHED_SUCCESS);
        assert_eq!(json(&FaultBody { code: 1000, error: "An error message" }), PUBLISHED_ERROR);
    }

    fn check(fault: &Fault, status: u16, code: u16, retries: bool) {
        assert_eq!((fault.status, fault.code, fault.retry_after.is_some()), (status, code, retries), "{fault:?}");
        assert!(fault.text.ends_with('.'), "{fault:?}");
    }

    #[test]
    fn each_error_of_billing_has_its_status_and_code() {
        let of = |error: BillingError| Fault::of_billing(&error, "publish");
        let (message, code) = ("No.".to_owned(), String::new());
        let card = StripeError::Card { message: "Declined.".to_owned(), code: code.clone() };
        check(&of(card.into()), 402, 1000, false);
        check(&of(StripeError::Card { message: String::new(), code: code.clone() }.into()), 402, 1000, false);
        check(&of(StripeError::Refused { status: 404, message, code }.into()), 400, 1000, false);
        for error in [
            StripeError::Server { status: 500, replayed: false },
            StripeError::Unreachable("timed out".to_owned()),
            StripeError::RateLimited,
            StripeError::InFlight,
        ] {
            check(&of(error.into()), 503, 1000, true);
        }
        check(&of(StripeError::Key(401).into()), 500, 1000, false);
        check(&of(StripeError::Unreadable("x".to_owned()).into()), 500, 1000, false);
        check(&of(BillingError::NotSold), 400, 1003, false);
        check(&of(BillingError::NoCard), 400, 1004, false);
        check(&of(BillingError::NothingToCancel), 404, 1000, false);
        check(&of(BillingError::Subscribed), 400, 1000, false);
        check(&of(BillingError::SecondTrial), 400, 1000, false);
        check(&of(BillingError::Busy), 503, 1000, true);
        check(&of(TableError::Conflict { row: "x".to_owned() }.into()), 503, 1000, true);
        assert_eq!(of(BillingError::NothingToCancel).text, "No active subscription for product 'publish'.");
        assert_eq!(of(BillingError::NoCard).text, "stripeToken is required: the customer has no payment method.");
    }

    #[test]
    fn credentials_are_missing_or_not_enough() {
        for (error, has_token, status, code) in [
            (AuthError::InvalidCredentials, true, 403, 1001),
            (AuthError::MissingCredentials, false, 403, 1001),
            (AuthError::MissingCredentials, true, 403, 1002),
            (AuthError::ExpiredToken, true, 403, 1001),
            (AuthError::TokenNotYetValid, true, 403, 1001),
            (AuthError::InsufficientScope(Scope::Billing), true, 403, 1002),
            (AuthError::TooManyFailures, true, 429, 1000),
            (AuthError::IssuerUnavailable(7), true, 503, 1000),
        ] {
            let fault = Fault::of_auth(&error, has_token);
            assert_eq!((fault.status, fault.code), (status, code), "{error:?} {has_token}");
        }
    }
}
