//! What the operator is told: the sweep looks at the queues, and its lines are the metrics of alarms. Of two sweeps one works.
//! What is switched off is refused.

use std::time::Duration;

use local::sqs::NewMessage;
use reqwest::Method;
use serde_json::json;
use system_tests::client::CHANNELS;
use system_tests::{World, own_stack};

#[test]
fn dead_letters_are_told_one_sweep_works_at_a_time_and_what_is_off_is_refused() {
    World::alone(async || {
        let data = tempfile::tempdir().unwrap();
        let stack = own_stack(data.path(), &[("Amqp", "off"), ("ObjectDetection", "off")]).await;
        let world = World::open(&stack).await;
        let form = [("url", "amqp://broker.example.com"), ("queueName", "news")];
        let (status, refused) = world.channels(Method::POST, &format!("{CHANNELS}/RabbitMQ"), &[], Some(&form)).await;
        assert!(status == 400 && refused.to_string().contains("switched channels of this kind off"), "{refused}");
        let settings = json!({ "processor": ["FacialRecognition", "ObjectDetection"] });
        let (status, refused) = world.ask("PUT", "/api/v1/Media/Settings", Some(settings)).await;
        assert!(status == 422 && refused.to_string().contains("has not switched ObjectDetection on"), "{refused}");
        let table = "notifications-Table";
        let lines = || std::fs::read_to_string(data.path().join("events.log")).unwrap();
        let lease = |until: i64| {
            let keys = json!({ "PK": { "S": "SWEEP" }, "SK": { "S": "LEASE" }, "kind": { "S": "slot" } });
            let mut row = json!({ "holder": { "S": "another" }, "until": { "N": until.to_string() } });
            row.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
            json!({ "TableName": table, "Item": row })
        };
        world.write_row("PutItem", &lease(9_000_000_000_000)).await;
        world
            .until("a run gives way to another", async || {
                assert!(stack.fire_schedule("sweep").await, "that is no failure");
                lines().contains("another run is under way").then_some(())
            })
            .await;
        let letter = NewMessage { body: "{}".to_owned(), attributes: json!({}), delay: Duration::ZERO };
        stack.sqs.send("notifications-ScanDead", &[letter]).unwrap();
        // without its checkpoint a run looks at once, and not only minutes after the last look
        let checkpoint = json!({ "PK": { "S": "SWEEP" }, "SK": { "S": "MARK" } });
        world.write_row("DeleteItem", &json!({ "TableName": table, "Key": checkpoint })).await;
        world.write_row("PutItem", &lease(0)).await;
        world
            .until("the dead letter is told", async || {
                assert!(stack.fire_schedule("sweep").await);
                let told = lines()
                    .lines()
                    .any(|it| it.contains("\"dead_letters\": Number(1)") && it.contains("notifications-ScanDead: 1"));
                told.then_some(())
            })
            .await;
    });
}
