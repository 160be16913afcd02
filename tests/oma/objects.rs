//! Objects of a box: many at once, what bounds them, and the search for them.

use serde_json::{Value, json};
use system_tests::{World, text};

use super::client::{events, in_both, merged};

#[test]
fn objects_are_created_in_bulk_and_one_that_is_refused_leaves_the_others() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = client.create("LongPolling", json!({})).await;
            client.subscribe(&channel["callbackURL"], json!({})).await;
            let object =
                |more: Value| merged(json!({ "attributes": { "attribute": [] }, "flags": { "flag": ["a"] } }), more);
            let nowhere = json!({ "parentFolder": format!("{}/none", client.store("folders")) });
            let objects =
                [object(json!({ "correlationId": "one" })), object(nowhere), object(json!({ "correlationId": "two" }))];
            let answer = client.bulk(json!({ "objectList": { "object": objects } }), &["first", "", "third"]).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let all = answer.root("bulkResponseList")["response"].clone();
            let codes: Vec<u64> = all.as_array().unwrap().iter().map(|it| it["code"].as_u64().unwrap()).collect();
            assert_eq!(codes, [201, 400, 201], "{all}");
            assert_eq!(all[1]["failure"]["serviceException"]["messageId"], "SVC0004", "{all}");
            for (index, text_of) in [(0, "first"), (2, "third")] {
                let url = text(&all[index]["success"]["resourceURL"]);
                let payload = client.ask("GET", &format!("{url}/payload"), None).await;
                assert_eq!((payload.status, payload.text.as_str()), (200, text_of));
                assert_eq!(payload.header("x-content-type-options"), "nosniff");
            }
            let told = events(&client.polled(&channel).await);
            assert_eq!(told.len(), 2, "{told:?}");
        })
        .await;
    });
}

#[test]
fn lists_are_cut_by_size_and_what_no_list_could_carry_is_refused() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = client.create("WebSockets", json!({})).await;
            client.subscribe(&channel["callbackURL"], json!({})).await;
            let flags: Vec<String> = (0..100).map(|it| format!("{it:&>100}")).collect();
            let object = |flags: &[String]| json!({ "attributes": { "attribute": [] }, "flags": { "flag": flags } });
            let all = json!({ "objectList": { "object": vec![object(&flags); 15] } });
            assert_eq!(client.bulk(all, &[]).await.status, 200);
            let mut socket = client.open(&channel).await;
            let mut told = Vec::new();
            while told.len() < 15 {
                told.extend(events(&client.hear(&mut socket, 1).await)); // which holds each frame against its limit
            }
            let url = text(&told[0]["changedObject"]["resourceURL"]);
            let wrong = [[flags.clone(), vec!["one more".to_owned()]].concat(), vec!["x".repeat(101)]];
            for flags in wrong {
                let refused =
                    client.ask("PUT", &format!("{url}/flags"), Some(json!({ "flagList": { "flag": flags } }))).await;
                assert_eq!(refused.fault(), (400, "SVC0002".to_owned(), vec!["flag".to_owned()]));
            }
            let one_more = client.ask("PUT", &format!("{url}/flags/one"), Some(json!({ "empty": null }))).await;
            assert_eq!(one_more.status, 400, "{}", one_more.text);
        })
        .await;
    });
}

#[test]
fn a_search_shows_every_page_and_all_that_has_vanished() {
    World::run(async |world| {
        in_both(world, async |client| {
            let object = json!({ "attributes": { "attribute": [] }, "flags": { "flag": [] } });
            let mut made = Vec::new();
            for count in [100, 30] {
                let all = json!({ "objectList": { "object": vec![object.clone(); count] } });
                let answer = client.bulk(all, &[]).await.root("bulkResponseList")["response"].clone();
                made.extend(answer.as_array().unwrap().iter().map(|it| text(&it["success"]["resourceURL"])));
            }
            let search = client.store("objects/operations/search");
            let (mut found, mut cursor) = (Vec::new(), None);
            loop {
                let mut criteria = json!({ "maxEntries": 50 });
                if let Some(token) = cursor {
                    criteria["fromCursor"] = token;
                }
                let answer = client.ask("POST", &search, Some(json!({ "selectionCriteria": criteria }))).await;
                let list = answer.root("objectList");
                found.extend(list["object"].as_array().into_iter().flatten().map(|it| text(&it["resourceURL"])));
                cursor = list.get("cursor").cloned();
                if cursor.is_none() {
                    break;
                }
            }
            made.reverse();
            assert_eq!(found, made, "the newest first");
            for url in &made {
                assert_eq!(client.ask("DELETE", url, None).await.status, 204);
            }
            let vanished = json!({ "criterion": [{ "type": "VanishedObjects", "value": "" }] });
            let criteria = json!({ "maxEntries": 1000, "searchCriteria": vanished });
            let answer = client.ask("POST", &search, Some(json!({ "selectionCriteria": criteria }))).await;
            let list = answer.root("objectReferenceList")["objectReference"].clone();
            assert_eq!(list.as_array().map(Vec::len), Some(130), "no cursor says that there is more");
        })
        .await;
    });
}
