//! The thread: dropped, found, analysed, announced.

use serde_json::{Value, json};
use system_tests::{World, media, side_by_side};

#[test]
fn pictures_and_a_video_reach_a_verified_webhook_with_their_faces() {
    World::run(async |world| {
        let (bucket, hook) = (world.bucket().await, world.webhook(&[]).await);
        let files = [
            ("one.jpg", media("astronaut.jpg"), 1),
            ("two.jpg", side_by_side("astronaut.jpg", 2), 2),
            ("deep/down/cat.jpg", media("chelsea.jpg"), 0),
            ("clip é+1.mp4", media("clip.mp4"), 1),
        ];
        std::fs::create_dir_all(bucket.folder.join("deep/down")).unwrap();
        for (name, bytes, _) in &files {
            std::fs::write(bucket.folder.join(name), bytes).unwrap();
        }
        let scan = world.scan(&bucket.id).await;
        assert_eq!((&scan["found"], &scan["listed"]), (&json!(4), &json!(4)));
        for (name, bytes, faces) in files {
            let is = |it: &Value| it["data"]["item"]["key"] == name;
            let of = |kind: &str| hook.of(kind).into_iter().find(|it| is(&it.body));
            let completed = world.until("item.completed", async || of("item.completed")).await;
            let found = world.until("item.found", async || of("item.found")).await;
            let data = &completed.body["data"];
            assert_eq!(data["results"]["FacialRecognition"]["faces"], json!(faces), "{name}");
            assert_eq!(data["item"], found.body["data"]["item"], "the same item, found and completed");
            for member in ["id", "system", "bucket", "key", "version"] {
                assert!(data["item"][member].is_string(), "{member}");
            }
            assert_eq!((&data["item"]["system"], &data["item"]["size"]), (&json!("datacore"), &json!(bytes.len())));
            assert!(found.body["sequence"].as_u64() < completed.body["sequence"].as_u64(), "found before completed");
        }
        assert!(hook.forged().is_empty(), "every message is signed");
        let sequence = async || {
            let mut all: Vec<u64> = hook.messages().iter().filter_map(|it| it.body["sequence"].as_u64()).collect();
            all.sort_unstable();
            all.dedup();
            (all == (2..=10).collect::<Vec<u64>>()).then_some(())
        };
        // number 1 was the challenge
        world.until("4 found, 4 completed, 1 scan: numbers 2 to 10 without a gap", sequence).await;
    });
}

#[test]
fn an_item_shows_boxes_times_history_and_a_preview() {
    World::run(async |world| {
        let bucket = world.bucket().await;
        std::fs::write(bucket.folder.join("clip.mp4"), media("clip.mp4")).unwrap();
        std::fs::write(bucket.folder.join("one.jpg"), media("astronaut.jpg")).unwrap();
        world.scan(&bucket.id).await;
        for item in world.ended(&bucket.id, 2).await {
            let id = item["id"].as_str().unwrap();
            let whole = world.get(&format!("/api/v1/Media/Items/{id}")).await;
            let result = &whole["results"]["FacialRecognition"];
            assert_eq!((&result["schema"], &result["faces"]), (&json!("processor-result/1"), &json!(1)));
            let sample = &result["tracks"][0]["samples"][0];
            let number = |it: &Value| it.as_f64().unwrap();
            assert!(number(&sample["confidence"]) > 0.5, "{sample}");
            let (x, w) = (number(&sample["box"]["x"]), number(&sample["box"]["w"]));
            assert!(x > 0.2 && x + w < 0.8 && w > 0.05, "the face is in the middle: {sample}");
            if item["key"] == "clip.mp4" {
                let range = &result["tracks"][0]["ranges"][0];
                let (start, end) = (number(&range["start_ms"]), number(&range["end_ms"]));
                assert!((500.0..=1_500.0).contains(&start) && (3_500.0..=4_500.0).contains(&end), "{range}");
                assert!(number(&result["media"]["duration_ms"]) > 4_000.0);
            }
            let statuses: Vec<&str> =
                whole["history"].as_array().unwrap().iter().filter_map(|it| it["status"].as_str()).collect();
            assert_eq!(statuses, ["Pending", "Processing", "Completed"]);
            let preview = world.http.get(format!("{}/api/v1/Media/Items/{id}/preview.jpg", world.stack.url));
            let preview =
                preview.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
            let bytes = preview.send().await.unwrap().bytes().await.unwrap();
            let picture = image::load_from_memory_with_format(&bytes, image::ImageFormat::Jpeg).unwrap().into_rgb8();
            let yellow = picture.pixels().filter(|it| it[0] > 200 && it[1] > 150 && it[2] < 90).count();
            assert!(yellow > 100, "the box is drawn: {yellow} yellow pixels");
        }
        world
            .until("the summary counts both", async || {
                let summary = world.get("/api/v1/Media/Summary").await;
                (summary == json!({ "Pending": 0, "Processing": 0, "Completed": 2, "Failed": 0, "Skipped": 0 }))
                    .then_some(())
            })
            .await;
    });
}

#[test]
fn an_item_is_processed_again_on_request() {
    World::run(async |world| {
        let (bucket, hook) = (world.bucket().await, world.webhook(&[]).await);
        std::fs::write(bucket.folder.join("one.jpg"), media("astronaut.jpg")).unwrap();
        world.scan(&bucket.id).await;
        let item = world.ended(&bucket.id, 1).await.remove(0);
        let path = format!("/api/v1/Media/Items/{}/reprocess", item["id"].as_str().unwrap());
        let (status, again) = world.ask("POST", &path, None).await;
        assert_eq!((status, &again["status"]), (202, &json!("Pending")));
        world.until("it is completed twice", async || (hook.of("item.completed").len() == 2).then_some(())).await;
        let ids: std::collections::HashSet<String> = hook.of("item.completed").into_iter().map(|it| it.id).collect();
        assert_eq!(ids.len(), 2, "two notifications, each with its own id");
    });
}

#[test]
fn what_cannot_be_analysed_says_why() {
    World::run(async |world| {
        let bucket = world.bucket().await;
        let truncated = media("astronaut.jpg")[..4_000].to_vec();
        let header = [
            &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..],
            &30_000_u32.to_be_bytes(),
            &30_000_u32.to_be_bytes(),
            b"\x08\x02\0\0\0\xe9\x45\x6f\xed\0\0\0\x04IDAT\0\0\0\0\0\0\0\0",
        ]
        .concat();
        let cases: [(&str, Vec<u8>, &str, &str); 6] = [
            ("empty.jpg", Vec::new(), "Skipped", "not_wanted"),
            ("notes.txt", b"hello".to_vec(), "Skipped", "not_wanted"),
            ("text.jpg", b"hello, this is no picture".to_vec(), "Skipped", "unsupported_media"),
            ("cut.jpg", truncated, "Failed", "media_unreadable"),
            ("bomb.png", header, "Skipped", "too_large"),
            (
                "playlist.mp4",
                b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n".to_vec(),
                "Skipped",
                "unsupported_media",
            ),
        ];
        for (name, bytes, _, _) in &cases {
            std::fs::write(bucket.folder.join(name), bytes).unwrap();
        }
        world.scan(&bucket.id).await;
        let items = world.ended(&bucket.id, cases.len()).await;
        for (name, _, status, code) in cases {
            let item = items.iter().find(|it| it["key"] == name).unwrap();
            assert_eq!((item["status"].as_str(), item["error"]["code"].as_str()), (Some(status), Some(code)), "{item}");
        }
    });
}

#[test]
fn faces_are_looked_for_only_where_an_administrator_said_so() {
    World::run(async |world| {
        let keys = local::demo::create_application(world.stack, "no faces", false).await.unwrap();
        let other = World { stack: world.stack, keys, http: world.http.clone(), seed: world.seed };
        let bucket = other.bucket().await;
        std::fs::write(bucket.folder.join("one.jpg"), media("astronaut.jpg")).unwrap();
        other.scan(&bucket.id).await;
        let item = other.ended(&bucket.id, 1).await.remove(0);
        assert_eq!((&item["status"], &item["error"]["code"]), (&json!("Skipped"), &json!("processor_disabled")));
        let (status, _) =
            world.ask("GET", &format!("/api/v1/Media/Items/{}", item["id"].as_str().unwrap()), None).await;
        assert_eq!(status, 404, "another application's item is no item");
    });
}

#[test]
fn items_are_listed_by_filters_and_pages() {
    World::run(async |world| {
        let bucket = world.bucket().await;
        for index in 0..7 {
            std::fs::write(bucket.folder.join(format!("{index}.txt")), index.to_string()).unwrap();
        }
        world.scan(&bucket.id).await;
        std::fs::write(bucket.folder.join("late.txt"), "late").unwrap();
        world.scan(&bucket.id).await;
        let items = world.ended(&bucket.id, 8).await;
        assert_eq!(items[0]["key"], "late.txt", "newest first");
        let (mut keys, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world.get(&format!("/api/v1/Media/Items?limit=3{cursor}")).await;
            keys.extend(page["items"].as_array().unwrap().iter().map(|it| it["key"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let all: std::collections::HashSet<&String> = keys.iter().collect();
        assert_eq!((keys.len(), all.len()), (8, 8), "each once: {keys:?}");
        assert_eq!(world.items("status=Completed").await.len(), 0);
        assert_eq!(world.items("status=skipped&system=datacore").await.len(), 8);
        let since = items[0]["foundAt"].as_str().unwrap();
        assert_eq!(world.items(&format!("since={since}")).await.len(), 1);
        for (query, field) in [
            ("status=Done", "status"),
            ("since=today", "since"),
            ("cursor=xyz", "cursor"),
            ("bucket=b", "bucket"),
            ("limit=0", "limit"),
            ("system=s3", "system"),
        ] {
            let (status, problem) = world.ask("GET", &format!("/api/v1/Media/Items?{query}"), None).await;
            assert_eq!((status, problem["field"].as_str()), (422, Some(field)), "{problem}");
        }
    });
}
