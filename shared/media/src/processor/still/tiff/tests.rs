//! TIFF files written here, directory by directory.

use super::*;
use crate::processor::still::read as read_file;

const MOST: u64 = 64 << 20;

/// A directory to be written: tags with their values (LONG), and the data of its only strip.
#[derive(Clone)]
struct Page {
    tags: Vec<(u16, Vec<u32>)>,
    strip: Vec<u8>,
    below: Vec<Page>,
}

/// 8-bit samples without compression, all of one value.
fn page(width: u32, height: u32, photometric: u32, value: u8) -> Page {
    let samples = if photometric == 2 { 3 } else { 1 };
    let tags = [
        (256, vec![width]),
        (257, vec![height]),
        (258, vec![8; samples as usize]),
        (259, vec![1]),
        (262, vec![photometric]),
        (277, vec![samples]),
        (278, vec![height]),
    ];
    Page { tags: tags.to_vec(), strip: vec![value; (width * height * samples) as usize], below: Vec::new() }
}

impl Page {
    fn with(mut self, tag: u16, values: &[u32]) -> Self {
        self.tags.retain(|it| it.0 != tag);
        self.tags.push((tag, values.to_vec()));
        self
    }

    /// Appends it, and those below; answers where it stands and where the next one's place is to be written.
    fn write(&self, file: &mut Vec<u8>) -> (u32, usize) {
        let below: Vec<u32> = self.below.iter().map(|it| it.write(file).0).collect();
        let mut tags = self.tags.clone();
        tags.extend([(273, vec![file.len() as u32]), (279, vec![self.strip.len() as u32])]);
        file.extend_from_slice(&self.strip);
        if !below.is_empty() {
            tags.push((330, below));
        }
        tags.sort();
        let mut table = (tags.len() as u16).to_le_bytes().to_vec();
        for (tag, values) in &tags {
            table.extend(tag.to_le_bytes());
            table.extend(4_u16.to_le_bytes());
            table.extend((values.len() as u32).to_le_bytes());
            if let [one] = values[..] {
                table.extend(one.to_le_bytes());
            } else {
                table.extend((file.len() as u32).to_le_bytes());
                file.extend(values.iter().flat_map(|it| it.to_le_bytes()));
            }
        }
        let at = file.len() as u32;
        file.extend(table);
        file.extend([0; 4]);
        (at, file.len() - 4)
    }
}

fn written(pages: &[Page]) -> Vec<u8> {
    let mut file = b"II*\0\0\0\0\0".to_vec();
    let mut link = 4;
    for page in pages {
        let (at, next) = page.write(&mut file);
        file[link..link + 4].copy_from_slice(&at.to_le_bytes());
        link = next;
    }
    file
}

fn read_bytes(bytes: &[u8]) -> Result<DecodedImage, MediaError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    read_file(&path, MOST)
}

fn shown(bytes: &[u8]) -> ((u32, u32), u8, (u32, u32), Vec<String>) {
    let decoded = read_bytes(bytes).unwrap();
    let size = (decoded.picture.width(), decoded.picture.height());
    let codes = decoded.warnings.iter().map(|it| it.code.clone()).collect();
    (size, decoded.picture.to_luma8().get_pixel(0, 0).0[0], (decoded.width, decoded.height), codes)
}

fn reason(bytes: &[u8]) -> String {
    match read_bytes(bytes) {
        Err(MediaError::Skipped(it) | MediaError::Failed(it)) => it.message,
        other => panic!("{other:?}"),
    }
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(width, height, image::Rgb([90; 3])).write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

#[test]
fn a_thumbnail_is_not_the_picture() {
    let (thumbnail, full) = (page(8, 6, 2, 10).with(254, &[1]), page(80, 60, 2, 200));
    let below = Page { below: vec![full.clone()], ..thumbnail.clone() };
    assert_eq!(shown(&written(&[below])), ((80, 60), 200, (80, 60), vec![]), "the picture below it");
    assert_eq!(shown(&written(&[thumbnail.clone(), full])), ((80, 60), 200, (80, 60), vec![]), "or behind it");
    assert_eq!(shown(&written(&[page(80, 60, 2, 200), thumbnail])).3, Vec::<String>::new(), "a thumbnail is no page");
    let pages = written(&[page(8, 6, 1, 10), page(80, 60, 1, 20)]);
    assert_eq!(shown(&pages), ((8, 6), 10, (8, 6), vec!["first_page".to_owned()]), "the first of two pages");
}

#[test]
fn of_raw_data_the_largest_preview_is_shown_and_named() {
    let raw = page(400, 300, 32_803, 0);
    let mut preview = page(40, 30, 6, 0).with(254, &[1]).with(259, &[7]);
    preview.strip = jpeg(40, 30);
    let first = |below| Page { below, ..page(8, 6, 2, 10).with(254, &[1]) };
    let both = written(&[first(vec![raw.clone(), preview.clone()])]);
    assert_eq!(shown(&both), ((40, 30), 90, (400, 300), vec!["preview".to_owned()]));
    let message = read_bytes(&both).unwrap().warnings[0].message.clone();
    assert_eq!(
        message,
        "the RAW file's picture of 400 x 300 pixels is not read here: its preview of 40 x 30 was looked at"
    );
    let turned = written(&[first(vec![raw.clone(), preview]).with(274, &[6])]);
    assert_eq!(shown(&turned).0, (30, 40), "a preview lies as the file does");
    assert_eq!(shown(&turned).2, (300, 400));
    let only = written(&[first(vec![raw.clone()])]);
    assert_eq!(shown(&only), ((8, 6), 10, (400, 300), vec!["preview".to_owned()]), "better than nothing, with a word");
    assert_eq!(reason(&written(&[raw])), "the raw data of this camera file is not read here");
}

#[test]
fn a_file_that_is_cut_off_says_so() {
    let whole = written(&[page(80, 60, 2, 200)]);
    assert!(reason(&whole[..whole.len() - 100]).contains("cut off"), "the directory stands at the end");
    let mut beyond = page(80, 60, 2, 200);
    beyond.strip.truncate(5_000);
    let mut bytes = written(&[beyond]);
    let at = bytes.windows(8).rposition(|it| it == [&279_u16.to_le_bytes()[..], b"\x04\0\x01\0\0\0"].concat()).unwrap();
    bytes[at + 8..at + 12].copy_from_slice(&14_400_u32.to_le_bytes());
    let message = reason(&bytes);
    assert_eq!(message, "the TIFF is cut off: its end is missing");
}

#[test]
fn kinds_are_converted_or_refused_by_name() {
    let mut colours: Vec<u32> = vec![0; 768];
    (colours[7], colours[256 + 7], colours[512 + 7]) = (0xff00, 0x8000, 0x4000);
    let palette = read_bytes(&written(&[page(8, 6, 3, 7).with(320, &colours)])).unwrap();
    assert_eq!(palette.picture.to_rgb8().get_pixel(3, 3).0, [0xff, 0x80, 0x40]);
    let mut ycc = page(16, 16, 6, 0).with(258, &[8, 8, 8]).with(277, &[3]).with(259, &[7]).with(530, &[2, 2]);
    let mut red = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(16, 16, image::Rgb([200, 30, 40])).write_to(&mut red, ImageFormat::Jpeg).unwrap();
    ycc.strip = red.into_inner();
    let mut half = ycc.clone();
    half.strip.drain(half.strip.len() - 6..);
    assert_eq!(shown(&written(&[half])).3, ["truncated"], "a strip that is not whole");
    let read = read_bytes(&written(&[ycc])).unwrap();
    let pixel = read.picture.to_rgb8().get_pixel(8, 8).0;
    assert!(pixel.iter().zip([200, 30, 40]).all(|(a, b)| a.abs_diff(b) < 4), "{pixel:?}");
    assert!(read.warnings.is_empty(), "it is the picture, no preview: {:?}", read.warnings);
    for (page, want) in [
        (page(8, 6, 2, 0).with(259, &[50_000]), "this kind of TIFF (RGB, 8-bit, Zstandard) is not read here"),
        (page(8, 6, 1, 0).with(277, &[2]), "this kind of TIFF (grey with alpha, 8-bit) is not read here"),
        (page(8, 6, 8, 0).with(277, &[3]), "this kind of TIFF (Lab, 8-bit) is not read here"),
        (page(8, 6, 1, 0).with(259, &[34_712]), "this kind of TIFF (grey, 8-bit, JPEG 2000) is not read here"),
    ] {
        assert_eq!(reason(&written(&[page])), want);
    }
}

#[test]
fn nothing_makes_it_loop_or_panic() {
    let mut bytes = written(&[Page { below: vec![page(8, 6, 2, 1)], ..page(4, 3, 2, 9).with(254, &[1]) }]);
    assert_eq!(shown(&bytes).0, (8, 6));
    let length = bytes.len();
    bytes[length - 4..].copy_from_slice(&8_u32.to_le_bytes()); // the next directory is no directory
    read_bytes(&bytes).unwrap();
    let first: [u8; 4] = bytes[4..8].try_into().unwrap();
    bytes[length - 4..].copy_from_slice(&first); // the next directory is this one
    read_bytes(&bytes).unwrap();
    for at in 0..length {
        for value in [0, 1, 0x7f, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            drop(read_bytes(&damaged));
        }
        drop(read_bytes(&bytes[..at]));
    }
}

#[test]
fn a_thumbnail_is_not_the_files_own_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let own = |pages: &[Page], width, height| {
        std::fs::write(&path, written(pages)).unwrap();
        crate::processor::still::is_own_size(&path, width, height)
    };
    // 50,000: Zstandard, which is not read here, and is by ffmpeg
    let full = page(400, 300, 1, 7).with(259, &[50_000]);
    let thumbnail = page(40, 30, 1, 7).with(254, &[1]);
    assert!(own(std::slice::from_ref(&full), 400, 300));
    assert!(!own(&[thumbnail.clone(), full.clone()], 40, 30), "the first directory");
    assert!(own(&[thumbnail.clone(), full], 400, 300));
    let raw = page(400, 300, 32_803, 7).with(254, &[0]);
    assert!(!own(&[thumbnail, raw], 40, 30));
    std::fs::write(&path, b"no TIFF").unwrap();
    assert!(crate::processor::still::is_own_size(&path, 1, 1));
}
