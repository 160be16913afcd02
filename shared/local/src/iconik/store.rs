//! The emulator's objects: JSON by kind and id, in the order of their creation, in SQLite.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rusqlite::{Connection, params};
use serde_json::Value;

use crate::random::random_id;

/// All objects, in memory and on disk.
pub(super) struct Store {
    db: Connection,
    kinds: HashMap<String, ObjectsOfKind>,
    next_position: i64,
    token: String,
}

#[derive(Default)]
struct ObjectsOfKind {
    objects: BTreeMap<i64, Value>,
    positions: HashMap<String, i64>,
}

impl Store {
    pub(super) fn open(file: &Path) -> rusqlite::Result<Self> {
        let db = Connection::open(file)?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS object (place INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL);",
        )?;
        let mut store = Self { db, kinds: HashMap::new(), next_position: 1, token: String::new() };
        let rows: Vec<(i64, String, String, String)> = store
            .db
            .prepare("SELECT place, kind, id, body FROM object ORDER BY place")?
            .query_map([], |it| Ok((it.get(0)?, it.get(1)?, it.get(2)?, it.get(3)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (position, kind, id, body) in rows {
            let kind = store.kinds.entry(kind).or_default();
            kind.objects.insert(position, serde_json::from_str(&body).unwrap_or_default());
            kind.positions.insert(id, position);
            store.next_position = position + 1;
        }
        if store.get("token", "token").is_none() {
            let token = format!("{}{}", random_id(), random_id()).replace('-', "");
            store.put("token", "token", Value::String(token));
        }
        store.token = store.get("token", "token").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(store)
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn get(&self, kind: &str, id: &str) -> Option<&Value> {
        let kind = self.kinds.get(kind)?;
        kind.objects.get(kind.positions.get(id)?)
    }

    /// The objects of a kind, oldest first.
    pub(super) fn all(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.kinds.get(kind).into_iter().flat_map(|it| it.objects.values())
    }

    /// Adds an object, or replaces it at its position.
    pub(super) fn put(&mut self, kind: &str, id: &str, body: Value) {
        let objects = self.kinds.entry(kind.to_owned()).or_default();
        let position = *objects.positions.entry(id.to_owned()).or_insert(self.next_position);
        self.next_position = self.next_position.max(position + 1);
        let written = self.db.execute(
            "INSERT OR REPLACE INTO object (place, kind, id, body) VALUES (?1, ?2, ?3, ?4)",
            params![position, kind, id, body.to_string()],
        );
        drop(written); // the stack's own stores report a full disk
        objects.objects.insert(position, body);
    }

    /// Removes an object; `false` if it was not there.
    pub(super) fn remove(&mut self, kind: &str, id: &str) -> bool {
        let Some(objects) = self.kinds.get_mut(kind) else { return false };
        let Some(position) = objects.positions.remove(id) else { return false };
        drop(self.db.execute("DELETE FROM object WHERE place = ?1", params![position]));
        objects.objects.remove(&position).is_some()
    }
}
