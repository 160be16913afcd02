//! The table of the matrix, `cells.toml`, as it is read.

use std::collections::BTreeMap;

use serde::Deserialize;
use system_tests::checks::{Area, FACE, Span};

/// The part of `astronaut.jpg` that is shown: left, top, width, height.
pub(super) const PORTRAIT: [u32; 4] = [128, 20, 192, 210];

/// The whole table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Matrix {
    pub(super) words: BTreeMap<String, String>,
    #[serde(rename = "cell")]
    pub(super) cells: Vec<Cell>,
}

/// One file; the members are explained in the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cell {
    pub(super) group: Option<String>,
    pub(super) file: String,
    #[serde(default = "size")]
    pub(super) size: [u32; 2],
    #[serde(default = "rate")]
    pub(super) rate: String,
    #[serde(default = "seconds")]
    pub(super) seconds: u32,
    #[serde(default = "square")]
    pub(super) sar: String,
    #[serde(default)]
    pub(super) sound: bool,
    pub(super) filter: Option<String>,
    #[serde(default)]
    pub(super) also: String,
    pub(super) make: String,
    pub(super) then: Option<String>,
    pub(super) via: Option<String>,
    pub(super) codec: Option<String>,
    pub(super) container: Option<String>,
    fps: Option<f64>,
    pub(super) timecode: Option<(String, bool)>,
    #[serde(default)]
    pub(super) timecode_optional: bool,
    pub(super) pixel_aspect: Option<String>,
    pub(super) rotation: Option<u32>,
    pub(super) field_order: Option<String>,
    pub(super) bit_depth: Option<u32>,
    pub(super) transfer: Option<String>,
    shown: Option<[u32; 2]>,
    duration: Option<u64>,
    #[serde(default = "usual")]
    pub(super) ranges: Vec<Span>,
    pub(super) silent: Option<Span>,
    #[serde(default)]
    pub(super) still: bool,
    #[serde(default = "yes")]
    pub(super) promises: bool,
    pub(super) refused: Option<[String; 3]>,
    #[serde(default)]
    pub(super) warns: Vec<String>,
    #[serde(default)]
    pub(super) may_warn: Vec<String>,
    #[serde(default)]
    pub(super) note: String,
}

/// The table as it stands.
pub(super) fn matrix() -> Matrix {
    toml::from_str(include_str!("cells.toml")).unwrap()
}

fn size() -> [u32; 2] {
    [480, 270]
}

fn rate() -> String {
    "25".to_owned()
}

fn seconds() -> u32 {
    4
}

fn square() -> String {
    "1/1".to_owned()
}

fn usual() -> Vec<Span> {
    vec![(1_000, 3_000)]
}

fn yes() -> bool {
    true
}

/// `30000/1001` or `25` as a number.
fn ratio(text: &str) -> f64 {
    let (over, under) = text.split_once('/').unwrap_or((text, "1"));
    over.parse::<f64>().unwrap() / under.parse::<f64>().unwrap()
}

impl Cell {
    /// Left, top, width and height of the portrait in the scene, in its pixels: it is not distorted where these are not
    /// square.
    pub(super) fn portrait(&self) -> [u32; 4] {
        let (width, height) = (f64::from(self.size[0]), f64::from(self.size[1]));
        let [_, _, over, under] = PORTRAIT.map(f64::from);
        let tall = (height * 0.7).round();
        let wide = height * 0.7 * over / under / ratio(&self.sar);
        [width * 0.08, height * 0.1, wide, tall].map(|it| it.round() as u32)
    }

    /// Where the face is, as fractions of the picture.
    pub(super) fn face(&self) -> Area {
        let [x, y, w, h] = self.portrait().map(f64::from);
        let (width, height) = (f64::from(self.size[0]), f64::from(self.size[1]));
        let [left, top, over, under] = PORTRAIT.map(f64::from);
        let face = FACE.map(f64::from);
        [
            (x + w * (face[0] - left) / over) / width,
            (y + h * (face[1] - top) / under) / height,
            w * face[2] / over / width,
            h * face[3] / under / height,
        ]
    }

    /// Width and height of the file's picture, upright.
    pub(super) fn shown(&self) -> [u32; 2] {
        self.shown.unwrap_or(self.size)
    }

    /// Width to height of what a player shows.
    pub(super) fn aspect(&self) -> f64 {
        let [width, height] = self.shown().map(f64::from);
        width * ratio(&self.sar) / height
    }

    /// `None` if the file does not say it.
    pub(super) fn duration_ms(&self) -> Option<u64> {
        Some(self.duration.unwrap_or(u64::from(self.seconds) * 1_000)).filter(|it| *it > 0)
    }

    /// `None` if frames come as they like.
    pub(super) fn frames_per_second(&self) -> Option<f64> {
        Some(self.fps.unwrap_or_else(|| ratio(&self.rate))).filter(|it| *it > 0.0)
    }
}
