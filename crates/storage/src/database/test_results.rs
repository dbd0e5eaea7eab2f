//! Rows of test results: any number per file.

use cheeseshop_domain::{
    FileId, FilePath, IndexId, LogEntry, ProjectId, ReleaseId, TestResult, TestResultId,
};
use cheeseshop_packaging::filename::FileName;
use cheeseshop_packaging::hash::Sha256;
use cheeseshop_packaging::name::ProjectName;
use cheeseshop_packaging::version::Version;
use jiff::Timestamp;

use super::files::{read_log, write_log};
use super::statement::{Row, sql};
use super::{Connection, DatabaseError, Transaction};

/// A test result to be kept. Its blob must be [registered](super::blobs::register).
#[derive(Clone, Debug)]
pub struct NewTestResult {
    /// The base name; unique among the results of the file.
    pub name: FileName,
    /// The digest of its bytes.
    pub sha256: Sha256,
    /// The number of its bytes.
    pub size: u64,
    /// When it came to this index, or to the one that it was pushed from.
    pub uploaded: Timestamp,
    /// How it came here, oldest first.
    pub log: Vec<LogEntry>,
}

/// A test result and what it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundTestResult {
    /// The result.
    pub result: TestResult,
    /// The project of the file.
    pub project: ProjectName,
    /// The version of the file.
    pub version: Version,
}

// The order of these columns is that of `test_result` and `found` below.
macro_rules! select_test_results {
    ($rest:literal) => {
        concat!(
            "SELECT test_results.id, test_results.file_id, files.sha256, test_results.index_id, \
             test_results.filename, test_results.sha256, test_results.size, \
             test_results.uploaded_at, test_results.log, projects.written_name, files.version \
             FROM test_results \
             JOIN files ON files.id = test_results.file_id \
             JOIN projects ON projects.id = files.project_id ",
            $rest
        )
    };
}

/// A file's test results, oldest first.
pub async fn list_for_file(
    connection: &mut Connection,
    file: FileId,
) -> Result<Vec<TestResult>, DatabaseError> {
    sql(select_test_results!(
        "WHERE test_results.file_id = $1 ORDER BY test_results.id"
    ))
    .bind(file.0)
    .fetch_all(connection, test_result)
    .await
}

/// How many test results a file has.
pub async fn count_for_file(
    connection: &mut Connection,
    file: FileId,
) -> Result<usize, DatabaseError> {
    let count = sql("SELECT COUNT(*) FROM test_results WHERE file_id = $1")
        .bind(file.0)
        .fetch_one(connection, |row| row.integer(0))
        .await?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// The test results of all of a release's files, oldest first.
pub async fn list_for_release(
    connection: &mut Connection,
    release: ReleaseId,
) -> Result<Vec<TestResult>, DatabaseError> {
    sql(select_test_results!(
        "WHERE files.release_id = $1 ORDER BY test_results.id"
    ))
    .bind(release.0)
    .fetch_all(connection, test_result)
    .await
}

/// The test results of all of a project's files, oldest first.
pub async fn list_for_project(
    connection: &mut Connection,
    project: ProjectId,
) -> Result<Vec<TestResult>, DatabaseError> {
    sql(select_test_results!(
        "WHERE files.project_id = $1 ORDER BY test_results.id"
    ))
    .bind(project.0)
    .fetch_all(connection, test_result)
    .await
}

/// The test result at a path below an index.
pub async fn find_by_path(
    connection: &mut Connection,
    index: IndexId,
    path: &FilePath,
) -> Result<Option<FoundTestResult>, DatabaseError> {
    let Some(prefix) = path.hash_prefix() else {
        return Ok(None);
    };
    let candidates = sql(select_test_results!(
        "WHERE test_results.index_id = $1 AND test_results.filename = $2"
    ))
    .bind(index.0)
    .bind(path.name().as_str())
    .fetch_all(connection, |row| {
        Ok(FoundTestResult {
            result: test_result(row)?,
            project: row.parsed(9, ProjectName::parse)?,
            version: row.parsed(10, Version::parse)?,
        })
    })
    .await?;
    Ok(candidates
        .into_iter()
        .find(|found| found.result.file_sha256.to_string().starts_with(prefix)))
}

/// Adds a test result to a file.
///
/// # Errors
/// [`DatabaseError::AlreadyExists`] when the file has a result of that name,
/// [`DatabaseError::Referenced`] when index, file or blob is unknown.
pub async fn insert(
    tx: &mut Transaction,
    index: IndexId,
    file: FileId,
    new: &NewTestResult,
) -> Result<TestResultId, DatabaseError> {
    let id = sql(
        "INSERT INTO test_results (file_id, index_id, filename, sha256, size, uploaded_at, log) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
    )
    .bind(file.0)
    .bind(index.0)
    .bind(new.name.as_str())
    .bind(new.sha256)
    .bind(super::size(new.size))
    .bind(new.uploaded)
    .bind(write_log(&new.log))
    .fetch_one(tx, |row| row.integer(0))
    .await?;
    Ok(TestResultId(id))
}

/// Removes a test result. False when there was none.
pub async fn remove(tx: &mut Transaction, id: TestResultId) -> Result<bool, DatabaseError> {
    sql("DELETE FROM test_results WHERE id = $1")
        .bind(id.0)
        .changes_any(tx)
        .await
}

fn test_result(row: &Row<'_>) -> Result<TestResult, DatabaseError> {
    Ok(TestResult {
        id: TestResultId(row.integer(0)?),
        file: FileId(row.integer(1)?),
        file_sha256: row.digest(2)?,
        index: IndexId(row.integer(3)?),
        name: row.parsed(4, FileName::parse)?,
        sha256: row.digest(5)?,
        size: row.size(6)?,
        uploaded: row.time(7)?,
        log: row.parsed(8, read_log)?,
    })
}
