//! What plans limit, at each edge of the system; and what it costs to know.

use futures_util::future::join4;
use local::Stack;
use serde_json::{Value, json};
use system_tests::client::CHANNELS;
use system_tests::receiver::Receiver;
use system_tests::{World, media, own_stack, project, text, until};

use super::client::{Answer, SUBSCRIBE, Subscriber};

const MESSAGES: &str = "/api/v1/Notification/Messages";

/// Plans with small limits, for those who pay nothing, too.
fn plans() -> String {
    let free = json!({ "notificationsPerMonth": 40, "channels": 1, "users": 2 });
    let pro = json!({ "notificationsPerMonth": 100_000, "channels": 3, "users": 5 });
    json!({
        "publish": {
            "free": { "limits": free },
            "pro": { "month": "price_publish_pro_month", "rank": 1, "limits": pro },
        },
        "analyze": {
            "free": { "limits": { "itemsPerDay": 2 } },
            "early-access-10": { "month": "price_analyze_early_access_10_month", "limits": { "itemsPerDay": 10 } },
        },
    })
    .to_string()
}

/// Gets another plan.
async fn pay(subscriber: &Subscriber<'_>) {
    let params = [("product", "publish"), ("plan", "pro"), ("payment_method_id", "pm_card_visa")];
    subscriber.done(SUBSCRIBE, &params).await;
}

/// The limits of an application, and what it has used.
async fn limits(subscriber: &Subscriber<'_>) -> Value {
    let answer = Answer::to(subscriber.request("GET", "limits")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["data"].clone()
}

async fn publish(world: &World<'_>, key: &str, count: usize) -> (u16, Option<String>, Value) {
    let events: Vec<Value> = (0..count).map(|_| json!({ "type": "counted" })).collect();
    let request = world.http.post(format!("{}{MESSAGES}", world.stack.url)).header("idempotency-key", key);
    let request = request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
    let answer = request.json(&events).send().await.unwrap();
    let retry_after = answer.headers().get("retry-after").map(|it| it.to_str().unwrap().to_owned());
    (answer.status().as_u16(), retry_after, answer.json().await.unwrap())
}

/// One stack for all: each is an application of its own.
#[test]
fn a_plan_limits_what_it_says_and_knowing_it_costs_little() {
    World::alone(async || {
        let data = tempfile::tempdir_in(project().join("target/tmp")).unwrap();
        let stack = &own_stack(data.path(), &[("BillingPlans", &plans())]).await;
        join4(
            notifications_of_a_month_are_refused_until_another_plan_is_paid_for(stack),
            channels_and_users_are_limited_by_the_plan(stack),
            users_who_come_at_once_are_counted_exactly(stack),
            items_wait_for_the_next_day_of_the_plan(stack),
        )
        .await;
        // what a meter counts has the stack alone
        knowing_the_limits_writes_nothing_for_a_notification(stack).await;
    });
}

async fn notifications_of_a_month_are_refused_until_another_plan_is_paid_for(stack: &Stack) {
    let world = World::open(stack).await;
    let subscriber = Subscriber::new(&world);
    // more than a month has is never possible
    let (status, retry_after, problem) = publish(&world, "much", 41).await;
    assert_eq!((status, retry_after), (402, None), "{problem}");
    let said = (&problem["type"], &problem["title"], &problem["detail"]);
    let want = (
        &json!("about:blank#plan-limit"),
        &json!("The plan does not allow more"),
        &json!("the plan allows 40 notifications a month"),
    );
    assert_eq!(said, want);
    for batch in 0..2 {
        assert_eq!(publish(&world, &format!("batch-{batch}"), 15).await.0, 202);
    }
    // an inbox has its part in it; some moments later at most
    let sent: Vec<Value> = (0..8).map(|_| json!({ "title": "t" })).collect();
    let (status, answer) = world.ask("POST", "/api/v1/Inbox/jane/Notifications", Some(json!(sent))).await;
    assert_eq!(status, 201, "{answer}");
    let used = async || limits(&subscriber).await["usage"]["notificationsThisMonth"].as_u64();
    until("all are counted", async || (used().await == Some(38)).then_some(())).await;
    let (status, retry_after, problem) = publish(&world, "over", 3).await;
    assert_eq!((status, &problem["type"]), (429, &json!("about:blank#too-many")), "{problem}");
    let seconds: u64 = retry_after.unwrap().parse().unwrap();
    assert!((1..=31 * 86_400).contains(&seconds), "until the month ends: {seconds}");
    for (path, body) in [
        ("/api/v1/Inbox/jane/Notifications", json!([{ "title": "a" }, { "title": "b" }, { "title": "c" }])),
        ("/api/v1/Groups/crew/Notifications", json!([{ "title": "a" }, { "title": "b" }, { "title": "c" }])),
        ("/api/v1/Everyone/Notifications", json!([{ "title": "a" }, { "title": "b" }, { "title": "c" }])),
        ("/api/v1/Inbox/Notifications", json!({ "users": ["a", "b", "c"], "notification": { "title": "t" } })),
    ] {
        let (status, problem) = world.ask("POST", path, Some(body)).await;
        assert_eq!((status, &problem["status"]), (429, &json!(429)), "{path}: {problem}");
    }
    assert_eq!(publish(&world, "batch-1", 15).await.0, 202, "what was done is answered again");
    assert_eq!(used().await, Some(38), "nothing that was refused is stored");
    // the same request goes on as soon as it is paid for
    pay(&subscriber).await;
    until("there is room", async || (publish(&world, "over", 3).await.0 == 202).then_some(())).await;
    let shown = limits(&subscriber).await;
    assert_eq!(shown["limits"]["notificationsPerMonth"], 100_000, "{shown}");
    subscriber.settled().await;
}

async fn channels_and_users_are_limited_by_the_plan(stack: &Stack) {
    let world = World::open(stack).await;
    let subscriber = Subscriber::new(&world);
    let receiver = Receiver::start().await;
    let form = [("webHookUrl", receiver.url.as_str()), ("format", "adcreative")];
    let create = async || world.channels(reqwest::Method::POST, &format!("{CHANNELS}/WebHook"), &[], Some(&form)).await;
    assert_eq!(create().await.0, 200);
    let (status, envelope) = create().await;
    assert_eq!((status, &envelope["status"]), (402, &json!(402)), "{envelope}");
    assert_eq!(envelope["errors"]["business:"], json!(["the plan allows 1 channel"]));
    let token = async |user: &str| world.ask("POST", &format!("/api/v1/Inbox/{user}/Tokens"), Some(json!({}))).await;
    let ticket = async |user: &str| world.ask("POST", &format!("/api/v1/Inbox/{user}/Tickets"), Some(json!({}))).await;
    for _ in 0..2 {
        assert_eq!(token("jane").await.0, 201, "the same user counts once");
    }
    assert_eq!((ticket("john").await.0, ticket("jane").await.0), (201, 201));
    for (status, problem) in [
        token("mary").await,
        ticket("mary").await,
        world.ask("POST", "/hubs/notifications/negotiate?negotiateVersion=1&user=mary", None).await,
    ] {
        assert_eq!((status, &problem["type"]), (402, &json!("about:blank#plan-limit")), "{problem}");
        assert_eq!(problem["detail"], "the plan allows 2 users a month");
    }
    // a dashboard is no user
    for (looks, want) in [(json!({ "messages": true, "readOnly": true }), 201), (json!({ "messages": true }), 402)] {
        let (status, problem) = world.ask("POST", "/api/v1/Inbox/console/Tickets", Some(looks.clone())).await;
        assert_eq!(status, want, "{looks}: {problem}");
    }
    let shown = limits(&subscriber).await;
    assert_eq!((&shown["usage"]["channels"], &shown["usage"]["usersThisMonth"]), (&json!(1), &json!(2)));
    pay(&subscriber).await;
    until("there is room for another channel", async || (create().await.0 == 200).then_some(())).await;
    until("there is room for mary", async || (token("mary").await.0 == 201).then_some(())).await;
    let shown = limits(&subscriber).await;
    assert_eq!((&shown["limits"]["users"], &shown["usage"]["usersThisMonth"]), (&json!(5), &json!(3)));
    subscriber.settled().await;
}

async fn users_who_come_at_once_are_counted_exactly(stack: &Stack) {
    let world = World::open(stack).await;
    let token = async |user: usize| loop {
        let (status, problem) = world.ask("POST", &format!("/api/v1/Inbox/user{user}/Tokens"), Some(json!({}))).await;
        // no process was free, or somebody else was counted
        if !matches!(status, 409 | 500..) {
            assert!(matches!(status, 201 | 402), "{status} {problem}");
            return status;
        }
    };
    let answers = futures_util::future::join_all((0..12).map(token)).await;
    assert_eq!(answers.iter().filter(|it| **it == 201).count(), 2, "{answers:?}");
    assert_eq!(limits(&Subscriber::new(&world)).await["usage"]["usersThisMonth"], 2);
}

async fn items_wait_for_the_next_day_of_the_plan(stack: &Stack) {
    let world = World::open(stack).await;
    let one_at_a_time = Some(json!({ "no_of_threads": 1 }));
    assert_eq!(world.ask("PUT", "/api/v1/Media/Settings", one_at_a_time).await.0, 200);
    let bucket = world.bucket().await;
    for index in 0..3 {
        std::fs::write(bucket.folder.join(format!("{index}.jpg")), media("coffee.jpg")).unwrap();
    }
    world.scan(&bucket.id).await;
    let stopped = until("the day is used up", async || {
        let page = world.get(&format!("{MESSAGES}?limit=100&type=usage.stopped")).await;
        page["items"].as_array()?.first().cloned()
    })
    .await;
    assert_eq!((&stopped["data"]["itemsPerDay"], &stopped["data"]["items"]), (&json!(2), &json!(2)), "{stopped}");
    let completed = async || world.items("status=Completed").await.len();
    until("two are done", async || (completed().await == 2).then_some(())).await;
    let waiting: Vec<String> = world.items("status=Pending").await.iter().map(|it| text(&it["status"])).collect();
    assert_eq!(waiting, ["Pending"], "the third one waits");
}

async fn knowing_the_limits_writes_nothing_for_a_notification(stack: &Stack) {
    let world = World::open(stack).await;
    let subscriber = Subscriber::new(&world);
    pay(&subscriber).await;
    let publish_one = async || {
        let (status, told) = world.ask("POST", MESSAGES, Some(json!({ "type": "counted" }))).await;
        assert_eq!(status, 202, "{told}");
    };
    let send_one = async || {
        let sent = Some(json!({ "title": "t" }));
        let (status, told) = world.ask("POST", "/api/v1/Inbox/jane/Notifications", sent).await;
        assert_eq!(status, 201, "{told}");
    };
    // the first ones read the limits and the month
    until("the new plan is known", async || {
        publish_one().await;
        send_one().await;
        (limits(&subscriber).await["limits"]["notificationsPerMonth"] == 100_000).then_some(())
    })
    .await;
    println!("| path | write units | read units |\n|---|---|---|");
    for function in ["messages-api", "inbox-api"] {
        let before = stack.meter();
        for _ in 0..200 {
            if function == "messages-api" { publish_one().await } else { send_one().await }
        }
        let used = stack.meter().since(&before);
        let per = |metric: &str| used.of_function(function, metric) / 200.0;
        let (writes, reads) = (per("write_units"), per("read_units"));
        println!("| `{function}`, a notification within a plan | {writes:.3} | {reads:.3} |");
        assert!(writes <= 1.1 && reads <= 2.5, "{function}: {writes} {reads}");
    }
    let counted = async || limits(&subscriber).await["usage"]["notificationsThisMonth"].as_u64() >= Some(402);
    until("all of them are counted", async || counted().await.then_some(())).await;
    subscriber.settled().await;
}
