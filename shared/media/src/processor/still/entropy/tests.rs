//! Whole and cut JPEGs, made by `image` (baseline) and kept as bytes (progressive, with restart markers).

use image::codecs::jpeg::JpegEncoder;
use image::{GrayImage, RgbImage};

use super::*;

fn noise(x: u32, y: u32) -> u8 {
    (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503).wrapping_mul(x | 1)).to_le_bytes()[2]
}

fn baseline(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([noise(x, y), (x * 3) as u8, (y * 5) as u8]));
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(&picture).unwrap();
    bytes
}

#[test]
fn a_whole_picture_has_all_blocks() {
    for (width, height) in [(1, 1), (8, 8), (17, 9), (100, 75)] {
        let seen = coverage(&baseline(width, height)).unwrap();
        assert!(seen.is_complete() && seen.percent() == 100, "{width} x {height}: {seen:?}");
    }
    let mut bytes = Vec::new();
    let grey = GrayImage::from_fn(33, 20, |x, y| image::Luma([noise(x, y)]));
    JpegEncoder::new(&mut bytes).encode_image(&grey).unwrap();
    let seen = coverage(&bytes).unwrap();
    assert_eq!((seen.is_complete(), seen.expected_blocks), (true, 15));
    let progressive = include_bytes!("../../../../../../tests/media/cases/progressive.jpg");
    let seen = coverage(progressive).unwrap();
    assert!(seen.is_complete(), "{seen:?}");
}

#[test]
fn a_cut_picture_has_not_and_says_how_many() {
    let bytes = baseline(100, 75);
    let end = bytes.len();
    for missing in [4, 40, 400, end / 2, end - 700] {
        let seen = coverage(&bytes[..end - missing]).unwrap();
        assert!(!seen.is_complete() && seen.percent() < 100, "{missing}: {seen:?}");
        // an end marker behind what is there makes it no better
        let closed = [&bytes[..end - missing], &[0xff, 0xd9]].concat();
        let percent = coverage(&closed).unwrap().percent();
        assert!(percent.abs_diff(seen.percent()) <= 1, "{percent} of {seen:?}");
    }
    let half = coverage(&bytes[..end - (end - 700) / 2]).unwrap();
    assert!((40..60).contains(&half.percent()), "{half:?}");
    assert!(coverage(&bytes[..end - 2]).unwrap().is_complete(), "only the end marker is missing");
    let progressive = &include_bytes!("../../../../../../tests/media/cases/progressive.jpg")[..];
    for missing in [8, 500, progressive.len() / 2, progressive.len() - 900] {
        let seen = coverage(&progressive[..progressive.len() - missing]).unwrap();
        assert!(!seen.is_complete(), "{missing}: {seen:?}");
    }
    assert!(coverage(&progressive[..progressive.len() - 2]).unwrap().is_complete());
}

#[test]
fn nothing_makes_it_panic() {
    for bytes in [&baseline(40, 40)[..], include_bytes!("../../../../../../tests/media/cases/progressive.jpg")] {
        for at in 0..bytes.len().min(1_500) {
            for value in [0, 0xff, 0x7f] {
                let mut damaged = bytes.to_owned();
                damaged[at] = value;
                coverage(&damaged[..]).map(Coverage::percent);
            }
        }
        for length in 0..bytes.len().min(900) {
            coverage(&bytes[..length]);
        }
    }
}
