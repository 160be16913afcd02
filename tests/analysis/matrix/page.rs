//! The table of the guide's page *Media*: written from what was found, and held against it.

use std::collections::BTreeMap;

use serde_json::Value;
use system_tests::{project, setting, text};

use super::cells::Cell;

const PAGE: &str = "shared/docs/media.md";
/// What stands before the table; all behind it is made here.
const HEADING: &str = "## The matrix\n";
/// The setting that has the page written.
const SETTING: &str = "MATRIX_PAGE";

/// Compares the page with what was found, or writes it if `MATRIX_PAGE=1`.
pub(super) fn renewed(cells: &[Cell], items: &BTreeMap<String, Value>) -> Result<(), String> {
    let file = project().join(PAGE);
    let page = std::fs::read_to_string(&file).map_err(|it| format!("{PAGE}: {it}"))?;
    let (before, now) = page.split_once(HEADING).ok_or(format!("{PAGE} has no `{}`", HEADING.trim()))?;
    let wanted = table(cells, items);
    if now == wanted {
        return Ok(());
    }
    if setting(SETTING) == Some(1) {
        return std::fs::write(&file, format!("{before}{HEADING}{wanted}")).map_err(|it| format!("{PAGE}: {it}"));
    }
    let lines = |it: &str| it.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let (old, new) = (lines(now), lines(&wanted));
    let mut differs: Vec<String> = old.difference(&new).map(|it| format!("- {it}")).collect();
    differs.extend(new.difference(&old).map(|it| format!("+ {it}")));
    let how = format!("{SETTING}=1 cargo test -p system-tests matrix");
    Err(format!("{PAGE} says other than what was found; `{how}` renews it:\n{}", differs.join("\n")))
}

/// A table for each group of cells.
fn table(cells: &[Cell], items: &BTreeMap<String, Value>) -> String {
    let mut text = String::new();
    for cell in cells {
        if let Some(group) = &cell.group {
            text.push_str(&format!(
                "\n### {group}\n\n| file | container | codec | result | |\n|---|---|---|---|---|\n"
            ));
        }
        text.push_str(&line(cell, &items[&cell.file]));
    }
    text
}

fn line(cell: &Cell, item: &Value) -> String {
    let result = &item["results"]["FacialRecognition"];
    let of_media = |name: &str| result["media"][name].as_str().unwrap_or("–");
    let (error, tracks) = (&item["error"], result["tracks"].as_array().map_or(0, Vec::len));
    let warnings = result["warnings"].as_array().into_iter().flatten();
    let codes: Vec<String> = warnings.map(|it| format!("`{}`", text(&it["code"]))).collect();
    let told = if codes.is_empty() { String::new() } else { format!(", with {}", codes.join(", ")) };
    let outcome = match item["status"].as_str() {
        Some("Completed") if tracks > 0 => format!("right{told}"),
        Some("Completed") => format!("the first picture{told}"),
        status => {
            let reason = text(&error["message"]).replace('|', "\\|");
            format!("{}, `{}`: {reason}", status.unwrap_or("none"), text(&error["code"]))
        }
    };
    let names = (of_media("container"), of_media("codec"));
    format!("| `{}` | {} | {} | {outcome} | {} |\n", cell.file, names.0, names.1, cell.note)
}
