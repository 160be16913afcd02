//! Killed at random: nothing that was accepted is lost.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::{Value, json};
use system_tests::receiver::Receiver;
use system_tests::{Dice, Place, World, jpeg, media, own_stack, text, until};

const ITEMS: usize = 120;
const PARAMETERS: [(&str, &str); 4] =
    [("LeaseSeconds", "5"), ("ProcessSeconds", "20"), ("ProcessReturnSeconds", "20"), ("QueueReturnSeconds", "30")];

#[test]
fn killed_functions_and_a_killed_stack_lose_nothing() {
    World::alone(async || {
        let data =
            tempfile::Builder::new().prefix("kills-").tempdir_in(system_tests::project().join("target/tmp")).unwrap();
        println!("events.log is in {}", data.path().display());
        let data = data.keep();
        let mut stack = own_stack(&data, &PARAMETERS).await;
        let world = World::open(&stack).await;
        let mut dice = Dice(world.seed);
        let (keys, hook, bucket) = (world.keys.clone(), world.webhook(&[]).await, world.bucket().await);
        let small = jpeg(&image::load_from_memory(&media("astronaut.jpg")).unwrap().thumbnail(160, 160));
        for index in 0..ITEMS {
            std::fs::write(bucket.folder.join(format!("{index:03}.jpg")), &small).unwrap();
        }
        let (status, _) = world.ask("POST", &format!("/api/v1/Media/Buckets/{}/scan", bucket.id), None).await;
        assert_eq!(status, 202);
        let mut kills = 0;
        for restart in 0..3 {
            // some kills before each restart, unless the work is done before
            while kills < 8 * (restart + 1) && hook.of("item.completed").len() < ITEMS {
                pause(50 + dice.roll(250)).await;
                let function = ["scan", "process", "process", "dispatch", "deliver-webhook"][dice.roll(5) as usize];
                kills += usize::from(stack.function(function).unwrap().kill_one_busy());
            }
            drop(stack); // every process and every emulator, in the middle of whatever they do
            stack = own_stack(&data, &PARAMETERS).await;
        }
        println!("{kills} functions and 3 stacks were killed");
        assert!(kills > 5, "the test kills something");
        let world = World { stack: Place::of(&stack), keys, http: system_tests::http(), seed: 0 };
        check(&world, &bucket.id, &hook).await;
        drop(stack);
        std::fs::remove_dir_all(data).unwrap();
    });
}

async fn check(world: &World<'_>, bucket: &str, hook: &Receiver) {
    // the minute's sweep, more often: what a killed worker held is taken from it as soon as its lease is over
    let items = until("all items end", async || {
        world.stack.fire_schedule("sweep").await;
        let items = world.items(&format!("bucket={bucket}")).await;
        let open = |it: &Value| matches!(it["status"].as_str(), Some("Pending" | "Processing"));
        (items.len() == ITEMS && !items.iter().any(open)).then_some(items)
    })
    .await;
    let completed: HashSet<String> =
        items.iter().filter(|it| it["status"] == "Completed").map(|it| text(&it["id"])).collect();
    for item in items.iter().filter(|it| it["status"] != "Completed") {
        assert!(item["status"] == "Failed" && item["error"]["message"].is_string(), "{item}");
    }
    println!("{} of {ITEMS} items completed", completed.len());
    assert!(completed.len() > ITEMS / 2);
    let told = |kind: &str| {
        let mut ids: HashMap<String, HashSet<String>> = HashMap::new();
        for message in hook.of(kind) {
            ids.entry(text(&message.body["data"]["item"]["id"])).or_default().insert(message.id);
        }
        ids
    };
    until("every completed item is announced", async || {
        (told("item.completed").len() == completed.len()).then_some(())
    })
    .await;
    until("every item is announced as found", async || (told("item.found").len() == ITEMS).then_some(())).await;
    for (item, ids) in told("item.completed") {
        assert!(completed.contains(&item) && ids.len() == 1, "{item} is told under one id: {ids:?}");
    }
    until("no queue holds a leftover", async || {
        let left: usize = world.stack.sqs.queue_names().map(|it| world.stack.sqs.bodies(it).unwrap().len()).sum();
        (left == 0).then_some(())
    })
    .await;
    let counted = until("the summary is right", async || {
        let summary = world.get("/api/v1/Media/Summary").await;
        (summary["Completed"] == json!(completed.len()) && summary["Pending"] == 0 && summary["Processing"] == 0)
            .then_some(summary)
    })
    .await;
    assert_eq!(counted["Failed"], json!(ITEMS - completed.len()));
}

#[expect(clippy::disallowed_methods, reason = "chance decides when something is killed, not a condition")]
async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
