//! `render-image`: makes one rendition of a picture, and publishes that it is done.

mod context;
mod error;
mod handler;
mod source;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let (table, allowed_networks, meter) = (start.table(), start.allowed_networks(), start.meter());
    let secrets = start.secrets(&table);
    let context = context::Context {
        settings: entry::AppSettings::new(table.clone()),
        connections: iconik::Connections::new(table.clone(), secrets.clone(), allowed_networks.clone(), meter.clone()),
        secrets,
        table,
        s3: start.s3(),
        results_bucket: start.text("RESULTS"),
        deadline: std::time::Duration::from_secs(u64::from(start.number("PROCESS_SECONDS")) * 4 / 5),
        ffmpeg: media::ffmpeg::Ffmpeg::new(start.text("FFMPEG"), start.search_path(), start.memory_mb()),
        client: guard::client(&allowed_networks, Some(std::time::Duration::from_secs(60)))?,
        allowed_networks,
        meter,
    };
    media::workspace::remove_stale();
    start.sqs(1, async |now, message| handler::handle(&context, now, message).await).await
}
