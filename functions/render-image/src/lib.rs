//! `render-image`: makes one rendition of a picture, and tells that it is done.

mod handler;
mod source;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, allowed, meter) = (start.table(), start.allowed_networks(), start.meter());
    let secrets = start.secrets(&table);
    let parts = handler::Parts {
        settings: entry::AppSettings::new(table.clone()),
        connections: iconik::Connections::new(table.clone(), secrets.clone(), allowed.clone(), meter.clone()),
        secrets,
        table,
        s3: start.s3(),
        results: start.text("RESULTS"),
        deadline: std::time::Duration::from_secs(u64::from(start.number("PROCESS_SECONDS")) * 4 / 5),
        ffmpeg: media::program::Program::new(start.text("FFMPEG"), start.search_path(), start.memory_mb()),
        client: guard::client(&allowed, Some(std::time::Duration::from_secs(60)))?,
        allowed,
        meter,
    };
    media::workspace::clean();
    start.sqs(1, async |now, message| handler::handle(&parts, now, message).await).await
}
