//! Channels: made, listed, read, deleted, refused, and their lifetime.

use serde_json::{Value, json};
use system_tests::{World, text};

use super::client::{Answer, Client, Format, event_list, in_both, lifetime_url, merged};

const TYPES: [&str; 2] = ["LongPolling", "WebSockets"];

#[test]
fn a_channel_of_each_type_is_made_with_and_without_data() {
    World::run(async |world| {
        in_both(world, async |client| {
            for kind in TYPES {
                for (more, most) in [(json!({}), None), (json!({ "channelData": { "maxNotifications": 5 } }), Some(5))]
                {
                    let answer = client.try_create(kind, more).await;
                    assert_eq!(answer.status, 201, "{}", answer.text);
                    let made = answer.root("notificationChannel");
                    assert_eq!((&made["channelType"], &made["channelLifetime"]), (&json!(kind), &json!(86_400)));
                    let url = text(&made["resourceURL"]);
                    assert_eq!(url, answer.header("location"));
                    assert!(url.starts_with(&format!("{}{}/", world.stack.url, client.channels())), "{url}");
                    assert!(text(&made["callbackURL"]).starts_with(&world.stack.url), "{made}");
                    assert_eq!((made.get("clientCorrelator"), made.get("applicationTag")), (None, None), "invented");
                    let data = &made["channelData"];
                    let scheme = if kind == "WebSockets" { "ws" } else { "http" };
                    assert!(text(&data["channelURL"]).starts_with(scheme), "{made}");
                    let stated = data["maxNotifications"].as_u64();
                    assert!(
                        stated.is_some_and(|it| most.is_none_or(|most| it == most)),
                        "the default is stated: {made}"
                    );
                }
            }
        })
        .await;
    });
}

#[test]
fn a_channel_reads_the_same_in_both_formats() {
    World::run(async |world| {
        let json = Client::new(world, Format::Json);
        let xml = Client { user: json.user, ..Client::new(world, Format::Xml) };
        let more = json!({ "clientCorrelator": "9 < 8 & \"7\"", "applicationTag": "caf\u{e9}",
            "channelData": { "maxNotifications": 3, "maxWaitTime": 5 }, "channelLifetime": 7200 });
        let made = json.create("LongPolling", more.clone()).await;
        for (name, want) in more.as_object().unwrap().iter().filter(|it| it.0 != "channelData") {
            assert_eq!(&made[name], want);
        }
        for client in [&json, &xml] {
            let read = client.ask("GET", &text(&made["resourceURL"]), None).await;
            assert_eq!((read.status, read.root("notificationChannel")), (200, made.clone()), "{}", read.text);
            let list = client.ask("GET", &client.channels(), None).await.root("notificationChannelList");
            assert_eq!(list["notificationChannel"], json!([made]));
            assert_eq!(text(&list["resourceURL"]), format!("{}{}", world.stack.url, client.channels()));
        }
        assert!(
            xml.ask("GET", &text(&made["resourceURL"]), None).await.text.contains("xsi:type=\"nc:LongPollingData\"")
        );
    });
}

#[test]
fn what_is_not_offered_is_refused_by_its_code() {
    World::run(async |world| {
        in_both(world, async |client| {
            for kind in ["OMAPush", "NativeChannel"] {
                let more = json!({ "channelData": { "maxNotifications": 1 } });
                let (status, code, variables) = client.try_create(kind, more).await.fault();
                assert_eq!((status, code.as_str()), (403, "POL1023"));
                assert_eq!(variables, [kind, "LongPolling, WebSockets"]);
            }
            // it belongs to types that are not offered
            let polling = json!({ "channelData": { "largeDataPolling": { "pollingEnabled": true } } });
            let answer = client.try_create("LongPolling", polling).await;
            assert_eq!(answer.status, 201, "members of another type are ignored: {}", answer.text);
            for (more, variable) in [
                (json!({ "channelLifetime": 0 }), "channelLifetime"),
                (json!({ "channelLifetime": -5 }), "channelLifetime"),
                (json!({ "channelData": { "maxNotifications": 0 } }), "maxNotifications"),
                (json!({ "channelData": { "maxNotifications": -1 } }), "maxNotifications"),
                (json!({ "channelData": { "maxWaitTime": -1 } }), "maxWaitTime"),
            ] {
                let (status, code, variables) = client.try_create("LongPolling", more).await.fault();
                assert_eq!((status, code.as_str(), variables.as_slice()), (400, "SVC0002", &[variable.to_owned()][..]));
            }
            let unknown = client.try_create("longpolling", json!({})).await.fault();
            assert!(unknown.0 == 403 && unknown.1 == "POL1023", "types are case-sensitive: {unknown:?}");
            assert_eq!(listed(client).await.len(), 1, "what was refused was not made");
        })
        .await;
    });
}

async fn listed(client: &Client<'_>) -> Vec<String> {
    let list = client.ask("GET", &client.channels(), None).await.root("notificationChannelList");
    let all = list["notificationChannel"].as_array().cloned().unwrap_or_default();
    all.iter().map(|it| text(&it["resourceURL"])).collect()
}

#[test]
fn a_correlator_makes_one_channel_and_an_empty_one_is_none() {
    World::run(async |world| {
        in_both(world, async |client| {
            let ask = json!({ "clientCorrelator": "c-1", "channelLifetime": 3600 });
            let made = client.create("LongPolling", ask.clone()).await;
            let again = client.try_create("LongPolling", ask.clone()).await;
            assert_eq!((again.status, again.root("notificationChannel")), (201, made.clone()), "{}", again.text);
            assert_eq!(again.header("location"), text(&made["resourceURL"]));
            let other = client.try_create("LongPolling", merged(ask, json!({ "channelLifetime": 7200 }))).await;
            assert_eq!(other.fault(), (409, "SVC0005".into(), vec!["c-1".into(), "clientCorrelator".into()]));
            assert_eq!(other.root("requestError")["link"][0]["href"], made["resourceURL"]);
            assert_eq!(listed(client).await, [text(&made["resourceURL"])]);
            let empty = json!({ "clientCorrelator": "" });
            let (one, two) =
                (client.create("WebSockets", empty.clone()).await, client.create("WebSockets", empty).await);
            assert_ne!(one["resourceURL"], two["resourceURL"]);
            assert!(one.get("clientCorrelator").is_some_and(|it| text(it).is_empty()), "it is echoed: {one}");
        })
        .await;
    });
}

#[test]
fn a_deleted_channel_is_gone_with_all_its_urls() {
    World::run(async |world| {
        in_both(world, async |client| {
            let (gone, kept) =
                (client.create("LongPolling", json!({})).await, client.create("LongPolling", json!({})).await);
            let url = text(&gone["resourceURL"]);
            let answer = client.ask("DELETE", &url, None).await;
            assert_eq!((answer.status, answer.text.as_str()), (204, ""));
            assert_all_gone(client, &gone).await;
            assert_eq!(client.ask("DELETE", &url, None).await.status, 404, "a second time there is nothing");
            assert_eq!(listed(client).await, [text(&kept["resourceURL"])]);
        })
        .await;
    });
}

async fn assert_all_gone(client: &Client<'_>, channel: &Value) {
    let lifetime = json!({ "notificationChannelLifetime": { "channelLifetime": 3600 } });
    let (url, lifetime_url) = (text(&channel["resourceURL"]), lifetime_url(channel));
    let answers: [(&str, Answer); 5] = [
        ("channel", client.ask("GET", &url, None).await),
        ("lifetime", client.ask("GET", &lifetime_url, None).await),
        ("refresh", client.ask("PUT", &lifetime_url, Some(lifetime)).await),
        ("poll", client.poll(channel).await),
        ("callback", client.call(&channel["callbackURL"], event_list(1)).await),
    ];
    for (what, answer) in answers {
        let (status, code, _) = answer.fault();
        assert_eq!((status, code.as_str()), (404, "SVC0004"), "{what}");
    }
}

#[test]
fn a_wrong_verb_is_told_which_are_right() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = client.create("LongPolling", json!({})).await;
            let url = text(&channel["resourceURL"]);
            let poll = text(&channel["channelData"]["channelURL"]);
            for (url, allowed) in [
                (client.channels(), "GET, POST"),
                (url, "GET, DELETE"),
                (lifetime_url(&channel), "GET, PUT"),
                (poll, "POST"),
            ] {
                client.assert_verbs(&url, allowed).await;
            }
        })
        .await;
    });
}

#[test]
fn a_lifetime_runs_down_and_is_refreshed_within_bounds() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = client.create("WebSockets", json!({ "channelLifetime": 100 })).await;
            assert!(client.aged(&channel, 2).await <= 98);
            let read = client.ask("GET", &text(&channel["resourceURL"]), None).await.root("notificationChannel");
            assert_eq!(read["channelLifetime"], 100, "the channel itself says what was granted");
            for (wanted, granted) in [(3600, 3600), (1, 60), (1_000_000, 86_400)] {
                let document = json!({ "notificationChannelLifetime": { "channelLifetime": wanted } });
                let answer = client.ask("PUT", &lifetime_url(&channel), Some(document)).await;
                assert_eq!(answer.status, 200, "{}", answer.text);
                assert_eq!(answer.root("notificationChannelLifetime")["channelLifetime"], granted);
                let left = client.remaining(&channel).await;
                assert!(left <= granted && left + 30 > granted, "{left} of {granted}");
            }
            let document = json!({ "notificationChannelLifetime": null });
            let answer = client.ask("PUT", &lifetime_url(&channel), Some(document)).await;
            assert_eq!(answer.root("notificationChannelLifetime")["channelLifetime"], 86_400, "absent is the default");
            let document = json!({ "notificationChannelLifetime": { "channelLifetime": 0 } });
            let (status, code, _) = client.ask("PUT", &lifetime_url(&channel), Some(document)).await.fault();
            assert_eq!((status, code.as_str()), (400, "SVC0002"));
        })
        .await;
    });
}

#[test]
fn an_expired_channel_is_gone_with_all_its_urls_and_its_socket() {
    World::run(async |world| {
        in_both(world, async |client| {
            let polled = client.create("LongPolling", json!({ "channelLifetime": 60 })).await;
            let socketed = client.create("WebSockets", json!({})).await;
            let mut socket = client.open(&socketed).await;
            let shorter = json!({ "notificationChannelLifetime": { "channelLifetime": 60 } });
            assert_eq!(client.ask("PUT", &lifetime_url(&socketed), Some(shorter)).await.status, 200);
            let url = text(&polled["resourceURL"]);
            let gone = async || (client.ask("GET", &url, None).await.status == 404).then_some(());
            world.until("the channel has expired", gone).await;
            assert_all_gone(client, &polled).await;
            while socket.next_text().await.is_ok() {}
            assert_eq!(client.ask("GET", &text(&socketed["resourceURL"]), None).await.status, 404);
            assert_eq!(listed(client).await, Vec::<String>::new());
        })
        .await;
    });
}

#[test]
fn channels_are_made_by_keys_with_the_scope_alone_and_no_application_sees_anothers() {
    World::run(async |world| {
        let (client, app) = (Client::new(world, Format::Json), &world.keys.application_id);
        let channel = client.create("LongPolling", json!({})).await;
        let url = text(&channel["resourceURL"]);
        let bare = Answer::to(client.request("GET", &url), Format::Json).await;
        assert_eq!((bare.status, bare.body().get("requestError").is_some()), (401, true), "{}", bare.text);
        for (scope, want) in [("oma", 200), ("channels", 403)] {
            let ask = json!({ "name": scope, "scopes": [scope] });
            let (status, key) = world.ask("POST", &format!("/api/v1/Applications/{app}/Keys"), Some(ask)).await;
            assert_eq!(status, 201, "{key}");
            let request = client.request("GET", &url).header("x-api-key", text(&key["apiKey"]));
            let answer = Answer::to(request.header("x-api-secret", text(&key["apiSecret"])), Format::Json).await;
            assert_eq!(answer.status, want, "{scope}: {}", answer.text);
        }
        let other = World::at(world.stack).await;
        let stranger = Client::new(&other, Format::Json);
        assert_eq!(stranger.ask("GET", &url, None).await.status, 404);
        assert_eq!(stranger.ask("DELETE", &url, None).await.status, 404);
        assert_eq!(listed(&stranger).await, Vec::<String>::new());
        assert_eq!(client.ask("GET", &url, None).await.status, 200);
    });
}
