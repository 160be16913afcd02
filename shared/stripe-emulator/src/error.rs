//! Stripe's errors: a status, and an object with `type`, `code`, `decline_code`, `message` and `param`.

use serde_json::{Value, json};

/// The result of an endpoint: the object that it answers with, or an error.
pub(crate) type ApiResult = Result<Value, ApiError>;

/// An error, as Stripe answers with it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The members of the error object.
    pub(crate) error: Value,
    /// Whether what the request changed is kept: that a charge was declined is.
    pub(crate) keeps_changes: bool,
}

impl ApiError {
    /// An error of a type, such as `invalid_request_error`.
    pub(crate) fn new(status: u16, kind: &str, message: &str) -> Self {
        Self { status, error: json!({ "type": kind, "message": message }), keeps_changes: false }
    }

    /// The same error of a request whose changes are kept.
    pub(crate) fn keeping_changes(mut self) -> Self {
        self.keeps_changes = true;
        self
    }

    /// 400 `invalid_request_error`.
    pub(crate) fn invalid(message: &str) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// The same error with a code.
    pub(crate) fn code(mut self, code: &str) -> Self {
        self.error["code"] = code.into();
        self
    }

    /// The same error with the name of a parameter.
    pub(crate) fn param(mut self, param: &str) -> Self {
        self.error["param"] = param.into();
        self
    }

    /// 400: a required parameter is missing.
    pub(crate) fn missing(param: &str) -> Self {
        Self::invalid(&format!("Missing required param: {param}.")).code("parameter_missing").param(param)
    }

    /// 400: a parameter is none that the endpoint takes.
    pub(crate) fn unknown(param: &str) -> Self {
        Self::invalid(&format!("Received unknown parameter: {param}")).code("parameter_unknown").param(param)
    }

    /// There is no object of a kind with an id: 404 if the path names it (`param` is `id`), else 400.
    pub(crate) fn no_such(kind: &str, id: &str, param: &str) -> Self {
        let shown = if kind == "payment_method" { "PaymentMethod" } else { kind };
        let status = if param == "id" { 404 } else { 400 };
        let error = Self::new(status, "invalid_request_error", &format!("No such {shown}: '{id}'"));
        error.code("resource_missing").param(param)
    }

    /// 402: a card was declined.
    pub(crate) fn card(code: &str, decline_code: Option<&str>, message: &str) -> Self {
        let mut error = Self::new(402, "card_error", message).code(code);
        if let Some(decline_code) = decline_code {
            error.error["decline_code"] = decline_code.into();
        }
        error
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Value {
        json!({ "error": self.error })
    }
}
