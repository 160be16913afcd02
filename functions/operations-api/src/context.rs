//! What the endpoints work with.

use std::sync::Arc;

use axum::extract::FromRef;
use domain::dead_letter::DeadLetterKind;
use entry::http::Authenticator;
use entry::{DeadLetterQueue, Queue, Start};
use table::Table;

/// Clients that the handlers share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) table: Table,
    pub(crate) authenticator: Authenticator,
    pub(crate) letters: Arc<LetterQueues>,
}

/// The queues of dead letters, each with the queue that its letters go back to.
pub(crate) struct LetterQueues(Vec<(DeadLetterKind, DeadLetterQueue, Queue)>);

impl LetterQueues {
    /// Takes their URLs from the settings.
    pub(crate) fn new(start: &mut Start) -> Self {
        let pair = |kind: DeadLetterKind| {
            let (dead, queue) = settings(kind);
            (kind, start.dead_letter_queue(dead), start.queue(queue))
        };
        Self(DeadLetterKind::ALL.into_iter().map(pair).collect())
    }

    /// The queue of a kind's letters, and where they go back; `None` for no kind: each is there.
    pub(crate) fn of(&self, kind: DeadLetterKind) -> Option<(&DeadLetterQueue, &Queue)> {
        self.0.iter().find(|it| it.0 == kind).map(|it| (&it.1, &it.2))
    }
}

/// The settings with the URLs of a kind's dead letters and of its queue.
fn settings(kind: DeadLetterKind) -> (&'static str, &'static str) {
    match kind {
        DeadLetterKind::Scan => ("SCAN_DEAD", "SCAN_QUEUE"),
        DeadLetterKind::Iconik => ("ICONIK_DEAD", "ICONIK_QUEUE"),
        DeadLetterKind::Faces => ("FACES_DEAD", "FACES_QUEUE"),
        DeadLetterKind::Objects => ("OBJECTS_DEAD", "OBJECTS_QUEUE"),
        DeadLetterKind::Translations => ("TRANSLATIONS_DEAD", "TRANSLATIONS_QUEUE"),
        DeadLetterKind::Render => ("RENDER_DEAD", "RENDER_QUEUE"),
        DeadLetterKind::Webhook => ("WEBHOOK_DEAD", "WEBHOOK_QUEUE"),
        DeadLetterKind::Amqp => ("AMQP_DEAD", "AMQP_QUEUE"),
        DeadLetterKind::SignalR => ("SIGNALR_DEAD", "SIGNALR_QUEUE"),
        DeadLetterKind::Push => ("PUSH_DEAD", "PUSH_QUEUE"),
        DeadLetterKind::Nms => ("NMS_DEAD", "NMS_QUEUE"),
    }
}

impl FromRef<Context> for Authenticator {
    fn from_ref(context: &Context) -> Self {
        context.authenticator.clone()
    }
}
