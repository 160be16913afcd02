//! Pictures made here, whole, cut, and with what stands around them.

use std::io;

use image::codecs::gif::GifEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ExtendedColorType, Frame, ImageEncoder, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;

const MOST: u64 = 64 << 20;
/// Exif data that say: turned by a quarter to the right (6).
const TURNED: &[u8] = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";

fn read_bytes(bytes: &[u8]) -> Result<DecodedImage, MediaError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, bytes).unwrap();
    read(&file, MOST)
}

fn codes(decoded: &DecodedImage) -> Vec<&str> {
    decoded.warnings.iter().map(|it| it.code.as_str()).collect()
}

fn problem(result: Result<DecodedImage, MediaError>) -> (String, String) {
    match result {
        Err(MediaError::Skipped(problem) | MediaError::Failed(problem)) => (problem.code, problem.message),
        other => panic!("{other:?}"),
    }
}

/// A picture without two rows alike, 48 x 30.
fn picture() -> DynamicImage {
    let of = |x: u32, y: u32| Rgb([(x * 5) as u8, (y * 8) as u8, ((x * 37) ^ (y * 91)) as u8]);
    DynamicImage::ImageRgb8(RgbImage::from_fn(48, 30, of))
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = io::Cursor::new(Vec::new());
    picture().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn a_cut_picture_is_an_error_or_whole_or_has_a_warning() {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Pnm, Tiff, WebP};
    let progressive = include_bytes!("../../../../../tests/media/cases/progressive.jpg").to_vec();
    let files = [Jpeg, Png, Gif, WebP, Bmp, Tiff, Pnm].map(|it| (format!("{it:?}"), encoded(it)));
    for (name, bytes) in files.into_iter().chain([("progressive".to_owned(), progressive)]) {
        let whole = read_bytes(&bytes).unwrap();
        assert!(whole.warnings.is_empty(), "{name}: {:?}", whole.warnings);
        let end = bytes.len();
        for length in (0..end).step_by(end / 40 + 1).chain(end.saturating_sub(24)..end) {
            let said = match read_bytes(&bytes[..length]) {
                Ok(cut) => cut.picture == whole.picture || codes(&cut).contains(&"truncated"),
                Err(MediaError::Failed(problem)) => {
                    problem.code == "media_unreadable" && !problem.message.contains("::")
                }
                Err(MediaError::Skipped(problem)) => length < 24 && problem.code == "unsupported_media",
                Err(MediaError::RetryLater(_)) => false,
            };
            assert!(said, "{name} of {length} bytes of {end}");
        }
    }
}

#[test]
fn a_jpeg_ends_where_its_picture_ends() {
    let jpeg = encoded(ImageFormat::Jpeg);
    let thumbnail = [b"\xff\xe1\0\x10Exif\0\0", &b"\xff\xd8\0\0\0\0\xff\xd9"[..]].concat();
    let with_thumbnail = [&jpeg[..2], &thumbnail, &jpeg[2..]].concat();
    let whole = read_bytes(&jpeg).unwrap().picture;
    assert_eq!(read_bytes(&with_thumbnail).unwrap().picture, whole);
    let behind = [&with_thumbnail[..], b"\0\0\0\x18ftypmp42", &[0xff; 90_000], &jpeg].concat();
    let read = read_bytes(&behind).unwrap();
    assert_eq!((codes(&read), read.picture == whole), (vec![], true), "a video and a picture behind it");
    let cut = &with_thumbnail[..with_thumbnail.len() - 300];
    let (code, message) = problem(read_bytes(cut));
    assert!(code == "media_unreadable" && message.contains("cut off, "), "{message}");
    let unended = read_bytes(&jpeg[..jpeg.len() - 2]).unwrap();
    assert_eq!((codes(&unended), unended.picture == whole), (vec!["truncated"], true));
    let closed = read_bytes(&[&jpeg[..jpeg.len() - 300], b"\xff\xd9"].concat()).unwrap();
    assert_eq!(codes(&closed), ["truncated"], "an end marker makes it no better");
}

#[test]
fn jpegs_that_are_not_decoded_are_named() {
    let jpeg = encoded(ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|it| it == [0xff, 0xc0]).unwrap();
    for (at, value, name) in [
        (frame + 4, 12, "JPEG with 12 bits a sample"),
        (frame + 1, 0xc9, "JPEG with arithmetic coding"),
        (frame + 1, 0xc3, "lossless JPEG"),
    ] {
        let mut bytes = jpeg.clone();
        bytes[at] = value;
        assert_eq!(problem(read_bytes(&bytes)), ("unsupported_media".into(), format!("{name} is not read here")));
    }
}

#[test]
fn orientation_is_found_wherever_it_stands() {
    let png = encoded(ImageFormat::Png);
    let exif = [&(TURNED.len() as u32).to_be_bytes(), &b"eXIf"[..], TURNED, &[0; 4]].concat();
    let behind = [&png[..png.len() - 12], &exif, &png[png.len() - 12..]].concat();
    let prefixed = [&b"Exif\0\0"[..], TURNED].concat();
    let mut files = vec![("PNG behind the picture", behind)];
    for (name, chunk) in [("WebP", TURNED), ("WebP with a prefix", &prefixed)] {
        let mut bytes = Vec::new();
        let mut encoder = WebPEncoder::new_lossless(&mut bytes);
        encoder.set_exif_metadata(chunk.to_vec()).unwrap();
        encoder.encode(picture().as_bytes(), 48, 30, ExtendedColorType::Rgb8).unwrap();
        files.push((name, bytes));
    }
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new(&mut bytes);
    encoder.set_exif_metadata(TURNED.to_vec()).unwrap();
    encoder.write_image(picture().as_bytes(), 48, 30, ExtendedColorType::Rgb8).unwrap();
    files.push(("PNG in front", bytes));
    let jpeg = encoded(ImageFormat::Jpeg);
    let xmp = b"\xff\xe1\0\x20http://ns.adobe.com/xap/1.0/\0x";
    let app1 = [&b"\xff\xe1"[..], &(prefixed.len() as u16 + 2).to_be_bytes(), &prefixed].concat();
    files.push(("JPEG behind XMP", [&jpeg[..20], xmp, &app1, &jpeg[20..]].concat()));
    for (name, bytes) in files {
        let read = read_bytes(&bytes).unwrap();
        assert_eq!((read.picture.width(), read.picture.height()), (30, 48), "{name}");
        assert_eq!((read.width, read.height, codes(&read)), (30, 48, vec![]), "{name}");
    }
}

#[test]
fn a_picture_is_over_white_and_the_first_of_several() {
    let hidden = RgbaImage::from_fn(8, 8, |x, _| Rgba([255, 0, 0, if x < 4 { 0 } else { 255 }]));
    let mut png = io::Cursor::new(Vec::new());
    hidden.write_to(&mut png, ImageFormat::Png).unwrap();
    let read = read_bytes(&png.into_inner()).unwrap().picture.into_rgb8();
    assert_eq!([read.get_pixel(0, 0).0, read.get_pixel(7, 0).0], [[255; 3], [255, 0, 0]]);
    let mut gif = Vec::new();
    let frames = [10, 200].map(|it| Frame::new(RgbaImage::from_pixel(4, 4, Rgba([it, it, it, 255]))));
    GifEncoder::new(&mut gif).encode_frames(frames).unwrap();
    assert_eq!(read_bytes(&gif).unwrap().picture.to_rgb8().get_pixel(2, 2).0, [10; 3]);
}

#[test]
fn what_is_taken_for_a_picture_begins_like_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let check = |bytes: &[u8], want| {
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(guess_format(&file).unwrap(), want, "{}", bytes.escape_ascii());
    };
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Pnm, Tiff, WebP};
    for format in [Bmp, Gif, Jpeg, Png, Pnm, Tiff, WebP] {
        check(&encoded(format), Some(format));
    }
    check(b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0", Some(Tiff));
    check(b"P6#comment\n1 1 255\nabc", Some(Pnm));
    for text in [&b"BMW and others"[..], b"P1000 and others", b"qoif", b"DDS ", b"\0\0\x01\0", b"P", b""] {
        check(text, None);
    }
    let (code, message) = problem(read_bytes(b"\0\0\0\x0cjP  \r\n\x87\n"));
    assert_eq!((code.as_str(), message.as_str()), ("unsupported_media", "JPEG 2000 is not read here"));
}

#[test]
fn what_does_not_fit_is_refused_by_its_header() {
    let folder = tempfile::tempdir().unwrap();
    for (name, format) in [("png", ImageFormat::Png), ("jpg", ImageFormat::Jpeg), ("tif", ImageFormat::Tiff)] {
        let file = folder.path().join(name);
        RgbImage::new(1_000, 1_000).save_with_format(&file, format).unwrap();
        assert_eq!(read(&file, 16 << 20).unwrap().width, 1_000, "{name}");
        let (code, message) = problem(read(&file, 4 << 20));
        assert_eq!(code, "too_large", "{name}");
        let sizes = ["1000 x 1000 pixels", " MB of memory, and 4 MB are there"];
        assert!(sizes.iter().all(|it| message.contains(it)), "{name}: {message}");
    }
    let (_, message) = problem(read(&folder.path().join("jpg"), 1_000));
    assert!(message.starts_with("the file has"), "{message}");
    let wide = folder.path().join("wide");
    RgbImage::new(20_001, 1).save_with_format(&wide, ImageFormat::Png).unwrap();
    assert_eq!(problem(read(&wide, MOST)).1, "the picture has 20001 x 1 pixels");
}
