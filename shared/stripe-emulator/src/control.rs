//! The controls below `/_control/`, which Stripe does not have.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::{Account, EVERYBODY};
use crate::emulator::StripeEmulator;
use crate::error::ApiError;
use crate::faults::Fault;
use crate::json::text;
use crate::payment_intents::authenticate;
use crate::prices::NewPrice;
use crate::products::new_product;
use crate::test_clocks::new_clock;
use crate::webhook_endpoints::roll_secret;
use crate::{schedule, webhooks};

/// The clock moves by ten years at most: each period on the way is carried out.
const MAX_ADVANCE_SECONDS: i64 = 10 * 366 * 86_400;

/// The answer of a control, or an error's status and text.
type ControlResult = Result<Value, (u16, String)>;

/// Carries out a control. Answers a status and a body.
pub(crate) async fn handle(
    emulator: &StripeEmulator,
    method: &str,
    path: &str,
    query: &str,
    body: &str,
) -> (u16, Value) {
    let segments: Vec<&str> = path.trim_start_matches("/_control/").split('/').collect();
    let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let asked = |name: &str| query.iter().find(|it| it.0 == name).map_or("", |it| it.1.as_str());
    let result = match (method, segments.as_slice()) {
        ("GET", ["clock"]) => Ok(json!({ "now": emulator.state().account.now_of(asked("customer")) })),
        ("POST", ["clock"]) => parsed(body).and_then(|it| move_clock(emulator, it)),
        ("GET", ["faults"]) => Ok(json!({ "faults": emulator.state().faults })),
        ("POST", ["faults"]) => parsed(body).and_then(|it| add_faults(emulator, it)),
        ("DELETE", ["faults"]) => {
            emulator.state().faults.clear();
            Ok(json!({}))
        }
        ("GET", ["requests"]) => Ok(requests(emulator, asked("contains"))),
        ("DELETE", ["requests"]) => {
            emulator.state().requests.clear();
            Ok(json!({}))
        }
        ("GET", ["webhooks"]) => Ok(pending(emulator)),
        ("POST", ["webhooks"]) => parsed(body).and_then(|it| set_webhooks(emulator, it)),
        ("POST", ["events", id, "resend"]) => resend(emulator, id).await,
        ("POST", ["webhook_endpoints", id, "roll"]) => change(emulator, |account| {
            let secret = roll_secret(account, id).map_err(refused)?;
            Ok(json!({ "secret": secret }))
        }),
        ("POST", ["payment_intents", id, "authenticate"]) => parsed(body).and_then(|answer: Authentication| {
            change(emulator, |account| authenticate(account, id, answer.succeeds).map_err(refused))
        }),
        ("POST", ["prices"]) => parsed(body).and_then(|it| add_price(emulator, it)),
        ("POST", ["settings"]) => parsed(body).and_then(|it| set_settings(emulator, it)),
        _ => Err((404, format!("there is no control {method} {path}"))),
    };
    emulator.wake();
    match result {
        Ok(answer) => (200, answer),
        Err((status, text)) => (status, json!({ "error": text })),
    }
}

/// The bodies of controls.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ClockMove {
    advance_seconds: Option<i64>,
    now: Option<i64>,
    customer: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WebhookSettings {
    hold: Option<bool>,
    shuffle: Option<bool>,
    copies: Option<u32>,
    discard: bool,
    customer: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Authentication {
    succeeds: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceToAdd {
    id: String,
    product: String,
    currency: String,
    unit_amount: i64,
    interval: String,
    #[serde(default = "one")]
    interval_count: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    after_retries: AfterRetries,
}

/// What becomes of a subscription whose renewal could not be charged.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AfterRetries {
    Cancel,
    Unpaid,
    PastDue,
}

/// One fault, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Faults {
    Several(Vec<Fault>),
    One(Fault),
}

fn one() -> i64 {
    1
}

fn parsed<T: DeserializeOwned>(body: &str) -> Result<T, (u16, String)> {
    serde_json::from_str(body).map_err(|error| (400, error.to_string()))
}

fn refused(error: ApiError) -> (u16, String) {
    (error.status, text(&error.error["message"]).to_owned())
}

/// Changes the account, as a whole or not at all.
fn change(emulator: &StripeEmulator, change: impl FnOnce(&mut Account) -> ControlResult) -> ControlResult {
    let mut state = emulator.state();
    let result = change(&mut state.account);
    if result.is_ok() {
        state.account.commit();
    } else {
        state.account.roll_back();
    }
    result
}

/// Moves the account's clock, or gives a customer a test clock and moves that.
fn move_clock(emulator: &StripeEmulator, to: ClockMove) -> ControlResult {
    change(emulator, |account| {
        let now = account.now_of(&to.customer);
        let time = match (to.advance_seconds, to.now) {
            (Some(seconds), None) => now.saturating_add(seconds),
            (None, Some(time)) => time,
            _ => return Err((400, "either advance_seconds or now is required".to_owned())),
        };
        if !(0..=MAX_ADVANCE_SECONDS).contains(&time.saturating_sub(now)) {
            return Err((400, "a clock moves forward, by ten years at most".to_owned()));
        }
        if to.customer.is_empty() {
            schedule::advance(account, time);
        } else {
            let clock = clock_of(account, &to.customer).map_err(refused)?;
            schedule::advance_test_clock(account, &clock, time);
        }
        Ok(json!({ "now": time }))
    })
}

/// The test clock of a customer, which it gets if it has none.
fn clock_of(account: &mut Account, customer: &str) -> Result<String, ApiError> {
    let mut owner = account.find("customer", customer)?;
    let known = text(&owner["test_clock"]).to_owned();
    if account.get("test_clock", &known).is_some() {
        return Ok(known);
    }
    let clock = new_clock(account, account.now(), Some(customer));
    owner["test_clock"] = clock["id"].clone();
    let id = text(&clock["id"]).to_owned();
    account.put("test_clock", clock);
    account.put("customer", owner);
    Ok(id)
}

fn add_faults(emulator: &StripeEmulator, faults: Faults) -> ControlResult {
    let faults = match faults {
        Faults::Several(several) => several,
        Faults::One(fault) => vec![fault],
    };
    emulator.state().faults.extend(faults);
    Ok(json!({}))
}

fn requests(emulator: &StripeEmulator, contains: &str) -> Value {
    let state = emulator.state();
    let is_asked_for = |it: &&Value| {
        let texts = [text(&it["path"]).to_owned(), it["parameters"].to_string(), it["idempotency_key"].to_string()];
        texts.iter().any(|it| it.contains(contains))
    };
    json!({ "requests": state.requests.iter().filter(is_asked_for).collect::<Vec<&Value>>() })
}

fn pending(emulator: &StripeEmulator) -> Value {
    let state = emulator.state();
    json!({ "pending": state.account.all("delivery").collect::<Vec<&Value>>() })
}

/// Sets how webhooks are delivered, and forgets those that wait if that is asked for.
fn set_webhooks(emulator: &StripeEmulator, settings: WebhookSettings) -> ControlResult {
    let scope = if settings.customer.is_empty() { EVERYBODY } else { settings.customer.as_str() };
    change(emulator, |account| {
        let mut stored = account.copy("webhook_setting", scope);
        stored["id"] = scope.into();
        for (name, value) in [("hold", settings.hold), ("shuffle", settings.shuffle)] {
            if let Some(value) = value {
                stored[name] = value.into();
            }
        }
        if let Some(copies) = settings.copies {
            stored["copies"] = copies.into();
        }
        account.put("webhook_setting", stored);
        if settings.discard {
            let is_meant = |it: &&Value| scope == EVERYBODY || it["customer"] == scope;
            let waiting: Vec<Value> = account.all("delivery").filter(is_meant).cloned().collect();
            waiting.iter().for_each(|it| account.remove("delivery", text(&it["id"])));
        }
        Ok(json!({}))
    })
}

/// Delivers an event now, whatever is held.
async fn resend(emulator: &StripeEmulator, event: &str) -> ControlResult {
    let endpoints = {
        let state = emulator.state();
        let found = state.account.find("event", event).map_err(refused)?;
        state.account.endpoints_for(text(&found["type"]))
    };
    let mut statuses = Vec::new();
    for endpoint in endpoints {
        statuses.push(webhooks::send(emulator, event, &endpoint).await);
    }
    Ok(json!({ "statuses": statuses }))
}

fn add_price(emulator: &StripeEmulator, price: PriceToAdd) -> ControlResult {
    change(emulator, |account| {
        if account.get("product", &price.product).is_none() {
            let product = new_product(account, &price.product, &price.product);
            account.put("product", product);
        }
        let recurring = Some((price.interval.as_str(), price.interval_count));
        let (id, product, currency, unit_amount) = (&price.id, &price.product, &price.currency, price.unit_amount);
        let new = NewPrice { id, product, currency, unit_amount, recurring }.object(account);
        account.put("price", new.clone());
        Ok(new)
    })
}

fn set_settings(emulator: &StripeEmulator, settings: Settings) -> ControlResult {
    change(emulator, |account| {
        account.put("setting", json!({ "id": EVERYBODY, "after_retries": settings.after_retries }));
        Ok(json!({}))
    })
}
