//! The trace of a request that publishes goes on to the receivers (W3C Trace Context), and nothing else does.

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::World;
use system_tests::client::CHANNELS;
use system_tests::receiver::{Answer, Receiver};
use system_tests::tools::Rabbit;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const STATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";

/// Sends a request with headers of a trace.
async fn post(world: &World<'_>, path: &str, trace: &[(&str, &str)], body: &Value) {
    let request = world.http.post(format!("{}{path}", world.stack.url)).json(body);
    let request = request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
    let request = trace.iter().fold(request, |it, (name, value)| it.header(*name, *value));
    assert!(request.send().await.unwrap().status().is_success());
}

async fn publish(world: &World<'_>, trace: &[(&str, &str)], body: &Value) {
    post(world, "/api/v1/Notification/Messages", trace, body).await;
}

/// Waits until so many messages of a type came; answers `traceparent` and `tracestate` of the last one.
async fn trace_of(world: &World<'_>, receiver: &Receiver, kind: &str, count: usize) -> [Value; 2] {
    let came = async || (receiver.of(kind).len() >= count).then_some(());
    world.until(&format!("{count} of {kind} came"), came).await;
    let headers = receiver.last()["headers"].clone();
    ["traceparent", "tracestate"].map(|name| headers[name].clone())
}

/// The direct way, a retry by the queue, and the way through the table's stream.
#[test]
fn a_trace_goes_from_the_request_to_each_webhook() {
    World::run(async |world| {
        let whole = [json!(PARENT), json!(STATE)];
        let trace = [("traceparent", PARENT), ("tracestate", STATE)];
        let hook = world.webhook(&[("types", "traced.*"), ("exponentialBackoffFactor", "1.0")]).await;
        hook.answers([Answer::Status(500, vec![])]);
        publish(world, &trace, &json!({ "type": "traced.twice" })).await;
        assert_eq!(trace_of(world, &hook, "traced.twice", 1).await, whole);
        assert_eq!(trace_of(world, &hook, "traced.twice", 2).await, whole);

        let ordered = world.webhook(&[("types", "ordered.*"), ("ordering", "key")]).await;
        let batch: Vec<Value> = (0..3).map(|_| json!({ "type": "ordered.one", "orderingKey": "k" })).collect();
        publish(world, &trace, &json!(batch)).await;
        assert_eq!(trace_of(world, &ordered, "ordered.one", 3).await, whole);

        // what is sent to an inbox, and to the channels too
        let created = world.webhook(&[("types", "notification.*")]).await;
        let sent = json!({ "title": "traced", "alsoNotify": true });
        post(world, "/api/v1/Inbox/jane/Notifications", &trace, &sent).await;
        assert_eq!(trace_of(world, &created, "notification.created", 1).await, whole);

        for (number, hostile) in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01, 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "0".repeat(4_000).as_str(),
        ]
        .into_iter()
        .enumerate()
        {
            let trace = [("traceparent", hostile), ("tracestate", STATE)];
            publish(world, &trace, &json!({ "type": "traced.hostile" })).await;
            let came = trace_of(world, &hook, "traced.hostile", number + 1).await;
            assert_eq!(came, [Value::Null, Value::Null], "{hostile}");
        }
        // a state that cannot be one is left out, and its parent is not
        publish(world, &[("traceparent", PARENT), ("tracestate", "no state")], &json!({ "type": "traced.alone" }))
            .await;
        assert_eq!(trace_of(world, &hook, "traced.alone", 1).await, [json!(PARENT), Value::Null]);
    });
}

#[test]
fn a_trace_is_a_header_of_the_message_at_a_broker() {
    World::run(async |world| {
        let rabbit = Rabbit::start().await;
        let url = rabbit.url();
        let form = [
            ("url", url.as_str()),
            ("username", "guest"),
            ("password", "guest"),
            ("queueName", "traced"),
            ("types", "traced.*"),
            ("format", "native"),
        ];
        let (_, channel) = world.channels(Method::POST, &format!("{CHANNELS}/RabbitMQ"), &[], Some(&form)).await;
        assert!(channel["id"].is_string(), "{channel}");
        publish(world, &[("traceparent", PARENT)], &json!({ "type": "traced.one" })).await;
        publish(world, &[("traceparent", "00-nothing")], &json!({ "type": "traced.one" })).await;
        let consumed = consume(&rabbit, "traced", 2).await;
        assert!(consumed.contains(&Some(PARENT.to_owned())) && consumed.contains(&None), "{consumed:?}");
    });
}

/// Takes messages from a queue once it is there; answers the `traceparent` of each.
async fn consume(rabbit: &Rabbit, queue: &str, count: usize) -> Vec<Option<String>> {
    let url = rabbit.url().replace("amqp://", "amqp://guest:guest@");
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let (_channel, mut consumer) = system_tests::until("the queue is made", async || {
        let channel = connection.create_channel().await.unwrap(); // a queue that is not there closes it
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(queue.into(), "test".into(), options, FieldTable::default()).await;
        Some((channel, consumer.ok()?))
    })
    .await;
    let mut parents = Vec::new();
    while parents.len() < count {
        let message = consumer.next().await.unwrap().unwrap();
        let headers = message.properties.headers().clone().unwrap_or_default();
        parents.push(headers.inner().get("traceparent").map(|value| match value {
            AMQPValue::LongString(text) => text.to_string(),
            other => panic!("a text is expected: {other:?}"),
        }));
        message.ack(BasicAckOptions::default()).await.unwrap();
    }
    drop(connection.close(200, "bye".into()).await);
    parents
}
