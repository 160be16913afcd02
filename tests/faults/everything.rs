//! Iconik, DataCore and Object Matrix at once, while Iconik fails in every way: nothing is lost, nothing is done twice.

use std::collections::HashMap;

use serde_json::{Value, json};
use system_tests::{Dice, World, jpeg, media, own_stack, text, until};

/// Assets, and objects of each of the two buckets: 150 items.
const EACH: usize = 50;

#[test]
fn three_systems_at_once_while_iconik_fails() {
    World::alone(async || {
        let data = tempfile::Builder::new().prefix("all-").tempdir_in(system_tests::project().join("target/tmp"));
        let data = data.unwrap().keep();
        println!("events.log is in {}", data.display());
        let parameters = [
            ("LeaseSeconds", "10"),
            ("IconikWaitSeconds", "1"),
            ("QueueReturnSeconds", "60"),
            ("ProcessReturnSeconds", "60"),
            ("ProcessSeconds", "60"),
        ];
        let stack = own_stack(&data, &parameters).await;
        let world = World::open(&stack).await;
        let mut dice = Dice(world.seed);
        let hook = world.webhook(&[]).await;
        let (single, minutes) = (dice.roll(2) == 0, json!(1));
        let manager = world.iconik(json!({ "system": ["iconik", "datacore", "objectmatrix"], "single_webhook": single, "reconcile_minutes": minutes })).await;
        let bucket = world.bucket().await;
        let second = format!("v{}", &world.keys.application_id[..8]);
        let vault = world.stack.bucket_folder(&second);
        std::fs::create_dir_all(&vault).unwrap();
        let vault_id = world.bucket_at(&world.stack.s3_url, &second, json!({ "system": "objectmatrix" })).await;
        let small = jpeg(&image::load_from_memory(&media("astronaut.jpg")).unwrap().thumbnail(160, 160));
        for index in 0..EACH {
            std::fs::write(bucket.folder.join(format!("{index:03}.jpg")), &small).unwrap();
            std::fs::write(vault.join(format!("{index:03}.jpg")), &small).unwrap();
        }
        // 500, 429, slow, webhooks twice, swapped, and one that is never sent
        let faults = json!({
            "error_every": 17 + dice.roll(10), "busy_every": 23 + dice.roll(10), "slow_ms": 5, "twice_every": 4, "swap_every": 5,
            "lose": 1, "upload_ms": 50,
        });
        manager.iconik.set_faults(faults.clone());
        for id in [&bucket.id, &vault_id] {
            assert_eq!(world.ask("POST", &format!("/api/v1/Media/Buckets/{id}/scan"), None).await.0, 202);
        }
        let mut assets = Vec::new();
        for some in (0..EACH).collect::<Vec<usize>>().chunks(10) {
            let uploads = some.iter().map(|index| {
                let (iconik, small) = (manager.iconik.clone(), &small);
                async move { iconik.upload(&format!("{index:03}.jpg"), small).await }
            });
            assets.extend(futures_util::future::join_all(uploads).await);
            if some[0] == 20 {
                // the token is refused for a while, in the middle of it all
                let mut refused = faults.clone();
                refused["refused_until"] = json!(i64::MAX);
                manager.iconik.set_faults(refused);
                until("it is blocked", async || hook.first("iconik.unauthorized")).await;
                manager.iconik.set_faults(faults.clone());
            }
        }
        // the clock's minute, more often: leases, looks at Iconik, what is caught up
        let items = until("all items end", async || {
            world.stack.fire_schedule("sweep").await;
            world.check_iconik().await;
            let items = world.items("").await;
            let open = |it: &Value| matches!(it["status"].as_str(), Some("Pending" | "Processing"));
            (items.len() == 3 * EACH && !items.iter().any(open)).then_some(items)
        })
        .await;
        let mut ended: HashMap<String, usize> = HashMap::new();
        for item in &items {
            *ended.entry(text(&item["status"])).or_default() += 1;
            assert!(
                item["status"] == "Completed" || (item["status"] == "Failed" && item["error"]["message"].is_string()),
                "{item}"
            );
        }
        println!("{ended:?}; {} requests to Iconik for {EACH} assets", manager.iconik.request_count());
        assert!(ended["Completed"] * 20 > 3 * EACH * 19, "few fail, less than one in twenty: {ended:?}");
        for asset in &assets {
            let of: Vec<&Value> = items.iter().filter(|it| text(&it["key"]) == *asset).collect();
            assert_eq!(of.len(), 1, "{asset} is one item");
            let job = manager.of("job", asset);
            let done = of[0]["status"] == "Completed";
            assert_eq!(
                !manager.of("metadata", asset).is_empty(),
                done || !manager.of("metadata", asset).is_empty(),
                "{asset}"
            );
            assert!(
                !done || (manager.of("metadata", asset).len() == 1 && job.iter().any(|it| it["status"] == "FINISHED")),
                "{asset}: {job:?}"
            );
        }
        let told = |kind: &str| {
            let mut ids: HashMap<String, Vec<String>> = HashMap::new();
            for message in hook.of(kind) {
                let all = ids.entry(text(&message.body["data"]["item"]["id"])).or_default();
                if !all.contains(&message.id) {
                    all.push(message.id);
                }
            }
            ids
        };
        until("each is told", async || (told("item.completed").len() == ended["Completed"]).then_some(())).await;
        for kind in ["item.found", "item.completed"] {
            assert!(told(kind).values().all(|it| it.len() == 1), "{kind} of an item is told under one id");
        }
        until("no queue holds a leftover", async || {
            world.stack.fire_schedule("sweep").await;
            let left: Vec<String> =
                world.stack.sqs.queue_names().flat_map(|it| world.stack.sqs.bodies(it).unwrap()).collect();
            left.is_empty().then_some(())
        })
        .await;
        drop(stack);
        std::fs::remove_dir_all(data).unwrap();
    });
}
