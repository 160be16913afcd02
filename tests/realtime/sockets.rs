//! Sockets: the seed's, our own protocol, who may open one, and what is told to whom.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use system_tests::socket::{Disconnect, Socket};
use system_tests::tools::{Talker, chromium, node, python};
use system_tests::{World, project, text};

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
        let holds = |frame: &Value, it: &Value| frame.as_array().unwrap().iter().any(|one| one["id"] == it["id"]);
        // what was under way while the socket opened may come as well, under its own id
        let unread = loop {
            let it = socket.next().await.unwrap();
            if holds(&it, &second) && !holds(&it, &first) {
                break it;
            }
        };
        assert_eq!((unread.as_array().unwrap().len(), &unread[0]["title"]), (1, &json!("two")), "{unread}");
        assert_eq!((&unread[0]["is_read"], &unread[0]["user_id"]), (&json!(false), &json!(user)));
        assert_eq!(text(&unread[0]["created_at"]).len(), "2026-11-21 09:00:00".len());
        let third = post("three").await;
        while !holds(&socket.next().await.unwrap(), &third) {}
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
        let (nothing, _) = socket.caught_up().await;
        assert!(nothing.is_empty());
        let sent = world.send("jane", "hello").await;
        let frame = socket.wait("notifications").await;
        assert_eq!((&frame["stream"], &frame["items"][0]["id"]), (&json!("user:jane"), &sent["id"]));
        assert_eq!((&frame["items"][0]["title"], &frame["items"][0]["read"]), (&json!("hello"), &json!(false)));
        let cursor = text(&frame["items"][0]["cursor"]);
        socket.cut();
        for number in 0..7 {
            world.send("jane", &format!("missed {number}")).await;
        }
        world.send("john", "another's").await;
        let mut socket = world.listen("jane", Some(&cursor)).await;
        let (missed, end) = socket.caught_up().await;
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
        phone.caught_up().await;
        desk.caught_up().await;
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
        socket.caught_up().await;
        let sent = [world.send("jane", "a").await, world.send("jane", "b").await];
        socket.say(&json!({ "action": "ack", "cursor": sent[0]["cursor"], "device": "phone" })).await;
        socket.say(&json!({ "action": "ack", "cursor": "nonsense", "device": "phone" })).await;
        assert_eq!(socket.wait("error").await["action"], "ack");
        world
            .until("the phone goes on behind what it acknowledged", async || {
                let mut socket = world.listen("jane", None).await;
                socket.caught_up().await;
                socket.say(&json!({ "action": "resume", "device": "phone" })).await;
                let (seen, _) = socket.caught_up().await;
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
        // whoever has left a group gets all the rest, and is told which cursor is refused
        let (mut left, _) = open("jane", &[]).await;
        left.say(&json!({ "action": "resume", "after": cursors })).await;
        let refused = left.wait("error").await;
        let named = refused["refused"].as_array().unwrap();
        assert_eq!((&refused["action"], named.len()), (&json!("resume"), 1), "{refused}");
        assert_eq!(refused["message"], "this is no cursor of this inbox");
        assert!(cursors.as_array().unwrap().contains(&named[0]), "{refused}");
        let mut titles = Vec::new();
        let resumed = loop {
            let it = left.next().await.unwrap();
            match it["type"].as_str().unwrap() {
                "notifications" => titles.push(text(&it["items"][0]["title"])),
                "resumed" => break it,
                _ => {}
            }
        };
        assert_eq!((titles, &resumed["refused"]), (vec!["fire".to_owned()], &refused["refused"]));
        assert_eq!(resumed["cursors"].as_array().unwrap().len(), 2);
        for all in [json!(named), named[0].clone()] {
            left.say(&json!({ "action": "resume", "after": all })).await;
            let error = left.wait("error").await;
            assert_eq!((&error["message"], &error["refused"]), (&refused["message"], &refused["refused"]));
        }
        // text that is no cursor could be any stream's: nothing is resumed
        left.say(&json!({ "action": "resume", "after": [cursors[0], "nonsense"] })).await;
        assert_eq!(left.wait("error").await["refused"], json!(["nonsense"]));
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
        let beside = format!("notifications.v1, bearer.{}", URL_SAFE_NO_PAD.encode(&token));
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

#[test]
fn garbage_is_answered_and_the_socket_stays() {
    World::run(async |world| {
        let mut socket = world.listen("jane", None).await;
        socket.caught_up().await;
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
        let other = World::at(world.stack).await;
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
                    assert_eq!(end, Disconnect::Closed(1009));
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
        socket.caught_up().await;
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
        let mut said = String::new();
        for title in ["New Message Received", "Subscription Expiring Soon", "Profile Setup Complete"] {
            while !said.contains(title) {
                said += &client.line().await.unwrap(); // several may come in one array
            }
        }
    });
}

#[test]
fn the_guides_snippet_works_in_a_real_browser() {
    World::run(async |world| {
        chromium().await;
        let page = std::fs::read_to_string(project().join("shared/docs/inbox.md")).unwrap();
        let snippet = page.split("```js\n").find(|it| it.starts_with("// in a browser's console")).unwrap();
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
