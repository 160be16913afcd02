//! Subscriptions to a box: what they answer, what they are told of, where, and how they end.

use serde_json::{Value, json};
use system_tests::{World, own_stack, text};

use super::client::{Client, events, in_both, indexes};

/// A channel that gives one list at a time.
async fn channel(client: &Client<'_>) -> Value {
    client.create("LongPolling", json!({ "channelData": { "maxNotifications": 1 } })).await
}

#[test]
fn a_subscription_begins_at_index_1_and_its_first_list_is_complete() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client).await;
            let more = json!({ "clientCorrelator": "12345" });
            let made = client.subscribe(&channel["callbackURL"], more).await;
            assert_eq!((&made["index"], &made["clientCorrelator"]), (&json!(1), &json!("12345")));
            let duration = made["duration"].as_u64().unwrap();
            assert!((7_170..=7_200).contains(&duration), "what it still has: {duration}");
            assert_eq!(made["callbackReference"]["callbackData"], "abcd");
            let start = text(&made["restartToken"]);
            assert!(!start.is_empty(), "{made}");

            let object = client.object(json!({ "flags": { "flag": ["\\Flagged"] }, "correlationId": "cId67" })).await;
            let [list] = client.poll_for(&channel, 1).await.try_into().unwrap();
            let list = &list["nmsEventList"];
            assert_eq!((&list["index"], &list["callbackData"]), (&json!(1), &json!("abcd")));
            assert_eq!(list["link"], json!([{ "rel": "NmsSubscription", "href": made["resourceURL"] }]));
            let token = text(&list["restartToken"]);
            assert!(!token.is_empty() && token != start, "a list has a position of its own");
            let changed = objects_of(list, "changedObject");
            let [changed] = changed.as_slice() else { panic!("{list}") };
            assert_eq!((&changed["resourceURL"], &changed["correlationId"]), (&json!(object), &json!("cId67")));
            assert_eq!(changed["flags"]["flag"], json!(["\\Flagged"]));
            assert!(text(&changed["parentFolder"]).contains("/folders/"), "{changed}");
            let read = client.ask("GET", &object, None).await.root("object");
            assert_eq!(
                (&read["lastModSeq"], &read["parentFolder"]),
                (&changed["lastModSeq"], &changed["parentFolder"])
            );
            assert_eq!((changed.get("attributes"), changed.get("payloadURL")), (None, None), "a state, no content");
        })
        .await;
    });
}

fn objects_of(list: &Value, kind: &str) -> Vec<Value> {
    let events = list["nmsEvent"].as_array().cloned().unwrap_or_default();
    events.iter().filter_map(|it| it.get(kind).cloned()).collect()
}

#[test]
fn an_earlier_token_is_echoed_and_a_bad_one_refused() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client).await;
            let first = client.subscribe(&channel["callbackURL"], json!({})).await;
            client.object(json!({})).await;
            let second =
                client.subscribe(&channel["callbackURL"], json!({ "restartToken": first["restartToken"] })).await;
            assert_eq!((&second["index"], &second["restartToken"]), (&json!(1), &first["restartToken"]));
            for bad in ["nonsense", "", "\u{e9}", &"x".repeat(5_000)] {
                let answer = client.try_subscribe(&channel["callbackURL"], json!({ "restartToken": bad })).await;
                if bad.is_empty() {
                    assert_eq!(answer.status, 201, "empty is absent: {}", answer.text);
                } else {
                    assert_eq!(answer.fault(), (400, "SVC0002".into(), vec!["restartToken".into()]), "{bad}");
                }
            }
        })
        .await;
    });
}

#[test]
fn a_subscription_is_listed_read_updated_and_deleted() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client).await;
            let made = client.subscribe(&channel["callbackURL"], json!({})).await;
            let url = text(&made["resourceURL"]);
            let read = client.ask("GET", &url, None).await.root("nmsSubscription");
            let list = client.ask("GET", &client.store("subscriptions"), None).await.root("nmsSubscriptionList");
            for seen in [&read, &list["subscription"][0]] {
                assert_eq!((&seen["resourceURL"], &seen["index"]), (&made["resourceURL"], &json!(1)));
                assert!(seen["duration"].as_u64().unwrap() <= 7_200);
            }
            assert_eq!(list["subscription"].as_array().map(Vec::len), Some(1));
            let updated = client.update(&made, json!({ "duration": 10_800 })).await;
            assert_eq!(updated.status, 200, "{}", updated.text);
            let updated = updated.root("nmsSubscription");
            assert_eq!((&updated["index"], &updated["filter"]), (&json!(1), &Value::Null));
            assert!((10_770..=10_800).contains(&updated["duration"].as_u64().unwrap()), "{updated}");
            let answer = client.ask("DELETE", &url, None).await;
            assert_eq!((answer.status, answer.text.as_str()), (204, ""));
            for (verb, document) in [
                ("GET", None),
                ("DELETE", None),
                ("POST", Some(json!({ "nmsSubscriptionUpdate": { "duration": 100 } }))),
            ] {
                let answer = client.ask(verb, &url, document).await;
                assert_eq!(answer.fault(), (404, "SVC0004".into(), vec!["Request-URI".into()]), "{verb}");
                let link = answer.root("requestError")["link"][0].clone();
                assert_eq!(link, json!({ "rel": "NmsSubscription", "href": url }));
            }
        })
        .await;
    });
}

#[test]
fn the_stores_resources_tell_which_verbs_are_right() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client).await;
            let subscription = text(&client.subscribe(&channel["callbackURL"], json!({})).await["resourceURL"]);
            let object = client.object(json!({ "flags": { "flag": ["\\Seen"] } })).await;
            let folder = text(&client.ask("GET", &object, None).await.root("object")["parentFolder"]);
            for (url, allowed) in [
                (client.store("objects"), "POST"),
                (object.clone(), "GET, DELETE"),
                (format!("{object}/flags"), "GET, PUT"),
                (format!("{object}/flags/%5CSeen"), "GET, PUT, DELETE"),
                (client.store("objects/operations/search"), "POST"),
                (client.store("folders"), "POST"),
                (folder.clone(), "GET, DELETE"),
                (format!("{folder}/folderName"), "GET, PUT"),
                (client.store("subscriptions"), "GET, POST"),
                (subscription, "GET, POST, DELETE"),
            ] {
                client.assert_verbs(&url, allowed).await;
            }
        })
        .await;
    });
}

#[test]
fn what_changes_nothing_is_no_event_and_a_deletion_is_newer_than_what_it_deletes() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client).await;
            let object = client.object(json!({ "flags": { "flag": ["\\Seen"] }, "correlationId": "c-9" })).await;
            let before = client.ask("GET", &object, None).await.root("object")["lastModSeq"].as_u64().unwrap();
            client.subscribe(&channel["callbackURL"], json!({})).await;
            client.flag(&object, &["\\Seen"]).await;
            client.flag(&object, &["\\seen", "\\Seen"]).await;
            let again = client.ask("PUT", &format!("{object}/flags/%5CSeen"), Some(json!({ "empty": null }))).await;
            assert_eq!(again.status, 204, "it is there already: {}", again.text);
            assert_eq!(client.ask("DELETE", &object, None).await.status, 204);
            let lists = client.poll_for(&channel, 1).await;
            let [event] = events(&lists).try_into().unwrap();
            assert_eq!(indexes(&lists), [1]);
            let deleted = &event["deletedObject"];
            assert_eq!((&deleted["resourceURL"], &deleted["correlationId"]), (&json!(object), &json!("c-9")));
            assert!(deleted["lastModSeq"].as_u64().unwrap() > before, "{event}");
            let (status, code, _) = client.ask("GET", &object, None).await.fault();
            assert_eq!((status, code.as_str()), (404, "SVC0004"));
        })
        .await;
    });
}

#[test]
fn one_flag_is_set_read_and_removed_by_itself() {
    World::run(async |world| {
        in_both(world, async |client| {
            let object = client.object(json!({})).await;
            let flag = format!("{object}/flags/%5CSeen");
            let empty = json!({ "empty": null });
            let absent = client.ask("GET", &flag, None).await;
            assert_eq!((absent.status, absent.body()), (404, empty.clone()), "no fault");
            let set = client.ask("PUT", &flag, Some(empty.clone())).await;
            assert_eq!((set.status, set.header("location"), set.body()), (201, flag.as_str(), empty.clone()));
            assert_eq!(client.ask("GET", &flag, None).await.status, 204);
            let all = client.ask("GET", &format!("{object}/flags"), None).await.root("flagList");
            assert_eq!(all["flag"], json!(["\\Seen"]));
            assert_eq!(client.ask("DELETE", &flag, None).await.status, 204);
            let again = client.ask("DELETE", &flag, None).await;
            assert_eq!((again.status, again.body()), (404, empty));
            let (status, code, _) = client.ask("GET", &client.store("objects/none/flags"), None).await.fault();
            assert_eq!((status, code.as_str()), (404, "SVC0004"));
        })
        .await;
    });
}

#[test]
fn a_folders_new_name_is_the_folders_change_alone() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client).await;
            let object = client.object(json!({ "parentFolderPath": "/main/conversation5" })).await;
            let read = client.ask("GET", &object, None).await.root("object");
            assert_eq!(
                (read.get("parentFolderPath"), text(&read["path"]).starts_with("/main/conversation5/")),
                (None, true)
            );
            let folder = text(&read["parentFolder"]);
            client.subscribe(&channel["callbackURL"], json!({})).await;
            let answer = client.ask("PUT", &format!("{folder}/folderName"), Some(json!({ "name": "Sorrento" }))).await;
            assert_eq!((answer.status, answer.body()), (200, json!({ "name": "Sorrento" })), "{}", answer.text);
            let [event] = events(&client.poll_for(&channel, 1).await).try_into().unwrap();
            let changed = &event["changedFolder"];
            assert_eq!((&changed["resourceURL"], &changed["name"]), (&json!(folder), &json!("Sorrento")));
            let read = client.ask("GET", &object, None).await.root("object");
            assert!(text(&read["path"]).starts_with("/main/Sorrento/"), "{read}");
        })
        .await;
    });
}

#[test]
fn a_subscription_expires_and_one_without_a_channel_is_dropped() {
    World::run(async |world| {
        in_both(world, async |client| {
            let (channel, other) = (channel(client).await, channel(client).await);
            let mut short = Value::Null;
            for _ in 0..50 {
                short = client.subscribe(&channel["callbackURL"], json!({ "duration": 1 })).await;
            }
            let left = short["duration"].as_u64().unwrap();
            assert!(left <= 60, "it may be made longer, but not by much: {left}");
            let one_more = client.try_subscribe(&channel["callbackURL"], json!({})).await;
            assert_eq!(one_more.fault().0, 403, "a box has 50 of them: {}", one_more.text);
            gone(client, &short).await;
            // its channel is deleted: nothing cascades, and the next list finds nobody
            let orphan = client.subscribe(&other["callbackURL"], json!({})).await;
            assert_eq!(client.ask("DELETE", &text(&other["resourceURL"]), None).await.status, 204);
            assert_eq!(client.ask("GET", &text(&orphan["resourceURL"]), None).await.status, 200);
            client.object(json!({})).await;
            gone(client, &orphan).await;
        })
        .await;
    });
}

pub(crate) async fn gone(client: &Client<'_>, subscription: &Value) {
    let url = text(&subscription["resourceURL"]);
    let gone = async || (client.ask("GET", &url, None).await.status == 404).then_some(());
    client.world.until("the subscription is gone", gone).await;
}

#[test]
fn a_notify_url_is_the_callback_url_of_a_channel_that_is_there() {
    World::run(async |world| {
        in_both(world, async |client| {
            let (live, ended) = (channel(client).await, channel(client).await);
            assert_eq!(client.ask("DELETE", &text(&ended["resourceURL"]), None).await.status, 204);
            let forged = json!(format!("{}x", text(&live["callbackURL"])));
            for url in [&ended["callbackURL"], &forged, &live["channelData"]["channelURL"]] {
                let refused = client.try_subscribe(url, json!({})).await;
                assert_eq!(refused.fault().0, 400, "{url}: {}", refused.text);
            }
        })
        .await;
    });
}

/// Functions are killed while a box changes: each change is told, under indexes without a gap.
#[test]
fn whatever_is_killed_each_change_is_told_under_indexes_without_a_gap() {
    World::alone(async || {
        let data = tempfile::tempdir().unwrap();
        // what a killed function held comes back after half a minute
        let stack = own_stack(data.path(), &[("QueueReturnSeconds", "30")]).await;
        let world = &World::open(&stack).await;
        let client = &Client::new(world, super::client::Format::Json);
        let channel = client.create("LongPolling", json!({ "channelData": { "maxNotifications": 10 } })).await;
        client.subscribe(&channel["callbackURL"], json!({ "maxEvents": 2 })).await;
        let mut objects = Vec::new();
        for number in 0..30 {
            if number % 3 == 0 {
                for function in ["oma-api", "deliver-push", "dispatch"] {
                    kill(&stack, function);
                }
            }
            // a request whose function is killed is answered with an error: the client makes it again
            let (answer, _) = futures_util::future::join(
                client.try_object(json!({ "correlationId": format!("c{number}") })),
                async { number % 4 == 0 && kill(&stack, "oma-api") },
            )
            .await;
            if answer.status == 201 {
                objects.push(answer.header("location").to_owned());
            }
        }
        assert!(objects.len() > 5, "only {} objects were made", objects.len());
        let (mut told, mut last) = (std::collections::BTreeSet::new(), 0);
        while !objects.iter().all(|it| told.contains(it)) {
            for list in client.polled_whatever(&channel).await {
                let index = list["nmsEventList"]["index"].as_u64().unwrap();
                assert_eq!(index, last + 1, "an index without a gap or a repeat");
                last = index;
                told.extend(events(&[list]).iter().map(|it| text(&it["changedObject"]["resourceURL"])));
            }
        }
    });
}

/// Kills a process of a function, if one is at work.
pub(crate) fn kill(stack: &local::Stack, function: &str) -> bool {
    stack.function(function).is_some_and(|it| it.kill_one_busy())
}
