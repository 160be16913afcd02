//! The reset of a box: all that is in it goes at once, and clients read it anew (NMS 5.3.2, `ResetBox`).

use domain::message_store::{BOX_RESET, BoxId, Stored};
use domain::notification::NewNotification;
use entry::clock;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::changes;
use crate::answer::{Answer, FaultResponse};
use crate::context::Context;

/// Things that are deleted at a time.
const MAX_CONCURRENT: usize = 16;

/// Empties a box, an extension of ours: its subscriptions are told `resetBox`.
///
/// The reset has its place among the box's changes, so that a replay across it tells of it; what is stored after it stays. A
/// repeat after a crash completes it.
#[utoipa::path(delete, path = "/nms/v1/{storeName}/{boxId}", tag = "OMA message store",
    security(("keys" = [])), params(("storeName" = String, Path), ("boxId" = String, Path)),
    responses((status = 204)))]
pub(super) async fn reset(context: &Context, in_box: &BoxId) -> Result<Answer, FaultResponse> {
    let reset = NewNotification::new(BOX_RESET, json!({}));
    let write = clock::random_alphanumeric(16);
    let at = context.table.append(in_box.app, &in_box.stream(), &[reset], &write, clock::now()).await?;
    let doomed = context.table.all_stored(in_box).await?.into_iter().filter(|it| it.changed_seq < at.sequence);
    let deletions = doomed.map(|it| forget(context, it));
    stream::iter(deletions).buffer_unordered(MAX_CONCURRENT).try_collect::<()>().await?;
    changes::notify(context, in_box).await;
    Ok(Answer::Empty)
}

async fn forget(context: &Context, thing: Stored) -> Result<(), FaultResponse> {
    let in_box = &thing.in_box;
    if !context.table.forget_stored(&thing).await? {
        return Ok(()); // it was changed after the reset
    }
    if thing.payload.is_some() {
        context.table.delete_payload(in_box, thing.id).await?;
    }
    Ok(())
}
