//! Documentation and test results: bytes that belong to a version or a file.

use std::collections::HashSet;

use cheeseshop_domain::Documentation;
use cheeseshop_packaging::{FileName, Sha256, Version};
use cheeseshop_storage::StoredBlob;

use super::ReadyAttachment;
use super::prepare::{Arriving, Judged, other_bytes};
use crate::import::ImportError;
use crate::import::model::{self, Content};
use crate::import::report::{Entry, Kind};

enum Attached {
    Present,
    Skipped(String),
    Kept(StoredBlob),
}

impl Arriving<'_> {
    pub(super) async fn documentation(
        &self,
        archives: &[model::Documentation],
        entries: &mut Vec<Entry>,
    ) -> Result<Vec<ReadyAttachment<Version>>, ImportError> {
        self.each(archives, entries, |archive| self.archive(archive))
            .await
    }

    async fn archive(
        &self,
        archive: &model::Documentation,
    ) -> Result<Judged<ReadyAttachment<Version>>, ImportError> {
        let item = self.release_item(&archive.version);
        let skip = |reason: String| {
            Ok(Judged::Say(Entry::skipped(
                Kind::Documentation,
                item.clone(),
                reason,
            )))
        };
        let named = Version::parse(&archive.version)
            .map_err(|error| error.to_string())
            .and_then(|version| {
                let name = Documentation::name_for(&self.name, &version);
                Ok((version, name.map_err(|error| error.to_string())?))
            });
        let (version, name) = match named {
            Ok(named) => named,
            Err(reason) => return skip(reason),
        };
        let held = self
            .here
            .documentation
            .get(version.as_str())
            .map(|held| held.sha256);
        let blob = match self
            .attached(held, &archive.content, &archive.hashes)
            .await?
        {
            Attached::Present => return Ok(Judged::Say(Entry::Present(Kind::Documentation))),
            Attached::Skipped(reason) => return skip(reason),
            Attached::Kept(blob) => blob,
        };
        let (log, uploaded, differences) = self.history(&archive.log, archive.modified);
        let ready = ReadyAttachment {
            of: version,
            name,
            blob,
            uploaded,
            log,
        };
        Ok(Judged::Write(
            ready,
            Entry::kept(Kind::Documentation, item, &differences),
        ))
    }

    pub(super) async fn results(
        &self,
        project: &model::Project,
        entries: &mut Vec<Entry>,
    ) -> Result<Vec<ReadyAttachment<FileName>>, ImportError> {
        let files: HashSet<&str> = project
            .files
            .iter()
            .map(|file| file.name.as_str())
            .collect();
        let files = &files;
        self.each(&project.test_results, entries, |result| {
            self.result(files, result)
        })
        .await
    }

    async fn result(
        &self,
        files: &HashSet<&str>,
        result: &model::TestResult,
    ) -> Result<Judged<ReadyAttachment<FileName>>, ImportError> {
        let item = self.item(&result.name);
        let skip = |reason: String| {
            Ok(Judged::Say(Entry::skipped(
                Kind::TestResult,
                item.clone(),
                reason,
            )))
        };
        let (name, file) = match (FileName::parse(&result.name), FileName::parse(&result.file)) {
            (Ok(name), Ok(file)) => (name, file),
            (Err(error), _) | (_, Err(error)) => return skip(error.to_string()),
        };
        if !files.contains(file.as_str()) && !self.here.files.contains_key(file.as_str()) {
            return skip(format!("the file that it is about, {file}, is not there"));
        }
        let held = self.here.results.get(name.as_str()).map(|held| held.sha256);
        let blob = match self.attached(held, &result.content, &result.hashes).await? {
            Attached::Present => return Ok(Judged::Say(Entry::Present(Kind::TestResult))),
            Attached::Skipped(reason) => return skip(reason),
            Attached::Kept(blob) => blob,
        };
        let (log, uploaded, differences) = self.history(&result.log, result.modified);
        let ready = ReadyAttachment {
            of: file,
            name,
            blob,
            uploaded,
            log,
        };
        Ok(Judged::Write(
            ready,
            Entry::kept(Kind::TestResult, item, &differences),
        ))
    }

    /// The bytes of something that has no rules of its own.
    async fn attached(
        &self,
        held: Option<Sha256>,
        content: &Content,
        hashes: &cheeseshop_packaging::Hashes,
    ) -> Result<Attached, ImportError> {
        if held.is_some() && held == hashes.sha256() {
            self.importer.progress.file_done(0);
            return Ok(Attached::Present);
        }
        let bytes = match self.take(content, hashes).await? {
            Ok(bytes) => bytes,
            Err(reason) => return Ok(Attached::Skipped(reason)),
        };
        match held {
            Some(held) if held == bytes.blob.sha256 => Ok(Attached::Present),
            Some(held) if self.leaves() => Ok(Attached::Skipped(other_bytes(&held))),
            _ => Ok(Attached::Kept(self.importer.keep(bytes).await?)),
        }
    }
}
