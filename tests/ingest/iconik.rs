//! Iconik: announced, fetched, analysed, written back; and everything that goes wrong on the way.

use local::iconik::{DOMAIN_ID, LIBRARY_COLLECTION_ID, METADATA_VIEW_ID};
use serde_json::{Value, json};
use system_tests::{World, media, side_by_side, text};

#[test]
fn an_upload_is_analysed_and_its_results_stand_in_iconik() {
    World::run(async |world| {
        let (manager, hook) = (world.iconik(json!({})).await, world.webhook(&[]).await);
        let before = manager.iconik.request_count();
        let video = manager.iconik.upload("clip.mp4", &media("clip.mp4")).await;
        let picture = manager.iconik.upload("two.jpg", &side_by_side("astronaut.jpg", 2)).await;
        let items = world.assets_ended(2).await;
        println!("{} Iconik requests per asset", (manager.iconik.request_count() - before) as f64 / 2.0);
        for (asset, title, faces) in [(&video, "clip.mp4", 1), (&picture, "two.jpg", 2)] {
            let item = items.iter().find(|it| text(&it["key"]) == *asset).unwrap();
            assert_eq!(
                (&item["status"], &item["title"], &item["system"]),
                (&json!("Completed"), &json!(title), &json!("iconik"))
            );
            assert_eq!(item["results"]["FacialRecognition"]["faces"], faces);
            let version = text(&item["version"]);
            let written = manager.of("metadata", asset);
            assert_eq!((written.len(), text(&written[0]["version_id"])), (1, version.clone()));
            let field = |name: &str| written[0]["metadata_values"][name]["field_values"][0]["value"].clone();
            assert_eq!((field("AI_Faces"), field("AI_Status")), (json!(faces), json!("Done")));
            let jobs = manager.of("job", asset);
            assert_eq!(jobs.len(), 1, "{jobs:?}");
            let job = (&jobs[0]["status"], &jobs[0]["progress_processed"], &jobs[0]["custom_type"]);
            assert_eq!(job, (&json!("FINISHED"), &json!(100), &json!("FacialRecognition")));
            assert_eq!(manager.of("history", asset).len(), 1);
        }
        let segments = manager.of("segment", &video);
        assert_eq!(segments.len(), 1, "{segments:?}");
        let it = &segments[0];
        assert_eq!((&it["segment_type"], &it["segment_track"]), (&json!("GENERIC"), &json!("FacialRecognition")));
        assert!(text(&it["external_id"]).starts_with("napi:") && it["version_id"].is_string(), "{it}");
        let (start, end) =
            (it["time_start_milliseconds"].as_u64().unwrap(), it["time_end_milliseconds"].as_u64().unwrap());
        assert!((500..=1_500).contains(&start) && (3_500..=4_500).contains(&end), "{it}");
        world.until("both are told", async || (hook.of("item.completed").len() == 2).then_some(())).await;
        let told = hook.first("item.found").unwrap();
        assert_eq!(told.body["data"]["item"]["system"], "iconik");
        assert!(hook.forged().is_empty());
    });
}

#[test]
fn a_new_version_is_processed_and_an_edit_is_not() {
    World::run(async |world| {
        let manager = world.iconik(json!({ "single_webhook": false })).await;
        assert_eq!(manager.iconik.objects("webhook").len(), 3, "contents, files, proxies");
        manager.iconik.set_faults(json!({ "twice_every": 2, "swap_every": 3 }));
        let asset = manager.iconik.upload("one.jpg", &media("astronaut.jpg")).await;
        let first = world.assets_ended(1).await.remove(0);
        // what an edit raises, twice
        for _ in 0..2 {
            let edit = json!({ "metadata_values": { "Title": { "field_values": [{ "value": "x" }] } } });
            let url = format!("{}/API/metadata/v1/assets/{asset}/views/{METADATA_VIEW_ID}/", manager.iconik.url());
            let request = world
                .http
                .put(url)
                .header("app-id", local::iconik::APP_ID)
                .header("auth-token", manager.iconik.token());
            assert_eq!(request.json(&edit).send().await.unwrap().status(), 200);
        }
        manager.iconik.upload_version(&asset, &side_by_side("astronaut.jpg", 2)).await;
        let items = world.assets_ended(2).await;
        let second = items.iter().find(|it| it["version"] != first["version"]).unwrap();
        assert_eq!((&second["key"], &second["results"]["FacialRecognition"]["faces"]), (&first["key"], &json!(2)));
        let versions: Vec<String> = manager.of("metadata", &asset).iter().map(|it| text(&it["version_id"])).collect();
        assert!(
            versions.contains(&text(&second["version"])) && versions.contains(&text(&first["version"])),
            "{versions:?}"
        );
        assert_eq!(manager.of("job", &asset).len(), 2, "each version once");
    });
}

#[test]
fn webhooks_are_taken_from_who_knows_the_secret() {
    World::run(async |world| {
        let manager = world.iconik(json!({})).await;
        let event = |name: &str| {
            let path = system_tests::project().join(format!("events/iconik.{name}.json"));
            let mut it: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            it["system_domain_id"] = DOMAIN_ID.into();
            it
        };
        let (path, secret) = ("/iconik/webhook", Some(manager.secret.as_str()));
        let noise = event("shares-create").to_string();
        for (secret, body, want) in [
            (None, noise.as_str(), 401),
            (Some("another-secret-of-somebody"), &noise, 401),
            (secret, "nonsense", 400),
            (secret, "[]", 400),
            (secret, &noise, 200),
        ] {
            assert_eq!(world.post_iconik(path, secret, body).await.0, want, "{body}");
        }
        let refused = world.http.post(format!("{}{path}", world.stack.url)).body(noise.clone()).send().await.unwrap();
        assert!(refused.headers().contains_key("www-authenticate"));
        let (_, ignored) = world.post_iconik(path, secret, &noise).await;
        assert_eq!((&ignored["status"], ignored["reason"].is_string()), (&json!("ignored"), true));
        let mut own = event("contents-create");
        own["user_id"] = world.get("/api/v1/Media/Iconik").await["user"].clone();
        world
            .until("our own doing is known as such", async || {
                let (_, taken) = world.post_iconik(path, secret, &own.to_string()).await;
                (taken["reason"] == "this was our own doing").then_some(())
            })
            .await;
        let mut stranger = event("contents-create");
        stranger["system_domain_id"] = "86729aec-7ff0-11ef-a5cc-2e53d2c327db".into();
        assert_eq!(world.post_iconik(path, secret, &stranger.to_string()).await.0, 403);
        let (status, _) = world.ask("GET", path, None).await;
        assert_eq!(status, 405);
        assert_eq!(world.post_iconik("/iconik/elsewhere", secret, "{}").await.0, 404);
        assert_eq!(world.post_iconik("/iconik/actions/destroy", secret, "{}").await.0, 404);
        assert_eq!(world.post_iconik("/iconik/actions/process", secret, "{\"context\":\"PLANET\"}").await.0, 400);
        // an asset that is in no Iconik: looked for, not found, done
        assert_eq!(world.post_iconik(path, secret, &event("contents-create").to_string()).await.1["status"], "queued");
    });
}

#[test]
fn a_person_orders_assets_collections_and_searches_again() {
    World::run(async |world| {
        let manager = world.iconik(json!({})).await;
        let mut assets = Vec::new();
        for name in ["a.jpg", "b.jpg", "c.jpg"] {
            assets.push(manager.iconik.upload(name, &media("astronaut.jpg")).await);
        }
        world.assets_ended(3).await;
        let jobs = |count: usize| {
            let (manager, world) = (&manager, &world);
            async move {
                world
                    .until(&format!("{count} runs"), async || {
                        let done = manager.iconik.objects("job").iter().filter(|it| it["status"] == "FINISHED").count();
                        let runs = manager.iconik.objects("history").len();
                        (done == 3 && runs == count).then_some(())
                    })
                    .await
            }
        };
        jobs(3).await;
        let url = format!("{}/iconik/actions/process", world.stack.url);
        let act =
            async |body: Value| assert_eq!(manager.iconik.run_custom_action(&url, &manager.secret, body).await, 200);
        act(json!({ "context": "ASSET", "asset_ids": [assets[0]] })).await;
        jobs(4).await;
        // the library lies in itself: it is walked once
        manager.iconik.add_subcollection(LIBRARY_COLLECTION_ID, LIBRARY_COLLECTION_ID);
        act(json!({ "context": "COLLECTION", "collection_ids": [LIBRARY_COLLECTION_ID] })).await;
        jobs(7).await;
        act(json!({ "context": "SAVED_SEARCH", "saved_search_ids": [LIBRARY_COLLECTION_ID] })).await;
        world.until("all run again", async || (manager.iconik.objects("history").len() >= 10).then_some(())).await;
        world.assets_ended(3).await;
        assert_eq!(manager.iconik.objects("segment").len(), 0, "pictures have no time");
    });
}

#[test]
fn refused_credentials_stop_everything_and_lose_nothing() {
    World::run(async |world| {
        let (manager, hook) = (world.iconik(json!({ "reconcile_minutes": 1 })).await, world.webhook(&[]).await);
        manager.iconik.set_faults(json!({ "refused_until": i64::MAX }));
        manager.iconik.upload("one.jpg", &media("astronaut.jpg")).await;
        world.until("the application is told", async || hook.first("iconik.unauthorized")).await;
        let blocked = world.get("/api/v1/Media/Iconik").await;
        assert_eq!(blocked["blocked"], "Token is invalid");
        world.check_iconik().await;
        manager.iconik.set_faults(json!({}));
        world.check_iconik().await;
        world.until("it is authorized again", async || hook.first("iconik.authorized")).await;
        // the order waits for two minutes; what is caught up does not
        let item = world.assets_ended(1).await.remove(0);
        assert_eq!(item["status"], "Completed");
        assert_eq!(hook.of("iconik.unauthorized").len(), 1, "told once");
        world.set_up(&manager, json!({ "system": [] })).await;
    });
}

#[test]
fn a_webhook_that_was_switched_off_is_repaired_and_its_gap_is_caught_up() {
    World::run(async |world| {
        let (manager, hook) = (world.iconik(json!({})).await, world.webhook(&[]).await);
        world.check_iconik().await;
        world.until("all is well", async || world.get("/api/v1/Media/Iconik").await["wellAt"].as_str().map(drop)).await;
        manager.iconik.update_webhooks(|webhook| {
            webhook["status"] = "DISABLED".into();
            webhook["first_failed_at"] = webhook["date_created"].clone();
            webhook["last_error"] = "answered 500".into();
        });
        manager.iconik.upload("one.jpg", &media("astronaut.jpg")).await;
        assert_eq!(world.items("system=iconik").await.len(), 0, "nobody told us");
        world.check_iconik().await;
        let told = world.until("the gap is told", async || hook.first("iconik.webhook.disabled")).await;
        assert_eq!(
            (&told.body["data"]["status"], &told.body["data"]["error"]),
            (&json!("DISABLED"), &json!("answered 500"))
        );
        assert_eq!(world.assets_ended(1).await[0]["status"], "Completed");
        world.until("what was caught up is told", async || hook.first("iconik.caught-up")).await;
        assert!(manager.iconik.objects("webhook").iter().all(|it| it["status"] == "ENABLED"));
        let headers = &manager.iconik.objects("webhook")[0]["headers"];
        assert_eq!(headers["x-webhook-secret"], manager.secret.as_str(), "headers go along with a repair");
        let (good, text) = world.notify_as(&["iconik", "status"]).await;
        assert!(good && text.contains("ENABLED"), "{text}");
    });
}

#[test]
fn another_systems_queue_is_read_and_its_messages_are_understood() {
    World::run(async |world| {
        let own = world.keys.application_id.as_str();
        let manager = world.iconik(json!({ "iconik_domain_id": own })).await;
        // what the settings say is a claim: Iconik's word alone makes the common queue's events an application's
        assert_eq!(world.get("/api/v1/Media/Iconik").await["domain"], DOMAIN_ID);
        manager.iconik.set_domain(own);
        world.check_iconik().await;
        world
            .until("Iconik has named the domain", async || {
                (world.get("/api/v1/Media/Iconik").await["domain"] == own).then_some(())
            })
            .await;
        // another application, with an Iconik of its own, which has said that its token is of another domain
        let claimer = World::at(world.stack).await;
        let theirs = claimer.iconik(json!({ "iconik_domain_id": own })).await;
        theirs.iconik.set_faults(json!({ "lose": 1_000 }));
        let claimed = theirs.iconik.upload("claimed.jpg", &media("astronaut.jpg")).await;
        manager.iconik.set_faults(json!({ "lose": 1_000 }));
        let one = manager.iconik.upload("one.jpg", &media("astronaut.jpg")).await;
        let two = manager.iconik.upload("two.jpg", &media("chelsea.jpg")).await;
        let event = |asset: &str| {
            json!({
                "system_domain_id": world.keys.application_id, "event_type": "collections", "object_id": asset, "user_id": "u",
                "realm": "contents", "operation": "create", "request_id": "r",
                "data": { "object_id": asset, "object_type": "assets", "collection_id": LIBRARY_COLLECTION_ID },
            })
        };
        // bare on our own queue, and wrapped by a Lambda URL on another's
        world.queue("IconikQueue", &event(&claimed).to_string());
        world.queue("IconikQueue", &event(&one).to_string());
        world.assets_ended(1).await;
        let wrapped = json!({ "version": "2.0", "isBase64Encoded": false, "body": event(&two).to_string() });
        let foreign = local::sqs::NewMessage {
            body: wrapped.to_string(),
            attributes: Value::Null,
            delay: std::time::Duration::ZERO,
        };
        // the stream's dead letters stand in for a queue of another account: nothing else reads them
        world.stack.sqs.send("notifications-StreamDead", &[foreign]).unwrap();
        let _letters = world.letters().await;
        let queue = json!({
            "iconik_domain_id": world.keys.application_id, "sqs_queue_url": format!("{}/000000000000/notifications-StreamDead", world.stack.sqs_url),
            "aws_region": "us-east-1", "aws_access_key": "test", "aws_secret_key": "test",
        });
        world.set_up(&manager, queue).await;
        world.check_iconik().await;
        world.assets_ended(2).await;
        assert!(claimer.items("").await.is_empty(), "a claim is told nothing");
        claimer.until("nothing is left of it", async || claimer.leftovers().is_empty().then_some(())).await;
        claimer.set_up(&theirs, json!({ "system": [] })).await;
        world.set_up(&manager, json!({ "system": [] })).await;
    });
}

#[test]
fn a_link_to_media_may_lead_elsewhere_but_not_inside() {
    World::run(async |world| {
        let manager = world.iconik(json!({})).await;
        manager.iconik.set_faults(json!({ "redirect": manager.iconik.url() }));
        manager.iconik.upload("one.jpg", &media("astronaut.jpg")).await;
        let items = world.assets_ended(1).await;
        assert_eq!(items[0]["status"], "Completed", "{items:?}");
        manager.iconik.set_faults(json!({ "redirect": "http://10.0.0.1" }));
        manager.iconik.upload("two.jpg", &media("chelsea.jpg")).await;
        let items = world.assets_ended(2).await;
        let two = items.iter().find(|it| it["title"] == "two.jpg").unwrap();
        assert_eq!((&two["status"], &two["error"]["code"]), (&json!("Failed"), &json!("access_denied")), "{two}");
        assert!(two.to_string().contains("10.0.0.1"), "{two}");
    });
}

#[test]
fn settings_choose_what_is_processed_and_say_what_is_not() {
    World::run(async |world| {
        let only_video = json!({ "video_file_types": ["video/mp4", "video/mp4"], "image_file_types": [] });
        let manager = world.iconik(only_video).await;
        manager.iconik.upload("one.jpg", &media("astronaut.jpg")).await;
        manager.iconik.upload("clip.mp4", &media("clip.mp4")).await;
        let items = world.assets_ended(2).await;
        let status = |title: &str| text(&items.iter().find(|it| it["title"] == title).unwrap()["status"]);
        assert_eq!((status("one.jpg").as_str(), status("clip.mp4").as_str()), ("Skipped", "Completed"));
        let settings = world.get("/api/v1/Media/Settings").await;
        assert_eq!(settings["video_file_types"], json!(["video/mp4"]), "each once");
        assert_eq!(settings["iconik_access_token"], "********");
        // a stored token is not sent to an address that somebody names later
        let mut moved = settings.clone();
        moved["iconik_url"] = "http://127.0.0.1:9".into();
        let (status, problem) = world.ask("PUT", "/api/v1/Media/Settings", Some(moved)).await;
        assert_eq!((status, &problem["field"]), (422, &json!("iconik_access_token")));
        for (name, value) in [
            ("system", json!(["avid"])),
            ("temp_folder", json!("../etc")),
            ("no_of_threads", json!(-1)),
            ("iconik_url", json!("http://10.0.0.1/")),
            ("log_level", json!("LOUD")),
            ("video_file_types", json!(["mp4"])),
            ("iconik_collections", json!(["../x"])),
            ("unknown_key", json!(1)),
        ] {
            let mut wrong = settings.clone();
            wrong[name] = value;
            let (status, problem) = world.ask("PUT", "/api/v1/Media/Settings", Some(wrong)).await;
            assert_eq!(status, 422, "{name}: {problem}");
        }
    });
}
