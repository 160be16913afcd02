//! What an overview reads: dead letters, usage, deliveries by minute, open connections; and a replay that is only counted.

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{World, in_seconds, media, text};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An order to scan a bucket of a world's.
fn order(world: &World<'_>, bucket: &str, scan: &str) -> Value {
    let event: Value = serde_json::from_str(include_str!("../../events/scan.first-page.json")).unwrap();
    let mut order: Value = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
    order["app"] = json!(world.keys.application_id);
    order["bucket"] = json!(bucket);
    order["scan"] = json!(scan);
    order["requested"] = json!(true);
    order
}

#[test]
fn dead_letters_are_their_applications_and_go_back_on_request() {
    World::run(async |world| {
        let _letters = world.letters().await;
        let other = World::at(world.stack).await;
        let (bucket, theirs) = (world.bucket().await, other.bucket().await);
        for scan in ["one", "two", "three"] {
            world.queue("ScanDead", &order(world, &bucket.id, &format!("{}-{scan}", world.seed)).to_string());
        }
        world.queue("ScanDead", &order(&other, &theirs.id, "theirs").to_string());
        let path = "/api/v1/DeadLetters/scan";
        let listed = async |world: &World<'_>, count: usize| {
            world
                .until(&format!("{count} letters are listed"), async || {
                    let items = world.get(path).await["items"].as_array().cloned().unwrap_or_default();
                    (items.len() == count).then_some(items)
                })
                .await
        };
        let items = listed(world, 3).await;
        assert!(items.iter().all(|it| it["body"]["app"] == json!(world.keys.application_id)), "{items:?}");
        assert!(text(&items[0]["reason"]).contains("crashed") && items[0]["truncated"] == false, "{items:?}");
        let of_theirs = listed(&other, 1).await;

        // one by its id; another's id is nothing
        let redrive = async |ids: Option<Value>| {
            let body = ids.map_or(json!({ "alreadyRedriven": 1 }), |it| json!({ "ids": it }));
            let (status, answer) = world.ask("POST", &format!("{path}/redrive"), Some(body)).await;
            assert_eq!(status, 202, "{answer}");
            answer["redriven"].as_u64().unwrap()
        };
        assert_eq!(redrive(Some(json!([of_theirs[0]["id"]]))).await, 0);
        assert_eq!(redrive(Some(json!([items[0]["id"]]))).await, 1);
        listed(world, 2).await;
        assert_eq!(redrive(None).await, 2);
        listed(world, 0).await;
        listed(&other, 1).await;
        let (status, answer) = other.ask("POST", &format!("{path}/redrive"), Some(json!({}))).await;
        assert_eq!((status, &answer["redriven"]), (202, &json!(1)));
        other.until("no message of the other's is left", async || other.leftovers().is_empty().then_some(())).await;

        // what a letter holds in secret is masked; a delivery to a channel that is gone ends
        let event: Value =
            serde_json::from_str(include_str!("../../events/deliver-webhook.first-attempt.json")).unwrap();
        let mut delivery: Value = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        delivery["app"] = json!(world.keys.application_id);
        delivery["notification"]["data"] = json!({ "password": "hush", "order": 7 });
        world.queue("WebhookDead", &delivery.to_string());
        let masked = world
            .until("the delivery is listed", async || {
                let items = world.get("/api/v1/DeadLetters/webhook").await["items"].clone();
                items.get(0).cloned()
            })
            .await;
        assert_eq!(masked["body"]["notification"]["data"], json!({ "password": "********", "order": 7 }));
        let (status, answer) = world.ask("POST", "/api/v1/DeadLetters/webhook/redrive", None).await;
        assert_eq!((status, &answer["redriven"]), (202, &json!(1)));
        let (status, answer) = world.ask("GET", "/api/v1/DeadLetters/nothing", None).await;
        assert_eq!((status, &answer["type"]), (404, &json!("about:blank#no-such-queue")));
    });
}

#[test]
fn usage_deliveries_and_connections_are_counted() {
    World::run(async |world| {
        let bucket = world.bucket().await;
        std::fs::write(bucket.folder.join("one.jpg"), media("astronaut.jpg")).unwrap();
        let hook = world.webhook(&[]).await;
        world.scan(&bucket.id).await;
        world.ended(&bucket.id, 1).await;
        world.until("it is announced", async || hook.first("item.completed")).await;
        world.send("jane", "counted").await;
        let mut socket = world.listen("jane", None).await;
        let count = |usage: &Value, path: &str| {
            let paths = usage["paths"].as_array().unwrap();
            paths.iter().find(|it| it["path"] == path).unwrap()["units"].as_u64().unwrap()
        };
        let usage = world
            .until("all of it is counted", async || {
                let usage = world.get("/api/v1/Usage").await;
                (count(&usage, "item") == 1 && count(&usage, "inbox") == 1 && count(&usage, "delivery") >= 2)
                    .then_some(usage)
            })
            .await;
        let price = usage["listPrice"].as_f64().unwrap();
        assert!(price > 0.0 && price < 0.01 && usage["more"] == false, "{usage}");
        let (status, refused) = world.ask("GET", "/api/v1/Usage?day=2026-01-01", None).await;
        assert_eq!((status, &refused["field"]), (422, &json!("day")), "too long ago");
        let open = world.get("/api/v1/Everyone/Connections").await;
        assert_eq!(open, json!({ "open": 1, "more": false }));
        socket.say(&json!({ "action": "ping" })).await;
        let (status, summary) = world.channels(Method::GET, "/api/v1/Notification/Deliveries/Summary", &[], None).await;
        let delivered: u64 =
            summary["minutes"].as_array().unwrap().iter().filter_map(|it| it["delivered"].as_u64()).sum();
        assert!(status == 200 && delivered >= 2, "{summary}");
        // a replay that is only counted delivers nothing
        let channel = hook.channel.lock().unwrap().clone();
        let came = hook.messages().len();
        let replay = async |dry: &str| {
            let form = [("since", "2026-01-01T00:00:00Z"), ("dryRun", dry)];
            let query = [("configurationId", channel.as_str())];
            let (status, answer) =
                world.channels(Method::POST, "/api/v1/Notification/Replay", &query, Some(&form)).await;
            assert_eq!(status, 200, "{answer}");
            answer["queued"].as_u64().unwrap()
        };
        let counted = replay("true").await;
        assert!(counted >= 2 && hook.messages().len() == came, "{counted}");
        assert_eq!(replay("false").await, counted);
        world.until("they come again", async || (hook.messages().len() > came).then_some(())).await;
    });
}

#[test]
fn the_newest_deliveries_are_counted_however_many_there_were_before() {
    World::run(async |world| {
        // batches of half an hour ago, as many as one request reads
        let app = &world.keys.application_id;
        let before = OffsetDateTime::parse(&in_seconds(-1_800), &Rfc3339).unwrap().unix_timestamp() * 1_000;
        for number in 0..500 {
            let put = json!({
                "TableName": "notifications-Table",
                "Item": {
                    "PK": { "S": format!("SEGMENT#{app}#deliveries") },
                    "SK": { "S": format!("{before:013}#{number:03}") },
                    "kind": { "S": "segment" }, "app": { "S": app }, "count": { "N": "0" },
                },
            });
            world.write_row("PutItem", &put).await;
        }
        let summary = async || {
            let (status, summary) =
                world.channels(Method::GET, "/api/v1/Notification/Deliveries/Summary", &[], None).await;
            assert_eq!(status, 200, "{summary}");
            summary
        };
        assert_eq!(summary().await, json!({ "minutes": [], "more": false }));
        let hook = world.webhook(&[]).await;
        let channel = hook.channel.lock().unwrap().clone();
        world.delivery(&channel, &world.send_test(&channel).await, "delivered").await;
        let counted = summary().await;
        let delivered = counted["minutes"].as_array().unwrap().iter().filter_map(|it| it["delivered"].as_u64());
        assert!(delivered.sum::<u64>() >= 1 && counted["more"] == true, "{counted}");
    });
}

#[test]
fn settings_that_somebody_else_has_stored_are_not_undone() {
    World::run(async |world| {
        let url = format!("{}/api/v1/Media/Settings", world.stack.url);
        let keys = [("x-api-key", &world.keys.api_key), ("x-api-secret", &world.keys.api_secret)];
        let request = |method: Method| {
            keys.iter().fold(world.http.request(method, &url), |it, (name, key)| it.header(*name, *key))
        };
        let read = async || {
            let answer = request(Method::GET).send().await.unwrap();
            answer.headers()["etag"].to_str().unwrap().to_owned()
        };
        let store = async |tag: &str, rate: u32| {
            let body = json!({ "iconik_requests_per_second": rate });
            let answer = request(Method::PUT).header("if-match", tag).json(&body).send().await.unwrap();
            let tag = answer.headers().get("etag").map(|it| it.to_str().unwrap().to_owned());
            (answer.status().as_u16(), tag, answer.json::<Value>().await.unwrap())
        };
        let seen_by_both = read().await;
        let (status, tag, _) = store(&seen_by_both, 7).await;
        assert_eq!((status, tag), (200, Some(read().await)));
        let (status, _, refused) = store(&seen_by_both, 8).await;
        assert_eq!((status, &refused["type"]), (412, &json!("about:blank#changed")));
        assert_eq!(world.get("/api/v1/Media/Settings").await["iconik_requests_per_second"], 7);
        assert_eq!((store(&read().await, 8).await.0, store("*", 9).await.0), (200, 200));
        // of two that store at once, none is lost in silence
        let both = read().await;
        let (first, second) = tokio::join!(store(&both, 10), store(&both, 11));
        let mut statuses = [first.0, second.0];
        statuses.sort_unstable();
        assert!(statuses[0] == 200 && matches!(statuses[1], 409 | 412), "{statuses:?}");
    });
}
