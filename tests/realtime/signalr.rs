//! The SignalR hub, with the official client, an independent one, and by hand where neither can go.

use std::time::Duration;

use local::websocket_gateway::ConnectionLimits;
use serde_json::{Value, json};
use system_tests::socket::{Disconnect, Socket};
use system_tests::tools::{Talker, node, python};
use system_tests::{World, own_stack, project, text};

fn client(name: &str) -> String {
    project().join("tests/clients").join(name).to_string_lossy().into_owned()
}

#[test]
fn the_official_client_passes_the_conformance_suite() {
    World::run(async |world| {
        let (modules, token) = (node().await.to_string_lossy().into_owned(), world.token("jane", &["editors"]).await);
        let environment = [
            ("URL", world.stack.url.as_str()),
            ("TOKEN", &token),
            ("KEY", &world.keys.api_key),
            ("SECRET", &world.keys.api_secret),
            ("USER_ID", "jane"),
            ("MODULES", &modules),
        ];
        let mut suite = Talker::start("node", &[&client("signalr.mjs")], &environment);
        let (mut passed, mut failed) = (Vec::new(), Vec::new());
        while let Some(line) = suite.line().await {
            println!("{line}");
            if let Some(what) = line.strip_prefix("ask: ") {
                // what the server says when a socket's two hours end, said now
                let record = match what {
                    "close for now" => json!({ "type": 7, "allowReconnect": true }),
                    _ => json!({ "type": 7, "error": "bye" }),
                };
                for id in world.stack.sockets.connection_ids("Microsoft SignalR") {
                    assert!(world.stack.sockets.post_to_connection(&id, format!("{record}\u{1e}")));
                }
                suite.answer("done").await;
            } else if line.starts_with("not ok") {
                failed.push(line);
            } else if line.starts_with("ok") {
                passed.push(line);
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
        assert_eq!(passed.len(), 16, "every case ran");
    });
}

#[test]
fn the_official_client_outlives_its_sockets() {
    World::alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let stack = own_stack(folder.path(), &[]).await;
        let world = &World::open(&stack).await;
        let (modules, token) = (node().await.to_string_lossy().into_owned(), world.token("jane", &[]).await);
        // two hours at API Gateway
        stack.sockets.set_limits(ConnectionLimits { age: Duration::from_secs(3), ..ConnectionLimits::default() });
        let environment = [
            ("URL", stack.url.as_str()),
            ("TOKEN", &token),
            ("KEY", &world.keys.api_key),
            ("SECRET", &world.keys.api_secret),
            ("USER_ID", "jane"),
            ("MODULES", &modules),
        ];
        let mut suite = Talker::start("node", &[&client("signalr.mjs"), "lifetime"], &environment);
        let mut said = Vec::new();
        while let Some(line) = suite.line().await {
            println!("{line}");
            said.push(line);
        }
        assert!(said.len() == 2 && said.iter().all(|it| it.starts_with("ok lifetime")), "{said:#?}");
    });
}

#[test]
fn an_independent_client_connects_and_receives() {
    World::run(async |world| {
        let (program, token) = (python().await.to_string_lossy().into_owned(), world.token("jane", &[]).await);
        let url = format!("{}/hubs/notifications", world.stack.url);
        let mut client = Talker::start(&program, &[&client("signalrcore_client.py"), &url, &token], &[]);
        client.until("open").await;
        world.send("jane", "for the other client").await;
        client.until("told for the other client").await;
    });
}

#[test]
fn a_client_for_asyncio_connects_subscribes_and_receives() {
    World::run(async |world| {
        let (program, token) = (python().await.to_string_lossy().into_owned(), world.token("jane", &[]).await);
        let url = format!("{}/hubs/notifications", world.stack.url);
        let mut client = Talker::start(&program, &[&client("pysignalr_client.py"), &url, &token], &[]);
        client.until("subscribed").await;
        world.send("jane", "for the third client").await;
        client.until("told for the third client").await;
    });
}

async fn hub(world: &World<'_>) -> Socket {
    let token = world.token("jane", &[]).await;
    let url = format!("{}/hubs/notifications?access_token={token}", world.stack.url);
    Socket::open(&url, &[]).await.expect("a token opens a hub")
}

#[test]
fn a_handshake_of_another_kind_is_refused_with_its_reason() {
    World::run(async |world| {
        for (handshake, want) in [
            (json!({ "protocol": "messagepack", "version": 1 }), "The protocol 'messagepack' is not supported."),
            (
                json!({ "protocol": "json", "version": 3 }),
                "The server does not support version 3 of the 'json' protocol.",
            ),
        ] {
            let mut socket = hub(world).await;
            socket.records(&[handshake]).await;
            let answer = socket.next().await.unwrap();
            assert_eq!((&answer["error"], &answer["type"]), (&json!(want), &Value::Null));
            assert!(matches!(socket.next().await, Err(Disconnect::Closed(_))));
        }
    });
}

#[test]
fn records_that_break_the_protocol_close_the_socket_and_unknown_ones_do_not() {
    World::run(async |world| {
        for bad in ["{\"type\":6}", "hello\u{1e}", "{\"type\":1,\"arguments\":[]}\u{1e}", "{\"x\":1}\u{1e}"] {
            let mut socket = hub(world).await;
            socket.records(&[json!({ "protocol": "json", "version": 1 })]).await;
            assert_eq!(socket.next().await, Ok(json!({})));
            socket.text(bad.to_owned()).await;
            let last = socket.wait_record(7).await;
            assert!(last["error"].is_string(), "{bad}: {last}");
            assert!(matches!(socket.next().await, Err(Disconnect::Closed(_))), "{bad}");
        }
        // several records in one message, one of a type that nobody knows
        let mut socket = hub(world).await;
        let call = json!({ "type": 1, "target": "Dance", "arguments": [], "invocationId": "9" });
        socket
            .records(&[json!({ "protocol": "json", "version": 1 }), json!({ "type": 99 }), json!({ "type": 6 }), call])
            .await;
        assert_eq!(socket.next().await, Ok(json!({})));
        assert_eq!(socket.next().await, Ok(json!({ "type": 6 })));
        let answer = socket.next().await.unwrap();
        assert_eq!((&answer["invocationId"], &answer["error"]), (&json!("9"), &json!("Unknown hub method 'Dance'")));
    });
}

#[test]
fn a_negotiated_id_is_good_once_and_a_forged_one_never() {
    World::run(async |world| {
        let token = world.token("jane", &[]).await;
        let url = format!("{}/hubs/notifications", world.stack.url);
        let negotiated: Value = world
            .http
            .post(format!("{url}/negotiate?negotiateVersion=1"))
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(negotiated["useStatefulReconnect"], Value::Null, "it was not asked for");
        let id = text(&negotiated["connectionToken"]);
        assert!(Socket::open(&format!("{url}?id={id}"), &[]).await.is_ok());
        assert_eq!(Socket::open(&format!("{url}?id={id}"), &[]).await.err(), Some(404));
        assert_eq!(
            Socket::open(&format!("{url}?id={}", text(&negotiated["connectionId"])), &[]).await.err(),
            Some(404)
        );
    });
}

#[test]
fn a_cursor_of_a_group_that_was_left_is_named_and_the_others_are_resumed() {
    World::run(async |world| {
        let (own, group) = (world.send("jane", "first").await, "/api/v1/Groups/left/Notifications");
        let (status, foreign) = world.ask("POST", group, Some(json!({ "title": "of the group" }))).await;
        assert_eq!(status, 201, "{foreign}");
        let foreign = &foreign[0]["cursor"];
        world.send("jane", "second").await;
        let mut socket = hub(world).await;
        let call = |id: &str, cursors: Value| json!({ "type": 1, "target": "Subscribe", "arguments": [cursors], "invocationId": id });
        let first = call("1", json!([own["cursor"], foreign]));
        socket.records(&[json!({ "protocol": "json", "version": 1 }), first]).await;
        // what was sent just before may come live, too
        loop {
            let told = socket.wait_record(1).await;
            if told["target"] == "Notifications" && told["arguments"][0][0]["title"] == "second" {
                break;
            }
        }
        let done = socket.wait_record(3).await;
        assert_eq!((&done["error"], &done["result"]["refused"]), (&Value::Null, &json!([foreign])), "{done}");
        // with nothing to resume from it is the error that it was
        for cursors in [json!([foreign]), foreign.clone()] {
            socket.records(&[call("2", cursors)]).await;
            assert_eq!(socket.wait_record(3).await["error"], "this is no cursor of this inbox");
        }
    });
}
