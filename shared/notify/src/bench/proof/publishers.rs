//! The publishers of a run. Each repeats a request under its key until it is answered.

use std::sync::atomic::Ordering;

use super::super::api::MESSAGES;
use super::ledger::ledger_error;
use super::plan::{Batch, Receiver};
use super::run::Run;
use crate::client::poll_delay;
use crate::error::CliError;

/// Publishers wait while the healthy receiver is so many events behind: a run of any size needs a bounded queue.
const MAX_BEHIND: u32 = 20_000;

impl Run {
    /// Publishes the batches of a publisher that were not accepted yet, one after the other.
    pub(super) async fn publish(&self, publisher: u32) -> Result<(), CliError> {
        for batch in self.plan.batches_of(publisher) {
            // an interrupted run may have written a part of what it was answered
            if (batch.first..batch.first + batch.count).all(|it| self.ledger.is_accepted(it)) {
                continue;
            }
            while self.must_wait() {
                poll_delay().await;
            }
            self.publish_batch(&batch).await?;
        }
        Ok(())
    }

    /// Whether the healthy receiver, or the plan's faults, are behind.
    fn must_wait(&self) -> bool {
        let accepted = self.ledger.accepted();
        let published = accepted - self.notes.load(Ordering::Relaxed);
        published.saturating_sub(self.ledger.arrived(Receiver::Healthy)) > MAX_BEHIND
            || self.faults_are_behind(accepted)
    }

    async fn publish_batch(&self, batch: &Batch) -> Result<(), CliError> {
        let body = self.plan.body(batch);
        let path = match batch.note_to {
            Some(protocol) => format!("/api/v1/Inbox/{}/Notifications", Receiver::Socket(protocol).name()),
            None => MESSAGES.to_owned(),
        };
        let key = format!("proof-{}", batch.number);
        let answer = self.api.call_until_answered("POST", &path, &body, Some(&key)).await?;
        let results = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        if results.len() != batch.count as usize {
            return Err(CliError::Other(format!("{} results for {} events", results.len(), batch.count)));
        }
        for (number, result) in (batch.first..).zip(results) {
            let id = result["id"].as_str();
            let id = id.ok_or_else(|| CliError::Other(format!("event {number} was not accepted: {result}")))?;
            if batch.note_to.is_some() && !self.ledger.is_accepted(number) {
                self.notes.fetch_add(1, Ordering::Relaxed);
            }
            self.ledger.accept(number, id).map_err(ledger_error)?;
        }
        Ok(())
    }
}
