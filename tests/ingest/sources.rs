//! Where media comes from besides: Object Matrix, limits of a day, threads, dry runs, an imported configuration.

use serde_json::{Value, json};
use system_tests::swarm::Swarm;
use system_tests::vault::Vault;
use system_tests::{World, media, own_stack, text};

#[test]
fn a_vault_is_walked_by_its_older_listing_and_may_refuse_to_be_written_to() {
    World::run(async |world| {
        let vault = Vault::start().await;
        for name in ["a", "b", "c", "d", "e.jpg"] {
            vault.put(name, "image/jpeg", media("astronaut.jpg"));
        }
        vault.put("f.jpg", "text/plain", b"no picture".to_vec());
        vault.put("g", "application/octet-stream", vec![0; 10]);
        let more = json!({ "system": "objectmatrix", "writeBack": true });
        let bucket = world.bucket_at(&vault.url, "vault", more).await;
        let scan = world.scan(&bucket).await;
        assert_eq!((&scan["listed"], &scan["found"]), (&json!(7), &json!(7)));
        let items = world.ended(&bucket, 7).await;
        let status = |key: &str| text(&items.iter().find(|it| it["key"] == key).unwrap()["status"]);
        for (key, want) in [("a", "Completed"), ("e.jpg", "Completed"), ("f.jpg", "Skipped"), ("g", "Skipped")] {
            assert_eq!(status(key), want, "{key}: the type is what the vault says, else what the name says");
        }
        assert_eq!(
            (vault.heads(), vault.refused()),
            (7, 5),
            "each new object's type; each result, refused and not missed"
        );
        assert_eq!(items[0]["system"], "objectmatrix");
        assert_eq!(world.scan(&bucket).await["found"], 0);
        assert_eq!(vault.heads(), 7, "nothing is asked twice");
        assert_eq!(world.items("system=objectmatrix").await.len(), 7);
    });
}

#[test]
fn results_are_written_beside_the_media_where_that_is_wanted() {
    World::run(async |world| {
        let name = format!("w{}", &world.keys.application_id[..8]);
        let folder = world.stack.bucket_folder(&name);
        std::fs::create_dir_all(folder.join("deep")).unwrap();
        let bucket = world.bucket_at(&world.stack.s3_url, &name, json!({ "writeBack": true })).await;
        std::fs::write(folder.join("deep/one.jpg"), media("astronaut.jpg")).unwrap();
        world.scan(&bucket).await;
        world.ended(&bucket, 1).await;
        let written: Value =
            serde_json::from_slice(&std::fs::read(folder.join("deep/.ai/one.jpg.json")).unwrap()).unwrap();
        assert_eq!(
            (&written["schema"], written["tracks"].as_array().map(Vec::len)),
            (&json!("processor-result/1"), Some(1))
        );
        let again = world.scan(&bucket).await;
        assert_eq!(again["found"], 0, "what we write is not media");
    });
}

#[test]
fn a_dry_run_counts_and_leaves_everything_as_it_is() {
    World::run(async |world| {
        let bucket = world.bucket().await;
        for name in ["a.jpg", "b.jpg", "c.txt"] {
            std::fs::write(bucket.folder.join(name), media("astronaut.jpg")).unwrap();
        }
        let (good, text) = world.notify_as(&["scan", &bucket.name, "--dry-run", "--json"]).await;
        assert!(good, "{text}");
        let told: Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(
            (&told["scan"]["found"], &told["scan"]["listed"], &told["scan"]["dry"]),
            (&json!(2), &json!(3), &json!(true))
        );
        assert_eq!(world.items("").await.len(), 0);
        assert_eq!(world.scan(&bucket.id).await["found"], 3, "the dry run has hidden nothing");
        world.ended(&bucket.id, 3).await;
    });
}

#[test]
fn a_days_limit_is_told_at_four_fifths_and_holds() {
    World::alone(async || {
        let data = tempfile::tempdir().unwrap();
        let stack = own_stack(data.path(), &[]).await;
        let world = World::open(&stack).await;
        let (hook, bucket) = (world.webhook(&[]).await, world.bucket().await);
        let (status, answer) = world.ask("PUT", "/api/v1/Media/Settings", Some(json!({ "items_per_day": 5 }))).await;
        assert_eq!(status, 200, "{answer}");
        for index in 0..7 {
            std::fs::write(bucket.folder.join(format!("{index}.jpg")), media("astronaut.jpg")).unwrap();
        }
        world.scan(&bucket.id).await;
        let warned = world.until("four fifths are told", async || hook.first("usage.warning")).await;
        assert_eq!((&warned.body["data"]["percent"], &warned.body["data"]["items"]), (&json!(80), &json!(4)));
        world.until("the stop is told", async || hook.first("usage.stopped")).await;
        world.until("five are done", async || (world.items("status=Completed").await.len() == 5).then_some(())).await;
        assert_eq!(world.items("status=Pending").await.len(), 2, "the others wait for tomorrow");
        assert_eq!((hook.of("usage.warning").len(), hook.of("usage.stopped").len()), (1, 1), "each told once");
    });
}

#[test]
fn no_of_threads_is_how_many_items_are_worked_on_at_once() {
    World::run(async |world| {
        // what a killed process left there, as long ago as no work takes, and what is somebody else's
        let name = format!("temp_{}", world.keys.application_id);
        let folder = std::path::Path::new("/tmp").join(&name);
        let (left, foreign) = (folder.join("notifications-process-left"), folder.join("photos"));
        for folder in [&left, &foreign] {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join("media"), b"x").unwrap();
            let then = folder.metadata().unwrap().modified().unwrap() - std::time::Duration::from_secs(7_200);
            let times = std::fs::FileTimes::new().set_modified(then);
            std::fs::File::open(folder).unwrap().set_times(times).unwrap();
        }
        let settings = json!({ "no_of_threads": 1, "temp_folder": name });
        assert_eq!(world.ask("PUT", "/api/v1/Media/Settings", Some(settings)).await.0, 200);
        let bucket = world.bucket().await;
        for index in 0..4 {
            std::fs::write(bucket.folder.join(format!("{index}.mp4")), media("clip.mp4")).unwrap();
        }
        world.scan(&bucket.id).await;
        let items = world.ended(&bucket.id, 4).await;
        let mut times = Vec::new();
        for item in items {
            let whole = world.get(&format!("/api/v1/Media/Items/{}", text(&item["id"]))).await;
            let at = |status: &str| {
                let history = whole["history"].as_array().unwrap();
                let at = text(&history.iter().find(|it| it["status"] == status).unwrap()["at"]);
                time::OffsetDateTime::parse(&at, &time::format_description::well_known::Rfc3339).unwrap()
            };
            times.push((at("Processing"), at("Completed")));
        }
        times.sort();
        for pair in times.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "one after the other: {times:?}");
        }
        assert_eq!((left.exists(), foreign.exists()), (false, true));
        std::fs::remove_dir_all(folder).unwrap();
    });
}

#[test]
fn a_configuration_is_taken_over_as_it_stands() {
    World::run(async |world| {
        let folder = tempfile::tempdir().unwrap();
        let (config, env) = (folder.path().join("config.json"), folder.path().join(".env"));
        let mut example: Value =
            serde_json::from_slice(&std::fs::read(system_tests::project().join("events/config.example.json")).unwrap())
                .unwrap();
        example["system"] = json!(["datacore"]); // nobody is called
        std::fs::write(&config, example.to_string()).unwrap();
        std::fs::copy(system_tests::project().join("events/.env.example"), &env).unwrap();
        let paths = [config.to_str().unwrap(), env.to_str().unwrap()];
        let (good, said) = world.notify_as(&["config", "import", "--config", paths[0], "--env", paths[1]]).await;
        assert!(good && said.contains("DATABASE_HOST is not used") && said.contains("LogLevel=TRACE"), "{said}");
        assert!(!said.contains("example-access-token") && !said.contains("example-secret-key"), "{said}");
        let settings = world.get("/api/v1/Media/Settings").await;
        assert_eq!((&settings["no_of_threads"], &settings["temp_folder"]), (&json!(1), &json!("temp_files")));
        assert_eq!(settings["video_file_types"].as_array().unwrap().len(), 12, "each type once");
        for secret in ["iconik_access_token", "aws_access_key", "aws_secret_key", "datacore_token"] {
            assert_eq!(settings[secret], "********", "{secret}");
        }
        example["iconik_ulr"] = "x".into();
        std::fs::write(&config, example.to_string()).unwrap();
        let (good, said) = world.notify_as(&["config", "import", "--config", paths[0]]).await;
        assert!(!good && said.contains("unknown keys: iconik_ulr"), "{said}");
    });
}

#[test]
fn a_swarm_is_polled_by_a_search_for_what_changed() {
    World::run(async |world| {
        let swarm = Swarm::start().await;
        swarm.put("without-a-suffix", "h1", media("astronaut.jpg"));
        let more = json!({
            "poll": "search", "schedule": "rate(1 minute)", "credentials": { "accessKey": "user", "secretKey": "password" },
        });
        let bucket = world.bucket_at(&swarm.url, "rushes", more).await;
        // the minute's sweep, at once and more often
        let swept = async |count: usize| {
            let query = format!("bucket={bucket}");
            world
                .until("the bucket is polled", async || {
                    assert!(world.stack.fire_schedule("sweep").await);
                    (world.items(&query).await.len() == count).then_some(())
                })
                .await;
        };
        swept(1).await;
        let first = world.ended(&bucket, 1).await.remove(0);
        assert_eq!((&first["status"], &first["mediaType"]), (&json!("Completed"), &json!("image/jpeg")));
        assert!(text(&first["version"]).starts_with("scsp-h1-"), "a hash says which protocol gave it: {first}");
        swarm.put("b.jpg", "h2", media("coffee.jpg"));
        swept(2).await;
        world.ended(&bucket, 2).await;
        let searches = swarm.searches();
        assert_eq!(searches[0], "", "the first is a walk of everything");
        assert!(searches[1..].iter().any(|it| it.starts_with("20")), "later ones look for what changed: {searches:?}");
        world.scan(&bucket).await;
        assert_eq!(swarm.searches().last().map(String::as_str), Some(""), "a person's scan walks everything");
        let (status, _) = world.ask("DELETE", &format!("/api/v1/Media/Buckets/{bucket}"), None).await;
        assert_eq!(status, 204);
    });
}

#[test]
fn what_somebody_waits_for_takes_the_short_queue() {
    World::run(async |world| {
        let (bucket, hook) = (world.bucket().await, world.webhook(&[]).await);
        std::fs::write(bucket.folder.join("one.jpg"), media("astronaut.jpg")).unwrap();
        world.scan(&bucket.id).await;
        let item = world.ended(&bucket.id, 1).await.remove(0);
        assert_eq!(item["priority"], 5);
        let (_, again) = world.ask("POST", &format!("/api/v1/Media/Items/{}/reprocess", text(&item["id"])), None).await;
        assert_eq!(again["priority"], 8);
        world.until("it is done again", async || (hook.of("item.completed").len() == 2).then_some(())).await;
        let (status, problem) = {
            let body = json!({ "system": "datacore", "endpoint": world.stack.s3_url, "bucket": "b", "schedule": "rate(1 day)", "priority": 11 });
            world.ask("POST", "/api/v1/Media/Buckets", Some(body)).await
        };
        assert_eq!((status, &problem["field"]), (422, &json!("priority")));
    });
}
