//! Proxies: previews of originals, made as Iconik makes them.
//!
//! Iconik's help says what it makes ("Proxies": an MP4 with H.264 of video formats, one JPEG of image formats) and how
//! large ("ISG Advanced Options": at most 1280x720 and 2048x2048; its own transcoder is ffmpeg too). It publishes no
//! list of extensions. Those here are of the formats that its help and its tutorials name, whatever the product reads.
//!
//! An original that the machine's ffmpeg cannot decode gets no proxy here, although Iconik would make one: HEIC needs
//! ffmpeg 7; camera RAW, EPS and PDF need other programs. `IconikEmulator::upload_with_proxy` takes such a proxy from
//! its caller.

use std::path::Path;
use std::process::Stdio;

/// Originals of which an MP4 is made.
const VIDEO_EXTENSIONS: &str = "mp4 m4v mov qt mxf gxf ts m2ts mts m2t mpg mpeg m2v vob dv avi wmv asf flv mkv webm 3gp 3g2 ogv lxf \
    r3d braw ari mj2";

/// Originals of which a JPEG is made.
const IMAGE_EXTENSIONS: &str = "jpg jpeg png gif bmp tif tiff webp heic heif avif jp2 j2k jxl psd psb eps ai pdf svg tga dpx exr cin \
    dng cr2 cr3 nef arw orf raf rw2";

/// Kinds of proxies.
#[derive(Clone, Copy)]
enum ProxyKind {
    Video,
    Image,
}

/// A proxy that was made here, or supplied by a caller.
pub(super) struct Proxy {
    pub(super) name: String,
    pub(super) codec: &'static str,
    /// `None` if the original is its own proxy.
    pub(super) bytes: Option<Vec<u8>>,
}

/// Makes the proxy of an original; `None` if Iconik makes none of this format, or this machine cannot.
pub(super) async fn create(name: &str, original: &Path) -> Option<Proxy> {
    let extension = extension(name);
    let kind = kind_of(&extension)?;
    let proxy = named_after(kind, name);
    if matches!(extension.as_str(), "mp4" | "m4v" | "jpg" | "jpeg") {
        return Some(proxy);
    }
    let bytes = transcode(kind, original, &extension).await?;
    Some(Proxy { bytes: Some(bytes), ..proxy })
}

/// A proxy that a caller supplies; its name decides of what kind it is.
pub(super) fn supplied(name: &str, bytes: &[u8]) -> Proxy {
    let kind = kind_of(&extension(name)).unwrap_or(ProxyKind::Video);
    Proxy { name: name.to_owned(), bytes: Some(bytes.to_vec()), ..named_after(kind, name) }
}

fn named_after(kind: ProxyKind, name: &str) -> Proxy {
    let (ending, codec) = match kind {
        ProxyKind::Video => ("mp4", "h264"),
        ProxyKind::Image => ("jpg", "mjpeg"),
    };
    Proxy { name: format!("{name}.{ending}"), codec, bytes: None }
}

fn kind_of(extension: &str) -> Option<ProxyKind> {
    let is_listed = |list: &str| list.split_whitespace().any(|it| it == extension);
    if is_listed(VIDEO_EXTENSIONS) {
        Some(ProxyKind::Video)
    } else {
        is_listed(IMAGE_EXTENSIONS).then_some(ProxyKind::Image)
    }
}

fn extension(name: &str) -> String {
    Path::new(name).extension().and_then(|it| it.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// Runs ffmpeg; `None` if it is missing or fails. Its input has the original's extension, because raw DV is recognised
/// by little else.
async fn transcode(kind: ProxyKind, original: &Path, extension: &str) -> Option<Vec<u8>> {
    let (input, output) = (original.with_extension(extension), original.with_extension("proxy"));
    tokio::fs::copy(original, &input).await.ok()?;
    let mut command = tokio::process::Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y", "-i"]).arg(&input);
    match kind {
        ProxyKind::Video => {
            command.args(["-map", "0:v:0", "-map", "0:a:0?", "-pix_fmt", "yuv420p", "-preset", "ultrafast"]);
            command.args(["-vf", "scale='2*trunc(min(1280,iw)/2)':'2*trunc(min(720,ih)/2)'"]);
            command.args(["-c:a", "aac", "-ac", "2", "-f", "mp4"]);
        }
        ProxyKind::Image => {
            command.args(["-map", "0:v:0", "-frames:v", "1", "-q:v", "2", "-c:v", "mjpeg", "-f", "image2pipe"]);
            command.args(["-vf", "scale='min(2048,iw)':'min(2048,ih)':force_original_aspect_ratio=decrease"]);
        }
    }
    command.arg(&output).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let succeeded = command.status().await.is_ok_and(|it| it.success());
    let bytes = if succeeded { tokio::fs::read(&output).await.ok() } else { None };
    for file in [&input, &output] {
        drop(tokio::fs::remove_file(file).await); // it lies in the stack's own folder, which goes as a whole
    }
    bytes.filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_a_proxy_already_is_its_own_and_what_is_no_media_gets_none() {
        let nowhere = Path::new("/nowhere/media");
        let mp4 = create("a.MP4", nowhere).await.expect("a proxy");
        assert_eq!((mp4.name.as_str(), mp4.codec, mp4.bytes), ("a.MP4.mp4", "h264", None));
        let jpeg = create("a.jpg", nowhere).await.expect("a proxy");
        assert_eq!((jpeg.name.as_str(), jpeg.codec), ("a.jpg.jpg", "mjpeg"));
        for name in ["a.txt", "a", "a.mp3", "gone.mxf"] {
            assert!(create(name, nowhere).await.is_none(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_proxy_is_made_of_what_ffmpeg_reads() {
        if std::process::Command::new("ffmpeg").arg("-version").output().is_err() {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        for (name, start) in [("a.mxf", (4, &b"ftyp"[..])), ("a.tif", (0, &b"\xff\xd8\xff"[..]))] {
            let file = folder.path().join(name);
            let mut command = std::process::Command::new("ffmpeg");
            command.args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25:duration=0.2"]);
            if name == "a.tif" {
                command.args(["-frames:v", "1"]);
            }
            assert!(command.arg(&file).status().expect("ffmpeg runs").success());
            let media = folder.path().join("media");
            std::fs::rename(&file, &media).expect("renamed");
            let bytes = create(name, &media).await.and_then(|it| it.bytes).expect(name);
            assert!(bytes[start.0..].starts_with(start.1), "{name}");
        }
    }
}
