//! SignalR channels: a customer's hub is called.

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::client::{CHANNELS, outcomes};
use system_tests::hub::Hub;
use system_tests::{World, text};

async fn channel(world: &World<'_>, url: &str, token: &str, more: &[(&str, &str)]) -> String {
    let mut form = more.to_vec();
    form.extend([("hubUrl", url), ("accessToken", token), ("exponentialBackoffFactor", "1.0")]);
    let (_, made) = world.channels(Method::POST, &format!("{CHANNELS}/SignalR"), &[], Some(&form)).await;
    assert!(made["id"].is_string(), "{made}");
    text(&made["id"])
}

#[test]
fn a_hub_is_called_over_one_connection_and_again_when_it_fails() {
    World::run(async |world| {
        let hub = Hub::start("secret").await;
        let id = channel(world, &hub.url, "secret", &[("hubMethod", "Take"), ("format", "native")]).await;
        let first = world.send_test(&id).await;
        let delivery = world.delivery(&id, &first, "delivered").await;
        assert_eq!(
            (outcomes(&delivery)[0].as_str(), &delivery["attempts"][0]["answer"]),
            ("delivered (confirmed)", &json!("\"taken\""))
        );
        let (method, message) = hub.calls().remove(0);
        assert_eq!(
            (method.as_str(), &message["id"], &message["type"]),
            ("Take", &json!(first), &json!("channel.test"))
        );

        hub.fail("The room is full.");
        let second = world.send_test(&id).await;
        let delivery = world.delivery(&id, &second, "delivered").await;
        let said = outcomes(&delivery);
        assert_eq!(
            (said[0].as_str(), said.last().unwrap().as_str()),
            ("the hub answered: The room is full.", "delivered (confirmed)")
        );

        // the connection dies while the call is under way: once more, on a new one
        hub.cut();
        let third = world.send_test(&id).await;
        world.delivery(&id, &third, "delivered").await;
        let mut ids: Vec<Value> = hub.calls().into_iter().map(|it| it.1["id"].clone()).collect();
        ids.dedup(); // a copy, if one had to be made, bears the same id
        assert_eq!(ids, [json!(first), json!(second), json!(third)]);

        // a hub that closes says why, and one that is busy says so (SignalR's hub protocol, Close; RFC 9110, 10.2.3)
        let closing = Hub::start("secret").await;
        let id = channel(world, &closing.url, "secret", &[]).await;
        closing.busy();
        closing.close("Connection closed with an error.", true);
        let told = world.send_test(&id).await;
        let delivery = world.delivery(&id, &told, "delivered").await;
        let said = outcomes(&delivery);
        let closed = "the hub closed the connection: Connection closed with an error. (allowReconnect: true)";
        assert_eq!(
            (said[0].as_str(), &delivery["attempts"][0]["answer"], said[1].as_str()),
            ("the receiver answered 503", &json!("the room is being cleaned"), closed)
        );

        // an answer is one however long it is, as far as it can be read; what cannot be read is said, and not asked again at once
        let wordy = Hub::start("secret").await;
        let id = channel(world, &wordy.url, "secret", &[("format", "native")]).await;
        wordy.result(3 << 20);
        let long = world.send_test(&id).await;
        let delivery = world.delivery(&id, &long, "delivered").await;
        let kept = text(&delivery["attempts"][0]["answer"]);
        assert_eq!((outcomes(&delivery), wordy.calls().len()), (vec!["delivered (confirmed)".to_owned()], 1));
        assert!(kept.starts_with("\"aaaa") && kept.len() == 1_024, "its beginning: {} bytes", kept.len());
        wordy.result(9 << 20);
        let longer = world.send_test(&id).await;
        let delivery = world.delivery(&id, &longer, "delivered").await;
        let said = outcomes(&delivery);
        assert!(said[0].starts_with("the hub sent a message of more than 8388608 bytes"), "{said:?}");
        let times = wordy.calls().iter().filter(|it| it.1["id"] == longer.as_str()).count();
        assert_eq!((said.len(), times), (2, 2), "each attempt is one call: {said:?}");

        // the published message, to a hub that the first one points to
        let other = Hub::start("other").await;
        let front = Hub::start("secret").await;
        front.point_to(&other.url, "other");
        let published = channel(world, &front.url, "secret", &[]).await;
        let fourth = world.send_test(&published).await;
        world.delivery(&published, &fourth, "delivered").await;
        let (method, message) = other.calls().remove(0);
        assert_eq!(
            (method.as_str(), &message["MessageType"]),
            ("ReceiveNotification", &json!("ImageGenerationProgress"))
        );
    });
}

#[test]
fn a_hub_that_refuses_us_or_leads_inside_is_on_record() {
    World::run(async |world| {
        let hub = Hub::start("secret").await;
        let wrong = channel(world, &hub.url, "guessed", &[]).await;
        let told = world.send_test(&wrong).await;
        let delivery = world.delivery(&wrong, &told, "retrying").await;
        assert_eq!(
            (outcomes(&delivery)[0].as_str(), &delivery["attempts"][0]["status"]),
            ("the receiver answered 401", &json!(401))
        );
        assert!(!delivery.to_string().contains("guessed"), "no token in a record: {delivery}");
        hub.point_to("http://10.0.0.1/hub", "x");
        let inside = channel(world, &hub.url, "secret", &[]).await;
        let told = world.send_test(&inside).await;
        let delivery = world.delivery(&inside, &told, "retrying").await;
        assert_eq!(outcomes(&delivery)[0], "`10.0.0.1` is not a public address");
        for id in [wrong, inside] {
            assert_eq!(world.channels(Method::DELETE, CHANNELS, &[("configurationId", &id)], None).await.0, 200);
        }
    });
}

/// Our own hub, which the official client has found in order, takes us for a client as well.
#[test]
fn our_own_hub_takes_the_handshake() {
    World::run(async |world| {
        let (_, pass) = world.ask("POST", "/api/v1/Inbox/jane/Tokens", Some(json!({}))).await;
        let url = format!("{}/hubs/notifications", world.stack.url);
        let id = channel(world, &url, &text(&pass["token"]), &[("hubMethod", "Nothing"), ("retryCount", "0")]).await;
        let told = world.send_test(&id).await;
        let delivery = world.delivery(&id, &told, "dead").await;
        assert!(outcomes(&delivery)[0].starts_with("the hub answered: "), "it has no such method: {delivery}");
        assert_eq!(world.channels(Method::DELETE, CHANNELS, &[("configurationId", &id)], None).await.0, 200);
        assert_eq!(world.leftovers(), Vec::<String>::new(), "it is no dead letter of the deployment's");
    });
}
