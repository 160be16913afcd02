//! Stripe's test cards: the names behind `tok_` and `pm_card_`, their numbers, and what becomes of charges
//! (docs.stripe.com/testing).

use serde_json::{Value, json};

use crate::error::ApiError;

/// A test card.
#[derive(Debug)]
pub(crate) struct Card {
    /// The name of its token and its payment method.
    pub(crate) name: &'static str,
    number: &'static str,
    brand: &'static str,
    funding: &'static str,
    outcome: Outcome,
}

/// What a card does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeds,
    /// It is declined when it is attached to a customer.
    DeclinedAtOnce(Decline),
    /// It is attached; each charge is declined.
    DeclinedOnCharge(Decline),
    /// Each charge needs the customer.
    NeedsAuthentication,
}

/// Why a card is declined: `code`, `decline_code`, `message`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decline(&'static str, &'static str, &'static str);

impl Decline {
    /// The error that a request is answered with.
    pub(crate) fn error(self) -> ApiError {
        ApiError::card(self.0, Some(self.1), self.2)
    }
}

const GENERIC: Decline = Decline("card_declined", "generic_decline", "Your card was declined.");
const NO_FUNDS: Decline = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.");
const EXPIRED: Decline = Decline("expired_card", "expired_card", "Your card has expired.");
const INCORRECT_CVC: Decline = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.");
const PROCESSING: Decline = Decline(
    "processing_error",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
);
/// The decline of a card whose owner is needed and not there.
pub(crate) const AUTHENTICATION_REQUIRED: Decline = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
);

const fn card(name: &'static str, number: &'static str, brand: &'static str, outcome: Outcome) -> Card {
    Card { name, number, brand, funding: "credit", outcome }
}

static CARDS: [Card; 14] = [
    card("visa", "4242424242424242", "visa", Outcome::Succeeds),
    Card { funding: "debit", ..card("visa_debit", "4000056655665556", "visa", Outcome::Succeeds) },
    card("mastercard", "5555555555554444", "mastercard", Outcome::Succeeds),
    card("amex", "378282246310005", "amex", Outcome::Succeeds),
    card("discover", "6011111111111117", "discover", Outcome::Succeeds),
    card("chargeDeclined", "4000000000000002", "visa", Outcome::DeclinedAtOnce(GENERIC)),
    card("chargeDeclinedInsufficientFunds", "4000000000009995", "visa", Outcome::DeclinedAtOnce(NO_FUNDS)),
    card("chargeDeclinedExpiredCard", "4000000000000069", "visa", Outcome::DeclinedAtOnce(EXPIRED)),
    card("chargeDeclinedIncorrectCvc", "4000000000000127", "visa", Outcome::DeclinedAtOnce(INCORRECT_CVC)),
    card("chargeDeclinedProcessingError", "4000000000000119", "visa", Outcome::DeclinedAtOnce(PROCESSING)),
    card("chargeCustomerFail", "4000000000000341", "visa", Outcome::DeclinedOnCharge(GENERIC)),
    card("authenticationRequired", "4000002760003184", "visa", Outcome::NeedsAuthentication),
    card("threeDSecure2Required", "4000000000003220", "visa", Outcome::NeedsAuthentication),
    card("threeDSecureRequired", "4000000000003063", "visa", Outcome::NeedsAuthentication),
];

impl Card {
    /// The card of a name (`visa`, `chargeDeclined`). Newer names of declined cards begin with their brand
    /// (`visa_chargeDeclined`).
    pub(crate) fn of_name(name: &str) -> Option<&'static Self> {
        let find = |name: &str| CARDS.iter().find(|it| it.name == name);
        find(name).or_else(|| find(name.strip_prefix("visa_")?))
    }

    /// The card of a number.
    pub(crate) fn of_number(number: &str) -> Option<&'static Self> {
        CARDS.iter().find(|it| it.number == number)
    }

    /// What becomes of it.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The member `card` of a payment method.
    pub(crate) fn shown(&self, expiry: (i64, i64)) -> Value {
        let last4 = self.number.get(self.number.len() - 4..).unwrap_or_default();
        json!({
            "brand": self.brand, "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
            "country": "US", "display_brand": self.brand, "exp_month": expiry.0, "exp_year": expiry.1,
            "fingerprint": format!("emulated{}{last4}", self.brand), "funding": self.funding, "generated_from": null, "last4": last4,
            "networks": { "available": [self.brand], "preferred": null }, "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true }, "wallet": null,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_found_by_its_names_and_its_number() {
        for name in ["chargeDeclined", "visa_chargeDeclined"] {
            assert_eq!(Card::of_name(name).map(Card::outcome), Some(Outcome::DeclinedAtOnce(GENERIC)), "{name}");
        }
        assert!(Card::of_name("visa").is_some() && Card::of_name("visa_visa").is_some());
        assert!(Card::of_name("").is_none() && Card::of_name("visa_").is_none() && Card::of_number("4111").is_none());
        assert_eq!(Card::of_number("4242424242424242").unwrap().shown((8, 2030))["last4"], "4242");
    }
}
