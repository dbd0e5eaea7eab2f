//! Contents of indexes: made ready project by project, written many at a time.

use std::collections::HashSet;
use std::sync::Arc;

use cheeseshop_storage::Transaction;

use super::importer::{Importer, Target, origin};
use super::model::Project;
use super::report::{Entry, Kind};
use super::{ImportError, Source, hosted, mirrored};
use crate::Error;

/// A project whose bytes are kept and whose rows are about to be.
pub(super) enum Ready {
    Hosted(Box<hosted::Ready>),
    Mirrored(Box<mirrored::Ready>),
}

impl Ready {
    /// How much of a transaction it takes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Hosted(ready) => ready.weight(),
            Self::Mirrored(ready) => ready.weight(),
        }
    }

    async fn write(self, tx: &mut Transaction) -> Result<Vec<Entry>, Error> {
        match self {
            Self::Hosted(ready) => ready.write(tx).await,
            Self::Mirrored(ready) => ready.write(tx).await,
        }
    }
}

impl Importer {
    /// Compares a project with what is here and keeps the bytes that are missing; `None` when no row has to be written.
    pub(super) async fn prepare(
        &self,
        source: &dyn Source,
        target: &Arc<Target>,
        mut project: Project,
    ) -> Result<Option<Ready>, ImportError> {
        self.drop_repeated(target, &mut project);
        let ready = if matches!(target.config.kind, cheeseshop_domain::IndexKind::Mirror(_)) {
            let ready = Box::pin(self.prepare_mirrored(source, target, project)).await?;
            ready.map(|ready| Ready::Mirrored(Box::new(ready)))
        } else {
            let ready = Box::pin(self.prepare_hosted(source, target, project)).await?;
            ready.map(|ready| Ready::Hosted(Box::new(ready)))
        };
        Ok(ready)
    }

    /// A name stands for one file of a project. Data that was damaged may have several.
    fn drop_repeated(&self, target: &Target, project: &mut Project) {
        let mut seen = HashSet::new();
        let mut is_new = |kind, name: &str| {
            let is_new = seen.insert(name.to_owned());
            if !is_new {
                let item = format!("{}/{name}", target.name);
                self.report
                    .skipped(kind, item, "another one of this name came before it");
            }
            is_new
        };
        project.files.retain(|file| is_new(Kind::File, &file.name));
        project
            .test_results
            .retain(|result| is_new(Kind::TestResult, &result.name));
    }

    /// Writes rows, all in one transaction, and returns of how many projects.
    pub(super) async fn write(&self, batch: Vec<Ready>) -> Result<usize, ImportError> {
        if batch.is_empty() {
            return Ok(0);
        }
        let projects = batch.len();
        let entries = self
            .app
            .write_as(origin(), move |tx| {
                Box::pin(async move {
                    let mut entries = Vec::new();
                    for ready in batch {
                        entries.extend(ready.write(tx).await?);
                    }
                    Ok(entries)
                })
            })
            .await?
            .value;
        self.report.add(entries);
        Ok(projects)
    }
}
