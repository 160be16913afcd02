//! Endpoints that run processors: how they are registered, and what is refused.

use serde_json::{Value, json};
use system_tests::World;
use system_tests::processor::{Processor, SECRET, call_as};
use system_tests::{media, text};

const PATH: &str = "/api/v1/Media/Processors/ObjectDetection";

#[test]
fn an_endpoint_is_registered_changed_and_removed_and_its_secret_is_shown_once() {
    World::run(async |world| {
        assert_eq!(world.ask("GET", PATH, None).await.0, 404);
        assert_eq!(
            world
                .ask("PUT", "/api/v1/Media/Processors/Magic", Some(json!({ "endpoint": "https://a.example" })))
                .await
                .0,
            404
        );
        let processor = Processor::start().await;
        for (body, field) in [
            (json!({ "endpoint": "http://169.254.169.254/latest" }), "endpoint"),
            (json!({ "endpoint": "https://10.1.2.3/jobs" }), "endpoint"),
            (json!({ "endpoint": "https://user:word@p.example.com" }), "endpoint"),
            (json!({ "endpoint": format!("{}?key=secret", processor.url) }), "endpoint"),
            (json!({ "endpoint": processor.url, "secret": "whsec_AAAA" }), "secret"),
            (json!({ "endpoint": processor.url, "deadlineSeconds": 21_601 }), "deadlineSeconds"),
            (json!({ "endpoint": processor.url, "overlapSeconds": 604_801 }), "overlapSeconds"),
            (json!({ "endpoint": processor.url, "params": { "a": "x".repeat(5_000) } }), "params"),
            // a name that does not answer its challenge: nothing is registered for somebody else's host
            (json!({ "endpoint": "https://no-such-host.invalid/jobs" }), "endpoint"),
        ] {
            let (status, problem) = world.ask("PUT", PATH, Some(body)).await;
            assert_eq!((status, problem["field"].as_str()), (422, Some(field)), "{problem}");
        }
        assert_eq!(world.ask("GET", PATH, None).await.0, 404);

        let (status, made) = world.ask("PUT", PATH, Some(json!({ "endpoint": processor.url }))).await;
        assert_eq!(status, 200, "{made}");
        assert!(text(&made["secret"]).starts_with("whsec_"), "{made}");
        assert_eq!((&made["deadlineSeconds"], &made["secrets"]), (&json!(3_600), &json!(1)));
        let shown = world.get(PATH).await;
        assert_eq!((&shown["endpoint"], &shown["secret"]), (&json!(processor.url), &Value::Null));
        assert_eq!(world.get("/api/v1/Media/Processors").await["items"], json!([shown]));

        // while one secret replaces another, both are good
        let with = |secret: &str, overlap: u32| json!({ "endpoint": processor.url, "secret": secret, "overlapSeconds": overlap });
        let (_, rotated) = world.ask("PUT", PATH, Some(with(SECRET, 60))).await;
        assert_eq!((&rotated["secrets"], &rotated["secret"]), (&json!(2), &Value::Null), "{rotated}");
        let (_, same) = world.ask("PUT", PATH, Some(with(SECRET, 0))).await;
        assert_eq!(same["secrets"], 2, "the current one again changes nothing");
        assert_eq!(world.ask("DELETE", PATH, None).await.0, 204);
        assert_eq!(world.ask("DELETE", PATH, None).await.0, 404);
    });
}

#[test]
fn a_callback_under_the_secret_before_is_good_while_they_overlap_and_not_after_it() {
    World::run(async |world| {
        let processor = Processor::registered(world, "ObjectDetection", json!({})).await;
        let name = format!("x{}", &world.keys.application_id[..8]);
        let folder = world.stack.bucket_folder(&name);
        std::fs::create_dir_all(&folder).unwrap();
        let bucket = world.bucket_at(&world.stack.s3_url, &name, json!({ "processor": "ObjectDetection" })).await;
        std::fs::write(folder.join("a.jpg"), media("coffee.jpg")).unwrap();
        world.scan(&bucket).await;
        let url = text(&processor.job(0).await["callback"]["url"]);
        let running = json!({ "state": "running" }).to_string();
        let new = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let newest = "whsec_AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let rotate = async |secret: &str, overlap: u32| {
            let body = json!({ "endpoint": processor.url, "secret": secret, "overlapSeconds": overlap });
            assert_eq!(world.ask("PUT", PATH, Some(body)).await.0, 200);
        };
        rotate(new, 600).await;
        assert_eq!(call_as(new, 0, &url, "m1", &running).await.0, 200);
        assert_eq!(call_as(SECRET, 0, &url, "m2", &running).await.0, 200);
        rotate(newest, 0).await;
        assert_eq!(call_as(newest, 0, &url, "m3", &running).await.0, 200);
        for old in [SECRET, new] {
            assert_eq!(call_as(old, 0, &url, "m4", &running).await.0, 401);
        }
        let failed = json!({ "state": "failed", "code": "media_unreadable", "message": "enough" }).to_string();
        assert_eq!(call_as(newest, 0, &url, "m5", &failed).await.0, 200);
        let item = world.ended(&bucket, 1).await.remove(0);
        assert_eq!((&item["status"], &item["error"]["message"]), (&json!("Failed"), &json!("enough")));
    });
}
