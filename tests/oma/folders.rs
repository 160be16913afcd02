//! Folders as NMS has them beyond their creation: parts of a list, searches, copies and moves; and the emptying of a box.

use serde_json::{Value, json};
use system_tests::{World, text};

use super::client::{Client, events, in_both};

async fn folder(client: &Client<'_>, path: &str) -> String {
    let object = client.object(json!({ "parentFolderPath": path })).await;
    text(&client.ask("GET", &object, None).await.root("object")["parentFolder"])
}

async fn references(client: &Client<'_>, url: &str, list: &str) -> Vec<String> {
    let (outer, inner) = match list {
        "folders" => ("subFolders", "folderReference"),
        _ => ("objects", "objectReference"),
    };
    let folder = client.ask("GET", url, None).await.root("folder");
    folder[outer][inner].as_array().into_iter().flatten().map(|it| text(&it["resourceURL"])).collect()
}

fn reference(url: &str) -> Value {
    json!({ "resourceURL": url })
}

async fn transfer(client: &Client<'_>, how: &str, target: &str, folders: &[&str], objects: &[&str]) -> Vec<Value> {
    let list = |all: &[&str]| all.iter().map(|it| reference(it)).collect::<Vec<_>>();
    let body = json!({ "targetSourceRef": { "targetRef": reference(target), "sourceRefs": {
        "folders": { "folderReference": list(folders) }, "objects": { "objectReference": list(objects) } } } });
    let answer = client.ask("POST", &client.store(&format!("folders/operations/{how}")), Some(body)).await;
    answer.root("bulkResponseList")["response"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_folder_is_listed_as_its_query_asks() {
    World::run(async |world| {
        in_both(world, async |client| {
            let main = folder(client, "/main").await;
            for _ in 0..2 {
                client.object(json!({ "parentFolderPath": "/main" })).await;
            }
            let inner = folder(client, "/main/inner").await;
            assert_eq!(references(client, &main, "folders").await, std::slice::from_ref(&inner));
            assert_eq!(references(client, &main, "objects").await.len(), 3);
            let only = client.ask("GET", &format!("{main}?listFilter=Subfolders&path=Yes"), None).await.root("folder");
            assert_eq!(only.get("objects"), None, "{only}");
            assert_eq!(only["subFolders"]["folderReference"][0]["path"], "/main/inner");
            let (mut query, mut seen) = ("?maxEntries=2".to_owned(), Vec::new());
            loop {
                let page = client.ask("GET", &format!("{main}{query}"), None).await.root("folder");
                for (outer, inner) in [("subFolders", "folderReference"), ("objects", "objectReference")] {
                    seen.extend(page[outer][inner].as_array().into_iter().flatten().map(|it| text(&it["resourceURL"])));
                }
                let Some(cursor) = page.get("cursor") else { break };
                query = format!("?maxEntries=2&fromCursor={}", text(cursor));
            }
            let count = seen.len();
            seen.sort();
            seen.dedup();
            assert_eq!((count, seen.len()), (4, 4), "each once: {seen:?}");
            for bad in ["maxEntries=0", "listFilter=Files", "fromCursor=x"] {
                assert_eq!(client.ask("GET", &format!("{main}?{bad}"), None).await.fault().0, 400, "{bad}");
            }
        })
        .await;
    });
}

#[test]
fn things_are_copied_and_moved_and_each_is_told() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = client.create("LongPolling", json!({ "channelData": { "maxNotifications": 1 } })).await;
            let (from, to) = (folder(client, "/from").await, folder(client, "/to").await);
            let more = json!({ "parentFolderPath": "/from", "flags": { "flag": ["\\Seen"] }, "correlationId": "c1" });
            let object = client.object(more).await;
            folder(client, "/from/deep").await;
            client.subscribe(&channel["callbackURL"], json!({})).await;

            let copied = transfer(client, "copyToFolder", &to, &[], &[&object]).await;
            assert_eq!(copied[0]["code"], 201, "{copied:?}");
            let copy = text(&copied[0]["success"]["resourceURL"]);
            assert_ne!(copy, object, "a copy is an object of its own");
            let read = client.ask("GET", &copy, None).await.root("object");
            assert_eq!((text(&read["parentFolder"]), &read["flags"]["flag"]), (to.clone(), &json!(["\\Seen"])));
            assert_eq!(read["correlationId"], "c1");

            let moved = transfer(client, "moveToFolder", &to, &[], &[&object, &format!("{object}9")]).await;
            assert_eq!((&moved[0]["code"], text(&moved[0]["success"]["resourceURL"])), (&json!(200), object.clone()));
            assert_eq!(moved[1]["code"], 404, "{moved:?}");
            assert_eq!(text(&client.ask("GET", &object, None).await.root("object")["parentFolder"]), to);

            let copied = transfer(client, "copyToFolder", &to, &[&from], &[]).await;
            let copy = text(&copied[0]["success"]["resourceURL"]);
            assert_eq!(copied[0]["success"]["path"], "/to/from", "{copied:?}");
            assert_eq!(references(client, &copy, "folders").await.len(), 1, "with what is in it");
            let again = transfer(client, "copyToFolder", &to, &[&from], &[]).await;
            assert_eq!(again[0]["code"], 409, "the name is taken: {again:?}");
            let into_itself = transfer(client, "moveToFolder", &copy, &[&to], &[]).await;
            assert_eq!(into_itself[0]["code"], 403, "{into_itself:?}");
            let moved = transfer(client, "moveToFolder", &client.store("folders/f0"), &[&copy], &[]).await;
            assert_eq!(moved[0]["code"], 409, "/from is there: {moved:?}");
            assert_eq!(client.ask("DELETE", &from, None).await.status, 204);
            let moved = transfer(client, "moveToFolder", &client.store("folders/f0"), &[&copy], &[]).await;
            assert_eq!((&moved[0]["code"], &moved[0]["success"]["path"]), (&json!(200), &json!("/from")), "{moved:?}");

            let mut told: Vec<Value> = Vec::new();
            let is_told = |told: &[Value]| {
                told.iter().any(|event| {
                    event["changedFolder"]["resourceURL"] == json!(copy)
                        && event["changedFolder"]["name"] == "from"
                        && text(&event["changedFolder"]["parentFolder"]).ends_with("/f0")
                })
            };
            while !is_told(&told) {
                told.extend(events(&client.polled(&channel).await));
            }
            let parent = |url: &str| {
                let of = told.iter().rev().find(|it| it["changedObject"]["resourceURL"] == json!(url));
                of.map(|it| text(&it["changedObject"]["parentFolder"]))
            };
            assert_eq!(parent(&object), Some(to.clone()), "{told:?}");
        })
        .await;
    });
}

#[test]
fn folders_are_searched_and_a_search_keeps_to_its_scope() {
    World::run(async |world| {
        in_both(world, async |client| {
            let top = folder(client, "/top").await;
            let deep = folder(client, "/top/deep").await;
            folder(client, "/other").await;
            let search = async |what: &str, scope: &str, flat: bool| {
                let body = json!({ "selectionCriteria": { "maxEntries": 10, "searchScope": reference(scope), "nonRecursiveScope": flat } });
                client.ask("POST", &client.store(&format!("{what}/operations/search")), Some(body)).await
            };
            let found = search("folders", &top, false).await.root("folderList");
            assert_eq!(found["folder"].as_array().unwrap().len(), 1, "{found}");
            assert_eq!((text(&found["folder"][0]["resourceURL"]), &found["folder"][0]["path"]), (deep, &json!("/top/deep")));
            for (flat, count) in [(false, 2), (true, 1)] {
                let found = search("objects", &top, flat).await.root("objectList");
                assert_eq!(found["object"].as_array().unwrap().len(), count, "{found}");
            }
            assert_eq!(search("objects", &format!("{top}99"), false).await.status, 404);
        })
        .await;
    });
}

/// Simplified synchronisation (NMS 5.1.4): a search for what was created since the last one.
#[test]
fn a_creation_cursor_finds_what_was_created_after_it() {
    World::run(async |world| {
        in_both(world, async |client| {
            let created = async |value: &str, from: Option<&str>| {
                let criterion = json!({ "criterion": [{ "type": "CreatedObjects", "value": value }] });
                let mut body = json!({ "maxEntries": 2, "searchCriteria": criterion });
                if let Some(from) = from {
                    body["fromCursor"] = from.into();
                }
                let path = client.store("objects/operations/search");
                let list =
                    client.ask("POST", &path, Some(json!({ "selectionCriteria": body }))).await.root("objectList");
                let urls = list["object"].as_array().into_iter().flatten().map(|it| text(&it["resourceURL"]));
                let page = list.get("cursor").map(text);
                (urls.collect::<Vec<_>>(), page, text(&list["creationCursor"]))
            };
            let mut first = Vec::new();
            for _ in 0..3 {
                first.push(client.object(json!({})).await);
            }
            let (mut urls, page, cursor) = created("", None).await;
            let late = client.object(json!({})).await; // while the client reads on
            let (rest, end, same) = created("", page.as_deref()).await;
            urls.extend(rest);
            assert_eq!(same, cursor, "as of the first page");
            let (found, _, _) = created(&cursor, None).await;
            assert_eq!(found, [late], "what came after the first page");
            assert!(first.iter().all(|it| urls.contains(it)), "{urls:?} {end:?}");
        })
        .await;
    });
}

#[test]
fn a_box_that_is_emptied_says_so_and_to_a_replay_as_well() {
    World::run(async |world| {
        in_both(world, async |client| {
            let channel = client.create("LongPolling", json!({ "channelData": { "maxNotifications": 1 } })).await;
            let made = client.subscribe(&channel["callbackURL"], json!({})).await;
            let start = text(&made["restartToken"]);
            let old = client.object(json!({ "parentFolderPath": "/main" })).await;
            client.poll_for(&channel, 1).await;
            let url = client.store("");
            let url = url.trim_end_matches('/');
            client.assert_verbs(url, "DELETE").await;
            assert_eq!(client.ask("DELETE", url, None).await.status, 204);
            let mut told = Vec::new();
            while !told.iter().any(|it: &Value| it.get("resetBox").is_some()) {
                told.extend(events(&client.polled(&channel).await));
            }
            assert!(told.iter().all(|it| it.get("deletedObject").is_none()), "no event per object: {told:?}");
            assert_eq!(client.ask("GET", &old, None).await.status, 404);
            // the name of a folder is free again, and ids are not used again
            let new = client.object(json!({ "parentFolderPath": "/main" })).await;
            assert_ne!(new, old);
            let is_new = |it: &Value| it["changedObject"]["resourceURL"] == json!(new);
            while !events(&client.polled(&channel).await).iter().any(is_new) {}
            client.update(&made, json!({ "restartToken": start })).await;
            let mut replayed = Vec::new();
            while !replayed.iter().any(is_new) {
                replayed.extend(events(&client.polled(&channel).await));
            }
            assert!(replayed[0].get("resetBox").is_some(), "the reset is told again, before what is new: {replayed:?}");
            assert!(!replayed.iter().any(|it| it.to_string().contains(&format!("{old}\""))), "{replayed:?}");
        })
        .await;
    });
}
