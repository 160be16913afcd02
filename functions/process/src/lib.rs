//! `process`: runs a processor on an item. One crate, one function resource per processor.

mod admission;
mod commit;
mod context;
mod forget;
mod handler;
mod iconik_job;
mod lease;
mod outcome;
mod pipeline;
mod remote;
mod results;
mod source;
mod subtitles;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let table = start.table();
    let (allowed_networks, meter) = (start.allowed_networks(), start.meter());
    let secrets = start.secrets(&table);
    let plan_limits = start.plan_limits(&table);
    let context = context::Context {
        settings: entry::AppSettings::new(table.clone()),
        plan_limits,
        connections: iconik::Connections::new(table.clone(), secrets.clone(), allowed_networks.clone(), meter.clone()),
        process_queue: start.queue("PROCESS_QUEUE"),
        urgent_queue: start.queue("URGENT_QUEUE"),
        secrets,
        table,
        s3: start.s3(),
        results_bucket: start.text("RESULTS"),
        lease: time::Duration::seconds(i64::from(start.number("LEASE_SECONDS"))),
        ffmpeg: media::ffmpeg::Ffmpeg::new(start.text("FFMPEG"), start.search_path(), start.memory_mb()),
        external: external_processor::ExternalProcessor::new(allowed_networks.clone(), start.text("CALLBACK_BASE"))?,
        allowed_networks,
        meter,
    };
    media::workspace::remove_stale();
    context.ffmpeg.log_decoders().await;
    start.sqs(1, async |_, message| handler::handle(&context, message).await).await
}
