//! The tables as [`State`].

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use cheeseshop_app::ByteStream;
use cheeseshop_app::import::SourceError;
use cheeseshop_app::import::model::Content;
use cheeseshop_packaging::hash::Hashes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream;
use sqlx::PgConnection;
use tokio::sync::Mutex;

use crate::change_log::{Entry, Limits};
use crate::state::{Decoded, HeldFile, State, Values, collect, held_file};

/// Bytes of a file that are fetched at once.
const SLICE: i32 = 4 * 1024 * 1024;

/// Keys that are looked up at once.
const KEYS: usize = 1000;

/// devpi's tables at one moment.
pub(super) struct PostgresState {
    place: String,
    /// In a transaction that sees one moment.
    connection: Arc<Mutex<PgConnection>>,
}

impl PostgresState {
    pub(super) fn new(place: String, connection: PgConnection) -> Self {
        Self {
            place,
            connection: Arc::new(Mutex::new(connection)),
        }
    }

    async fn read_values(&self, keys: Vec<String>) -> Result<Values, sqlx::Error> {
        let mut db = self.connection.lock().await;
        let mut by_serial: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for keys in keys.chunks(KEYS) {
            let rows: Vec<(String, i32)> =
                sqlx::query_as("SELECT key, serial FROM kv WHERE key = ANY($1)")
                    .bind(keys)
                    .fetch_all(&mut *db)
                    .await?;
            for (key, serial) in rows {
                by_serial.entry(serial).or_default().push(key);
            }
        }
        let mut values = Values::default();
        for (serial, keys) in by_serial {
            let entry = entry(&mut db, serial).await?;
            collect(&mut values, serial.into(), keys, entry);
        }
        Ok(values)
    }

    async fn read_held_files(
        &self,
        index: &str,
        project: Option<&str>,
    ) -> Result<Vec<HeldFile>, sqlx::Error> {
        let mut db = self.connection.lock().await;
        let rows: Vec<(String, i32)> = sqlx::query_as(
            "SELECT key, serial FROM kv WHERE starts_with(key, $1) \
             AND keyname IN ('STAGEFILE', 'PYPIFILE_NOMD5')",
        )
        .bind(format!("{index}/+"))
        .fetch_all(&mut *db)
        .await?;
        let mut by_serial: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for (key, serial) in rows {
            by_serial.entry(serial).or_default().push(key);
        }
        let mut held = Vec::new();
        for (serial, keys) in by_serial {
            let mut values = Values::default();
            let entry = entry(&mut db, serial).await?;
            collect(&mut values, serial.into(), keys, entry);
            let found = values.found.into_iter();
            held.extend(found.filter_map(|(path, value)| held_file(path, &value, project)));
        }
        Ok(held)
    }

    fn failed(&self, error: sqlx::Error) -> SourceError {
        SourceError::caused_by(format!("{} cannot be read", self.describe()), error)
    }
}

async fn entry(db: &mut PgConnection, serial: i32) -> Result<Decoded, sqlx::Error> {
    let bytes: Option<Vec<u8>> = sqlx::query_scalar("SELECT data FROM changelog WHERE serial = $1")
        .bind(serial)
        .fetch_optional(&mut *db)
        .await?;
    Ok(bytes
        .map(|bytes| Entry::decode(&bytes, Limits::default()).map_err(|error| error.to_string())))
}

impl State for PostgresState {
    fn describe(&self) -> String {
        format!("the devpi-server data in PostgreSQL at {}", self.place)
    }

    fn values(&self, keys: Vec<String>) -> BoxFuture<'_, Result<Values, SourceError>> {
        Box::pin(async move {
            let values = self.read_values(keys).await;
            values.map_err(|error| self.failed(error))
        })
    }

    fn held_files<'a>(
        &'a self,
        index: &'a str,
        project: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<HeldFile>, SourceError>> {
        Box::pin(async move {
            let held = self.read_held_files(index, project).await;
            held.map_err(|error| self.failed(error))
        })
    }

    fn content<'a>(&'a self, path: &'a str, _: &'a Hashes) -> BoxFuture<'a, Content> {
        Box::pin(async move {
            let mut db = self.connection.lock().await;
            let size: Result<Option<i32>, _> =
                sqlx::query_scalar("SELECT size FROM files WHERE path = $1")
                    .bind(path)
                    .fetch_optional(&mut *db)
                    .await;
            match size {
                Ok(Some(_)) => Content::Remote(path.to_owned()),
                Ok(None) => Content::Missing("the table `files` has no row of it".to_owned()),
                Err(error) => Content::Missing(error.to_string()),
            }
        })
    }

    fn open<'a>(&'a self, location: &'a str) -> BoxFuture<'a, Result<ByteStream, SourceError>> {
        let (connection, path) = (Arc::clone(&self.connection), location.to_owned());
        Box::pin(async move {
            let slices = stream::try_unfold(1_i32, move |from| {
                let (connection, path) = (Arc::clone(&connection), path.clone());
                async move {
                    let mut db = connection.lock().await;
                    let slice: Vec<u8> = sqlx::query_scalar(
                        "SELECT substring(data FROM $2 FOR $3) FROM files WHERE path = $1",
                    )
                    .bind(path)
                    .bind(from)
                    .bind(SLICE)
                    .fetch_one(&mut *db)
                    .await
                    .map_err(io::Error::other)?;
                    // Behind the end there is nothing, and 2 GiB are the end of any row.
                    let next = from.saturating_add(SLICE);
                    Ok((!slice.is_empty()).then(|| (Bytes::from(slice), next)))
                }
            });
            Ok(slices.boxed())
        })
    }
}
