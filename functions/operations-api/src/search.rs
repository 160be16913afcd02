//! The search for an application's letters in a queue that is the deployment's.

use domain::AppId;
use domain::command::ProcessCommand;
use domain::dead_letter::{DeadLetterKind, application};
use entry::http::Problem;
use entry::{DeadLetterQueue, ReceivedLetter, clock};
use serde_json::Value;
use table::TableError;
use time::Duration;

use crate::context::Context;

/// The most letters of the application that one request handles, and the most bytes of them that it holds.
const MAX_OWN: usize = 200;
const MAX_OWN_BYTES: usize = 32 << 20;
/// Letters that one request looks at, and for how long it does: with ten of them in a request of SQS it ends well within the
/// function's time.
const MAX_SEEN: usize = 2_000;
const MAX_TIME: Duration = Duration::seconds(10);
/// How long letters are hidden while one request looks at them, in seconds: longer than that takes.
const VISIBILITY_SECONDS: i32 = 30;
/// How long a request of SQS waits for letters, in seconds.
const WAIT_SECONDS: i32 = 1;

/// Letters that are held while a request looks for the caller's.
pub(crate) struct SeenLetters {
    pub(crate) own: Vec<(ReceivedLetter, Value)>,
    /// Receipt handles of the others'.
    others: Vec<String>,
    /// Whether there were more than one request looks at.
    is_cut: bool,
    /// Whether there may be more.
    pub(crate) more: bool,
}

impl SeenLetters {
    /// What is shown to others again beside the `kept` ones. Where the request ended before the queue did, the others' stay hidden
    /// for a moment, so that the next request reaches those behind them.
    pub(crate) fn released<'a>(&'a self, kept: impl Iterator<Item = &'a ReceivedLetter>) -> Vec<&'a str> {
        let others = self.others.iter().filter(|_| !self.is_cut).map(String::as_str);
        kept.map(|it| it.receipt_handle.as_str()).chain(others).collect()
    }
}

/// Receives letters until none comes any more, or there are enough, and tells the application's from the others. All of them stay
/// hidden until they are released, or their time is over.
pub(crate) async fn look_for(
    context: &Context,
    kind: DeadLetterKind,
    app: AppId,
    dead: &DeadLetterQueue,
) -> Result<SeenLetters, Problem> {
    let mut seen = SeenLetters { own: Vec::new(), others: Vec::new(), is_cut: false, more: false };
    let (deadline, mut own_bytes) = (clock::now() + MAX_TIME, 0);
    let depth = usize::try_from(dead.depth().await?).unwrap_or(usize::MAX);
    loop {
        let count = seen.own.len() + seen.others.len();
        seen.more = count < depth;
        if depth > 0 && count >= depth {
            break;
        }
        if seen.own.len() >= MAX_OWN || own_bytes >= MAX_OWN_BYTES || count >= MAX_SEEN || clock::now() >= deadline {
            (seen.is_cut, seen.more) = (true, true);
            break;
        }
        // an empty queue is asked without a wait: its count may be a minute old
        let received = dead.receive(VISIBILITY_SECONDS, if depth == 0 { 0 } else { WAIT_SECONDS }).await?;
        if received.is_empty() {
            break;
        }
        for letter in received {
            let message: Value = serde_json::from_str(&letter.body).unwrap_or_default();
            if owner(context, kind, &message).await? == Some(app) {
                own_bytes += letter.body.len();
                seen.own.push((letter, message));
            } else {
                seen.others.push(letter.receipt_handle);
            }
        }
    }
    Ok(seen)
}

/// The application that a message is for. An order to process an item names the item alone.
async fn owner(context: &Context, kind: DeadLetterKind, message: &Value) -> Result<Option<AppId>, TableError> {
    if !matches!(kind, DeadLetterKind::Faces | DeadLetterKind::Objects | DeadLetterKind::Translations) {
        return Ok(application(message));
    }
    match serde_json::from_value::<ProcessCommand>(message.clone()) {
        Ok(command) => Ok(context.table.item(command.item).await?.map(|it| it.app)),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_letters_stay_hidden_where_there_are_more() {
        let letter = |handle: &str| ReceivedLetter {
            id: "i".to_owned(),
            receipt_handle: handle.to_owned(),
            body: String::new(),
            reason: None,
            sent_at: 0,
        };
        let kept = [letter("own")];
        for (is_cut, want) in [(false, &["own", "other"][..]), (true, &["own"])] {
            let seen = SeenLetters { own: Vec::new(), others: vec!["other".to_owned()], is_cut, more: is_cut };
            assert_eq!(seen.released(kept.iter()), want);
        }
    }
}
