//! Putting releases and files into an index, inside a write transaction. Shared with push.

use cheeseshop_domain::{
    Event, EventKind, File, FilePath, Index, IndexId, IndexName, JsonMap, LogEntry, Project,
    Release,
};
use cheeseshop_packaging::{FileName, ProjectName, Sha256, Version, Yanked};
use cheeseshop_storage::Transaction;
use cheeseshop_storage::blobs::StoredBlob;
use cheeseshop_storage::database::files::NewFile;
use cheeseshop_storage::database::{
    blobs, documentation, files, indexes, projects, releases, tombstones,
};
use jiff::Timestamp;
use serde_json::json;

use super::check::{CheckedFile, already_exists};
use crate::Error;
use crate::resolve::index_not_found;
use crate::test_results::bury_results;

/// What happens to a release's metadata.
pub(crate) enum Metadata {
    /// It becomes this (devpi's `submit`).
    Replaces(JsonMap),
    /// A new release gets `new`; a known one keeps what `known` does not name.
    Upload {
        /// All keys.
        new: JsonMap,
        /// The keys that were sent.
        known: JsonMap,
    },
    /// These keys are set, others stay.
    Merges(JsonMap),
}

/// A release as it stands in the transaction.
pub(crate) struct Registered {
    pub(crate) project: Project,
    pub(crate) release: Release,
}

/// A file that is about to be listed. Its blobs are durable already.
pub(crate) struct Incoming {
    pub(crate) name: FileName,
    pub(crate) blob: StoredBlob,
    pub(crate) requires_python: Option<String>,
    pub(crate) yanked: Yanked,
    pub(crate) core_metadata: Option<Sha256>,
    /// Blobs that may not be known to the database yet.
    pub(crate) new_blobs: Vec<StoredBlob>,
    pub(crate) uploaded: Timestamp,
    /// How it came here; the last entry is what happens now.
    pub(crate) log: Vec<LogEntry>,
}

/// What became of an [`Incoming`] file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    Created,
    Identical,
    Replaced,
}

/// The index as it is now: it may have been removed or changed since the request began.
pub(crate) async fn current_index(
    tx: &mut Transaction,
    id: IndexId,
    name: &IndexName,
) -> Result<Index, Error> {
    indexes::find(tx, name)
        .await?
        .filter(|index| index.id == id)
        .ok_or_else(|| index_not_found(name))
}

/// Whether the index holds these bytes under this name and version already.
pub(super) async fn is_identical(
    tx: &mut Transaction,
    index: &Index,
    file: &CheckedFile,
    blob: &StoredBlob,
) -> Result<bool, Error> {
    let project = file.release.project.normalized();
    let Some(project) = projects::find(tx, index.id, project).await? else {
        return Ok(false);
    };
    let held = files::find(tx, project.id, file.name.as_str()).await?;
    Ok(held.is_some_and(|held| held.sha256 == blob.sha256 && held.version == file.release.version))
}

/// Makes sure that the release is there, with its metadata, and records what that changed.
pub(crate) async fn register_release(
    tx: &mut Transaction,
    index: &Index,
    name: &ProjectName,
    version: &Version,
    metadata: Metadata,
) -> Result<Registered, Error> {
    let (project, is_new) = projects::find_or_create(tx, index.id, name).await?;
    let event = |kind| {
        let detail = json!({"version": version.as_str()});
        Event::of_project(kind, &index.name, name.normalized(), detail)
    };
    if is_new {
        tx.record(Event::of_project(
            EventKind::ProjectCreated,
            &index.name,
            name.normalized(),
            json!({"name": name.written()}),
        ));
    }
    let held = releases::find(tx, project.id, version.as_str()).await?;
    let metadata = match (&held, metadata) {
        (_, Metadata::Replaces(metadata))
        | (None, Metadata::Upload { new: metadata, .. } | Metadata::Merges(metadata)) => metadata,
        (Some(held), Metadata::Upload { known, .. } | Metadata::Merges(known)) => {
            let mut merged = held.metadata.clone();
            merged.extend(known);
            merged
        }
    };
    let release = match held {
        Some(held) if held.metadata == metadata => held,
        held => {
            tx.record(event(if held.is_some() {
                EventKind::MetadataUpdated
            } else {
                EventKind::ReleaseCreated
            }));
            releases::save(tx, project.id, version, &metadata).await?
        }
    };
    Ok(Registered { project, release })
}

impl Incoming {
    /// Lists the file in the release. Records no event: the caller knows what it is.
    pub(crate) async fn place(
        self,
        tx: &mut Transaction,
        index: &Index,
        registered: &Registered,
    ) -> Result<Placed, Error> {
        let Registered { project, release } = registered;
        let held = files::find(tx, project.id, self.name.as_str()).await?;
        if let Some(held) = &held {
            if held.sha256 == self.blob.sha256 && held.release == release.id {
                return Ok(Placed::Identical);
            }
            if !index.config.volatile {
                return Err(already_exists(&self.name));
            }
        }
        for blob in &self.new_blobs {
            blobs::register(tx, blob.sha256, blob.size).await?;
        }
        let mut log = self.log;
        if let (Some(held), Some(last)) = (&held, log.last()) {
            let mut overwrite = LogEntry::after_overwrite(&held.log, last.clone());
            overwrite.truncate(1);
            log.splice(..0, overwrite);
        }
        let new = NewFile {
            project: project.id,
            release: release.id,
            index: index.id,
            name: self.name,
            version: release.version.clone(),
            sha256: self.blob.sha256,
            size: self.blob.size,
            requires_python: self.requires_python,
            yanked: self.yanked,
            core_metadata: self.core_metadata,
            uploaded: self.uploaded,
            log,
        };
        let Some(held) = held else {
            files::insert(tx, new).await?;
            return Ok(Placed::Created);
        };
        let moved = held.sha256 != new.sha256;
        if moved {
            // They tell of other bytes.
            bury_results(tx, index, &held).await?;
        }
        files::replace(tx, held.id, new).await?;
        if moved {
            tombstones::record(tx, index.id, &path_of(&held)).await?;
        }
        if held.release != release.id
            && let Some(left) = releases::find(tx, project.id, held.version.as_str()).await?
        {
            remove_if_empty(tx, index, project, &left).await?;
        }
        Ok(Placed::Replaced)
    }
}

/// Where a file stands below its index, as tombstones name it.
pub(crate) fn path_of(file: &File) -> String {
    FilePath::of_sha256(&file.sha256, file.name.clone()).to_string()
}

/// After files went: a release without files and documentation goes, and a project without
/// releases, as in devpi.
pub(crate) async fn remove_if_empty(
    tx: &mut Transaction,
    index: &Index,
    project: &Project,
    release: &Release,
) -> Result<(), Error> {
    if files::list_for_release(tx, release.id).await?.is_empty()
        && documentation::find(tx, release.id).await?.is_none()
    {
        releases::remove(tx, release.id).await?;
        tx.record(Event::of_project(
            EventKind::ReleaseRemoved,
            &index.name,
            project.name.normalized(),
            json!({"version": release.version.as_str()}),
        ));
    }
    if releases::list_versions(tx, project.id).await?.is_empty() {
        projects::remove(tx, project.id).await?;
        tx.record(Event::of_project(
            EventKind::ProjectRemoved,
            &index.name,
            project.name.normalized(),
            json!({}),
        ));
    }
    Ok(())
}
