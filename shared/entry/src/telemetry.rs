//! Logs: JSON lines with `level` and an RFC 3339 `timestamp`, by which Lambda filters (AWS Lambda, advanced logging controls).

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Installs the log subscriber for a level: a level of `tracing`, or `ALL`; INFO by default.
pub(crate) fn init(level: Option<&str>) {
    // `ALL` is the original service's name of the lowest level
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

/// Whether an event is logged at a level. Libraries are logged from WARN on only: below it they log whole requests and
/// responses, with data keys and passwords. Of `lapin` nothing is logged: its warnings hold whole returned messages.
fn is_logged(level: Level, event: &Metadata<'_>) -> bool {
    let library = || event.level() <= &Level::WARN && !event.target().starts_with("lapin");
    event.level() <= &level && (is_ours(event.file().unwrap_or_default()) || library())
}

/// Whether a source file belongs to this workspace: the compiler gets its paths relative to the workspace.
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
