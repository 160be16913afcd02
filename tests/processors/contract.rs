//! The contract with external processors on the wire: what they are sent, what they may answer, and who may call back.

use serde_json::{Value, json};
use system_tests::processor::{Processor, Reply, SECRET, call, call_as};
use system_tests::{World, media, text};

/// A bucket whose objects are looked at by ObjectDetection alone, with some pictures that differ; its id.
async fn bucket(world: &World<'_>, pictures: usize) -> String {
    let name = format!("x{}", &world.keys.application_id[..8]);
    let folder = world.stack.bucket_folder(&name);
    std::fs::create_dir_all(&folder).unwrap();
    let id = world.bucket_at(&world.stack.s3_url, &name, json!({ "processor": "ObjectDetection" })).await;
    for index in 0..pictures {
        // what follows the end of a JPEG is no part of the picture
        let bytes = [media("chelsea.jpg"), vec![b' '; index]].concat();
        std::fs::write(folder.join(format!("{index}.jpg")), bytes).unwrap();
    }
    world.scan(&id).await;
    id
}

/// A result with one object.
fn result(job: &Value) -> Value {
    json!({
        "schema": "processor-result/1",
        "job_id": job["job_id"],
        "producer": { "models": [{ "id": "by-hand" }], "quality": "demo" },
        "media": { "duration_ms": null, "width": 451, "height": 300, "sample_fps": null },
        "tracks": [{
            "id": "t1", "type": "object", "label": "cat", "ranges": [],
            "samples": [{ "t_ms": 0, "box": { "x": -0.1, "y": 0.1, "w": 0.5, "h": 0.5 }, "confidence": 0.9 }],
        }],
        "warnings": [],
        "unknown": "<script>",
    })
}

fn succeeded(job: &Value) -> Value {
    json!({ "state": "succeeded", "result": result(job) })
}

/// How the job of an order stands.
async fn job_of(world: &World<'_>, bucket: &str, job: &Value) -> Value {
    let items = world.items(&format!("bucket={bucket}")).await;
    let jobs = items.into_iter().flat_map(|item| item["processors"].as_array().cloned().unwrap_or_default());
    jobs.into_iter().find(|it| it["jobId"] == job["job_id"]).unwrap_or_default()
}

/// Waits until the job of an order has ended; its state and its error.
async fn ended(world: &World<'_>, bucket: &str, job: &Value) -> (String, Value) {
    world
        .until("the job ends", async || {
            let job = job_of(world, bucket, job).await;
            let state = text(&job["state"]);
            let is_open = ["", "Queued", "Submitting", "Running", "Collecting"].contains(&state.as_str());
            (!is_open).then(|| (state, job["error"].clone()))
        })
        .await
}

#[test]
fn a_job_is_signed_and_nobody_but_its_processor_reports_it() {
    World::run(async |world| {
        let processor = Processor::registered(world, "ObjectDetection", json!({ "params": { "more": [1] } })).await;
        let bucket = bucket(world, 1).await;
        let job = processor.job(0).await;
        let (id, url) = (text(&job["job_id"]), text(&job["callback"]["url"]));
        assert_eq!((&job["spec"], &job["attempt"], &job["kind"]), (&json!("1"), &json!(1), &json!("object_detection")));
        assert_eq!(job["params"], json!({ "more": [1], "sample_fps": 2.0 }));
        assert_eq!((processor.jobs()[0].id.clone(), processor.forged()), (format!("{id}_1"), 0));
        assert_eq!(url, format!("{}/jobs/{id}/callback/1", world.stack.url));
        let input = world.http.get(text(&job["input"]["url"])).send().await.unwrap().bytes().await.unwrap();
        assert_eq!((input.to_vec(), &job["input"]["media_type"]), (media("chelsea.jpg"), &json!("image/jpeg")));
        assert_eq!(job["input"]["bytes"], input.len());

        // forged, old, misdirected or no message: nothing changes
        let progress = json!({ "state": "running", "progress": 0.4 });
        let body = progress.to_string();
        let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let (status, forged) = call_as(other, 0, &url, "m1", &body).await;
        assert_eq!(status, 401, "{forged}");
        let unsigned = world.http.post(&url).body(body.clone()).send().await.unwrap();
        assert_eq!(unsigned.status(), 401);
        for (ago, want) in [(302, 401), (-302, 401), (297, 200)] {
            assert_eq!(call_as(SECRET, ago, &url, &format!("m{ago}"), &body).await.0, want, "{ago} s ago");
        }
        let nowhere = url.replace(&id, "0199a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b");
        assert_eq!(call_as(SECRET, 0, &nowhere, "m2", &body).await, (404, forged), "nothing is learned but the status");
        assert_eq!(call_as(SECRET, 0, &url.replace(&id, "x"), "m2", &body).await.0, 404);
        for wrong in ["{", "[]", r#"{"state":"done"}"#, r#"{"state":"running","progress":1.5}"#] {
            assert_eq!(call_as(SECRET, 0, &url, "m3", wrong).await.0, 400, "{wrong}");
        }
        let stale = url.replace("/callback/1", "/callback/2");
        assert_eq!(call_as(SECRET, 0, &stale, "m4", &body).await.0, 409, "another attempt");
        let long = json!({ "state": "succeeded", "result": { "schema": "x".repeat(262_144) } });
        assert_eq!(call(&job, "m5", &long).await.0, 413);
        let runs = async || Some(job_of(world, &bucket, &job).await).filter(|it| it["state"] == "Running");
        assert_eq!(world.until("the job runs", runs).await["progress"], 0.4);

        // success, again, and what comes after
        let (status, answer) = call(&job, "m6", &succeeded(&job)).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(ended(world, &bucket, &job).await.0, "Succeeded");
        assert_eq!(call(&job, "m6", &succeeded(&job)).await.0, 200, "a repeat");
        assert_eq!(call(&job, "m7", &progress).await.0, 409, "late");
        let item = world.ended(&bucket, 1).await.remove(0);
        assert_eq!(
            (&item["results"]["ObjectDetection"]["labels"], &item["status"]),
            (&json!(["cat"]), &json!("Completed"))
        );
        let whole = world.get(&format!("/api/v1/Media/Items/{}/Results/ObjectDetection", text(&item["id"]))).await;
        let sample = &whole["tracks"][0]["samples"][0]["box"];
        assert_eq!((&sample["x"], whole.to_string().contains("script")), (&json!(0.0), false), "clamped, and no more");
    });
}

#[test]
fn an_order_ends_as_its_answer_says() {
    World::run(async |world| {
        let processor = Processor::registered(world, "ObjectDetection", json!({})).await;
        let hint = json!({ "code": "backend_unavailable", "message": "no model", "hint": "npm ci" });
        let elsewhere = Processor::start().await;
        processor.replies([
            Reply::json(503, &hint),
            Reply::json(422, &json!({ "code": "unsupported_media", "message": "no cats" })),
            Reply::Redirect(elsewhere.url.clone()),
            Reply::Status(200, "<html>".to_owned()),
            Reply::Status(202, "{}".to_owned()),
            Reply::json(200, &json!({ "result": { "schema": "processor-result/1" } })),
            Reply::Status(500, String::new()),
        ]);
        let bucket = bucket(world, 7).await;
        world.until("all orders came, one of them twice", async || (processor.jobs().len() == 8).then_some(())).await;
        let jobs: Vec<Value> = processor.jobs().into_iter().map(|it| it.body).collect();
        assert_eq!(jobs[6], jobs[7], "a repeat is the same order");
        assert_eq!(call(&jobs[7], "m1", &succeeded(&jobs[7])).await.0, 200);
        let want = [
            ("Failed", "backend_unavailable"),
            ("Skipped", "unsupported_media"),
            ("Failed", "endpoint_failed"),
            ("Failed", "invalid_result"),
            ("Failed", "invalid_result"),
            ("Failed", "invalid_result"),
            ("Succeeded", ""),
        ];
        for (job, (state, code)) in jobs.iter().zip(want) {
            let (ended, error) = ended(world, &bucket, job).await;
            assert_eq!((ended.as_str(), error["code"].as_str().unwrap_or_default()), (state, code), "{error}");
            if code == "backend_unavailable" {
                assert_eq!(error["hint"], "npm ci");
            }
        }
        assert_eq!((processor.jobs().len(), processor.forged()), (8, 0), "nothing else was tried again");
        assert!(elsewhere.asked().is_empty() && elsewhere.forged() == 0, "a redirect is not followed");
    });
}

#[test]
fn what_is_no_result_fails_its_job_and_a_large_one_is_fetched() {
    World::run(async |world| {
        let processor = Processor::registered(world, "ObjectDetection", json!({})).await;
        let bucket = bucket(world, 6).await;
        world.until("all jobs came", async || (processor.jobs().len() == 6).then_some(())).await;
        let jobs: Vec<Value> = processor.jobs().into_iter().map(|it| it.body).collect();
        // garbage, inline
        let mut garbage = succeeded(&jobs[0]);
        garbage["result"]["tracks"][0]["label"] = json!(5);
        let (status, refused) = call(&jobs[0], "m1", &garbage).await;
        assert_eq!((status, &refused["code"]), (422, &json!("invalid_result")), "{refused}");
        assert!(text(&refused["message"]).starts_with("tracks[0].label"), "{refused}");
        // somebody else's
        assert_eq!(call(&jobs[1], "m1", &succeeded(&jobs[0])).await.0, 422);
        // nothing was put, and something else
        let at_output = |sha256: &str| json!({ "state": "succeeded", "result": { "ref": "output", "sha256": sha256 } });
        assert_eq!(call(&jobs[2], "m1", &at_output(&"0".repeat(64))).await.0, 200, "it is collected later");
        let put = async |job: &Value, body: Vec<u8>| {
            let sent = world.http.put(text(&job["output"]["url"])).body(body).send().await.unwrap();
            assert!(sent.status().is_success(), "{}", sent.status());
        };
        put(&jobs[3], result(&jobs[3]).to_string().into_bytes()).await;
        assert_eq!(call(&jobs[3], "m1", &at_output(&"0".repeat(64))).await.0, 200);
        // more than any result has
        put(&jobs[5], vec![b' '; 67_108_865]).await;
        assert_eq!(call(&jobs[5], "m1", &json!({ "state": "succeeded", "result": { "ref": "output" } })).await.0, 200);
        // as it should be, and too large for a message
        let mut large = result(&jobs[4]);
        let sample = json!({ "t_ms": 0, "box": { "x": 0.1, "y": 0.1, "w": 0.5, "h": 0.5 }, "confidence": 0.5 });
        large["tracks"][0]["samples"] = json!(vec![sample; 5_000]);
        put(&jobs[4], large.to_string().into_bytes()).await;
        let stored = json!({ "state": "succeeded", "result": { "ref": "output" } });
        assert_eq!(call(&jobs[4], "m1", &stored).await.0, 200);
        for job in &jobs[..4] {
            let (state, error) = ended(world, &bucket, job).await;
            assert_eq!((state.as_str(), &error["code"]), ("Failed", &json!("invalid_result")), "{error}");
        }
        assert_eq!(ended(world, &bucket, &jobs[4]).await.0, "Succeeded");
        let (state, error) = ended(world, &bucket, &jobs[5]).await;
        let reason = "the result is larger than 67108864 bytes";
        assert_eq!((state.as_str(), &error["message"]), ("Failed", &json!(reason)), "{error}");
    });
}

#[test]
fn a_callback_that_is_lost_is_made_up_for_by_asking() {
    World::run(async |world| {
        let processor = Processor::registered(world, "ObjectDetection", json!({})).await;
        let soon = |id: &str| Reply::json(202, &json!({ "external_id": id, "poll_after": 1 }));
        processor.replies([soon("a/b"), soon("no-path")]);
        let bucket = bucket(world, 2).await;
        let (first, second) = (processor.job(0).await, processor.job(1).await);
        processor.says("/jobs/a%2Fb", succeeded(&first));
        let polled = async || {
            world.stack.fire_schedule("sweep").await;
            let asked = processor.asked().into_iter().filter(|it| it.method == "GET");
            let paths: Vec<String> = asked.map(|it| it.path).collect();
            ["/jobs/a%2Fb", "/jobs/no-path"].iter().all(|path| paths.iter().any(|it| it == path)).then_some(())
        };
        world.until("both are asked about", polled).await;
        let id = text(&first["job_id"]);
        let asked = processor.asked().into_iter().find(|it| it.path == "/jobs/a%2Fb").unwrap();
        assert!(asked.id.starts_with(&format!("{id}_1_poll_")), "{asked:?}");
        assert_eq!(job_of(world, &bucket, &second).await["state"], "Running", "it has no such path, and is waited for");
        let message = json!({ "state": "failed", "code": "no_speech", "message": "nothing was said" });
        assert_eq!(call(&second, "m1", &message).await.0, 200);
        assert_eq!(ended(world, &bucket, &second).await.0, "Skipped");
        assert_eq!(ended(world, &bucket, &first).await.0, "Succeeded", "without a callback");
    });
}

#[test]
fn what_is_silent_is_tried_again_and_its_late_report_is_refused() {
    World::run(async |world| {
        let processor = Processor::registered(world, "ObjectDetection", json!({ "deadlineSeconds": 10 })).await;
        let bucket = bucket(world, 1).await;
        let first = processor.job(0).await;
        // the clock's minute is ours
        world
            .until("another attempt comes", async || {
                world.stack.fire_schedule("sweep").await;
                (processor.jobs().len() > 1).then_some(())
            })
            .await;
        let second = processor.job(1).await;
        assert_eq!((&second["attempt"], &second["job_id"]), (&json!(2), &first["job_id"]));
        assert_ne!(second["callback"], first["callback"]);
        assert_eq!(call(&first, "m1", &succeeded(&first)).await.0, 409, "late");
        let retryable = json!({ "state": "failed", "code": "media_unreadable", "message": "cut", "retryable": true });
        assert_eq!(call(&second, "m2", &retryable).await.0, 200);
        let third = processor.job(2).await;
        assert_eq!(third["attempt"], 3);
        assert_eq!(call(&second, "m3", &succeeded(&second)).await.0, 409, "another attempt runs");
        // cancelled
        let item = world.items(&format!("bucket={bucket}")).await.remove(0);
        let path = format!("/api/v1/Media/Items/{}/cancel", text(&item["id"]));
        let (status, cancelled) = world.ask("POST", &path, None).await;
        assert_eq!(status, 202, "{cancelled}");
        assert_eq!(ended(world, &bucket, &third).await.0, "Cancelled");
        assert_eq!(call(&third, "m4", &json!({ "state": "running" })).await.0, 409, "so it learns that nobody waits");
        let id = text(&third["job_id"]);
        let told = processor.asked().into_iter().find(|it| it.method == "DELETE").map(|it| (it.path, it.id));
        assert_eq!(told, Some((format!("/jobs/run%2F{id}_3"), format!("{id}_3_cancel"))), "and is told so");
    });
}
