//! RabbitMQ channels on a real broker: confirmed, persistent, mandatory; and whatever can happen to a broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, ExchangeKind};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::client::{CHANNELS, outcomes};
use system_tests::tools::{Rabbit, piped, python};
use system_tests::{World, project, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A message as its consumer sees it.
#[derive(Debug, Clone)]
struct Taken {
    id: String,
    persistent: bool,
    kind: String,
    body: Value,
}

/// A consumer as a customer would write it.
async fn connect(rabbit: &Rabbit) -> Connection {
    let url = format!("{}?heartbeat=10", rabbit.url().replace("amqp://", "amqp://guest:guest@"));
    Connection::connect(&url, ConnectionProperties::default()).await.expect("the broker takes a consumer")
}

/// Takes messages until each of these came; some may come as copies. Answers all that came.
async fn take(rabbit: &Rabbit, queue: &str, ids: &[&str]) -> Vec<Taken> {
    let connection = connect(rabbit).await;
    let channel = connection.create_channel().await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), durable, FieldTable::default()).await.unwrap();
    let options = BasicConsumeOptions::default();
    let mut consumer =
        channel.basic_consume(queue.into(), "test".into(), options, FieldTable::default()).await.unwrap();
    let mut all: Vec<Taken> = Vec::new();
    while !ids.iter().all(|id| all.iter().any(|it| it.id == *id)) {
        let next = tokio::time::timeout(std::time::Duration::from_secs(120), consumer.next()).await;
        let it = next.expect("a message comes in two minutes").unwrap().unwrap();
        let name = |it: Option<&lapin::types::ShortString>| it.map(ToString::to_string).unwrap_or_default();
        all.push(Taken {
            id: name(it.properties.message_id().as_ref()),
            persistent: *it.properties.delivery_mode() == Some(2),
            kind: name(it.properties.kind().as_ref()),
            body: serde_json::from_slice(&it.data).unwrap(),
        });
        it.ack(BasicAckOptions::default()).await.unwrap();
    }
    drop(connection.close(200, "bye".into()).await);
    all
}

/// A good attempt in the end, and before it none that failed for another reason: a process whose link is still there
/// fails once, one that opens its link now finds what it needs.
fn failed_at_most_for(delivery: &Value, why: &str) {
    let all = outcomes(delivery);
    let (last, before) = all.split_last().expect("an attempt");
    assert!(last == "delivered (confirmed)" && before.iter().all(|it| it.starts_with(why)), "{all:?}");
}

async fn channel(world: &World<'_>, rabbit: &Rabbit, queue: &str, more: &[(&str, &str)]) -> String {
    let url = rabbit.url();
    // tests come whatever the types say; what tells of the channels themselves stays away
    let mut form = [&[("types", "item.*")], more].concat();
    form.extend([("url", url.as_str()), ("username", "guest"), ("password", "guest"), ("queueName", queue)]);
    let (_, made) = world.channels(Method::POST, &format!("{CHANNELS}/RabbitMQ"), &[], Some(&form)).await;
    assert!(made["id"].is_string(), "{made}");
    text(&made["id"])
}

#[test]
fn messages_are_confirmed_persistent_and_tried_again_when_they_cannot_be_routed() {
    World::run(async |world| {
        let rabbit = Rabbit::start().await;
        let every = [("format", "native"), ("exponentialBackoffFactor", "1.0")];
        let id = channel(world, &rabbit, "news", &every).await;
        // the queue is not there: it is made
        let first = world.send_test(&id).await;
        let delivery = world.delivery(&id, &first, "delivered").await;
        assert_eq!(delivery["attempts"][0]["outcome"], "delivered (confirmed)");
        let taken = take(&rabbit, "news", &[&first]).await.remove(0);
        assert_eq!((taken.id.as_str(), taken.persistent, taken.kind.as_str()), (first.as_str(), true, "channel.test"));
        assert_eq!((&taken.body["id"], &taken.body["type"]), (&json!(first), &json!("channel.test")));

        // the queue is deleted under our feet: the broker returns the message, and the next attempt finds a queue
        let connection = connect(&rabbit).await;
        let own = connection.create_channel().await.unwrap();
        own.queue_delete("news".into(), QueueDeleteOptions::default()).await.unwrap();
        let second = world.send_test(&id).await;
        let delivery = world.delivery(&id, &second, "delivered").await;
        failed_at_most_for(&delivery, "404 NOT_FOUND");
        take(&rabbit, "news", &[&second]).await;

        // it is unbound: the broker cannot route the message and gives it back
        let own = connection.create_channel().await.unwrap();
        let key = "task.completed.news";
        own.queue_unbind("news".into(), "image-render.notifications".into(), key.into(), FieldTable::default())
            .await
            .unwrap();
        let unbound = world.send_test(&id).await;
        let delivery = world.delivery(&id, &unbound, "delivered").await;
        failed_at_most_for(&delivery, "returned: 312 NO_ROUTE");
        take(&rabbit, "news", &[&unbound]).await;

        // our connection is cut: a new one is made
        rabbit.control(&["close_all_connections", "--vhost", "/", "test"]).await;
        let third = world.send_test(&id).await;
        world.delivery(&id, &third, "delivered").await;
        take(&rabbit, "news", &[&third]).await;

        // a published channel gets the published message
        let published = channel(world, &rabbit, "published", &[]).await;
        let fourth = world.send_test(&published).await;
        world.delivery(&published, &fourth, "delivered").await;
        let taken = take(&rabbit, "published", &[&fourth]).await.remove(0);
        assert_eq!((&taken.body["MessageType"], taken.id), (&json!("ImageGenerationProgress"), fourth));
    });
}

/// Stands between us and the broker. While it is told to, it lets what we say pass and cuts the line before the answer.
struct Between {
    url: String,
    cut: Arc<AtomicU32>,
}

async fn between(rabbit: &Rabbit) -> Between {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    let (to, cut) = (rabbit.url().replace("amqp://", ""), Arc::new(AtomicU32::new(0)));
    let cuts = cut.clone();
    tokio::spawn(async move {
        while let Ok((ours, _)) = listener.accept().await {
            let (to, cuts) = (to.clone(), cuts.clone());
            tokio::spawn(async move {
                let Ok(theirs) = tokio::net::TcpStream::connect(to).await else { return };
                let ((mut ours_in, mut ours_out), (mut theirs_in, mut theirs_out)) =
                    (ours.into_split(), theirs.into_split());
                let up = async {
                    let mut buffer = vec![0; 65_536];
                    loop {
                        let read = ours_in.read(&mut buffer).await.unwrap_or(0);
                        if read == 0 || theirs_out.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                        // our message, which is longer than a sign of life, has passed
                        if read > 100 && cuts.load(Ordering::Relaxed) > 0 {
                            cuts.fetch_sub(1, Ordering::Relaxed);
                            return;
                        }
                    }
                };
                let down = async { drop(tokio::io::copy(&mut theirs_in, &mut ours_out).await) };
                tokio::select! {
                    () = up => {}
                    () = down => {}
                }
            });
        }
    });
    Between { url, cut }
}

#[test]
fn a_confirm_that_is_lost_costs_a_second_copy_and_never_the_message() {
    World::run(async |world| {
        let rabbit = Rabbit::start().await;
        let between = between(&rabbit).await;
        let form = [
            ("url", between.url.as_str()),
            ("username", "guest"),
            ("password", "guest"),
            ("queueName", "news"),
            ("exponentialBackoffFactor", "1.0"),
        ];
        let (_, made) = world.channels(Method::POST, &format!("{CHANNELS}/RabbitMQ"), &[], Some(&form)).await;
        let id = text(&made["id"]);
        let first = world.send_test(&id).await;
        world.delivery(&id, &first, "delivered").await;
        // the kept connection, and the new one that is made at once
        between.cut.store(2, Ordering::Relaxed);
        let second = world.send_test(&id).await;
        world.delivery(&id, &second, "delivered").await;
        assert_eq!(between.cut.load(Ordering::Relaxed), 0, "two confirms were lost");
        let ids: Vec<String> = take(&rabbit, "news", &[&first, &second]).await.into_iter().map(|it| it.id).collect();
        assert!(ids.iter().all(|it| *it == first || *it == second), "copies under the same ids: {ids:?}");
    });
}

/// A user that may only publish (RabbitMQ's access control), parameters in the address, names that would be patterns, and
/// pika at the other end.
#[test]
fn a_user_that_may_only_publish_does_and_no_name_is_a_pattern() {
    World::run(async |world| {
        let rabbit = Rabbit::start().await;
        let exchange = r"^image-render\.notifications$";
        rabbit.control(&["add_user", "lowly", "secret"]).await;
        rabbit.control(&["set_permissions", "-p", "/", "lowly", "^$", exchange, "^$"]).await;
        let connection = connect(&rabbit).await;
        let own = connection.create_channel().await.unwrap();
        let (name, key) = ("image-render.notifications", "task.completed.kept");
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        own.exchange_declare(name.into(), ExchangeKind::Topic, durable, FieldTable::default()).await.unwrap();
        let url = format!("{}/%2f?heartbeat=10&connection_timeout=2000&channel_max=16", rabbit.url());
        let publisher = async |queue: &str| {
            let form = [
                ("url", url.as_str()),
                ("username", "lowly"),
                ("password", "secret"),
                ("queueName", queue),
                ("format", "native"),
                ("types", "item.*"),
                ("retryCount", "20"),
                ("exponentialBackoffFactor", "1.0"),
            ];
            let (_, made) = world.channels(Method::POST, &format!("{CHANNELS}/RabbitMQ"), &[], Some(&form)).await;
            assert!(made["id"].is_string(), "{made}");
            text(&made["id"])
        };
        let kept = publisher("kept").await;
        // there is no such queue, and it may not be made: `mandatory` tells
        let first = world.send_test(&kept).await;
        let waiting = world.delivery(&kept, &first, "retrying").await;
        assert_eq!(outcomes(&waiting)[0], "returned: 312 NO_ROUTE");
        // somebody who may makes and binds it
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        own.queue_declare("kept".into(), durable, FieldTable::default()).await.unwrap();
        let bind = QueueBindOptions::default();
        own.queue_bind("kept".into(), name.into(), key.into(), bind, FieldTable::default()).await.unwrap();
        world.delivery(&kept, &first, "delivered").await;
        // once more, over the connection that knows what it may not do
        let second = world.send_test(&kept).await;
        let delivery = world.delivery(&kept, &second, "delivered").await;
        assert_eq!(outcomes(&delivery).last().unwrap(), "delivered (confirmed)");
        let script = project().join("tests/clients/pika_consumer.py").to_string_lossy().into_owned();
        let consumer = rabbit.url().replace("amqp://", "amqp://guest:guest@");
        let arguments = [script.as_str(), &consumer, "kept", &first, &second];
        let (good, said) = piped(&python().await.to_string_lossy(), &arguments, &[], "").await;
        assert!(good && said.contains(&format!("taken {second} {name} {key}")), "{said}");
        // nor does it do what it may not
        rabbit.control(&["set_permissions", "-p", "/", "lowly", "^$", "^$", "^$"]).await;
        rabbit.control(&["close_all_connections", "--vhost", "/", "test"]).await;
        let third = world.send_test(&kept).await;
        let waiting = world.delivery(&kept, &third, "retrying").await;
        assert!(outcomes(&waiting)[0].starts_with("403 ACCESS_REFUSED"), "{waiting}");
        rabbit.control(&["set_permissions", "-p", "/", "lowly", "^$", exchange, "^$"]).await;
        world.delivery(&kept, &third, "delivered").await;

        // a queue whose name is a pattern gets its own messages alone
        let every = [("format", "native"), ("exponentialBackoffFactor", "1.0")];
        let (hash, star) = (channel(world, &rabbit, "#", &every).await, channel(world, &rabbit, "*", &every).await);
        let other = channel(world, &rabbit, "other", &every).await;
        let mut told = Vec::new();
        for id in [&hash, &star, &other, &hash, &star] {
            let it = world.send_test(id).await;
            world.delivery(id, &it, "delivered").await;
            told.push(it);
        }
        for (queue, own) in [("#", [&told[0], &told[3]]), ("*", [&told[1], &told[4]])] {
            let taken = take(&rabbit, queue, &own.map(String::as_str)).await;
            assert!(taken.iter().all(|it| own.contains(&&it.id)), "{queue}: {taken:?}");
        }
    });
}

#[test]
fn a_broker_that_refuses_or_is_gone_is_on_record_and_what_waits_arrives_when_it_is_back() {
    World::run(async |world| {
        let mut rabbit = Rabbit::start().await;
        let wrong =
            [("format", "native"), ("password", "wrong"), ("retryCount", "1"), ("exponentialBackoffFactor", "1.0")];
        let stranger = {
            let _letters = world.letters().await;
            let id = channel(world, &rabbit, "news", &wrong).await;
            let told = world.send_test(&id).await;
            let dead = world.delivery(&id, &told, "dead").await;
            let why = dead["attempts"][0]["outcome"].as_str().unwrap();
            assert!(why.starts_with("403 ACCESS_REFUSED") && !why.contains("wrong"), "{why}");
            // brought back, it gets one attempt more, to a channel that knows the password now
            let url = rabbit.url();
            let form = [("url", url.as_str()), ("username", "guest"), ("password", "guest"), ("queueName", "news")];
            let path = format!("{CHANNELS}/RabbitMQ");
            assert_eq!(world.channels(Method::PUT, &path, &[("configurationId", &id)], Some(&form)).await.0, 200);
            world
                .until("the delivery is redriven", async || {
                    let (good, text) = world.notify_as(&["redrive", "amqp", "--json"]).await;
                    assert!(good, "{text}");
                    text.contains(r#""redriven":1"#).then_some(())
                })
                .await;
            world.delivery(&id, &told, "delivered").await;
            take(&rabbit, "news", &[&told]).await;
            id
        };
        let ready = world.send_test(&stranger).await;
        world.delivery(&stranger, &ready, "delivered").await;
        // the broker is stopped mid-run; what is told meanwhile waits
        rabbit.stop().await;
        let every = [("format", "native"), ("retryCount", "20"), ("exponentialBackoffFactor", "1.0")];
        let id = channel(world, &rabbit, "news", &every).await;
        let mut told = Vec::new();
        for _ in 0..5 {
            told.push(world.send_test(&id).await);
        }
        let waiting = world.delivery(&id, &told[4], "retrying").await;
        let why = waiting["attempts"][0]["outcome"].as_str().unwrap();
        assert!(why.starts_with("no connection"), "{why}");
        rabbit.run().await;
        for notification in &told {
            world.delivery(&id, notification, "delivered").await;
        }
        // persistent: what was confirmed before the broker stopped is there as well
        told.push(ready);
        let wanted: Vec<&str> = told.iter().map(String::as_str).collect();
        let taken = take(&rabbit, "news", &wanted).await;
        assert!(taken.iter().all(|it| wanted.contains(&it.id.as_str())), "none lost, and nothing else came: {taken:?}");
    });
}
