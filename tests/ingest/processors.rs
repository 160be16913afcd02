//! Several processors: their choice, an item that several work on side by side, one alone again, results in pages, erasure.

use serde_json::{Value, json};
use system_tests::{World, media, text};

#[test]
fn processors_and_backends_are_chosen_and_what_there_is_not_is_refused() {
    World::run(async |world| {
        let with = |more: Value| {
            let mut body = json!({ "system": "datacore", "endpoint": world.stack.s3_url, "bucket": "p", "schedule": "rate(30 days)" });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let aws = json!({ "processor": "ObjectDetection", "settings": { "backend": "aws" } });
        let embedded =
            json!({ "processor": ["FacialRecognition", "AutoTranslation"], "settings": { "backend": "embedded" } });
        let other = json!({ "settings": { "backend": { "ObjectDetection": "embedded" } } });
        for (more, field, why) in [
            (json!({ "processor": ["ObjectDetection", "Magic"] }), "processor", "FacialRecognition"),
            (json!({ "processor": [] }), "processor", "at least one"),
            (aws, "settings.backend", "ObjectDetection has no backend `aws`, but `external`"),
            (embedded, "settings.backend", "AutoTranslation has no backend `embedded`, but `external`"),
            (other, "settings.backend", "ObjectDetection has no backend `embedded`, but `external`"),
            (json!({ "settings": { "backend": "cloud" } }), "settings.backend", "`embedded`, `aws` or `external`"),
            (json!({ "settings": { "targets": ["../x"] } }), "settings.targets", "languages"),
        ] {
            let (status, problem) = world.ask("POST", "/api/v1/Media/Buckets", Some(with(more))).await;
            assert_eq!((status, problem["field"].as_str()), (422, Some(field)), "{problem}");
            assert!(problem.to_string().contains(why), "{problem}");
        }
        let more =
            json!({ "processor": ["AutoTranslation", "FacialRecognition"], "settings": { "targets": ["es", "ca"] } });
        let (status, bucket) = world.ask("POST", "/api/v1/Media/Buckets", Some(with(more))).await;
        assert_eq!((status, &bucket["processor"]), (201, &json!(["AutoTranslation", "FacialRecognition"])), "{bucket}");
        let backends = json!({ "AutoTranslation": "external", "FacialRecognition": "embedded" });
        assert_eq!((&bucket["settings"]["backend"], &bucket["settings"]["targets"]), (&backends, &json!(["es", "ca"])));

        let path = "/api/v1/Media/Settings";
        let (status, problem) =
            world.ask("PUT", path, Some(json!({ "processor": "AutoTranslation", "backend": "aws" }))).await;
        assert_eq!((status, problem["field"].as_str()), (422, Some("backend")), "{problem}");
        let wanted = json!({ "processor": ["FacialRecognition", "ObjectDetection"], "backend": { "FacialRecognition": "external" } });
        let (status, settings) = world.ask("PUT", path, Some(wanted.clone())).await;
        assert_eq!(
            (status, &settings["processor"], &settings["backend"]),
            (200, &wanted["processor"], &wanted["backend"])
        );
        let path = format!("/api/v1/Media/Buckets/{}", text(&bucket["id"]));
        assert_eq!(world.get(&path).await["settings"]["backend"]["FacialRecognition"], "external", "the application's");
    });
}

#[test]
fn an_item_ends_with_the_last_of_its_processors_and_one_is_done_again_alone() {
    World::run(async |world| {
        let hook = world.webhook(&[]).await;
        let name = format!("p{}", &world.keys.application_id[..8]);
        let folder = world.stack.bucket_folder(&name);
        std::fs::create_dir_all(&folder).unwrap();
        let more =
            json!({ "processor": ["FacialRecognition", "ObjectDetection", "AutoTranslation"], "writeBack": true });
        let bucket = world.bucket_at(&world.stack.s3_url, &name, more).await;
        std::fs::write(folder.join("one.jpg"), media("astronaut.jpg")).unwrap();
        world.scan(&bucket).await;
        let item = world.ended(&bucket, 1).await.remove(0);
        let path = format!("/api/v1/Media/Items/{}", text(&item["id"]));

        // nothing is made up where no endpoint is registered, and the others go on
        let states = |item: &Value| -> Vec<String> {
            item["processors"].as_array().unwrap().iter().map(|it| text(&it["state"])).collect()
        };
        assert_eq!(
            (text(&item["status"]), states(&item)),
            ("Failed".to_owned(), ["Succeeded", "Failed", "Skipped"].map(str::to_owned).into())
        );
        assert_eq!(item["results"]["FacialRecognition"]["faces"], 1);
        assert_eq!(item["error"]["code"], "backend_unavailable");
        assert!(text(&item["error"]["hint"]).contains("/Processors/ObjectDetection"), "{item}");
        assert_eq!(item["processors"][2]["error"]["code"], "no_audio");
        let ended = async || {
            let all = ["processor.completed", "processor.failed", "processor.skipped", "item.failed"];
            let told = all.map(|kind| hook.of(kind).len());
            (told == [1; 4]).then_some(())
        };
        world.until("each processor is told, and the item", ended).await;
        let told = hook.first("processor.completed").unwrap().body["data"].clone();
        assert_eq!(
            (&told["processor"], &told["results"]["FacialRecognition"]["faces"]),
            (&json!("FacialRecognition"), &json!(1))
        );
        assert!(!told.to_string().contains("\"box\""), "counts, and no boxes: {told}");
        let told = hook.first("item.failed").unwrap().body["data"].clone();
        assert_eq!(told["processors"]["ObjectDetection"], "Failed");
        assert_eq!(told["results"]["FacialRecognition"]["faces"], 1);

        // one alone, and none that the item does not have
        let (status, problem) = world.ask("POST", &format!("{path}/reprocess?processor=Magic"), None).await;
        assert_eq!((status, problem["field"].as_str()), (422, Some("processor")), "{problem}");
        let (status, again) = world.ask("POST", &format!("{path}/reprocess?processor=ObjectDetection"), None).await;
        assert_eq!((status, &states(&again)[..2]), (202, &["Succeeded".to_owned(), "Queued".to_owned()][..]));
        world.until("it is told again", async || (hook.of("processor.failed").len() == 2).then_some(())).await;
        assert_eq!(hook.of("processor.completed").len(), 1, "the others were left alone");

        // the result in pages
        let result = format!("{path}/Results/FacialRecognition");
        let whole = world.get(&result).await;
        assert_eq!((&whole["backend"], &whole["quality"]), (&json!("embedded"), &json!("demo")));
        assert!(whole["tracks"][0]["samples"][0]["box"]["w"].as_f64().unwrap() > 0.05, "{whole}");
        let first = world.get(&format!("{result}?limit=1")).await;
        let next = world.get(&format!("{result}?limit=1&cursor={}", text(&first["next"]))).await;
        assert_eq!((&first["tracks"][0]["samples"], &next["next"]), (&json!([]), &Value::Null));
        assert_eq!(next["tracks"], whole["tracks"], "the box is on the second page");
        assert_eq!(world.get(&format!("{result}?boxes=false")).await["tracks"][0]["samples"], json!([]));
        for (query, field) in [("limit=0", "limit"), ("cursor=x", "cursor"), ("from=-1", "from")] {
            let (status, problem) = world.ask("GET", &format!("{result}?{query}"), None).await;
            assert_eq!((status, problem["field"].as_str()), (422, Some(field)), "{problem}");
        }
        assert_eq!(world.ask("GET", &format!("{path}/Results/ObjectDetection"), None).await.0, 404);
        assert_eq!(world.ask("GET", &format!("{path}/Subtitles/es.vtt"), None).await.0, 404);

        // erasure that erases: the document, the picture, and what was written beside the media
        let sidecar = folder.join(".ai/one.jpg.json");
        assert!(std::fs::read_to_string(&sidecar).unwrap().contains("\"box\""));
        assert_eq!(world.ask("DELETE", &format!("{path}/Results/Magic"), None).await.0, 422);
        let (status, erased) = world.ask("DELETE", &result, None).await;
        let wanted = ["Skipped", "Failed", "Skipped"].map(str::to_owned);
        assert_eq!((status, states(&erased)), (200, wanted.into()), "{erased}");
        assert_eq!(erased["processors"][0]["error"]["code"], "erased");
        assert_eq!((&erased["status"], erased.get("results")), (&json!("Failed"), None), "the others are as they were");
        assert_eq!(world.ask("DELETE", &result, None).await.0, 200, "twice is once");
        assert_eq!(world.ask("GET", &result, None).await.0, 404);
        assert_eq!(world.ask("GET", &format!("{path}/preview.jpg"), None).await.0, 404);
        let gone = async || std::fs::read_to_string(&sidecar).ok().filter(|it| !it.contains("\"box\"")).map(drop);
        world.until("what was written is gone", gone).await;
    });
}
