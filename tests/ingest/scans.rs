//! Scanning: what is new, once; what fails, said.

use serde_json::{Value, json};
use system_tests::swarm::{Mood, Swarm};
use system_tests::{World, media, text};

#[test]
fn an_unchanged_bucket_is_listed_page_by_page_and_nothing_is_written() {
    World::run(async |world| {
        let swarm = Swarm::start().await;
        // a full page, and one that is not
        for index in 0..1_010 {
            swarm.put(&format!("{index:05}.txt"), "e", index.to_string().into_bytes());
        }
        let bucket = world.bucket_at(&swarm.url, "many", json!({})).await;
        let first = world.scan(&bucket).await;
        assert_eq!((&first["found"], &first["listed"]), (&json!(1_010), &json!(1_010)));
        assert_eq!(swarm.listings(), 2, "one request per page");
        let second = world.scan(&bucket).await;
        assert_eq!((&second["found"], &second["listed"]), (&json!(0), &json!(1_010)));
        assert_eq!(swarm.listings(), 4);
        assert_eq!(world.ended(&bucket, 1_010).await.len(), 1_010);
    });
}

#[test]
fn a_version_is_processed_once_and_a_write_of_metadata_is_no_new_version() {
    World::run(async |world| {
        let (swarm, hook) = (Swarm::start().await, world.webhook(&[]).await);
        let bucket = world.bucket_at(&swarm.url, "rushes", json!({})).await;
        swarm.put("a.jpg", "v1", media("astronaut.jpg"));
        world.scan(&bucket).await;
        world.ended(&bucket, 1).await;
        assert_eq!(world.scan(&bucket).await["found"], 0);
        swarm.put("a.jpg", "v1-with-new-metadata", media("astronaut.jpg"));
        assert_eq!(world.scan(&bucket).await["found"], 1, "it looks new in a listing");
        let items = world.ended(&bucket, 2).await;
        assert_eq!((&items[0]["status"], &items[0]["error"]["code"]), (&json!("Skipped"), &json!("same_content")));
        swarm.put("a.jpg", "v2", media("coffee.jpg"));
        world.scan(&bucket).await;
        let items = world.ended(&bucket, 3).await;
        assert_eq!(items[0]["status"], "Completed", "other bytes are a new version");
        world.until("two are told as completed", async || (hook.of("item.completed").len() == 2).then_some(())).await;
    });
}

#[test]
fn an_endpoint_that_fails_is_told_and_the_bucket_stays_active() {
    World::run(async |world| {
        let (swarm, hook) = (Swarm::start().await, world.webhook(&[]).await);
        swarm.put("a.txt", "e", b"a".to_vec());
        let bucket = world.bucket_at(&swarm.url, "rushes", json!({})).await;
        for (count, (mood, reason)) in [
            (Mood::Down, "the endpoint answered 503"),
            (Mood::Denied, "the credentials are refused"),
            (Mood::Anonymous, "the token has probably expired"),
            (Mood::Strange, "the endpoint answered something that is not S3"),
        ]
        .into_iter()
        .enumerate()
        {
            swarm.mood(mood);
            let ended = world.scan(&bucket).await;
            assert!(text(&ended["error"]).contains(reason), "{mood:?}: {ended}");
            let seen = world.get(&format!("/api/v1/Media/Buckets/{bucket}")).await;
            assert_eq!(seen["active"], true);
            assert!(seen["nextScanAfter"].is_string(), "scheduled scans wait");
            world.until("scan.failed", async || (hook.of("scan.failed").len() == count + 1).then_some(())).await;
            assert_eq!(
                hook.of("scan.failed").iter().map(|it| it.body["data"]["failures"].as_u64().unwrap()).max(),
                Some(count as u64 + 1)
            );
        }
        swarm.mood(Mood::Good);
        assert_eq!(world.scan(&bucket).await["found"], 1);
        let seen = world.get(&format!("/api/v1/Media/Buckets/{bucket}")).await;
        assert_eq!((&seen["lastError"], &seen["nextScanAfter"]), (&Value::Null, &Value::Null));
    });
}

#[test]
fn an_empty_bucket_is_no_failure() {
    World::run(async |world| {
        let bucket = world.bucket().await;
        let ended = world.scan(&bucket.id).await;
        assert_eq!((&ended["listed"], &ended["error"]), (&json!(0), &Value::Null));
    });
}

#[test]
fn a_page_that_comes_twice_is_told_once() {
    World::run(async |world| {
        let (bucket, hook) = (world.bucket().await, world.webhook(&[]).await);
        for index in 0..150 {
            std::fs::write(bucket.folder.join(format!("{index:03}.txt")), "x").unwrap();
        }
        let order = json!({
            "v": 1, "app": world.keys.application_id, "bucket": bucket.id, "scan": "twice", "requested": true, "at": 1_795_207_786_000_i64,
        });
        for expected in [150, 300] {
            world.queue("ScanQueue", &order.to_string());
            let completed = async || (hook.of("scan.completed").len() == expected / 150).then_some(());
            world.until("the scan ends", completed).await;
        }
        world.until("all are told", async || (hook.of("item.skipped").len() == 150).then_some(())).await;
        let ids: std::collections::HashSet<String> = hook.messages().into_iter().map(|it| it.id).collect();
        assert_eq!(ids.len(), 152, "150 items and two ends of a scan");
    });
}

#[test]
fn a_due_bucket_is_scanned_by_the_sweep_and_an_inactive_one_is_not() {
    World::run(async |world| {
        let bucket = world.bucket().await;
        std::fs::write(bucket.folder.join("a.txt"), "a").unwrap();
        let path = format!("/api/v1/Media/Buckets/{}", bucket.id);
        let replace = async |active: bool| {
            let body = json!({
                "system": "datacore", "endpoint": world.stack.s3_url, "bucket": bucket.name, "schedule": "rate(1 minute)", "active": active,
            });
            assert_eq!(world.ask("PUT", &path, Some(body)).await.0, 200);
        };
        replace(true).await;
        world
            .until("the minute comes and the item is found", async || {
                assert!(world.stack.fire_schedule("sweep").await);
                (!world.items(&format!("bucket={}", bucket.id)).await.is_empty()).then_some(())
            })
            .await;
        replace(false).await;
        assert_eq!(world.get(&path).await["active"], false);
    });
}

#[test]
fn buckets_are_made_read_replaced_and_removed() {
    World::run(async |world| {
        let bucket = world.bucket().await;
        let path = format!("/api/v1/Media/Buckets/{}", bucket.id);
        let seen = world.get(&path).await;
        assert_eq!((&seen["hasCredentials"], &seen["processor"]), (&json!(true), &json!("FacialRecognition")));
        assert!(!seen.to_string().contains("secret"), "credentials are never returned: {seen}");
        assert_eq!(world.get("/api/v1/Media/Buckets").await["items"].as_array().unwrap().len(), 1);
        let with = |name: &str, value: Value| {
            let mut body = json!({ "system": "datacore", "endpoint": world.stack.s3_url, "bucket": "b", "schedule": "rate(1 hour)" });
            body[name] = value;
            body
        };
        for (body, field) in [
            (with("system", json!("s3")), "system"),
            (with("endpoint", json!("https://169.254.169.254/")), "endpoint"),
            (with("endpoint", json!("http://example.com")), "endpoint"),
            (with("bucket", json!("../x")), "bucket"),
            (with("schedule", json!("rate(0 minutes)")), "schedule"),
            (with("processor", json!("Magic")), "processor"),
            (with("settings", json!({ "sampleFps": 99 })), "settings.sampleFps"),
            (with("mimeTypes", json!(["jpeg"])), "mimeTypes"),
            (with("prefixes", json!(["/a"])), "prefixes"),
            (with("credentials", json!({ "accessKey": "a:b", "secretKey": "c" })), "credentials"),
        ] {
            let (status, problem) = world.ask("POST", "/api/v1/Media/Buckets", Some(body)).await;
            assert_eq!((status, problem["field"].as_str()), (422, Some(field)), "{problem}");
        }
        let (status, problem) = world.ask("POST", "/api/v1/Media/Buckets", Some(with("colour", json!("red")))).await;
        assert!(status == 422 && text(&problem["detail"]).contains("unknown field `colour`"), "{problem}");
        // a stored secret signs nothing for another address
        let (status, problem) =
            world.ask("PUT", &path, Some(with("endpoint", json!("https://elsewhere.example.com")))).await;
        assert_eq!((status, problem["field"].as_str()), (422, Some("credentials")));
        assert_eq!(world.ask("DELETE", &path, None).await.0, 204);
        for (method, body) in [("GET", None), ("DELETE", None), ("PUT", Some(with("active", json!(true))))] {
            assert_eq!(world.ask(method, &path, body).await.0, 404, "{method}");
        }
        assert_eq!(world.ask("POST", &format!("{path}/scan"), None).await.0, 404);
    });
}
