//! Counts of requests to AWS and of their units, as the functions report them in their logs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

/// Counts since the stack started.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meter {
    /// By function and metric: `write_units`, `read_units`, `sqs_requests`, `dynamodb.PutItem`, …
    pub counts: BTreeMap<(String, String), f64>,
    pub invocations: BTreeMap<String, u64>,
    pub busy_time: BTreeMap<String, Duration>,
}

impl Meter {
    /// A metric over all functions.
    pub fn total(&self, metric: &str) -> f64 {
        self.counts.iter().filter(|it| it.0.1 == metric).map(|it| it.1).sum::<f64>() + 0.0 // an empty sum is -0
    }

    /// A metric of one function.
    pub fn of_function(&self, function: &str, metric: &str) -> f64 {
        self.counts.get(&(function.to_owned(), metric.to_owned())).copied().unwrap_or_default()
    }

    /// Invocations over all functions.
    pub fn invocations(&self) -> u64 {
        self.invocations.values().sum()
    }

    /// The difference to an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let counts =
            self.counts.iter().map(|(name, units)| (name.clone(), units - earlier.counts.get(name).unwrap_or(&0.0)));
        let invocations = self
            .invocations
            .iter()
            .map(|(name, count)| (name.clone(), count - earlier.invocations.get(name).unwrap_or(&0)));
        let busy = self.busy_time.iter().map(|(name, time)| {
            (name.clone(), time.saturating_sub(earlier.busy_time.get(name).copied().unwrap_or_default()))
        });
        Self {
            counts: counts.filter(|it| it.1 != 0.0).collect(),
            invocations: invocations.filter(|it| it.1 != 0).collect(),
            busy_time: busy.collect(),
        }
    }

    pub(crate) fn add_invocation(&mut self, function: &str, took: Duration) {
        *self.invocations.entry(function.to_owned()).or_default() += 1;
        *self.busy_time.entry(function.to_owned()).or_default() += took;
    }

    pub(crate) fn add_metrics(&mut self, function: &str, counts: &Value) {
        for (name, units) in counts.as_object().into_iter().flatten() {
            if let Some(units) = units.as_f64() {
                self.add(function, name, units);
            }
        }
    }

    pub(crate) fn add(&mut self, function: &str, metric: &str, units: f64) {
        *self.counts.entry((function.to_owned(), metric.to_owned())).or_default() += units;
    }
}
