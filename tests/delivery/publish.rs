//! Events that an application publishes itself: how they are taken, whom they reach, in which order, and how they are read
//! back.

use reqwest::Method;
use serde_json::{Value, json};
use system_tests::receiver::{Answer, Receiver};
use system_tests::socket::Socket;
use system_tests::tools::{piped, python};
use system_tests::{World, project, text};

const MESSAGES: &str = "/api/v1/Notification/Messages";

/// Publishes what must be accepted.
async fn publish(world: &World<'_>, body: Value) -> Value {
    let (status, answer) = world.ask("POST", MESSAGES, Some(body)).await;
    assert_eq!(status, 202, "{answer}");
    answer
}

/// Posts a body with headers of its own.
async fn post(world: &World<'_>, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let mut request = world.http.post(format!("{}{MESSAGES}", world.stack.url)).body(body.to_owned());
    request = request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Waits until a receiver has got as many messages of a type.
async fn wait_for(world: &World<'_>, receiver: &Receiver, kind: &str, count: usize) -> Vec<Value> {
    let came = async || Some(receiver.of(kind)).filter(|it| it.len() >= count);
    let came = world.until(&format!("{count} of {kind} came"), came).await;
    came.into_iter().map(|it| it.body).collect()
}

#[test]
fn an_event_reaches_every_channel_that_accepts_it_and_is_read_back() {
    World::run(async |world| {
        let all = world.webhook(&[]).await;
        let orders = world.webhook(&[("types", "order.*")]).await;
        let (all_id, orders_id) = (all.channel.lock().unwrap().clone(), orders.channel.lock().unwrap().clone());
        let start = text(&world.get(MESSAGES).await["cursor"]);

        let one = publish(
            world,
            json!({ "type": "order.paid", "data": { "order": 7 }, "timestamp": "2026-11-20T10:00:00+01:00",
                "correlationId": "c-1" }),
        )
        .await;
        let [got] = wait_for(world, &all, "order.paid", 1).await.try_into().unwrap();
        assert_eq!((&got["data"], &got["timestamp"]), (&json!({ "order": 7 }), &json!("2026-11-20T09:00:00Z")));
        assert_eq!((&got["id"], &got["correlationId"]), (&one["id"], &json!("c-1")));
        wait_for(world, &orders, "order.paid", 1).await;

        // a batch: each entry has its own result, and the valid ones have consecutive numbers
        let batch = publish(
            world,
            json!([{ "type": "order.sent", "data": [1, null] }, { "type": "item.mine" }, { "type": "stock.low", "data": null },
                { "type": "order.lost", "channels": [all_id] }, { "type": "order.old", "expiresAt": "2020-01-01T00:00:00Z" }]),
        )
        .await;
        let statuses: Vec<u64> = batch.as_array().unwrap().iter().map(|it| it["status"].as_u64().unwrap()).collect();
        assert_eq!(statuses, [202, 422, 202, 202, 422]);
        assert!(text(&batch[1]["error"]).contains("`item.`"), "{batch}");
        assert_eq!(batch[4]["field"], "expiresAt");
        let number = |index: usize| batch[index]["sequence"].as_u64().unwrap();
        assert_eq!((number(2), number(3)), (number(0) + 1, number(0) + 2));
        wait_for(world, &all, "order.lost", 1).await;
        assert_eq!(wait_for(world, &all, "order.sent", 1).await[0]["data"], json!([1, null]));
        wait_for(world, &orders, "order.sent", 1).await;
        assert_eq!(orders.of("stock.low"), [], "not its type");
        assert_eq!(orders.of("order.lost"), [], "for another channel");

        // what became of each
        let path = "/api/v1/Notification/Deliveries";
        let id = text(&one["id"]);
        world.delivery(&all_id, &id, "delivered").await;
        world.delivery(&orders_id, &id, "delivered").await;
        let (status, deliveries) = world.channels(Method::GET, path, &[("notification", id.as_str())], None).await;
        assert_eq!((status, deliveries.as_array().map(Vec::len)), (200, Some(2)), "{deliveries}");

        // read back, and caught up from a cursor
        let read = world.get(&format!("{MESSAGES}/{id}")).await;
        assert_eq!((&read["data"], &read["correlationId"]), (&json!({ "order": 7 }), &json!("c-1")));
        let page = world.get(&format!("{MESSAGES}?after={start}&type=order.*&limit=2")).await;
        let kinds = |page: &Value| -> Vec<String> {
            page["items"].as_array().unwrap().iter().map(|it| text(&it["type"])).collect()
        };
        assert_eq!((kinds(&page), &page["recovered"]), (vec!["order.paid".into(), "order.sent".into()], &json!(true)));
        let rest = world.get(&format!("{MESSAGES}?after={}", text(&page["next"]))).await;
        assert_eq!((kinds(&rest), rest.get("next")), (vec!["stock.low".into(), "order.lost".into()], None));
        let newest = world.get(&format!("{MESSAGES}?limit=1&type=order.*")).await;
        assert_eq!(kinds(&newest), ["order.lost"]);

        // a long poll ends when there is something, or in time
        let cursor = text(&rest["cursor"]);
        let empty = world.get(&format!("{MESSAGES}?after={cursor}&wait=1")).await;
        assert_eq!((kinds(&empty), &empty["cursor"]), (Vec::new(), &json!(cursor)));
        let path = format!("{MESSAGES}?after={cursor}&wait=20");
        let (waited, _) = futures_util::future::join(world.get(&path), publish(world, json!({ "type": "late" }))).await;
        assert_eq!(kinds(&waited), ["late"]);
        for bad in ["wait=21&after=x", "wait=3", "limit=0", "after=x", "colour=1"] {
            assert_eq!(world.ask("GET", &format!("{MESSAGES}?{bad}"), None).await.0, 422, "{bad}");
        }
        for missing in ["ntf_x", "ntf_YXBw_1_99999"] {
            assert_eq!(world.ask("GET", &format!("{MESSAGES}/{missing}"), None).await.0, 404);
        }
    });
}

#[test]
fn what_is_not_valid_is_refused_and_a_repeat_publishes_once() {
    World::run(async |world| {
        let all = world.webhook(&[]).await;
        for (body, status) in [
            (json!({ "data": 1 }), 422),
            (json!([]), 422),
            (json!([{ "type": "channel.x" }]), 422),
            (json!({ "type": "a", "channels": ["no id"] }), 422),
            (json!(vec![json!({ "type": "a" }); 101]), 422),
        ] {
            assert_eq!(world.ask("POST", MESSAGES, Some(body.clone())).await.0, status, "{body}");
        }
        assert_eq!(post(world, &[("content-type", "text/plain")], "{}").await.0, 415);
        assert_eq!(post(world, &[("content-type", "application/json")], "{").await.0, 400);
        let schema = json!({ "schema": { "required": ["order"], "properties": { "order": { "type": "integer" } } } });
        assert_eq!(world.ask("PUT", "/api/v1/Types/checked", Some(schema)).await.0, 200);
        let (status, problem) =
            world.ask("POST", MESSAGES, Some(json!({ "type": "checked", "data": { "order": "x" } }))).await;
        assert_eq!((status, &problem["field"]), (422, &json!("data/order")));
        let json = ("content-type", "application/json");
        let once = [json, ("idempotency-key", "k-1")];
        let (first, second) =
            (post(world, &once, r#"{"type":"once"}"#).await, post(world, &once, r#"{"type":"once"}"#).await);
        assert_eq!((first.0, &first), (202, &second));
        assert_eq!(post(world, &once, r#"{"type":"other"}"#).await.0, 422);
        // of an event in headers these count as well
        let keyed = |id: &'static str| {
            let event = [("ce-specversion", "1.0"), ("ce-source", "/s"), ("ce-type", "binary"), ("ce-id", id)];
            [[json, ("idempotency-key", "k-2")].as_slice(), &event].concat()
        };
        let (first, second) = (post(world, &keyed("1"), "{}").await, post(world, &keyed("1"), "{}").await);
        assert_eq!((first.0, &first), (202, &second));
        assert_eq!(post(world, &keyed("2"), "{}").await.0, 422);
        publish(world, json!({ "type": "checked", "data": { "order": 7 } })).await;
        wait_for(world, &all, "checked", 1).await;
        assert_eq!(all.of("once").len(), 1);
        // a batch that needs several rows is stored whole
        let large: Vec<Value> =
            (0..5).map(|it| json!({ "type": "large", "data": format!("{it}{}", "x".repeat(120_000)) })).collect();
        publish(world, json!(large)).await;
        assert_eq!(wait_for(world, &all, "large", 5).await.len(), 5);
    });
}

#[test]
fn cloud_events_are_taken_in_every_mode_and_leave_as_they_came() {
    World::run(async |world| {
        let events = world.webhook(&[("format", "cloudevents"), ("types", "com.*")]).await;
        let native = world.webhook(&[("types", "com.*")]).await;
        let structured = json!({ "specversion": "1.0", "id": "A-1", "source": "/orders", "type": "com.example.paid",
            "subject": "7", "time": "2026-11-20T09:00:00Z", "tenant": "x", "partitionkey": "order-7", "data": { "order": 7 } });
        let media_type = ("content-type", "application/cloudevents+json; charset=utf-8");
        let (status, one) = post(world, &[media_type], &structured.to_string()).await;
        assert_eq!(status, 202, "{one}");
        let [mut got] = wait_for_events(world, &events, 1).await.try_into().unwrap();
        let members = got.as_object_mut().unwrap();
        assert_eq!(
            (members.remove("notificationid"), members.remove("sequence").is_some()),
            (Some(one["id"].clone()), true)
        );
        assert_eq!(members.remove("datacontenttype"), Some(json!("application/json")));
        assert_eq!(got, structured);
        assert_eq!(wait_for(world, &native, "com.example.paid", 1).await[0]["orderingKey"], "order-7");

        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", "A-2"),
            ("ce-source", "/orders"),
            ("ce-type", "com.example.paid"),
            ("ce-subject", "caf%C3%A9"),
            ("content-type", "image/png"),
        ];
        assert_eq!(post(world, &headers, "\u{1}").await.0, 202);
        let batch = json!([{ "specversion": "1.0", "id": "A-3", "source": "/orders", "type": "com.example.paid" }, { "id": "A-4" }]);
        let (status, results) =
            post(world, &[("content-type", "application/cloudevents-batch+json")], &batch.to_string()).await;
        assert_eq!((status, &results[0]["status"], &results[1]["field"]), (202, &json!(202), &json!("specversion")));
        let got = wait_for_events(world, &events, 3).await;
        let of = |id: &str| got.iter().find(|it| it["id"] == id).unwrap();
        assert_eq!((&of("A-2")["data_base64"], &of("A-2")["subject"]), (&json!("AQ=="), &json!("café")));
        assert_eq!((of("A-3").get("data"), of("A-3").get("datacontenttype")), (None, None));
        let bad = post(world, &[("content-type", "application/cloudevents+json")], "[]").await;
        assert_eq!((bad.0, &bad.1["status"]), (422, &json!(422)));
    });
}

/// The official library publishes in both modes, and reads what a channel gets.
#[test]
fn the_official_library_of_cloud_events_understands_and_is_understood() {
    World::run(async |world| {
        let events = world.webhook(&[("format", "cloudevents"), ("types", "com.*")]).await;
        let python = python().await.to_string_lossy().into_owned();
        let script = project().join("tests/clients/cloud_events.py").to_string_lossy().into_owned();
        let url = format!("{}{MESSAGES}", world.stack.url);
        let arguments = [script.as_str(), "publish", &url, &world.keys.api_key, &world.keys.api_secret];
        let (ended, printed) = piped(&python, &arguments, &[], "").await;
        assert!(ended && printed.matches("\"status\": 202").count() == 2, "{printed}");
        let got = wait_for(world, &events, "com.example.python", 2).await;
        let request = |it: &Value| {
            let headers = json!({ "content-type": "application/cloudevents+json" });
            json!({ "headers": headers, "body": it.to_string() }).to_string()
        };
        let input = got.iter().map(request).collect::<Vec<_>>().join("\n");
        let (ended, printed) = piped(&python, &[&script, "read"], &[], &input).await;
        assert!(ended, "{printed}");
        let mut read: Vec<Value> = printed.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
        read.sort_by_key(|it| text(&it["attributes"]["id"]));
        for (number, event) in read.iter().enumerate() {
            let attributes = &event["attributes"];
            assert_eq!(attributes["id"], format!("py-{number}"));
            assert_eq!((&attributes["subject"], &attributes["tenant"]), (&json!("caf\u{e9} 7%"), &json!("x")));
            assert_eq!(attributes["time"], "2026-11-20T09:00:00.000004+00:00");
            assert_eq!(event["data"], json!({ "order": 7 }));
        }
    });
}

#[test]
fn an_inbox_notification_reaches_the_channels_that_want_it_if_it_asks_for_them() {
    World::run(async |world| {
        let all = world.webhook(&[("types", "notification.created")]).await;
        let path = "/api/v1/Inbox/jane/Notifications";
        let quiet = json!({ "title": "quiet" });
        let loud =
            json!({ "title": "loud", "type": "message.received", "data": { "from": "joe" }, "alsoNotify": true });
        let (status, sent) = world.ask("POST", path, Some(json!([quiet, loud]))).await;
        assert_eq!(status, 201, "{sent}");
        let [created] = wait_for(world, &all, "notification.created", 1).await.try_into().unwrap();
        let (data, id) = (&created["data"], &sent[1]["id"]);
        assert_eq!((&data["user"], &data["stream"]), (&json!("jane"), &json!("user:jane")));
        let notification = &data["notification"];
        assert_eq!((&notification["id"], &notification["title"]), (id, &json!("loud")));
        assert_eq!(
            (&notification["type"], &notification["data"]),
            (&json!("message.received"), &json!({ "from": "joe" }))
        );
        let many = json!({ "users": ["a", "b"], "notification": { "title": "to many", "alsoNotify": true } });
        assert_eq!(world.ask("POST", "/api/v1/Inbox/Notifications", Some(many)).await.0, 201);
        let came = wait_for(world, &all, "notification.created", 3).await;
        let mut users: Vec<String> = came[1..].iter().map(|it| text(&it["data"]["user"])).collect();
        users.sort();
        assert_eq!(users, ["a", "b"]);
        let everyone = json!({ "title": "all", "alsoNotify": true });
        assert_eq!(world.ask("POST", "/api/v1/Everyone/Notifications", Some(everyone)).await.0, 201);
        let came = wait_for(world, &all, "notification.created", 4).await;
        assert_eq!((&came[3]["data"]["stream"], came[3]["data"].get("user")), (&json!("everyone"), None));
    });
}

#[test]
fn a_socket_gets_the_application_s_stream_if_its_ticket_says_so() {
    World::run(async |world| {
        let ticket = async |body: Value| {
            let (status, made) = world.ask("POST", "/api/v1/Inbox/jane/Tickets", Some(body)).await;
            assert_eq!(status, 201, "{made}");
            text(&made["ticket"])
        };
        let open = async |ticket: &str| {
            let url = format!("{}/api/v1/Inbox/Socket?ticket={ticket}", world.stack.url);
            let mut socket = Socket::open(&url, &[]).await.unwrap();
            socket.say(&json!({ "action": "resume" })).await;
            socket.wait("resumed").await;
            socket
        };
        let mut socket = open(&ticket(json!({ "messages": true })).await).await;
        let mut other = open(&ticket(json!({})).await).await;
        publish(world, json!({ "type": "order.paid", "data": [7] })).await;
        let frame = socket.wait("notifications").await;
        assert_eq!((&frame["stream"], &frame["items"][0]["data"]), (&json!("app"), &json!([7])));
        // caught up by a cursor after a lost connection
        let cursor = text(&frame["items"][0]["cursor"]);
        socket.cut();
        publish(world, json!({ "type": "order.sent" })).await;
        let url =
            format!("{}/api/v1/Inbox/Socket?ticket={}", world.stack.url, ticket(json!({ "messages": true })).await);
        let mut socket = Socket::open(&url, &[]).await.unwrap();
        socket.say(&json!({ "action": "resume", "after": cursor })).await;
        assert_eq!(socket.item("order.sent").await["data"], json!({}));
        // the other one has got its own, and nothing of these
        world.send("jane", "own").await;
        assert_eq!(other.wait("notifications").await["stream"], "user:jane");
        // a key without the scope makes no such ticket
        let path = format!("/api/v1/Applications/{}/Keys", world.keys.application_id);
        let (status, key) = world.ask("POST", &path, Some(json!({ "name": "inboxes", "scopes": ["inbox"] }))).await;
        assert_eq!(status, 201, "{key}");
        let request = world.http.post(format!("{}/api/v1/Inbox/jane/Tickets", world.stack.url));
        let request = request.header("x-api-key", text(&key["apiKey"])).header("x-api-secret", text(&key["apiSecret"]));
        let refused = request.json(&json!({ "messages": true })).send().await.unwrap();
        assert_eq!(refused.status(), 403);
    });
}

#[test]
fn the_program_publishes_and_follows_the_deliveries() {
    World::run(async |world| {
        let hook = world.webhook(&[("types", "order.*")]).await;
        let id = hook.channel.lock().unwrap().clone();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"order": 7}"#).unwrap();
        let data = format!("@{}", file.path().display());
        let arguments =
            ["publish", "--type", "order.paid", "--data", &data, "--ordering-key", "7", "--channel", &id, "--watch"];
        let (ended, printed) = world.notify_as(&arguments).await;
        assert!(ended && printed.contains("order.paid: ntf_"), "{printed}");
        assert!(printed.contains(&id) && printed.contains("delivered (204)"), "{printed}");
        let message = wait_for(world, &hook, "order.paid", 1).await.remove(0);
        assert_eq!((&message["data"], &message["orderingKey"]), (&json!({ "order": 7 }), &json!("7")));
        let (ended, printed) = world.notify_as(&["publish", "--type", "item.mine"]).await;
        assert!(!ended && printed.contains("the system's own"), "{printed}");
    });
}

/// The CloudEvents that a receiver has got, which must have come with their media type.
async fn wait_for_events(world: &World<'_>, receiver: &Receiver, count: usize) -> Vec<Value> {
    let events = wait_for(world, receiver, "com.example.paid", count).await;
    assert_eq!(receiver.last()["headers"]["content-type"], "application/cloudevents+json");
    events
}

#[test]
fn a_channel_in_order_gets_the_events_of_one_key_one_after_the_other() {
    World::run(async |world| {
        let form =
            [("ordering", "key"), ("exponentialBackoffFactor", "1.0"), ("retryCount", "3"), ("types", "step.*,free")];
        let receiver = world.webhook(&form).await;
        let id = receiver.channel.lock().unwrap().clone();
        assert_eq!(world.configuration(&id).await["ordering"], "key");
        // the first attempt of the first event fails
        receiver.answers([Answer::Status(500, vec![])]);
        let step = |number: u32| json!({ "type": "step.a", "data": number, "orderingKey": "a" });
        let first = publish(world, step(0)).await;
        wait_for(world, &receiver, "step.a", 1).await;
        let mut batch: Vec<Value> = (1..8).map(step).collect();
        batch.extend((0..3).map(|it| json!({ "type": "step.b", "data": it, "orderingKey": "b" })));
        batch.push(json!({ "type": "free" }));
        publish(world, json!(batch)).await;
        wait_for(world, &receiver, "free", 1).await;
        wait_for(world, &receiver, "step.b", 3).await;
        let came = wait_for(world, &receiver, "step.a", 9).await;
        let numbers: Vec<u64> = came.iter().map(|it| it["data"].as_u64().unwrap()).collect();
        assert_eq!(numbers, [0, 0, 1, 2, 3, 4, 5, 6, 7], "the failed one comes again before the next");
        let numbers: Vec<Value> = receiver.of("step.b").into_iter().map(|it| it.body["data"].clone()).collect();
        assert_eq!(numbers, [0, 1, 2]);
        world.delivery(&id, &text(&first["id"]), "delivered").await;
        // what is given up holds up nothing
        receiver.answers([Answer::Status(500, vec![("webhook-delivery".into(), "abort-message".into())])]);
        publish(world, json!([step(8), step(9)])).await;
        wait_for(world, &receiver, "step.a", 11).await;
    });
}
