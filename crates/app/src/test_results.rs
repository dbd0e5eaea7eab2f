//! Test results of files: taking them in, and telling what they say.
//!
//! A result is kept as it was sent. What it says is read each time somebody asks, within limits, so
//! nothing is derived that could become wrong.

use std::sync::Arc;

use bytes::Bytes;
use cheeseshop_domain::{
    Action, Caller, Event, EventKind, File, FilePath, Index, IndexName, LogEntry, TestReport,
    TestResult,
};
use cheeseshop_packaging::{FileName, ProjectName, Sha256};
use cheeseshop_storage::Transaction;
use cheeseshop_storage::blobs::StoredBlob;
use cheeseshop_storage::database::test_results::{self, NewTestResult};
use cheeseshop_storage::database::{blobs, files, projects, tombstones};
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::publish::{current_index, read_only};
use crate::users::invalid;
use crate::{App, Error};

/// Results of one file that are read for a list; of older ones only is told that they are there.
const LISTED: usize = 100;

/// Bytes of results that are read for a list.
const LISTED_BYTES: u64 = 64 << 20;

/// A test result that is about to arrive. Dropping it forgets it.
pub struct TestResultUpload {
    app: App,
    caller: Caller,
    index: Arc<Index>,
    path: FilePath,
}

/// A test result that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedTestResult {
    /// Where it is, as `user/index/+f/…`.
    pub path: String,
    /// The digest of its bytes.
    pub sha256: Sha256,
}

/// A test result of a file and what it says.
#[derive(Clone, Debug)]
pub struct TestRun {
    /// The index that holds it.
    pub index: IndexName,
    /// The result.
    pub result: TestResult,
    /// What it says; `None` when it says nothing that can be understood, or is one of too many.
    pub report: Option<TestReport>,
}

impl App {
    /// Starts taking in a test result for the file at a path of this very index.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for those whom `acl_toxresult_upload` does not admit,
    /// [`Error::NotFound`] `no release file found at u/i/+f/…`, [`Error::Invalid`] on a mirror.
    pub async fn start_test_result(
        &self,
        caller: &Caller,
        index: &IndexName,
        path: &FilePath,
    ) -> Result<TestResultUpload, Error> {
        self.catch_up().await?;
        let index = self.testable_index(caller, index)?;
        let mut reader = self.db().reader().await?;
        let (_, project) = files::find_by_path(&mut reader, index.id, path)
            .await?
            .ok_or_else(|| no_release_file(&index, path))?;
        self.permit_result(caller, &index, &project)?;
        Ok(TestResultUpload {
            app: self.clone(),
            caller: caller.clone(),
            index,
            path: path.clone(),
        })
    }

    /// The index, if the caller may add test results to it. Who may need not be able to read.
    fn testable_index(&self, caller: &Caller, name: &IndexName) -> Result<Arc<Index>, Error> {
        let directory = self.directory();
        if let Some(index) = directory.index(name.user.as_str(), &name.index)
            && self.permit(caller, Action::UploadTestResult(index)).is_ok()
        {
            return Ok(Arc::clone(index));
        }
        let index = self.readable_index(caller, name)?;
        if index.is_mirror() {
            return Err(Error::Invalid(format!(
                "{} is a mirror, and test results cannot be kept for its files; \
                 push the release to an index of your own first",
                index.name
            )));
        }
        self.permit(caller, Action::UploadTestResult(&index))?;
        Ok(index)
    }

    /// Whether the caller may add results to a project's files; a token may cover some only.
    fn permit_result(
        &self,
        caller: &Caller,
        index: &Index,
        project: &ProjectName,
    ) -> Result<(), Error> {
        if index.is_read_only() {
            return Err(read_only());
        }
        let caller = caller.about(project.normalized());
        self.permit(&caller, Action::UploadTestResult(index))
    }

    /// The test results of a release's file, newest first, with what they say.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such file on the index or on what it inherits.
    pub async fn test_results(
        &self,
        caller: &Caller,
        index: &IndexName,
        release: (&ProjectName, &str),
        filename: &str,
    ) -> Result<Vec<TestRun>, Error> {
        let (holder, _, results) = self.results_of(caller, index, release, filename).await?;
        let mut runs = Vec::new();
        let mut left = LISTED_BYTES;
        for result in results.into_iter().rev() {
            let within = runs.len() < LISTED && result.size <= left;
            let report = if within {
                left -= result.size;
                self.read_report(&result).await?
            } else {
                None
            };
            runs.push(TestRun {
                index: holder.name.clone(),
                result,
                report,
            });
        }
        Ok(runs)
    }

    /// One test result of a release's file, with what it says.
    ///
    /// # Errors
    /// As [`App::test_results`], also when the file has no such result.
    pub async fn test_result(
        &self,
        caller: &Caller,
        index: &IndexName,
        release: (&ProjectName, &str),
        filename: &str,
        name: &str,
    ) -> Result<TestRun, Error> {
        let (holder, _, results) = self.results_of(caller, index, release, filename).await?;
        let result = results
            .into_iter()
            .find(|result| result.name.as_str() == name)
            .ok_or_else(|| Error::NotFound(format!("no test result {name} of {filename}")))?;
        Ok(TestRun {
            index: holder.name.clone(),
            report: self.read_report(&result).await?,
            result,
        })
    }

    async fn results_of(
        &self,
        caller: &Caller,
        index: &IndexName,
        (project, version): (&ProjectName, &str),
        filename: &str,
    ) -> Result<(Arc<Index>, File, Vec<TestResult>), Error> {
        self.catch_up().await?;
        let caller = &*caller.about(project.normalized());
        let index = self.readable_index(caller, index)?;
        let holders = self.visible_hosted(caller, &index);
        let ids: Vec<_> = holders.iter().map(|holder| holder.id).collect();
        let mut reader = self.db().reader().await?;
        let held = projects::find_in(&mut reader, &ids, project.normalized()).await?;
        for holder in holders {
            let Some(project) = held.iter().find(|project| project.index == holder.id) else {
                continue;
            };
            let Some(file) = files::find(&mut reader, project.id, filename).await? else {
                continue;
            };
            if file.version.as_str() == version
                && index.admits(project.name.normalized(), Some(&file.version))
            {
                let results = test_results::list_for_file(&mut reader, file.id).await?;
                return Ok((holder, file, results));
            }
        }
        drop(reader);
        if caller.is_anonymous() && self.directory().hides_something(caller, index.id) {
            return Err(Error::Unauthenticated("the file may need a login".into()));
        }
        Err(Error::NotFound("no such file".to_owned()))
    }

    async fn read_report(&self, result: &TestResult) -> Result<Option<TestReport>, Error> {
        let Some(blob) = self.blobs().open_blob(&result.sha256).await? else {
            return Ok(None);
        };
        let bytes = blob.bytes(LISTED_BYTES).await?;
        self.inspect(move || Ok(TestReport::parse(&bytes).ok()))
            .await
    }
}

impl TestResultUpload {
    /// The most bytes that the result may have.
    pub fn max_bytes(&self) -> u64 {
        self.app.settings().publish.max_test_result_bytes
    }

    /// Keeps the result durably.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no JSON, [`Error::TooLarge`], [`Error::Conflict`] when the
    /// file has as many results as it may, and those of [`App::start_test_result`], since the
    /// index may have changed meanwhile.
    pub async fn finish(self, body: Bytes) -> Result<AddedTestResult, Error> {
        let Self {
            app,
            caller,
            index,
            path,
        } = self;
        let limits = &app.settings().publish;
        if body.len() as u64 > limits.max_test_result_bytes {
            return Err(Error::TooLarge(format!(
                "the test result is larger than {} bytes",
                limits.max_test_result_bytes
            )));
        }
        let most = limits.max_test_results_per_file;
        let checked = body.clone();
        app.inspect(move || {
            serde_json::from_slice::<IgnoredAny>(&checked)
                .map(drop)
                .map_err(|_| Error::Invalid("Bad request: could not decode json".to_owned()))
        })
        .await?;
        let blob = app.blobs().put(body).await?;
        let now = app.clock().now();
        let (asker, deciding) = (caller.clone(), app.clone());
        let committed = app
            .write(&caller, move |tx| {
                Box::pin(async move {
                    let index = current_index(tx, index.id, &index.name).await?;
                    let (file, project) = files::find_by_path(tx, index.id, &path)
                        .await?
                        .ok_or_else(|| no_release_file(&index, &path))?;
                    deciding.permit_result(&asker, &index, &project)?;
                    let incoming = IncomingTestResult {
                        blob,
                        uploaded: now,
                        log: vec![LogEntry::upload(asker.user_name(), now, &index.name)],
                    };
                    let place = ResultPlace {
                        index: &index,
                        project: &project,
                        file: &file,
                        most,
                    };
                    let path = incoming.place(tx, &place, now).await?;
                    tx.record(place.event(&path, None));
                    Ok(AddedTestResult {
                        path: format!("{}/{path}", index.name),
                        sha256: blob.sha256,
                    })
                })
            })
            .await?;
        Ok(committed.value)
    }
}

/// A test result that is about to be kept. Its blob is durable already.
pub(crate) struct IncomingTestResult {
    pub(crate) blob: StoredBlob,
    pub(crate) uploaded: Timestamp,
    /// How it came here; the last entry is what happens now.
    pub(crate) log: Vec<LogEntry>,
}

/// Where a test result goes.
pub(crate) struct ResultPlace<'a> {
    pub(crate) index: &'a Index,
    pub(crate) project: &'a ProjectName,
    pub(crate) file: &'a File,
    /// The most results that the file may have.
    pub(crate) most: usize,
}

impl ResultPlace<'_> {
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

impl IncomingTestResult {
    /// Adds the result to the file under a name of its own; answers its path below the index.
    /// Records no event.
    pub(crate) async fn place(
        self,
        tx: &mut Transaction,
        place: &ResultPlace<'_>,
        now: Timestamp,
    ) -> Result<FilePath, Error> {
        let held = test_results::list_for_file(tx, place.file.id).await?;
        if held.len() >= place.most {
            return Err(Error::Conflict(format!(
                "{} already has {} test results; remove some of them first",
                place.file.name,
                held.len()
            )));
        }
        let name = free_name(&place.file.name, now, &held)?;
        blobs::register(tx, self.blob.sha256, self.blob.size).await?;
        let new = NewTestResult {
            name: name.clone(),
            sha256: self.blob.sha256,
            size: self.blob.size,
            uploaded: self.uploaded,
            log: self.log,
        };
        test_results::insert(tx, place.index.id, place.file.id, &new).await?;
        Ok(FilePath::of_sha256(&place.file.sha256, name))
    }
}

/// devpi numbers a result by how many there are; after a removal that name may be taken.
fn free_name(file: &FileName, now: Timestamp, held: &[TestResult]) -> Result<FileName, Error> {
    let mut number = held.len();
    loop {
        let name = TestResult::name_for(file, now, number).map_err(invalid)?;
        if held.iter().all(|result| result.name != name) {
            return Ok(name);
        }
        number += 1;
    }
}

/// Removes the results of a file whose bytes go; their paths answer 410 from then on.
pub(crate) async fn bury_results(
    tx: &mut Transaction,
    index: &Index,
    file: &File,
) -> Result<(), Error> {
    for result in test_results::list_for_file(tx, file.id).await? {
        tombstones::record(tx, index.id, &result.path().to_string()).await?;
        test_results::remove(tx, result.id).await?;
    }
    Ok(())
}

fn no_release_file(index: &Index, path: &FilePath) -> Error {
    Error::NotFound(format!("no release file found at {}/{path}", index.name))
}
