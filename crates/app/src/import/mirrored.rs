//! Files that a mirror holds of its upstream.
//!
//! devpi exports them without the upstream's page. So that they can be installed when the upstream cannot be asked, a
//! page is made of them, unless there is one; it is outdated from the start, and the first answer of the upstream
//! takes its place.

use std::sync::Arc;

use cheeseshop_domain::{Event, EventKind, FilePath, Index, JsonMap};
use cheeseshop_packaging::simple::{PageFile, ProjectPage};
use cheeseshop_packaging::{FileName, Hashes, ProjectName};
use cheeseshop_storage::database::mirrors::{MirrorFile, StoredListing};
use cheeseshop_storage::database::{blobs, mirrors};
use cheeseshop_storage::{StoredBlob, Transaction};
use serde_json::json;
use url::Url;

use super::hosted::{text, yanked};
use super::importer::{Importer, Target};
use super::model::{self, Project};
use super::report::{Entry, Kind};
use super::{ImportError, Source};
use crate::Error;
use crate::mirror::{HeldPage, note_if_newly_held};
use crate::publish::current_index;

/// Rows of one mirrored project that are about to be written.
pub(super) struct Ready {
    target: Arc<Target>,
    name: ProjectName,
    files: Vec<MirrorFile>,
    page: Option<HeldPage>,
    entries: Vec<Entry>,
}

impl Ready {
    pub(super) fn weight(&self) -> usize {
        1 + self.files.len() * 2
    }
}

impl Importer {
    pub(super) async fn prepare_mirrored(
        &self,
        source: &dyn Source,
        target: &Arc<Target>,
        project: Project,
    ) -> Result<Option<Ready>, ImportError> {
        let name = match ProjectName::parse(&project.name) {
            Ok(name) => name,
            Err(error) => {
                let item = format!("{}/{}", target.name, project.name);
                self.report.skipped(Kind::Project, item, error.to_string());
                return Ok(None);
            }
        };
        let (held, listed) = match target.id {
            None => (Vec::new(), false),
            Some(index) => {
                let mut reader = self.app.db().reader().await?;
                let name = name.normalized();
                let held = mirrors::list_files(&mut reader, index, name).await?;
                let listed = mirrors::find_listing(&mut reader, index, name)
                    .await?
                    .is_some();
                (held, listed)
            }
        };
        let mut entries = Vec::new();
        let mut rows = Vec::new();
        let mut page = ProjectPage {
            name: name.normalized().to_owned(),
            ..ProjectPage::default()
        };
        for file in &project.files {
            let item = format!("{}/{}", target.name, file.name);
            match self
                .mirrored_file(source, &name, &project, file, &held)
                .await?
            {
                Mirrored::Present => entries.push(Entry::Present(Kind::MirroredFile)),
                Mirrored::Skipped(reason) => {
                    entries.push(Entry::skipped(Kind::MirroredFile, item, reason));
                }
                Mirrored::New(row, listed) => {
                    rows.push(*row);
                    page.files.push(*listed);
                    entries.push(Entry::Kept(Kind::MirroredFile));
                }
            }
        }
        if rows.is_empty() || self.options.dry_run {
            self.report.add(entries);
            return Ok(None);
        }
        page.complete_versions();
        Ok(Some(Ready {
            page: (!listed)
                .then(|| HeldPage::of(page))
                .transpose()
                .map_err(Error::internal)?,
            target: Arc::clone(target),
            name,
            files: rows,
            entries,
        }))
    }

    async fn mirrored_file(
        &self,
        source: &dyn Source,
        project: &ProjectName,
        from: &Project,
        file: &model::File,
        held: &[MirrorFile],
    ) -> Result<Mirrored, ImportError> {
        let name = match FileName::parse(&file.name) {
            Ok(name) => name,
            Err(error) => return Ok(Mirrored::Skipped(error.to_string())),
        };
        let Some(url) = file.url.as_deref().and_then(|url| Url::parse(url).ok()) else {
            return Ok(Mirrored::Skipped(
                "nothing tells where the upstream has it".to_owned(),
            ));
        };
        if held.iter().any(|held| held.filename == file.name) {
            self.progress.file_done(0);
            return Ok(Mirrored::Present);
        }
        let bytes = match self.take(source, &file.content, &file.hashes).await? {
            Ok(bytes) => bytes,
            Err(reason) => return Ok(Mirrored::Skipped(reason)),
        };
        self.progress.file_done(bytes.blob.size);
        let blob = self.keep(bytes).await?;
        let url = without_fragment(url);
        let listed = listed_file(file, &url, blob, release_of(from, file, project));
        let path = FilePath::of_upstream(&listed.hashes, &url, name);
        let row = MirrorFile {
            filename: file.name.clone(),
            project: project.normalized().to_owned(),
            sha256: blob.sha256,
            size: blob.size,
            path: path.to_string(),
            core_metadata: None,
            fetched_at: file.modified.unwrap_or_else(|| self.app.clock().now()),
            last_modified: file
                .modified
                .map(|time| httpdate::fmt_http_date(std::time::SystemTime::from(time))),
        };
        Ok(Mirrored::New(Box::new(row), Box::new(listed)))
    }
}

/// What came of one file.
enum Mirrored {
    Present,
    Skipped(String),
    New(Box<MirrorFile>, Box<PageFile>),
}

impl Ready {
    /// Writes everything, and says what there is to report when that is durable.
    pub(super) async fn write(self, tx: &mut Transaction) -> Result<Vec<Entry>, Error> {
        let id = self
            .target
            .id
            .ok_or_else(|| Error::internal("an index that was not made"))?;
        let index = current_index(tx, id, &self.target.name).await?;
        let project = self.name.normalized();
        if let Some(page) = self.page
            && let Some(stored) = page.for_index(&index, &self.name)
        {
            save_page(tx, &index, &self.name, stored, page.event_detail()).await?;
        }
        for file in self.files {
            let detail = json!({
                "file": file.filename,
                "sha256": file.sha256,
                "size": file.size,
                "imported": true,
            });
            blobs::register(tx, file.sha256, file.size).await?;
            record(tx, &index, project, EventKind::MirrorFileStored, detail).await?;
            mirrors::save_file(tx, id, &file).await?;
        }
        Ok(self.entries)
    }
}

async fn save_page(
    tx: &mut Transaction,
    index: &Index,
    project: &ProjectName,
    stored: StoredListing,
    detail: serde_json::Value,
) -> Result<(), Error> {
    let name = project.normalized();
    if mirrors::find_listing(tx, index.id, name).await?.is_some() {
        // The upstream was asked meanwhile and knows better.
        return Ok(());
    }
    record(tx, index, name, EventKind::MirrorListingChanged, detail).await?;
    mirrors::save_listing(tx, index.id, name, stored).await?;
    Ok(())
}

/// Records what is about to be written of a project, which may appear with it on a list of what is held.
async fn record(
    tx: &mut Transaction,
    index: &Index,
    project: &str,
    kind: EventKind,
    detail: serde_json::Value,
) -> Result<(), Error> {
    let mut event = Event::of_project(kind, &index.name, project, detail);
    note_if_newly_held(tx, index, project, &mut event).await?;
    tx.record(event);
    Ok(())
}

fn release_of<'a>(
    from: &'a Project,
    file: &model::File,
    project: &ProjectName,
) -> Option<&'a JsonMap> {
    let guessed = || {
        Some(
            FileName::parse(&file.name)
                .ok()?
                .version_for(project)?
                .to_string(),
        )
    };
    let version = file.version.clone().or_else(guessed)?;
    let release = from
        .releases
        .iter()
        .find(|release| release.version == version)?;
    Some(&release.metadata)
}

fn listed_file(
    file: &model::File,
    url: &Url,
    blob: StoredBlob,
    release: Option<&JsonMap>,
) -> PageFile {
    let yanking = file.yanked.as_ref().or_else(|| release?.get("yanked"));
    PageFile {
        filename: file.name.clone(),
        url: url.to_string(),
        hashes: Hashes::from(blob.sha256),
        requires_python: release
            .and_then(|release| text(release, "requires_python"))
            .map(str::to_owned),
        size: Some(blob.size),
        upload_time: file.modified,
        yanked: yanked(yanking),
        ..PageFile::default()
    }
}

/// Without the digest that devpi appends, and without credentials, which belong to the index.
fn without_fragment(mut url: Url) -> Url {
    url.set_fragment(None);
    // Both fail only for URLs without a host, which have no user information either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}
