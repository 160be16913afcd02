//! Inboxes over REST: the seed's own clients, and the real API.

use serde_json::{Value, json};
use system_tests::{Dice, World, text};

/// The routes of the seed's clients, without credentials, on the demo application.
async fn seed(world: &World<'_>, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = world.http.request(method.parse().unwrap(), format!("{}{path}", world.stack.url));
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[test]
fn the_seeds_clients_find_what_they_know() {
    World::run(async |world| {
        let user = (world.seed % 1_000_000 + 1_000) as i64;
        // the three events of the seed's mock_events.py
        let events = [
            ("New Message Received", "This is a new message from John Doe", "MESSAGE"),
            ("Subscription Expiring Soon", "Your subscription will expire on 2026-11-28", "SUBSCRIPTION_EXPIRY"),
            ("Profile Setup Complete", "Congratulations! You have completed your profile setup", "PROFILE_SETUP"),
        ];
        let mut ids = Vec::new();
        for (title, description, identifier) in events {
            let body = json!({ "title": title, "description": description, "identifier": identifier, "user_id": user });
            let (status, stored) = seed(world, "POST", "/notifications/", Some(body.clone())).await;
            assert_eq!(status, 200, "{stored}");
            for (name, value) in body.as_object().unwrap() {
                assert_eq!(&stored[name], value, "what the seed answers is there, numbers as numbers");
            }
            assert_eq!(stored["is_read"], false);
            ids.push(text(&stored["id"]));
        }
        let (_, unread) = seed(world, "GET", &format!("/notifications/{user}"), None).await;
        let titles: Vec<String> = unread.as_array().unwrap().iter().map(|it| text(&it["title"])).collect();
        assert_eq!(titles, events.map(|it| it.0), "oldest first");
        let (status, marked) = seed(world, "PUT", &format!("/notifications/{}", ids[1]), None).await;
        assert_eq!((status, &marked["message"]), (200, &json!("Notification marked as read")));
        let (_, unread) = seed(world, "GET", &format!("/notifications/{user}"), None).await;
        assert_eq!(unread.as_array().unwrap().len(), 2);
        let (_, any) = seed(world, "GET", &format!("/notifications/{user}?read=any"), None).await;
        assert_eq!((any.as_array().unwrap().len(), &any[1]["is_read"]), (3, &json!(true)));
        for unknown in ["7", "ntf_x_1_1", "ntf_dXNlcjp4_1_1"] {
            let (status, answer) = seed(world, "PUT", &format!("/notifications/{unknown}"), None).await;
            assert_eq!((status, &answer["message"]), (404, &json!("Notification not found")), "{unknown}");
        }
        world
            .until("the list of everything holds them", async || {
                let (_, all) = seed(world, "GET", "/notifications/", None).await;
                let ours = all.as_array().unwrap().iter().filter(|it| it["user_id"] == user).count();
                (ours == 3).then_some(())
            })
            .await;
        // each of its own, far apart: the list of everything is no list of the newest few batches
        for number in 0..25 {
            let body = json!({ "title": format!("one of many {number}"), "description": "", "identifier": "", "user_id": user });
            assert_eq!(seed(world, "POST", "/notifications/", Some(body)).await.0, 200);
            world
                .until("it is in the list of everything", async || {
                    let (_, all) = seed(world, "GET", "/notifications/", None).await;
                    let ours = all.as_array().unwrap().iter().filter(|it| it["user_id"] == user).count();
                    (ours == 4 + number).then_some(())
                })
                .await;
        }
        for wrong in [
            json!({ "title": "t" }),
            json!({ "title": "", "description": "", "identifier": "", "user_id": 1 }),
            json!({ "title": "t", "description": "", "identifier": "", "user_id": 1.5 }),
        ] {
            assert_eq!(seed(world, "POST", "/notifications/", Some(wrong.clone())).await.0, 422, "{wrong}");
        }
    });
}

#[test]
fn an_inbox_is_read_from_a_cursor_on_and_is_whole_or_says_that_it_is_not() {
    World::run(async |world| {
        let path = "/api/v1/Inbox/jane/Notifications";
        let batch: Vec<Value> = (0..100).map(|it| json!({ "title": format!("n{it}"), "type": "tick" })).collect();
        let (status, sent) = world.ask("POST", path, Some(json!(batch))).await;
        assert_eq!((status, sent.as_array().unwrap().len()), (201, 100), "{sent}");
        for number in 100..105 {
            world.ask("POST", path, Some(json!({ "title": format!("n{number}"), "identifier": "SINGLE" }))).await;
        }
        // whole, in order, from any place
        for start in [0, 37, 99, 101] {
            let (mut cursor, mut seen) = (text(&sent[0]["cursor"]), Vec::new());
            if start > 0 {
                let all = world.get(&format!("{path}?limit=100&after={cursor}")).await;
                cursor = text(&all["items"].as_array().unwrap()[start - 2]["cursor"]);
            }
            loop {
                let page = world.get(&format!("{path}?limit=30&after={cursor}")).await;
                assert_eq!(page["recovered"], true);
                for item in page["items"].as_array().unwrap() {
                    seen.push(item["sequence"].as_u64().unwrap());
                }
                match page["next"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => break,
                }
            }
            let first = if start == 0 { 2 } else { start as u64 + 1 };
            assert_eq!(seen, (first..=105).collect::<Vec<u64>>(), "from {start}");
        }
        let newest = world.get(&format!("{path}?limit=3")).await;
        let titles: Vec<String> = newest["items"].as_array().unwrap().iter().map(|it| text(&it["title"])).collect();
        assert_eq!(titles, ["n104", "n103", "n102"]);
        let before = world.get(&format!("{path}?limit=100&before={}", text(&newest["next"]))).await;
        assert_eq!(
            (before["items"][0]["title"].as_str(), before["items"].as_array().unwrap().len()),
            (Some("n101"), 100)
        );
        assert_eq!(
            world.get(&format!("{path}?identifier=SINGLE&limit=100")).await["items"].as_array().unwrap().len(),
            5
        );
        for (since, left) in [("2020-01-01T00:00:00Z", 100), ("2999-01-01T00:00:00Z", 0)] {
            let page = world.get(&format!("{path}?since={since}&limit=100")).await;
            assert_eq!(page["items"].as_array().unwrap().len(), left, "since {since}");
            assert_eq!(page["next"].is_string(), left > 0, "nothing older is newer: {page}");
        }
        // a cursor of another inbox, another application or nobody is none
        let theirs = world.ask("POST", "/api/v1/Inbox/joe/Notifications", Some(json!({ "title": "x" }))).await.1;
        for cursor in [text(&theirs[0]["cursor"]), "forged".to_owned(), text(&sent[0]["id"])] {
            let (status, problem) = world.ask("GET", &format!("{path}?after={cursor}"), None).await;
            assert_eq!((status, &problem["field"]), (422, &json!("after")), "{cursor}");
        }
        let foreign = format!("/api/v1/Inbox/jane/Notifications/{}", text(&theirs[0]["id"]));
        assert_eq!(world.ask("GET", &foreign, None).await.0, 404);
        let own = world.get(&format!("{path}/{}", text(&sent[41]["id"]))).await;
        assert_eq!(own["title"], "n41");
    });
}

#[test]
fn counts_equal_a_model_whatever_is_marked() {
    World::run(async |world| {
        let mut dice = Dice(world.seed);
        let (path, mut ids, mut last) = ("/api/v1/Inbox/42", Vec::new(), 0);
        let mut model: Vec<(bool, bool, bool)> = Vec::new(); // seen, read, gone
        for _ in 0..40 {
            let counts = match dice.roll(5) {
                0 | 1 => {
                    let count = 1 + dice.roll(5) as usize;
                    let batch: Vec<Value> = (0..count).map(|_| json!({ "title": "t" })).collect();
                    let (status, sent) = world.ask("POST", &format!("{path}/Notifications"), Some(json!(batch))).await;
                    assert_eq!(status, 201, "{sent}");
                    ids.extend(sent.as_array().unwrap().iter().map(|it| (text(&it["id"]), text(&it["cursor"]))));
                    model.extend(vec![(false, false, false); count]);
                    world.get(&format!("{path}/Counts")).await
                }
                roll if !ids.is_empty() => {
                    let place = dice.roll(ids.len() as u64) as usize;
                    let change = ["seen", "read", "unread", "delete"][dice.roll(4) as usize];
                    let all = roll == 4 && change != "delete";
                    let body = if all {
                        json!({ "change": change, "upTo": ids[place].1 })
                    } else {
                        json!({ "change": change, "ids": [ids[place].0] })
                    };
                    for state in &mut model[if all { 0 } else { place }..=place] {
                        match change {
                            "seen" => state.0 = true,
                            "read" => (state.0, state.1) = (true, true),
                            "unread" => state.1 = false,
                            _ => state.2 = true,
                        }
                    }
                    let (status, counts) = world.ask("POST", &format!("{path}/Marks"), Some(body)).await;
                    assert_eq!(status, 200, "{counts}");
                    counts
                }
                _ => continue,
            };
            let count = |fits: fn(&(bool, bool, bool)) -> bool| model.iter().filter(|it| !it.2 && fits(it)).count();
            let want = (count(|_| true), count(|it| !it.1), count(|it| !it.0));
            let number = |name: &str| counts[name].as_u64().unwrap() as usize;
            assert_eq!((number("total"), number("unread"), number("unseen")), want, "{counts}");
            assert!(number("version") >= last, "versions never go back");
            last = number("version");
        }
    });
}

#[test]
fn a_request_that_is_repeated_with_its_key_does_nothing_twice() {
    World::run(async |world| {
        let send = async |key: &str, title: &str| {
            let request = world.http.post(format!("{}/api/v1/Inbox/ann/Notifications", world.stack.url));
            let request =
                request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
            let answer = request.header("idempotency-key", key).json(&json!({ "title": title })).send().await.unwrap();
            let replayed = answer.headers().contains_key("idempotency-replayed");
            (answer.status().as_u16(), replayed, answer.json::<Value>().await.unwrap())
        };
        let (status, replayed, first) = send("one", "t").await;
        assert_eq!((status, replayed), (201, false), "{first}");
        let (status, replayed, second) = send("one", "t").await;
        assert_eq!((status, replayed, &second), (201, true, &first));
        assert_eq!(send("one", "other").await.0, 422);
        assert_eq!(send("two", "t").await.2[0]["sequence"], 2);
        let many = json!({ "users": ["ann", "bob", ""], "notification": { "title": "all" } });
        let (status, sent) = world.ask("POST", "/api/v1/Inbox/Notifications", Some(many)).await;
        let results: Vec<u64> = sent.as_array().unwrap().iter().map(|it| it["status"].as_u64().unwrap()).collect();
        assert_eq!((status, results), (201, vec![201, 201, 422]), "each has its own result: {sent}");
        assert_eq!(world.get("/api/v1/Inbox/ann/Counts").await["total"], 3);
    });
}
