//! An index of the files in the buckets' folders. It is refreshed when a listing begins.
//!
//! A file without an entry, or with another size or time than its entry, was dropped by a person. It is hashed when it
//! is found.

use std::fs::Metadata;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::UNIX_EPOCH;

use md5::{Digest, Md5};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::Sha256;

use crate::digest::hex;
use crate::lock::lock;

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectEntry {
    pub(crate) key: String,
    pub(crate) path: PathBuf,
    pub(crate) etag: String,
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: i64,
    pub(crate) content_type: Option<String>,
    /// User metadata, JSON.
    pub(crate) metadata: String,
}

/// The index of all buckets below a folder.
pub(crate) struct ObjectIndex {
    root: PathBuf,
    db: Mutex<Connection>,
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS object (
  bucket TEXT NOT NULL, key TEXT NOT NULL, path TEXT NOT NULL, etag TEXT NOT NULL, size INTEGER NOT NULL,
  modified INTEGER NOT NULL, content_type TEXT, metadata TEXT NOT NULL DEFAULT '{}', seen INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (bucket, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS walk (number INTEGER PRIMARY KEY AUTOINCREMENT);
";

impl ObjectIndex {
    pub(crate) fn open(root: &Path, file: &Path) -> rusqlite::Result<Self> {
        let db = Connection::open(file)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.execute_batch(SCHEMA)?;
        Ok(Self { root: root.to_owned(), db: Mutex::new(db) })
    }

    pub(crate) fn folder(&self, bucket: &str) -> PathBuf {
        self.root.join(bucket)
    }

    /// The path of a key's bytes: the key itself, or its hash if the key cannot be a path.
    pub(crate) fn object_path(&self, bucket: &str, key: &str) -> PathBuf {
        let is_path =
            key.split('/').all(|it| !it.is_empty() && it.len() <= 200 && !is_hidden(it) && !it.contains('\0'));
        let path = self.folder(bucket).join(key);
        let clash =
            path.is_dir() || path.ancestors().skip(1).take_while(|it| *it != self.folder(bucket)).any(Path::is_file);
        if is_path && !clash {
            return path;
        }
        let hash = hex(&Sha256::digest(key));
        self.root.join(format!(".{bucket}.odd")).join(hash)
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        lock(&self.db)
    }

    pub(crate) fn get(&self, bucket: &str, key: &str) -> rusqlite::Result<Option<ObjectEntry>> {
        let sql =
            "SELECT key, path, etag, size, modified, content_type, metadata FROM object WHERE bucket = ?1 AND key = ?2";
        let stored = self.db().query_row(sql, params![bucket, key], entry_from_row).optional()?;
        let default_path = self.object_path(bucket, key);
        let path = stored.as_ref().map_or(default_path, |it| it.path.clone());
        let Ok(file) = std::fs::metadata(&path) else { return Ok(None) };
        match stored {
            Some(it) if it.size == file.len() && it.modified == modified_nanos(&file) => Ok(Some(it)),
            _ if file.is_file() => self.index_new_file(bucket, key, &path, &file).map(Some),
            _ => Ok(None),
        }
    }

    pub(crate) fn put(&self, bucket: &str, entry: &ObjectEntry) -> rusqlite::Result<()> {
        write_row(&self.db(), bucket, entry)
    }

    pub(crate) fn remove(&self, bucket: &str, key: &str) -> rusqlite::Result<()> {
        delete_row(&self.db(), bucket, key)
    }

    /// Keys after `after` with a prefix, in byte order, at most `most`.
    pub(crate) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> rusqlite::Result<Vec<ObjectEntry>> {
        let sql = "SELECT key, path, etag, size, modified, content_type, metadata FROM object
                   WHERE bucket = ?1 AND key > ?2 AND key >= ?3 ORDER BY key LIMIT ?4";
        let db = self.db();
        let mut query = db.prepare_cached(sql)?;
        let rows = query.query_map(params![bucket, after, prefix, most as i64], entry_from_row)?;
        let all: Vec<ObjectEntry> = rows.collect::<Result<_, _>>()?;
        Ok(all.into_iter().take_while(|it| it.key.starts_with(prefix)).collect())
    }

    /// Brings the index up to date with the folder.
    pub(crate) fn refresh(&self, bucket: &str) -> rusqlite::Result<()> {
        let indexed = {
            let db = self.db();
            let mut query = db.prepare("SELECT key, size, modified, path FROM object WHERE bucket = ?1")?;
            let row = |row: &rusqlite::Row<'_>| {
                Ok((
                    row.get::<_, String>(0)?,
                    (row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)?, row.get::<_, String>(3)?),
                ))
            };
            query.query_map([bucket], row)?.collect::<Result<std::collections::HashMap<_, _>, _>>()?
        };
        let folder = self.folder(bucket);
        let mut missing: std::collections::HashSet<&String> = indexed.keys().collect();
        let (mut found, mut new_entries) = (Vec::new(), Vec::new());
        walk(&folder, &mut found);
        for (path, file) in &found {
            let Ok(relative) = path.strip_prefix(&folder) else { continue };
            let key = relative.components().map(|it| it.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
            let same = indexed.get(&key).is_some_and(|it| it.0 == file.len() && it.1 == modified_nanos(file));
            missing.remove(&key);
            if !same {
                new_entries.push(entry_of_new_file(&key, path, file));
            }
        }
        // one transaction for all: with many files, one for each would exceed the client's timeout
        let mut db = self.db();
        let changes = db.transaction()?;
        for entry in &new_entries {
            write_row(&changes, bucket, entry)?;
        }
        for key in missing {
            if !Path::new(&indexed[key].2).is_file() {
                delete_row(&changes, bucket, key)?;
            }
        }
        changes.commit()
    }

    fn index_new_file(&self, bucket: &str, key: &str, path: &Path, file: &Metadata) -> rusqlite::Result<ObjectEntry> {
        let entry = entry_of_new_file(key, path, file);
        self.put(bucket, &entry)?;
        Ok(entry)
    }
}

/// The entry of a file that a person dropped.
fn entry_of_new_file(key: &str, path: &Path, file: &Metadata) -> ObjectEntry {
    ObjectEntry {
        key: key.to_owned(),
        path: path.to_owned(),
        etag: md5_of_file(path).unwrap_or_default(),
        size: file.len(),
        modified: modified_nanos(file),
        content_type: None,
        metadata: "{}".to_owned(),
    }
}

fn write_row(db: &Connection, bucket: &str, entry: &ObjectEntry) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO object (bucket, key, path, etag, size, modified, content_type, metadata) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let path = entry.path.to_string_lossy();
    let size = entry.size as i64;
    let row = params![bucket, entry.key, path, entry.etag, size, entry.modified, entry.content_type, entry.metadata];
    db.prepare_cached(sql)?.execute(row).map(|_| ())
}

fn delete_row(db: &Connection, bucket: &str, key: &str) -> rusqlite::Result<()> {
    db.execute("DELETE FROM object WHERE bucket = ?1 AND key = ?2", params![bucket, key]).map(|_| ())
}

fn entry_from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<ObjectEntry> {
    Ok(ObjectEntry {
        key: row.get(0)?,
        path: PathBuf::from(row.get::<_, String>(1)?),
        etag: row.get(2)?,
        size: row.get::<_, i64>(3)? as u64,
        modified: row.get(4)?,
        content_type: row.get(5)?,
        metadata: row.get(6)?,
    })
}

/// Whether a name is hidden. `.ai` is not: results are written there, beside the media.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') && name != ".ai"
}

/// Collects the files of a folder and its subfolders, without hidden ones (an unfinished copy usually has a hidden
/// name).
fn walk(folder: &Path, found: &mut Vec<(PathBuf, Metadata)>) {
    for item in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_hidden(&item.file_name().to_string_lossy()) {
            continue;
        }
        match item.metadata() {
            Ok(it) if it.is_dir() => walk(&item.path(), found),
            Ok(it) if it.is_file() => found.push((item.path(), it)),
            _ => {}
        }
    }
}

pub(crate) fn modified_nanos(file: &Metadata) -> i64 {
    let since = file.modified().ok().and_then(|it| it.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |it| i64::try_from(it.as_nanos()).unwrap_or(i64::MAX))
}

fn md5_of_file(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash, mut buffer) = (std::fs::File::open(path)?, Md5::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}
