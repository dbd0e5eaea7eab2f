//! Rows of documentation: one archive per release.

use cheeseshop_domain::{
    Documentation, FilePath, IndexId, LogEntry, ProjectId, Release, ReleaseId,
};
use cheeseshop_packaging::filename::FileName;
use cheeseshop_packaging::hash::Sha256;
use cheeseshop_packaging::name::ProjectName;
use cheeseshop_packaging::version::Version;
use jiff::Timestamp;

use super::files::{read_log, write_log};
use super::statement::{Row, sql};
use super::{Connection, DatabaseError, Transaction};

/// Documentation to be kept. Its blob must be [registered](super::blobs::register).
#[derive(Clone, Debug)]
pub struct NewDocumentation {
    /// The base name.
    pub name: FileName,
    /// The digest of the archive.
    pub sha256: Sha256,
    /// The number of its bytes.
    pub size: u64,
    /// When the bytes came to this index, or to the one that they were pushed from.
    pub uploaded: Timestamp,
    /// How they came here, oldest first.
    pub log: Vec<LogEntry>,
}

// The order of these columns is that of `documentation` below.
macro_rules! select_documentation {
    ($rest:literal) => {
        concat!(
            "SELECT documentation.release_id, documentation.project_id, documentation.index_id, \
             releases.version, documentation.filename, documentation.sha256, documentation.size, \
             documentation.uploaded_at, documentation.log, projects.written_name \
             FROM documentation \
             JOIN releases ON releases.id = documentation.release_id \
             JOIN projects ON projects.id = documentation.project_id ",
            $rest
        )
    };
}

/// A release's documentation.
pub async fn find(
    connection: &mut Connection,
    release: ReleaseId,
) -> Result<Option<Documentation>, DatabaseError> {
    sql(select_documentation!("WHERE documentation.release_id = $1"))
        .bind(release.0)
        .fetch_optional(connection, documentation)
        .await
}

/// The documentation of all of a project's releases, in the order of their version texts.
pub async fn list_for_project(
    connection: &mut Connection,
    project: ProjectId,
) -> Result<Vec<Documentation>, DatabaseError> {
    sql(select_documentation!(
        "WHERE documentation.project_id = $1 ORDER BY releases.version"
    ))
    .bind(project.0)
    .fetch_all(connection, documentation)
    .await
}

/// The documentation at a path below an index, with its project.
pub async fn find_by_path(
    connection: &mut Connection,
    index: IndexId,
    path: &FilePath,
) -> Result<Option<(Documentation, ProjectName)>, DatabaseError> {
    let Some(prefix) = path.hash_prefix() else {
        return Ok(None);
    };
    let candidates = sql(select_documentation!(
        "WHERE documentation.index_id = $1 AND documentation.filename = $2"
    ))
    .bind(index.0)
    .bind(path.name().as_str())
    .fetch_all(connection, |row| {
        Ok((documentation(row)?, row.parsed(9, ProjectName::parse)?))
    })
    .await?;
    Ok(candidates
        .into_iter()
        .find(|(found, _)| found.sha256.to_string().starts_with(prefix)))
}

/// Keeps documentation for a release; what was there before is replaced.
///
/// # Errors
/// [`DatabaseError::Referenced`] when index, release or blob is unknown.
pub async fn save(
    tx: &mut Transaction,
    index: IndexId,
    release: &Release,
    new: &NewDocumentation,
) -> Result<(), DatabaseError> {
    sql(
        "INSERT INTO documentation (release_id, index_id, project_id, filename, sha256, size, \
         uploaded_at, log) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (release_id) DO UPDATE SET filename = excluded.filename, \
         sha256 = excluded.sha256, size = excluded.size, uploaded_at = excluded.uploaded_at, \
         log = excluded.log",
    )
    .bind(release.id.0)
    .bind(index.0)
    .bind(release.project.0)
    .bind(new.name.as_str())
    .bind(new.sha256)
    .bind(super::size(new.size))
    .bind(new.uploaded)
    .bind(write_log(&new.log))
    .execute(tx)
    .await?;
    Ok(())
}

/// Removes a release's documentation. False when there was none.
pub async fn remove(tx: &mut Transaction, release: ReleaseId) -> Result<bool, DatabaseError> {
    sql("DELETE FROM documentation WHERE release_id = $1")
        .bind(release.0)
        .changes_any(tx)
        .await
}

fn documentation(row: &Row<'_>) -> Result<Documentation, DatabaseError> {
    Ok(Documentation {
        release: ReleaseId(row.integer(0)?),
        project: ProjectId(row.integer(1)?),
        index: IndexId(row.integer(2)?),
        version: row.parsed(3, Version::parse)?,
        name: row.parsed(4, FileName::parse)?,
        sha256: row.digest(5)?,
        size: row.size(6)?,
        uploaded: row.time(7)?,
        log: row.parsed(8, read_log)?,
    })
}
