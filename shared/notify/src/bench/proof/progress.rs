//! Progress of a run: what is measured, saved and printed while it goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::cpu::{FunctionsCpu, own_seconds};
use super::run::Run;
use crate::client::poll_delay;
use crate::print;

/// How often a line of progress is printed.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

impl Run {
    /// Saves the state, measures, and prints progress, until the run ends.
    pub(super) async fn watch(self: Arc<Self>) {
        let (began, before) = (Instant::now(), self.state.saved());
        let (first, mut printed) = (self.ledger.accepted(), Instant::now());
        let own_before = own_seconds();
        let mut cpu = FunctionsCpu::default();
        loop {
            poll_delay().await;
            cpu.sample();
            let mut functions = before.functions_cpu.clone();
            for (name, seconds) in cpu.by_function() {
                *functions.entry(name).or_default() += seconds;
            }
            self.state.change(|saved| {
                saved.seconds = before.seconds + began.elapsed().as_secs_f64();
                saved.functions_cpu = functions;
                saved.own_cpu = before.own_cpu + own_seconds() - own_before;
            });
            if let Err(error) = self.state.save() {
                print::note(&error.to_string());
            }
            if printed.elapsed() >= PROGRESS_INTERVAL {
                printed = Instant::now();
                self.print_progress(self.ledger.accepted() - first, began.elapsed());
            }
        }
    }

    fn print_progress(&self, new: u32, took: Duration) {
        let (accepted, all) = (self.ledger.accepted(), self.plan.messages);
        let (delivered, wanted) = self.receivers().fold((0_u64, 0_u64), |(delivered, wanted), it| {
            (delivered + u64::from(self.ledger.arrived(it)), wanted + u64::from(self.plan.wanted(it)))
        });
        let rate = f64::from(new) / took.as_secs_f64().max(1.0);
        let left = f64::from(all - accepted) / rate.max(0.001);
        let eta = match accepted {
            it if it == all => "accounting".to_owned(),
            _ if new == 0 => "waiting".to_owned(),
            _ => format!("{rate:.0} a second, about {:.0} min left", (left / 60.0).ceil()),
        };
        let counts = self.state.change(|it| it.counts.clone());
        print::note(&format!(
            "{accepted} of {all} accepted, {delivered} of {wanted} delivered; {eta}; {} functions, {} stacks, {} brokers killed",
            counts.functions_killed, counts.stack_restarts, counts.broker_kills
        ));
    }
}
