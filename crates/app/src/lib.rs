//! What the product does, told without HTTP and without SQL.
//!
//! [`App`] holds the handles that every use-case needs; the use-cases are `impl App` blocks
//! in the module of their noun. Parameter order is always caller, where, what.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

pub mod auth;
mod change_feed;
pub mod consistency;
pub mod documentation;
mod error;
pub mod export;
pub mod file_description;
pub mod file_handle;
pub mod files;
mod find_links;
pub mod garbage;
mod generations;
pub mod import;
pub mod indexes;
pub mod mirror;
pub mod outbound;
mod page_cache;
pub mod pages;
pub mod publish;
pub mod push;
mod refresh;
pub mod releases;
pub mod removal;
mod resolve;
pub mod search;
pub mod settings;
pub mod status;
pub mod test_results;
pub mod tokens;
mod trigger;
pub mod users;
pub mod yank;

use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use cheeseshop_domain::{Caller, Clock, Directory};
use cheeseshop_storage::database::{indexes as index_rows, users as user_rows};
use cheeseshop_storage::{BlobStore, Committed, Database, Origin, Transaction};
use futures_util::future::BoxFuture;

pub use crate::error::Error;
pub use crate::resolve::{Content, Contribution, Resolution, Scope};
pub use crate::settings::Settings;
pub use cheeseshop_storage::ByteStream;

/// How often it is tried again to read users and indexes when all connections are busy, each time for as long as one
/// is waited for (`database.connect_timeout_seconds`).
const BUSY_TRIES: usize = 12;

/// The product: every face, job and command calls its methods. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    db: Database,
    blobs: BlobStore,
    clock: Arc<dyn Clock>,
    settings: Settings,
    directory: ArcSwap<Directory>,
    /// Held while the directory is read anew, so that an older reading never replaces a newer.
    directory_reload: tokio::sync::Mutex<()>,
    generations: generations::Generations,
    feed: change_feed::ChangeFeed,
    pages: page_cache::PageCache,
    hot_files: files::HotFiles,
    mirrors: mirror::Mirrors,
    auth: auth::Auth,
    publishing: publish::Publishing,
    documentation_archives: documentation::Archives,
    result_readers: test_results::Readers,
    outgoing: outbound::Outgoing,
    node: status::Node,
}

impl App {
    /// Builds the live app over an opened database and blob store.
    ///
    /// Reads the directory of users and indexes, and from then on follows the change log:
    /// own commits before they are acknowledged, those of other processes and nodes by
    /// [`App::follow_changes`].
    ///
    /// # Errors
    /// Whatever reading the database gives.
    pub async fn open(
        db: Database,
        blobs: BlobStore,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Self, Error> {
        let mirrors = mirror::Mirrors::new(
            settings.mirror.clone(),
            db.clone(),
            blobs.clone(),
            Arc::clone(&clock),
        )?;
        let outgoing = outbound::Outgoing::new(&settings)?;
        let auth = auth::Auth::open(&settings.auth, &db, Arc::clone(&clock)).await?;
        let node = status::Node::open(&db, &clock).await?;
        let head = db.head().await?;
        let inner = Arc::new(Inner {
            pages: page_cache::PageCache::new(settings.cache.page_bytes),
            hot_files: files::HotFiles::new(),
            directory: ArcSwap::from_pointee(
                read_directory(&db, settings.auth.login_required).await?,
            ),
            directory_reload: tokio::sync::Mutex::new(()),
            generations: generations::Generations::new(),
            feed: change_feed::ChangeFeed::new(head),
            mirrors,
            auth,
            publishing: publish::Publishing::new(&settings.publish),
            documentation_archives: documentation::Archives::new(),
            result_readers: test_results::Readers::new(),
            outgoing,
            node,
            db,
            blobs,
            clock,
            settings,
        });
        let observer: Weak<Inner> = Arc::downgrade(&inner);
        inner.db.observe(move |events, committer| {
            if let Some(inner) = observer.upgrade() {
                inner.note_commit(events, committer);
            }
        });
        Ok(Self(inner))
    }

    /// The caller's changes: runs `operation` in the write queue and comes back when it is
    /// durable and this node's directory of users and indexes shows it.
    ///
    /// # Errors
    /// What the operation answers, or what the database does.
    pub(crate) async fn write<T, F>(
        &self,
        caller: &Caller,
        operation: F,
    ) -> Result<Committed<T>, Error>
    where
        F: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, Error>> + Send + 'static,
        T: Send + 'static,
    {
        let origin = Origin {
            actor: caller.actor(),
            address: caller.address,
        };
        self.write_as(origin, operation).await
    }

    /// As [`App::write`], for what no caller asked for: first start, commands, jobs.
    ///
    /// # Errors
    /// What the operation answers, or what the database does.
    pub(crate) async fn write_as<T, F>(
        &self,
        origin: Origin,
        operation: F,
    ) -> Result<Committed<T>, Error>
    where
        F: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, Error>> + Send + 'static,
        T: Send + 'static,
    {
        let committed = self.0.db.write(origin, operation).await?;
        let mut read = self.reload_directory_if_changed().await;
        for _ in 0..BUSY_TRIES {
            // Others read at the moment. Whoever is told of the change now would not find it.
            if matches!(read, Err(Error::Busy)) {
                read = self.reload_directory_if_changed().await;
            }
        }
        if let Err(error) = read {
            // The change is durable, so the caller is told so. The directory stays marked as
            // outdated, and `follow_changes` tries again.
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "users and indexes could not be read anew"
            );
        }
        Ok(committed)
    }

    /// Today's users and indexes, as one immutable picture.
    pub fn directory(&self) -> Arc<Directory> {
        self.0.directory.load_full()
    }

    /// Waits until everything that mirrors are fetching has landed and been stored, and what is
    /// being sent to other servers has arrived; for a graceful stop.
    pub async fn settle(&self) {
        futures_util::join!(self.mirrors().settle(), self.outgoing().settle());
    }

    /// Ends what is being sent to other servers, for a graceful stop: no further file of a push begins, what is under
    /// way is given up after this time, and the change log says how far it came. Afterwards nothing can be sent.
    pub async fn stop_sending(&self, patience: Duration) {
        self.outgoing().stop(patience).await;
    }

    pub(crate) fn db(&self) -> &Database {
        &self.0.db
    }

    pub(crate) fn blobs(&self) -> &BlobStore {
        &self.0.blobs
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// The settings that the app was opened with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn mirrors(&self) -> &mirror::Mirrors {
        &self.0.mirrors
    }

    pub(crate) fn auth(&self) -> &auth::Auth {
        &self.0.auth
    }

    pub(crate) fn outgoing(&self) -> &outbound::Outgoing {
        &self.0.outgoing
    }

    pub(crate) fn publishing(&self) -> &publish::Publishing {
        &self.0.publishing
    }
}

async fn read_directory(db: &Database, login_required: bool) -> Result<Directory, Error> {
    let mut reader = db.reader().await?;
    let users = user_rows::list(&mut reader).await?;
    let indexes = index_rows::list(&mut reader).await?;
    Ok(Directory::build(users, indexes).requiring_login(login_required))
}
