//! Long polling: when a poll is answered, with what, and which of two.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use system_tests::{World, text};

use super::client::{Answer, Client, Format, in_both, indexes, notifications};

/// How long a poll may take that has nothing to deliver: API Gateway gives up after 30 s.
const LONGEST: Duration = Duration::from_secs(30);

async fn channel(client: &Client<'_>, most: u64, wait: u64) -> Value {
    let data = json!({ "maxNotifications": most, "maxWaitTime": wait });
    let made = client.create("LongPolling", json!({ "channelData": data })).await;
    assert_eq!(
        (&made["channelData"]["maxNotifications"], &made["channelData"]["maxWaitTime"]),
        (&json!(most), &json!(wait))
    );
    made
}

#[test]
fn a_poll_of_nothing_ends_in_time_with_the_empty_list() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = client.create("LongPolling", json!({})).await;
            let began = Instant::now();
            let answer = client.poll(&channel).await;
            assert!(began.elapsed() > Duration::from_secs(10), "it waits: {:?}", began.elapsed());
            assert!(began.elapsed() < LONGEST, "it ends: {:?}", began.elapsed());
            assert_eq!((answer.status, answer.body()), (200, json!({ "notificationList": null })), "{}", answer.text);
        })
        .await;
    });
}

#[test]
fn what_came_between_polls_is_delivered_once_in_order_and_no_more_than_wanted_at_a_time() {
    World::run(async |world| {
        in_both(world, async |client| {
            let one = channel(client, 1, 0).await;
            client.notify(&one, 1).await;
            client.notify(&one, 2).await;
            assert_eq!(indexes(&client.polled(&one).await), [1]);
            assert_eq!(indexes(&client.polled(&one).await), [2]);

            let three = channel(client, 3, 0).await;
            for number in 1..=7 {
                client.notify(&three, number).await;
            }
            let mut lists = Vec::new();
            for _ in 0..3 {
                lists.push(indexes(&client.polled(&three).await));
            }
            assert_eq!(lists, [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
        })
        .await;
    });
}

#[test]
fn a_waiting_poll_is_answered_as_soon_as_something_comes() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 10, 0).await;
            let poll = client.waiting_poll(&channel).await;
            let came = Instant::now();
            client.notify(&channel, 1).await;
            let answer = poll.await.unwrap();
            assert_eq!(indexes(&notifications(&answer.body())), [1]);
            assert!(came.elapsed() < Duration::from_secs(15), "{:?}", came.elapsed());
        })
        .await;
    });
}

#[test]
fn the_wait_counts_from_the_arrival_of_the_oldest() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 3, 10).await;
            let before = Instant::now();
            client.notify(&channel, 1).await;
            assert_eq!(indexes(&client.polled(&channel).await), [1]);
            assert!(before.elapsed() >= Duration::from_secs(10), "it waits for more: {:?}", before.elapsed());
            // old enough when the poll begins
            client.notify(&channel, 2).await;
            client.aged(&channel, 11).await;
            let began = Instant::now();
            assert_eq!(indexes(&client.polled(&channel).await), [2]);
            assert!(began.elapsed() < Duration::from_secs(9), "it waits again: {:?}", began.elapsed());
        })
        .await;
    });
}

#[test]
fn as_many_as_wanted_are_delivered_without_a_wait() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 3, 20).await;
            let began = Instant::now();
            for number in 1..=3 {
                client.notify(&channel, number).await;
            }
            assert_eq!(indexes(&client.polled(&channel).await), [1, 2, 3]);
            assert!(began.elapsed() < Duration::from_secs(18), "{:?}", began.elapsed());
        })
        .await;
    });
}

#[test]
fn the_newer_of_two_polls_wins_and_the_older_is_told_so() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 10, 0).await;
            let older = client.waiting_poll(&channel).await;
            let newer = client.waiting_poll(&channel).await;
            let answer = older.await.unwrap();
            assert_eq!(answer.fault(), (409, "SVC1012".to_owned(), Vec::new()));
            assert!(answer.text.contains("Simultaneous channel requests not supported"), "{}", answer.text);
            client.notify(&channel, 1).await;
            let answer = newer.await.unwrap();
            assert_eq!((answer.status, indexes(&notifications(&answer.body()))), (200, vec![1]));
        })
        .await;
    });
}

#[test]
fn a_poll_of_a_channel_that_is_deleted_ends_with_404_at_once() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = channel(client, 10, 0).await;
            let poll = client.waiting_poll(&channel).await;
            let began = Instant::now();
            assert_eq!(client.ask("DELETE", &text(&channel["resourceURL"]), None).await.status, 204);
            let (status, code, _) = poll.await.unwrap().fault();
            assert_eq!((status, code.as_str()), (404, "SVC0004"));
            assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        })
        .await;
    });
}

#[test]
fn every_form_of_an_empty_request_is_a_poll() {
    World::run(async |world| {
        let client = Client::new(world, Format::Json);
        let channel = channel(&client, 1, 0).await;
        let url = text(&channel["channelData"]["channelURL"]);
        let form = "application/x-www-form-urlencoded";
        for (number, (kind, body)) in [
            ("application/json", "{\"longPollingRequestParameters\": null}"),
            ("application/json", "{\"longPollingRequestParameters\": {}}"),
            ("application/json", "{}"),
            ("application/json", ""),
            ("", ""),
            (form, "longPollingRequestParameters="),
            (form, "longPollingRequestParmeters="),
        ]
        .into_iter()
        .enumerate()
        {
            let number = number as u64 + 1;
            client.notify(&channel, number).await;
            let request = client.request("POST", &url).body(body);
            let request = if kind.is_empty() { request } else { request.header("content-type", kind) };
            let answer = Answer::to(request, Format::Json).await;
            assert_eq!(answer.status, 200, "{kind} `{body}`: {}", answer.text);
            assert_eq!(indexes(&notifications(&answer.body())), [number], "{kind} `{body}`");
        }
    });
}

#[test]
fn what_any_enabler_posts_is_delivered_as_it_is_and_nonsense_is_refused() {
    World::run(async |world| {
        let client = Client::new(world, Format::Json);
        let channel = channel(&client, 1, 0).await;
        let presence = json!({ "presenceNotification": { "presentityUserId": "tel:+19585550100", "callbackData": "1234",
            "resourceStatus": "Active" } });
        assert_eq!(client.call(&channel["callbackURL"], presence.clone()).await.status, 204);
        assert_eq!(client.polled(&channel).await, [presence]);
        for body in ["", "nonsense", "[]", "7", "{}", "{\"a\": 1, \"b\": 2}"] {
            let request = client.request("POST", &text(&channel["callbackURL"])).body(body);
            let answer = Answer::to(request.header("content-type", "application/json"), Format::Json).await;
            assert_eq!(answer.status, 400, "`{body}`: {}", answer.text);
        }
        let large = json!({ "nmsEventList": { "nmsEvent": [], "callbackData": "x".repeat(140_000), "index": 1 } });
        assert_eq!(client.call(&channel["callbackURL"], large).await.status, 413, "no frame could carry it");
    });
}
