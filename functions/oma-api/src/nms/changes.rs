//! Changes of a box: each is stored with the notification that tells of it, and its subscriptions are told.

use domain::message_store::{BoxId, Stored};
use entry::clock;
use oma::Fault;
use table::TableError;

use crate::answer::FaultResponse;
use crate::context::Context;

/// Tries of a change against other writers.
const MAX_TRIES: usize = 20;

/// Stores a new thing. Whoever does tells of it.
pub(super) async fn create(context: &Context, new: &Stored) -> Result<Stored, FaultResponse> {
    let stored = context.table.commit_stored(None, new, clock::now()).await?;
    stored.ok_or_else(|| {
        FaultResponse::internal(&TableError::Conflict { row: format!("{} of {}", new.id, new.in_box.name) })
    })
}

/// Changes a thing as [`change`] does, and tells of it.
pub(super) async fn change_and_notify(
    context: &Context,
    in_box: &BoxId,
    id: u64,
    to: impl FnMut(&mut Stored) -> bool,
) -> Result<(Stored, bool), FaultResponse> {
    let outcome = change(context, in_box, id, to).await?;
    if outcome.1 {
        notify(context, in_box).await;
    }
    Ok(outcome)
}

/// Changes a thing that is there, again if another writer was faster; `change` returns `false` if there is nothing to change.
/// The thing, and whether it was changed. A folder whose new name is taken is refused. Whoever does tells of it.
pub(super) async fn change(
    context: &Context,
    in_box: &BoxId,
    id: u64,
    mut change: impl FnMut(&mut Stored) -> bool,
) -> Result<(Stored, bool), FaultResponse> {
    for _ in 0..MAX_TRIES {
        let Some(before) = context.table.stored(in_box, id).await?.filter(Stored::is_live) else {
            return Err(Fault::unknown_resource().into());
        };
        let mut thing = before.clone();
        if !change(&mut thing) {
            return Ok((thing, false));
        }
        thing.revision += 1;
        if let Some(stored) = context.table.commit_stored(Some(&before), &thing, clock::now()).await? {
            return Ok((stored, true));
        }
        if has_other_owner(context, &thing).await? {
            return Err(name_taken());
        }
    }
    Err(FaultResponse::internal(&TableError::Conflict { row: format!("{id} of {}", in_box.name) }))
}

/// Whether another folder has the name of a folder, as it would be.
async fn has_other_owner(context: &Context, folder: &Stored) -> Result<bool, FaultResponse> {
    let Some(name) = folder.folder_name.as_deref().filter(|_| folder.is_live()) else { return Ok(false) };
    let owner = context.table.folder_named(&folder.in_box, folder.parent, name).await?;
    Ok(owner.is_some_and(|it| it != folder.id))
}

/// Another folder has the name.
pub(super) fn name_taken() -> FaultResponse {
    Fault::invalid_input("name").with_status(409).into()
}

/// Tells the subscriptions of a box. Whatever fails here, `dispatch` finds the change in the table's stream.
pub(super) async fn notify(context: &Context, in_box: &BoxId) {
    if let Err(error) = context.subscribers.notify(in_box, 0).await {
        tracing::warn!("the subscriptions of a box are told later: {}", entry::Chain(&error));
    }
}

/// The object of an id.
pub(super) async fn object(context: &Context, in_box: &BoxId, id: u64) -> Result<Stored, FaultResponse> {
    let found = context.table.stored(in_box, id).await?.filter(|it| it.is_live() && !it.is_folder());
    Ok(found.ok_or_else(Fault::unknown_resource)?)
}
