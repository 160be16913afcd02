//! The books of a run: which events were accepted, and what came at each receiver. Each line is in a file before a
//! receiver answers, so a run that was interrupted goes on with what it knows.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::plan::{Plan, Receiver};
use crate::error::CliError;

/// The name of accepted events in the file, beside those of the receivers.
const ACCEPTED: &str = "accepted";

/// What is known of each event, by its number. The file has a line per event: a name, the number, the id.
pub(super) struct Ledger {
    path: PathBuf,
    file: Mutex<File>,
    accepted: Column,
    arrived: Vec<Column>,
}

/// What is known of each event at one place.
struct Column {
    /// A hash of the first id; 0 if there is none.
    ids: Vec<AtomicU64>,
    /// How often it came, at most 255 times.
    copies: Vec<AtomicU8>,
    count: AtomicU32,
    /// Events that came under two ids.
    other_id: AtomicU32,
}

impl Column {
    fn new(messages: u32) -> Self {
        let of = |_| AtomicU64::new(0);
        Self {
            ids: (0..messages).map(of).collect(),
            copies: (0..messages).map(|_| AtomicU8::new(0)).collect(),
            count: AtomicU32::new(0),
            other_id: AtomicU32::new(0),
        }
    }

    fn add(&self, number: u32, id: &str) {
        let (index, hash) = (number as usize, hash(id));
        let (Some(known), Some(copies)) = (self.ids.get(index), self.copies.get(index)) else { return };
        if copies.load(Ordering::Relaxed) < u8::MAX {
            copies.fetch_add(1, Ordering::Relaxed);
        }
        match known.compare_exchange(0, hash, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            Err(first) if first != hash => {
                self.other_id.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {}
        }
    }
}

/// FNV-1a (RFC 9923), never 0.
fn hash(id: &str) -> u64 {
    let step = |it: u64, byte: u8| (it ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    id.bytes().fold(0xcbf2_9ce4_8422_2325, step) | 1
}

impl Ledger {
    /// The ledger of a run of so many events, with what its file holds.
    pub(super) fn open(path: &Path, messages: u32) -> std::io::Result<Self> {
        let file = File::options().create(true).append(true).read(true).open(path)?;
        let ledger = Self {
            path: path.to_owned(),
            file: Mutex::new(file),
            accepted: Column::new(messages),
            arrived: Receiver::ALL.iter().map(|_| Column::new(messages)).collect(),
        };
        let mut whole = 0;
        ledger.each_line(|line| {
            whole += line.len() as u64 + 1;
            if let Some((name, number, id)) = parse(line)
                && let Some(column) = ledger.column(name)
            {
                column.add(number, id);
            }
        })?;
        // a line that was cut
        ledger.file.lock().unwrap_or_else(PoisonError::into_inner).set_len(whole)?;
        Ok(ledger)
    }

    fn column(&self, name: &str) -> Option<&Column> {
        if name == ACCEPTED {
            return Some(&self.accepted);
        }
        Receiver::ALL.iter().position(|it| it.name() == name).map(|it| &self.arrived[it])
    }

    fn at(&self, receiver: Receiver) -> &Column {
        &self.arrived[receiver.index()]
    }

    fn each_line(&self, mut take: impl FnMut(&str)) -> std::io::Result<()> {
        let mut reader = BufReader::new(File::open(&self.path)?);
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 && line.ends_with('\n') {
            take(line.trim_end());
            line.clear();
        }
        Ok(())
    }

    fn write(&self, name: &str, number: u32, id: &str) -> std::io::Result<()> {
        let line = format!("{name} {number} {id}\n");
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())
    }

    /// An event was accepted under an id.
    pub(super) fn accept(&self, number: u32, id: &str) -> std::io::Result<()> {
        self.write(ACCEPTED, number, id)?;
        self.accepted.add(number, id);
        Ok(())
    }

    /// An event has come. It is not to be acknowledged if this fails.
    pub(super) fn arrive(&self, receiver: Receiver, number: u32, id: &str) -> std::io::Result<()> {
        self.write(receiver.name(), number, id)?;
        self.at(receiver).add(number, id);
        Ok(())
    }

    pub(super) fn is_accepted(&self, number: u32) -> bool {
        self.accepted.ids.get(number as usize).is_some_and(|it| it.load(Ordering::Relaxed) != 0)
    }

    pub(super) fn has_arrived(&self, receiver: Receiver, number: u32) -> bool {
        self.at(receiver).ids.get(number as usize).is_some_and(|it| it.load(Ordering::Relaxed) != 0)
    }

    /// Number of accepted events.
    pub(super) fn accepted(&self) -> u32 {
        self.accepted.count.load(Ordering::Relaxed)
    }

    /// Number of events that have come at a receiver.
    pub(super) fn arrived(&self, receiver: Receiver) -> u32 {
        self.at(receiver).count.load(Ordering::Relaxed)
    }

    /// Events that came more than once, and how often at most.
    pub(super) fn repeated(&self, receiver: Receiver) -> (u32, u8) {
        let copies = self.at(receiver).copies.iter().map(|it| it.load(Ordering::Relaxed)).filter(|it| *it > 1);
        copies.fold((0, 1), |(count, most), it| (count + 1, most.max(it)))
    }

    /// Events that came under another id than the one under which they were accepted, or under two, or that the receiver
    /// does not want.
    pub(super) fn wrong(&self, receiver: Receiver, plan: &Plan) -> u32 {
        let column = self.at(receiver);
        let wrong = column.ids.iter().enumerate().filter(|(number, id)| {
            let id = id.load(Ordering::Relaxed);
            let accepted = self.accepted.ids[*number].load(Ordering::Relaxed);
            id != 0 && (id != accepted || !receiver.wants(plan.kind(*number as u32)))
        });
        wrong.count() as u32 + column.other_id.load(Ordering::Relaxed) + self.accepted.other_id.load(Ordering::Relaxed)
    }

    /// The ids of accepted events.
    pub(super) fn ids(&self, numbers: &[u32]) -> std::io::Result<BTreeMap<u32, String>> {
        let mut ids = BTreeMap::new();
        self.each_line(|line| {
            if let Some((ACCEPTED, number, id)) = parse(line)
                && numbers.binary_search(&number).is_ok()
            {
                ids.insert(number, id.to_owned());
            }
        })?;
        Ok(ids)
    }

    /// Events that came to the ordered receiver for the first time after a later one of their key.
    pub(super) fn reordered(&self, plan: &Plan) -> std::io::Result<u32> {
        let (mut last, mut reordered) = (HashMap::<String, u32>::new(), 0);
        let mut seen = vec![false; plan.messages as usize];
        self.each_line(|line| {
            let Some((name, number, _)) = parse(line).filter(|it| it.1 < plan.messages) else { return };
            if name != Receiver::Ordered.name() || std::mem::replace(&mut seen[number as usize], true) {
                return;
            }
            let last = last.entry(plan.ordering_key(number).unwrap_or_default()).or_default();
            reordered += u32::from(*last > number);
            *last = number.max(*last);
        })?;
        Ok(reordered)
    }
}

/// The error of a ledger that cannot be read or written.
pub(super) fn ledger_error(error: std::io::Error) -> CliError {
    CliError::Other(format!("the ledger: {error}"))
}

fn parse(line: &str) -> Option<(&str, u32, &str)> {
    let mut parts = line.splitn(3, ' ');
    Some((parts.next()?, parts.next()?.parse().ok()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_that_was_cut_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let ledger = Ledger::open(&path, 10).unwrap();
        ledger.accept(1, "a").unwrap();
        ledger.arrive(Receiver::Healthy, 1, "a").unwrap();
        ledger.arrive(Receiver::Healthy, 1, "a").unwrap();
        drop(ledger);
        std::fs::File::options().append(true).open(&path).unwrap().write_all(b"healthy 2 b").unwrap();
        let ledger = Ledger::open(&path, 10).unwrap();
        assert_eq!((ledger.accepted(), ledger.arrived(Receiver::Healthy)), (1, 1));
        assert_eq!(ledger.repeated(Receiver::Healthy), (1, 2));
        ledger.accept(3, "c").unwrap();
        let ledger = Ledger::open(&path, 10).unwrap();
        assert_eq!(ledger.ids(&[1, 2, 3]).unwrap(), [(1, "a".to_owned()), (3, "c".to_owned())].into());
        assert!(ledger.has_arrived(Receiver::Healthy, 1) && !ledger.has_arrived(Receiver::Healthy, 2));
    }

    #[test]
    fn another_id_and_another_order_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::new(1, 2_000);
        let ledger = Ledger::open(&folder.path().join("ledger"), 2_000).unwrap();
        let mut by_key = BTreeMap::<String, Vec<u32>>::new();
        for number in plan.numbers_for(Receiver::Ordered) {
            by_key.entry(plan.ordering_key(number).unwrap()).or_default().push(number);
        }
        let pair = by_key.values().find(|it| it.len() >= 3).unwrap();
        for (number, id) in [(pair[1], "b"), (pair[0], "a"), (pair[1], "b"), (pair[2], "c"), (pair[2], "x")] {
            ledger.arrive(Receiver::Ordered, number, id).unwrap();
        }
        for (number, id) in [(pair[0], "a"), (pair[1], "b"), (pair[2], "c")] {
            ledger.accept(number, id).unwrap();
        }
        assert_eq!(ledger.reordered(&plan).unwrap(), 1);
        assert_eq!(ledger.wrong(Receiver::Ordered, &plan), 1, "one that came under two ids");
        let foreign = plan.numbers_for(Receiver::Socket(crate::socket_client::Protocol::Seed)).next().unwrap();
        ledger.accept(foreign, "f").unwrap();
        ledger.arrive(Receiver::Healthy, foreign, "f").unwrap();
        assert_eq!(ledger.wrong(Receiver::Healthy, &plan), 1, "one that it does not want");
    }
}
