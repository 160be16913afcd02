//! Who decides what is media: neither a name nor a table of types, but the bytes; and what a bucket asks for.

use serde_json::{Value, json};
use system_tests::shelf::Shelf;
use system_tests::{World, media, text};

const PROGRAM: &[u8] = b"export const answer: number = 42;\n";

fn case(name: &str) -> Vec<u8> {
    media(&format!("cases/{name}"))
}

/// An item's status, and why.
fn ended<'a>(items: &'a [Value], name: &str) -> (&'a str, &'a str) {
    let named = |it: &&Value| it["key"] == name || it["title"] == name;
    let item = items.iter().find(named).unwrap_or_else(|| panic!("no {name}"));
    (item["status"].as_str().unwrap(), item["error"]["message"].as_str().unwrap_or_default())
}

/// Known types cost no request, unknown ones a look at the first bytes, once.
#[test]
fn the_first_bytes_of_what_is_unknown_decide_and_cost_one_read() {
    World::run(async |world| {
        let shelf = Shelf::start().await;
        let sidecars = ["a.xmp", "a.srt", "a.xml", "a.json", "a.csv", "a.md5", "a.edl", "a.aaf", "a.fcpxml", "a.wav"];
        // whatever the listing says of its size: it is never fetched
        let looked_at = [
            ("main.ts", PROGRAM, "text/plain"),
            ("huge", b"a long report\n", "text/plain"),
            ("go.mod", b"module example.com/a\n", "text/plain"),
            ("backup", b"PK\x03\x04\x14\0\0\0\x08\0", "application/zip"),
        ];
        let pictures = [("small", "small.mxf"), ("small.MXF", "small.mxf"), ("start14.ts", "start14.ts")];
        let mut page = String::from("<IsTruncated>false</IsTruncated>");
        let mut list = |key: &str, size: usize| {
            page.push_str(&format!(
                "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>\"e\"</ETag><Size>{size}</Size></Contents>"
            ));
        };
        for key in sidecars {
            list(key, 9);
        }
        for (key, bytes, _) in looked_at {
            shelf.put(key, "e", bytes.to_vec());
            list(key, if key == "huge" { 3 << 30 } else { bytes.len() });
        }
        for (key, file) in pictures {
            let bytes = case(file);
            list(key, bytes.len());
            shelf.put(key, "e", bytes);
        }
        let listing = format!(
            "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{page}</ListBucketResult>"
        );
        shelf.lists(move |_| listing.clone());
        let bucket = world.bucket_at(&shelf.url, "mixed", json!({})).await;
        let scan = world.scan(&bucket).await;
        assert_eq!((&scan["found"], &scan["error"]), (&json!(17), &Value::Null));
        let items = world.ended(&bucket, 17).await;
        for key in sidecars {
            let (status, why) = ended(&items, key);
            assert!(status == "Skipped" && why.contains(" is not wanted: "), "{key}: {status} {why}");
            assert_eq!(shelf.reads(key), Vec::<String>::new(), "{key} is known by its name");
        }
        for (key, _, media_type) in looked_at {
            let why = format!("{media_type} is not wanted: the processor looks at pictures");
            assert_eq!(ended(&items, key), ("Skipped", why.as_str()), "{key}");
            assert_eq!(shelf.reads(key), ["bytes=0-511"], "{key} is looked at, and not fetched");
        }
        for (key, _) in pictures {
            assert_eq!(ended(&items, key), ("Completed", ""), "{key} is what its bytes are");
        }
        assert_eq!(shelf.reads("small"), ["bytes=0-511", "all"]);
        assert_eq!(shelf.reads("small.MXF"), ["all"], "a name that promises pictures needs no look");
        assert_eq!(world.scan(&bucket).await["found"], 0);
        assert_eq!(shelf.reads("main.ts").len(), 1, "nothing is looked at twice");
    });
}

#[test]
fn the_types_that_a_bucket_asks_for_open_and_close() {
    World::run(async |world| {
        let files: [(&str, Vec<u8>); 6] = [
            ("small.mxf", case("small.mxf")),
            ("tv.gxf", case("tv.gxf")),
            ("unnamed", case("small.mxf")),
            ("notes", b"a note\n".to_vec()),
            ("main.ts", PROGRAM.to_vec()),
            ("one.jpg", media("astronaut.jpg")),
        ];
        let not = |it: &str| format!("{it} is not wanted: it is not among the types that are asked for");
        let unknown = || not("application/octet-stream");
        let program = || "text/plain is not wanted: the processor looks at pictures".to_owned();
        let done = String::new;
        let wanted: [(&str, [String; 6]); 3] = [
            (
                "application/mxf",
                [done(), not("application/gxf"), unknown(), unknown(), not("video/mp2t"), not("image/jpeg")],
            ),
            ("video/*", [done(), done(), unknown(), unknown(), program(), not("image/jpeg")]),
            (
                "application/octet-stream",
                [
                    not("application/mxf"),
                    not("application/gxf"),
                    done(),
                    program(),
                    not("video/mp2t"),
                    not("image/jpeg"),
                ],
            ),
        ];
        for (index, (pattern, reasons)) in wanted.iter().enumerate() {
            let name = format!("t{index}{}", &world.keys.application_id[..8]);
            let folder = world.stack.bucket_folder(&name);
            std::fs::create_dir_all(&folder).unwrap();
            for (name, bytes) in &files {
                std::fs::write(folder.join(name), bytes).unwrap();
            }
            let bucket = world.bucket_at(&world.stack.s3_url, &name, json!({ "mimeTypes": [pattern] })).await;
            world.scan(&bucket).await;
            let items = world.ended(&bucket, files.len()).await;
            for ((name, _), reason) in files.iter().zip(reasons) {
                let status = if reason.is_empty() { "Completed" } else { "Skipped" };
                assert_eq!(ended(&items, name), (status, reason.as_str()), "{pattern} {name}");
            }
        }
    });
}

/// A broadcaster's video is read by its MP4 and a still that we cannot read by its JPEG.
#[test]
fn in_iconik_the_proxy_decides() {
    World::run(async |world| {
        let manager = world.iconik(json!({})).await;
        let videos = ["op1a_tc.mxf", "start14.ts", "two_frames.dv"];
        for name in videos {
            let original = case(name);
            let asset = manager.iconik.upload(name, &original).await;
            let proxies: Vec<Value> =
                manager.iconik.objects("proxy").into_iter().filter(|it| text(&it["asset_id"]) == asset).collect();
            assert_eq!(proxies.len(), 1, "{name}: {proxies:?}");
            assert_eq!(proxies[0]["codec"], "h264");
            assert_ne!(proxies[0]["size"], json!(original.len()), "an MP4 of its own");
        }
        let proxy = media("astronaut.jpg");
        manager.iconik.upload_with_proxy("a.heic", &case("a.heic"), ("a.jpg", &proxy)).await;
        manager.iconik.upload_with_proxy("logo.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n", ("logo.jpg", &proxy)).await;
        manager.iconik.upload("letter.txt", b"Dear all,\n").await;
        let items = world.assets_ended(6).await;
        for name in videos.into_iter().chain(["a.heic", "logo.eps"]) {
            assert_eq!(ended(&items, name), ("Completed", ""), "{name}");
        }
        for name in ["op1a_tc.mxf", "start14.ts", "a.heic", "logo.eps"] {
            let item = items.iter().find(|it| it["title"] == name).unwrap();
            assert_eq!(item["results"]["FacialRecognition"]["faces"], 1, "{item}");
        }
        let (status, why) = ended(&items, "letter.txt");
        assert_eq!((status, why), ("Skipped", "text/plain is not wanted: the processor looks at pictures"));
    });
}
