//! Logs: JSON lines with `level` and an RFC 3339 `timestamp`, which Lambda filters by.

use tracing_subscriber::EnvFilter;

pub(crate) fn init(level: Option<&str>) {
    // `ALL` is the seed's word for everything
    let level = match level.unwrap_or("INFO").to_lowercase() {
        all if all == "all" => "trace".to_owned(),
        level => level,
    };
    // a library's chatter is a warning's worth; lapin would log whole messages that come back
    let filter =
        EnvFilter::try_new(format!("{level},aws=warn,hyper=warn,lambda_runtime=warn,rustls=warn,h2=warn,lapin=off"));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().json().flatten_event(true).with_target(false).with_current_span(false);
    // a second start in one process (a test) keeps the first subscriber
    drop(lines.with_span_list(false).with_env_filter(filter).try_init());
}
