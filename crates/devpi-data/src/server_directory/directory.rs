//! Opening the directory, if it is whole and nobody works in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cheeseshop_app::import::Source;

use super::ServerDirectoryError;
use super::database::Database;
use super::error::LAYOUT;
use super::running;
use super::state::DirectoryState;
use crate::state::StateSource;

/// The database's file.
const DATABASE: &str = ".sqlite";

/// The directory of a stopped devpi-server.
#[derive(Debug)]
pub struct ServerDirectory {
    database: Database,
    path: PathBuf,
}

impl ServerDirectory {
    /// Whether this looks like a devpi-server's directory, and not like an export.
    pub fn looks_like_one(path: &Path) -> bool {
        path.join(".serverversion").is_file()
    }

    /// Opens it, if it is whole and nobody works in it.
    ///
    /// Whether a server runs there can be told of processes of this machine that this user may
    /// look at. For all others it is noticed at the end, when there are more commits than at the
    /// start.
    ///
    /// # Errors
    /// [`ServerDirectoryError`].
    pub fn open(path: &Path) -> Result<Self, ServerDirectoryError> {
        let not_one = |file| {
            move |source| ServerDirectoryError::NotOne {
                path: path.to_owned(),
                file,
                source,
            }
        };
        let path = &path.canonicalize().map_err(not_one(".serverversion"))?;
        let layout = std::fs::read_to_string(path.join(".serverversion"))
            .map_err(not_one(".serverversion"))?;
        if layout.trim() != LAYOUT {
            return Err(ServerDirectoryError::Layout {
                path: path.clone(),
                found: layout.trim().chars().take(20).collect(),
            });
        }
        let file = path.join(DATABASE);
        if !file.is_file() {
            return Err(ServerDirectoryError::NoDatabase { path: path.clone() });
        }
        if let Some(holder) = running::holder(path, &file) {
            return Err(ServerDirectoryError::Running {
                path: path.clone(),
                holder,
            });
        }
        if let Some(file) = running::leftover(&file) {
            return Err(ServerDirectoryError::Unclean {
                path: path.clone(),
                file,
            });
        }
        let database = Database::open(&file)
            .map_err(|source| ServerDirectoryError::Database { path: file, source })?;
        Ok(Self {
            database,
            path: path.clone(),
        })
    }

    /// The last commit's number; `None` when there was none.
    ///
    /// # Errors
    /// [`ServerDirectoryError::Database`].
    pub fn serial(&self) -> Result<Option<u64>, ServerDirectoryError> {
        self.database
            .last_serial()
            .map_err(|source| ServerDirectoryError::Database {
                path: self.path.join(DATABASE),
                source,
            })
    }

    /// The directory as a source of an import.
    ///
    /// # Errors
    /// [`ServerDirectoryError::Database`].
    pub fn into_source(self) -> Result<Arc<dyn Source>, ServerDirectoryError> {
        let serial = self.serial()?;
        let role = role(&self.path);
        let state = DirectoryState::new(self.path, role, self.database, serial);
        Ok(Arc::new(StateSource::new(state)))
    }
}

/// What the server said to be when it ran last: `standalone`, `primary`, `replica`.
fn role(directory: &Path) -> Option<String> {
    let text = std::fs::read_to_string(directory.join(".nodeinfo")).ok()?;
    let node: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(node.get("role")?.as_str()?.to_owned())
}
