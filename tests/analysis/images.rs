//! Image tasks: renditions of an upload, a URL and an item, told as published.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::client::outcomes;
use system_tests::receiver::{Answer, Message};
use system_tests::{World, media, text};

const GENERATE: &str = "/api/v1/Image/Generation/AdCreativesByKind";

/// A file of form-data.
pub(crate) struct File<'a>(pub(crate) &'a str, pub(crate) Vec<u8>);

/// Starts a process; answers status and body.
pub(crate) async fn generate(world: &World<'_>, fields: &[(&str, &str)], file: Option<File<'_>>) -> (u16, Value) {
    let boundary = "----pictures";
    let mut body = Vec::new();
    for (name, value) in fields {
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(head.as_bytes());
    }
    if let Some(File(name, bytes)) = file {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let request = world.http.post(format!("{}{GENERATE}", world.stack.url));
    let request = request.query(&[("applicationId", &world.keys.application_id)]);
    let request = request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
    let request = request.header("content-type", format!("multipart/form-data; boundary={boundary}"));
    let answer = request.body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// The messages of a process, once its progress has come.
async fn render_messages(world: &World<'_>, hook: &system_tests::receiver::Receiver, process: &str) -> Vec<Message> {
    world
        .until("the process is told", async || {
            let mut all = hook.messages();
            all.retain(|it| it.body["ImageRenderProcessId"] == process);
            // a receiver that is slow on a busy machine may get a message twice, under one id
            let mut seen = std::collections::HashSet::new();
            all.retain(|it| seen.insert(it.id.clone()));
            let (tasks, done): (Vec<_>, Vec<_>) =
                all.iter().cloned().partition(|it| it.body["MessageType"] == "ImageGenerationTaskCompleted");
            let total = done.first()?.body["TotalTaskCount"].as_u64()?;
            (tasks.len() as u64 == total).then_some(all)
        })
        .await
}

fn picture(bytes: &[u8]) -> image::DynamicImage {
    image::load_from_memory(bytes).expect("a picture")
}

#[test]
fn renditions_of_an_upload_arrive_in_the_published_messages() {
    World::run(async |world| {
        // without an active channel: the published 404
        let kinds = [("renderKind", "Post,MediumBanner"), ("userId", "2581c740-8e9d-4d63-96bc-5665bb9a646b")];
        let upload = || Some(File("uploadedImage", media("astronaut.jpg")));
        let (status, none) = generate(world, &kinds, upload()).await;
        let app = &world.keys.application_id;
        assert_eq!(
            (status, &none["errors"]["engine: Active"][0]),
            (404, &json!(format!("No active notification channel configurations found for Application {app}.")))
        );

        let hook = world.webhook(&[("format", "adcreative"), ("includeImageData", "true")]).await;
        let plain = world.webhook(&[("format", "adcreative")]).await;
        let native = world.webhook(&[("includeImageData", "true"), ("types", "task.*")]).await;
        let more = [kinds[0], kinds[1], ("mainHeadline", "Über den Wolken"), ("color1Hex", "#FFD600")];
        let (status, process) = generate(world, &more, upload()).await;
        assert_eq!(
            (status, &process["progress"], process["tasks"].as_array().unwrap().len()),
            (200, &json!(0), 2),
            "{process}"
        );
        let id = text(&process["imageRenderProcessId"]);
        let all = render_messages(world, &hook, &id).await;
        assert_eq!(all.len(), 3, "two tasks and one progress: {all:?}");
        for message in all.iter().filter(|it| it.body["MessageType"] == "ImageGenerationTaskCompleted") {
            let task = process["tasks"]
                .as_array()
                .unwrap()
                .iter()
                .find(|task| task["taskId"] == message.body["TaskId"])
                .unwrap();
            let made = picture(&STANDARD.decode(message.body["ImageContentBytes"].as_str().unwrap()).unwrap());
            assert_eq!((json!(made.width()), json!(made.height())), (task["width"].clone(), task["height"].clone()));
            assert_eq!((&message.body["IsSuccessful"], &message.body["UserId"]), (&json!(true), &json!(kinds[1].1)));
            let yellow = made.to_rgb8().pixels().filter(|it| it.0 == [255, 214, 0]).count();
            assert!(yellow > 50, "the headline is there: {yellow}");
        }
        let done = all.iter().find(|it| it.body["MessageType"] == "ImageGenerationProgress").unwrap();
        assert_eq!(
            (&done.body["Progress"], &done.body["CompletedTaskCount"], &done.body["FailedTaskCount"]),
            (&json!(100), &json!(2), &json!(0))
        );
        // without image data the member stays, empty
        let bare = render_messages(world, &plain, &id).await;
        assert!(bare.iter().all(|it| it.body.get("ImageContentBytes").is_none_or(Value::is_null)));
        assert!(bare.iter().any(|it| it.body.as_object().unwrap().contains_key("ImageContentBytes")));
        world.until("the native one has both", async || (native.of("task.completed").len() == 2).then_some(())).await;
        let content = text(&native.of("task.completed")[0].body["data"]["image"]["content"]);
        picture(&STANDARD.decode(content).unwrap());
        assert!(native.of("tasks.progress").is_empty(), "it wants tasks alone");

        // progress and download
        let one = [("imageRenderProcessId", id.as_str())];
        let (_, seen) = world.channels(Method::GET, "/api/v1/Image/Generation/CheckUserProgress", &one, None).await;
        assert_eq!((&seen[0]["progress"], &seen[0]["tasks"][0]["renderState"]), (&json!(100), &json!(5)));
        let (_, of_user) = world
            .channels(Method::GET, "/api/v1/Image/Generation/CheckUserProgress", &[("userId", kinds[1].1)], None)
            .await;
        assert_eq!(of_user[0]["imageRenderProcessId"], json!(id));
        let (_, all) =
            world.channels(Method::GET, "/api/v1/Image/Generation/CheckApplicationAllProgresses", &[], None).await;
        assert_eq!(all.as_array().unwrap().len(), 1);
        let task = text(&process["tasks"][0]["taskId"]);
        let get = async |more: &[(&str, &str)]| {
            let request = world.http.get(format!("{}/api/v1/Image/Generation/Download", world.stack.url));
            let request = request
                .query(&[("applicationId", app.as_str()), ("imageRenderProcessId", &id), ("taskId", &task)])
                .query(more);
            let request =
                request.header("x-api-key", &world.keys.api_key).header("x-api-secret", &world.keys.api_secret);
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.bytes().await.unwrap())
        };
        let (_, png) = get(&[]).await;
        assert_eq!((image::guess_format(&png).unwrap(), picture(&png).width()), (image::ImageFormat::Png, 1080));
        let (_, small) = get(&[("format", "1"), ("lowResolution", "true")]).await;
        assert_eq!((image::guess_format(&small).unwrap(), picture(&small).width()), (image::ImageFormat::Jpeg, 270));
        assert_eq!((get(&[("format", "2")]).await.0, get(&[("taskId", "x")]).await.0), (400, 200));

        // colour under full transparency: the ground shows, also where blue begins
        let hidden = |x: u32| if (x / 50).is_multiple_of(2) { [255, 0, 0, 0] } else { [0, 0, 255, 255] };
        let hidden = image::RgbaImage::from_fn(600, 400, |x, _| image::Rgba(hidden(x)));
        let mut png = std::io::Cursor::new(Vec::new());
        hidden.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let (_, process) = generate(world, &kinds, Some(File("uploadedImage", png.into_inner()))).await;
        let all = render_messages(world, &hook, &text(&process["imageRenderProcessId"])).await;
        for content in all.iter().filter_map(|it| it.body["ImageContentBytes"].as_str()) {
            let made = picture(&STANDARD.decode(content).unwrap()).into_rgb8();
            let red = made.pixels().filter(|it| it.0[0] > it.0[1].saturating_add(24)).count();
            let white = made.pixels().filter(|it| it.0[0] > 240 && it.0[1] > 240).count();
            assert!(red == 0 && white > 100, "{red} red, {white} white");
        }
    });
}

#[test]
fn a_video_item_gives_a_still_and_what_cannot_be_made_is_told_as_failed() {
    World::run(async |world| {
        let hook = world.webhook(&[("format", "adcreative"), ("includeImageData", "true")]).await;
        let bucket = world.bucket().await;
        std::fs::write(bucket.folder.join("clip.mp4"), media("clip.mp4")).unwrap();
        world.scan(&bucket.id).await;
        let item = text(&world.ended(&bucket.id, 1).await[0]["id"]);
        let (status, process) = generate(world, &[("renderKind", "4"), ("itemId", &item), ("format", "1")], None).await;
        assert_eq!(status, 200, "{process}");
        let all = render_messages(world, &hook, &text(&process["imageRenderProcessId"])).await;
        let done = all.iter().find(|it| it.body["MessageType"] == "ImageGenerationTaskCompleted").unwrap();
        let made = picture(&STANDARD.decode(done.body["ImageContentBytes"].as_str().unwrap()).unwrap());
        assert_eq!((made.width(), made.height()), (1200, 628));

        // a URL that leads to no picture: the task fails, and that is told
        let page = format!("{}/docs/openapi.json", world.stack.url);
        let (status, process) = generate(world, &[("renderKind", "1"), ("productImageUrl", &page)], None).await;
        assert_eq!(status, 200, "{process}");
        let all = render_messages(world, &hook, &text(&process["imageRenderProcessId"])).await;
        let failed = all.iter().find(|it| it.body["MessageType"] == "ImageGenerationTaskCompleted").unwrap();
        assert_eq!((&failed.body["IsSuccessful"], &failed.body["ImageContentBytes"]), (&json!(false), &Value::Null));
        assert!(!text(&failed.body["ErrorMessage"]).is_empty());

        for (fields, file, field) in [
            (&[("renderKind", "0"), ("itemId", item.as_str())][..], None, "RenderKind"),
            (&[("renderKind", "1")], None, "UploadedImage"),
            (&[("renderKind", "1"), ("productImageUrl", "https://169.254.169.254/x")], None, "ProductImageUrl"),
            (&[("renderKind", "1")], Some(File("uploadedImage", b"not a picture".to_vec())), "UploadedImage"),
            (&[("renderKind", "1"), ("itemId", "itm_1")], None, "ItemId"),
            (&[("renderKind", "1"), ("itemId", item.as_str()), ("color1Hex", "red")], None, "Color1Hex"),
            (&[("renderKind", "1"), ("itemId", item.as_str()), ("mainHeadline", "Live 東京")], None, "MainHeadline"),
        ] {
            let (status, refused) = generate(world, fields, file).await;
            assert!(status == 400 && refused["errors"][field].is_array(), "{field}: {refused}");
            if field == "MainHeadline" {
                let why = text(&refused["errors"][field][0]);
                assert!(why.contains("東 (U+6771), 京 (U+4EAC)"), "it names the letters: {why}");
            }
        }

        // a picture without a ground of its own lies on white, in each format
        let mut clear = std::io::Cursor::new(Vec::new());
        image::RgbaImage::new(600, 500).write_to(&mut clear, image::ImageFormat::Png).unwrap();
        for format in ["0", "1"] {
            let fields = [("renderKind", "MediumBanner"), ("format", format)];
            let (_, process) = generate(world, &fields, Some(File("uploadedImage", clear.get_ref().clone()))).await;
            let all = render_messages(world, &hook, &text(&process["imageRenderProcessId"])).await;
            let done = all.iter().find(|it| it.body["MessageType"] == "ImageGenerationTaskCompleted").unwrap();
            let made = picture(&STANDARD.decode(done.body["ImageContentBytes"].as_str().unwrap()).unwrap()).to_rgb8();
            assert_eq!(made.get_pixel(150, 125).0, [255, 255, 255], "format {format}");
        }
    });
}

/// A newer progress takes the place of an older one that waits for its retry (realtime, D-17).
#[test]
fn a_progress_that_is_overtaken_is_not_delivered_any_more() {
    World::run(async |world| {
        let hook = world
            .webhook(&[("types", "tasks.*"), ("everyProgress", "true"), ("exponentialBackoffFactor", "10.0")])
            .await;
        let id = hook.channel.lock().unwrap().clone();
        hook.answers([Answer::Status(500, vec![])]);
        let fields = [("renderKind", "MediumBanner,HalfPage,LeaderBoard")];
        let (status, process) = generate(world, &fields, Some(File("uploadedImage", media("astronaut.jpg")))).await;
        assert_eq!(status, 200, "{process}");
        let first = world.until("the first progress was refused", async || hook.messages().into_iter().next()).await;
        assert!(first.body["data"]["progress"].as_u64() < Some(100), "{first:?}");
        world
            .until("the last progress came", async || {
                hook.messages().into_iter().find(|it| it.body["data"]["progress"] == 100)
            })
            .await;
        let dropped = world.delivery(&id, &first.id, "dropped").await;
        assert_eq!(outcomes(&dropped), ["the receiver answered 500", "a newer notification has taken its place"]);
        assert_eq!(hook.messages().iter().filter(|it| it.id == first.id).count(), 1, "it was not sent again");
    });
}

/// Whoever has heard that all is done has all: also what was delivered by a retry alone.
#[test]
fn the_progress_comes_after_the_messages_of_its_tasks() {
    World::run(async |world| {
        let hook = world.webhook(&[("format", "adcreative")]).await;
        hook.answers([Answer::Status(500, vec![]), Answer::Status(500, vec![])]);
        let fields = [("renderKind", "MediumBanner,HalfPage")];
        let (status, process) = generate(world, &fields, Some(File("uploadedImage", media("astronaut.jpg")))).await;
        assert_eq!(status, 200, "{process}");
        let kind = |it: &Message| text(&it.body["MessageType"]);
        let all = world
            .until("the progress came", async || {
                let all = hook.messages();
                all.iter().any(|it| kind(it) == "ImageGenerationProgress").then_some(all)
            })
            .await;
        let kinds: Vec<String> = all.iter().map(kind).collect();
        let (last, before) = kinds.split_last().unwrap();
        assert_eq!(last, "ImageGenerationProgress", "{kinds:?}");
        assert_eq!(before, vec!["ImageGenerationTaskCompleted"; 4], "each task, twice refused in all");
        assert_eq!(all.last().unwrap().body["Progress"], 100);
    });
}
