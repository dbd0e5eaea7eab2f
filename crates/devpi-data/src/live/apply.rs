//! From our copy of the server's state into this installation.

use cheeseshop_app::import::model::{Index, Project};
use cheeseshop_app::import::{Importer, Report, Source as _};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::FollowError;
use super::marks::Subject;
use super::state::LiveState;
use super::store::{Store, Which};
use crate::state::{StateSource, is_mirror};

/// Subjects that are taken in before their marks are removed.
const GROUP: usize = 32;

/// Takes in what is pending.
pub(super) struct Applier {
    store: Store,
    state: LiveState,
    source: StateSource<LiveState>,
    importer: Importer,
    report: Report,
    /// The server's indexes; `None` until they were taken in by this process.
    indexes: Option<Vec<Index>>,
}

impl Applier {
    pub(super) fn new(store: Store, state: LiveState, importer: Importer, report: Report) -> Self {
        Self {
            store,
            source: StateSource::new(state.clone()),
            state,
            importer,
            report,
            indexes: None,
        }
    }

    /// Takes in one group of what is pending; false when nothing was.
    pub(super) fn step<'a>(
        &'a mut self,
        which: Which,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<bool, FollowError>> {
        Box::pin(self.take_group(which, stop))
    }

    async fn take_group(
        &mut self,
        which: Which,
        stop: &CancellationToken,
    ) -> Result<bool, FollowError> {
        let pending = self.store.pending(which, GROUP).await?;
        if pending.is_empty() {
            return Ok(false);
        }
        let mut projects = Vec::new();
        let mut users = Vec::new();
        for subject in pending {
            match subject {
                Subject::RemovedIndex(ref name, ref kind) => {
                    self.importer.remove_index(name, kind).await?;
                    // At once: what comes into an index of that name from now on must stay.
                    self.store.clear(vec![subject]).await?;
                }
                Subject::User(name) => users.push(name),
                Subject::Project(index, name) => projects.push((index, name)),
            }
        }
        if !users.is_empty() || self.indexes.is_none() {
            self.accounts(users).await?;
            // Projects of indexes that come with users still to be taken in have to wait.
            if !self.store.pending(which, 1).await?.iter().all(is_project) {
                return Ok(true);
            }
        }
        self.projects(projects, stop).await?;
        Ok(true)
    }

    /// Takes in all users and indexes, and removes these users if they are no more.
    async fn accounts(&mut self, touched: Vec<String>) -> Result<(), FollowError> {
        let users = self.source.users(&self.report).await.map_err(import)?;
        let indexes = self.source.indexes(&self.report).await.map_err(import)?;
        for name in &touched {
            if !users.iter().any(|user| user.name == *name) {
                self.importer.remove_user(name).await?;
            }
        }
        self.importer.accounts(users, &indexes).await?;
        self.indexes = Some(indexes);
        self.store
            .clear(touched.into_iter().map(Subject::User).collect())
            .await
    }

    async fn projects(
        &mut self,
        projects: Vec<(String, String)>,
        stop: &CancellationToken,
    ) -> Result<(), FollowError> {
        let indexes = self.indexes.take().unwrap_or_default();
        let mut done = Vec::new();
        let mut failed = Vec::new();
        for (full_name, name) in projects {
            if stop.is_cancelled() {
                break;
            }
            let subject = Subject::Project(full_name.clone(), name.clone());
            // Where the index is gone the project went with it.
            let index = indexes.iter().find(|index| index.full_name() == full_name);
            if let Some(index) = index {
                let project = self
                    .source
                    .project(index, &name, &self.report)
                    .await
                    .map_err(import)?;
                let project = match project {
                    Some(project) => project,
                    // Most projects of a mirror are nothing but a name.
                    None if is_mirror(index) => Project::default(),
                    None => Project {
                        name,
                        ..Project::default()
                    },
                };
                if !project.name.is_empty() {
                    self.importer.project(&self.source, index, project).await?;
                }
                if let Some(trouble) = self.state.take_trouble() {
                    failed.push((subject, trouble));
                    continue;
                }
            }
            done.push(subject);
        }
        self.indexes = Some(indexes);
        // Durable first, then forgotten: a crash in between only means to look once more.
        self.importer.flush().await?;
        self.store.clear(done).await?;
        for (subject, reason) in failed {
            self.store.note_failure(subject, reason).await?;
        }
        Ok(())
    }
}

fn is_project(subject: &Subject) -> bool {
    matches!(subject, Subject::Project(..))
}

fn import(error: cheeseshop_app::import::SourceError) -> FollowError {
    FollowError::Import(error.into())
}
