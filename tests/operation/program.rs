//! The `notify` program tells the truth: what it did not see it does not deny, what it adds it removes, and what
//! strangers write reaches no terminal raw.

use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::client::CHANNELS;
use system_tests::{World, media, own_stack, program, text};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// The body of the first record of an event.
fn body(event: &str) -> Value {
    let event: Value = serde_json::from_str(event).unwrap();
    serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap()
}

#[test]
fn none_is_said_only_of_what_is_shown_to_be_none_and_a_bound_holds() {
    World::alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let stack = own_stack(folder.path(), &[]).await;
        local::demo::set_up(&stack).await.unwrap();
        let world = &World::open(&stack).await;
        // deliveries to a channel that is not there: once they are back, they are done at once
        let mut letter = body(include_str!("../../events/deliver-webhook.first-attempt.json"));
        letter["app"] = json!(world.keys.application_id);
        let letter = letter.to_string();
        (0..5).for_each(|_| world.queue("WebhookDead", &letter));
        let dead = || stack.sqs.depth("notifications-WebhookDead").unwrap();
        for look in ["the first", "the second, at once"] {
            let (good, said) = world.notify(&["dead-letters", "webhook", "--json"]).await;
            assert!(good && said.lines().count() == 5, "{look}: {said}");
            assert_eq!((dead().visible, dead().in_flight), (5, 0), "{look} has let them go");
        }
        let (good, said) = world.notify(&["dead-letters", "webhook", "--most", "2"]).await;
        let data = folder.path().display().to_string();
        assert!(good && said.contains("2 of 5 letters") && said.contains(&format!("--data {data}")), "{said}");
        let (good, said) = world.notify(&["redrive", "webhook", "--most", "1", "--json"]).await;
        assert!(good && said.contains(r#""redriven":1"#), "{said}");
        assert_eq!(dead().total(), 4);
        let (good, said) = world.notify(&["redrive", "webhook", "--most", "0"]).await;
        assert!(!good && !said.contains('✓'), "{said}");

        // somebody else has one
        let held = stack.sqs.receive("notifications-WebhookDead", 1, Duration::from_secs(600)).unwrap();
        let (good, said) = world.notify(&["redrive", "webhook"]).await;
        assert!(!good && said.contains("3 letters are back") && said.contains("1 dead letters of `webhook`"), "{said}");
        for command in ["dead-letters", "redrive"] {
            let (good, said) = world.notify(&[command, "webhook"]).await;
            assert!(!good && !said.contains('✓') && said.contains("1 dead letters of `webhook`"), "{said}");
        }
        let (good, said) = world.notify(&["queues", "--json"]).await;
        let queues: Vec<Value> = said.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
        let webhook = queues.iter().find(|it| it["queue"] == "WebhookDead").unwrap();
        assert!(good && webhook["inFlight"] == 1 && webhook["waiting"] == 0, "{said}");
        assert!(queues.iter().any(|it| it["queue"] == "ScanQueue"), "{said}");
        stack.sqs.change_visibility(&held[0].receipt_handle, Duration::ZERO).unwrap();
        let (good, said) = world.notify(&["redrive", "webhook"]).await;
        assert!(good && said.contains("1 letters are back"), "{said}");
        let (good, said) = world.notify(&["redrive", "webhook"]).await;
        assert!(good && said.contains("there are no dead letters of webhook"), "{said}");
        let (good, said) = world.notify(&["dead-letters"]).await;
        assert!(good && said.contains("there are no dead letters"), "{said}");

        // `| head -1`: whoever reads has gone
        for arguments in [&["completions", "bash"][..], &["queues"], &["bucket", "list"]] {
            let mut command = Command::new(program());
            command.args(arguments).arg("--data").arg(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            drop(child.stdout.take());
            let output = child.wait_with_output().await.unwrap();
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && complaint.is_empty(), "{arguments:?}: {complaint}");
        }
    });
}

#[test]
fn a_restart_changes_nothing_but_the_addresses_that_it_changed() {
    World::alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let stack = own_stack(folder.path(), &[]).await;
        let demo = local::demo::set_up(&stack).await.unwrap();
        let world = World::open(&stack).await;
        for change in [
            &["bucket", "pause", "datacore-demo"][..],
            &["bucket", "remove", "objectmatrix-demo"],
            &["config", "set", "items_per_day=7", "webhook_name=mine"],
            // keys that the program itself replaces, it goes on with
            &["app", "rotate-jwt-key", "--overlap", "0"],
            &["key", "rotate", demo.api_key.split('_').nth(2).unwrap(), "--overlap", "0"],
        ] {
            let (good, said) = world.notify(change).await;
            assert!(good, "{change:?}: {said}");
        }
        let kept = local::demo::read_stack_file(folder.path()).unwrap();
        assert!(kept.api_key != demo.api_key && kept.jwt_private_key != demo.jwt_private_key);
        drop(world);
        drop(stack);
        std::fs::remove_file(folder.path().join("ports.json")).unwrap(); // so that S3 and Iconik get other ports
        let stack = own_stack(folder.path(), &[]).await;
        let again = local::demo::set_up(&stack).await.unwrap();
        assert_ne!(demo.s3_url, again.s3_url);
        let world = World::open(&stack).await;
        assert_eq!((&again.api_key, &again.jwt_private_key), (&kept.api_key, &kept.jwt_private_key));
        // keys that somebody else replaced: the program says so, and what to do
        let stale = local::demo::Demo { api_secret: demo.api_secret.clone(), ..again.clone() };
        local::demo::write_stack_file(folder.path(), &stale).unwrap();
        let (good, said) = world.notify(&["bucket", "list"]).await;
        let file = local::demo::stack_file(folder.path()).display().to_string();
        assert!(
            !good && said.contains(&file) && said.contains("replaced or revoked") && said.contains("--fresh"),
            "{said}"
        );
        local::demo::write_stack_file(folder.path(), &again).unwrap();
        let (_, said) = world.notify(&["bucket", "list", "--json"]).await;
        let buckets: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(buckets.as_array().map(Vec::len), Some(1), "what was removed stays so: {said}");
        assert_eq!((&buckets[0]["id"], &buckets[0]["active"]), (&json!(demo.buckets[0].id), &json!(false)));
        assert_eq!(text(&buckets[0]["endpoint"]), again.s3_url);
        assert_eq!(buckets[0]["hasCredentials"], true);
        let (_, said) = world.notify(&["config", "show", "--json"]).await;
        let settings: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&settings["items_per_day"], &settings["webhook_name"]), (&json!(7), &json!("mine")));
        assert_eq!(text(&settings["iconik_url"]), stack.iconik.url());
        assert_eq!(text(&settings["system_endpoint"]), stack.url);
    });
}

#[test]
fn it_says_what_happened_and_changes_what_was_meant() {
    World::run(async |world| {
        let said = async |arguments: &[&str]| {
            let (good, said) = world.notify_as(arguments).await;
            assert!(good, "{arguments:?}: {said}");
            said
        };
        // keys without an address are not the demo's
        for arguments in [&["bucket", "list"][..], &["config", "set", "items_per_day=1"]] {
            let (good, said) = world.notify(&[arguments, &["--api-key", "nk_live_x_secret"]].concat()).await;
            assert!(!good && said.contains("without --url") && !said.contains("nk_live"), "{said}");
        }
        let (good, refused) = world.notify(&["app", "list", "--operator-key", "op_x"]).await;
        assert!(!good && refused.contains("without --url"), "{refused}");
        // what is wrong with the arguments, and what went wrong
        let exit = async |arguments: &[&str]| {
            let mut command = Command::new(program());
            command.args(arguments).arg("--data").arg(world.stack.data());
            command.output().await.unwrap().status.code()
        };
        for (arguments, want) in [
            (&["bucket", "list", "--api-key", "nk_live_x_secret"][..], 2),
            (&["bucket", "list", "--application-id", "x", "--url", "x", "--api-key", "x", "--api-secret", "x"], 2),
            (&["config", "set", "items_per_day"], 2),
            (&["send", "--user", "..", "--title", "t"], 2),
            (&["listen", "--user", "1", "--count", "0"], 2),
            (&["redrive", "nonsense"], 2),
            (&["config", "import", "--config", "/nowhere/config.json"], 1),
            (&["bucket", "remove", "nonsense"], 1),
        ] {
            assert_eq!(exit(arguments).await, Some(want), "{arguments:?}");
        }
        // a key is of the application that is named, or nothing is done
        let other = World::at(world.stack).await;
        let theirs = ["--url", &world.stack.url, "--application-id", &other.keys.application_id];
        let ours = ["--api-key", &world.keys.api_key, "--api-secret", &world.keys.api_secret];
        for command in [
            &["bucket", "list"][..],
            &["config", "show"],
            &["send", "--user", "1", "--title", "t"],
            &["channel", "list"],
            &["key", "list"],
        ] {
            let (good, refused) = world.notify(&[command, &theirs, &ours].concat()).await;
            assert!(!good && !refused.contains('✓'), "{command:?}: {refused}");
        }
        // a refusal names its field
        let nowhere = ["bucket", "add", "nowhere", "--endpoint", "http://127.0.0.1:1"];
        let (good, refused) = world.notify_as(&[&nowhere[..], &["--schedule", "now and then"]].concat()).await;
        assert!(!good && refused.contains("422") && refused.contains("schedule: "), "{refused}");

        // a scan by schedule that failed
        said(&[&nowhere[..], &["--schedule", "rate(30 days)"]].concat()).await;
        let buckets: Value = serde_json::from_str(&said(&["bucket", "list", "--json"]).await).unwrap();
        let id = text(&buckets[0]["id"]);
        let mut order = body(include_str!("../../events/scan.first-page.json"));
        order["app"] = json!(world.keys.application_id);
        order["bucket"] = json!(id);
        world.queue("ScanQueue", &order.to_string());
        world
            .until("the list says that it failed, and when", async || {
                let list = said(&["bucket", "list"]).await;
                (list.contains(": failed at 20") && list.contains("; next scan after 20")).then_some(())
            })
            .await;
        // paused, with all else as it was
        let path = format!("/api/v1/Media/Buckets/{id}");
        let mut put = local::demo::as_put_body(world.get(&path).await);
        put["poll"] = json!("search");
        put["fullWalkEvery"] = json!(7);
        put["credentials"] = json!({ "accessKey": "a", "secretKey": "s" });
        assert_eq!(world.ask("PUT", &path, Some(put)).await.0, 200);
        for (command, active) in [("pause", false), ("resume", true)] {
            said(&["bucket", command, "nowhere"]).await;
            let bucket = world.get(&path).await;
            let kept = (&bucket["active"], &bucket["poll"], &bucket["fullWalkEvery"], &bucket["hasCredentials"]);
            assert_eq!(kept, (&json!(active), &json!("search"), &json!(7), &json!(true)));
        }
        said(&["bucket", "remove", "nowhere"]).await;
        assert_eq!(world.ask("GET", &path, None).await.0, 404);

        // an item once more; an id is one segment
        let bucket = world.bucket().await;
        std::fs::write(bucket.folder.join("one.jpg"), media("astronaut.jpg")).unwrap();
        world.scan(&bucket.id).await;
        let item = text(&world.ended(&bucket.id, 1).await[0]["id"]);
        let ordered = said(&["reprocess", &item]).await;
        assert!(ordered.contains("one.jpg is P"), "{ordered}"); // Pending, or Processing
        world.ended(&bucket.id, 1).await;
        for id in ["..", "itm_x/../..", "no"] {
            let (good, refused) = world.notify_as(&["reprocess", id]).await;
            assert!(!good && !refused.contains('✓'), "{refused}");
        }

        // what a stranger wrote
        let title = "\u{1b}[2Jgone\u{9b}31m\u{202e}";
        for more in [&[][..], &["--json"]] {
            let sent = said(&[&["send", "--user", "stranger", "--title", title], more].concat()).await;
            assert!(!sent.chars().any(|it| it.is_control() && it != '\n') && !sent.contains('\u{202e}'), "{sent:?}");
            assert!(more.is_empty() == sent.contains("\\u001b[2Jgone\\u009b31m\\u202e"), "{sent}");
        }

        // the original's files
        let folder = tempfile::tempdir().unwrap();
        let (config, env) = (folder.path().join("config.json"), folder.path().join(".env"));
        let (config_path, env_path) = (config.to_string_lossy(), env.to_string_lossy());
        let import = ["config", "import", "--config", &config_path, "--env", &env_path];
        std::fs::write(&config, "{}").unwrap();
        std::fs::write(&env, "AWS_SECRET_KEY=pa$$w${x\nSQLALCHEMY_DATABASE_URL=sqlite:///./n.db\n").unwrap();
        let imported = said(&import).await;
        assert!(imported.contains("SQLALCHEMY_DATABASE_URL is not used: everything is kept in DynamoDB"), "{imported}");
        std::fs::write(&config, "{\n  \"no_of_threads\": \"many\"\n}").unwrap();
        let (good, refused) = world.notify_as(&import).await;
        let place = format!("{config_path}, line 2: storing the settings was answered with 422: no_of_threads: ");
        assert!(!good && refused.contains(&place), "{refused}");
        std::fs::write(&config, "{\n  \"no_of_treads\": 2\n}").unwrap();
        let (good, refused) = world.notify_as(&import).await;
        assert!(!good && refused.contains(&format!("no_of_treads ({config_path}, line 2)")), "{refused}");
        std::fs::write(&config, "{}").unwrap();
        std::fs::write(&env, "LOG_LEVEL=ALL\nAWS_SECRET_KEY hush\n").unwrap();
        let (good, refused) = world.notify_as(&import).await;
        assert!(!good && refused.contains("line 2: AWS_SECRET_KEY: ") && !refused.contains("hush"), "{refused}");

        // a receiver takes its channel along, however it ends
        for signal in ["-TERM", "-INT"] {
            let keys = &world.keys;
            let mut command = Command::new(program());
            command.args(["receive", "--port", "0", "--url", &world.stack.url, "--api-key", &keys.api_key]);
            command.args(["--application-id", &keys.application_id, "--api-secret", &keys.api_secret]);
            let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let first = lines.next_line().await.unwrap().unwrap();
            assert!(first.contains("Listening at "), "{first}");
            let all = format!("{CHANNELS}/All");
            let there = world.channels(Method::GET, &all, &[], None).await.1;
            let id = text(&there[0]["id"]);
            assert!(first.contains(&id) && !id.is_empty(), "{first}");
            let process = child.id().unwrap().to_string();
            assert!(Command::new("kill").args([signal, &process]).status().await.unwrap().success());
            let mut removed = false;
            while let Some(line) = lines.next_line().await.unwrap() {
                removed |= line.contains(&format!("the channel {id} is removed"));
            }
            assert!(child.wait().await.unwrap().success() && removed, "{signal}");
            assert_eq!(world.channels(Method::GET, &all, &[], None).await.1, json!([]));
        }
        let channel = text(&world.channel("http://127.0.0.1:1/", &[]).await["id"]);
        said(&["channel", "remove", &channel]).await;
        let (good, refused) = world.notify_as(&["channel", "remove", &channel]).await;
        assert!(!good && refused.contains("404"), "{refused}");
    });
}
