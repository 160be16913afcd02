//! Deliveries of events to webhook endpoints: signed, and repeated until they are answered.

use std::time::Duration;

use ring::hmac;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::clock::{now_ms, pause};
use crate::emulator::{State, StripeEmulator};
use crate::json::{integer, is_true, text};
use crate::random::random_text;
use crate::render::render;
use crate::version::ApiVersion;
use crate::webhook_endpoints::secrets;

/// A receiver has to answer within 10 seconds.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A delivery that failed is repeated after so long. Stripe does it over days.
const RETRY_AFTER_MS: [i64; 3] = [500, 2_000, 5_000];
/// How often due deliveries are looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Delivers what is due, for ever.
pub(crate) async fn deliver_due(emulator: StripeEmulator) {
    let mut batches = JoinSet::new();
    loop {
        let due = take_due(&mut emulator.state());
        if !due.is_empty() {
            batches.spawn(deliver_all(emulator.clone(), due));
        }
        tokio::select! {
            () = emulator.woken() => {}
            () = pause(POLL_INTERVAL) => {}
            Some(_) = batches.join_next() => {}
        }
    }
}

/// The deliveries that are due and not held, which are under way from now on: in the order of their events, or shuffled.
fn take_due(state: &mut State) -> Vec<Value> {
    let (account, now) = (&state.account, now_ms());
    let is_held = |it: &Value| is_true(&account.webhook_setting("hold", text(&it["customer"])));
    let is_due =
        |it: &&Value| integer(&it["due_ms"]) <= now && !state.deliveries.contains(text(&it["id"])) && !is_held(it);
    let mut due: Vec<Value> = account.all("delivery").filter(is_due).cloned().collect();
    let is_shuffled = |it: &Value| is_true(&account.webhook_setting("shuffle", text(&it["customer"])));
    if due.iter().any(is_shuffled) {
        due.sort_by_cached_key(|_| random_text(8));
    }
    state.deliveries.extend(due.iter().map(|it| text(&it["id"]).to_owned()));
    due
}

async fn deliver_all(emulator: StripeEmulator, deliveries: Vec<Value>) {
    for delivery in deliveries {
        let status = send(&emulator, text(&delivery["event"]), text(&delivery["endpoint"])).await;
        finish(&mut emulator.state(), &delivery, status);
    }
}

/// Removes a delivery that was answered with 2xx, or failed for the last time; plans the next attempt of any other.
fn finish(state: &mut State, delivery: &Value, status: u16) {
    let id = text(&delivery["id"]);
    state.deliveries.remove(id);
    let account = &mut state.account;
    if account.get("delivery", id).is_none() {
        return; // discarded
    }
    let attempts = integer(&delivery["attempts"]);
    let retry_after = usize::try_from(attempts).ok().and_then(|it| RETRY_AFTER_MS.get(it));
    match retry_after.filter(|_| !(200..300).contains(&status)) {
        Some(retry_after) => {
            let mut next = delivery.clone();
            next["attempts"] = (attempts + 1).into();
            next["due_ms"] = (now_ms() + retry_after).into();
            account.put("delivery", next);
        }
        None => {
            account.remove("delivery", id);
            let mut event = account.copy("event", text(&delivery["event"]));
            event["pending_webhooks"] = integer(&event["pending_webhooks"]).saturating_sub(1).max(0).into();
            account.put("event", event);
        }
    }
    account.commit();
}

/// Posts an event to an endpoint. Answers the status of the answer; 0 without one, or if either is not there any more.
pub(crate) async fn send(emulator: &StripeEmulator, event: &str, endpoint: &str) -> u16 {
    let request = {
        let state = emulator.state();
        let account = &state.account;
        match (account.get("event", event), account.get("webhook_endpoint", endpoint)) {
            (Some(event), Some(endpoint)) => {
                let version = endpoint["api_version"].as_str().and_then(ApiVersion::parse);
                let version = version.unwrap_or_else(ApiVersion::latest);
                let mut shown = render(event, &version);
                shown["api_version"] = json!(version.as_str());
                let (body, secrets) = (shown.to_string(), secrets(account, endpoint));
                let signature = signature(&secrets, now_ms() / 1_000, &body);
                Some((text(&endpoint["url"]).to_owned(), body, signature))
            }
            _ => None,
        }
    };
    let Some((url, body, signature)) = request else { return 0 };
    let post = emulator.http().post(url).timeout(TIMEOUT).header("content-type", "application/json; charset=utf-8");
    let post = post.header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)");
    let answer = post.header("stripe-signature", signature).body(body).send().await;
    answer.map_or(0, |it| it.status().as_u16())
}

/// The header `Stripe-Signature`: the time, and an HMAC-SHA256 of `{time}.{body}` for each secret (Stripe, Verify webhook
/// signatures manually).
fn signature(secrets: &[String], at: i64, body: &str) -> String {
    let mut header = format!("t={at}");
    for secret in secrets {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
        let digits: String = tag.as_ref().iter().map(|it| format!("{it:02x}")).collect();
        header = format!("{header},v1={digits}");
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_signed_with_each_secret() {
        let body = r#"{"id":"evt_1","object":"event","type":"customer.subscription.updated"}"#;
        let v1 = "v1=1d78ca175b314669ff274029510b4faba0741b983b2b8fa70cc5b9858d2018b6";
        assert_eq!(signature(&["whsec_x".to_owned()], 1_795_205_554, body), format!("t=1795205554,{v1}"));
        let both = signature(&["whsec_y".to_owned(), "whsec_x".to_owned()], 1_795_205_554, body);
        assert!(
            both.starts_with("t=1795205554,v1=") && both.ends_with(v1) && both.matches("v1=").count() == 2,
            "{both}"
        );
    }
}
