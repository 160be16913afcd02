//! One slow, one hanging, one failing and one closed receiver beside a healthy one: the healthy one does not notice.
//! `WORLD_NOTIFICATIONS=10000` makes it large.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::client::CHANNELS;
use system_tests::receiver::{Answer, Receiver};
use system_tests::swarm::Swarm;
use system_tests::{World, own_stack, setting, text};

/// How long each notification took to the receiver, in milliseconds, sorted.
fn latencies(hook: &Receiver) -> Vec<u64> {
    let mut all: Vec<u64> = hook.times("item.skipped").into_iter().map(|it| it.as_millis() as u64).collect();
    all.sort_unstable();
    all
}

fn share(all: &[u64], part: f64) -> u64 {
    all[((all.len() - 1) as f64 * part) as usize]
}

async fn scan(world: &World<'_>, swarm: &Swarm, name: &str, count: usize) {
    for index in 0..count {
        swarm.put(&format!("{index:06}.txt"), "e", b"x".to_vec());
    }
    let bucket = world.bucket_at(&swarm.url, name, json!({})).await;
    world.scan(&bucket).await;
}

#[test]
fn a_healthy_receiver_does_not_notice_the_others_and_nothing_is_lost() {
    World::alone(async || {
        let data = tempfile::tempdir().unwrap();
        let stack = own_stack(data.path(), &[]).await;
        let world = World::open(&stack).await;
        let count = setting("WORLD_NOTIFICATIONS").unwrap_or(200) as usize;
        let only = [("types", "item.*")];
        let healthy = world.webhook(&only).await;
        // the same load first, beside four that are as healthy
        let mut others = Vec::new();
        for _ in 0..4 {
            others.push(world.webhook(&only).await);
        }
        scan(&world, &Swarm::start().await, "alone", count).await;
        world.until("all came", async || (healthy.of("item.skipped").len() == count).then_some(())).await;
        let alone = latencies(&healthy);
        for hook in others {
            world.until("the others have all", async || (hook.of("item.skipped").len() == count).then_some(())).await;
            let id = hook.channel.lock().unwrap().clone();
            assert_eq!(world.channels(Method::DELETE, CHANNELS, &[("configurationId", &id)], None).await.0, 200);
        }

        let (slow, hanging) = (world.webhook(&only).await, world.webhook(&only).await);
        let (failing, gone) = (world.webhook(&only).await, world.webhook(&only).await);
        slow.always(Answer::Late(Duration::from_millis(1_500)));
        hanging.always(Answer::Silence);
        failing.always(Answer::Status(500, vec![]));
        gone.always(Answer::Status(410, vec![]));
        healthy.forget();
        scan(&world, &Swarm::start().await, "beside", count).await;
        world
            .until("all came beside the others", async || (healthy.of("item.skipped").len() == count).then_some(()))
            .await;
        let beside = latencies(&healthy);
        println!("| accept to webhook, {count} notifications | p50, ms | p99, ms |\n|---|---|---|");
        println!("| beside four healthy ones | {} | {} |", share(&alone, 0.5), share(&alone, 0.99));
        println!(
            "| beside one hanging, one at 1.5 s, one answering 500, one 410 | {} | {} |",
            share(&beside, 0.5),
            share(&beside, 0.99)
        );
        println!(
            "p99 beside those is {:.2} times that beside healthy ones",
            share(&beside, 0.99) as f64 / share(&alone, 0.99).max(1) as f64
        );
        let ids: BTreeSet<String> = healthy.of("item.skipped").into_iter().map(|it| it.id).collect();
        assert_eq!(ids.len(), count, "each once");

        // 410: switched off; nothing is lost for the others: it came, or its next attempt is stored, or it was the last one
        let id = |it: &Receiver| it.channel.lock().unwrap().clone();
        world
            .until("the closed one is switched off", async || {
                (world.configuration(&id(&gone)).await["status"] == "disabled").then_some(())
            })
            .await;
        for hook in [&slow, &hanging, &failing] {
            let channel = id(hook);
            world
                .until("each is delivered or has a successor", async || {
                    let mut left: BTreeSet<String> = ids.clone();
                    let query = [("configurationId", channel.as_str())];
                    for queue in world.stack.sqs.queue_names() {
                        for body in world.stack.sqs.bodies(queue).expect("the queue is read") {
                            let order: Value = serde_json::from_str(&body).unwrap_or_default();
                            if order["channel"] == json!(channel) {
                                left.remove(order["notification"]["id"].as_str().unwrap_or_default());
                            }
                        }
                    }
                    let (_, done) = world.channels(Method::GET, "/api/v1/Notification/Deliveries", &query, None).await;
                    for delivery in done.as_array().into_iter().flatten().filter(|it| it["state"] != "retrying") {
                        left.remove(&text(&delivery["notification"]));
                    }
                    let came: BTreeSet<String> = hook.messages().into_iter().map(|it| it.id).collect();
                    if left.iter().all(|it| came.contains(it) && channel == id(&slow)) { Some(()) } else { None }
                })
                .await;
        }
        if setting("WORLD_NOTIFICATIONS").is_none() {
            return; // how the breaker lets everything through again has a test of its own
        }
        failing.sometimes();
        hanging.sometimes();
        for hook in [&failing, &hanging] {
            world
                .until("it gets everything", async || {
                    let came: BTreeSet<String> = hook.well_since().into_iter().collect();
                    ids.is_subset(&came).then_some(())
                })
                .await;
        }
        let (_, all) = world.channels(Method::GET, &format!("{CHANNELS}/All"), &[], None).await;
        assert_eq!(all.as_array().unwrap().iter().filter(|it| it["isActive"] == true).count(), 4);
    });
}

/// The ids of the notifications that a receiver has got.
fn ids(hook: &Receiver) -> BTreeSet<String> {
    hook.of("item.skipped").into_iter().map(|it| it.id).collect()
}

/// No delivery to a healthy receiver waits for the answer of another one, whose application it may be: who hangs here
/// answers when the test says so, and that is after the healthy ones have got everything (realtime, 4.3, case 8).
#[test]
fn no_delivery_waits_for_the_answer_of_another_receiver() {
    const COUNT: usize = 40;
    World::alone(async || {
        let data = tempfile::tempdir().unwrap();
        let stack = own_stack(data.path(), &[]).await;
        let (ours, theirs) = (World::open(&stack).await, World::open(&stack).await);
        let only = [("types", "item.*")];
        let burst = async |name: &str| {
            let (a, b) = (Swarm::start().await, Swarm::start().await);
            tokio::join!(scan(&ours, &a, name, COUNT), scan(&theirs, &b, name, COUNT));
        };
        let come = async |what: &str, hook: &Receiver, count: usize| {
            ours.until(what, async || (ids(hook).len() == count).then_some(())).await;
        };
        let (healthy, later) = (ours.webhook(&only).await, ours.webhook(&only).await);
        let (hanging, failing) = (ours.webhook(&only).await, ours.webhook(&only).await);
        let foreign = [theirs.webhook(&only).await, theirs.webhook(&only).await];
        for hook in foreign.iter().chain([&hanging]) {
            hook.always(Answer::Held);
        }
        failing.always(Answer::Status(500, vec![]));

        // nothing is known of any of them yet
        burst("new").await;
        come("the healthy ones have the first burst of all", &healthy, COUNT).await;
        come("the other healthy one has it too", &later, COUNT).await;

        // the healthy ones are known to be quick; another one is new
        let new = ours.webhook(&only).await;
        new.always(Answer::Held);
        burst("proved").await;
        come("the healthy one has the first burst beside a new one that hangs", &healthy, 2 * COUNT).await;
        come("so has the other", &later, 2 * COUNT).await;

        // one that was quick begins to hang
        later.always(Answer::Held);
        burst("begins").await;
        come("the healthy one has the burst in which another begins to hang", &healthy, 3 * COUNT).await;
        let held = [&hanging, &new, &later, &foreign[0], &foreign[1]];
        for hook in held {
            assert_eq!(hook.answered_late(), [""; 0], "nothing that is held was waited for");
        }
        assert!(
            hanging.messages().len() < 3 * COUNT,
            "one that hangs is tried again now and then, not with everything"
        );

        // nothing is lost: it was answered late, or it came again under the same id
        held.iter().for_each(|hook| hook.release());
        let all = ids(&healthy);
        for hook in [&hanging, &new, &later] {
            let wanted = if hook.url == new.url { 2 * COUNT } else { 3 * COUNT };
            ours.until("all that was held is answered in the end", async || {
                let mut answered: BTreeSet<String> = hook.well_since().into_iter().collect();
                answered.extend(hook.answered_late());
                (answered.len() == wanted && answered.is_subset(&all)).then_some(())
            })
            .await;
        }
    });
}
