//! Sockets: the seed's, our own protocol, who may open one, and what is told to whom.

use std::time::Duration;

use local::sockets::Limits;
use serde_json::{Value, json};
use system_tests::socket::{End, Socket};
use system_tests::tools::{Talker, chromium, node, python};
use system_tests::{World, own_stack, project, text};

fn sequences(frame: &Value) -> Vec<u64> {
    frame["items"].as_array().unwrap().iter().map(|it| it["sequence"].as_u64().unwrap()).collect()
}

/// Numbers of notifications until the catch-up ends, and the cursor at its end.
async fn caught_up(socket: &mut Socket) -> (Vec<u64>, String) {
    let mut seen = Vec::new();
    loop {
        let it = socket.next().await.unwrap();
        match it["type"].as_str().unwrap() {
            "notifications" => seen.extend(sequences(&it)),
            "resumed" => {
                assert_eq!(it["more"], false);
                return (seen, text(&it["cursors"][0]));
            }
            _ => {}
        }
    }
}

#[test]
fn the_seeds_socket_tells_what_is_unread_and_then_each_at_once() {
    World::run(async |world| {
        let user = world.seed % 1_000_000 + 2_000_000;
        let seed =
            |title: &str| json!({ "title": title, "description": "d", "identifier": "MESSAGE", "user_id": user });
        let post = async |title: &str| {
            let url = format!("{}/notifications/", world.stack.url);
            world.http.post(url).json(&seed(title)).send().await.unwrap().json::<Value>().await.unwrap()
        };
        let (first, second) = (post("one").await, post("two").await);
        world.http.put(format!("{}/notifications/{}", world.stack.url, text(&first["id"]))).send().await.unwrap();
        // no credentials, no subprotocol, no word: as the seed's clients do it
        let url = format!("{}/notifications/ws/{user}", world.stack.url);
        let mut socket = Socket::open(&url, &[]).await.unwrap();
        let unread = socket.next().await.unwrap();
        assert_eq!(unread.as_array().unwrap().len(), 1, "what was read is not told: {unread}");
        assert_eq!((&unread[0]["id"], &unread[0]["title"]), (&second["id"], &json!("two")));
        assert_eq!((&unread[0]["is_read"], &unread[0]["user_id"]), (&json!(false), &json!(user)));
        assert_eq!(text(&unread[0]["created_at"]).len(), "2026-11-21 09:00:00".len());
        let third = post("three").await;
        loop {
            let pushed = socket.next().await.unwrap();
            if pushed[0]["id"] == third["id"] {
                break;
            }
            // a notification that was under way while the socket opened may come twice, under one id
            assert_eq!(pushed[0]["id"], second["id"], "{pushed}");
        }
        socket.close().await;
        // nothing unread is an empty array, so that a client sees that it is connected
        let mut other = Socket::open(&format!("{url}99"), &[]).await.unwrap();
        assert_eq!(other.next().await.unwrap(), json!([]));
    });
}

#[test]
fn a_socket_is_told_at_once_and_resumes_whole_after_any_drop() {
    World::run(async |world| {
        let mut socket = world.listen("jane", None).await;
        let (nothing, _) = caught_up(&mut socket).await;
        assert!(nothing.is_empty());
        let sent = world.send("jane", "hello").await;
        let frame = socket.wait("notifications").await;
        assert_eq!((&frame["stream"], &frame["items"][0]["id"]), (&json!("user:jane"), &sent["id"]));
        assert_eq!((&frame["items"][0]["title"], &frame["items"][0]["read"]), (&json!("hello"), &json!(false)));
        let cursor = text(&frame["items"][0]["cursor"]);
        socket.cut();
        for it in 0..7 {
            world.send("jane", &format!("missed {it}")).await;
        }
        world.send("john", "another's").await;
        let mut socket = world.listen("jane", Some(&cursor)).await;
        let (missed, end) = caught_up(&mut socket).await;
        assert_eq!(missed, (2..=8).collect::<Vec<u64>>(), "all that was missed, once, in order");
        // the same cursor is good over REST
        let page = world.get(&format!("/api/v1/Inbox/jane/Notifications?after={cursor}")).await;
        assert_eq!((page["items"].as_array().unwrap().len(), &page["recovered"]), (7, &json!(true)));
        let page = world.get(&format!("/api/v1/Inbox/jane/Notifications?after={end}")).await;
        assert_eq!(page["items"], json!([]));
        // a sign of life says how far the inbox is
        socket.say(&json!({ "action": "ping" })).await;
        assert_eq!(text(&socket.wait("pong").await["cursors"][0]), end);
        // what was deleted keeps its number
        let id = text(&world.get("/api/v1/Inbox/jane/Notifications?limit=1").await["items"][0]["id"]);
        socket.say(&json!({ "action": "mark", "change": "delete", "ids": [id] })).await;
        assert_eq!(socket.wait("done").await["counts"]["total"], 7);
        let mut again = world.listen("jane", Some(&cursor)).await;
        let frame = again.wait("notifications").await;
        assert_eq!(frame["items"][6]["deleted"], true);
        assert_eq!(frame["items"][6]["title"], Value::Null);
    });
}

#[test]
fn marks_reach_every_device_and_counts_are_the_same_everywhere() {
    World::run(async |world| {
        let (mut phone, mut desk) = (world.listen("jane", None).await, world.listen("jane", None).await);
        caught_up(&mut phone).await;
        caught_up(&mut desk).await;
        let sent = [world.send("jane", "a").await, world.send("jane", "b").await, world.send("jane", "c").await];
        phone.say(&json!({ "action": "mark", "change": "read", "ids": [sent[1]["id"]] })).await;
        let counts = phone.wait("done").await["counts"].clone();
        assert_eq!((&counts["unread"], &counts["total"]), (&json!(2), &json!(3)));
        for device in [&mut phone, &mut desk] {
            let marks = device.wait("marks").await;
            assert_eq!((&marks["read"], &marks["counts"]), (&json!([[2, 2]]), &counts));
        }
        assert_eq!(world.get("/api/v1/Inbox/jane/Counts").await, counts);
        // over REST as well, and up to a cursor
        let (_, counts) = world
            .ask("POST", "/api/v1/Inbox/jane/Marks", Some(json!({ "change": "read", "upTo": sent[2]["cursor"] })))
            .await;
        let marks = desk.wait("marks").await;
        assert_eq!((&marks["read"], &marks["counts"]), (&json!([[1, 3]]), &counts));
    });
}

#[test]
fn a_device_goes_on_where_it_acknowledged() {
    World::run(async |world| {
        let mut socket = world.listen("jane", None).await;
        caught_up(&mut socket).await;
        let sent = [world.send("jane", "a").await, world.send("jane", "b").await];
        socket.say(&json!({ "action": "ack", "cursor": sent[0]["cursor"], "device": "phone" })).await;
        socket.say(&json!({ "action": "ack", "cursor": "nonsense", "device": "phone" })).await;
        assert_eq!(socket.wait("error").await["action"], "ack");
        world
            .until("the phone goes on behind what it acknowledged", async || {
                let mut socket = world.listen("jane", None).await;
                caught_up(&mut socket).await;
                socket.say(&json!({ "action": "resume", "device": "phone" })).await;
                let (seen, _) = caught_up(&mut socket).await;
                (seen == [2]).then_some(())
            })
            .await;
    });
}

#[test]
fn groups_and_everyone_are_told_and_catch_up_by_cursors_of_their_own() {
    World::run(async |world| {
        let open = async |user: &str, groups: &[&str]| {
            let ticket = world.ticket(user, groups).await;
            let url = format!("{}/api/v1/Inbox/Socket?ticket={ticket}", world.stack.url);
            let mut socket = Socket::open(&url, &[]).await.unwrap();
            socket.say(&json!({ "action": "resume" })).await;
            let resumed = socket.wait("resumed").await;
            (socket, resumed["cursors"].clone())
        };
        let (mut editor, cursors) = open("jane", &["editors"]).await;
        let (mut guest, _) = open("john", &[]).await;
        assert_eq!(cursors.as_array().unwrap().len(), 3, "the user's, the group's, everyone's");
        let (status, sent) =
            world.ask("POST", "/api/v1/Groups/editors/Notifications", Some(json!({ "title": "deadline" }))).await;
        assert_eq!(status, 201, "{sent}");
        let frame = editor.wait("notifications").await;
        assert_eq!((&frame["stream"], &frame["items"][0]["title"]), (&json!("group:editors"), &json!("deadline")));
        let (status, sent) =
            world.ask("POST", "/api/v1/Everyone/Notifications", Some(json!({ "title": "fire" }))).await;
        assert_eq!(status, 201, "{sent}");
        for socket in [&mut editor, &mut guest] {
            let frame = socket.wait("notifications").await;
            assert_eq!((&frame["stream"], &frame["items"][0]["title"]), (&json!("everyone"), &json!("fire")));
        }
        // whoever was away reads both on the next socket
        editor.cut();
        let (mut editor, _) = open("jane", &["editors"]).await;
        editor.say(&json!({ "action": "resume", "after": cursors })).await;
        let mut titles = Vec::new();
        loop {
            let it = editor.next().await.unwrap();
            match it["type"].as_str().unwrap() {
                "notifications" => titles.push(text(&it["items"][0]["title"])),
                "resumed" => break,
                _ => {}
            }
        }
        assert_eq!(titles, ["deadline", "fire"]);
        // a member reads its groups over REST, and no others
        let token = world.token("jane", &["editors"]).await;
        for (path, want) in [
            ("/api/v1/Groups/editors/Notifications", 200),
            ("/api/v1/Groups/board/Notifications", 403),
            ("/api/v1/Everyone/Notifications", 200),
            ("/api/v1/Inbox/jane/Notifications", 200),
            ("/api/v1/Inbox/john/Notifications", 403),
        ] {
            let answer = world.http.get(format!("{}{path}", world.stack.url)).bearer_auth(&token).send().await.unwrap();
            assert_eq!(answer.status(), want, "{path}");
        }
    });
}

#[test]
fn only_who_proves_it_opens_a_socket_and_a_ticket_opens_one() {
    World::run(async |world| {
        let url = format!("{}/api/v1/Inbox/Socket", world.stack.url);
        assert_eq!(Socket::open(&url, &[]).await.err(), Some(401));
        assert_eq!(Socket::open(&format!("{url}?ticket=tkt_wrong"), &[]).await.err(), Some(401));
        let ticket = world.ticket("jane", &[]).await;
        let with_ticket = format!("{url}?ticket={ticket}");
        let first = Socket::open(&with_ticket, &[]).await;
        assert!(first.is_ok());
        assert_eq!(Socket::open(&with_ticket, &[]).await.err(), Some(401), "a ticket is good once");
        // a user's token: in the header, in the query, beside the subprotocol
        let token = world.token("jane", &[]).await;
        let bearer = format!("Bearer {token}");
        assert!(Socket::open(&url, &[("authorization", &bearer)]).await.is_ok());
        assert!(Socket::open(&format!("{url}?access_token={token}"), &[]).await.is_ok());
        let beside = format!("notifications.v1, bearer.{}", base64_url(&token));
        let socket = Socket::open(&url, &[("sec-websocket-protocol", &beside)]).await.unwrap();
        assert_eq!(socket.protocol.as_deref(), Some("notifications.v1"));
        // a machine with its key pair says for whom
        let keys = [("x-api-key", world.keys.api_key.as_str()), ("x-api-secret", world.keys.api_secret.as_str())];
        assert!(Socket::open(&format!("{url}?user=jane"), &keys).await.is_ok());
        assert_eq!(Socket::open(&url, &keys).await.err(), Some(401), "for whom?");
        let wrong = [keys[0], ("x-api-secret", "wrong")];
        assert_eq!(Socket::open(&format!("{url}?user=jane"), &wrong).await.err(), Some(401));
        // a token that was changed, an application's own, and another user's path
        let mut forged = token.clone();
        let last = forged.pop().unwrap();
        forged.push(if last == 'A' { 'B' } else { 'A' });
        assert_eq!(Socket::open(&format!("{url}?access_token={forged}"), &[]).await.err(), Some(401));
        let elsewhere = format!("{}/notifications/ws/john?access_token={token}", world.stack.url);
        assert_eq!(Socket::open(&elsewhere, &[]).await.err(), Some(401));
        assert_eq!(Socket::open(&format!("{}/nowhere", world.stack.url), &[]).await.err(), Some(404));
        // pages that are not on the list
        let (status, answer) = world
            .ask("PUT", "/api/v1/Media/Settings", Some(json!({ "allowed_origins": ["https://news.example.com"] })))
            .await;
        assert_eq!(status, 200, "{answer}");
        world
            .until("the list is obeyed", async || {
                let evil = [("authorization", bearer.as_str()), ("origin", "https://evil.example.com")];
                (Socket::open(&url, &evil).await.err() == Some(403)).then_some(())
            })
            .await;
        let good = [("authorization", bearer.as_str()), ("origin", "https://news.example.com")];
        assert!(Socket::open(&url, &good).await.is_ok());
    });
}

fn base64_url(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = three.iter().fold(0_u32, |sum, it| sum << 8 | u32::from(*it)) << (8 * (3 - three.len()));
        (0..=three.len()).for_each(|it| out.push(char::from(LETTERS[(bits >> (18 - 6 * it) & 63) as usize])));
    }
    out
}

#[test]
fn garbage_is_answered_and_the_socket_stays() {
    World::run(async |world| {
        let mut socket = world.listen("jane", None).await;
        caught_up(&mut socket).await;
        for bad in [
            json!("hello"),
            json!({ "action": "dance" }),
            json!({ "action": "resume", "after": "nonsense" }),
            json!({ "action": "resume", "after": [7] }),
            json!({ "action": "mark", "change": "read" }),
            json!({ "action": "mark", "change": "burn", "ids": ["a"] }),
            json!({ "action": "mark", "change": "read", "ids": ["ntf_dXNlcjpqb2hu_1_1"] }),
        ] {
            socket.say(&bad).await;
            let error = socket.wait("error").await;
            assert!(error["message"].as_str().is_some_and(|it| !it.is_empty()), "{bad}: {error}");
        }
        socket.text("{".repeat(1_000)).await;
        socket.wait("error").await;
        // another application's cursor, and another user's
        let other = World::open(world.stack).await;
        let stranger = other.send("jane", "elsewhere").await;
        let john = world.send("john", "another's").await;
        for cursor in [&stranger["cursor"], &john["cursor"]] {
            socket.say(&json!({ "action": "resume", "after": cursor })).await;
            assert_eq!(socket.wait("error").await["message"], "this is no cursor of this inbox");
        }
        world.send("jane", "still there").await;
        assert_eq!(socket.wait("notifications").await["items"][0]["title"], "still there");
        // a frame beyond 32 KB ends it, as API Gateway does
        socket.text("x".repeat(33_000)).await;
        loop {
            match socket.next().await {
                Ok(_) => {}
                Err(end) => {
                    assert_eq!(end, End::Closed(1009));
                    break;
                }
            }
        }
    });
}

#[test]
fn large_notifications_come_by_reference() {
    World::run(async |world| {
        let mut socket = world.listen("jane", None).await;
        caught_up(&mut socket).await;
        let body = json!({ "title": "large", "data": { "text": "x".repeat(30_000) } });
        let (status, sent) = world.ask("POST", "/api/v1/Inbox/jane/Notifications", Some(body)).await;
        assert_eq!(status, 201, "{sent}");
        let item = socket.wait("notifications").await["items"][0].clone();
        assert_eq!((&item["id"], &item["title"]), (&sent[0]["id"], &Value::Null));
        let whole = world.get(&text(&item["href"])).await;
        assert_eq!(whole["data"]["text"].as_str().unwrap().len(), 30_000);
    });
}

#[test]
fn the_seeds_own_clients_work_as_they_are() {
    World::run(async |world| {
        let python = python().await.to_string_lossy().into_owned();
        let script = project().join("tests/clients/websocket_client.py").to_string_lossy().into_owned();
        let address = world.stack.url.replacen("http", "ws", 1);
        let mut client = Talker::start(&python, &["-u", &script, &address], &[]);
        client.until("Notification data is :").await;
        // the three events of its mock_events.py, by our own command
        let (done, said) = world.notify(&["mock-events"]).await;
        assert!(done, "{said}");
        for title in ["New Message Received", "Subscription Expiring Soon", "Profile Setup Complete"] {
            client.until(title).await;
        }
    });
}

#[test]
fn the_readmes_snippet_works_in_a_real_browser() {
    World::run(async |world| {
        chromium().await;
        let readme = std::fs::read_to_string(project().join("README.md")).unwrap();
        let snippet = readme.split("```js\n").find(|it| it.starts_with("// in a browser's console")).unwrap();
        let snippet = snippet.split("```").next().unwrap();
        let snippet = snippet.replace("127.0.0.1:8000", world.stack.url.trim_start_matches("http://"));
        let user = world.seed % 1_000_000 + 5_000_000;
        let snippet = snippet.replace("= 123;", &format!("= {user};"));
        let modules = node().await.to_string_lossy().into_owned();
        let script = project().join("tests/clients/browser.mjs").to_string_lossy().into_owned();
        let page = format!("{}/docs/index.html", world.stack.url);
        let environment = [("SNIPPET", snippet.as_str()), ("PAGE", &page), ("MODULES", &modules)];
        let mut browser = Talker::start("node", &[&script], &environment);
        browser.until("Connected to WebSocket server").await;
        browser.until("[]").await;
        let body = json!({ "title": "for the browser", "description": "d", "identifier": "MESSAGE", "user_id": user });
        world.http.post(format!("{}/notifications/", world.stack.url)).json(&body).send().await.unwrap();
        browser.until("for the browser").await;
    });
}

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
        let id = world.until("the socket is open", async || world.stack.sockets.ids(&agent).pop()).await;
        assert!(id.len() == 16 && id.ends_with('='), "{id}");
        let (status, _, it) = manage(world, "GET", &id, Vec::new()).await;
        assert_eq!((status, &it["identity"]["userAgent"]), (200, &json!(agent)));
        assert_eq!(manage(world, "POST", &id, b"{\"type\":\"hand-made\"}".to_vec()).await.0, 200);
        assert_eq!(socket.next().await.unwrap()["type"], "hand-made");
        let large = manage(world, "POST", &id, vec![b'x'; 131_073]).await;
        assert_eq!((large.0, large.1.as_str()), (413, "PayloadTooLargeException"));
        assert_eq!(manage(world, "DELETE", &id, Vec::new()).await.0, 204);
        assert_eq!(socket.next().await, Err(End::Closed(1000)));
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
            (Limits { idle: Duration::from_secs(2), ..Limits::default() }, "idle"),
            (Limits { age: Duration::from_secs(2), ..Limits::default() }, "old"),
        ] {
            stack.sockets.limit(limits);
            let mut socket = world.listen("jane", None).await;
            let (_, cursor) = caught_up(&mut socket).await;
            assert_eq!(socket.next().await, Err(End::Closed(1001)), "{what}");
            stack.sockets.limit(Limits::default());
            let sent = world.send("jane", what).await;
            let mut socket = world.listen("jane", Some(&cursor)).await;
            assert_eq!(caught_up(&mut socket).await.0, [sent["sequence"].as_u64().unwrap()], "{what}");
        }
        // connections cut, and nobody is told: the rows of the lost ones go when they cannot be reached
        stack.sockets.keep_silent(true);
        let before = world.listen("john", None).await;
        let mut second = world.listen("john", None).await;
        caught_up(&mut second).await;
        before.cut();
        assert!(stack.sockets.cut_all() > 0);
        world.until("the sockets are gone", async || (stack.sockets.count() == 0).then_some(())).await;
        let mut socket = world.listen("john", None).await;
        caught_up(&mut socket).await;
        world.send("john", "one is left").await;
        assert_eq!(socket.wait("notifications").await["items"][0]["title"], "one is left");
        world.until("no push is left over", async || world.leftovers().is_empty().then_some(())).await;
        stack.sockets.keep_silent(false);
        // a stack that is killed: the cursor is still good in the next one
        let cursor = text(&world.get("/api/v1/Inbox/john/Notifications?limit=1").await["items"][0]["cursor"]);
        let keys = world.keys.clone();
        drop(stack);
        let stack = own_stack(folder.path(), &[]).await;
        let world = &World { stack: &stack, keys, http: system_tests::http(), seed: 1 };
        world.send("john", "after the kill").await;
        let mut socket = world.listen("john", Some(&cursor)).await;
        assert_eq!(socket.wait("notifications").await["items"][0]["title"], "after the kill");
    });
}
