//! The connection to Iconik is kept as the settings want it, and what is wrong with it is told: once, and when it is over.

use local::iconik::APP_ID;
use serde_json::{Value, json};
use system_tests::manager::Manager;
use system_tests::{World, text};

const STATE: &str = "/api/v1/Media/Iconik";

/// Name and address of the webhooks at Iconik, by name.
fn webhooks(manager: &Manager) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> =
        manager.iconik.objects("webhook").iter().map(|it| (text(&it["name"]), text(&it["url"]))).collect();
    all.sort();
    all
}

/// Waits until these are the webhooks.
async fn settled(world: &World<'_>, manager: &Manager, want: &[(&str, &str)]) {
    let want: Vec<(String, String)> = want.iter().map(|it| (it.0.to_owned(), it.1.to_owned())).collect();
    world.until(&format!("{want:?}"), async || (webhooks(manager) == want).then_some(())).await;
}

#[test]
fn settings_that_change_leave_no_webhook_behind_and_raise_no_alarm() {
    World::run(async |world| {
        let manager = world.iconik(json!({ "webhook_name": "Old", "single_webhook": false })).await;
        let hook = world.webhook(&[]).await;
        // a colleague's own, which tells of the same at the same place
        let ours = format!("{}/iconik/webhook", world.stack.url);
        let theirs = json!({
            "name": "By hand", "url": ours, "event_type": "collections", "realm": "contents", "operation": "create",
            "headers": { "x-webhook-secret": manager.secret }, "status": "ENABLED",
        });
        let url = format!("{}/API/notifications/v1/webhooks/", manager.iconik.url());
        let post = world.http.post(url).header("app-id", APP_ID).header("auth-token", manager.iconik.token());
        assert_eq!(post.json(&theirs).send().await.unwrap().status(), 201);
        world.check_iconik().await;
        world.until("all is well", async || world.get(STATE).await["wellAt"].as_str().map(drop)).await;
        let by_hand = ("By hand", ours.as_str());
        let old = [by_hand, ("Old", &ours), ("Old (files)", &ours), ("Old (proxies)", &ours)];
        settled(world, &manager, &old).await;

        world.set_up(&manager, json!({ "webhook_name": "New", "single_webhook": false })).await;
        let new = [by_hand, ("New", &ours), ("New (files)", &ours), ("New (proxies)", &ours)];
        settled(world, &manager, &new).await;
        world.set_up(&manager, json!({ "webhook_name": "New" })).await;
        settled(world, &manager, &[by_hand, ("New", &ours)]).await;
        // another address of this deployment, and another secret with it
        let moved = format!("{}/moved", world.stack.url);
        let secret = format!("another-{}", manager.secret);
        let settings = json!({ "webhook_name": "New", "system_endpoint": moved, "iconik_webhook_secret": secret });
        world.set_up(&manager, settings).await;
        settled(world, &manager, &[by_hand, ("New", &format!("{moved}/iconik/webhook"))]).await;
        world.set_up(&manager, json!({ "webhook_name": "New", "single_webhook": false })).await;
        settled(world, &manager, &new).await;

        // what was really switched off is told, and nothing was before
        world
            .until("it is seen as well again", async || {
                let all = world.get(STATE).await["webhooks"].as_array().cloned().unwrap_or_default();
                (all.len() == 3 && all.iter().all(|it| it["status"] == "ENABLED")).then_some(())
            })
            .await;
        manager.iconik.update_webhooks(|webhook| {
            if webhook["name"] == "New (files)" {
                webhook["status"] = "DISABLED".into();
            }
        });
        world.check_iconik().await;
        let told = world.until("the alarm", async || hook.first("iconik.webhook.disabled")).await;
        assert_eq!(told.body["data"]["webhook"], "New (files)");
        assert_eq!(hook.of("iconik.webhook.disabled").len(), 1, "changed settings are no alarm");

        // without Iconik among the systems nothing of ours stays there
        world.set_up(&manager, json!({ "system": [] })).await;
        settled(world, &manager, &[by_hand]).await;
    });
}

#[test]
fn an_outage_and_an_unreadable_queue_are_told_once_and_when_they_are_over() {
    World::run(async |world| {
        let (manager, hook) = (world.iconik(json!({})).await, world.webhook(&[]).await);
        let next = async || text(&world.get(STATE).await["nextCheck"]);
        manager.iconik.set_faults(json!({ "error_every": 1 }));
        for _ in 0..2 {
            let before = next().await;
            world.check_iconik().await;
            world
                .until("it was looked at", async || {
                    let state: Value = world.get(STATE).await;
                    (state["unreachable"].is_string() && text(&state["nextCheck"]) != before).then_some(())
                })
                .await;
        }
        let told = world.until("the outage is told", async || hook.first("iconik.unreachable")).await;
        assert!(text(&told.body["data"]["error"]).contains("500"), "{told:?}");
        assert!(world.get(STATE).await["unreachableSince"].is_string());
        let (_, shown) = world.notify_as(&["iconik", "status"]).await;
        assert!(shown.contains("it does not answer"), "{shown}");
        manager.iconik.set_faults(json!({}));
        world.check_iconik().await;
        let over = world.until("its end is told", async || hook.first("iconik.reachable")).await;
        assert!(over.body["data"]["unreachableSince"].is_string(), "{over:?}");
        assert_eq!(hook.of("iconik.unreachable").len(), 1, "once");
        assert_eq!(world.get(STATE).await["unreachable"], Value::Null);

        let queue = json!({
            "sqs_queue_url": format!("{}/000000000000/no-such-queue", world.stack.sqs_url), "aws_region": "us-east-1",
            "aws_access_key": "test", "aws_secret_key": "test",
        });
        world.set_up(&manager, queue).await;
        world.until("the queue is told", async || hook.first("iconik.queue.unreadable")).await;
        let state = world.get(STATE).await;
        assert!(state["queueError"].is_string() && state["queueErrorSince"].is_string(), "{state}");
        let before = next().await;
        world.check_iconik().await;
        world.until("it was looked at again", async || (next().await != before).then_some(())).await;
        // a queue of ours that nothing is ever put into stands in for one that is there
        let queue = json!({
            "sqs_queue_url": format!("{}/000000000000/notifications-StreamDead", world.stack.sqs_url),
            "aws_region": "us-east-1", "aws_access_key": "test", "aws_secret_key": "test",
        });
        let _letters = world.letters().await;
        world.set_up(&manager, queue).await;
        world.until("it is readable", async || hook.first("iconik.queue.readable")).await;
        assert_eq!(hook.of("iconik.queue.unreadable").len(), 1, "once");
        assert_eq!(world.get(STATE).await["queueError"], Value::Null);
        world.set_up(&manager, json!({ "system": [] })).await;
    });
}
