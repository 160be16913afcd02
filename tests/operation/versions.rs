//! Two versions side by side: what a newer function has queued is done, or waits for it.

use serde_json::{Value, json};
use system_tests::{World, own_stack};

#[test]
fn an_order_of_a_newer_version_is_not_parked_by_an_older_function() {
    World::alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let stack = own_stack(folder.path(), &[]).await;
        let world = &World::open(&stack).await;
        let (bucket, event) = (world.bucket().await, include_str!("../../events/scan.first-page.json"));
        let event: Value = serde_json::from_str(event).unwrap();
        let mut order: Value = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        order["app"] = json!(world.keys.application_id);
        order["bucket"] = json!(bucket.id);
        order["scan"] = json!("of-a-newer-version");
        order["v"] = json!(3);
        world.queue("ScanQueue", &order.to_string());
        let log = folder.path().join("events.log");
        world
            .until("it goes back to its queue", async || {
                let log = std::fs::read_to_string(&log).unwrap();
                log.contains("the scan command has version 3").then_some(())
            })
            .await;
        assert_eq!(stack.sqs.depth("notifications-ScanDead").unwrap().total(), 0);
        assert_eq!(stack.sqs.depth("notifications-ScanQueue").unwrap().total(), 1);
        // a field that an older function need not know
        let hook = world.webhook(&[]).await;
        let event = include_str!("../../events/deliver-webhook.first-attempt.json");
        let event: Value = serde_json::from_str(event).unwrap();
        let mut delivery: Value = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        delivery["app"] = json!(world.keys.application_id);
        delivery["channel"] = json!(*hook.channel.lock().unwrap());
        delivery["addedLater"] = json!({ "a": 1 });
        world.queue("WebhookQueue", &delivery.to_string());
        world.until("it is delivered", async || (hook.of("item.completed").len() == 1).then_some(())).await;
    });
}
