//! What it costs, against the budgets: units and requests per notification and per item.

use futures_util::{StreamExt, stream};
use local::meter::Meter;
use serde_json::{Value, json};
use system_tests::swarm::Swarm;
use system_tests::{World, media, own_stack};

/// Connections of one user: more than a page.
const MANY: usize = 520;

/// Budgets of the webhook path, per notification.
const BUDGETS: [(&str, f64); 4] =
    [("write units", 1.1), ("read units", 1.2), ("SQS requests", 0.35), ("invocations", 1.1)];

fn row(name: &str, used: &Meter, functions: &[&str], per: f64) -> [f64; 4] {
    let sum = |metric: &str| functions.iter().map(|it| used.of_function(it, metric)).sum::<f64>() / per;
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
        let costs = publish_one(&world, &hook).await;
        assert!(costs[0] <= 2.0 && costs[2] <= 3.0 && costs[3] <= 3.0, "{costs:?}");
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
        let per_object = used.of_function("scan", "write_units") / 1_000.0;
        assert!((1.0..1.3).contains(&per_object), "about one write unit per new object: {per_object}");
        assert_eq!(used.of_function("scan", "media.ListObjectsV2"), 2.0, "one page, and the probe of the credentials");

        let before = stack.meter();
        world.scan(&many).await;
        let used = stack.meter().since(&before);
        assert!(
            used.of_function("scan", "write_units") <= 4.0,
            "an unchanged bucket writes no item: {}",
            used.of_function("scan", "write_units")
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

/// What an event costs that comes alone, to one webhook.
async fn publish_one(world: &World<'_>, hook: &system_tests::receiver::Receiver) -> [f64; 4] {
    settled(world).await;
    let before = world.stack.meter();
    let (status, _) = world.ask("POST", "/api/v1/Notification/Messages", Some(json!({ "type": "alone" }))).await;
    assert_eq!(status, 202);
    world.until("it is delivered", async || (hook.of("alone").len() == 1).then_some(())).await;
    settled(world).await;
    let used = world.stack.meter().since(&before);
    row("an event that comes alone", &used, &["messages-api", "dispatch", "deliver-webhook"], 1.0)
}

#[test]
fn an_asset_of_iconiks_costs_what_the_readme_says() {
    World::alone(async || {
        let data = tempfile::tempdir().unwrap();
        let stack = own_stack(data.path(), &[("IconikWaitSeconds", "1")]).await;
        let world = World::open(&stack).await;
        let (manager, hook) = (world.iconik(json!({})).await, world.webhook(&[]).await);
        let (before, asked) = (stack.meter(), manager.iconik.request_count());
        for index in 0..20 {
            manager.iconik.upload(&format!("{index}.jpg"), &media("coffee.jpg")).await;
        }
        world.until("all are told", async || (hook.of("item.completed").len() == 20).then_some(())).await;
        let used = stack.meter().since(&before);
        let asked = (manager.iconik.request_count() - asked) as f64 / 20.0;
        println!("| path | write units | read units | SQS requests | invocations |\n|---|---|---|---|---|");
        let all = ["iconik-webhook", "iconik-ingest", "dispatch", "process", "deliver-webhook"];
        let costs = row("an asset, announced, found, processed, written back and told twice", &used, &all, 20.0);
        println!("{asked:.1} requests to Iconik per asset");
        assert!(asked <= 14.0 && costs[0] < 25.0 && costs[1] < 25.0, "{asked} {costs:?}");
    });
}

#[test]
fn inboxes_and_sockets_cost_what_the_budgets_allow() {
    World::alone(async || {
        let data = tempfile::tempdir().unwrap();
        let stack = own_stack(data.path(), &[]).await;
        let world = &World::open(&stack).await;
        let used = async |work: Work| {
            let before = stack.meter();
            work.run(world).await;
            settled(world).await;
            stack.meter().since(&before)
        };
        // `socket` answers clients by posts as well
        let posts = |used: &Meter| -> f64 {
            ["inbox-api", "deliver-push"].iter().map(|it| used.of_function(it, "sockets.PostToConnection")).sum()
        };
        let calls = |used: &Meter, function: &str| used.invocations.get(function).copied().unwrap_or_default() as f64;
        println!("| path | write units | read units | SQS requests | invocations |\n|---|---|---|---|---|");
        let path = ["inbox-api", "dispatch"];
        let single = used(Work::Singles).await;
        let costs = row("inbox, single", &single, &path, 200.0);
        let [writes, reads, _, invocations] = row("of it `inbox-api`", &single, &["inbox-api"], 200.0);
        assert!(writes <= 1.1 && reads <= 1.2 && invocations <= 1.0, "{writes} {reads} {invocations}");
        INBOX.holds(costs, calls(&single, "dispatch") / 200.0);
        // `sweep` counts the queues, whatever happens
        let queued = single.total("sqs_requests") - single.of_function("sweep", "sqs_requests");
        assert_eq!(queued, 0.0, "nobody listens, so nothing is queued");
        assert!(single.of_function("dispatch", "write_units") <= calls(&single, "dispatch"));
        assert!(single.of_function("dispatch", "read_units") <= calls(&single, "dispatch"));
        let batch = used(Work::Batches("quiet")).await;
        let costs = row("inbox, batch of 100", &batch, &path, 1_000.0);
        for (budget, cost) in [1.1, 0.1, 0.0, 0.06].into_iter().zip(costs) {
            assert!(cost <= budget, "{cost} is over {budget}");
        }
        let mut sockets = Vec::new();
        for user in 0..4 {
            let mut socket = world.listen(&format!("user{user}"), None).await;
            socket.caught_up().await;
            sockets.push(socket);
        }
        // one that comes alone is pushed by the function that stores it
        let alone = used(Work::One("user0")).await;
        let [writes, _, requests, invocations] =
            row("socket, one that comes alone", &alone, &["inbox-api", "dispatch", "deliver-push"], 1.0);
        assert!(writes <= 2.0 && requests == 0.0 && invocations <= 2.0, "{writes} {requests} {invocations}");
        let batch = used(Work::Batches("user1")).await;
        let [writes, _, requests, invocations] =
            row("socket, batch of 100", &batch, &["inbox-api", "dispatch", "deliver-push"], 1_000.0);
        assert!(writes <= 1.1 && requests <= 0.01 && invocations <= 0.06, "{writes} {requests} {invocations}");
        let began = std::time::Instant::now();
        let live = used(Work::Singles).await;
        let mut costs = row("socket, to one user", &live, &["inbox-api", "dispatch", "deliver-push"], 200.0);
        row("of it `deliver-push`", &live, &["deliver-push"], 200.0);
        // the records of those that were pushed at once: bounded for each of at most 16 environments, however long it goes on
        let at_once = (live.of_function("inbox-api", "write_units") - 1.02 * 200.0).max(0.0);
        assert!(at_once <= 16.0 * (20.0 + 10.0 * began.elapsed().as_secs_f64()), "{at_once} at once");
        costs[0] -= at_once / 200.0;
        // who listens is read before the write and after it, and whether it was pushed by `dispatch`
        costs[1] -= 1.5 * at_once / 200.0;
        SOCKET.holds(costs, calls(&live, "dispatch") / 200.0);
        // an order per user and batch, which reads the user's sockets once and writes nothing
        assert_eq!(live.of_function("deliver-push", "write_units"), 0.0);
        assert!(live.of_function("deliver-push", "read_units") <= 0.5 * 200.0);
        assert!(live.of_function("dispatch", "sqs_requests") <= calls(&live, "dispatch"), "ten orders a request");
        assert!(
            live.of_function("deliver-push", "sqs_requests") <= 2.0 * calls(&live, "deliver-push"),
            "one poll, one delete"
        );
        assert!(live.of_function("deliver-push", "sockets.PostToConnection") <= 200.0);
        for socket in &mut sockets {
            let mut seen = std::collections::BTreeSet::new();
            while seen.len() < 50 {
                let frame = socket.wait("notifications").await;
                seen.extend(frame["items"].as_array().unwrap().iter().filter_map(|it| it["sequence"].as_u64()));
            }
        }
        // more than a page of one channel, and so of one order
        let open = async |_: usize| {
            let mut it = world.listen("many", None).await;
            it.caught_up().await;
            it
        };
        let mut others: Vec<_> = stream::iter(0..MANY).map(open).buffer_unordered(16).collect().await;
        let used_by_user = used(Work::One("many")).await;
        for socket in &mut others {
            socket.wait("notifications").await;
        }
        assert_eq!(posts(&used_by_user), MANY as f64, "one post per connection");
        assert!(
            calls(&used_by_user, "deliver-push") <= 2.0,
            "a page follows the other, in one invocation while there is time"
        );
        let used = {
            let before = stack.meter();
            let (status, _) =
                world.ask("POST", "/api/v1/Everyone/Notifications", Some(json!({ "title": "all" }))).await;
            assert_eq!(status, 201);
            for socket in &mut others {
                socket.wait("notifications").await;
            }
            settled(world).await;
            stack.meter().since(&before)
        };
        let all = MANY as f64 + 4.0;
        assert_eq!(posts(&used), all, "one post per connection");
        // what a broadcast costs whoever is there, one row and an order per shard; and what each connection adds
        let path = ["inbox-api", "dispatch", "deliver-push"];
        let costs = row("everyone, 524 connections, in all", &used, &path, 1.0);
        row("of it per connection", &used, &path, all);
        // and, where `dispatch` comes before the writer is done, a look at its record per shard
        assert!(costs[0] <= 3.0 && costs[1] <= 24.0 + 0.02 * all, "{costs:?}");
        assert!(costs[2] <= 20.0 && costs[3] <= 19.0, "{costs:?}");
    });
}

/// What a notification costs by the design: write units, read units, SQS requests, invocations. A part is its own, and a
/// part belongs to the stream's batch that it comes in: how many share that is a matter of the load, not of the code. (The
/// stream is read four times a second, so twenty-five a batch are a hundred notifications a second.)
struct Cost {
    own: [f64; 4],
    batch: [f64; 4],
    /// Kept with twenty-five a batch.
    budget: [f64; 4],
}

/// `inbox-api` writes one row and reads where the stream ends, again if another writer was first (and, for the first of an
/// inbox, whether there are old marks); `dispatch` writes what it told to one row, and asks for sockets.
const INBOX: Cost = Cost { own: [1.05, 1.15, 0.0, 1.0], batch: [1.0, 1.0, 0.0, 1.0], budget: [1.1, 1.2, 0.0, 1.1] };
/// Besides: an order per user, ten a request, whose sockets are read once; one poll and one delete; they may come in two. Four
/// writers of one moment read the end of a stream more often than one.
const SOCKET: Cost = Cost { own: [1.05, 1.45, 0.0, 1.0], batch: [1.0, 6.0, 4.0, 2.5], budget: [1.1, 1.7, 0.35, 1.1] };

impl Cost {
    /// A measurement is not over it, at so many batches per notification.
    fn holds(&self, measured: [f64; 4], batches: f64) {
        for (part, cost) in measured.into_iter().enumerate() {
            let (own, batch, budget) = (self.own[part], self.batch[part], self.budget[part]);
            assert!(cost <= own + batch * batches + 1e-9, "part {part}: {cost} at {batches} batches");
            assert!(own + batch / 25.0 <= budget + 1e-9, "part {part} breaks its budget at twenty-five a batch");
        }
    }
}

/// Something that costs.
#[derive(Clone, Copy)]
enum Work {
    /// Two hundred notifications, fifty for each of four users, at once.
    Singles,
    /// One notification for a user.
    One(&'static str),
    /// A thousand notifications for a user, in ten requests.
    Batches(&'static str),
}

impl Work {
    async fn run(self, world: &World<'_>) {
        match self {
            Self::Singles => {
                let senders = (0..4).map(async |user| {
                    for number in 0..50 {
                        world.send(&format!("user{user}"), &format!("single {number}")).await;
                    }
                });
                futures_util::future::join_all(senders).await;
            }
            Self::One(user) => drop(world.send(user, "one").await),
            Self::Batches(user) => {
                for _ in 0..10 {
                    let batch: Vec<Value> = (0..100).map(|it| json!({ "title": format!("b{it}") })).collect();
                    let path = format!("/api/v1/Inbox/{user}/Notifications");
                    assert_eq!(world.ask("POST", &path, Some(json!(batch))).await.0, 201);
                }
            }
        }
    }
}

/// Waits until no function was called for a second, and nothing is queued.
async fn settled(world: &World<'_>) {
    let mut last = 0;
    loop {
        world.until("nothing is queued", async || world.leftovers().is_empty().then_some(())).await;
        let calls = world.stack.meter().invocations();
        if calls == last {
            return;
        }
        last = calls;
        for _ in 0..20 {
            system_tests::look_again().await;
        }
    }
}
