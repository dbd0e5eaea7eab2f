//! Test results of files: taking them in, and telling what they say.
//!
//! A result is kept as it was sent. What it says is read each time somebody asks, within limits, so
//! nothing is derived that could become wrong.

mod place;
mod upload;

use std::sync::Arc;

use cheeseshop_domain::{Caller, File, Index, IndexName, TestReport, TestReportError, TestResult};
use cheeseshop_packaging::ProjectName;
use cheeseshop_storage::database::{files, projects, test_results};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{App, Error};

pub(crate) use self::place::{IncomingTestResult, ResultPlace, bury_results};
pub use self::upload::{AddedTestResult, TestResultUpload};

/// Results of one file that are read for a list; of older ones only is told that they are there.
const LISTED: usize = 100;

/// Bytes of results that are read for a list. A result that is larger is not read at all.
const LISTED_BYTES: u64 = 64 << 20;

/// Results read at once. Each takes a few times its size for a moment.
const CONCURRENT: usize = 2;

/// Turns at reading results, so that neither the uploads of files wait for it nor the async
/// threads.
pub(crate) struct Readers(Arc<Semaphore>);

impl Readers {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(CONCURRENT)))
    }

    async fn turn(&self) -> Result<Turn, Error> {
        let permit = Arc::clone(&self.0).acquire_owned().await;
        permit.map(Turn).map_err(Error::internal)
    }
}

/// A turn at reading a result.
struct Turn(OwnedSemaphorePermit);

impl Turn {
    /// Reads off the async threads. The turn lasts to the end of it, also when the request goes
    /// away meanwhile.
    async fn spend<T: Send + 'static>(
        self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        tokio::task::spawn_blocking(move || {
            let _permit = self.0;
            read()
        })
        .await
        .map_err(Error::internal)
    }
}

/// A test result of a file and what it says.
#[derive(Clone, Debug)]
pub struct TestRun {
    /// The index that holds it.
    pub index: IndexName,
    /// The result.
    pub result: TestResult,
    /// What it says; `None` when it says nothing that can be understood, is one of too many
    /// or is too large.
    pub report: Option<TestReport>,
}

impl App {
    /// The test results of a release's file, newest first, with what came of them: no
    /// commands.
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
                self.read_report(&result, TestReport::parse_outcomes)
                    .await?
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
            report: self.read_report(&result, TestReport::parse).await?,
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

    async fn read_report(
        &self,
        result: &TestResult,
        read: fn(&[u8]) -> Result<TestReport, TestReportError>,
    ) -> Result<Option<TestReport>, Error> {
        if result.size > LISTED_BYTES {
            return Ok(None);
        }
        // Before the bytes are in memory.
        let turn = self.0.result_readers.turn().await?;
        let Some(blob) = self.blobs().open_blob(&result.sha256).await? else {
            return Ok(None);
        };
        let bytes = blob.bytes(LISTED_BYTES).await?;
        turn.spend(move || read(&bytes).ok()).await
    }
}
