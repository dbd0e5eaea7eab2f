//! The rows of test results: adding some to a file, and burying those of a file that goes.

use std::collections::HashSet;

use cheeseshop_domain::{Event, EventKind, File, FilePath, Index, IndexName, LogEntry, TestResult};
use cheeseshop_packaging::{FileName, ProjectName, Sha256};
use cheeseshop_storage::Transaction;
use cheeseshop_storage::blobs::StoredBlob;
use cheeseshop_storage::database::test_results::{self as rows, NewTestResult};
use cheeseshop_storage::database::{blobs, tombstones};
use jiff::Timestamp;
use serde_json::json;

use crate::Error;
use crate::users::invalid;

/// A test result that is about to be kept. Its blob is durable already.
pub(crate) struct IncomingTestResult {
    pub(crate) blob: StoredBlob,
    pub(crate) uploaded: Timestamp,
    /// How it came here; the last entry is what happens now.
    pub(crate) log: Vec<LogEntry>,
}

/// A file that test results are added to.
pub(crate) struct ResultPlace<'a> {
    index: &'a Index,
    project: &'a ProjectName,
    file: &'a File,
    /// The most results that the file may have.
    most: usize,
    /// Of the results that it has.
    names: HashSet<FileName>,
    digests: HashSet<Sha256>,
}

impl<'a> ResultPlace<'a> {
    /// Reads what the file has.
    pub(crate) async fn open(
        tx: &mut Transaction,
        index: &'a Index,
        (project, file): (&'a ProjectName, &'a File),
        most: usize,
    ) -> Result<Self, Error> {
        let held = rows::list_for_file(tx, file.id).await?;
        let (names, digests) = held
            .into_iter()
            .map(|result| (result.name, result.sha256))
            .unzip();
        Ok(Self {
            index,
            project,
            file,
            most,
            names,
            digests,
        })
    }

    /// Whether the file has a result of these bytes.
    pub(crate) fn has(&self, sha256: &Sha256) -> bool {
        self.digests.contains(sha256)
    }

    /// Adds a result under a name of its own; answers its path below the index. Records no event.
    pub(crate) async fn add(
        &mut self,
        tx: &mut Transaction,
        incoming: IncomingTestResult,
        now: Timestamp,
    ) -> Result<FilePath, Error> {
        check_room(&self.file.name, self.names.len(), self.most)?;
        let name = self.free_name(now)?;
        let StoredBlob { sha256, size } = incoming.blob;
        blobs::register(tx, sha256, size).await?;
        let new = NewTestResult {
            name: name.clone(),
            sha256,
            size,
            uploaded: incoming.uploaded,
            log: incoming.log,
        };
        rows::insert(tx, self.index.id, self.file.id, &new).await?;
        self.names.insert(name.clone());
        self.digests.insert(sha256);
        Ok(FilePath::of_sha256(&self.file.sha256, name))
    }

    /// devpi numbers a result by how many there are; after a removal that name may be taken.
    fn free_name(&self, now: Timestamp) -> Result<FileName, Error> {
        let mut number = self.names.len();
        loop {
            let name = TestResult::name_for(&self.file.name, now, number).map_err(invalid)?;
            if !self.names.contains(&name) {
                return Ok(name);
            }
            number += 1;
        }
    }

    /// What the change log says; `from` is the index that the result was pushed from.
    pub(crate) fn event(&self, path: &FilePath, from: Option<&IndexName>) -> Event {
        let mut detail = json!({
            "version": self.file.version.as_str(),
            "file": self.file.name.as_str(),
            "result": path.name().as_str(),
        });
        if let Some(from) = from {
            detail["from"] = json!(from.to_string());
        }
        Event::of_project(
            EventKind::TestResultAdded,
            &self.index.name,
            self.project.normalized(),
            detail,
        )
    }
}

/// A file that has as many results as it may takes no more.
pub(super) fn check_room(file: &FileName, held: usize, most: usize) -> Result<(), Error> {
    if held < most {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "{file} already has {held} test results; remove some of them first"
    )))
}

/// Removes the results of a file whose bytes go; their paths answer 410 from then on.
pub(crate) async fn bury_results(
    tx: &mut Transaction,
    index: &Index,
    file: &File,
) -> Result<(), Error> {
    for result in rows::list_for_file(tx, file.id).await? {
        tombstones::record(tx, index.id, &result.path().to_string()).await?;
        rows::remove(tx, result.id).await?;
    }
    Ok(())
}
