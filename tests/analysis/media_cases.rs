//! Files that were read wrongly once, each by its right value: from a bucket, and as Iconik's assets.

mod table;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use system_tests::checks::{Checks, LIKE, best_likeness};
use system_tests::{World, media, text};

use table::{Case, cases};

/// A case's file.
fn file(name: &str) -> Vec<u8> {
    media(&format!("cases/{name}"))
}

/// The preview of an item; nothing if it has none.
async fn preview(world: &World<'_>, item: &Value) -> Vec<u8> {
    let path = format!("{}/api/v1/Media/Items/{}/preview.jpg", world.stack.url, text(&item["id"]));
    let request = world.http.get(path).header("x-api-key", &world.keys.api_key);
    let answer = request.header("x-api-secret", &world.keys.api_secret).send().await.unwrap();
    if answer.status() == 200 { answer.bytes().await.unwrap().to_vec() } else { Vec::new() }
}

/// All that is not as the table says.
async fn failed(world: &World<'_>, case: &Case, item: &Value) -> Vec<String> {
    let mut checks = Checks::of(case.key, item);
    checks.status(case.status);
    match text(&item["status"]).as_str() {
        "Completed" => {
            case.check(&mut checks);
            if case.tracks.contains(&1) && *case.tracks.end() == 1 && case.preview {
                checks.preview(&preview(world, item).await);
            }
        }
        // what has to be warned of is said by the reason, if there is no result
        _ => {
            let (code, part) = case.reason;
            checks.reason(code, part);
        }
    }
    checks.done()
}

#[test]
fn each_case_is_read_by_its_right_value() {
    World::run(async |world| {
        let (bucket, hook) =
            (world.bucket().await, world.webhook(&[("format", "adcreative"), ("includeImageData", "true")]).await);
        let cases = cases();
        for case in &cases {
            std::fs::write(bucket.folder.join(case.key), file(case.file)).unwrap();
        }
        world.scan(&bucket.id).await;
        world.ended(&bucket.id, cases.len()).await;
        let items = world.items(&format!("bucket={}&results=full", bucket.id)).await;
        let items: BTreeMap<String, Value> = items.into_iter().map(|it| (text(&it["key"]), it)).collect();
        let mut all = Vec::new();
        for case in &cases {
            all.extend(failed(world, case, &items[case.key]).await);
        }
        // of a video the rendition shows the face, of a still what lies under nothing is not seen
        for (key, wanted) in [("late.mp4", "the face"), ("hidden-red.png", "no hidden red")] {
            let id = text(&items[key]["id"]);
            let Some(picture) = rendition(world, &hook, &id).await else {
                all.push(format!("{key}: wanted a rendition with {wanted}, got none"));
                continue;
            };
            let (good, got) = if key == "late.mp4" {
                // 960 x 540 is cut to 1200 x 628, or to a part of it around the face
                let likeness = best_likeness(&picture.to_luma8(), [0.13, 0.152, 0.18, 0.21, 0.25]);
                (likeness > LIKE, format!("something like it to {likeness:.2}"))
            } else {
                let red =
                    picture.to_rgb8().pixels().filter(|it| it.0[0] > 150 && it.0[1] < 100 && it.0[2] < 100).count();
                (red == 0, format!("{red} red pixels"))
            };
            if !good {
                all.push(format!("{key}: wanted a rendition with {wanted}, got {got}"));
            }
        }
        assert!(all.is_empty(), "{} are not right:\n{}", all.len(), all.join("\n"));
    });
}

/// A landscape rendition of an item, as its message brings it.
async fn rendition(
    world: &World<'_>,
    hook: &system_tests::receiver::Receiver,
    item: &str,
) -> Option<image::DynamicImage> {
    use base64::Engine;
    let request = world.http.post(format!("{}/api/v1/Image/Generation/AdCreativesByKind", world.stack.url));
    let request = request.query(&[("applicationId", &world.keys.application_id)]);
    let request = request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
    let boundary = "----cases";
    let fields = [("renderKind", "4"), ("itemId", item), ("format", "1")];
    let part = |(name, value): (&str, &str)| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = format!("{}--{boundary}--\r\n", fields.map(part).concat());
    let request = request.header("content-type", format!("multipart/form-data; boundary={boundary}"));
    let process: Value = request.body(body).send().await.unwrap().json().await.unwrap();
    let id = text(&process["imageRenderProcessId"]);
    if id.is_empty() {
        return None;
    }
    let task = world
        .until("the rendition is told", async || {
            let ours =
                |it: &Value| it["ImageRenderProcessId"] == id && it["MessageType"] == "ImageGenerationTaskCompleted";
            hook.messages().into_iter().map(|it| it.body).find(ours)
        })
        .await;
    let bytes = base64::engine::general_purpose::STANDARD.decode(task["ImageContentBytes"].as_str()?).ok()?;
    image::load_from_memory(&bytes).ok()
}

#[test]
fn what_broadcasters_upload_is_analysed_through_iconik() {
    World::run(async |world| {
        let manager = world.iconik(json!({})).await;
        // the proxies of these are made by Iconik, by a list of its own
        let originals = [("op1a_tc.mxf", 2_000, 4_000), ("start14.ts", 2_000, 4_000), ("two_frames.dv", 0, 80)];
        let mut assets = Vec::new();
        for (name, from, to) in originals {
            assets.push((manager.iconik.upload(name, &file(name)).await, name, (from, to)));
        }
        world.assets_ended(assets.len()).await;
        let items = world.items("system=iconik&results=full").await;
        let mut all = Vec::new();
        for (asset, name, (from, to)) in &assets {
            let item = items.iter().find(|it| text(&it["key"]) == *asset).unwrap();
            let mut checks = Checks::of(name, item);
            checks.status(&["Completed"]);
            checks.tracks(1..=1);
            checks.range_ends_within(*from, (*to - (*to).min(250), *to + 500));
            checks.boxes(&[(*from, *to)], |_| table::FACE);
            let segments = manager.of("segment", asset);
            let starts: Vec<Option<u64>> = segments.iter().map(|it| it["time_start_milliseconds"].as_u64()).collect();
            let right = matches!(starts[..], [Some(start)] if start.abs_diff(*from) <= 250);
            checks.must(right, &format!("a segment from {from} ms on"), format!("{starts:?}"));
            all.extend(checks.done());
        }
        assert!(all.is_empty(), "{} are not right:\n{}", all.len(), all.join("\n"));
    });
}
