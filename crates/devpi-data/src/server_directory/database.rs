//! `.sqlite`: the commits, and which of them wrote a key last.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::change_log::{Entry, Limits};
use crate::state::{Decoded, HeldFile, Values, collect, held_file};

/// devpi's database, opened for reading only.
#[derive(Debug)]
pub(super) struct Database(Mutex<Connection>);

impl Database {
    pub(super) fn open(file: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        Ok(Self(Mutex::new(connection)))
    }

    /// The last commit's number.
    pub(super) fn last_serial(&self) -> rusqlite::Result<Option<u64>> {
        let serial: Option<i64> = self
            .with(|db| db.query_row("SELECT max(serial) FROM changelog", [], |row| row.get(0)))?;
        Ok(serial.and_then(|serial| serial.try_into().ok()))
    }

    /// The values of these keys. Each commit that has some of them is decoded once.
    pub(super) fn values(&self, keys: Vec<String>) -> rusqlite::Result<Values> {
        self.with(|db| {
            let mut by_serial: BTreeMap<i64, Vec<String>> = BTreeMap::new();
            for key in keys {
                if let Some(serial) = last_commit(db, &key)? {
                    by_serial.entry(serial).or_default().push(key);
                }
            }
            let mut values = Values::default();
            for (serial, keys) in by_serial {
                collect(&mut values, serial, keys, entry(db, serial)?);
            }
            Ok(values)
        })
    }

    /// The files below `user/index` that have a date: all, or those of one project.
    pub(super) fn held_files(
        &self,
        index: &str,
        project: Option<&str>,
    ) -> rusqlite::Result<Vec<HeldFile>> {
        self.with(|db| {
            // `,` follows `+`, so this is the range of `user/index/+…`.
            let mut keys = db.prepare_cached(
                "SELECT key, serial FROM kv WHERE key >= ?1 || '/+' AND key < ?1 || '/,' \
                 AND keyname IN ('STAGEFILE', 'PYPIFILE_NOMD5')",
            )?;
            let mut by_serial: BTreeMap<i64, Vec<String>> = BTreeMap::new();
            let mut rows = keys.query([index])?;
            while let Some(row) = rows.next()? {
                by_serial.entry(row.get(1)?).or_default().push(row.get(0)?);
            }
            let mut held = Vec::new();
            for (serial, keys) in by_serial {
                let mut values = Values::default();
                collect(&mut values, serial, keys, entry(db, serial)?);
                let found = values.found.into_iter();
                held.extend(found.filter_map(|(path, value)| held_file(path, &value, project)));
            }
            Ok(held)
        })
    }

    /// The name under which a commit that was cut short left this file's bytes.
    pub(super) fn temporary_name(&self, path: &str) -> rusqlite::Result<Option<String>> {
        self.with(|db| {
            let Some(serial) = last_commit(db, path)? else {
                return Ok(None);
            };
            let Some(Ok(entry)) = entry(db, serial)? else {
                return Ok(None);
            };
            let prefix = format!("+files/{path}-");
            Ok(entry.files.into_iter().find(|name| {
                name.strip_prefix(&prefix)
                    .and_then(|rest| rest.strip_suffix("-tmp"))
                    .is_some_and(|hash| !hash.contains('/'))
            }))
        })
    }

    fn with<T>(&self, act: impl FnOnce(&Connection) -> T) -> T {
        act(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn last_commit(db: &Connection, key: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT serial FROM kv WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

fn entry(db: &Connection, serial: i64) -> rusqlite::Result<Decoded> {
    db.prepare_cached("SELECT data FROM changelog WHERE serial = ?1")?
        .query_row([serial], |row| {
            let bytes = row.get_ref(0)?.as_bytes()?;
            Ok(Entry::decode(bytes, Limits::default()).map_err(|error| error.to_string()))
        })
        .optional()
}
