//! What the server says of itself: identity, serial, counts.

use std::sync::Arc;
use std::time::Duration;

use cheeseshop_domain::{Clock, Serial};
use cheeseshop_storage::database::{change_log, settings};
use cheeseshop_storage::{BlobError, Database, Origin};
use jiff::Timestamp;

use crate::{App, Error};

/// The setting that holds the node's identity.
const NODE_ID: &str = "node.id";

/// This installation's identity, made once and kept in the database.
pub(crate) struct Node {
    id: String,
    started: Timestamp,
}

impl Node {
    pub(crate) async fn open(db: &Database, clock: &Arc<dyn Clock>) -> Result<Self, Error> {
        let mut reader = db.reader().await?;
        let known = settings::get(&mut reader, NODE_ID).await?;
        drop(reader);
        let id = match known {
            Some(id) => id,
            None => make_id(db).await?,
        };
        Ok(Self {
            id,
            started: clock.now(),
        })
    }
}

async fn make_id(db: &Database) -> Result<String, Error> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(Error::internal)?;
    let made = random.iter().fold(String::new(), |mut hex, byte| {
        use std::fmt::Write as _;
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let committed = db
        .write::<_, Error, _>(Origin::new(""), |tx| {
            Box::pin(async move {
                // Two nodes may start on one new database: the first one's answer holds.
                if let Some(id) = settings::get(tx, NODE_ID).await? {
                    return Ok(id);
                }
                settings::set(tx, NODE_ID, &made).await?;
                Ok(made)
            })
        })
        .await?;
    Ok(committed.value)
}

/// How long the store of files may take to show that it is there. Orchestrators ask every few
/// seconds and give up after about as long.
const BLOBS_ANSWER: Duration = Duration::from_secs(2);

/// What `/+status` tells.
#[derive(Clone, Debug)]
pub struct Status {
    /// Identity of this installation, 32 hex digits.
    pub node_id: String,
    /// Newest serial of the change log.
    pub serial: Serial,
    /// When that serial was committed; `None` while the log is empty.
    pub last_commit: Option<Timestamp>,
    /// When this process started.
    pub started: Timestamp,
    /// Users and indexes known.
    pub users: usize,
    /// See `users`.
    pub indexes: usize,
}

impl App {
    /// Identity of this installation, 32 hex digits.
    pub fn node_id(&self) -> &str {
        &self.0.node.id
    }

    /// Tells the recorder of metrics what this crate counts from the start; it must be installed by then.
    pub fn describe_metrics(&self) {
        crate::auth::telemetry::describe();
        crate::mirror::telemetry::describe();
        crate::outbound::telemetry::describe();
    }

    /// Newest serial that this process knows of; costs nothing.
    pub fn known_serial(&self) -> Serial {
        self.0.feed.seen()
    }

    /// Whether requests can be served: asks the database and the store of files.
    ///
    /// # Errors
    /// Whatever they give; [`Error::Busy`] when the store of files is silent for two seconds.
    pub async fn ready(&self) -> Result<(), Error> {
        self.status().await?;
        self.store_answers().await
    }

    /// Asks the store of files whether it is there.
    ///
    /// # Errors
    /// Whatever it gives; [`Error::Busy`] when it is silent for two seconds.
    pub async fn store_answers(&self) -> Result<(), Error> {
        tokio::time::timeout(BLOBS_ANSWER, self.blobs().check_alive())
            .await
            .unwrap_or_else(|_| {
                Err(BlobError::Timeout {
                    action: "answer",
                    place: "readiness check".to_owned(),
                })
            })?;
        Ok(())
    }

    /// Asks the database how things stand.
    ///
    /// # Errors
    /// Whatever the database gives.
    pub async fn status(&self) -> Result<Status, Error> {
        self.catch_up().await?;
        let mut reader = self.db().reader().await?;
        let serial = change_log::head(&mut reader).await?;
        let last_commit = if serial.0 > 0 {
            change_log::list_after(&mut reader, Serial(serial.0 - 1), 1)
                .await?
                .first()
                .map(|event| event.recorded_at)
        } else {
            None
        };
        drop(reader);
        let directory = self.directory();
        Ok(Status {
            node_id: self.0.node.id.clone(),
            serial,
            last_commit,
            started: self.0.node.started,
            users: directory.users().count(),
            indexes: directory.indexes().count(),
        })
    }
}
