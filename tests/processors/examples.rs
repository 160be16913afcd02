//! The worked examples of processors, as they are: a picture and a video with things that are known, and speech that is
//! known. Nothing here stands in for them.

use std::path::Path;

use local::processors::{EXAMPLES, Worker, new_secret};
use serde_json::{Value, json};
use system_tests::tools::{example, piped, python};
use system_tests::{World, beside, project, runs, text};

/// What is said in the clip, and what of it any translation to Spanish holds.
const SAID: [&str; 2] = [
    "The new camera records high quality video and sound.",
    "This video explains how the company makes its products and sells them around the world.",
];
const TRANSLATED: [&[&str]; 2] = [&["cámara", "vídeo", "calidad"], &["vídeo", "explica", "productos", "mundo"]];
/// How far a time may be from another tool's, in seconds.
const NEAR: f64 = 0.35;

/// Makes a file with ffmpeg.
async fn ffmpeg(arguments: &[&str], to: &Path) {
    let to = to.to_string_lossy();
    let all = [&["-nostdin", "-v", "error", "-y"][..], arguments, &[&*to]].concat();
    assert!(runs("ffmpeg", &all).await, "ffmpeg makes {to}");
}

/// Starts the example of a processor, and registers it. `None` if its parts cannot be here.
async fn start(world: &World<'_>, index: usize) -> Option<Worker> {
    let found = &EXAMPLES[index];
    let folder = example(index).await?;
    let secret = new_secret();
    let worker = Worker::start(found, &folder, &secret).await.unwrap();
    assert_eq!(worker.missing, None);
    register(world, found.processor, json!({ "endpoint": worker.url, "secret": secret })).await;
    Some(worker)
}

async fn register(world: &World<'_>, processor: &str, body: Value) {
    let (status, answer) = world.ask("PUT", &format!("/api/v1/Media/Processors/{processor}"), Some(body)).await;
    assert_eq!(status, 200, "{answer}");
}

/// The whole result of a processor for an object of a bucket.
async fn result(world: &World<'_>, items: &[Value], key: &str, processor: &str) -> Value {
    let item = items.iter().find(|it| it["key"] == key).unwrap();
    assert_eq!(item["status"], "Completed", "{item}");
    world.get(&format!("/api/v1/Media/Items/{}/Results/{processor}", text(&item["id"]))).await
}

/// Label and first range of each track, in order of their beginning.
fn seen(result: &Value) -> Vec<(String, u64, u64)> {
    let tracks = result["tracks"].as_array().unwrap().iter();
    let mut seen: Vec<(String, u64, u64)> = tracks
        .map(|track| {
            let range = &track["ranges"][0];
            let time = |name: &str| range[name].as_u64().unwrap_or_default();
            (text(&track["label"]), time("start_ms"), time("end_ms"))
        })
        .collect();
    seen.sort_by_key(|it| (it.1, it.0.clone()));
    seen
}

#[test]
fn objects_are_found_in_a_picture_and_a_video_and_a_processor_that_is_killed_is_sent_its_job_again() {
    World::run(async |world| {
        let Some(worker) = start(world, 0).await else { return };
        let name = format!("o{}", &world.keys.application_id[..8]);
        let folder = world.stack.bucket_folder(&name);
        std::fs::create_dir_all(&folder).unwrap();
        let bucket = world.bucket_at(&world.stack.s3_url, &name, json!({ "processor": "ObjectDetection" })).await;
        std::fs::write(folder.join("two.jpg"), beside("astronaut.jpg", "chelsea.jpg")).unwrap();
        let pictures = ["astronaut.jpg", "chelsea.jpg"]
            .map(|it| project().join("tests/media").join(it).to_string_lossy().into_owned());
        let fit = "scale=640:360:force_original_aspect_ratio=decrease,pad=640:360:-1:-1,setsar=1";
        let join = format!("[0:v]{fit}[a];[1:v]{fit}[b];[a][b]concat=n=2:v=1[v]");
        let (first, second) = (pictures[0].as_str(), pictures[1].as_str());
        let looped = |seconds: &'static str, file| ["-loop", "1", "-framerate", "10", "-t", seconds, "-i", file];
        let encoded = ["-filter_complex", &join, "-map", "[v]", "-c:v", "libx264", "-pix_fmt", "yuv420p"];
        let made = world.stack.data().join(format!("{name}.mp4"));
        ffmpeg(&[&looped("3", first)[..], &looped("3", second), &encoded].concat(), &made).await;
        std::fs::copy(&made, folder.join("two.mp4")).unwrap();
        world.scan(&bucket).await;
        let items = world.ended(&bucket, 2).await;
        let picture = result(world, &items, "two.jpg", "ObjectDetection").await;
        let mut labels: Vec<String> = seen(&picture).into_iter().map(|it| it.0).collect();
        labels.sort_unstable();
        assert_eq!(labels, ["cat", "person"], "{picture}");
        for track in picture["tracks"].as_array().unwrap() {
            let left = track["samples"][0]["box"]["x"].as_f64().unwrap();
            assert_eq!(left > 0.45, track["label"] == "cat", "the cat is on the right: {track}");
        }
        let video = result(world, &items, "two.mp4", "ObjectDetection").await;
        let ranges = seen(&video);
        assert_eq!(ranges.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), ["person", "cat"], "{video}");
        for ((_, start, end), (from, to)) in ranges.iter().zip([(0, 3_000), (3_000, 6_000)]) {
            assert!(start.abs_diff(from) <= 500 && end.abs_diff(to) <= 500, "{start} to {end}, not {from} to {to}");
        }
        assert_eq!((&video["backend"], &video["quality"]), (&json!("external"), &json!("demo")));

        // killed in the middle of a longer one: its queue is lost, its job is not
        let path = "/api/v1/Media/Processors/ObjectDetection";
        let mut body = json!({ "endpoint": worker.url, "deadlineSeconds": 10 });
        assert_eq!(world.ask("PUT", path, Some(body.clone())).await.0, 200);
        ffmpeg(&[&looped("15", first)[..], &looped("15", second), &encoded].concat(), &made).await;
        std::fs::copy(&made, folder.join("long.mp4")).unwrap();
        world.scan(&bucket).await;
        let long =
            async || world.items(&format!("bucket={bucket}")).await.into_iter().find(|it| it["key"] == "long.mp4");
        let runs_now = async || long().await.filter(|it| it["processors"][0]["state"] == "Running");
        world.until("it works on the long one", runs_now).await;
        let pid = worker.pid().expect("it runs").to_string();
        assert!(runs("kill", &["-s", "KILL", &pid]).await);
        body["deadlineSeconds"] = json!(300);
        assert_eq!(world.ask("PUT", path, Some(body)).await.0, 200);
        let done = async || {
            world.stack.fire_schedule("sweep").await;
            long().await.filter(|it| it["status"] == "Completed")
        };
        let item = world.until("it is done after all", done).await;
        assert_eq!(item["processors"][0]["attempts"], 2, "{item}");
        assert_ne!(worker.pid().map(|it| it.to_string()), Some(pid), "another process did it");
    });
}

/// When something is said, as ffmpeg's `silencedetect` hears it: from and to, in seconds.
async fn heard(file: &Path) -> Vec<(f64, f64)> {
    let file = file.to_string_lossy();
    let filter = "silencedetect=noise=-35dB:d=0.4";
    let (_, log) =
        piped("ffmpeg", &["-hide_banner", "-nostdin", "-i", &file, "-af", filter, "-f", "null", "-"], &[], "").await;
    let value = |word: &str| -> Vec<f64> {
        let after = log.split(word).skip(1);
        after.map(|it| it.split_whitespace().next().unwrap().parse().unwrap()).collect()
    };
    let mut starts = value("silence_end: ");
    let ends = value("silence_start: ");
    starts.insert(0, 0.1); // it begins with speech
    starts.into_iter().zip(ends).collect()
}

#[test]
fn english_speech_becomes_spanish_subtitles_at_the_times_at_which_it_is_said() {
    World::run(async |world| {
        let Some(_worker) = start(world, 1).await else { return };
        let name = format!("s{}", &world.keys.application_id[..8]);
        let folder = world.stack.bucket_folder(&name);
        std::fs::create_dir_all(&folder).unwrap();
        let settings = json!({ "source": "en-US", "targets": ["es", "de"] });
        let more = json!({ "processor": "AutoTranslation", "settings": settings });
        let bucket = world.bucket_at(&world.stack.s3_url, &name, more).await;
        let made = world.stack.data().join(format!("{name}.mp4"));
        let voices = SAID.map(|it| format!("flite=text='{it}':voice=rms"));
        let join =
            "[1:a]aresample=16000,apad=pad_dur=2[x];[2:a]aresample=16000,apad=pad_dur=1[y];[x][y]concat=n=2:v=0:a=1[s]";
        let input = ["-f", "lavfi", "-i", "color=size=64x64:rate=5:duration=13", "-f", "lavfi", "-i", &voices[0]];
        let more = ["-f", "lavfi", "-i", &voices[1], "-filter_complex", join, "-map", "0:v", "-map", "[s]"];
        let encoded =
            ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ar", "44100", "-ac", "2", "-shortest"];
        ffmpeg(&[&input[..], &more, &encoded].concat(), &made).await;
        std::fs::copy(&made, folder.join("speech.mp4")).unwrap();
        world.scan(&bucket).await;
        let items = world.ended(&bucket, 1).await;
        let result = result(world, &items, "speech.mp4", "AutoTranslation").await;
        assert_eq!((&result["quality"], &result["transcript"]["language"]), (&json!("gist"), &json!("en-US")));
        assert!(result["warnings"].to_string().contains("unsupported_language_pair"), "German is none: {result}");

        // the subtitles as another library reads them, against the script and another tool's times
        let path = format!("{}/api/v1/Media/Items/{}/Subtitles/es.vtt", world.stack.url, text(&items[0]["id"]));
        let request = world.http.get(path).header("x-api-key", &world.keys.api_key);
        let vtt = request.header("x-api-secret", &world.keys.api_secret).send().await.unwrap().text().await.unwrap();
        let reader = project().join("tests/clients/read_vtt.py").to_string_lossy().into_owned();
        let (done, cues) = piped(&python().await.to_string_lossy(), &[&reader], &[], &vtt).await;
        assert!(done, "{cues}");
        let cues: Vec<(f64, f64, String)> = serde_json::from_str(&cues).unwrap();
        let heard = heard(&made).await;
        assert_eq!(heard.len(), 2, "{heard:?}");
        for ((from, to), words) in heard.into_iter().zip(TRANSLATED) {
            let within: Vec<&(f64, f64, String)> =
                cues.iter().filter(|cue| cue.0 >= from - NEAR && cue.1 <= to + NEAR).collect();
            let (first, last) = (within.first().unwrap(), within.last().unwrap());
            assert!((first.0 - from).abs() <= NEAR && (last.1 - to).abs() <= NEAR, "{from} to {to}: {cues:?}");
            let said: Vec<&str> = within.iter().map(|cue| cue.2.as_str()).collect();
            let said = said.join(" ").to_lowercase();
            assert!(words.iter().all(|word| said.contains(word)), "{said}");
        }
        // nearly every word of the script, in its order
        let cues = result["transcript"]["cues"].as_array().unwrap().iter();
        let recognized: Vec<String> = cues.map(|it| text(&it["text"])).collect();
        let recognized = recognized.join(" ");
        let mut rest = recognized.split(' ');
        let script = SAID.join(" ").to_lowercase().replace('.', "");
        let wanted: Vec<&str> = script.split(' ').collect();
        let found =
            wanted.iter().filter(|word| rest.clone().any(|it| it == **word) && rest.any(|it| it == **word)).count();
        assert!(found * 100 >= wanted.len() * 80, "{found} of {} words: {recognized}", wanted.len());
    });
}

/// Each example's own tests, among them those of the published signatures.
#[test]
fn the_examples_pass_their_own_tests() {
    World::alone(async || {
        for (index, arguments) in [(0, &["--test"][..]), (1, &["-m", "unittest"])] {
            let Some(folder) = example(index).await else { continue };
            let program = ["node", "python3"][index];
            let (done, said) = system_tests::tools::piped_in(&folder, program, arguments, &[], "").await;
            assert!(done, "{said}");
        }
    });
}
