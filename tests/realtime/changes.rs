//! What becomes of notifications after they were sent: changed, taken back, replaced, expired, escalated; and what is not
//! sent at all.

use serde_json::{Value, json};
use system_tests::socket::Socket;
use system_tests::{World, text};

const PATH: &str = "/api/v1/Inbox/jane/Notifications";

async fn post(world: &World<'_>, body: Value) -> Value {
    let (status, sent) = world.ask("POST", PATH, Some(body)).await;
    assert_eq!(status, 201, "{sent}");
    sent[0].clone()
}

async fn counts(world: &World<'_>) -> (u64, u64) {
    let it = world.get("/api/v1/Inbox/jane/Counts").await;
    (it["total"].as_u64().unwrap(), it["unread"].as_u64().unwrap())
}

#[test]
fn a_change_reaches_open_sockets_and_those_who_catch_up() {
    World::run(async |world| {
        let first = post(world, json!({ "title": "render 40 %", "type": "task.progress" })).await;
        let batch: Vec<Value> = (0..5).map(|it| json!({ "title": format!("of a batch {it}") })).collect();
        let (_, sent) = world.ask("POST", PATH, Some(json!(batch))).await;
        let wrong = json!([{ "title": "" }, { "title": "x", "priority": 99 }]);
        let (status, refused) = world.ask("POST", PATH, Some(wrong)).await;
        assert_eq!(
            (status, &refused[0]["status"], &refused[1]["status"]),
            (422, &json!(422), &json!(422)),
            "{refused}"
        );
        let mut socket = world.listen("jane", None).await;
        socket.caught_up().await;
        // one in a row of its own, and one in the middle of a batch
        for (id, title) in [(&first["id"], "render 80 %"), (&sent[2]["id"], "changed in its batch")] {
            let path = format!("{PATH}/{}", text(id));
            let (status, it) = world.ask("PUT", &path, Some(json!({ "title": title }))).await;
            assert_eq!((status, &it["title"], &it["id"]), (200, &json!(title), id), "{it}");
            let told = socket.item("notification.updated").await;
            assert_eq!(&told["updates"], id);
            assert_eq!(told["title"], title);
            assert_eq!(world.get(&path).await["title"], title);
        }
        assert_eq!(counts(world).await, (6, 6), "a change counts as nothing");
        let (status, _) = world.ask("DELETE", &format!("{PATH}/{}", text(&first["id"])), None).await;
        assert_eq!(status, 204);
        let told = socket.item("notification.retracted").await;
        assert_eq!((&told["retracts"], &told["title"]), (&first["id"], &Value::Null), "what it said is erased");
        assert_eq!(counts(world).await, (5, 5));
        for (method, body) in [("DELETE", None), ("PUT", Some(json!({ "title": "again" }))), ("GET", None)] {
            let (status, _) = world.ask(method, &format!("{PATH}/{}", text(&first["id"])), body).await;
            assert_eq!(status, 404, "{method}");
        }
        // in lists nothing shows but what is there; whoever catches up sees every number
        let list = world.get(PATH).await;
        let titles: Vec<String> = list["items"].as_array().unwrap().iter().map(|it| text(&it["title"])).collect();
        assert_eq!(titles.len(), 5, "{titles:?}");
        assert!(titles.contains(&"changed in its batch".to_owned()));
        let caught = world.get(&format!("{PATH}?after={}", text(&first["cursor"]))).await;
        let kinds: Vec<String> = caught["items"].as_array().unwrap().iter().map(|it| text(&it["type"])).collect();
        assert_eq!(kinds.len(), 8);
        assert_eq!(kinds[5..], ["notification.updated", "notification.updated", "notification.retracted"]);
        assert!(!caught.to_string().contains("render 40"), "no word of it is left");
        // nobody may send what tells of changes, nor change another's
        let (status, _) = world.ask("POST", PATH, Some(json!({ "title": "t", "type": "notification.updated" }))).await;
        assert_eq!(status, 422);
        let path = format!("/api/v1/Inbox/john/Notifications/{}", text(&sent[0]["id"]));
        assert_eq!(world.ask("PUT", &path, Some(json!({ "title": "t" }))).await.0, 404);
    });
}

#[test]
fn many_changes_at_once_are_all_told_and_the_last_one_stays() {
    World::run(async |world| {
        let first = post(world, json!({ "title": "v0" })).await;
        let path = format!("{PATH}/{}", text(&first["id"]));
        let change = async |it: u64| {
            let (status, answer) = world.ask("PUT", &path, Some(json!({ "title": format!("v{it}") }))).await;
            assert_eq!(status, 200, "{answer}");
        };
        futures_util::future::join(
            async {
                for number in 1..5 {
                    change(number).await
                }
            },
            async {
                for number in 5..9 {
                    change(number).await
                }
            },
        )
        .await;
        let caught = world.get(&format!("{PATH}?after={}", text(&first["cursor"]))).await;
        let told: Vec<String> = caught["items"].as_array().unwrap().iter().map(|it| text(&it["title"])).collect();
        assert_eq!(told.len(), 8, "{told:?}");
        assert_eq!(text(&world.get(&path).await["title"]), told[7], "the last that was told is what is there");
        assert_eq!(counts(world).await, (1, 1));
    });
}

#[test]
fn a_newer_one_of_the_same_key_replaces_the_older() {
    World::run(async |world| {
        for (key, title) in [("render", "20 %"), ("upload", "1 of 9"), ("render", "40 %"), ("render", "60 %")] {
            post(world, json!({ "title": title, "collapseKey": key })).await;
        }
        world.until("one of each is left", async || (counts(world).await.0 == 2).then_some(())).await;
        let list = world.get(PATH).await;
        let titles: Vec<String> = list["items"].as_array().unwrap().iter().map(|it| text(&it["title"])).collect();
        assert_eq!(titles, ["60 %", "1 of 9"]);
    });
}

/// No sweep runs here: the moment itself decides, on every transport.
#[test]
fn what_has_expired_is_in_no_list_and_no_count_from_that_moment_on() {
    World::run(async |world| {
        for wrong in ["yesterday", "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
            let (status, _) = world.ask("POST", PATH, Some(json!({ "title": "t", "expiresAt": wrong }))).await;
            assert_eq!(status, 422, "{wrong}");
        }
        let first = post(world, json!({ "title": "lasting" })).await;
        let mut native = world.listen("jane", None).await;
        native.caught_up().await;
        let token = world.token("jane", &[]).await;
        let url = format!("{}/hubs/notifications?access_token={token}", world.stack.url);
        let mut hub = Socket::open(&url, &[]).await.unwrap();
        hub.records(&[json!({ "protocol": "json", "version": 1 })]).await;
        assert_eq!(hub.next().await, Ok(json!({})), "the handshake is answered first");
        hub.records(&[json!({ "type": 1, "target": "Resume", "arguments": [], "invocationId": "1" })]).await;
        hub.wait_record(3).await;
        let at = system_tests::in_seconds(5);
        let brief = post(world, json!({ "title": "brief", "expiresAt": at })).await;
        assert_eq!(counts(world).await, (2, 2));
        world
            .until("its time has come", async || (system_tests::since(&at) > std::time::Duration::ZERO).then_some(()))
            .await;
        assert_eq!(counts(world).await, (1, 1));
        let titles = |all: &Value| all.as_array().unwrap().iter().map(|it| text(&it["title"])).collect::<Vec<_>>();
        assert_eq!(titles(&world.get(PATH).await["items"]), ["lasting"]);
        let path = format!("{PATH}/{}", text(&brief["id"]));
        assert_eq!(world.ask("GET", &path, None).await.0, 404);
        let later = json!({ "title": "again", "expiresAt": system_tests::in_seconds(60) });
        assert_eq!(world.ask("PUT", &path, Some(later)).await.0, 404, "it is over");
        assert_eq!(world.ask("DELETE", &path, None).await.0, 404);
        // the seed's routes
        assert_eq!(titles(&world.get("/notifications/jane").await), ["lasting"]);
        assert_eq!(titles(&world.get("/notifications/jane?read=any").await), ["lasting"]);
        assert_eq!(titles(&world.get("/notifications/").await), ["lasting"]);
        assert_eq!(world.ask("PUT", &format!("/notifications/{}", text(&brief["id"])), None).await.0, 404);
        // whoever catches up sees that there was something, and not what
        let cursor = text(&first["cursor"]);
        let gone = |items: &Value| {
            assert_eq!((&items[0]["sequence"], &items[0]["deleted"]), (&json!(2), &json!(true)), "{items}");
            assert_eq!(items[0]["title"], Value::Null);
        };
        gone(&world.get(&format!("{PATH}?after={cursor}")).await["items"]);
        let mut late = world.listen("jane", Some(&cursor)).await;
        gone(&late.wait("notifications").await["items"]);
        assert_eq!(late.wait("marks").await["counts"]["total"], 1);
        let resume = json!({ "type": 1, "target": "Resume", "arguments": [cursor], "invocationId": "2" });
        let mut caught = Socket::open(&url, &[]).await.unwrap();
        caught.records(&[json!({ "protocol": "json", "version": 1 }), resume]).await;
        loop {
            let it = caught.wait_record(1).await;
            if it["target"] == "Notifications" {
                break gone(&it["arguments"][0]);
            }
        }
        let keys = [("x-api-key", world.keys.api_key.as_str()), ("x-api-secret", &world.keys.api_secret)];
        let url = format!("{}/notifications/ws/jane", world.stack.url);
        let mut seed = Socket::open(&url, &keys).await.unwrap();
        assert_eq!(titles(&seed.next().await.unwrap()), ["lasting"]);
        // open sockets hear of it by themselves
        while native.wait("marks").await["counts"]["total"] != 1 {}
        loop {
            let it = hub.wait_record(1).await;
            if it["target"] == "Marks" && it["arguments"][0]["counts"]["total"] == 1 {
                break;
            }
        }
        let mark = json!({ "change": "seen", "ids": [first["id"]] });
        let (_, marked) = world.ask("POST", "/api/v1/Inbox/jane/Marks", Some(mark)).await;
        assert_eq!((&marked["total"], &marked["unseen"]), (&json!(1), &json!(0)));
    });
}

#[test]
fn a_change_may_give_more_time_or_less() {
    World::run(async |world| {
        let at = system_tests::in_seconds(4);
        let longer = post(world, json!({ "title": "longer", "expiresAt": at })).await;
        let shorter = post(world, json!({ "title": "shorter", "expiresAt": system_tests::in_seconds(600) })).await;
        for (it, seconds) in [(&longer, 600), (&shorter, 3)] {
            let change = json!({ "title": "changed", "expiresAt": system_tests::in_seconds(seconds) });
            assert_eq!(world.ask("PUT", &format!("{PATH}/{}", text(&it["id"])), Some(change)).await.0, 200);
        }
        let id = |it: &Value| text(&it["id"]);
        let left = world
            .until("one is left", async || {
                let list = world.get(PATH).await["items"].as_array().unwrap().clone();
                let over = system_tests::since(&at) > std::time::Duration::ZERO;
                (list.len() == 1 && over).then_some(list)
            })
            .await;
        assert_eq!((id(&left[0]), counts(world).await), (id(&longer), (1, 1)));
    });
}

#[test]
fn what_a_user_does_not_want_is_not_stored_and_what_stays_unread_is_escalated() {
    World::run(async |world| {
        let hook = world.webhook(&[]).await;
        let rules = json!({ "rules": [
            { "type": "*", "inApp": true },
            { "type": "advert.*", "inApp": false },
            { "type": "alarm.*", "inApp": true, "escalateAfterMinutes": 0 },
            { "type": "alarm.minor", "inApp": true, "escalateAfterMinutes": 5 },
        ] });
        let token = world.token("jane", &[]).await;
        let url = format!("{}/api/v1/Inbox/jane/Preferences", world.stack.url);
        let answer = world.http.put(&url).bearer_auth(&token).json(&rules).send().await.unwrap();
        assert_eq!(answer.status(), 200, "a user sets them with a token of its own");
        assert_eq!(world.get("/api/v1/Inbox/jane/Preferences").await, rules);
        for wrong in [
            json!({ "rules": [{ "type": "a b", "inApp": true }] }),
            json!({ "rules": [{ "type": "a" }] }),
            json!({ "rules": [{ "type": "a", "inApp": false, "escalateAfterMinutes": 1 }] }),
        ] {
            assert_eq!(world.ask("PUT", "/api/v1/Inbox/jane/Preferences", Some(wrong.clone())).await.0, 422, "{wrong}");
        }
        let batch = json!([{ "title": "buy", "type": "advert.summer" }, { "title": "hello" }]);
        let (_, sent) = world.ask("POST", PATH, Some(batch)).await;
        assert_eq!((&sent[0]["status"], &sent[0]["id"]), (&json!(200), &Value::Null), "{sent}");
        assert_eq!((&sent[1]["status"], &sent[1]["sequence"]), (&json!(201), &json!(1)));
        let alarm = post(world, json!({ "title": "disk full", "type": "alarm.disk" })).await;
        let minor = post(world, json!({ "title": "fan loud", "type": "alarm.minor" })).await;
        let state = async |id: &Value| text(&world.get(&format!("{PATH}/{}", text(id))).await["escalation"]["state"]);
        assert_eq!(state(&minor["id"]).await, "pending");
        world.ask("POST", "/api/v1/Inbox/jane/Marks", Some(json!({ "change": "read", "ids": [minor["id"]] }))).await;
        assert_eq!(state(&minor["id"]).await, "cancelled", "reading cancels it, and says so");
        world.ask("POST", "/api/v1/Inbox/jane/Marks", Some(json!({ "change": "unread", "ids": [minor["id"]] }))).await;
        assert_eq!(state(&minor["id"]).await, "cancelled", "it was looked after, and stays so");
        let path = format!("{PATH}/{}", text(&minor["id"]));
        assert_eq!(world.ask("PUT", &path, Some(json!({ "title": "fan louder" }))).await.0, 200);
        assert_eq!(state(&minor["id"]).await, "cancelled", "a change leaves the escalation as it is");
        let told = world
            .until("the webhook hears of it", async || {
                world.stack.fire_schedule("sweep").await;
                hook.first("notification.escalated")
            })
            .await;
        let data = &told.body["data"];
        assert_eq!((&data["user"], &data["notification"]["id"]), (&json!("jane"), &alarm["id"]), "{data}");
        world.until("it is noted", async || (state(&alarm["id"]).await == "told").then_some(())).await;
        assert_eq!(hook.of("notification.escalated").len(), 1);
    });
}

#[test]
fn a_type_with_a_schema_takes_only_what_fits_it() {
    World::run(async |world| {
        let schema = json!({ "schema": {
            "type": "object", "required": ["sender"], "properties": { "sender": { "type": "string", "maxLength": 20 } },
        } });
        let (status, answer) = world.ask("PUT", "/api/v1/Types/message.received", Some(schema.clone())).await;
        assert_eq!(status, 200, "{answer}");
        let list = world.get("/api/v1/Types").await;
        assert_eq!((&list[0]["type"], &list[0]["schema"]), (&json!("message.received"), &schema["schema"]));
        let (status, _) =
            world.ask("PUT", "/api/v1/Types/other", Some(json!({ "schema": { "type": "nonsense" } }))).await;
        assert_eq!(status, 422);
        let outside = json!({ "schema": { "$ref": "http://127.0.0.1:1/schema.json" } });
        assert_eq!(world.ask("PUT", "/api/v1/Types/other", Some(outside)).await.0, 422, "nothing is fetched");
        let batch = json!([
            { "title": "a", "type": "message.received", "data": { "sender": "John" } },
            { "title": "b", "type": "message.received", "data": { "sender": 7 } },
            { "title": "c", "type": "message.received" },
            { "title": "d", "type": "anything.else", "data": { "sender": 7 } },
        ]);
        let (status, sent) = world.ask("POST", PATH, Some(batch)).await;
        assert_eq!(status, 201);
        let statuses: Vec<u64> = sent.as_array().unwrap().iter().map(|it| it["status"].as_u64().unwrap()).collect();
        assert_eq!(statuses, [201, 422, 422, 201], "{sent}");
        assert!(text(&sent[1]["error"]).starts_with("data/sender: "), "{sent}");
        assert_eq!(world.ask("DELETE", "/api/v1/Types/message.received", None).await.0, 204);
        assert_eq!(world.ask("DELETE", "/api/v1/Types/message.received", None).await.0, 404);
        world
            .until("the schema is forgotten", async || {
                let one = json!({ "title": "e", "type": "message.received" });
                (world.ask("POST", PATH, Some(one)).await.0 == 201).then_some(())
            })
            .await;
    });
}
