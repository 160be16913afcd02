//! What a run publishes, who wants it, and what is killed when: the same for the same seed.

use serde_json::{Value, json};

use crate::socket_client::Protocol;

/// Publishers that work at the same time. Each has every 16th batch, and ordering keys of its own, so that the numbers of
/// a key rise in the order in which they are published.
pub(super) const PUBLISHERS: u32 = 16;
/// The most events of a request (publish, one batch), and of one in a small run, which has many requests nevertheless.
const MAX_BATCH: u32 = 100;
const MAX_BATCH_OF_SMALL_RUN: u32 = 4;
/// One batch of so many is for a user's inbox.
const NOTE_EVERY: u64 = 10;
/// One event of so many has an ordering key.
const KEYED_EVERY: u64 = 10;
/// At most so many events are for the receivers that hang and fail: what they do not take is asked for one by one.
const MAX_RARE: u32 = 5_000;

/// What kind of event a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Common,
    /// With an ordering key.
    Keyed,
    /// What the receivers that hang, fail and are slow want.
    Rare,
    /// A notification to the user of a socket.
    Note(Protocol),
}

/// Who receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receiver {
    Healthy,
    Ordered,
    Slow,
    Hanging,
    Flapping,
    Failing,
    Queue,
    LongPoll,
    Socket(Protocol),
}

impl Receiver {
    pub(super) const ALL: [Self; 11] = [
        Self::Healthy,
        Self::Ordered,
        Self::Slow,
        Self::Hanging,
        Self::Flapping,
        Self::Failing,
        Self::Queue,
        Self::LongPoll,
        Self::Socket(Protocol::Native),
        Self::Socket(Protocol::Signalr),
        Self::Socket(Protocol::Seed),
    ];
    pub(super) const WEBHOOKS: [Self; 6] =
        [Self::Healthy, Self::Ordered, Self::Slow, Self::Hanging, Self::Flapping, Self::Failing];

    /// Its place in [`Receiver::ALL`].
    pub(super) fn index(self) -> usize {
        Self::ALL.iter().position(|it| *it == self).unwrap_or_default()
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Ordered => "ordered",
            Self::Slow => "slow",
            Self::Hanging => "hanging",
            Self::Flapping => "flapping",
            Self::Failing => "failing",
            Self::Queue => "rabbitmq",
            Self::LongPoll => "long-poll",
            Self::Socket(Protocol::Native) => "native",
            Self::Socket(Protocol::Signalr) => "signalr",
            Self::Socket(Protocol::Seed) => "seed",
        }
    }

    /// What it is, for the report.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Healthy => "webhook, healthy",
            Self::Ordered => "webhook, `ordering=key`, 503 to each 50th",
            Self::Slow => "webhook, 0.3 s for each answer",
            Self::Hanging => "webhook that hangs for a third of the run",
            Self::Flapping => "webhook, 20 answers of 204 and 20 of 500 in turn",
            Self::Failing => "webhook that answers 500, switched off in the end",
            Self::Queue => "RabbitMQ queue",
            Self::LongPoll => "long poll",
            Self::Socket(Protocol::Native) => "socket, native protocol",
            Self::Socket(Protocol::Signalr) => "socket, SignalR",
            Self::Socket(Protocol::Seed) => "socket, the seed's protocol",
        }
    }

    pub(super) fn wants(self, kind: Kind) -> bool {
        match self {
            Self::Healthy | Self::LongPoll => !matches!(kind, Kind::Note(_)),
            Self::Ordered => kind == Kind::Keyed,
            Self::Slow | Self::Hanging | Self::Flapping | Self::Failing => kind == Kind::Rare,
            Self::Queue => matches!(kind, Kind::Keyed | Kind::Rare),
            // the original system's protocol has no stream of the application
            Self::Socket(Protocol::Seed) => kind == Kind::Note(Protocol::Seed),
            Self::Socket(protocol) => !matches!(kind, Kind::Note(other) if other != protocol),
        }
    }

    /// The types that its channel accepts.
    pub(super) fn types(self) -> &'static str {
        match self {
            Self::Ordered => "proof.keyed",
            Self::Slow | Self::Hanging | Self::Flapping | Self::Failing => "proof.rare",
            Self::Queue => "proof.keyed,proof.rare",
            _ => "proof.*",
        }
    }
}

/// Events that are published with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) number: u32,
    pub(super) first: u32,
    pub(super) count: u32,
    /// They are notifications to the user of this socket.
    pub(super) note_to: Option<Protocol>,
}

/// What happens to the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Kill(&'static str),
    CutSockets,
    KillBroker,
    RestartStack,
}

/// The functions that are killed.
const FUNCTIONS: [&str; 7] =
    ["messages-api", "inbox-api", "dispatch", "deliver-webhook", "deliver-amqp", "deliver-push", "socket"];

/// The plan of a run.
#[derive(Debug)]
pub(super) struct Plan {
    seed: u64,
    pub(super) messages: u32,
    batches: Vec<Batch>,
    /// How many events each of [`Receiver::ALL`] wants.
    wanted: [u32; Receiver::ALL.len()],
}

impl Plan {
    pub(super) fn new(seed: u64, messages: u32) -> Self {
        let mut plan = Self { seed, messages, batches: Vec::new(), wanted: [0; Receiver::ALL.len()] };
        let max_batch = (messages / 100).clamp(MAX_BATCH_OF_SMALL_RUN, MAX_BATCH);
        let mut first = 0;
        while first < messages {
            let number = plan.batches.len() as u32;
            // half of the requests have one event
            let size = match plan.roll(number, 0, 2) {
                0 => 1,
                _ => 1 + plan.roll(number, 1, u64::from(max_batch)) as u32,
            };
            let note_to = (plan.roll(number, 2, NOTE_EVERY) == 0).then(|| match plan.roll(number, 3, 3) {
                0 => Protocol::Native,
                1 => Protocol::Signalr,
                _ => Protocol::Seed,
            });
            let count = size.min(messages - first);
            plan.batches.push(Batch { number, first, count, note_to });
            first += count;
        }
        plan.wanted = Receiver::ALL.map(|it| plan.numbers_for(it).count() as u32);
        plan
    }

    /// A number below `sides` that depends on the seed, a number and the question alone.
    fn roll(&self, number: u32, question: u64, sides: u64) -> u64 {
        // SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014)
        let mut it = self.seed ^ (u64::from(number) << 16) ^ (question << 56);
        it = it.wrapping_add(0x9E37_79B9_7F4A_7C15);
        it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (it ^ (it >> 31)) % sides
    }

    /// The batches of a publisher, in their order.
    pub(super) fn batches_of(&self, publisher: u32) -> impl Iterator<Item = Batch> + '_ {
        self.batches.iter().copied().filter(move |it| it.number % PUBLISHERS == publisher)
    }

    /// The batch of an event.
    fn batch(&self, number: u32) -> &Batch {
        &self.batches[self.batches.partition_point(|it| it.first <= number).saturating_sub(1)]
    }

    pub(super) fn kind(&self, number: u32) -> Kind {
        self.kind_in(self.batch(number), number)
    }

    fn kind_in(&self, batch: &Batch, number: u32) -> Kind {
        let rare_every = u64::from((self.messages / MAX_RARE).max(20));
        match batch.note_to {
            Some(protocol) => Kind::Note(protocol),
            None if self.roll(number, 4, rare_every) == 0 => Kind::Rare,
            None if self.roll(number, 5, KEYED_EVERY) == 0 => Kind::Keyed,
            None => Kind::Common,
        }
    }

    pub(super) fn is_note(&self, number: u32) -> bool {
        matches!(self.kind(number), Kind::Note(_))
    }

    /// How many events a receiver wants.
    pub(super) fn wanted(&self, receiver: Receiver) -> u32 {
        self.wanted[receiver.index()]
    }

    pub(super) fn numbers_for(&self, receiver: Receiver) -> impl Iterator<Item = u32> + '_ {
        let numbers = self.batches.iter().flat_map(move |batch| {
            (batch.first..batch.first + batch.count).map(move |number| (number, self.kind_in(batch, number)))
        });
        numbers.filter(move |it| receiver.wants(it.1)).map(|it| it.0)
    }

    /// The body of a batch's request.
    pub(super) fn body(&self, batch: &Batch) -> Value {
        let one = |number: u32| match self.kind_in(batch, number) {
            Kind::Note(_) => json!({ "type": "proof.note", "title": number.to_string() }),
            Kind::Common => json!({ "type": "proof.common", "data": { "n": number } }),
            Kind::Keyed => {
                json!({ "type": "proof.keyed", "data": { "n": number }, "orderingKey": self.key(batch, number) })
            }
            Kind::Rare if self.roll(number, 6, 2) == 0 => {
                let key = format!("collapse-{}", self.roll(number, 7, 4));
                json!({ "type": "proof.rare", "data": { "n": number }, "collapseKey": key })
            }
            Kind::Rare => json!({ "type": "proof.rare", "data": { "n": number } }),
        };
        let all: Vec<Value> = (batch.first..batch.first + batch.count).map(one).collect();
        json!(all)
    }

    fn key(&self, batch: &Batch, number: u32) -> String {
        format!("{}-{}", batch.number % PUBLISHERS, self.roll(number, 8, 8))
    }

    /// The ordering key of an event.
    pub(super) fn ordering_key(&self, number: u32) -> Option<String> {
        let batch = self.batch(number);
        (self.kind_in(batch, number) == Kind::Keyed).then(|| self.key(batch, number))
    }

    /// Whether the ordered receiver refuses the first attempt of an event.
    pub(super) fn refuses_first(&self, number: u32) -> bool {
        self.roll(number, 9, 50) == 0
    }

    /// What happens once so many events are accepted, in this order.
    pub(super) fn faults(&self) -> Vec<(u32, Fault)> {
        let interval = (self.messages / 40).clamp(10, 2_500);
        let restarts = (self.messages / 4).clamp(1, 100_000);
        let broker = (self.messages / 3).clamp(1, 150_000);
        let mut all: Vec<(u32, Fault)> = (1..self.messages / interval)
            .map(|index| {
                let fault = match self.roll(index, 10, 5) {
                    0 => Fault::CutSockets,
                    _ => Fault::Kill(FUNCTIONS[self.roll(index, 11, FUNCTIONS.len() as u64) as usize]),
                };
                (index * interval, fault)
            })
            .collect();
        all.extend((1..self.messages / restarts).map(|it| (it * restarts, Fault::RestartStack)));
        all.extend((1..self.messages / broker).map(|it| (it * broker, Fault::KillBroker)));
        all.sort_by_key(|it| it.0);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_whole_and_the_same_for_the_same_seed() {
        let (plan, again) = (Plan::new(7, 3_000), Plan::new(7, 3_000));
        let numbers: Vec<u32> = plan.batches.iter().flat_map(|it| it.first..it.first + it.count).collect();
        assert_eq!(numbers, (0..3_000).collect::<Vec<_>>(), "each number once");
        assert!(plan.batches.iter().all(|it| (1..=100).contains(&it.count)));
        assert_eq!((&plan.batches, plan.faults()), (&again.batches, again.faults()));
        assert_ne!(plan.batches, Plan::new(8, 3_000).batches);
        let parts: u32 = (0..PUBLISHERS).map(|it| plan.batches_of(it).map(|it| it.count).sum::<u32>()).sum();
        assert_eq!(parts, 3_000);
    }

    #[test]
    fn each_receiver_wants_something_and_each_kind_of_fault_occurs() {
        let plan = Plan::new(1, 2_000);
        for receiver in Receiver::ALL {
            assert!(plan.wanted(receiver) > 0, "{receiver:?}");
            assert!(plan.numbers_for(receiver).all(|it| receiver.wants(plan.kind(it))));
        }
        let faults = plan.faults();
        let has = |wanted: Fault| faults.iter().any(|it| it.1 == wanted);
        assert!(has(Fault::CutSockets) && has(Fault::KillBroker) && has(Fault::RestartStack));
        assert!(faults.iter().filter(|it| matches!(it.1, Fault::Kill(_))).count() > 10);
        assert!(faults.is_sorted_by_key(|it| it.0) && faults.iter().all(|it| it.0 < 2_000));
    }

    #[test]
    fn the_numbers_of_an_ordering_key_are_of_one_publisher() {
        let plan = Plan::new(3, 2_000);
        for batch in &plan.batches {
            for number in batch.first..batch.first + batch.count {
                if let Some(key) = plan.ordering_key(number) {
                    assert!(key.starts_with(&format!("{}-", batch.number % PUBLISHERS)));
                }
            }
        }
    }

    #[test]
    fn few_of_many_are_for_those_who_fail() {
        let plan = Plan::new(1, 1_000_000);
        assert!((4_000..6_000).contains(&plan.wanted(Receiver::Failing)), "{}", plan.wanted(Receiver::Failing));
        assert!(plan.faults().len() < 500);
    }
}
