//! The end of a run: waits until every accepted event is accounted for at every receiver that wanted it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::ledger::ledger_error;
use super::plan::Receiver;
use super::run::Run;
use crate::client::poll_delay;
use crate::error::CliError;

/// Without any change for so long, what is not accounted for counts as lost. The breaker waits an hour at most between its
/// probes, which a long run reaches.
const PATIENCE: Duration = Duration::from_secs(75 * 60);
/// Polls between two looks, at most: six seconds.
const MAX_PACE: u32 = 20;
/// Explanations that are asked for at the same time.
const CONCURRENT: usize = 8;

/// Why a receiver did not get an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// Its retries were used up, and its record says so.
    GivenUp,
    /// The channel was switched off, by its failures or by its owner.
    SwitchedOff,
    /// A newer event has the same collapse key.
    Superseded,
    /// The API says that it was delivered, and it never came.
    Untrue,
    /// Nobody knows.
    Lost,
}

/// What was found in the end.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Events that did not come, by receiver and number.
    pub(super) missing: BTreeMap<&'static str, BTreeMap<u32, Reason>>,
    /// Messages that are left in queues.
    pub(super) leftovers: usize,
    /// Messages that a function could not handle.
    pub(super) dead_letters: usize,
}

impl Run {
    pub(super) async fn settle(&self) -> Result<Outcome, CliError> {
        self.switch_off_failing().await?;
        let (mut outcome, mut seen, mut changed, mut pace) = (Outcome::default(), None, Instant::now(), 1);
        loop {
            // the clock of the table's due deliveries: each minute, and here more often
            if let Some(stack) = self.stack.read().await.as_ref() {
                stack.fire_schedule("sweep").await;
            }
            let open = self.account(&mut outcome).await?;
            let state = (open, outcome.leftovers);
            if state == (0, 0) {
                outcome.dead_letters = self.dead_letters().await?;
                return Ok(outcome);
            }
            if seen != Some(state) {
                (seen, changed, pace) = (Some(state), Instant::now(), 1);
            } else if changed.elapsed() > PATIENCE {
                self.give_up(&mut outcome);
                return Ok(outcome);
            }
            // each look asks for what has not come: the longer nothing has changed, the less often
            for _ in 0..pace {
                poll_delay().await;
            }
            pace = (pace * 2).min(MAX_PACE);
        }
    }

    /// Its owner switches the channel off that always fails: what waits for it is accounted for by that.
    async fn switch_off_failing(&self) -> Result<(), CliError> {
        let Some(id) = self.channel_id(Receiver::Failing) else { return Ok(()) };
        let (_, mut form) = self.channel_form(Receiver::Failing);
        form["isActive"] = json!("false");
        let path = self.channel_path(&id).replacen('?', "/WebHook?", 1);
        self.api.call_until_answered("PUT", &path, &form, None).await.map(drop)
    }

    fn missing(&self, receiver: Receiver) -> Vec<u32> {
        self.plan.numbers_for(receiver).filter(|it| !self.ledger.has_arrived(receiver, *it)).collect()
    }

    /// Looks at what has not come; answers how many events are not accounted for.
    async fn account(&self, outcome: &mut Outcome) -> Result<usize, CliError> {
        let mut open = 0;
        for receiver in self.receivers() {
            let missing = self.missing(receiver);
            let known = outcome.missing.entry(receiver.name()).or_default();
            known.retain(|number, _| !self.ledger.has_arrived(receiver, *number));
            let asked: Vec<u32> = missing.into_iter().filter(|it| !known.contains_key(it)).collect();
            let channel = self.channel_id(receiver);
            let Some(channel) = channel.filter(|_| !asked.is_empty()) else {
                open += asked.len();
                continue;
            };
            let ids = self.ledger.ids(&asked).map_err(ledger_error)?;
            let verdicts: Vec<(u32, Option<Reason>)> = stream::iter(ids)
                .map(|(number, id)| self.explain(&channel, number, id))
                .buffer_unordered(CONCURRENT)
                .try_collect()
                .await?;
            for (number, reason) in verdicts {
                match reason {
                    Some(reason) if !self.ledger.has_arrived(receiver, number) => drop(known.insert(number, reason)),
                    Some(_) => {}
                    None => open += 1,
                }
            }
        }
        outcome.leftovers = self.leftovers().await?;
        Ok(open)
    }

    /// Why an event has not come to a channel; `None` while it is under way.
    async fn explain(&self, channel: &str, number: u32, id: String) -> Result<(u32, Option<Reason>), CliError> {
        let path = format!(
            "/api/v1/Notification/Explain?applicationId={}&configurationId={channel}&notification={id}",
            self.api.keys.application_id
        );
        let why = self.api.call_until_answered("GET", &path, &Value::Null, None).await?;
        let reasons = why["reasons"].to_string();
        let reason = match why["verdict"].as_str().unwrap_or_default() {
            "dead" => Some(Reason::GivenUp),
            "disabled" => Some(Reason::SwitchedOff),
            "unwanted" if reasons.contains("inactive") || reasons.contains("given up") => Some(Reason::SwitchedOff),
            "dropped" if reasons.contains("newer notification") => Some(Reason::Superseded),
            "delivered" => Some(Reason::Untrue),
            _ => None,
        };
        Ok((number, reason))
    }

    /// What has not come by now, and is not accounted for, is lost.
    fn give_up(&self, outcome: &mut Outcome) {
        for receiver in self.receivers() {
            let missing = self.missing(receiver);
            let known = outcome.missing.entry(receiver.name()).or_default();
            for number in missing {
                known.entry(number).or_insert(Reason::Lost);
            }
        }
    }

    /// Messages in queues that are not for dead letters.
    async fn leftovers(&self) -> Result<usize, CliError> {
        let stack = self.stack.read().await;
        let Some(stack) = stack.as_ref() else { return Ok(1) };
        let mut left = 0;
        for queue in stack.sqs.queue_names().filter(|it| !is_for_dead_letters(it)) {
            left += stack.sqs.bodies(queue).map_err(|it| CliError::Queues(it.into()))?.len();
        }
        Ok(left)
    }

    /// Messages in queues of dead letters. What was given up is in none: its record stands in the table.
    async fn dead_letters(&self) -> Result<usize, CliError> {
        let stack = self.stack.read().await;
        let Some(stack) = stack.as_ref() else { return Ok(0) };
        let mut letters = 0;
        for queue in stack.sqs.queue_names().filter(|it| is_for_dead_letters(it)) {
            letters += stack.sqs.bodies(queue).map_err(|it| CliError::Queues(it.into()))?.len();
        }
        Ok(letters)
    }
}

fn is_for_dead_letters(queue: &str) -> bool {
    queue.ends_with("Dead")
}
