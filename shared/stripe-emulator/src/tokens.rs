//! Tokens: cards that stand for one use.

use serde_json::{Value, json};

use crate::account::Account;
use crate::cards::Card;
use crate::endpoint::Endpoint;
use crate::error::{ApiError, ApiResult};
use crate::json::{integer, is_true, text};
use crate::random::random_id;
use crate::request::Request;

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: "POST",
        path: "/v1/tokens",
        parameters: &["card.number", "card.exp_month", "card.exp_year", "card.cvc", "card.name", "card.address_zip"],
        run: create,
    },
    Endpoint { method: "GET", path: "/v1/tokens/{}", parameters: &[], run: read },
];

/// The expiry of fixture cards: a month and a year.
const EXPIRY: (i64, i64) = (12, 2034);

fn create(account: &mut Account, request: &Request) -> ApiResult {
    let (card, expiry) = card_of_number(request)?;
    let token = json!({
        "id": random_id("tok"), "object": "token", "card": card.shown(expiry), "client_ip": null, "created": account.now(),
        "livemode": false, "type": "card", "used": false, "_card": card.name,
    });
    account.put("token", token.clone());
    Ok(token)
}

fn read(account: &mut Account, request: &Request) -> ApiResult {
    account.find("token", request.id())
}

/// The card of `card[number]`, with its expiry.
///
/// # Errors
/// If a parameter is missing, or the number is no test card's.
pub(crate) fn card_of_number(request: &Request) -> Result<(&'static Card, (i64, i64)), ApiError> {
    let number = request.required("/card/number")?;
    let month = request.integer_in("/card/exp_month", 1, 12)?.ok_or_else(|| ApiError::missing("card[exp_month]"))?;
    let year = request.integer_in("/card/exp_year", 2000, 2100)?.ok_or_else(|| ApiError::missing("card[exp_year]"))?;
    let digits: String = number.chars().filter(|it| *it != ' ').collect();
    let card = Card::of_number(&digits);
    let unknown = || ApiError::card("incorrect_number", None, "Your card number is incorrect.").param("card[number]");
    Ok((card.ok_or_else(unknown)?, (month, year)))
}

/// Uses a token up. A fixture, such as `tok_visa`, can be used again.
///
/// # Errors
/// `resource_missing`, or `token_already_used`.
pub(crate) fn consume(account: &mut Account, id: &str) -> Result<(&'static Card, (i64, i64)), ApiError> {
    if let Some(card) = id.strip_prefix("tok_").and_then(Card::of_name) {
        return Ok((card, EXPIRY));
    }
    let mut token: Value = account.referenced("token", id, "card[token]")?;
    if is_true(&token["used"]) {
        let message = format!("You cannot use a Stripe token more than once: {id}.");
        return Err(ApiError::invalid(&message).code("token_already_used").param("card[token]"));
    }
    token["used"] = true.into();
    let card = Card::of_name(text(&token["_card"]));
    let expiry = (integer(&token["card"]["exp_month"]), integer(&token["card"]["exp_year"]));
    account.put("token", token);
    Ok((card.ok_or_else(|| ApiError::no_such("token", id, "card[token]"))?, expiry))
}

/// The card of a fixture payment method, such as `pm_card_visa`.
pub(crate) fn fixture_card(payment_method: &str) -> Option<(&'static Card, (i64, i64))> {
    Some((payment_method.strip_prefix("pm_card_").and_then(Card::of_name)?, EXPIRY))
}
