//! An item's media comes in parts, as players ask for it: out of a bucket, out of a vault that knows no ranges, out of Iconik.

use reqwest::StatusCode;
use serde_json::json;
use system_tests::vault::Vault;
use system_tests::{World, media, text};

/// More than one answer may hold.
const LARGE: usize = (4 << 20) + 10;

/// A part of an item's media: the status, `Content-Range`, the type, and the bytes.
async fn part(world: &World<'_>, item: &str, range: Option<&str>) -> (StatusCode, String, String, Vec<u8>) {
    let request = world.http.get(format!("{}/api/v1/Media/Items/{item}/media", world.stack.url));
    let request = request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
    let request = range.iter().fold(request, |it, range| it.header("range", *range));
    let answer = request.send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map_or_else(String::new, |it| it.to_str().unwrap().to_owned());
    let (status, range, kind) = (answer.status(), header("content-range"), header("content-type"));
    (status, range, kind, answer.bytes().await.unwrap().to_vec())
}

#[test]
fn media_comes_in_parts_out_of_a_bucket() {
    World::run(async |world| {
        let bucket = world.bucket().await;
        let (clip, large): (Vec<u8>, Vec<u8>) = (media("clip.mp4"), (0..LARGE).map(|it| it as u8).collect());
        std::fs::write(bucket.folder.join("clip.mp4"), &clip).unwrap();
        std::fs::write(bucket.folder.join("large"), &large).unwrap();
        world.scan(&bucket.id).await;
        let items = world.ended(&bucket.id, 2).await;
        let [clip_id, large_id] =
            ["clip.mp4", "large"].map(|key| text(&items.iter().find(|it| it["key"] == key).unwrap()["id"]));
        let size = clip.len();
        let whole = part(world, &clip_id, None).await;
        assert_eq!((whole.0.as_u16(), whole.2.as_str(), whole.3 == clip), (200, "video/mp4", true));
        for (range, first, last) in
            [("bytes=0-", 0, size - 1), ("bytes=100-199", 100, 199), ("bytes=-5", size - 5, size - 1)]
        {
            let (status, shown, kind, bytes) = part(world, &clip_id, Some(range)).await;
            let want = (206, format!("bytes {first}-{last}/{size}"));
            assert_eq!((status.as_u16(), shown), want, "{range}");
            assert!(kind == "video/mp4" && bytes == clip[first..=last], "{range}: {kind}");
        }
        let (status, shown, ..) = part(world, &clip_id, Some(&format!("bytes={size}-"))).await;
        assert_eq!((status.as_u16(), shown), (416, format!("bytes */{size}")));

        // a part has an end, and whoever wants more asks again
        assert_eq!(part(world, &large_id, None).await.0, 422);
        let (status, shown, _, bytes) = part(world, &large_id, Some("bytes=5-")).await;
        assert_eq!((status.as_u16(), shown), (206, format!("bytes 5-{}/{LARGE}", 5 + (4 << 20) - 1)));
        assert!(bytes == large[5..5 + (4 << 20)], "{} bytes", bytes.len());
        let (status, _, _, bytes) = part(world, &large_id, Some(&format!("bytes={}-", 5 + (4 << 20)))).await;
        assert!(status == 206 && bytes == large[5 + (4 << 20)..]);

        // what was replaced is not mixed with what was analysed
        std::fs::write(bucket.folder.join("clip.mp4"), media("astronaut.jpg")).unwrap();
        let gone = world
            .until("the object is another one", async || {
                let answer = part(world, &clip_id, Some("bytes=0-99")).await;
                (answer.0 != 206).then_some(answer)
            })
            .await;
        assert!(gone.0 == 404 && String::from_utf8_lossy(&gone.3).contains("no-media"), "{}", gone.0);
    });
}

#[test]
fn media_comes_out_of_other_systems_as_they_give_it() {
    World::run(async |world| {
        let vault = Vault::start().await;
        vault.put("a.jpg", "image/jpeg", media("astronaut.jpg"));
        let bucket = world.bucket_at(&vault.url, "vault", json!({ "system": "objectmatrix" })).await;
        world.scan(&bucket).await;
        let item = text(&world.ended(&bucket, 1).await[0]["id"]);
        let begins = part(world, &item, Some("bytes=0-9")).await;
        assert!(begins.0 == 206 && begins.3 == media("astronaut.jpg")[..10], "{}", begins.0);
        let (status, .., bytes) = part(world, &item, Some("bytes=10-19")).await;
        assert_eq!(status, 502, "the whole object is no part of it: {}", String::from_utf8_lossy(&bytes));

        let manager = world.iconik(json!({})).await;
        manager.iconik.upload("clip.mp4", &media("clip.mp4")).await;
        let item = text(&world.assets_ended(1).await[0]["id"]);
        let first = part(world, &item, Some("bytes=0-999")).await;
        assert!(first.0 == 206 && first.2 == "video/mp4" && first.3.len() == 1_000, "{} {}", first.0, first.2);
        let requests = manager.iconik.request_count();
        let second = part(world, &item, Some("bytes=1000-1999")).await;
        assert!(second.0 == 206 && second.3.len() == 1_000 && second.3 != first.3, "{}", second.0);
        assert!(manager.iconik.request_count() <= requests + 3, "a link is kept for a moment");
    });
}
