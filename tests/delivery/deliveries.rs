//! What happened to deliveries, and once more: filters, limits, explanations, retries, replays, and the breaker.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::client::{CHANNELS, outcomes};
use system_tests::receiver::Answer;
use system_tests::swarm::Swarm;
use system_tests::{World, in_seconds, text};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Objects that nobody wants: one notification each, and one at the end.
async fn publish_items(world: &World<'_>, swarm: &Swarm, name: &str, count: usize) {
    for index in 0..count {
        swarm.put(&format!("{name}-{index:05}.txt"), "e", b"x".to_vec());
    }
    let bucket = world.bucket_at(&swarm.url, name, json!({})).await;
    world.scan(&bucket).await;
}

#[test]
fn a_channel_gets_what_its_types_and_its_filter_let_through() {
    World::run(async |world| {
        let all = world.webhook(&[]).await;
        let scans = world.webhook(&[("types", "scan.*")]).await;
        let filter = r#"{"type":[{"prefix":"item."}],"data":{"item":{"key":[{"suffix":"2.txt"}]}}}"#;
        let one = world.webhook(&[("filter", filter)]).await;
        publish_items(world, &Swarm::start().await, "mixed", 3).await;
        world.until("everything came", async || (all.messages().len() == 4).then_some(())).await;
        world.until("the scan came", async || (scans.messages().len() == 1).then_some(())).await;
        world.until("the one came", async || (one.messages().len() == 1).then_some(())).await;
        assert!(text(&one.messages()[0].body["data"]["item"]["key"]).ends_with("2.txt"));
        let (scan, skipped) = (all.first("scan.completed").unwrap().id, all.first("item.skipped").unwrap().id);
        let (scans, one) = (scans.channel.lock().unwrap().clone(), one.channel.lock().unwrap().clone());
        for (channel, notification, why) in [
            (&scans, &skipped, "the channel does not want this type"),
            (&one, &scan, "the channel's filter does not match"),
        ] {
            let explained = world.explain(channel, notification).await;
            assert_eq!((&explained["verdict"], &explained["reasons"][0]), (&json!("unwanted"), &json!(why)));
        }
        world.delivery(&scans, &scan, "delivered").await; // written down after the receiver's answer
        let explained = world.explain(&scans, &scan).await;
        assert_eq!((&explained["verdict"], &explained["reasons"][0]), (&json!("delivered"), &json!("delivered (204)")));
        let query = [("configurationId", scans.as_str()), ("notification", "ntf_x")];
        assert_eq!(world.channels(Method::GET, "/api/v1/Notification/Explain", &query, None).await.0, 400);
    });
}

#[test]
fn a_delivery_is_made_once_more_and_a_channel_catches_up_by_a_replay() {
    World::run(async |world| {
        let hook = world.webhook(&[("exponentialBackoffFactor", "1.0")]).await;
        let id = hook.channel.lock().unwrap().clone();
        let first = world.send_test(&id).await;
        world.delivery(&id, &first, "delivered").await;
        // once more, of what went well
        let retry = async |notification: &str| {
            let path = format!("/api/v1/Notification/Deliveries/{id}~{notification}/retry");
            world.channels(Method::POST, &path, &[], None).await
        };
        assert_eq!(retry(&first).await.0, 202);
        world
            .until("it came twice, under one id", async || {
                (hook.messages().iter().filter(|it| it.id == first).count() == 2).then_some(())
            })
            .await;
        // a failed one more attempt is followed by none
        hook.answers([Answer::Status(500, vec![])]);
        assert_eq!(retry(&first).await.0, 202);
        world
            .until("the failed attempt is on record, and the delivery as good as before", async || {
                let record = world.delivery(&id, &first, "delivered").await;
                (outcomes(&record).last().unwrap() == "the receiver answered 500").then_some(())
            })
            .await;
        assert_eq!(retry("ntf_YXBw_1_99999").await.0, 404);

        // a channel that was made later gets what was told before: from a notification, a cursor or a time on
        publish_items(world, &Swarm::start().await, "before", 4).await;
        world.until("the first one has all", async || (hook.of("item.skipped").len() == 4).then_some(())).await;
        let late = world.webhook(&[]).await;
        let late_id = late.channel.lock().unwrap().clone();
        let (good, done) = world.notify_as(&["channel", "replay", &late_id, "--after", &first, "--json"]).await;
        let done: Value = serde_json::from_str(&done).unwrap();
        assert!(good && done["queued"].as_u64() >= Some(5), "{done}");
        world.until("the late one has all", async || (late.of("item.skipped").len() == 4).then_some(())).await;
        let mut ids: Vec<String> = hook.of("item.skipped").into_iter().map(|it| it.id).collect();
        let mut same: Vec<String> = late.of("item.skipped").into_iter().map(|it| it.id).collect();
        ids.sort();
        same.sort();
        assert_eq!(ids, same, "the ids are those of the first time");
        let since = text(&hook.first("item.skipped").unwrap().body["timestamp"]);
        let (good, done) = world.notify_as(&["channel", "replay", &late_id, "--since", &since, "--json"]).await;
        assert!(good && done.contains("\"queued\":"), "{done}");
        world.until("they came twice", async || (late.of("item.skipped").len() == 8).then_some(())).await;
        // what was never held, or is not held any more, is refused whole
        let one = [("configurationId", late_id.as_str())];
        for (form, want) in [
            (&[("after", "ntf_YXBw_1_1")][..], 410),
            (&[("after", "nonsense")], 400),
            (&[("since", "yesterday")], 400),
            (&[], 400),
            (&[("after", first.as_str()), ("since", since.as_str())], 400),
        ] {
            let (status, refused) = world.channels(Method::POST, "/api/v1/Notification/Replay", &one, Some(form)).await;
            assert_eq!(status, want, "{form:?}: {refused}");
        }
        // the program shows a test message on its way
        let (good, shown) = world.notify_as(&["channel", "test", &id]).await;
        assert!(good && shown.contains("delivered (204)"), "{shown}");
        let (good, shown) = world.notify_as(&["channel", "list"]).await;
        assert!(good && shown.contains(&id) && shown.contains("webhook") && shown.contains("native"), "{shown}");
    });
}

#[test]
fn a_retry_ends_when_its_channel_is_switched_off() {
    World::run(async |world| {
        let hook = world.webhook(&[("exponentialBackoffFactor", "1.0"), ("retryCount", "20")]).await;
        let id = hook.channel.lock().unwrap().clone();
        hook.always(Answer::Status(500, vec![]));
        let told = world.send_test(&id).await;
        assert!(world.delivery(&id, &told, "retrying").await["nextAttemptAt"].is_string());
        let (one, form) =
            ([("configurationId", id.as_str())], [("webHookUrl", hook.url.as_str()), ("isActive", "false")]);
        let (status, off) = world.channels(Method::PUT, &format!("{CHANNELS}/WebHook"), &one, Some(&form)).await;
        assert_eq!((status, &off["isActive"]), (200, &json!(false)));
        let ended = world.delivery(&id, &told, "disabled").await;
        assert!(ended["nextAttemptAt"].is_null(), "{ended}");
    });
}

#[test]
fn deliveries_that_are_used_up_are_reached_behind_those_that_stay() {
    World::run(async |world| {
        let _letters = world.letters().await;
        let path = "/api/v1/DeadLetters/webhook";
        let mut hooks = [world.webhook(&[("types", "many")]).await, world.webhook(&[("types", "many")]).await];
        hooks.sort_by_key(|it| it.channel.lock().unwrap().clone());
        let [off, on] = hooks.each_ref().map(|it| it.channel.lock().unwrap().clone());
        let mut told = Vec::new();
        for count in [1, 100] {
            let body = json!(vec![json!({ "type": "many" }); count]);
            let (status, answer) = world.ask("POST", "/api/v1/Notification/Messages", Some(body)).await;
            assert_eq!(status, 202, "{answer}");
            told.extend(answer.as_array().unwrap().iter().map(|it| text(&it["id"])));
        }
        told.sort();
        world.until("all came", async || hooks.iter().all(|it| it.messages().len() == 101).then_some(())).await;
        // more than one request looks at, of the channel that is read first, and one of the other
        let app = &world.keys.application_id;
        let at = OffsetDateTime::parse(&in_seconds(-60), &Rfc3339).unwrap().unix_timestamp() * 1_000;
        for (channel, ids) in [(&off, &told[..]), (&on, &told[..1])] {
            for id in ids {
                let attempt = json!({
                    "channel": { "S": channel }, "notification": { "S": id }, "attempt": { "N": "1" },
                    "at": { "N": at.to_string() }, "took_ms": { "N": "1" },
                    "outcome": { "S": "unreachable" }, "why": { "S": "nobody is there" },
                });
                let put = json!({
                    "TableName": "notifications-Table",
                    "Item": {
                        "PK": { "S": format!("DELIVERY#{app}#{channel}") }, "SK": { "S": id }, "kind": { "S": "failed" },
                        "channel": { "S": channel }, "notification": { "S": id }, "state": { "S": "dead" },
                        "exhausted": { "BOOL": true }, "revision": { "N": "1" },
                        "attempts": { "M": { "1": { "M": attempt } } },
                    },
                });
                world.write_row("PutItem", &put).await;
            }
        }
        let last = format!("{off}~{}", told[0]);
        let body = json!({ "ids": [last, last] });
        let (status, answer) = world.ask("POST", &format!("{path}/discard"), Some(body)).await;
        assert_eq!((status, answer), (200, json!({ "discarded": 1, "more": false })));
        // what a channel that is switched off keeps is in nobody's way
        let (one, form) =
            ([("configurationId", off.as_str())], [("webHookUrl", hooks[0].url.as_str()), ("isActive", "false")]);
        let (status, _) = world.channels(Method::PUT, &format!("{CHANNELS}/WebHook"), &one, Some(&form)).await;
        assert_eq!(status, 200);
        let (status, answer) = world.ask("POST", &format!("{path}/redrive"), Some(json!({}))).await;
        assert_eq!((status, &answer["redriven"]), (202, &json!(1)), "{answer}");
        world.until("it comes again", async || (hooks[1].messages().len() == 102).then_some(())).await;
        assert_eq!(world.get(path).await["items"].as_array().unwrap().len(), 100);
    });
}

#[test]
fn a_channel_with_a_limit_gets_no_more_than_that() {
    World::run(async |world| {
        let hook = world.webhook(&[("maxPerSecond", "2.0"), ("types", "item.*")]).await;
        let began = Instant::now();
        publish_items(world, &Swarm::start().await, "limited", 12).await;
        world.until("all came", async || (hook.messages().len() == 12).then_some(())).await;
        assert!(began.elapsed().as_secs() >= 4, "twelve at two a second: {:?}", began.elapsed());
        let ids: std::collections::HashSet<String> = hook.messages().into_iter().map(|it| it.id).collect();
        assert_eq!(ids.len(), 12, "each once");
    });
}

#[test]
fn the_breaker_opens_waits_probes_and_lets_everything_through_in_the_end() {
    World::run(async |world| {
        let every = [("types", "item.*"), ("retryCount", "20"), ("exponentialBackoffFactor", "1.0")];
        let (hook, watcher) = (world.webhook(&every).await, world.webhook(&[("types", "channel.*")]).await);
        let id = hook.channel.lock().unwrap().clone();
        hook.answers((0..500).map(|_| Answer::Status(503, vec![])));
        publish_items(world, &Swarm::start().await, "failing", 30).await;
        let failing = world.until("the others hear that it fails", async || watcher.first("channel.failing")).await;
        assert_eq!(failing.body["data"]["channel"]["id"], json!(id));
        let shown = world.configuration(&id).await;
        assert!(shown["status"] == "failing" && shown["consecutiveFailures"].as_u64() >= Some(25), "{shown}");
        let so_far = hook.messages().len();
        assert!(so_far >= 50, "half of fifty attempts open it: {so_far}");
        let notification = hook.messages()[0].id.clone();
        let why = world.explain(&id, &notification).await;
        assert!(why.to_string().contains("the breaker is open"), "{why}");
        hook.well();
        world.until("the others hear that it is back", async || watcher.first("channel.recovered")).await;
        let ids: std::collections::BTreeSet<String> = hook.messages().into_iter().map(|it| it.id).collect();
        assert_eq!(ids.len(), 30, "each was attempted");
        for notification in &ids {
            world.delivery(&id, notification, "delivered").await;
        }
        let rest = [("configurationId", id.as_str())];
        assert_eq!(world.channels(Method::GET, CHANNELS, &rest, None).await.1["isActive"], true);
    });
}
