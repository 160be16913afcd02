//! Garbage in every queue and at every endpoint: a clear answer, and no harm to neighbours.

use std::time::Duration;

use serde_json::{Value, json};
use system_tests::{World, media};

/// Bodies that are no commands, marked so that a test finds its own.
fn garbage(mark: &str) -> Vec<String> {
    let deep = format!("{}\"{mark}\"{}", "[".repeat(5_000), "]".repeat(5_000));
    vec![
        format!("not json {mark}"),
        format!("{{\"v\":1,\"x\":\"{mark}\"}}"),
        format!("\"{mark}\""),
        deep,
        format!("{{\"v\":1,\"v\":1,\"item\":\"itm_x\",\"mark\":\"{mark}\"}}"),
        format!("{{\"v\":1,\"app\":\"{mark}\",\"bucket\":5}}"),
        format!("{mark}{}", "x".repeat(1_048_000 - mark.len())),
        format!("\u{1}\u{feff}\u{1f600}{mark}"),
    ]
}

#[test]
fn one_bad_message_never_hurts_its_neighbours_and_ends_with_a_reason() {
    World::run(async |world| {
        let _letters = world.letters().await;
        let (bucket, hook) = (world.bucket().await, world.webhook(&[]).await);
        std::fs::write(bucket.folder.join("one.jpg"), media("astronaut.jpg")).unwrap();
        for queue in ["ScanQueue", "FacesQueue", "FacesUrgentQueue", "WebhookQueue", "IconikQueue", "BillingQueue"] {
            let mark = format!("garbage-{queue}-{}", world.keys.application_id);
            for body in garbage(&mark) {
                world.queue(queue, &body);
            }
        }
        // neighbours: a scan, its item, its webhooks, in the midst of it
        world.scan(&bucket.id).await;
        world.until("the neighbours are delivered", async || hook.first("item.completed")).await;
        for (kind, queue, dead) in [
            ("scan", "ScanQueue", "ScanDead"),
            ("faces", "FacesQueue", "FacesDead"),
            ("faces", "FacesUrgentQueue", "FacesDead"),
            ("webhook", "WebhookQueue", "WebhookDead"),
            ("iconik", "IconikQueue", "IconikDead"),
            ("billing", "BillingQueue", "BillingDead"),
        ] {
            let mark = format!("garbage-{queue}-{}", world.keys.application_id);
            let letters = world
                .until("all garbage is among the dead letters", async || {
                    let (good, text) = world.notify(&["dead-letters", kind, "--json"]).await;
                    assert!(good, "{text}");
                    let ours: Vec<Value> = text
                        .lines()
                        .filter_map(|it| serde_json::from_str::<Value>(it).ok())
                        .filter(|it| it["body"].as_str().is_some_and(|it| it.contains(&mark)))
                        .collect();
                    (ours.len() == garbage(&mark).len()).then_some(ours)
                })
                .await;
            for letter in letters {
                let reason = letter["reason"].as_str().unwrap();
                assert!(reason.contains("the message is no "), "{reason}");
            }
            remove(world, dead, &mark);
        }
    });
}

/// Takes a test's own letters away, as an operator would who has read them.
fn remove(world: &World<'_>, queue: &str, mark: &str) {
    let sqs = &world.stack.sqs;
    let queue = format!("notifications-{queue}");
    while sqs.bodies(&queue).unwrap().iter().any(|it| it.contains(mark)) {
        for message in sqs.receive(&queue, 10, Duration::from_secs(1)).unwrap() {
            if message.body.contains(mark) {
                sqs.delete(&message.receipt_handle).unwrap();
            }
        }
    }
}

#[test]
fn a_row_that_cannot_be_read_does_not_stop_the_stream() {
    World::run(async |world| {
        let _letters = world.letters().await;
        let (bucket, hook) = (world.bucket().await, world.webhook(&[]).await);
        let mark = format!("ITEM#corrupt-{}", world.keys.application_id);
        let put = json!({
            "TableName": "notifications-Table",
            "Item": { "PK": { "S": mark }, "SK": { "S": "ITEM" }, "kind": { "S": "item" }, "status": { "N": "7" } },
        });
        world.write_row("PutItem", &put).await;
        std::fs::write(bucket.folder.join("one.jpg"), media("astronaut.jpg")).unwrap();
        world.scan(&bucket.id).await;
        world.until("its neighbours go on", async || hook.first("item.completed")).await;
        let letter = world
            .until("it is parked", async || {
                let (_, text) = world.notify(&["dead-letters", "stream", "--json"]).await;
                text.lines().find(|it| it.contains(&mark)).map(str::to_owned)
            })
            .await;
        assert!(letter.contains("the item row") && letter.contains("is corrupt"), "{letter}");
        remove(world, "StreamDead", &mark);
    });
}

#[test]
fn every_endpoint_answers_garbage_with_a_clear_refusal() {
    World::run(async |world| {
        let app = &world.keys.application_id;
        let endpoints = [
            ("POST", "/api/v1/Media/Buckets".to_owned()),
            ("PUT", "/api/v1/Media/Buckets/bkt_00000000000000000000000000000001".to_owned()),
            ("POST", format!("/api/v1/Notification/ChannelConfiguration/WebHook?applicationId={app}")),
            ("POST", "/api/v1/Authorization/GenerateJwtToken".to_owned()),
            ("POST", "/api/v1/Applications".to_owned()),
            ("PUT", "/api/v1/Media/Settings".to_owned()),
            ("POST", "/api/v1/Media/Iconik/backfill".to_owned()),
            ("POST", "/iconik/webhook".to_owned()),
            ("POST", "/iconik/actions/process".to_owned()),
        ];
        for (method, path) in endpoints {
            for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
                for body in garbage("x").into_iter().chain([String::new(), "x".repeat(2_000_000)]) {
                    let request = world.http.request(method.parse().unwrap(), format!("{}{path}", world.stack.url));
                    let request =
                        request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
                    let answer = request.header("content-type", kind).body(body).send().await.unwrap();
                    let (status, answered) = (answer.status().as_u16(), answer.text().await.unwrap());
                    assert!((400..500).contains(&status), "{method} {path} {kind}: {status} {answered}");
                    assert!(serde_json::from_str::<Value>(&answered).is_ok(), "{answered}");
                }
            }
        }
        for path in [
            "/api/v1/Media/Items/x",
            "/api/v1/Media/Items/itm_%00",
            "/api/v1/Media/Items/%F0%9F%98%80/preview.jpg",
            "/api/v1/Media/Nothing",
        ] {
            assert_eq!(world.ask("GET", path, None).await.0, 404, "{path}");
        }
    });
}
