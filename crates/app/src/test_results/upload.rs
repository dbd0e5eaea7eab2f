//! Taking in a test result: permission first, then the bytes, then the row.

use std::fs;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cheeseshop_domain::{Action, Caller, FilePath, Index, IndexName, LogEntry};
use cheeseshop_packaging::{ProjectName, Sha256};
use cheeseshop_storage::BlobWriter;
use cheeseshop_storage::database::{files, test_results as rows};
use serde::de::IgnoredAny;

use super::place::{IncomingTestResult, ResultPlace, check_room};
use crate::publish::{current_index, read_only};
use crate::{App, Error};

/// A test result that is about to arrive. Dropping it forgets it.
pub struct TestResultUpload {
    app: App,
    caller: Caller,
    index: Arc<Index>,
    path: FilePath,
    writer: BlobWriter,
}

/// A test result that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedTestResult {
    /// Where it is, as `user/index/+f/…`.
    pub path: String,
    /// The digest of its bytes.
    pub sha256: Sha256,
}

impl App {
    /// Starts taking in a test result for the file at a path of this very index.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for those whom `acl_toxresult_upload` does not admit,
    /// [`Error::NotFound`] `no release file found at u/i/+f/…`, [`Error::Invalid`] on a mirror,
    /// [`Error::Conflict`] when the file has as many results as it may.
    pub async fn start_test_result(
        &self,
        caller: &Caller,
        index: &IndexName,
        path: &FilePath,
    ) -> Result<TestResultUpload, Error> {
        self.catch_up().await?;
        let index = self.testable_index(caller, index)?;
        let mut reader = self.db().reader().await?;
        let (file, project) = files::find_by_path(&mut reader, index.id, path)
            .await?
            .ok_or_else(|| no_release_file(&index, path))?;
        self.permit_result(caller, &index, &project)?;
        // Asked again when it is kept; here it saves taking the bytes.
        let held = rows::count_for_file(&mut reader, file.id).await?;
        check_room(
            &file.name,
            held,
            self.settings().publish.max_test_results_per_file,
        )?;
        drop(reader);
        Ok(TestResultUpload {
            app: self.clone(),
            caller: caller.clone(),
            index,
            path: path.clone(),
            writer: self.blobs().writer().await?,
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
}

impl TestResultUpload {
    /// The most bytes that the result may have.
    pub fn max_bytes(&self) -> u64 {
        self.app.settings().publish.max_test_result_bytes
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`], and whatever writing gives. The upload is of no use any more then.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), Error> {
        let limit = self.max_bytes();
        if self.writer.bytes_written() + chunk.len() as u64 > limit {
            return Err(Error::TooLarge(format!(
                "the test result is larger than {limit} bytes"
            )));
        }
        Ok(self.writer.write(chunk).await?)
    }

    /// Keeps the result durably.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no JSON, and those of [`App::start_test_result`], since the
    /// index and the file may have changed meanwhile.
    pub async fn finish(self) -> Result<AddedTestResult, Error> {
        let Self {
            app,
            caller,
            index,
            path,
            writer,
        } = self;
        let spooled = writer.finish_spooled().await?;
        let checked = spooled.path().to_owned();
        let turn = app.0.result_readers.turn().await?;
        turn.spend(move || check_json(&checked)).await??;
        let blob = spooled.keep().await?;
        let most = app.settings().publish.max_test_results_per_file;
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
                    let mut place = ResultPlace::open(tx, &index, (&project, &file), most).await?;
                    let path = place.add(tx, incoming, now).await?;
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

/// Reads the bytes once, without keeping any of them.
fn check_json(path: &Path) -> Result<(), Error> {
    let file = fs::File::open(path).map_err(Error::internal)?;
    serde_json::from_reader::<_, IgnoredAny>(BufReader::new(file))
        .map(drop)
        .map_err(|error| {
            if error.is_io() {
                Error::internal(error)
            } else {
                Error::Invalid("Bad request: could not decode json".to_owned())
            }
        })
}

fn no_release_file(index: &Index, path: &FilePath) -> Error {
    Error::NotFound(format!("no release file found at {}/{path}", index.name))
}
