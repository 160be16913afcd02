//! The seed's short paths: its six integration scenarios, ported, and how they live beside the specification's.

use serde_json::{Value, json};
use system_tests::{World, text};

use super::client::{Client, Format};

/// The seed's users are numbers; an application's users are its own, so that this one is new in each test.
const CHANNELS: &str = "/5/channels";

/// What the seed's other scenarios begin with; the braces are its own.
fn set_up() -> Value {
    json!({ "clientCorrelator": "123", "applicationTag": "myTag", "channelType": "WebSockets",
        "channelData": { "channelURL": "ws://127.0.0.1/{}/channels/{}/ws", "maxNotifications": 10 },
        "channelLifeTime": 3600 })
}

async fn create(world: &World<'_>, body: Value) -> Value {
    let (status, made) = world.ask("POST", CHANNELS, Some(body)).await;
    assert_eq!(status, 201, "{made}");
    made
}

fn path(channel: &Value) -> String {
    format!("{CHANNELS}/{}", channel["id"])
}

fn is_just_made(channel: &Value) {
    let left = channel["channelLifeTime"].as_u64().unwrap();
    // the seed has two seconds; a machine that is busy may need more
    assert!((3_570..=3_599).contains(&left), "{left}: what remains is less than what was granted");
}

#[test]
fn scenario_1_a_channel_is_made_and_answered_as_it_is() {
    World::run(async |world| {
        let mut body = set_up();
        body["channelData"]["channelURL"] = "ws://127.0.0.1/5/channels/1/ws".into();
        body["callbackURL"] = "http://somedummyurl.com/proxy".into();
        body["resourceURL"] = "http://127.0.0.1/5/channels/1".into();
        body["id"] = 1.into();
        let made = create(world, body.clone()).await;
        for name in ["channelType", "channelLifeTime", "clientCorrelator", "applicationTag", "id"] {
            assert_eq!(made[name], body[name], "{name}");
        }
        assert_eq!(made["channelData"]["maxNotifications"], 10);
        assert_eq!(text(&made["resourceURL"]), format!("{}/5/channels/1", world.stack.url));
        let url = text(&made["channelData"]["channelURL"]);
        assert!(url.starts_with("ws") && url != text(&body["channelData"]["channelURL"]), "{url}");
        assert!(text(&made["callbackURL"]).starts_with(&world.stack.url), "{made}");
    });
}

#[test]
fn scenario_2_ten_channels_are_listed() {
    World::run(async |world| {
        assert_eq!(world.get(CHANNELS).await, json!([]));
        let mut ids = Vec::new();
        for _ in 0..10 {
            ids.push(create(world, json!({ "channelType": "WebSockets" })).await["id"].clone());
        }
        assert_eq!(ids, (1..=10).map(Value::from).collect::<Vec<_>>(), "counted by user");
        let list = world.get(CHANNELS).await;
        let listed: Vec<&Value> = list.as_array().unwrap().iter().map(|it| &it["id"]).collect();
        assert!(ids.iter().all(|it| listed.contains(&it)) && listed.len() == 10, "{listed:?}");
    });
}

#[test]
fn scenario_3_a_channel_is_read_with_what_remains_of_its_lifetime() {
    World::run(async |world| {
        let mut made = create(world, set_up()).await;
        let read = world.get(&path(&made)).await;
        is_just_made(&read);
        made["channelLifeTime"] = read["channelLifeTime"].clone();
        assert_eq!(read, made, "all else is as it was made");
    });
}

#[test]
fn scenario_4_a_deleted_channel_is_not_found() {
    World::run(async |world| {
        let made = create(world, set_up()).await;
        assert_eq!(world.ask("DELETE", &path(&made), None).await.0, 204);
        let not_found = (404, json!({ "detail": "Not Found" }));
        assert_eq!(world.ask("GET", &path(&made), None).await, not_found);
        // what the seed does not try
        let lifetime = format!("{}/channelLifetime", path(&made));
        assert_eq!(world.ask("GET", &lifetime, None).await, not_found);
        assert_eq!(world.ask("PUT", &lifetime, Some(json!({ "channelLifeTime": 100 }))).await, not_found);
        assert_eq!(world.ask("DELETE", &path(&made), None).await.0, 204, "always");
        let next = create(world, set_up()).await;
        assert_ne!(next["id"], made["id"], "an id is not used again");
    });
}

#[test]
fn scenario_5_a_lifetime_is_read() {
    World::run(async |world| {
        let made = create(world, set_up()).await;
        is_just_made(&world.get(&format!("{}/channelLifetime", path(&made))).await);
    });
}

#[test]
fn scenario_6_a_lifetime_is_replaced() {
    World::run(async |world| {
        let made = create(world, set_up()).await;
        let (lifetime, body) = (format!("{}/channelLifetime", path(&made)), json!({ "channelLifeTime": 100 }));
        assert_eq!(world.ask("PUT", &lifetime, Some(body.clone())).await, (200, body));
        let left = world.get(&lifetime).await["channelLifeTime"].as_u64().unwrap();
        assert!((60..100).contains(&left), "{left}");
        let (status, answer) = world.ask("PUT", &lifetime, Some(json!({}))).await;
        assert_eq!((status, answer), (200, json!({ "channelLifeTime": 86_400 })), "absent is the default");
    });
}

#[test]
fn the_smallest_request_is_answered_with_every_member() {
    World::run(async |world| {
        let made = create(world, json!({ "channelType": "WebSockets" })).await;
        for (name, want) in [
            ("channelLifeTime", json!(86_400)),
            ("clientCorrelator", Value::Null),
            ("applicationTag", Value::Null),
            ("id", json!(1)),
        ] {
            assert_eq!(made.get(name), Some(&want), "{name}");
        }
        assert_eq!(made["channelData"]["maxNotifications"], 7_200);
        for spelling in ["channelLifeTime", "channel_life_time", "channelLifetime"] {
            let made = create(world, json!({ "channelType": "WebSockets", spelling: 100 })).await;
            assert_eq!(made["channelLifeTime"], 100, "{spelling}");
        }
    });
}

#[test]
fn a_channel_of_either_kind_of_path_is_on_both() {
    World::run(async |world| {
        let client = Client { user: "5", ..Client::new(world, Format::Xml) };
        let (short, long) = (create(world, set_up()).await, client.create("LongPolling", json!({})).await);
        let list = client.ask("GET", &client.channels(), None).await.root("notificationChannelList");
        let urls: Vec<&Value> =
            list["notificationChannel"].as_array().unwrap().iter().map(|it| &it["channelData"]["channelURL"]).collect();
        assert!(urls.contains(&&short["channelData"]["channelURL"]) && urls.len() == 2, "{list}");
        let listed = world.get(CHANNELS).await;
        assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
        let seen = world.get(&format!("{CHANNELS}/2")).await;
        assert_eq!((&seen["callbackURL"], &seen["channelType"]), (&long["callbackURL"], &long["channelType"]));
        assert!(text(&long["resourceURL"]).ends_with("/notificationchannel/v1/5/channels/2"), "{long}");
        // a short path speaks JSON, whatever is asked for; deleting there closes the socket
        let mut socket = client.open(&short).await;
        let request = client.request("DELETE", &path(&short)).header("x-api-key", &world.keys.api_key);
        let answer = request.header("x-api-secret", &world.keys.api_secret).send().await.unwrap();
        assert_eq!(answer.status(), 204);
        while socket.next_text().await.is_ok() {}
        let gone = client.ask("GET", &format!("{}/1", client.channels()), None).await;
        assert_eq!(gone.fault().0, 404);
    });
}

#[test]
fn a_user_may_be_called_as_a_path_begins() {
    World::run(async |world| {
        for user in ["nms", "notificationchannel", "jane", "caf%C3%A9"] {
            let path = format!("/{user}/channels");
            let (status, made) = world.ask("POST", &path, Some(json!({ "channelType": "WebSockets" }))).await;
            assert_eq!((status, &made["id"]), (201, &json!(1)), "{user}");
            assert_eq!(world.get(&path).await.as_array().map(Vec::len), Some(1), "{user}");
        }
    });
}

#[test]
fn what_is_wrong_on_a_short_path_is_told_in_its_own_way() {
    World::run(async |world| {
        for body in [
            json!({}),
            json!([]),
            json!({ "channelType": "LongPolling" }),
            json!({ "channelType": "WebSockets", "channelLifeTime": "long" }),
            json!({ "channelType": "WebSockets", "channelLifeTime": -1 }),
        ] {
            let (status, answer) = world.ask("POST", CHANNELS, Some(body.clone())).await;
            assert_eq!((status, answer.get("detail").is_some()), (422, true), "{body}: {answer}");
        }
        assert_eq!(world.get(CHANNELS).await, json!([]));
        let made = create(world, set_up()).await;
        let lifetime = format!("{}/channelLifetime", path(&made));
        let client = Client::new(world, Format::Json);
        for (path, allowed) in [(CHANNELS, "GET, POST"), (&path(&made), "GET, DELETE"), (&lifetime, "GET, PUT")] {
            for verb in ["GET", "PUT", "POST", "DELETE", "PATCH"].iter().filter(|it| !allowed.contains(**it)) {
                let answer = client.ask(verb, path, None).await;
                assert_eq!((answer.status, answer.header("allow")), (405, allowed), "{verb} {path}");
                assert!(answer.body().get("detail").is_some(), "{}", answer.text);
            }
        }
        let bare = world.http.get(format!("{}{CHANNELS}", world.stack.url)).send().await.unwrap();
        assert_eq!(bare.status(), 401);
        for unknown in ["/5/channels/1/other", "/5/channels/1/channelLifetime/x", "/5/others"] {
            assert_eq!(world.ask("GET", unknown, None).await.0, 404, "{unknown}");
        }
    });
}

/// The seed's overview: another store tells `/proxy` of its objects, which reach the subscriber's channel, and `/replay` tells them
/// again.
#[test]
fn what_another_store_tells_reaches_the_channel_and_is_replayed() {
    World::run(async |world| {
        let client = &Client::new(world, Format::Json);
        let channel = create(world, set_up()).await;
        let reference = json!({ "notifyURL": channel["callbackURL"] });
        let body = json!({ "nmsSubscription": { "callbackReference": reference } });
        let made = client.ask("POST", "/nms/v1/messages/5/subscriptions", Some(body)).await.root("nmsSubscription");
        let (url, start) = (text(&made["resourceURL"]), text(&made["restartToken"]));
        let mut socket = client.open(&channel).await;
        let dump = json!({ "from_": "tel:+1", "to": ["tel:+2"], "content": "Hello" });
        for user in [json!(5), json!("5")] {
            let (status, stored) = world.ask("POST", "/proxy", Some(json!({ "userId": user, "object": dump }))).await;
            assert_eq!(status, 201, "{stored}");
            let heard = client.hear(&mut socket, 1).await;
            let event = &super::client::events(&heard)[0]["changedObject"];
            assert_eq!((&event["resourceURL"], &event["lastModSeq"]), (&stored["resourceURL"], &stored["lastModSeq"]));
            let object = client.ask("GET", &text(&stored["resourceURL"]), None).await.root("object");
            let attributes = object["attributes"]["attribute"].as_array().unwrap();
            assert!(attributes.contains(&json!({ "name": "content", "value": ["Hello"] })), "{object}");
        }
        let id = url.rsplit_once("/s").unwrap().1;
        let again = json!({ "userId": 5, "subscriptionId": id.parse::<u64>().unwrap(), "restartToken": start });
        let (status, answer) = world.ask("POST", "/replay", Some(again)).await;
        assert_eq!((status, &answer["index"]), (202, &json!(3)), "{answer}");
        let replayed = super::client::events(&client.hear(&mut socket, 1).await);
        assert_eq!(replayed.len(), 2, "{replayed:?}");
        for (path, bad) in [
            ("/proxy", json!({ "object": dump })),
            ("/proxy", json!({ "userId": 5, "object": "dump" })),
            ("/proxy", json!({ "userId": "a/b", "object": dump })),
            ("/replay", json!({ "userId": 5, "restartToken": start })),
            ("/replay", json!({ "userId": 5, "subscriptionId": 1 })),
        ] {
            let (status, refused) = world.ask("POST", path, Some(bad)).await;
            assert_eq!(status, 422, "{path}: {refused}");
        }
        let unknown = json!({ "userId": 5, "subscriptionId": 999, "restartToken": start });
        assert_eq!(world.ask("POST", "/replay", Some(unknown)).await.0, 404);
    });
}
