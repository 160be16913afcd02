//! Erasure: results and the faces in them go, of an item and of a whole application, and of nobody else.

use std::path::Path;

use serde_json::{Value, json};
use system_tests::{World, media, text};

/// The files under a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            all.extend(files(&entry.path()));
        } else {
            all.push(entry.path().display().to_string());
        }
    }
    all
}

#[test]
fn results_of_an_item_and_of_an_application_are_erased() {
    World::run(async |world| {
        let other = World::at(world.stack).await;
        let stored = |world: &World<'_>| {
            let bucket = world.stack.bucket_folder("notifications-results");
            files(&bucket.join("results").join(&world.keys.application_id)).len()
        };
        let (bucket, theirs) = (world.bucket().await, other.bucket().await);
        for name in ["one.jpg", "two.jpg"] {
            std::fs::write(bucket.folder.join(name), media("astronaut.jpg")).unwrap();
        }
        std::fs::write(theirs.folder.join("one.jpg"), media("astronaut.jpg")).unwrap();
        world.scan(&bucket.id).await;
        other.scan(&theirs.id).await;
        let items = world.ended(&bucket.id, 2).await;
        assert!(items.iter().all(|it| it["status"] == "Completed"), "{items:?}");
        let kept = other.ended(&theirs.id, 1).await;
        assert_eq!((stored(world), stored(&other)), (4, 2), "a document and a preview each");

        let path = format!("/api/v1/Media/Items/{}", text(&items[0]["id"]));
        let (status, refused) = other.ask("DELETE", &format!("{path}/Results"), None).await;
        assert_eq!(status, 404, "{refused}");
        let (status, erased) = world.ask("DELETE", &format!("{path}/Results"), None).await;
        assert_eq!((status, &erased["status"], &erased["error"]["code"]), (200, &json!("Skipped"), &json!("erased")));
        assert_eq!((stored(world), world.get(&path).await.get("results")), (2, None));
        assert_eq!(world.ask("GET", &format!("{path}/preview.jpg"), None).await.0, 404);
        assert_eq!(world.ask("DELETE", &format!("{path}/Results"), None).await.0, 200, "twice is once");
        world
            .until("it is told", async || {
                let told = world.get("/api/v1/Notification/Messages?type=item.skipped").await;
                let all = told["items"].as_array().cloned().unwrap_or_default();
                all.into_iter().find(|it| it["data"]["error"]["code"] == "erased")
            })
            .await;
        // what expired by itself is not there either, and no error
        let document = world.get("/api/v1/Media/Items?results=full").await;
        assert_eq!(document["items"].as_array().map(Vec::len), Some(2), "{document}");

        let (good, said) = world.notify_as(&["erase", "--all", "--json"]).await;
        let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| json!({ "said": said }));
        assert!(good && said == json!({ "erased": 1, "busy": 0 }), "{said}");
        assert_eq!((stored(world), stored(&other)), (0, 2), "nobody else's");
        let there = other.get(&format!("/api/v1/Media/Items/{}", text(&kept[0]["id"]))).await;
        assert_eq!(there["status"], "Completed");
        // it can be processed again
        let (good, said) = world.notify_as(&["reprocess", &text(&items[1]["id"])]).await;
        assert!(good, "{said}");
        world
            .until("it has results again", async || {
                let item = world.get(&format!("/api/v1/Media/Items/{}", text(&items[1]["id"]))).await;
                (item["status"] == "Completed" && item["results"].is_object()).then_some(())
            })
            .await;
    });
}
