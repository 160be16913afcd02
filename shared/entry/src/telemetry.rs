//! Logs: JSON lines with `level` and an RFC 3339 `timestamp`, which Lambda filters by.

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

pub(crate) fn init(level: Option<&str>) {
    // `ALL` is the seed's word for everything
    let level = match level.unwrap_or("INFO").to_lowercase().as_str() {
        "all" => Level::TRACE,
        level => level.parse().unwrap_or(Level::INFO),
    };
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_target(false);
    let lines = lines.with_current_span(false).with_span_list(false);
    let lines = lines.with_filter(filter_fn(move |it| is_logged(level, it)));
    // a second start in one process (a test) keeps the first subscriber
    drop(tracing_subscriber::registry().with(lines).try_init());
}

/// What is logged at a level. At any level of detail it is our own lines alone: below a warning, libraries log whole
/// requests and answers, data keys and passwords among them. lapin warns with whole messages that come back.
fn is_logged(level: Level, it: &Metadata<'_>) -> bool {
    let library = || it.level() <= &Level::WARN && !it.target().starts_with("lapin");
    it.level() <= &level && (is_ours(it.file().unwrap_or_default()) || library())
}

/// Whether a source file is one of this workspace's, whose paths the compiler is given relative to it.
fn is_ours(file: &str) -> bool {
    file.starts_with("functions/") || file.starts_with("shared/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_libraries_are_told_from_ours() {
        assert!(is_ours(file!()), "{}", file!());
        for other in ["", "src/lib.rs", "/home/jane/.cargo/registry/src/index/reqwest-0.13.5/src/connect.rs"] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
