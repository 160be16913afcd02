//! Subscriptions whose `notifyURL` is another server's (NMS 6.19): what is posted there, and what its answers mean.

use serde_json::{Value, json};
use system_tests::{World, own_stack, text};

use super::client::{Client, Format, events, in_both, indexes};
use super::notify_server::NotifyServer;
use super::subscriptions::{gone, kill};

async fn taken(client: &Client<'_>, server: &NotifyServer, count: usize) -> Vec<Value> {
    let lists = async || Some(server.lists()).filter(|it| it.len() >= count);
    client.world.until("the lists are taken", lists).await
}

/// The objects that lists tell of.
fn changed(lists: &[Value]) -> Vec<String> {
    events(lists).iter().map(|it| text(&it["changedObject"]["resourceURL"])).collect()
}

#[test]
fn a_clients_own_server_gets_each_list_signed_and_in_its_format() {
    World::run(async |world| {
        let keys = world
            .get(&format!("/api/v1/Notification/Jwks?purpose=nms&applicationId={}", world.keys.application_id))
            .await;
        in_both(world, async |client| {
            let server = NotifyServer::start(client.format).await;
            let subscription = client.subscribe(&json!(server.url), json!({ "maxEvents": 1 })).await;
            assert_eq!(text(&subscription["callbackReference"]["notifyURL"]), server.url);
            let mut objects = Vec::new();
            for _ in 0..3 {
                objects.push(client.object(json!({})).await);
            }
            let lists = taken(client, &server, 3).await;
            assert_eq!((indexes(&lists), changed(&lists)), (vec![1, 2, 3], objects));
            for list in &lists {
                assert_eq!(list["nmsEventList"]["callbackData"], "abcd");
                let link = json!([{ "rel": "NmsSubscription", "href": subscription["resourceURL"] }]);
                assert_eq!(list["nmsEventList"]["link"], link);
            }
            let posts = server.posts();
            assert!(posts.iter().all(|it| it.is_signed_by(&keys)), "{posts:?}");
            let mut ids: Vec<&str> = posts.iter().map(|it| it.header("webhook-id")).collect();
            ids.dedup();
            assert_eq!(ids.len(), 3, "an id for each list: {ids:?}");
            // a token of a list is good for a channel, and the other way round
            let token = &lists[0]["nmsEventList"]["restartToken"];
            let replayed = client.update(&subscription, json!({ "restartToken": token })).await;
            assert_eq!(replayed.root("nmsSubscription")["index"], 4);
            let lists = taken(client, &server, 5).await;
            assert_eq!((indexes(&lists), changed(&lists[3..])), (vec![1, 2, 3, 4, 5], changed(&lists[1..3])));
        })
        .await;
    });
}

#[test]
fn what_is_temporary_is_tried_again_and_what_is_gone_ends_the_subscription() {
    World::run(async |world| {
        in_both(world, async |client| {
            let server = NotifyServer::start(client.format).await;
            server.answers(&[503, 302]);
            let subscription = client.subscribe(&json!(server.url), json!({})).await;
            let object = client.object(json!({})).await;
            let lists = taken(client, &server, 1).await;
            assert_eq!((indexes(&lists), changed(&lists)), (vec![1], vec![object]));
            let posts = server.posts();
            assert_eq!(
                posts.iter().map(|it| it.status).collect::<Vec<_>>(),
                [503, 302, 204],
                "no redirect is followed"
            );
            assert!(
                posts
                    .iter()
                    .all(|it| (it.header("webhook-id"), &it.body) == (posts[0].header("webhook-id"), &posts[0].body))
            );
            assert_eq!(client.ask("GET", &text(&subscription["resourceURL"]), None).await.status, 200);
            server.answers(&[if client.format == Format::Json { 404 } else { 410 }]);
            client.object(json!({})).await;
            gone(client, &subscription).await;
        })
        .await;
    });
}

/// A server that is away for long: the first lists wait, the rest stands in the box, and all of it comes in order.
#[test]
fn a_server_that_was_away_gets_all_in_order() {
    World::run(async |world| {
        let client = &Client::new(world, Format::Json);
        let server = NotifyServer::start(client.format).await;
        server.answers(&[503, 503]);
        client.subscribe(&json!(server.url), json!({ "maxEvents": 1 })).await;
        let mut objects = Vec::new();
        for _ in 0..30 {
            objects.push(client.object(json!({})).await);
        }
        let lists = taken(client, &server, 30).await;
        assert_eq!((indexes(&lists), changed(&lists)), ((1..=30).collect(), objects));
    });
}

#[test]
fn an_address_that_we_may_not_post_to_is_refused() {
    World::run(async |world| {
        in_both(world, async |client| {
            let own = format!("{}/notificationchannel/v1/callbacks/x", world.stack.url);
            let long = format!("https://client.example.com/{}", "x".repeat(2_100));
            for url in [
                "http://169.254.169.254/latest/meta-data",
                "http://client.example.com/plain",
                "https://user:secret@client.example.com/",
                "https://client.example.com:22/",
                "ftp://client.example.com/",
                "https://client.example.com/a#b",
                "not a URL",
                &own,
                &long,
            ] {
                let refused = client.try_subscribe(&json!(url), json!({})).await;
                assert_eq!(refused.fault().0, 400, "{url}: {}", refused.text);
                assert!(!refused.text.contains("secret"), "{}", refused.text);
            }
        })
        .await;
    });
}

/// Functions are killed between the steps: each list arrives, in order, under an index without a gap.
#[test]
fn whatever_is_killed_each_list_arrives() {
    World::alone(async || {
        let data = tempfile::tempdir().unwrap();
        // what a killed function held comes back after half a minute
        let stack = own_stack(data.path(), &[("QueueReturnSeconds", "30")]).await;
        let world = &World::open(&stack).await;
        let client = &Client::new(world, Format::Json);
        let server = NotifyServer::start(client.format).await;
        client.subscribe(&json!(server.url), json!({ "maxEvents": 1 })).await;
        let mut objects = Vec::new();
        for number in 0..15 {
            for function in ["oma-api", "deliver-push", "deliver-nms", "dispatch"] {
                if number % 2 == 0 {
                    kill(&stack, function);
                }
            }
            let answer = client.try_object(json!({})).await;
            if answer.status == 201 {
                objects.push(answer.header("location").to_owned());
            }
        }
        assert!(objects.len() > 3, "only {} objects were made", objects.len());
        let all = async || {
            let changed = changed(&server.lists());
            objects.iter().all(|it| changed.contains(it)).then_some(())
        };
        world.until("each object is told of", all).await;
        let indexes = indexes(&server.lists());
        assert_eq!(indexes, (1..=indexes.len() as u64).collect::<Vec<_>>());
    });
}
