//! The WebSocket API as API Gateway has it: `@connections`, limits, and connections that end without a word.

use std::time::Duration;

use local::websocket_gateway::ConnectionLimits;
use serde_json::{Value, json};
use system_tests::socket::{Disconnect, Socket};
use system_tests::{Place, World, own_stack, text};

/// Asks `@connections` as a function does.
async fn manage(world: &World<'_>, method: &str, id: &str, body: Vec<u8>) -> (u16, String, Value) {
    let id = id.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let url = format!("{}/live/@connections/{id}", world.stack.url);
    let answer = world.http.request(method.parse().unwrap(), url).body(body).send().await.unwrap();
    let kind = answer.headers().get("x-amzn-errortype").map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status().as_u16(), kind, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

#[test]
fn connections_are_managed_as_at_api_gateway() {
    World::run(async |world| {
        let token = world.token("jane", &[]).await;
        let bearer = format!("Bearer {token}");
        let agent = format!("managed {}", world.seed);
        let url = format!("{}/api/v1/Inbox/Socket", world.stack.url);
        let headers = [("authorization", bearer.as_str()), ("user-agent", agent.as_str())];
        let mut socket = Socket::open(&url, &headers).await.unwrap();
        let id = world.until("the socket is open", async || world.stack.sockets.connection_ids(&agent).pop()).await;
        assert!(id.len() == 16 && id.ends_with('='), "{id}");
        let (status, _, it) = manage(world, "GET", &id, Vec::new()).await;
        assert_eq!((status, &it["identity"]["userAgent"]), (200, &json!(agent)));
        assert_eq!(manage(world, "POST", &id, b"{\"type\":\"hand-made\"}".to_vec()).await.0, 200);
        assert_eq!(socket.next().await.unwrap()["type"], "hand-made");
        let large = manage(world, "POST", &id, vec![b'x'; 131_073]).await;
        assert_eq!((large.0, large.1.as_str()), (413, "PayloadTooLargeException"));
        assert_eq!(manage(world, "DELETE", &id, Vec::new()).await.0, 204);
        assert_eq!(socket.next().await, Err(Disconnect::Closed(1000)));
        world
            .until("the socket is gone", async || {
                let gone = manage(world, "POST", &id, b"x".to_vec()).await;
                ((gone.0, gone.1.as_str()) == (410, "GoneException")).then_some(())
            })
            .await;
        assert_eq!(manage(world, "GET", "never/given+=", Vec::new()).await.0, 410);
    });
}

#[test]
fn idle_old_and_lost_sockets_end_and_nothing_is_lost_with_them() {
    World::alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let stack = own_stack(folder.path(), &[]).await;
        let world = &World::open(&stack).await;
        for (limits, what) in [
            (ConnectionLimits { idle: Duration::from_secs(2), ..ConnectionLimits::default() }, "idle"),
            (ConnectionLimits { age: Duration::from_secs(2), ..ConnectionLimits::default() }, "old"),
        ] {
            stack.sockets.set_limits(limits);
            let mut socket = world.listen("jane", None).await;
            let (_, cursor) = socket.caught_up().await;
            let end = loop {
                // a push that was under way while the socket opened may come again
                if let Err(end) = socket.next().await {
                    break end;
                }
            };
            assert_eq!(end, Disconnect::Closed(1001), "{what}");
            stack.sockets.set_limits(ConnectionLimits::default());
            let sent = world.send("jane", what).await;
            let mut socket = world.listen("jane", Some(&cursor)).await;
            assert_eq!(socket.caught_up().await.0, [sent["sequence"].as_u64().unwrap()], "{what}");
        }
        // connections cut, and nobody is told: the rows of the lost ones go when they cannot be reached
        stack.sockets.suppress_disconnect(true);
        let before = world.listen("john", None).await;
        let mut second = world.listen("john", None).await;
        second.caught_up().await;
        before.cut();
        assert!(stack.sockets.abort_all() > 0);
        world.until("the sockets are gone", async || (stack.sockets.connection_count() == 0).then_some(())).await;
        let mut socket = world.listen("john", None).await;
        socket.caught_up().await;
        world.send("john", "one is left").await;
        assert_eq!(socket.wait("notifications").await["items"][0]["title"], "one is left");
        world.until("no push is left over", async || world.leftovers().is_empty().then_some(())).await;
        let left = world.get("/api/v1/Inbox/john/Connections").await;
        assert_eq!(left.as_array().unwrap().len(), 1, "the rows of the lost ones are gone: {left}");
        stack.sockets.suppress_disconnect(false);
        // a stack that is killed: the cursor is still good in the next one
        let cursor = text(&world.get("/api/v1/Inbox/john/Notifications?limit=1").await["items"][0]["cursor"]);
        let keys = world.keys.clone();
        drop(stack);
        let stack = own_stack(folder.path(), &[]).await;
        let world = &World { stack: Place::of(&stack), keys, http: system_tests::http(), seed: 1 };
        world.send("john", "after the kill").await;
        let mut socket = world.listen("john", Some(&cursor)).await;
        assert_eq!(socket.wait("notifications").await["items"][0]["title"], "after the kill");
    });
}

#[test]
fn what_is_over_the_limit_is_told_again_and_who_never_takes_it_is_closed_and_resumes() {
    World::alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let stack = own_stack(folder.path(), &[]).await;
        let world = &World::open(&stack).await;
        let mut socket = world.listen("jane", None).await;
        let (_, cursor) = socket.caught_up().await;
        world.until("nothing is under way", async || world.leftovers().is_empty().then_some(())).await;
        // the SDK tries three times at once; then the queue, later
        stack.sockets.throttle_posts(4);
        world.send("jane", "told again").await;
        assert_eq!(socket.wait("notifications").await["items"][0]["title"], "told again");
        stack.sockets.throttle_posts(usize::MAX);
        let missed = world.send("jane", "never taken").await["sequence"].as_u64().unwrap();
        let end = loop {
            if let Err(end) = socket.next().await {
                break end;
            }
        };
        assert_eq!(end, Disconnect::Closed(1000), "too slow to follow");
        stack.sockets.throttle_posts(0);
        let mut socket = world.listen("jane", Some(&cursor)).await;
        assert_eq!(socket.caught_up().await.0, [missed - 1, missed]);
        world.until("no push is left over", async || world.leftovers().is_empty().then_some(())).await;
    });
}
