//! Secrets stay where they were given for: they do not move with an address, and rest sealed.

use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::client::CHANNELS;
use system_tests::hub::Hub;
use system_tests::receiver::Receiver;
use system_tests::{World, text};

/// Files under a folder that hold a text. There may be hundreds of megabytes of them, and this program is not optimised.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let found = Command::new("grep").args(["-rlaFs", "--", text]).arg(folder).output().expect("grep is there");
    String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect()
}

async fn webhook(world: &World<'_>, method: Method, id: &str, url: &str) -> Value {
    let query = [("configurationId", id)];
    let query = if id.is_empty() { &[][..] } else { &query };
    let (status, made) =
        world.channels(method, &format!("{CHANNELS}/WebHook"), query, Some(&[("webHookUrl", url)])).await;
    assert_eq!(status, 200, "{made}");
    made
}

#[test]
fn a_webhook_that_moves_to_another_origin_gets_another_secret() {
    World::run(async |world| {
        let (first, second) = (Receiver::start().await, Receiver::start().await);
        let made = webhook(world, Method::POST, "", &first.url).await;
        let (id, old) = (text(&made["id"]), text(&made["signingSecret"]));
        assert!(old.starts_with("whsec_"), "{made}");
        let moved = webhook(world, Method::PUT, &id, &format!("{}/elsewhere", first.url)).await;
        assert_eq!(moved["signingSecret"], Value::Null, "at the same origin it stays");
        first.knows(&old);
        let told = world.send_test(&id).await;
        world.delivery(&id, &told, "delivered").await;
        assert_eq!(first.messages().len(), 1, "signed by the old secret");

        let moved = webhook(world, Method::PUT, &id, &second.url).await;
        let new = text(&moved["signingSecret"]);
        assert!(new.starts_with("whsec_") && new != old, "{moved}");
        second.knows(&new);
        let told = world.send_test(&id).await;
        world.delivery(&id, &told, "delivered").await;
        assert_eq!(second.messages().len(), 1, "signed by the new one");
        let signatures = text(&second.last()["headers"]["webhook-signature"]);
        assert_eq!(signatures.matches("v1,").count(), 1, "and by no old one: {signatures}");
    });
}

#[test]
fn what_the_query_of_an_address_holds_is_sealed_and_sent_and_shown_to_nobody() {
    World::run(async |world| {
        let marker = format!("marker{}of{}", world.seed, &world.keys.application_id[..8]);
        let (receiver, hub) = (Receiver::start().await, Hub::start("").await);
        let secret_url = format!("{}?env=prod&token={marker}", receiver.url);
        let made = webhook(world, Method::POST, "", &secret_url).await;
        let id = text(&made["id"]);
        receiver.knows(&text(&made["signingSecret"]));
        let shown = format!("{}?env=prod&token=********", receiver.url);
        assert!(text(&made["notificationChannelConfigurationJSON"]).contains(&shown), "{made}");
        // sent back as it was shown, it is the one that was there; with another mask it is none
        let again = webhook(world, Method::PUT, &id, &shown).await;
        assert_eq!(again["signingSecret"], Value::Null);
        let wrong = [("webHookUrl", "http://127.0.0.1:9/?token=********")];
        let one = [("configurationId", id.as_str())];
        let (status, refused) = world.channels(Method::PUT, &format!("{CHANNELS}/WebHook"), &one, Some(&wrong)).await;
        assert_eq!(status, 400, "{refused}");
        let told = world.send_test(&id).await;
        let delivery = world.delivery(&id, &told, "delivered").await;
        assert!(!delivery.to_string().contains(&marker), "{delivery}");
        assert_eq!(receiver.messages().len(), 1);

        let form = [("hubUrl", &*format!("{}?access_token={marker}", hub.url)), ("accessToken", &*marker)];
        let (status, made) = world.channels(Method::POST, &format!("{CHANNELS}/SignalR"), &[], Some(&form)).await;
        assert_eq!(status, 200, "{made}");
        let told = world.send_test(&text(&made["id"])).await;
        world.delivery(&text(&made["id"]), &told, "delivered").await;
        // a link that its signature opens, as of a picture
        let form =
            [("renderKind", "Post"), ("productImageUrl", &*format!("{}?X-Amz-Signature={marker}", receiver.url))];
        let (status, process) =
            world.channels(Method::POST, "/api/v1/Image/Generation/AdCreativesByKind", &[], Some(&form)).await;
        assert_eq!(status, 200, "{process}");
        world
            .until("the task has ended", async || {
                let one = [("imageRenderProcessId", process["imageRenderProcessId"].as_str().expect("an id"))];
                let path = "/api/v1/Image/Generation/CheckUserProgress";
                let (_, seen) = world.channels(Method::GET, path, &one, None).await;
                (seen[0]["progress"] == 100).then_some(())
            })
            .await;
        let data = world.stack.data();
        assert!(!holding(data, &world.keys.application_id).is_empty(), "what is no secret is found");
        let at_rest = holding(data, &marker);
        assert!(at_rest.is_empty(), "in clear in {at_rest:?}");
        for one in [&id, &text(&made["id"])] {
            let one = [("configurationId", one.as_str())];
            assert_eq!(world.channels(Method::DELETE, CHANNELS, &one, None).await.0, 200);
        }
    });
}

#[test]
fn a_hub_that_points_elsewhere_does_not_take_our_token_along() {
    World::run(async |world| {
        let (hub, elsewhere) = (Hub::start("the stored one").await, Hub::start("").await);
        hub.point_to(&elsewhere.url, "");
        let form = [("hubUrl", hub.url.as_str()), ("accessToken", "the stored one")];
        let (_, made) = world.channels(Method::POST, &format!("{CHANNELS}/SignalR"), &[], Some(&form)).await;
        let told = world.send_test(&text(&made["id"])).await;
        world.delivery(&text(&made["id"]), &told, "delivered").await;
        assert_eq!(
            (hub.bearers(), elsewhere.bearers()),
            (vec!["Bearer the stored one".to_owned()], vec![String::new()])
        );
    });
}

#[test]
fn a_secret_of_the_settings_does_not_move_with_an_address() {
    World::run(async |world| {
        let manager = world.iconik(json!({})).await;
        let told = |endpoint: &str| -> Option<String> {
            let there = manager.iconik.objects("webhook");
            let there = there.iter().find(|it| text(&it["url"]).starts_with(endpoint))?;
            Some(text(&there["headers"]["x-webhook-secret"]))
        };
        assert_eq!(told(&world.stack.url).as_deref(), Some(manager.secret.as_str()));
        let settings = world.get("/api/v1/Media/Settings").await;
        // Iconik would send the masked secret to whoever listens there: a new one is made
        let mut moved = settings.clone();
        moved["system_endpoint"] = "http://127.0.0.1:9".into();
        let (status, answer) = world.ask("PUT", "/api/v1/Media/Settings", Some(moved)).await;
        assert_eq!(status, 200, "{answer}");
        let new = world.until("the webhook is made there", async || told("http://127.0.0.1:9/")).await;
        assert!(new.len() >= 16 && new != manager.secret, "{new}");
        // every other one is wanted again
        let mut all = settings.clone();
        for (name, value) in [
            ("sqs_queue_url", "http://127.0.0.1:9/1/q"),
            ("aws_region", "eu-west-1"),
            ("aws_access_key", "a"),
            ("aws_secret_key", "s"),
            ("datacore_endpoint", "http://127.0.0.1:9"),
            ("datacore_token", "access:secret"),
        ] {
            all[name] = value.into();
        }
        all["system"] = json!([]);
        let (status, all) = world.ask("PUT", "/api/v1/Media/Settings", Some(all)).await;
        assert_eq!(status, 200, "{all}");
        for (address, secret) in [
            ("iconik_url", "iconik_access_token"),
            ("sqs_queue_url", "aws_access_key"),
            ("datacore_endpoint", "datacore_token"),
        ] {
            let mut moved = all.clone();
            moved[address] = "http://127.0.0.1:10/1/q".into();
            let (status, refused) = world.ask("PUT", "/api/v1/Media/Settings", Some(moved)).await;
            assert_eq!((status, &refused["field"]), (422, &json!(secret)), "{refused}");
        }
        assert_eq!(world.ask("PUT", "/api/v1/Media/Settings", Some(all)).await.0, 200, "as it was, it may stay");
    });
}
