//! What it costs, against the budgets: units and requests per notification and per item.

use local::meter::Meter;
use serde_json::json;
use system_tests::swarm::Swarm;
use system_tests::{World, media, own_stack};

/// Budgets of the webhook path, per notification.
const BUDGETS: [(&str, f64); 4] =
    [("write units", 1.1), ("read units", 1.2), ("SQS requests", 0.35), ("invocations", 1.1)];

fn row(name: &str, used: &Meter, functions: &[&str], per: f64) -> [f64; 4] {
    let sum = |metric: &str| functions.iter().map(|it| used.of(it, metric)).sum::<f64>() / per;
    let invocations = functions.iter().filter_map(|it| used.invocations.get(*it)).sum::<u64>() as f64 / per;
    let row = [sum("write_units"), sum("read_units"), sum("sqs_requests"), invocations];
    println!("| {name} | {:.3} | {:.3} | {:.3} | {:.3} |", row[0], row[1], row[2], row[3]);
    row
}

#[test]
fn a_webhook_notification_and_an_item_cost_what_the_budgets_allow() {
    World::alone(async || {
        let data = tempfile::tempdir().unwrap();
        let stack = own_stack(data.path(), &[]).await;
        let world = World::open(&stack).await;
        let (swarm, hook) = (Swarm::start().await, world.webhook(&[]).await);
        for index in 0..1_000 {
            swarm.put(&format!("{index:04}.txt"), "e", b"x".to_vec());
        }
        let many = world.bucket_at(&swarm.url, "many", json!({})).await;
        let before = stack.meter();
        world.scan(&many).await;
        world.until("all are delivered", async || (hook.of("item.skipped").len() == 1_000).then_some(())).await;
        let used = stack.meter().since(&before);
        println!("| path | write units | read units | SQS requests | invocations |\n|---|---|---|---|---|");
        row("a new object that is skipped: `scan`", &used, &["scan"], 1_000.0);
        let costs = row(
            "a webhook notification: `dispatch` and `deliver-webhook`",
            &used,
            &["dispatch", "deliver-webhook"],
            1_000.0,
        );
        for ((what, budget), cost) in BUDGETS.into_iter().zip(costs) {
            assert!(cost <= budget, "{what}: {cost} is over {budget}");
        }
        let per_object = used.of("scan", "write_units") / 1_000.0;
        assert!((1.0..1.3).contains(&per_object), "about one write unit per new object: {per_object}");
        assert_eq!(used.of("scan", "media.ListObjectsV2"), 2.0, "one page, and the probe of the credentials");

        let before = stack.meter();
        world.scan(&many).await;
        let used = stack.meter().since(&before);
        assert!(
            used.of("scan", "write_units") <= 4.0,
            "an unchanged bucket writes no item: {}",
            used.of("scan", "write_units")
        );

        let pictures = world.bucket().await;
        for index in 0..20 {
            std::fs::write(pictures.folder.join(format!("{index}.jpg")), media("coffee.jpg")).unwrap();
        }
        let before = stack.meter();
        world.scan(&pictures.id).await;
        world.until("all are told", async || (hook.of("item.completed").len() == 20).then_some(())).await;
        let used = stack.meter().since(&before);
        let all = ["scan", "dispatch", "process", "deliver-webhook"];
        let costs = row("an item, found, processed and announced twice", &used, &all, 20.0);
        assert!(costs[0] < 20.0 && costs[1] < 20.0 && costs[2] < 8.0 && costs[3] < 5.0, "{costs:?}");
    });
}

#[test]
fn an_asset_of_iconiks_costs_what_the_readme_says() {
    World::alone(async || {
        let data = tempfile::tempdir().unwrap();
        let stack = own_stack(data.path(), &[("IconikWaitSeconds", "1")]).await;
        let world = World::open(&stack).await;
        let (manager, hook) = (world.iconik(json!({})).await, world.webhook(&[]).await);
        let (before, asked) = (stack.meter(), manager.iconik.requests());
        for index in 0..20 {
            manager.iconik.upload(&format!("{index}.jpg"), &media("coffee.jpg")).await;
        }
        world.until("all are told", async || (hook.of("item.completed").len() == 20).then_some(())).await;
        let used = stack.meter().since(&before);
        let asked = (manager.iconik.requests() - asked) as f64 / 20.0;
        println!("| path | write units | read units | SQS requests | invocations |\n|---|---|---|---|---|");
        let all = ["iconik-webhook", "iconik-ingest", "dispatch", "process", "deliver-webhook"];
        let costs = row("an asset, announced, found, processed, written back and told twice", &used, &all, 20.0);
        println!("{asked:.1} requests to Iconik per asset");
        assert!(asked <= 14.0 && costs[0] < 25.0 && costs[1] < 25.0, "{asked} {costs:?}");
    });
}
