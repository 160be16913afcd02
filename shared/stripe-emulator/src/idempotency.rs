//! Idempotency keys: the answer of the first request with a key is given to all that follow (Stripe, Idempotent requests).

use serde_json::{Value, json};

use crate::account::Account;
use crate::error::ApiError;
use crate::json::{integer, text};

/// A key is kept for 24 hours of the emulator's clock.
const LIFETIME_SECONDS: i64 = 24 * 3_600;
/// The longest key (Stripe, Idempotent requests).
const MAX_LENGTH: usize = 255;

/// An answer: its status and its body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self { status: error.status, body: error.body() }
    }
}

/// A request with a key.
#[derive(Debug)]
pub(crate) struct KeyedRequest<'a> {
    pub(crate) key: &'a str,
    pub(crate) path: &'a str,
    pub(crate) parameters: &'a Value,
}

impl KeyedRequest<'_> {
    /// The stored answer of an earlier request, with the id of that request; `None` for a key that is new, or too old.
    ///
    /// # Errors
    /// `idempotency_error`, if the earlier request was another one; 400 if the key is too long.
    pub(crate) fn stored_answer(&self, account: &Account) -> Result<Option<(Answer, String)>, ApiError> {
        if self.key.chars().count() > MAX_LENGTH {
            let message = format!("Idempotency keys have at most {MAX_LENGTH} characters.");
            return Err(ApiError::invalid(&message).param("Idempotency-Key"));
        }
        let stored = account.get("idempotency", self.key);
        let Some(stored) = stored.filter(|it| integer(&it["at"]) + LIFETIME_SECONDS > account.now()) else {
            return Ok(None);
        };
        let difference = if stored["path"] != self.path {
            Some(format!(
                "for the same endpoint they were first used for ('{}' vs '{}')",
                self.path,
                text(&stored["path"])
            ))
        } else if stored["parameters"] != *self.parameters {
            Some("with the same parameters they were first used with".to_owned())
        } else {
            None
        };
        if let Some(difference) = difference {
            let message = format!(
                "Keys for idempotent requests can only be used {difference}. Try using a key other than '{}' if you meant to execute a different request.",
                self.key
            );
            return Err(ApiError::new(400, "idempotency_error", &message));
        }
        let status = u16::try_from(integer(&stored["status"])).unwrap_or(500);
        let answer = Answer { status, body: stored["body"].clone() };
        Ok(Some((answer, text(&stored["request"]).to_owned())))
    }

    /// Keeps the answer of a request for its key.
    pub(crate) fn store(&self, account: &mut Account, request_id: &str, answer: &Answer) {
        let record = json!({
            "id": self.key, "path": self.path, "parameters": self.parameters, "at": account.now(), "request": request_id,
            "status": answer.status, "body": answer.body,
        });
        account.put("idempotency", record);
    }

    /// 409: another request with the key is under way.
    pub(crate) fn in_use(&self) -> ApiError {
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): {}. Please try again later.",
            self.key
        );
        ApiError::new(409, "invalid_request_error", &message).code("idempotency_key_in_use")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_replays_its_answer_for_a_day_and_refuses_another_request() {
        let mut account = Account::open(None).unwrap();
        let parameters = json!({ "email": "a@b.c" });
        let request = |key: &'static str, path: &'static str| KeyedRequest { key, path, parameters: &parameters };
        let answer = Answer { status: 402, body: json!({ "error": {} }) };
        assert_eq!(request("k", "/v1/customers").stored_answer(&account), Ok(None));
        request("k", "/v1/customers").store(&mut account, "req_1", &answer);
        assert_eq!(request("k", "/v1/customers").stored_answer(&account), Ok(Some((answer, "req_1".to_owned()))));
        let kind = |error: ApiError| error.error["type"].as_str().unwrap_or_default().to_owned();
        assert_eq!(kind(request("k", "/v1/prices").stored_answer(&account).unwrap_err()), "idempotency_error");
        let other = json!({ "email": "x" });
        let changed = KeyedRequest { key: "k", path: "/v1/customers", parameters: &other };
        assert_eq!(kind(changed.stored_answer(&account).unwrap_err()), "idempotency_error");
        account.set_clock(account.now() + LIFETIME_SECONDS + 2);
        assert_eq!(changed.stored_answer(&account), Ok(None), "a day later it is a new key");
        let long = "k".repeat(MAX_LENGTH + 1);
        let long = KeyedRequest { key: &long, path: "/v1/customers", parameters: &other };
        assert_eq!(long.stored_answer(&account).unwrap_err().status, 400);
    }
}
