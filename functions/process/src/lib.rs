//! `process`: runs a processor on an item. One crate, one function resource per processor.

mod handler;
mod iconik_work;
mod lease;
mod limits;
mod pipeline;
mod source;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let table = start.table();
    let (allowed, meter) = (start.allowed_networks(), start.meter());
    let secrets = start.secrets(&table);
    let parts = handler::Parts {
        settings: entry::AppSettings::new(table.clone()),
        connections: iconik::Connections::new(table.clone(), secrets.clone(), allowed.clone(), meter.clone()),
        queue: start.queue("PROCESS_QUEUE"),
        urgent: start.queue("URGENT_QUEUE"),
        secrets,
        table,
        s3: start.s3(),
        results: start.text("RESULTS"),
        lease: time::Duration::seconds(i64::from(start.number("LEASE_SECONDS"))),
        ffmpeg: media::program::Program::new(start.text("FFMPEG"), start.search_path(), start.memory_mb()),
        allowed,
        meter,
    };
    media::workspace::clean();
    parts.ffmpeg.log_decoders().await;
    start.sqs(1, async |_, message| handler::handle(&parts, message).await).await
}
