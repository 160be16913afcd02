//! What a run has shown.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::consumers::index;
use super::ledger::ledger_error;
use super::plan::Receiver;
use super::run::Run;
use super::settle::{Outcome, Reason};
use super::state::Saved;
use crate::error::CliError;
use crate::print::{self, outln};

/// A receiver's line.
struct Line {
    receiver: Receiver,
    wanted: u32,
    came: u32,
    given_up: u32,
    switched_off: u32,
    superseded: u32,
    lost: u32,
    /// Events that came more than once, and how often at most.
    repeated: u64,
    most: u8,
    wrong: u32,
}

/// The figures of a run.
pub(super) struct Report {
    saved: Saved,
    accepted: u32,
    lines: Vec<Line>,
    reordered: u32,
    forged: u32,
    gap: bool,
    leftovers: usize,
    dead_letters: usize,
    without_faults: bool,
}

impl Report {
    pub(super) fn new(run: &Run, outcome: Outcome) -> Result<Self, CliError> {
        let lines = run.receivers().map(|receiver| {
            let missing = outcome.missing.get(receiver.name());
            let count =
                |wanted: &[Reason]| missing.into_iter().flatten().filter(|it| wanted.contains(it.1)).count() as u32;
            let (repeated, most) = run.ledger.repeated(receiver);
            let on_socket = match receiver {
                // a client of a numbered stream ignores what it has
                Receiver::Socket(protocol) => run.repeated[index(protocol)].load(Ordering::Relaxed),
                _ => 0,
            };
            Line {
                receiver,
                wanted: run.plan.wanted(receiver),
                came: run.ledger.arrived(receiver),
                given_up: count(&[Reason::GivenUp]),
                switched_off: count(&[Reason::SwitchedOff]),
                superseded: count(&[Reason::Superseded]),
                lost: count(&[Reason::Lost, Reason::Untrue]),
                repeated: u64::from(repeated) + on_socket,
                most,
                wrong: run.ledger.wrong(receiver, &run.plan),
            }
        });
        Ok(Self {
            lines: lines.collect(),
            saved: run.state.saved(),
            accepted: run.ledger.accepted(),
            reordered: run.ledger.reordered(&run.plan).map_err(ledger_error)?,
            forged: run.webhooks.forged.load(Ordering::Relaxed),
            gap: run.gap.load(Ordering::Relaxed),
            leftovers: outcome.leftovers,
            dead_letters: outcome.dead_letters,
            without_faults: run.faults.is_empty(),
        })
    }

    /// The promises that were not kept, as texts; empty if all were.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for line in &self.lines {
            let name = line.receiver.name();
            if line.lost > 0 {
                faults.push(format!("{} events are lost at {name}", line.lost));
            }
            if line.came + line.given_up + line.switched_off + line.superseded + line.lost != line.wanted {
                faults.push(format!("the events of {name} do not add up"));
            }
            if line.wrong > 0 {
                faults.push(format!("{} events came to {name} under another id, or unwanted", line.wrong));
            }
            let well =
                matches!(line.receiver, Receiver::Healthy | Receiver::Ordered | Receiver::Queue | Receiver::LongPoll);
            // while the broker is down, a newer event may take the place of one that waits
            let superseded = if line.receiver == Receiver::Queue { line.superseded } else { 0 };
            if well && line.came + superseded != line.wanted {
                faults.push(format!("{} events did not come to {name}, which takes them", line.wanted - line.came));
            }
            if well && self.without_faults && line.repeated > 0 {
                faults.push(format!("{} events came to {name} again, though nothing was killed", line.repeated));
            }
        }
        for (count, text) in [
            (self.reordered as usize, "events came to ordered before an earlier one of their key"),
            (self.forged as usize, "requests had no good signature"),
            (usize::from(self.gap), "gap was told, though nothing has expired"),
            (self.leftovers, "messages are left in queues"),
            (self.dead_letters, "messages are dead letters: a function could not handle them"),
        ] {
            if count > 0 {
                faults.push(format!("{count} {text}"));
            }
        }
        faults
    }

    /// CPU milliseconds per accepted event: of the functions, and of this process with its emulators and receivers.
    fn cpu_ms(&self) -> (f64, f64) {
        let per_event = |seconds: f64| seconds * 1_000.0 / f64::from(self.accepted.max(1));
        (per_event(self.saved.functions_cpu.values().sum()), per_event(self.saved.own_cpu))
    }

    pub(super) fn to_json(&self) -> Value {
        let receivers: Vec<Value> = self
            .lines
            .iter()
            .map(|line| {
                json!({
                    "receiver": line.receiver.name(), "wanted": line.wanted, "came": line.came, "given_up": line.given_up,
                    "switched_off": line.switched_off, "superseded": line.superseded, "lost": line.lost,
                    "repeated": line.repeated, "most_copies": line.most, "wrong": line.wrong,
                })
            })
            .collect();
        let (functions, own) = self.cpu_ms();
        let counts = &self.saved.counts;
        json!({
            "seed": self.saved.seed, "messages": self.saved.messages, "accepted": self.accepted,
            "receivers": receivers, "reordered": self.reordered, "leftovers": self.leftovers,
            "functions_killed": counts.functions_killed, "stack_restarts": counts.stack_restarts,
            "broker_kills": counts.broker_kills, "sockets_cut": counts.sockets_cut, "resumed": counts.resumed,
            "accepted_after_s": self.saved.accepted_after, "seconds": self.saved.seconds,
            "functions_cpu_ms": functions, "process_cpu_ms": own, "faults": self.faults(),
        })
    }

    pub(super) fn print(&self) {
        let (saved, counts) = (&self.saved, &self.saved.counts);
        outln!("| receiver | wanted | came | given up | switched off | superseded | lost | came again |");
        outln!("|---|---|---|---|---|---|---|---|");
        for line in &self.lines {
            outln!(
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                line.receiver.description(),
                line.wanted,
                line.came,
                line.given_up,
                line.switched_off,
                line.superseded,
                line.lost,
                line.repeated
            );
        }
        let (functions, own) = self.cpu_ms();
        let delivered: u64 = self.lines.iter().map(|it| u64::from(it.came)).sum();
        outln!("");
        outln!("| the run | |");
        outln!("|---|---|");
        outln!("| seed | {} |", saved.seed);
        outln!("| accepted, of {} | {} |", saved.messages, self.accepted);
        outln!("| delivered to all receivers | {delivered} |");
        outln!("| out of their key's order | {} |", self.reordered);
        outln!("| functions killed | {} |", counts.functions_killed);
        outln!("| stacks killed | {} |", counts.stack_restarts);
        outln!("| brokers killed | {} |", counts.broker_kills);
        outln!("| sockets cut | {} |", counts.sockets_cut);
        outln!("| interrupted and continued | {} |", counts.resumed);
        outln!("| time until all were accepted | {:.0} s |", saved.accepted_after);
        outln!("| time until all were accounted for | {:.0} s |", saved.seconds);
        outln!("| CPU of the functions, per event | {functions:.2} ms |");
        outln!("| CPU of the emulators and receivers, per event | {own:.2} ms |");
        match self.faults() {
            faults if faults.is_empty() => {
                print::success("every accepted event is accounted for at every receiver that wanted it");
            }
            faults => faults.iter().for_each(|it| print::failure(it)),
        }
    }
}
