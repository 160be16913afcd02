//! A hundred and more ways that media comes in: containers, codecs, and what they do with time and shape. One face at a
//! known place and time, right or refused by name.

mod cells;
mod cuts;
mod made;
mod page;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use system_tests::checks::{Checks, Span};
use system_tests::{World, text};

use cells::{Cell, matrix};

/// Files that are scanned and waited for at a time: few, since the items of other tests stand behind them in the queue.
const BATCH: usize = 12;

#[test]
fn each_way_that_media_comes_in_is_right_or_refused_by_name() {
    World::run(async |world| {
        let matrix = matrix();
        let files = tokio::task::spawn_blocking(made::all).await.unwrap();
        let bucket = world.bucket().await;
        let mut count = 0;
        for batch in matrix.cells.chunks(BATCH) {
            for cell in batch {
                let (from, to) = (&files[&cell.file], bucket.folder.join(&cell.file));
                // hundreds of megabytes: copied only where the bucket lies on another disk
                std::fs::hard_link(from, &to).or_else(|_| std::fs::copy(from, &to).map(drop)).unwrap();
            }
            count += batch.len();
            world.scan(&bucket.id).await;
            world.ended(&bucket.id, count).await;
        }
        let items = world.items(&format!("bucket={}&results=full", bucket.id)).await;
        let items: BTreeMap<String, Value> = items.into_iter().map(|it| (text(&it["key"]), it)).collect();
        let failed: Vec<String> = matrix.cells.iter().flat_map(|cell| failed(cell, &items[&cell.file])).collect();
        let page = page::renewed(&matrix.cells, &items);
        assert!(failed.is_empty(), "{} are not right:\n{}", failed.len(), failed.join("\n"));
        page.unwrap();
    });
}

/// All that is not as the cell says.
fn failed(cell: &Cell, item: &Value) -> Vec<String> {
    let mut checks = Checks::of(&cell.file, item);
    if let Some([status, code, part]) = &cell.refused {
        checks.status(&[status]);
        checks.reason(code, part);
        return checks.done();
    }
    checks.status(&["Completed"]);
    if item["status"] != "Completed" {
        return checks.done();
    }
    let result = checks.result();
    if cell.still && result["tracks"].as_array().is_some_and(Vec::is_empty) {
        let warned = result["warnings"].as_array().is_some_and(|it| !it.is_empty());
        checks.must(warned, "the face, or a warning that the first picture alone was looked at", &result["warnings"]);
        return checks.done();
    }
    let spans = &cell.ranges;
    checks.tracks(1..=spans.len());
    checks.ranges(spans);
    let place = cell.face();
    checks.boxes(spans, |_| place);
    if let Some(silent) = cell.silent {
        checks.silent(silent);
    }
    media(cell, &mut checks);
    let (wanted, allowed): (Vec<&str>, Vec<&str>) =
        (cell.warns.iter().map(String::as_str).collect(), cell.may_warn.iter().map(String::as_str).collect());
    checks.warnings(&wanted, &allowed);
    checks.done()
}

/// What the result says of the file.
fn media(cell: &Cell, checks: &mut Checks<'_>) {
    let found = &checks.result()["media"];
    let [width, height] = cell.shown();
    checks.media("width", &json!(width));
    checks.media("height", &json!(height));
    if let Some(duration) = cell.duration_ms() {
        checks.number("duration_ms", duration as f64, 40.0);
    }
    if let Some(fps) = cell.frames_per_second() {
        checks.number("fps", fps, fps / 100.0);
    }
    let texts = [("codec", &cell.codec), ("field_order", &cell.field_order), ("transfer", &cell.transfer)];
    for (member, wanted) in texts {
        if let Some(wanted) = wanted {
            checks.media(member, &json!(wanted));
        }
    }
    for (member, wanted) in [("bit_depth", cell.bit_depth), ("rotation", cell.rotation)] {
        if let Some(wanted) = wanted {
            checks.media(member, &json!(wanted));
        }
    }
    if let Some(container) = &cell.container {
        let there = text(&found["container"]).split(',').any(|it| it == container);
        checks.must(there, &format!("media.container {container}"), &found["container"]);
    }
    match &cell.pixel_aspect {
        Some(wanted) => checks.media("pixel_aspect", &json!(wanted)),
        None => {
            let square = found["pixel_aspect"].is_null() || found["pixel_aspect"] == "1:1";
            checks.must(square, "square pixels", &found["pixel_aspect"]);
        }
    }
    let side = |name: &str| found[name].as_f64().unwrap_or_default();
    let (shown, analysed) = (cell.aspect(), side("analysis_width") / side("analysis_height").max(1.0));
    let same = (analysed / shown - 1.0).abs() < 0.02;
    checks.must(same, &format!("a picture of {shown:.3} to 1 to be looked at"), format!("{analysed:.3}"));
    timecode(cell, checks);
}

/// The file's timecode, and the ranges in it.
fn timecode(cell: &Cell, checks: &mut Checks<'_>) {
    let Some((start, drop_frame)) = &cell.timecode else { return };
    let (found, ranges) = (&checks.result()["media"]["timecode"], &checks.result()["tracks"][0]["ranges"]);
    if cell.timecode_optional && found.is_null() {
        return;
    }
    checks.media("timecode", &json!({ "start": start, "drop_frame": drop_frame }));
    let (first, told) = (ranges[0]["start_ms"].as_u64().unwrap_or_default(), text(&ranges[0]["start_timecode"]));
    match (drop_frame, cell.frames_per_second()) {
        (false, Some(rate)) => {
            // the first picture of GXF stands one frame behind the container's start, and the timecode is its own
            let late = if cell.file.ends_with(".gxf") { (1_000.0 / rate) as u64 } else { 0 };
            let wanted = address(start, rate, first - late);
            checks.must(told == wanted, &format!("a range from {wanted} on, {first} ms from the start"), &told);
        }
        _ => checks.must(told.contains(';'), "a range in drop-frame timecode", &told),
    }
    let ends = text(&ranges[0]["end_timecode"]);
    checks.must(ends > told, &format!("an end behind {told}"), &ends);
}

/// The address of the frame that is shown so long after the first, where no numbers are dropped (SMPTE ST 12-1).
fn address(start: &str, rate: f64, after_ms: u64) -> String {
    let base = rate.round() as u64;
    let parts: Vec<u64> = start.split(':').map(|it| it.parse().unwrap()).collect();
    let first = ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * base + parts[3];
    let frames = first + ((after_ms as f64 + 0.5) * rate / 1_000.0) as u64;
    let seconds = frames / base;
    format!("{:02}:{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60, frames % base)
}

#[test]
fn the_matrix_is_large_and_names_each_file_once() {
    let matrix = matrix();
    let names: std::collections::BTreeSet<&str> = matrix.cells.iter().map(|it| it.file.as_str()).collect();
    assert_eq!(names.len(), matrix.cells.len(), "each file once");
    assert!(names.len() >= 100, "{} cells", names.len());
    for cell in &matrix.cells {
        let right: Vec<Span> = cell.ranges.iter().copied().filter(|it| it.0 < it.1).collect();
        assert_eq!(right, cell.ranges, "{}", cell.file);
    }
}
