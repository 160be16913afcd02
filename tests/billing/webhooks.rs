//! Stripe's webhooks: their signature, their order, those that come twice, late, or never.

use reqwest::Method;
use ring::hmac;
use serde_json::{Value, json};
use system_tests::tools::{piped, python};
use system_tests::{World, own_stack, project, since, text, until};

use super::client::{Answer, CANCEL, SUBSCRIBE, SUCCESS, Subscriber, TRIAL};

const PRO: [(&str, &str); 2] = [("product", "publish"), ("plan", "pro")];
const DAY: i64 = 86_400;

/// The signature of a body at a time, in hex.
fn sign(secret: &str, at: i64, body: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), format!("{at}.{body}").as_bytes());
    tag.as_ref().iter().map(|it| format!("{it:02x}")).collect()
}

/// The time, in seconds since 1970.
fn now() -> i64 {
    i64::try_from(since("1970-01-01T00:00:00Z").as_secs()).unwrap()
}

/// Sends a webhook as Stripe would.
async fn receive(world: &World<'_>, body: &str, signature: &str) -> Answer {
    let request = world.http.post(format!("{}/1/billing/stripe-webhook", world.stack.url));
    let request = request.header("content-type", "application/json; charset=utf-8");
    let request = if signature.is_empty() { request } else { request.header("stripe-signature", signature) };
    Answer::to(request.body(body.to_owned())).await
}

/// An event of a type.
fn event(id: &str, kind: &str, object: &Value) -> String {
    json!({ "id": id, "object": "event", "type": kind, "data": { "object": object } }).to_string()
}

#[test]
fn a_signature_is_accepted_if_the_official_library_accepts_it() {
    World::run(async |world| {
        let (stripe, python) = (Subscriber::new(world).stripe, python().await.to_string_lossy().into_owned());
        let (secret, now) = (stripe.webhook_secret.as_str(), now());
        let object = json!({ "id": "sub_x", "object": "subscription", "customer": "cus_of_nobody", "note": "ünïcode ☃ \u{1F600}" });
        let body = event(&format!("evt_{}", &world.keys.application_id[..8]), "customer.subscription.updated", &object);
        let right = sign(secret, now, &body);
        let wrong = sign("whsec_another", now, &body);
        let other = sign(secret, now, &format!("{body} "));
        let (recent, old) = (now - 240, now - 320);
        let webhooks: Vec<Value> = [
            format!("t={now},v1={right}"),
            format!("t={now},v1={wrong},v1={right}"),
            format!("t={now},v1={right},v1={wrong},v0={wrong}"),
            format!("v1={right},t={now}"),
            format!("t={now},v0={right}"),
            format!("t={now},v1={wrong}"),
            format!("t={now},v1={other}"),
            format!("t={now},v1={}", right.to_uppercase()),
            format!("t={now},v1={}", &right[..63]),
            format!("t={now},v1="),
            format!("t={now}"),
            format!("t={},v1={right}", now - 1),
            format!("t={recent},v1={}", sign(secret, recent, &body)),
            format!("t={old},v1={}", sign(secret, old, &body)),
            format!("v1={right}"),
            format!("t=now,v1={right}"),
            "nonsense".to_owned(),
            String::new(),
        ]
        .iter()
        .map(|it| json!({ "body": body, "signature": it }))
        .collect();
        let script = project().join("tests/clients/stripe_signatures.py").to_string_lossy().into_owned();
        let asked = json!({ "secret": secret, "webhooks": webhooks }).to_string();
        let (ended, said) = piped(&python, &[&script], &[], &asked).await;
        assert!(ended, "{said}");
        let verdicts: Vec<&str> = said.lines().collect();
        assert_eq!(verdicts.len(), webhooks.len(), "{said}");
        assert_eq!(verdicts.iter().filter(|it| **it == "accepted").count(), 5, "{said}");
        for (webhook, verdict) in webhooks.iter().zip(verdicts) {
            let answer = receive(world, &body, webhook["signature"].as_str().unwrap()).await;
            match verdict {
                "accepted" => assert_eq!((answer.status, answer.text.as_str()), (200, SUCCESS), "{webhook}"),
                _ => assert!(!answer.is_error(400, 1000).is_empty(), "{webhook}"),
            }
        }
        // one that lies ahead is refused, too
        let ahead = now + 400;
        receive(world, &body, &format!("t={ahead},v1={}", sign(secret, ahead, &body))).await.is_error(400, 1000);
    });
}

#[test]
fn both_secrets_are_good_while_one_is_replaced() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        let stack = own_stack(data.path(), &[]).await;
        let world = World::open(&stack).await;
        let subscriber = Subscriber::new(&world);
        subscriber.done(TRIAL, &PRO).await;
        let endpoints = subscriber.stripe.get("/v1/webhook_endpoints", &[]).await;
        let endpoint = text(&endpoints["data"][0]["id"]);
        subscriber.stripe.control(Method::POST, &format!("webhook_endpoints/{endpoint}/roll"), json!({})).await;
        // the stack has the old one, and Stripe signs with both
        subscriber.stripe.advance(&subscriber.customer().await, 15 * DAY).await;
        until("the trial has ended", async || (subscriber.only("publish").await["is_trialing"] == false).then_some(()))
            .await;
        subscriber.settled().await;
    });
}

#[test]
fn what_is_no_event_and_what_is_nobodys_changes_nothing() {
    World::run(async |world| {
        let stripe = Subscriber::new(world).stripe;
        let now = now();
        let signed = async |body: &str| {
            let signature = format!("t={now},v1={}", sign(&stripe.webhook_secret, now, body));
            receive(world, body, &signature).await
        };
        for body in ["", "[]", "{}", "no JSON", r#"{"id":7,"type":"invoice.paid"}"#] {
            signed(body).await.is_error(400, 1000);
        }
        let own = &world.keys.application_id[..8];
        for (number, (kind, object)) in [
            (
                "customer.subscription.updated",
                json!({ "id": "sub_1", "object": "subscription", "customer": "cus_stranger" }),
            ),
            ("invoice.paid", json!({ "id": "in_1", "object": "invoice", "customer": null })),
            ("payment_method.detached", json!({ "id": "pm_1", "object": "payment_method" })),
            ("something.new", json!({ "id": "x" })),
            ("customer.deleted", json!({ "id": "cus_stranger", "object": "customer" })),
        ]
        .into_iter()
        .enumerate()
        {
            let answer = signed(&event(&format!("evt_{own}_{number}"), kind, &object)).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, SUCCESS), "{kind}");
        }
        let large = signed(&event("evt_large", "invoice.paid", &json!({ "x": "x".repeat(1 << 20) }))).await;
        large.is_error(413, 1000);
    });
}

#[test]
fn the_order_of_events_does_not_matter_nor_how_often_they_come() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        let stack = own_stack(data.path(), &[]).await;
        let world = World::open(&stack).await;
        let subscriber = Subscriber::new(&world);
        let hold = |hold: bool| json!({ "hold": hold, "shuffle": true, "copies": 3 });
        subscriber.stripe.control(Method::POST, "webhooks", hold(true)).await;
        subscriber.done(TRIAL, &PRO).await;
        subscriber.done(SUBSCRIBE, &[&PRO[..], &[("stripeToken", "tok_visa")]].concat()).await;
        let customer = subscriber.customer().await;
        subscriber.stripe.advance(&customer, 40 * DAY).await;
        subscriber
            .done(SUBSCRIBE, &[("product", "publish"), ("plan", "agency"), ("cycle", "year"), ("quantity", "3")])
            .await;
        subscriber.done(CANCEL, &[("product", "publish")]).await;
        let shown = subscriber.shown("publish").await;
        let before = subscriber.published().await;
        let pending = async || subscriber.stripe.control(Method::GET, "webhooks", Value::Null).await["pending"].clone();
        assert!(pending().await.as_array().unwrap().len() > 5);
        subscriber.stripe.control(Method::POST, "webhooks", hold(false)).await;
        until("all events have come", async || pending().await.as_array().unwrap().is_empty().then_some(())).await;
        let idle = async || stack.sqs.bodies("notifications-BillingQueue").unwrap().is_empty().then_some(());
        until("all of them are looked after", idle).await;
        assert_eq!(subscriber.shown("publish").await, shown, "it was known before");
        assert_eq!(subscriber.published().await, before, "and announced");
        subscriber.settled().await;
        // one that was handled long ago comes again
        let events = subscriber.stripe.get("/v1/events", &[("limit", "100")]).await;
        for event in events["data"].as_array().unwrap() {
            let path = format!("events/{}/resend", text(&event["id"]));
            let answer = subscriber.stripe.control(Method::POST, &path, json!({})).await;
            assert!(answer["statuses"].as_array().unwrap().iter().all(|it| *it == 200), "{answer}");
        }
        assert!(stack.sqs.bodies("notifications-BillingQueue").unwrap().is_empty(), "nothing is looked after again");
    });
}

#[test]
fn what_no_event_has_said_is_found_each_day() {
    World::run(async |world| {
        let subscriber = Subscriber::new(world);
        subscriber.done(SUBSCRIBE, &[&PRO[..], &[("stripeToken", "tok_visa")]].concat()).await;
        let customer = subscriber.customer().await;
        let is_ours = |it: &String| it.contains(&customer) || it.contains(&world.keys.application_id);
        until("what the subscription brought is looked after", async || {
            let pending = subscriber.stripe.control(Method::GET, "webhooks", Value::Null).await["pending"].to_string();
            let queued = world.stack.sqs.bodies("notifications-BillingQueue").unwrap();
            (!is_ours(&pending) && !queued.iter().any(is_ours)).then_some(())
        })
        .await;
        let hold = json!({ "hold": true, "customer": customer });
        subscriber.stripe.control(Method::POST, "webhooks", hold).await;
        subscriber.stripe.advance(&customer, 32 * DAY).await;
        let id = text(&subscriber.remote("publish").await["id"]);
        subscriber.stripe.post(&format!("/v1/subscriptions/{id}"), &[("cancel_at_period_end", "true")]).await;
        let lost = json!({ "discard": true, "hold": false, "customer": customer });
        subscriber.stripe.control(Method::POST, "webhooks", lost).await;
        assert_ne!(subscriber.shown("publish").await, subscriber.truth("publish").await, "nobody has said it");
        // its day comes: as the row has it
        let app = &world.keys.application_id;
        let key = json!({ "PK": { "S": format!("APP#{app}") }, "SK": { "S": "BILLING" } });
        let update = json!({
            "TableName": "notifications-Table", "Key": key, "UpdateExpression": "SET open_at = :then",
            "ConditionExpression": "attribute_exists(PK)",
            "ExpressionAttributeValues": { ":then": { "S": format!("{:013}#{app}", 1) } },
        });
        world.write_row("UpdateItem", &update).await;
        assert!(world.stack.fire_schedule("sweep").await);
        subscriber.settled().await;
        let cancelled = ("billing.subscription.cancelled".to_owned(), "pro".to_owned());
        until("it is announced", async || subscriber.published().await.contains(&cancelled).then_some(())).await;
    });
}

#[test]
fn a_price_that_no_plan_has_waits_for_one_with_an_alarm() {
    World::run(async |world| {
        let _letters = world.letters().await;
        let subscriber = Subscriber::new(world);
        subscriber.done(TRIAL, &[("product", "analyze"), ("plan", "early-access-10")]).await;
        let customer = subscriber.customer().await;
        let id = format!("price_awesome_{}_month", &world.keys.application_id[..8]);
        let price = json!({
            "id": id, "product": "prod_publish", "currency": "usd", "unit_amount": 1_000, "interval": "month",
        });
        subscriber.stripe.control(Method::POST, "prices", price).await;
        let form = [("customer", customer.as_str()), ("items[0][price]", &id), ("trial_period_days", "30")];
        subscriber.stripe.post("/v1/subscriptions", &form).await;
        let letter = until("the event is among the dead letters", async || {
            let (good, said) = world.notify(&["dead-letters", "billing", "--json"]).await;
            assert!(good, "{said}");
            said.lines().find(|it| it.contains(&customer)).map(str::to_owned)
        })
        .await;
        assert!(letter.contains(&id) && letter.contains("no plan has"), "{letter}");
        assert_eq!(subscriber.shown("publish").await, [] as [Value; 0]);
        assert_eq!(subscriber.shown("analyze").await.len(), 1, "what is known stays");
        let queue = "notifications-BillingDead";
        until("the letters are taken away", async || {
            for message in world.stack.sqs.receive(queue, 10, std::time::Duration::from_secs(1)).unwrap() {
                if message.body.contains(&customer) || message.body.contains(&world.keys.application_id) {
                    world.stack.sqs.delete(&message.receipt_handle).unwrap();
                }
            }
            let left = world.stack.sqs.bodies(queue).unwrap();
            (!left.iter().any(|it| it.contains(&customer))).then_some(())
        })
        .await;
    });
}
