//! What becomes of notifications after they were sent: changed, taken back, replaced, expired, escalated; and what is not
//! sent at all.

use serde_json::{Value, json};
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
                for it in 1..5 {
                    change(it).await
                }
            },
            async {
                for it in 5..9 {
                    change(it).await
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

#[test]
fn what_has_expired_is_in_no_list_and_no_count() {
    World::run(async |world| {
        for wrong in ["yesterday", "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
            let (status, _) = world.ask("POST", PATH, Some(json!({ "title": "t", "expiresAt": wrong }))).await;
            assert_eq!(status, 422, "{wrong}");
        }
        let at = system_tests::in_seconds(2);
        post(world, json!({ "title": "brief", "expiresAt": at })).await;
        post(world, json!({ "title": "lasting" })).await;
        assert_eq!(counts(world).await, (2, 2));
        let mut socket = world.listen("jane", None).await;
        socket.caught_up().await;
        world
            .until("the brief one is gone", async || {
                world.stack.fire("sweep").await;
                (counts(world).await == (1, 1)).then_some(())
            })
            .await;
        assert_eq!(socket.wait("marks").await["counts"]["total"], 1, "devices hear of it");
        let list = world.get(PATH).await;
        assert_eq!((list["items"].as_array().unwrap().len(), &list["items"][0]["title"]), (1, &json!("lasting")));
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
                world.stack.fire("sweep").await;
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
