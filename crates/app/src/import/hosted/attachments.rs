//! Documentation and test results: bytes that belong to a version or a file.

use std::collections::HashSet;

use cheeseshop_domain::{Documentation, JsonMap};
use cheeseshop_packaging::{FileName, Hashes, Sha256, Version};
use jiff::Timestamp;

use super::ReadyAttachment;
use super::prepare::{Arriving, Judged, other_bytes};
use crate::import::ImportError;
use crate::import::model::{self, Content};
use crate::import::report::{Entry, Kind};

/// What the source tells of an attachment, whatever it belongs to.
struct Told<'a> {
    kind: Kind,
    item: String,
    content: &'a Content,
    hashes: &'a Hashes,
    modified: Option<Timestamp>,
    log: &'a [JsonMap],
}

impl Told<'_> {
    fn present<T>(&self) -> Judged<ReadyAttachment<T>> {
        Judged::Say(Entry::Present(self.kind))
    }

    fn skipped<T>(self, reason: String) -> Judged<ReadyAttachment<T>> {
        Judged::Say(Entry::skipped(self.kind, self.item, reason))
    }
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
        let told = Told {
            kind: Kind::Documentation,
            item: self.release_item(&archive.version),
            content: &archive.content,
            hashes: &archive.hashes,
            modified: archive.modified,
            log: &archive.log,
        };
        let version = match Version::parse(&archive.version) {
            Ok(version) => version,
            Err(error) => return Ok(told.skipped(error.to_string())),
        };
        let name = match Documentation::name_for(&self.name, &version) {
            Ok(name) => name,
            Err(error) => return Ok(told.skipped(error.to_string())),
        };
        let held = self.here.documentation.get(version.as_str());
        let held = held.map(|held| held.sha256);
        self.attach(told, held, version, name).await
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
        let told = Told {
            kind: Kind::TestResult,
            item: self.item(&result.name),
            content: &result.content,
            hashes: &result.hashes,
            modified: result.modified,
            log: &result.log,
        };
        let (name, file) = match (FileName::parse(&result.name), FileName::parse(&result.file)) {
            (Ok(name), Ok(file)) => (name, file),
            (Err(error), _) | (_, Err(error)) => return Ok(told.skipped(error.to_string())),
        };
        if !files.contains(file.as_str()) && !self.here.files.contains_key(file.as_str()) {
            let reason = format!("the file that it is about, {file}, is not there");
            return Ok(told.skipped(reason));
        }
        let held = self.here.results.get(name.as_str()).map(|held| held.sha256);
        self.attach(told, held, file, name).await
    }

    /// Takes the bytes in, unless they are here; `held` is the digest of what is here under the name.
    async fn attach<T>(
        &self,
        told: Told<'_>,
        held: Option<Sha256>,
        of: T,
        name: FileName,
    ) -> Result<Judged<ReadyAttachment<T>>, ImportError> {
        if held.is_some() && held == told.hashes.sha256() {
            self.importer.progress.file_done(0);
            return Ok(told.present());
        }
        let bytes = match self.take(told.content, told.hashes).await? {
            Ok(bytes) => bytes,
            Err(reason) => return Ok(told.skipped(reason)),
        };
        match held {
            Some(held) if held == bytes.blob.sha256 => return Ok(told.present()),
            Some(held) if self.leaves() => return Ok(told.skipped(other_bytes(&held))),
            _ => {}
        }
        let blob = self.importer.keep(bytes).await?;
        let (log, uploaded, differences) = self.history(told.log, told.modified);
        let ready = ReadyAttachment {
            of,
            name,
            blob,
            uploaded,
            log,
        };
        let entry = Entry::kept(told.kind, told.item, &differences);
        Ok(Judged::Write(ready, entry))
    }
}
