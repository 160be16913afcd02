//! An event that Stripe announces. Of its body only ids are used: what is so now is asked for.

use serde::Deserialize;
use serde_json::Value;

/// The most characters of an id (Stripe API, ids are at most 255).
const MAX_ID_CHARS: usize = 255;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: String,
    /// Its type: `customer.subscription.updated`.
    pub kind: String,
    /// The customer that it is about, if it names one.
    pub customer: Option<String>,
    /// The subscription that it is about, if it is about one.
    pub subscription: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

impl Event {
    /// Reads the body of a webhook; `None` if it is no event.
    pub fn read(body: &[u8]) -> Option<Self> {
        let Body { id, kind, data } = serde_json::from_slice(body).ok()?;
        let is_id = |it: &str| {
            (1..=MAX_ID_CHARS).contains(&it.len())
                && it.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let object = &data["object"];
        let customer = match object["object"].as_str() {
            Some("customer") => object["id"].as_str(),
            // an id, or the customer itself
            _ => object["customer"].as_str().or_else(|| object["customer"]["id"].as_str()),
        };
        let subscription = object["id"].as_str().filter(|_| object["object"] == "subscription");
        let [customer, subscription] =
            [customer, subscription].map(|found| found.filter(|it| is_id(it)).map(str::to_owned));
        (is_id(&id) && kind.len() <= MAX_ID_CHARS).then_some(Self { id, kind, customer, subscription })
    }

    /// Whether a subscription may have changed, or its customer was deleted (billing, section 4.4).
    pub fn is_of_subscriptions(&self) -> bool {
        let prefixes = ["customer.subscription.", "invoice."];
        self.kind == "customer.deleted" || prefixes.iter().any(|it| self.kind.starts_with(it))
    }

    /// Whether it announces that a trial ends in three days.
    pub fn announces_end_of_trial(&self) -> bool {
        self.kind == "customer.subscription.trial_will_end"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(object: Value) -> Option<Event> {
        let event = json!({ "id": "evt_1", "object": "event", "type": "t", "data": { "object": object } });
        Event::read(event.to_string().as_bytes())
    }

    #[test]
    fn an_event_names_its_customer() {
        for (object, want) in [
            (json!({ "object": "subscription", "id": "sub_1", "customer": "cus_1" }), Some("cus_1")),
            (json!({ "object": "invoice", "customer": { "id": "cus_2", "object": "customer" } }), Some("cus_2")),
            (json!({ "object": "customer", "id": "cus_3" }), Some("cus_3")),
            (json!({ "object": "payment_method", "customer": null }), None),
            (json!({ "object": "subscription", "customer": "../x" }), None),
            (json!(7), None),
        ] {
            let event = read(object.clone()).unwrap();
            assert_eq!(event.customer.as_deref(), want, "{object}");
            assert_eq!(event.subscription.is_some(), object["id"] == "sub_1", "{object}");
        }
    }

    #[test]
    fn what_is_no_event_is_none() {
        for body in ["", "[]", "{}", r#"{"id":"evt_1"}"#, r#"{"id":"","type":"t"}"#, r#"{"id":"a#b","type":"t"}"#] {
            assert_eq!(Event::read(body.as_bytes()), None, "{body}");
        }
        let bare = Event::read(br#"{"id":"evt_1","type":"customer.subscription.trial_will_end"}"#).unwrap();
        assert!(bare.customer.is_none() && bare.announces_end_of_trial());
    }

    #[test]
    fn events_of_subscriptions_are_told_from_others() {
        for (kind, want) in [
            ("customer.subscription.deleted", true),
            ("invoice.paid", true),
            ("customer.deleted", true),
            ("customer.created", false),
            ("charge.succeeded", false),
            ("payment_method.detached", false),
        ] {
            let event = Event { id: "evt_1".into(), kind: kind.into(), customer: None, subscription: None };
            assert_eq!(event.is_of_subscriptions(), want, "{kind}");
        }
    }
}
