//! The emulator's objects: JSON by kind and id, in the order of their creation; in memory, and in a journal on disk.
//!
//! Changes are undone, or committed, together. The journal has a line for each object that a commit changed. The next
//! start reads it, and writes it anew without what was replaced.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All objects.
#[derive(Default)]
pub(crate) struct Store {
    kinds: HashMap<String, ObjectsOfKind>,
    next_position: u64,
    /// What the changes since the last commit replaced, in their order.
    undo: Vec<Entry>,
    journal: Option<File>,
}

#[derive(Default)]
struct ObjectsOfKind {
    positions: HashMap<String, u64>,
    objects: BTreeMap<u64, Value>,
}

/// An object at its position, or that there is none. It is a line of the journal.
#[derive(Serialize, Deserialize)]
struct Entry {
    kind: String,
    id: String,
    object: Option<(u64, Value)>,
}

impl Store {
    /// Opens a journal, or an empty store in memory.
    ///
    /// # Errors
    /// If the journal cannot be read or written. A last line that was not written whole is left out.
    pub(crate) fn open(journal: Option<&Path>) -> io::Result<Self> {
        let mut store = Self::default();
        let Some(path) = journal else { return Ok(store) };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        for entry in text.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok()) {
            store.set(entry);
        }
        let compacted = path.with_extension("new");
        let mut file = private_file(&compacted)?;
        for (kind, objects) in &store.kinds {
            for (id, position) in &objects.positions {
                let object = objects.objects.get(position).cloned().map(|it| (*position, it));
                file.write_all(&line(&Entry { kind: kind.clone(), id: id.clone(), object }))?;
            }
        }
        std::fs::rename(&compacted, path)?;
        store.journal = Some(file);
        Ok(store)
    }

    pub(crate) fn get(&self, kind: &str, id: &str) -> Option<&Value> {
        let kind = self.kinds.get(kind)?;
        kind.objects.get(kind.positions.get(id)?)
    }

    /// The objects of a kind, oldest first.
    pub(crate) fn all(&self, kind: &str) -> impl DoubleEndedIterator<Item = &Value> {
        self.kinds.get(kind).into_iter().flat_map(|it| it.objects.values())
    }

    /// Adds an object, or replaces it at its position.
    pub(crate) fn put(&mut self, kind: &str, id: &str, object: Value) {
        let previous = self.entry(kind, id);
        let position = previous.object.as_ref().map_or(self.next_position, |it| it.0);
        self.undo.push(previous);
        self.set(Entry { kind: kind.to_owned(), id: id.to_owned(), object: Some((position, object)) });
    }

    /// Removes an object, if it is there.
    pub(crate) fn remove(&mut self, kind: &str, id: &str) {
        let previous = self.entry(kind, id);
        self.undo.push(previous);
        self.set(Entry { kind: kind.to_owned(), id: id.to_owned(), object: None });
    }

    /// Undoes all changes since the last commit.
    pub(crate) fn roll_back(&mut self) {
        while let Some(previous) = self.undo.pop() {
            self.set(previous);
        }
    }

    /// Keeps all changes since the last commit.
    pub(crate) fn commit(&mut self) {
        let changed: BTreeSet<(String, String)> = self.undo.drain(..).map(|it| (it.kind, it.id)).collect();
        let lines: Vec<u8> = changed.iter().flat_map(|(kind, id)| line(&self.entry(kind, id))).collect();
        if let Some(journal) = &mut self.journal {
            drop(journal.write_all(&lines)); // the stack's own stores report a full disk
        }
    }

    fn entry(&self, kind: &str, id: &str) -> Entry {
        let position = self.kinds.get(kind).and_then(|it| it.positions.get(id));
        let object = position.zip(self.get(kind, id)).map(|(position, object)| (*position, object.clone()));
        Entry { kind: kind.to_owned(), id: id.to_owned(), object }
    }

    fn set(&mut self, entry: Entry) {
        let objects = self.kinds.entry(entry.kind).or_default();
        match entry.object {
            Some((position, object)) => {
                self.next_position = self.next_position.max(position + 1);
                objects.positions.insert(entry.id, position);
                objects.objects.insert(position, object);
            }
            None => {
                if let Some(position) = objects.positions.remove(&entry.id) {
                    objects.objects.remove(&position);
                }
            }
        }
    }
}

/// A line of the journal, with its end.
fn line(entry: &Entry) -> Vec<u8> {
    let mut line = serde_json::to_vec(entry).unwrap_or_default();
    line.push(b'\n');
    line
}

/// An empty file that only its owner may read: keys lie in it.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ids(store: &Store) -> Vec<(&str, i64)> {
        store.all("customer").map(|it| (it["id"].as_str().unwrap(), it["n"].as_i64().unwrap())).collect()
    }

    fn put(store: &mut Store, id: &str, number: i64) {
        store.put("customer", id, json!({ "id": id, "n": number }));
    }

    #[test]
    fn changes_are_undone_together() {
        let mut store = Store::open(None).unwrap();
        put(&mut store, "a", 1);
        put(&mut store, "b", 1);
        store.commit();
        put(&mut store, "b", 2);
        store.remove("customer", "a");
        put(&mut store, "c", 1);
        put(&mut store, "c", 2);
        assert_eq!(ids(&store), [("b", 2), ("c", 2)]);
        store.roll_back();
        assert_eq!(ids(&store), [("a", 1), ("b", 1)]);
        store.roll_back();
        assert_eq!(ids(&store), [("a", 1), ("b", 1)]);
    }

    #[test]
    fn a_restart_keeps_what_was_committed_and_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stripe.jsonl");
        let mut store = Store::open(Some(&path)).unwrap();
        put(&mut store, "z", 1);
        put(&mut store, "a", 1);
        put(&mut store, "gone", 1);
        store.commit();
        store.remove("customer", "gone");
        put(&mut store, "z", 2);
        store.commit();
        put(&mut store, "never", 1);
        drop(store);
        // killed while it wrote
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(br#"{"kind":"customer","id":"half","obj"#).unwrap();
        for _ in 0..2 {
            let mut store = Store::open(Some(&path)).unwrap();
            assert_eq!(ids(&store), [("z", 2), ("a", 1)]);
            put(&mut store, "b", 3);
            assert_eq!(ids(&store), [("z", 2), ("a", 1), ("b", 3)]);
            store.roll_back();
        }
    }
}
