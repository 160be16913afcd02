//! `deliver-push`: sends notifications and changes of the read state to open sockets, by the topics that they subscribe to.

mod context;
mod handler;

use inbox::connection_sender::ConnectionSender;
use message_store::Subscribers;
use notification_channel::ChannelSender;

use context::Context;

/// Runs the function until Lambda ends it.
#[tokio::main(flavor = "current_thread")]
pub async fn run() -> Result<(), entry::Error> {
    let mut start = entry::start().await;
    let table = start.table();
    let sender = ConnectionSender::new(&mut start, table.clone());
    let queue = start.queue("PUSH_QUEUE");
    let channels = ChannelSender::new(sender.clone(), queue.clone());
    let subscribers = Subscribers::new(channels.clone(), queue.clone(), start.queue("NMS_QUEUE"));
    let context = Context { table, sender, channels, subscribers, queue };
    start.batches(async |now, messages| handler::handle(&context, now, messages).await).await
}
