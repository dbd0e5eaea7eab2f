//! Writing the rows of a project, inside a transaction.

use cheeseshop_domain::{Event, EventKind, FilePath, Index, Project};
use cheeseshop_storage::Transaction;
use cheeseshop_storage::database::documentation::NewDocumentation;
use cheeseshop_storage::database::files::NewFile;
use cheeseshop_storage::database::test_results::NewTestResult;
use cheeseshop_storage::database::{
    blobs, documentation, files, projects, releases, test_results, tombstones,
};
use serde_json::{Value, json};

use super::{Ready, ReadyAttachment, ReadyFile};
use crate::Error;
use crate::import::report::Entry;
use crate::publish::{current_index, path_of};
use crate::removal::remove_hosted;

/// A project inside the transaction.
struct Writing {
    index: Index,
    project: Project,
}

impl Ready {
    /// Writes everything, and says what there is to report when that is durable.
    pub(in crate::import) async fn write(self, tx: &mut Transaction) -> Result<Vec<Entry>, Error> {
        let id = self
            .target
            .id
            .ok_or_else(|| Error::internal("an index that was not made"))?;
        let index = current_index(tx, id, &self.target.name).await?;
        if self.gone.project {
            remove_hosted(tx, &index, &self.name).await?;
            return Ok(self.entries);
        }
        let held = projects::find(tx, index.id, self.name.normalized()).await?;
        let project = if let Some(project) = held {
            project
        } else {
            tx.record(Event::of_project(
                EventKind::ProjectCreated,
                &index.name,
                self.name.normalized(),
                json!({"name": self.name.written(), IMPORTED: true}),
            ));
            let (project, _) = projects::find_or_create(tx, index.id, &self.name).await?;
            project
        };
        let writing = Writing { index, project };
        for release in &self.releases {
            let held = releases::find(tx, writing.project.id, release.version.as_str()).await?;
            releases::save(tx, writing.project.id, &release.version, &release.metadata).await?;
            let kind = if held.is_some() {
                EventKind::MetadataUpdated
            } else {
                EventKind::ReleaseCreated
            };
            writing.record(
                tx,
                kind,
                json!({"version": release.version.as_str(), IMPORTED: true}),
            );
        }
        writing.remove_gone(tx, &self.gone).await?;
        for file in self.files {
            writing.file(tx, file).await?;
        }
        for archive in self.documentation {
            writing.archive(tx, archive).await?;
        }
        for result in self.results {
            writing.result(tx, result).await?;
        }
        Ok(self.entries)
    }
}

/// Stands in the details of events: it was done elsewhere, and came here with an import.
const IMPORTED: &str = "imported";

impl Writing {
    fn record(&self, tx: &mut Transaction, kind: EventKind, detail: Value) {
        let name = self.project.name.normalized();
        tx.record(Event::of_project(kind, &self.index.name, name, detail));
    }

    async fn file(&self, tx: &mut Transaction, file: ReadyFile) -> Result<(), Error> {
        let Some(release) = releases::find(tx, self.project.id, file.version.as_str()).await?
        else {
            return Err(Error::internal("a file without its release"));
        };
        let held = files::find(tx, self.project.id, file.name.as_str()).await?;
        for blob in [Some(file.blob), file.core_metadata].into_iter().flatten() {
            blobs::register(tx, blob.sha256, blob.size).await?;
        }
        let detail = json!({
            "version": file.version.as_str(),
            "file": file.name.as_str(),
            "sha256": file.blob.sha256,
            "size": file.blob.size,
            IMPORTED: true,
        });
        let new = NewFile {
            index: self.index.id,
            project: self.project.id,
            release: release.id,
            name: file.name,
            version: release.version,
            sha256: file.blob.sha256,
            size: file.blob.size,
            requires_python: file.requires_python,
            yanked: file.yanked,
            core_metadata: file.core_metadata.map(|blob| blob.sha256),
            uploaded: file.uploaded,
            log: file.log,
        };
        let kind = match held {
            None => {
                files::insert(tx, new).await?;
                EventKind::FilePublished
            }
            Some(held) => {
                let moved = held.sha256 != new.sha256;
                files::replace(tx, held.id, new).await?;
                if moved {
                    tombstones::record(tx, self.index.id, &path_of(&held)).await?;
                }
                EventKind::FileReplaced
            }
        };
        self.record(tx, kind, detail);
        Ok(())
    }

    async fn archive(
        &self,
        tx: &mut Transaction,
        archive: ReadyAttachment<cheeseshop_packaging::Version>,
    ) -> Result<(), Error> {
        let Some(release) = releases::find(tx, self.project.id, archive.of.as_str()).await? else {
            return Err(Error::internal("documentation without its release"));
        };
        blobs::register(tx, archive.blob.sha256, archive.blob.size).await?;
        let new = NewDocumentation {
            name: archive.name,
            sha256: archive.blob.sha256,
            size: archive.blob.size,
            uploaded: archive.uploaded,
            log: archive.log,
        };
        documentation::save(tx, self.index.id, &release, &new).await?;
        let detail = json!({
            "version": release.version.as_str(),
            "file": new.name.as_str(),
            "sha256": new.sha256,
            "size": new.size,
            IMPORTED: true,
        });
        self.record(tx, EventKind::DocumentationPublished, detail);
        Ok(())
    }

    /// A result whose file did not come in was reported with the file.
    async fn result(
        &self,
        tx: &mut Transaction,
        result: ReadyAttachment<cheeseshop_packaging::FileName>,
    ) -> Result<(), Error> {
        let Some(file) = files::find(tx, self.project.id, result.of.as_str()).await? else {
            return Ok(());
        };
        for held in test_results::list_for_file(tx, file.id).await? {
            if held.name == result.name {
                test_results::remove(tx, held.id).await?;
            }
        }
        blobs::register(tx, result.blob.sha256, result.blob.size).await?;
        let new = NewTestResult {
            name: result.name,
            sha256: result.blob.sha256,
            size: result.blob.size,
            uploaded: result.uploaded,
            log: result.log,
        };
        test_results::insert(tx, self.index.id, file.id, &new).await?;
        let detail = json!({
            "version": file.version.as_str(),
            "file": file.name.as_str(),
            "result": new.name.as_str(),
            IMPORTED: true,
        });
        self.record(tx, EventKind::TestResultAdded, detail);
        Ok(())
    }

    async fn remove_gone(&self, tx: &mut Transaction, gone: &super::Gone) -> Result<(), Error> {
        for result in &gone.results {
            test_results::remove(tx, *result).await?;
        }
        for (release, version) in &gone.documentation {
            documentation::remove(tx, *release).await?;
            let detail = json!({"version": version.as_str(), IMPORTED: true});
            self.record(tx, EventKind::DocumentationRemoved, detail);
        }
        for (id, name, version, sha256) in &gone.files {
            let path = FilePath::of_sha256(sha256, name.clone()).to_string();
            tombstones::record(tx, self.index.id, &path).await?;
            files::remove(tx, *id).await?;
            let detail = json!({
                "version": version.as_str(), "file": name.as_str(), "sha256": sha256, IMPORTED: true,
            });
            self.record(tx, EventKind::FileRemoved, detail);
        }
        for (id, version) in &gone.releases {
            releases::remove(tx, *id).await?;
            let detail = json!({"version": version.as_str(), IMPORTED: true});
            self.record(tx, EventKind::ReleaseRemoved, detail);
        }
        Ok(())
    }
}
