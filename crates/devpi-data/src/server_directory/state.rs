//! A server directory as [`State`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cheeseshop_app::ByteStream;
use cheeseshop_app::import::SourceError;
use cheeseshop_app::import::model::Content;
use cheeseshop_packaging::hash::Hashes;
use futures_util::future::BoxFuture;

use super::database::Database;
use super::files;
use crate::state::{HeldFile, State, Values};

/// Keys from the database, bytes from the disk.
pub(super) struct DirectoryState(Arc<Inner>);

struct Inner {
    root: PathBuf,
    role: Option<String>,
    database: Database,
    /// The last commit when reading began.
    serial: Option<u64>,
}

impl DirectoryState {
    pub(super) fn new(
        root: PathBuf,
        role: Option<String>,
        database: Database,
        serial: Option<u64>,
    ) -> Self {
        Self(Arc::new(Inner {
            root,
            role,
            database,
            serial,
        }))
    }

    /// Reads from the database off the async threads.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Database) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, SourceError> {
        let inner = Arc::clone(&self.0);
        let failed = |cause: Box<dyn std::error::Error + Send + Sync>| {
            SourceError::caused_by(format!("{} cannot be read", self.describe()), cause)
        };
        tokio::task::spawn_blocking(move || read(&inner.database))
            .await
            .map_err(|error| failed(error.into()))?
            .map_err(|error| failed(error.into()))
    }
}

impl State for DirectoryState {
    fn describe(&self) -> String {
        // A replica may lack files that it had not fetched yet.
        let whose = match self.0.role.as_deref() {
            Some("replica") => "replica",
            _ => "devpi-server",
        };
        format!("the {whose} directory {}", self.0.root.display())
    }

    fn values(&self, keys: Vec<String>) -> BoxFuture<'_, Result<Values, SourceError>> {
        Box::pin(self.read(move |database| database.values(keys)))
    }

    fn held_files<'a>(
        &'a self,
        index: &'a str,
        project: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<HeldFile>, SourceError>> {
        let (index, project) = (index.to_owned(), project.map(str::to_owned));
        Box::pin(self.read(move |database| database.held_files(&index, project.as_deref())))
    }

    fn content<'a>(&'a self, path: &'a str, hashes: &'a Hashes) -> BoxFuture<'a, Content> {
        let (inner, path, hashes) = (Arc::clone(&self.0), path.to_owned(), hashes.clone());
        Box::pin(async move {
            tokio::task::spawn_blocking(move || inner.content(&path, &hashes))
                .await
                .unwrap_or_else(|error| Content::Missing(error.to_string()))
        })
    }

    fn open<'a>(&'a self, location: &'a str) -> BoxFuture<'a, Result<ByteStream, SourceError>> {
        // Everything here is a path.
        Box::pin(async move { Err(SourceError::new(format!("{location} cannot be read"))) })
    }

    fn verify(&self) -> Option<String> {
        match self.0.database.last_serial() {
            Ok(serial) if serial == self.0.serial => None,
            Ok(_) => Some(
                "its devpi-server was started and wrote to it meanwhile; stop it and import again"
                    .to_owned(),
            ),
            Err(error) => Some(format!("it cannot be read any more: {error}")),
        }
    }
}

impl Inner {
    fn content(&self, path: &str, hashes: &Hashes) -> Content {
        match files::find(&self.root, path, hashes) {
            Ok(found) => Content::Path(found),
            Err(problem) => match self.left_behind(path) {
                Some(found) => Content::Path(found),
                None => Content::Missing(problem),
            },
        }
    }

    /// The bytes of a commit that was recorded before its files were renamed, which devpi would
    /// have done at its next start.
    fn left_behind(&self, path: &str) -> Option<PathBuf> {
        let name = self.database.temporary_name(path).ok()??;
        // Its name is told with the folder in which all are.
        let path = Path::new(&name).strip_prefix(files::FILES).ok()?;
        files::find(&self.root, path.to_str()?, &Hashes::new()).ok()
    }
}
