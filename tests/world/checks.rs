//! What a result says against what is true: all that differs is collected, so that one run tells everything.

use std::sync::LazyLock;

use image::GrayImage;
use image::imageops::{FilterType, crop_imm, resize};
use serde_json::Value;

use crate::{media, text};

/// A rectangle in fractions of the picture: left, top, width, height.
pub type Area = [f64; 4];
/// Times in milliseconds: from, and until before.
pub type Span = (u64, u64);

/// Half a sample at two samples a second, in milliseconds: as near as a range can be.
const HALF_A_SAMPLE: u64 = 250;
/// A sample may lie so far outside of what is true, in milliseconds: a frame, and a container's start at its sound.
const A_FRAME: u64 = 60;
/// The face in `astronaut.jpg`, in its pixels: left, top, width, height.
pub const FACE: [u32; 4] = [175, 67, 98, 97];
/// A face may be so much larger than its box.
const SCALES: [f64; 5] = [1.0, 0.9, 1.12, 0.8, 1.25];
/// The side of the small pictures that are compared.
const PATCH: u32 = 24;
/// A correlation above this is taken for the same face.
pub const LIKE: f64 = 0.7;

static ASTRONAUT: LazyLock<GrayImage> =
    LazyLock::new(|| image::load_from_memory(&media("astronaut.jpg")).expect("a picture").to_luma8());

/// The checks of one file.
pub struct Checks<'a> {
    name: &'a str,
    item: &'a Value,
    failed: Vec<String>,
}

impl<'a> Checks<'a> {
    /// Of an item as the API shows it with its whole result.
    pub fn of(name: &'a str, item: &'a Value) -> Self {
        Self { name, item, failed: Vec::new() }
    }

    /// What the processor found; null if there is no result.
    pub fn result(&self) -> &'a Value {
        &self.item["results"]["FacialRecognition"]
    }

    /// All that was not as it has to be, one line each.
    pub fn done(self) -> Vec<String> {
        self.failed
    }

    /// A check by any rule.
    pub fn must(&mut self, good: bool, wanted: &str, got: impl std::fmt::Display) {
        if !good {
            self.failed.push(format!("{}: wanted {wanted}, got {got}", self.name));
        }
    }

    /// The item's status, one of these.
    pub fn status(&mut self, wanted: &[&str]) {
        let (status, error) = (text(&self.item["status"]), &self.item["error"]);
        self.must(wanted.contains(&status.as_str()), &wanted.join(" or "), format!("{status} {error}"));
    }

    /// The error's code, any if none is named, and a part of its message. No reason names our folders.
    pub fn reason(&mut self, code: &str, part: &str) {
        let (found, message) = (text(&self.item["error"]["code"]), text(&self.item["error"]["message"]));
        self.must(code.is_empty() || found == code, code, format!("{found}: {message}"));
        self.must(message.to_lowercase().contains(&part.to_lowercase()), &format!("a reason with `{part}`"), &message);
        self.must(!message.contains("/tmp") && !message.contains("notifications-"), "no name of our folder", &message);
    }

    /// A member of `media`.
    pub fn media(&mut self, member: &str, wanted: &Value) {
        let found = &self.result()["media"][member];
        self.must(found == wanted, &format!("media.{member} {wanted}"), found);
    }

    /// A number of `media`, so exactly.
    pub fn number(&mut self, member: &str, wanted: f64, within: f64) {
        let found = self.result()["media"][member].as_f64();
        let near = found.is_some_and(|it| (it - wanted).abs() <= within);
        self.must(near, &format!("media.{member} {wanted} ± {within}"), format!("{found:?}"));
    }

    /// How many faces there are.
    pub fn tracks(&mut self, wanted: std::ops::RangeInclusive<usize>) {
        let tracks = self.list("tracks");
        self.must(wanted.contains(&tracks.len()), &format!("{wanted:?} tracks"), tracks.len());
    }

    /// When faces are seen, over all tracks.
    pub fn ranges(&mut self, wanted: &[Span]) {
        let found = self.found_ranges();
        let near = |(got, want): (&Span, &Span)| {
            got.0.abs_diff(want.0) <= HALF_A_SAMPLE && got.1.abs_diff(want.1) <= HALF_A_SAMPLE
        };
        let good = found.len() == wanted.len() && found.iter().zip(wanted).all(near);
        self.must(good, &format!("ranges {wanted:?} ± {HALF_A_SAMPLE} ms"), format!("{found:?}"));
    }

    /// When the only face begins; it ends somewhere in this span.
    pub fn range_ends_within(&mut self, start: u64, end: Span) {
        let found = self.found_ranges();
        let good = matches!(found[..], [(from, to)]
            if from.abs_diff(start) <= HALF_A_SAMPLE && (end.0..=end.1 + HALF_A_SAMPLE).contains(&to));
        self.must(good, &format!("a range from {start} to {end:?}"), format!("{found:?}"));
    }

    /// Each sample lies in one of these spans, and its box upon the face there (intersection over union from 0.5 on).
    pub fn boxes(&mut self, spans: &[Span], place: impl Fn(u64) -> Area) {
        for (at, found) in self.samples() {
            let seen = spans.iter().any(|it| it.0 <= at + A_FRAME && at < it.1 + A_FRAME);
            self.must(seen, &format!("samples within {spans:?}"), at);
            let share = overlap(found, place(at));
            self.must(
                share >= 0.5,
                &format!("a box like {:.3?} at {at} ms", place(at)),
                format!("{found:.3?} ({share:.2})"),
            );
        }
    }

    /// The middle of each sample's box is as near to the face as this, in pixels of a picture of this size.
    pub fn middles(&mut self, size: (f64, f64), within: f64, place: impl Fn(u64) -> Area) {
        for (at, found) in self.samples() {
            let middle = |it: Area| ((it[0] + it[2] / 2.0) * size.0, (it[1] + it[3] / 2.0) * size.1);
            let ((x, y), (left, top)) = (middle(place(at)), middle(found));
            let far = (x - left).abs().max((y - top).abs());
            self.must(
                far <= within,
                &format!("a box within {within} px of ({x:.0}, {y:.0}) at {at} ms"),
                format!("({left:.1}, {top:.1})"),
            );
        }
    }

    /// No sample is between these two times.
    pub fn silent(&mut self, (from, to): Span) {
        for (at, _) in self.samples() {
            let inside = from + A_FRAME < at && at + A_FRAME < to;
            self.must(!inside, &format!("no sample between {from} and {to} ms"), at);
        }
    }

    /// Warnings: one of `wanted` if it names any, and none but those and `allowed`.
    pub fn warnings(&mut self, wanted: &[&str], allowed: &[&str]) {
        let all = self.list("warnings");
        let codes: Vec<String> = all.iter().map(|it| text(&it["code"])).collect();
        let there = wanted.is_empty() || codes.iter().any(|it| wanted.contains(&it.as_str()));
        self.must(there, &format!("a warning {}", wanted.join(" or ")), format!("{codes:?}"));
        let other = codes.iter().any(|it| !wanted.contains(&it.as_str()) && !allowed.contains(&it.as_str()));
        self.must(!other, "no other warning", Value::from(all.clone()));
        // it says how much was seen
        let mute =
            |it: &&Value| it["code"] == "truncated" && !text(&it["message"]).contains(|it: char| it.is_ascii_digit());
        let mute = all.iter().find(mute).cloned();
        self.must(mute.is_none(), "how far it was read", Value::from(mute));
    }

    /// The preview shows the face where the surest sample of the only track has its box.
    pub fn preview(&mut self, bytes: &[u8]) {
        let Ok(picture) = image::load_from_memory_with_format(bytes, image::ImageFormat::Jpeg) else {
            return self.must(false, "a preview that is a JPEG", format!("{} bytes", bytes.len()));
        };
        let samples = self.result()["tracks"][0]["samples"].as_array().cloned().unwrap_or_default();
        let sure = |it: &Value| it["confidence"].as_f64().unwrap_or_default();
        let Some(best) = samples.iter().max_by(|a, b| sure(a).total_cmp(&sure(b))) else { return };
        let likeness = likeness(&picture.to_luma8(), area(&best["box"]));
        self.must(likeness > LIKE, "a preview that shows the face", format!("something like it to {likeness:.2}"));
    }

    fn list(&self, name: &str) -> Vec<Value> {
        self.result()[name].as_array().cloned().unwrap_or_default()
    }

    fn found_ranges(&self) -> Vec<Span> {
        let tracks = self.list("tracks");
        let ranges = tracks.iter().filter_map(|it| it["ranges"].as_array()).flatten();
        let number = |it: &Value| it.as_u64().unwrap_or(u64::MAX);
        let mut all: Vec<Span> = ranges.map(|it| (number(&it["start_ms"]), number(&it["end_ms"]))).collect();
        all.sort_unstable();
        all
    }

    fn samples(&self) -> Vec<(u64, Area)> {
        let tracks = self.list("tracks");
        let samples = tracks.iter().filter_map(|it| it["samples"].as_array()).flatten();
        samples.map(|it| (it["t_ms"].as_u64().unwrap_or(u64::MAX), area(&it["box"]))).collect()
    }
}

fn area(it: &Value) -> Area {
    ["x", "y", "w", "h"].map(|name| it[name].as_f64().unwrap_or_default())
}

/// Intersection over union, 0 to 1.
fn overlap(a: Area, b: Area) -> f64 {
    let shared = |from: usize, size: usize| (a[from] + a[size]).min(b[from] + b[size]) - a[from].max(b[from]);
    let both = shared(0, 2).max(0.0) * shared(1, 3).max(0.0);
    let either = a[2] * a[3] + b[2] * b[3] - both;
    if either > 0.0 { both / either } else { 0.0 }
}

/// How much a part of a picture is like the astronaut's face: the best correlation of their grey values, -1 to 1, with
/// the part a little moved and scaled, since a detector's box is not exact; the first above [`LIKE`] is enough. The
/// part's rim, where a frame may be drawn, is left out.
fn likeness(picture: &GrayImage, [x, y, w, h]: Area) -> f64 {
    let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
    let face = face(PATCH);
    // from the middle outwards
    let steps = || [0, -1, 1, -2, 2, -3, 3, -4, 4].into_iter().map(|step| f64::from(step) * 0.05);
    let mut best = -1.0_f64;
    for (scale, right, down) in
        SCALES.into_iter().flat_map(|s| steps().flat_map(move |x| steps().map(move |y| (s, x, y))))
    {
        let middle = ((x + w * (0.5 + right)) * width, (y + h * (0.5 + down)) * height);
        let (w, h) = (w * scale * 0.8 * width, h * scale * 0.8 * height);
        let [left, top, w, h] = [middle.0 - w / 2.0, middle.1 - h / 2.0, w, h].map(|it| it.max(0.0) as u32);
        let part = resize(&*crop_imm(picture, left, top, w.max(1), h.max(1)), PATCH, PATCH, FilterType::Triangle);
        best = best.max(correlation(part.as_raw().iter(), face.as_raw().iter()));
        if best > LIKE {
            break;
        }
    }
    best
}

/// The most that any part of a picture is like the face, if it may be so wide there, in fractions of the picture; the
/// first above [`LIKE`] is enough.
pub fn best_likeness(picture: &GrayImage, widths: impl IntoIterator<Item = f64>) -> f64 {
    let long = 160;
    let height = picture.height() * long / picture.width();
    let small = resize(picture, long, height, FilterType::Triangle);
    let mut best = -1.0_f64;
    for side in widths.into_iter().map(|it| (it * 0.8 * f64::from(long)).round() as u32) {
        let face = face(side);
        for (x, y) in (0..height.saturating_sub(side)).flat_map(|y| (0..long - side).map(move |x| (x, y))) {
            let part = (0..side * side).map(|it| &small.get_pixel(x + it % side, y + it / side).0[0]);
            best = best.max(correlation(part, face.as_raw().iter()));
            if best > LIKE {
                return best;
            }
        }
    }
    best
}

/// The astronaut's face without its rim, so many pixels wide and high.
fn face(side: u32) -> GrayImage {
    let [left, top, width, height] = FACE;
    let inner = crop_imm(&*ASTRONAUT, left + width / 10, top + height / 10, width * 8 / 10, height * 8 / 10).to_image();
    resize(&inner, side, side, FilterType::Triangle)
}

/// Pearson's correlation of two rows of as many values.
fn correlation<'a>(a: impl Iterator<Item = &'a u8> + Clone, b: impl Iterator<Item = &'a u8> + Clone) -> f64 {
    let mean = |it: f64, count: f64| if count > 0.0 { it / count } else { 0.0 };
    let count = a.clone().count() as f64;
    let (of_a, of_b) =
        (mean(a.clone().map(|it| f64::from(*it)).sum(), count), mean(b.clone().map(|it| f64::from(*it)).sum(), count));
    let (mut both, mut left, mut right) = (0.0, 0.0, 0.0);
    for (a, b) in a.zip(b) {
        let (a, b) = (f64::from(*a) - of_a, f64::from(*b) - of_b);
        (both, left, right) = (both + a * b, left + a * a, right + b * b);
    }
    if left * right > 0.0 { both / (left * right).sqrt() } else { 0.0 }
}
