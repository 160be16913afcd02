//! Commits transitions of an item whose other jobs move at the same time.

use domain::item::Item;
use domain::processing::ItemTransition;
use entry::{MessageError, clock};
use table::{CommitOutcome, TableError};

use crate::context::Context;

/// How often an item is read again: others write it a few times per job.
const MAX_READS: usize = 32;

/// Commits what `plan` makes of the item, which is read again as long as others are faster. `None` if the plan is to do
/// nothing.
///
/// # Errors
/// The table fails, or the item changes all the time: the message is received again.
pub(crate) async fn commit(
    context: &Context,
    mut item: Item,
    plan: impl Fn(&Item) -> Option<ItemTransition>,
) -> Result<Option<Item>, MessageError> {
    for _ in 0..MAX_READS {
        let Some(transition) = plan(&item) else { return Ok(None) };
        if context.table.commit(&transition, clock::now()).await? == CommitOutcome::Committed {
            return Ok(Some(transition.item));
        }
        let Some(read) = context.table.item(item.id).await? else { return Ok(None) };
        item = read;
    }
    Err(TableError::Conflict { row: item.id.to_string() }.into())
}
