//! Replay: what a client gets that lost a list, or that comes back with an earlier token.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use system_tests::{World, text};

use super::client::{Client, events, in_both, indexes, merged};

async fn channel(client: &Client<'_>, most: u64) -> Value {
    client.create("LongPolling", json!({ "channelData": { "maxNotifications": most } })).await
}

/// The newest event of each thing by its URL: the kind, and the state.
fn newest(lists: &[Value]) -> BTreeMap<String, (String, Value)> {
    let mut all = BTreeMap::new();
    for event in events(lists) {
        let (kind, state) = event.as_object().unwrap().iter().next().unwrap();
        all.insert(text(&state["resourceURL"]), (kind.clone(), state.clone()));
    }
    all
}

/// Polls until the last event is of a thing.
async fn until_last(client: &Client<'_>, channel: &Value, url: &str) -> Vec<Value> {
    let mut lists = Vec::new();
    while events(&lists).iter().all(|event| !event.to_string().contains(url)) {
        lists.extend(client.polled(channel).await);
    }
    lists
}

#[test]
fn a_lost_list_is_made_good_from_the_token_before_it() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 1).await;
            let subscription = client.subscribe(&channel["callbackURL"], json!({})).await;
            let (mut objects, mut lists) = (Vec::new(), Vec::new());
            for _ in 0..3 {
                objects.push(client.object(json!({})).await);
                lists.extend(client.poll_for(&channel, 1).await);
            }
            assert_eq!(indexes(&lists), [1, 2, 3]);
            // the second one is lost
            let token = &lists[0]["nmsEventList"]["restartToken"];
            let answer = client.update(&subscription, json!({ "restartToken": token })).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let updated = answer.root("nmsSubscription");
            assert_eq!((&updated["index"], &updated["restartToken"]), (&json!(4), token));
            let replayed = until_last(client, &channel, &objects[2]).await;
            let want: Vec<u64> = (4..).take(replayed.len()).collect();
            assert_eq!(indexes(&replayed), want, "no index comes twice, and none is left out");
            let urls: Vec<String> = newest(&replayed).into_keys().collect();
            let mut missed = objects[1..].to_vec();
            missed.sort();
            assert_eq!(urls, missed, "all that came after the token, and nothing before it");
            // and it goes on
            let next = client.object(json!({})).await;
            let live = client.poll_for(&channel, 1).await;
            assert_eq!(indexes(&live)[0], 4 + want.len() as u64);
            assert!(newest(&live).contains_key(&next));
        })
        .await;
    });
}

#[test]
fn an_update_without_a_token_neither_rewinds_nor_skips() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 1).await;
            let subscription = client.subscribe(&channel["callbackURL"], json!({})).await;
            let first = client.object(json!({})).await;
            assert!(newest(&client.poll_for(&channel, 1).await).contains_key(&first));
            let updated = client.update(&subscription, json!({ "duration": 3600 })).await.root("nmsSubscription");
            assert_eq!(updated["index"], 2);
            let second = client.object(json!({})).await;
            let lists = client.poll_for(&channel, 1).await;
            assert_eq!(indexes(&lists), [2]);
            assert_eq!(newest(&lists).into_keys().collect::<Vec<_>>(), [second]);
        })
        .await;
    });
}

#[test]
fn a_replay_tells_final_states_to_another_channel_and_goes_on_live() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 10).await;
            let before = client.object(json!({})).await;
            let start = client.subscribe(&channel["callbackURL"], json!({})).await["restartToken"].clone();
            let (one, two) = (client.object(json!({})).await, client.object(json!({})).await);
            for flags in [&["\\Seen"][..], &["\\Seen", "\\Flagged"], &["\\Flagged"]] {
                client.flag(&one, flags).await;
            }
            assert_eq!(client.ask("DELETE", &two, None).await.status, 204);
            let last = client.object(json!({})).await;

            let other = channel_after(client, &start).await;
            let lists = until_last(client, &other, &last).await;
            assert_eq!(events(&lists).len(), 3, "each thing once, as it is now: {lists:?}");
            let states = newest(&lists);
            assert_eq!(states[&one].1["flags"]["flag"], json!(["\\Flagged"]));
            assert_eq!((states[&one].0.as_str(), states[&two].0.as_str()), ("changedObject", "deletedObject"));
            assert!(!states.contains_key(&before), "that was before the token");
            client.flag(&last, &["\\Seen"]).await;
            let live = client.poll_for(&other, 1).await;
            assert_eq!(indexes(&live), [lists.len() as u64 + 1], "one stream");
            assert_eq!(newest(&live)[&last].1["flags"]["flag"], json!(["\\Seen"]));
        })
        .await;
    });
}

async fn channel_after(client: &Client<'_>, token: &Value) -> Value {
    let channel = channel(client, 10).await;
    client.subscribe(&channel["callbackURL"], json!({ "restartToken": token })).await;
    channel
}

#[test]
fn a_filter_holds_for_what_is_live_and_for_what_is_replayed() {
    World::run(async |world| {
        in_both(world, async |client| {
            let filter = |name: &str| {
                json!({ "filter": { "operator": "And", "criterion": [{ "type": "Flag", "name": name, "value": "true" },
                    { "type": "Flag", "name": "\\Seen", "value": "false" }] } })
            };
            let live = channel(client, 10).await;
            let made = client.subscribe(&live["callbackURL"], filter("\\Flagged")).await;
            assert_eq!(made["filter"], filter("\\Flagged")["filter"]);
            let flagged = json!({ "flags": { "flag": ["\\Flagged"] } });
            client.object(json!({})).await;
            let (kept, seen) = (client.object(flagged.clone()).await, client.object(flagged.clone()).await);
            client.flag(&seen, &["\\Flagged", "\\Seen"]).await;
            let last = client.object(flagged).await;
            let urls = newest(&until_last(client, &live, &last).await);
            assert!(urls.contains_key(&kept) && urls.contains_key(&last), "{urls:?}");
            assert!(urls.keys().all(|url| [&kept, &seen, &last].contains(&url)), "{urls:?}");

            let replay = channel(client, 10).await;
            let from = json!({ "restartToken": made["restartToken"] });
            client.subscribe(&replay["callbackURL"], merged(filter("\\Flagged"), from)).await;
            let urls: Vec<String> = newest(&until_last(client, &replay, &last).await).into_keys().collect();
            let mut want = vec![kept, last];
            want.sort();
            assert_eq!(urls, want, "what matches now");
            let unknown = json!({ "filter": { "criterion": [{ "type": "Nonsense", "value": "x" }] } });
            let (status, code, _) = client.try_subscribe(&replay["callbackURL"], unknown).await.fault();
            assert_eq!((status, code.as_str()), (400, "SVC0003"));
        })
        .await;
    });
}

#[test]
fn a_token_outlives_its_subscription_and_boxes_are_apart() {
    World::run(async |world| {
        in_both(world, async |client| {
            let (first, second) = (channel(client, 10).await, channel(client, 10).await);
            let made = client.subscribe(&first["callbackURL"], json!({})).await;
            assert_eq!(client.ask("DELETE", &text(&made["resourceURL"]), None).await.status, 204);
            let object = client.object(json!({})).await;
            let token = json!({ "restartToken": made["restartToken"] });
            client.subscribe(&second["callbackURL"], token).await;
            assert!(newest(&until_last(client, &second, &object).await).contains_key(&object));
            // two boxes have nothing in common: nothing of this one is told to a subscription to another
            let other = Client {
                user: if client.format == super::client::Format::Json { "john" } else { "jack" },
                ..Client::new(world, client.format)
            };
            let elsewhere = channel(&other, 10).await;
            other.subscribe(&elsewhere["callbackURL"], json!({})).await;
            client.object(json!({})).await;
            let own = other.object(json!({})).await;
            let lists = other.poll_for(&elsewhere, 1).await;
            assert_eq!(newest(&lists).into_keys().collect::<Vec<_>>(), [own]);
        })
        .await;
    });
}
