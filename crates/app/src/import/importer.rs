//! The importer: what one import needs to know from its beginning to its end.

use std::collections::HashMap;
use std::sync::Arc;

use cheeseshop_domain::{Event, EventKind, IndexConfig, IndexId, IndexName};
use cheeseshop_storage::Origin;
use cheeseshop_storage::database::{indexes, users};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use tokio::sync::Semaphore;

use super::contents::Ready;
use super::model::{Index, Project};
use super::report::Report;
use super::{ImportError, ImportOptions, Progress, Source};
use crate::App;

/// Projects that are prepared (bytes read and kept) while others are written.
const PROJECTS_AHEAD: usize = 8;

/// What a transaction holds at most: one for each row, and one for each 4 KiB of metadata.
const MOST_WEIGHT: usize = 1_000;

/// Keeps what a [`Source`] tells, piece by piece. [`App::import`] is the usual way to use it; by hand it serves whoever
/// learns of changes one after the other.
pub struct Importer {
    pub(super) app: App,
    pub(super) options: ImportOptions,
    pub(super) report: Report,
    pub(super) progress: Progress,
    /// The indexes that are taken in, by the name that the source gives them.
    pub(super) targets: HashMap<String, Arc<Target>>,
    /// Bounds how many files are on their way into the store at once.
    pub(super) readers: Arc<Semaphore>,
    batch: Vec<Ready>,
}

/// An index here that takes in one of the source.
pub(super) struct Target {
    /// `None` in a dry run, for an index that is not here.
    pub(super) id: Option<IndexId>,
    pub(super) name: IndexName,
    pub(super) config: IndexConfig,
}

impl Importer {
    /// An importer that has not done anything.
    pub fn new(app: App, options: ImportOptions, report: Report, progress: Progress) -> Self {
        Self {
            readers: Arc::new(Semaphore::new(options.files_at_once.max(1))),
            app,
            options,
            report,
            progress,
            targets: HashMap::new(),
            batch: Vec::new(),
        }
    }

    /// Takes in all that an index of the source holds. Nothing happens for one that
    /// [`Importer::accounts`] left out.
    ///
    /// # Errors
    /// [`ImportError`]
    pub async fn contents(
        &mut self,
        source: &dyn Source,
        index: &Index,
    ) -> Result<(), ImportError> {
        let Some(target) = self.targets.get(&index.full_name()).cloned() else {
            return Ok(());
        };
        self.progress
            .begin_index(&index.full_name(), source.count_projects(index));
        let report = self.report.clone();
        let mut written = 0;
        let mut batch = Vec::new();
        let mut ready = source
            .projects(index, &report)
            .map(|project| async {
                match project {
                    Ok(project) => self.prepare(source, &target, project).await,
                    Err(error) => Err(error.into()),
                }
            })
            .buffered(PROJECTS_AHEAD);
        // One transaction at most, so that batches are written in their order.
        let mut writing = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(done) = writing.next() => written += done?,
                prepared = ready.next(), if weight(&batch) < MOST_WEIGHT => {
                    let Some(prepared) = prepared else { break };
                    batch.extend(prepared?);
                    self.progress.project_done();
                }
            }
            if weight(&batch) >= MOST_WEIGHT && writing.is_empty() {
                writing.push(self.write(std::mem::take(&mut batch)));
            }
        }
        while let Some(done) = writing.next().await {
            written += done?;
        }
        written += self.write(batch).await?;
        if written > 0 {
            self.note_import(&target, &source.describe(), written)
                .await?;
        }
        Ok(())
    }

    /// Takes in one project as it is now in the source; in [`super::Differing::Follow`] one without any releases is
    /// removed. It is kept by [`Importer::flush`], or earlier when much is waiting.
    ///
    /// # Errors
    /// [`ImportError`]
    pub async fn project(
        &mut self,
        source: &dyn Source,
        index: &Index,
        project: Project,
    ) -> Result<(), ImportError> {
        let Some(target) = self.targets.get(&index.full_name()).cloned() else {
            return Ok(());
        };
        if let Some(ready) = self.prepare(source, &target, project).await? {
            self.batch.push(ready);
        }
        if weight(&self.batch) >= MOST_WEIGHT {
            self.flush().await?;
        }
        Ok(())
    }

    /// Keeps what [`Importer::project`] has gathered.
    ///
    /// # Errors
    /// [`ImportError`]
    pub async fn flush(&mut self) -> Result<(), ImportError> {
        let batch = std::mem::take(&mut self.batch);
        self.write(batch).await?;
        Ok(())
    }

    /// Removes an index that is no more in a followed source and was of this type there, volatile or not. Nothing
    /// happens when it is not here, or when such an index is left out: then ours never came from there.
    ///
    /// # Errors
    /// [`ImportError`]
    pub async fn remove_index(&mut self, name: &str, kind: &str) -> Result<(), ImportError> {
        if self.options.leaves_out(name, kind).is_some() {
            return Ok(());
        }
        self.targets.remove(name);
        let Ok(name) = IndexName::parse(name) else {
            // It never came in under such a name.
            return Ok(());
        };
        self.app
            .write_as(origin(), move |tx| {
                Box::pin(async move {
                    if let Some(index) = indexes::find(tx, &name).await? {
                        indexes::remove(tx, index.id).await?;
                        tx.record(Event::of_index(EventKind::IndexRemoved, &name, json!({})));
                    }
                    Ok(())
                })
            })
            .await?;
        Ok(())
    }

    /// Removes a user who is no more in a followed source, with their indexes. `root` stays, and so does whoever owns
    /// an index that is left out.
    ///
    /// # Errors
    /// [`ImportError`]
    pub async fn remove_user(&mut self, name: &str) -> Result<(), ImportError> {
        let owned: Vec<(String, &str)> = self
            .app
            .directory()
            .indexes_of(name)
            .map(|index| (index.name.to_string(), index.config.kind.type_name()))
            .collect();
        for (index, kind) in owned {
            self.remove_index(&index, kind).await?;
        }
        if self.app.directory().indexes_of(name).next().is_some() {
            return Ok(());
        }
        let name = name.to_owned();
        self.app
            .write_as(origin(), move |tx| {
                Box::pin(async move {
                    let held = users::find(tx, &name).await?;
                    if let Some(user) = held.filter(|user| !user.name.is_root()) {
                        users::remove(tx, user.id).await?;
                        tx.record(Event::of_user(
                            EventKind::UserRemoved,
                            &user.name,
                            json!({}),
                        ));
                    }
                    Ok(())
                })
            })
            .await?;
        Ok(())
    }

    /// Says in the log of changes where the contents of an index came from.
    async fn note_import(
        &self,
        target: &Target,
        source: &str,
        projects: usize,
    ) -> Result<(), ImportError> {
        let detail = json!({ "source": source, "projects": projects });
        let event = Event::of_index(EventKind::IndexImported, &target.name, detail);
        self.app
            .write_as(origin(), move |tx| {
                Box::pin(async move {
                    tx.record(event);
                    Ok(())
                })
            })
            .await?;
        Ok(())
    }
}

/// Who imports, in the log of changes.
pub(super) fn origin() -> Origin {
    Origin::new("import")
}

fn weight(batch: &[Ready]) -> usize {
    batch.iter().map(Ready::weight).sum()
}
