//! Comparing a project with what is here, and keeping the bytes that are missing.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

use cheeseshop_domain::LogEntry;
use cheeseshop_packaging::archive::wheel;
use cheeseshop_packaging::{CoreMetadata, FileKind, FileName, ProjectName, Sha256, Version};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use super::here::Here;
use super::{Gone, Ready, ReadyFile, ReadyRelease, metadata};
use crate::import::importer::{Importer, Target};
use crate::import::model::{self, Content};
use crate::import::report::{Entry, Kind};
use crate::import::{Differing, ImportError, Source, logs};
use crate::publish::is_requirement;

/// What is known of an item: something to write, or only something to say.
pub(super) enum Judged<T> {
    Write(T, Entry),
    Say(Entry),
}

/// A project on its way in.
pub(super) struct Arriving<'a> {
    pub(super) importer: &'a Importer,
    pub(super) source: &'a dyn Source,
    pub(super) target: &'a Target,
    pub(super) name: ProjectName,
    pub(super) here: Here,
    pub(super) releases: &'a [model::Release],
}

impl Importer {
    pub(in crate::import) async fn prepare_hosted(
        &self,
        source: &dyn Source,
        target: &Arc<Target>,
        project: model::Project,
    ) -> Result<Option<Ready>, ImportError> {
        let name = match ProjectName::parse(&project.name) {
            Ok(name) => metadata::written_name(&project.releases, &name),
            Err(error) => {
                let item = format!("{}/{}", target.name, project.name);
                self.report.skipped(Kind::Project, item, error.to_string());
                return Ok(None);
            }
        };
        let here = match target.id {
            None => Here::default(),
            Some(index) => {
                let mut reader = self.app.db().reader().await?;
                Here::find(&mut reader, index, name.normalized()).await?
            }
        };
        let arriving = Arriving {
            importer: self,
            source,
            target,
            name,
            here,
            releases: &project.releases,
        };
        let mut entries = Vec::new();
        let releases = arriving.releases(&project, &mut entries);
        let files = arriving.files(&project.files, &mut entries).await?;
        let documentation = arriving
            .documentation(&project.documentation, &mut entries)
            .await?;
        let results = arriving.results(&project, &mut entries).await?;
        let gone = match self.options.differing {
            Differing::Leave => Gone::default(),
            Differing::Follow => arriving.gone(&project),
        };
        let is_new = arriving.here.project.is_none();
        if is_new && gone.project {
            // It came and went there before it could come here.
            return Ok(None);
        }
        if is_new {
            entries.push(Entry::Kept(Kind::Project));
        } else if !gone.project {
            entries.push(Entry::Present(Kind::Project));
        }
        let nothing_to_write = !is_new
            && releases.is_empty()
            && files.is_empty()
            && documentation.is_empty()
            && results.is_empty()
            && gone.is_empty();
        if nothing_to_write || self.options.dry_run {
            self.report.add(entries);
            return Ok(None);
        }
        Ok(Some(Ready {
            name: arriving.name,
            target: Arc::clone(target),
            releases,
            files,
            documentation,
            results,
            gone,
            entries,
        }))
    }
}

impl Arriving<'_> {
    pub(super) fn release_item(&self, version: &str) -> String {
        format!("{}/{}/{version}", self.target.name, self.name.normalized())
    }

    pub(super) fn item(&self, name: &str) -> String {
        format!("{}/{name}", self.target.name)
    }

    pub(super) fn leaves(&self) -> bool {
        self.importer.options.differing == Differing::Leave
    }

    /// The versions to write. A version that only files name is registered with them.
    fn releases(&self, project: &model::Project, entries: &mut Vec<Entry>) -> Vec<ReadyRelease> {
        let mut ready = Vec::new();
        let mut told = HashSet::new();
        for release in &project.releases {
            told.insert(release.version.as_str());
            match self.release(release) {
                Judged::Write(release, entry) => {
                    ready.push(release);
                    entries.push(entry);
                }
                Judged::Say(entry) => entries.push(entry),
            }
        }
        let of_files = project
            .files
            .iter()
            .filter_map(|file| self.version_of(file));
        let of_documentation = project
            .documentation
            .iter()
            .filter_map(|archive| Version::parse(&archive.version).ok());
        let mut added = HashSet::new();
        for version in of_files.chain(of_documentation) {
            let known = told.contains(version.as_str())
                || self.here.releases.contains_key(version.as_str());
            if known || !added.insert(version.clone()) {
                continue;
            }
            let (metadata, _) =
                metadata::adopt(&cheeseshop_domain::JsonMap::new(), &self.name, &version);
            entries.push(Entry::kept(
                Kind::Release,
                self.release_item(version.as_str()),
                &[
                    "there are files of it but no metadata: it has a name and a version only"
                        .to_owned(),
                ],
            ));
            ready.push(ReadyRelease { version, metadata });
        }
        ready
    }

    fn release(&self, release: &model::Release) -> Judged<ReadyRelease> {
        let item = self.release_item(&release.version);
        let version = match Version::parse(&release.version) {
            Ok(version) => version,
            Err(error) => {
                return Judged::Say(Entry::skipped(Kind::Release, item, error.to_string()));
            }
        };
        let (metadata, differences) = metadata::adopt(&release.metadata, &self.name, &version);
        match self.here.releases.get(version.as_str()) {
            Some(held) if held.metadata == metadata => Judged::Say(Entry::Present(Kind::Release)),
            Some(_) if self.leaves() => Judged::Say(Entry::skipped(
                Kind::Release,
                item,
                "this version is here with other metadata: that stays",
            )),
            _ => {
                let entry = Entry::kept(Kind::Release, item, &differences);
                Judged::Write(ReadyRelease { version, metadata }, entry)
            }
        }
    }

    pub(super) fn version_of(&self, file: &model::File) -> Option<Version> {
        match &file.version {
            Some(version) => Version::parse(version).ok(),
            None => FileName::parse(&file.name).ok()?.version_for(&self.name),
        }
    }

    async fn files(
        &self,
        files: &[model::File],
        entries: &mut Vec<Entry>,
    ) -> Result<Vec<ReadyFile>, ImportError> {
        self.each(files, entries, |file| self.file(file)).await
    }

    async fn file(&self, file: &model::File) -> Result<Judged<ReadyFile>, ImportError> {
        let item = self.item(&file.name);
        let skip = |reason: String| {
            Ok(Judged::Say(Entry::skipped(
                Kind::File,
                item.clone(),
                reason,
            )))
        };
        let name = match FileName::parse(&file.name) {
            Ok(name) => name,
            Err(error) => return skip(error.to_string()),
        };
        let Some(version) = self.version_of(file) else {
            return skip("its version is not known".to_owned());
        };
        let held = self.here.files.get(name.as_str());
        match (held, file.hashes.sha256()) {
            (Some(held), Some(expected)) if held.sha256 == expected && held.version == version => {
                self.importer.progress.file_done(0);
                return Ok(Judged::Say(Entry::Present(Kind::File)));
            }
            (Some(held), Some(_)) if self.leaves() => return skip(other_bytes(&held.sha256)),
            _ => {}
        }
        let bytes = match self.take(&file.content, &file.hashes).await? {
            Ok(bytes) => bytes,
            Err(reason) => return skip(reason),
        };
        if let Some(held) = held {
            if held.sha256 == bytes.blob.sha256 && held.version == version {
                return Ok(Judged::Say(Entry::Present(Kind::File)));
            }
            if self.leaves() {
                return skip(other_bytes(&held.sha256));
            }
        }
        let release = self
            .releases
            .iter()
            .find(|release| release.version == version.as_str());
        let release_metadata = release.map(|release| &release.metadata);
        let document = self.core_metadata(&name, bytes.path.clone()).await?;
        // The file's own word counts, as for uploads.
        let requires_python = match document
            .as_deref()
            .and_then(|text| CoreMetadata::parse(text).ok())
        {
            Some(metadata) => metadata.requires_python,
            None => release_metadata
                .and_then(|metadata| metadata::text(metadata, "requires_python"))
                .map(str::to_owned),
        };
        let core_metadata = match document {
            Some(document) if !self.importer.options.dry_run => {
                Some(self.importer.app.blobs().put(document.into()).await?)
            }
            _ => None,
        };
        let blob = self.importer.keep(bytes).await?;
        let (log, uploaded, differences) = self.history(&file.log, file.modified);
        let yanked = file
            .yanked
            .as_ref()
            .or_else(|| release_metadata?.get("yanked"));
        let ready = ReadyFile {
            name,
            version,
            blob,
            requires_python: requires_python.filter(|text| is_requirement(text)),
            yanked: metadata::yanked(yanked),
            core_metadata,
            uploaded,
            log,
        };
        Ok(Judged::Write(
            ready,
            Entry::kept(Kind::File, item, &differences),
        ))
    }

    pub(super) async fn take(
        &self,
        content: &Content,
        hashes: &cheeseshop_packaging::Hashes,
    ) -> Result<crate::import::bytes::Taken, ImportError> {
        let taken = self.importer.take(self.source, content, hashes).await?;
        let size = taken.as_ref().map_or(0, |bytes| bytes.blob.size);
        self.importer.progress.file_done(size);
        Ok(taken)
    }

    /// The core metadata of a wheel, if it can be found: what was taken by another server is not judged again.
    async fn core_metadata(
        &self,
        name: &FileName,
        path: PathBuf,
    ) -> Result<Option<Vec<u8>>, ImportError> {
        if name.kind() != FileKind::Wheel {
            return Ok(None);
        }
        let name = name.clone();
        let limits = self.importer.app.settings().publish.archive;
        let look = move || {
            let file = File::open(path).map_err(crate::Error::internal)?;
            let read = wheel::read_metadata(BufReader::new(file), &name, &limits);
            Ok(read
                .inspect_err(|error| {
                    tracing::debug!(file.name = %name, %error, "a wheel tells nothing of itself");
                })
                .ok())
        };
        Ok(self.importer.app.inspect(look).await?)
    }

    pub(super) fn history(
        &self,
        log: &[cheeseshop_domain::JsonMap],
        modified: Option<Timestamp>,
    ) -> (Vec<LogEntry>, Timestamp, Vec<String>) {
        let (log, lost) = logs::read(log);
        let mut differences = Vec::new();
        if lost > 0 {
            differences.push(format!(
                "{lost} unreadable entries of its history were left out"
            ));
        }
        let uploaded = logs::upload_time(modified, &log).unwrap_or_else(|| {
            differences.push(
                "nothing tells when it was uploaded: the time of the import stands in".to_owned(),
            );
            self.importer.app.clock().now()
        });
        (log, uploaded, differences)
    }

    /// Judges items some at a time, in their order.
    pub(super) async fn each<'i, T, R, F>(
        &self,
        items: &'i [T],
        entries: &mut Vec<Entry>,
        judge: impl Fn(&'i T) -> F,
    ) -> Result<Vec<R>, ImportError>
    where
        F: Future<Output = Result<Judged<R>, ImportError>>,
    {
        let at_once = self.importer.options.files_at_once.max(1);
        // Collected, for a stream over borrowed items is nothing that a thread can take along.
        let waiting: Vec<F> = items.iter().map(judge).collect();
        let mut judged = stream::iter(waiting).buffered(at_once);
        let mut ready = Vec::new();
        while let Some(judged) = judged.try_next().await? {
            match judged {
                Judged::Write(item, entry) => {
                    ready.push(item);
                    entries.push(entry);
                }
                Judged::Say(entry) => entries.push(entry),
            }
        }
        Ok(ready)
    }
}

pub(super) fn other_bytes(held: &Sha256) -> String {
    format!("there are other bytes under this name here (sha256 {held}): they stay")
}
