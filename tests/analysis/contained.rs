//! Files that name other files: what decodes videos opens none of those, and a clip is still read.

use std::path::Path;

use system_tests::{World, media};

/// The formats that ffmpeg may read, as the product has them.
const DEMUXERS: &str = include_str!("../../shared/media/src/demuxers.txt");
const PLAYLIST: &str = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:5.0,\nclip.mp4\n#EXT-X-ENDLIST\n";
const SCRIPT: &str = "ffconcat version 1.0\nfile clip.mp4\n";

/// The first frame of a file, as PPM, and what ffmpeg says.
async fn frame(file: &Path, formats: Option<&str>) -> (Vec<u8>, String) {
    let mut command = tokio::process::Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-protocol_whitelist", "file"]);
    if let Some(formats) = formats {
        command.args(["-format_whitelist", formats]);
    }
    command.arg("-i").arg(format!("file:{}", file.display()));
    command.args(["-an", "-frames:v", "1", "-c:v", "ppm", "-f", "image2pipe", "-"]);
    let output = command.output().await.unwrap();
    (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn ffmpeg_refuses_lists_by_their_format_although_what_they_name_is_there() {
    World::run(async |_| {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let file = folder.path().join(name);
            std::fs::write(&file, bytes).unwrap();
            file
        };
        let lines = DEMUXERS.lines().filter(|it| !it.starts_with('#'));
        let formats = lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(",");
        let clip = put("clip.mp4", &media("clip.mp4"));
        let (picture, said) = frame(&clip, Some(&formats)).await;
        assert!(picture.starts_with(b"P6"), "{said}");
        let script = put("list.ffconcat", SCRIPT.as_bytes());
        for list in [&script, &put("list.m3u8", PLAYLIST.as_bytes())] {
            let (picture, said) = frame(list, Some(&formats)).await;
            assert!(picture.is_empty(), "{}", list.display());
            // what the product looks for in ffmpeg's words
            assert!(said.lines().any(|it| it.starts_with('[') && it.contains("Format not on whitelist")), "{said}");
        }
        let (picture, said) = frame(&script, None).await;
        assert!(picture.starts_with(b"P6"), "without the formats it would be followed: {said}");
    });
}

#[test]
fn lists_named_like_clips_are_skipped_and_the_clip_beside_them_is_analysed() {
    World::run(async |world| {
        let bucket = world.bucket().await;
        let lists = [("playlist.mp4", PLAYLIST), ("script.mp4", SCRIPT)];
        for (name, text) in lists {
            std::fs::write(bucket.folder.join(name), text).unwrap();
        }
        std::fs::write(bucket.folder.join("clip.mp4"), media("clip.mp4")).unwrap();
        world.scan(&bucket.id).await;
        let items = world.ended(&bucket.id, lists.len() + 1).await;
        let of = |name: &str| items.iter().find(|it| it["key"] == name).unwrap();
        for (name, _) in lists {
            let (status, code) = (&of(name)["status"], &of(name)["error"]["code"]);
            assert_eq!((status.as_str(), code.as_str()), (Some("Skipped"), Some("unsupported_media")), "{name}");
        }
        assert_eq!(of("clip.mp4")["status"], "Completed");
    });
}
