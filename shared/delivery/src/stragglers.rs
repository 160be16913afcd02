//! The end of a batch: who takes long is waited for only while others of the batch are under way.
//!
//! An invocation lasts as long as its longest attempt, and the next messages of the queue wait for it. So a receiver that
//! has begun to hang costs the others `SLOW_MS`, and not the whole timeout.

use std::collections::HashSet;
use std::future::pending;
use std::hash::Hash;

use tokio::sync::watch;

/// The attempts of a batch that are under way.
pub(crate) struct Stragglers {
    under_way: watch::Sender<usize>,
    /// Whether the attempts are made to several receivers. Nobody waits for the answers of the only one.
    several_receivers: bool,
}

/// One attempt that is under way, until it is dropped.
pub(crate) struct UnderWay<'a>(&'a Stragglers);

impl Stragglers {
    /// The receivers of a batch: one entry per attempt.
    pub(crate) fn new<K: Eq + Hash>(attempts: &[K]) -> Self {
        let receivers: HashSet<&K> = attempts.iter().collect();
        Self { under_way: watch::Sender::new(attempts.len()), several_receivers: receivers.len() > 1 }
    }

    /// One of the attempts.
    pub(crate) fn attempt(&self) -> UnderWay<'_> {
        UnderWay(self)
    }
}

impl UnderWay<'_> {
    /// Waits until the attempt takes long, and all others of the batch have ended or take long too.
    pub(crate) async fn overtaken(self, takes_long: impl Future<Output = ()>) {
        takes_long.await;
        let batch = self.0;
        drop(self);
        if !batch.several_receivers {
            pending::<()>().await;
        }
        // the sender lives as long as the batch
        drop(batch.under_way.subscribe().wait_for(|count| *count == 0).await);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use futures_util::FutureExt;
    use tokio::sync::Notify;

    use super::*;

    #[test]
    fn an_attempt_is_waited_for_until_it_takes_long_and_the_others_have_ended() {
        let (batch, long) = (Stragglers::new(&["hangs", "healthy"]), Notify::new());
        let healthy = batch.attempt();
        let mut hangs = Box::pin(batch.attempt().overtaken(long.notified()));
        assert!(hangs.as_mut().now_or_never().is_none());
        long.notify_one();
        assert!(hangs.as_mut().now_or_never().is_none(), "another one is under way");
        drop(healthy);
        assert!(hangs.as_mut().now_or_never().is_some());
    }

    #[test]
    fn the_last_one_may_take_as_long_as_one_that_is_quick() {
        let (batch, long) = (Stragglers::new(&["a", "b"]), Notify::new());
        drop(batch.attempt());
        let mut other = Box::pin(batch.attempt().overtaken(long.notified()));
        assert!(other.as_mut().now_or_never().is_none());
        long.notify_one();
        assert!(other.as_mut().now_or_never().is_some());
    }

    #[test]
    fn an_answer_that_comes_ends_the_attempt_like_any_other() {
        let (batch, long) = (Stragglers::new(&["a", "b"]), Notify::new());
        let answered = Box::pin(batch.attempt().overtaken(pending()));
        let mut other = Box::pin(batch.attempt().overtaken(long.notified()));
        long.notify_one();
        assert!(other.as_mut().now_or_never().is_none());
        drop(answered);
        assert!(other.as_mut().now_or_never().is_some());
    }

    #[test]
    fn nobody_waits_for_the_only_receiver() {
        let batch = Stragglers::new(&["a", "a"]);
        drop(batch.attempt());
        assert!(batch.attempt().overtaken(ready(())).now_or_never().is_none());
    }

    #[test]
    fn two_that_hang_do_not_wait_for_each_other() {
        let batch = Stragglers::new(&["a", "b"]);
        let mut a = Box::pin(batch.attempt().overtaken(ready(())));
        assert!(a.as_mut().now_or_never().is_none(), "the other one may still be quick");
        assert!(batch.attempt().overtaken(ready(())).now_or_never().is_some());
        assert!(a.as_mut().now_or_never().is_some());
    }
}
