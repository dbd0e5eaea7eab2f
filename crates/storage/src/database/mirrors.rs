//! What mirrors keep of their upstreams: one document per project, one for the list of projects,
//! and a row for each file that is held.

use cheeseshop_domain::IndexId;
use cheeseshop_packaging::hash::Sha256;
use jiff::Timestamp;

use super::statement::{Row, Statement, sql};
use super::{Connection, DatabaseError, Transaction};

/// An upstream's answer as it is kept. The document is the app's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredListing {
    /// The answer, in the app's own compressed form.
    pub document: Vec<u8>,
    /// The `ETag` of the answer, verbatim.
    pub etag: Option<String>,
    /// The `Last-Modified` of the answer, verbatim.
    pub last_modified: Option<String>,
    /// The serial that the upstream gave it.
    pub last_serial: Option<u64>,
    /// When the upstream last said so.
    pub fetched_at: Timestamp,
    /// Where it was asked, without credentials.
    pub source_url: String,
}

/// A file of an upstream that is held here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorFile {
    /// Its base name.
    pub filename: String,
    /// Its project's normalized name.
    pub project: String,
    /// The digest of its bytes; the blob must be [registered](super::blobs::register).
    pub sha256: Sha256,
    /// The number of bytes.
    pub size: u64,
    /// Where it stands below the index, as in its URL.
    pub path: String,
    /// The blob of its core metadata, if that is held. Written by [`save_core_metadata`] only.
    pub core_metadata: Option<Sha256>,
    /// When it was fetched.
    pub fetched_at: Timestamp,
    /// The `Last-Modified` of the upstream's answer, verbatim.
    pub last_modified: Option<String>,
}

/// What is kept of an upstream's page of a project.
pub async fn find_listing(
    connection: &mut Connection,
    index: IndexId,
    project: &str,
) -> Result<Option<StoredListing>, DatabaseError> {
    sql(
        "SELECT document, etag, last_modified, last_serial, fetched_at, source_url \
         FROM mirror_listings WHERE index_id = $1 AND project = $2",
    )
    .bind(index.0)
    .bind(project)
    .fetch_optional(connection, listing)
    .await
}

/// Keeps an upstream's page of a project in place of the one before.
pub async fn save_listing(
    tx: &mut Transaction,
    index: IndexId,
    project: &str,
    new: StoredListing,
) -> Result<(), DatabaseError> {
    let statement = sql(
        "INSERT INTO mirror_listings (index_id, project, document, etag, last_modified, \
         last_serial, fetched_at, source_url) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (index_id, project) DO UPDATE SET document = excluded.document, \
         etag = excluded.etag, last_modified = excluded.last_modified, \
         last_serial = excluded.last_serial, fetched_at = excluded.fetched_at, \
         source_url = excluded.source_url",
    )
    .bind(index.0)
    .bind(project);
    with_listing(statement, new).execute(tx).await?;
    Ok(())
}

/// Notes that the upstream still says the same (304), without writing the document again.
/// False when nothing is kept.
pub async fn touch_listing(
    tx: &mut Transaction,
    index: IndexId,
    project: &str,
    fetched_at: Timestamp,
) -> Result<bool, DatabaseError> {
    sql("UPDATE mirror_listings SET fetched_at = $3 \
                       WHERE index_id = $1 AND project = $2")
    .bind(index.0)
    .bind(project)
    .bind(fetched_at)
    .changes_any(tx)
    .await
}

/// Forgets an upstream's page of a project. False when none was kept.
pub async fn remove_listing(
    tx: &mut Transaction,
    index: IndexId,
    project: &str,
) -> Result<bool, DatabaseError> {
    sql("DELETE FROM mirror_listings WHERE index_id = $1 AND project = $2")
        .bind(index.0)
        .bind(project)
        .changes_any(tx)
        .await
}

/// The normalized names of the projects of which a page or a file is kept, sorted by bytes.
pub async fn list_projects(
    connection: &mut Connection,
    index: IndexId,
) -> Result<Vec<String>, DatabaseError> {
    sql("SELECT project FROM mirror_listings WHERE index_id = $1 \
         UNION SELECT project FROM mirror_files WHERE index_id = $1 ORDER BY 1")
    .bind(index.0)
    .fetch_all(connection, |row| Ok(row.text(0)?.to_owned()))
    .await
}

/// Whether [`list_projects`] names this project.
pub async fn holds_project(
    connection: &mut Connection,
    index: IndexId,
    project: &str,
) -> Result<bool, DatabaseError> {
    let found = sql(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM mirror_listings WHERE index_id = $1 AND project = $2) \
         OR EXISTS (SELECT 1 FROM mirror_files WHERE index_id = $1 AND project = $2)",
    )
    .bind(index.0)
    .bind(project)
    .fetch_optional(connection, |_| Ok(()))
    .await?;
    Ok(found.is_some())
}

/// What is kept of an upstream's list of projects.
pub async fn find_project_list(
    connection: &mut Connection,
    index: IndexId,
) -> Result<Option<StoredListing>, DatabaseError> {
    sql(
        "SELECT document, etag, last_modified, last_serial, fetched_at, source_url \
         FROM mirror_project_lists WHERE index_id = $1",
    )
    .bind(index.0)
    .fetch_optional(connection, listing)
    .await
}

/// Keeps an upstream's list of projects in place of the one before.
pub async fn save_project_list(
    tx: &mut Transaction,
    index: IndexId,
    new: StoredListing,
) -> Result<(), DatabaseError> {
    let statement = sql(
        "INSERT INTO mirror_project_lists (index_id, document, etag, last_modified, \
         last_serial, fetched_at, source_url) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (index_id) DO UPDATE SET document = excluded.document, \
         etag = excluded.etag, last_modified = excluded.last_modified, \
         last_serial = excluded.last_serial, fetched_at = excluded.fetched_at, \
         source_url = excluded.source_url",
    )
    .bind(index.0);
    with_listing(statement, new).execute(tx).await?;
    Ok(())
}

/// The columns of an answer, in the order in which all statements name them.
fn with_listing(statement: Statement, new: StoredListing) -> Statement {
    statement
        .bind(new.document)
        .bind(new.etag)
        .bind(new.last_modified)
        .bind(new.last_serial.map(super::size))
        .bind(new.fetched_at)
        .bind(new.source_url)
}

// The order of these columns is that of `file` below.
macro_rules! select_files {
    ($rest:literal) => {
        concat!(
            "SELECT mirror_files.filename, mirror_files.project, mirror_files.sha256, \
             mirror_files.size, mirror_files.path, mirror_core_metadata.sha256, \
             mirror_files.fetched_at, mirror_files.last_modified FROM mirror_files \
             LEFT JOIN mirror_core_metadata \
             ON mirror_core_metadata.index_id = mirror_files.index_id \
             AND mirror_core_metadata.project = mirror_files.project \
             AND mirror_core_metadata.filename = mirror_files.filename ",
            $rest
        )
    };
}

/// A held file, by its name.
pub async fn find_file(
    connection: &mut Connection,
    index: IndexId,
    project: &str,
    filename: &str,
) -> Result<Option<MirrorFile>, DatabaseError> {
    sql(select_files!(
        "WHERE mirror_files.index_id = $1 AND mirror_files.project = $2 \
         AND mirror_files.filename = $3"
    ))
    .bind(index.0)
    .bind(project)
    .bind(filename)
    .fetch_optional(connection, file)
    .await
}

/// A held file, by where it stands below the index.
pub async fn find_file_by_path(
    connection: &mut Connection,
    index: IndexId,
    path: &str,
) -> Result<Option<MirrorFile>, DatabaseError> {
    sql(select_files!(
        "WHERE mirror_files.index_id = $1 AND mirror_files.path = $2"
    ))
    .bind(index.0)
    .bind(path)
    .fetch_optional(connection, file)
    .await
}

/// The held files of a project, by name.
pub async fn list_files(
    connection: &mut Connection,
    index: IndexId,
    project: &str,
) -> Result<Vec<MirrorFile>, DatabaseError> {
    sql(select_files!(
        "WHERE mirror_files.index_id = $1 AND mirror_files.project = $2 \
         ORDER BY mirror_files.filename"
    ))
    .bind(index.0)
    .bind(project)
    .fetch_all(connection, file)
    .await
}

/// Notes that a file is held, in place of one of the same name. Core metadata that was kept
/// beside other bytes is forgotten.
///
/// # Errors
/// [`DatabaseError::Referenced`] when the index or the blob is unknown.
pub async fn save_file(
    tx: &mut Transaction,
    index: IndexId,
    new: &MirrorFile,
) -> Result<(), DatabaseError> {
    let before = find_file(tx, index, &new.project, &new.filename).await?;
    if before.is_some_and(|before| before.sha256 != new.sha256) {
        sql("DELETE FROM mirror_core_metadata \
             WHERE index_id = $1 AND project = $2 AND filename = $3")
        .bind(index.0)
        .bind(new.project.as_str())
        .bind(new.filename.as_str())
        .execute(tx)
        .await?;
    }
    sql(
        "INSERT INTO mirror_files (index_id, project, filename, sha256, size, path, \
         fetched_at, last_modified) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (index_id, project, filename) DO UPDATE SET sha256 = excluded.sha256, \
         size = excluded.size, path = excluded.path, fetched_at = excluded.fetched_at, \
         last_modified = excluded.last_modified",
    )
    .bind(index.0)
    .bind(new.project.as_str())
    .bind(new.filename.as_str())
    .bind(new.sha256)
    .bind(super::size(new.size))
    .bind(new.path.as_str())
    .bind(new.fetched_at)
    .bind(new.last_modified.as_deref())
    .execute(tx)
    .await?;
    Ok(())
}

/// The core metadata that is held for a file, be the file itself held or not.
pub async fn find_core_metadata(
    connection: &mut Connection,
    index: IndexId,
    project: &str,
    filename: &str,
) -> Result<Option<Sha256>, DatabaseError> {
    sql("SELECT sha256 FROM mirror_core_metadata \
         WHERE index_id = $1 AND project = $2 AND filename = $3")
    .bind(index.0)
    .bind(project)
    .bind(filename)
    .fetch_optional(connection, |row| row.digest(0))
    .await
}

/// Notes that a file's core metadata is held, be the file itself held or not.
///
/// # Errors
/// [`DatabaseError::Referenced`] when the index or the blob is unknown.
pub async fn save_core_metadata(
    tx: &mut Transaction,
    index: IndexId,
    project: &str,
    filename: &str,
    sha256: Sha256,
) -> Result<(), DatabaseError> {
    sql(
        "INSERT INTO mirror_core_metadata (index_id, project, filename, sha256) \
         VALUES ($1, $2, $3, $4) \
         ON CONFLICT (index_id, project, filename) DO UPDATE SET sha256 = excluded.sha256",
    )
    .bind(index.0)
    .bind(project)
    .bind(filename)
    .bind(sha256)
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets files of a project, with their core metadata: those named, or all.
/// Returns how many files were held.
pub async fn remove_files(
    tx: &mut Transaction,
    index: IndexId,
    project: &str,
    filename: Option<&str>,
) -> Result<u64, DatabaseError> {
    // `IS NULL` needs a type of its own on PostgreSQL, hence the cast.
    sql(
        "DELETE FROM mirror_core_metadata WHERE index_id = $1 AND project = $2 \
         AND (CAST($3 AS TEXT) IS NULL OR filename = $3)",
    )
    .bind(index.0)
    .bind(project)
    .bind(filename)
    .execute(tx)
    .await?;
    sql(
        "DELETE FROM mirror_files WHERE index_id = $1 AND project = $2 \
         AND (CAST($3 AS TEXT) IS NULL OR filename = $3)",
    )
    .bind(index.0)
    .bind(project)
    .bind(filename)
    .execute(tx)
    .await
}

/// Forgets everything that a mirror keeps.
pub async fn clear(tx: &mut Transaction, index: IndexId) -> Result<(), DatabaseError> {
    for statement in [
        "DELETE FROM mirror_core_metadata WHERE index_id = $1",
        "DELETE FROM mirror_files WHERE index_id = $1",
        "DELETE FROM mirror_listings WHERE index_id = $1",
        "DELETE FROM mirror_project_lists WHERE index_id = $1",
    ] {
        sql(statement).bind(index.0).execute(tx).await?;
    }
    Ok(())
}

fn listing(row: &Row<'_>) -> Result<StoredListing, DatabaseError> {
    Ok(StoredListing {
        document: row.bytes(0)?.to_vec(),
        etag: row.optional_text(1)?.map(str::to_owned),
        last_modified: row.optional_text(2)?.map(str::to_owned),
        last_serial: match row.optional_integer(3)? {
            None => None,
            Some(_) => Some(row.size(3)?),
        },
        fetched_at: row.time(4)?,
        source_url: row.text(5)?.to_owned(),
    })
}

fn file(row: &Row<'_>) -> Result<MirrorFile, DatabaseError> {
    Ok(MirrorFile {
        filename: row.text(0)?.to_owned(),
        project: row.text(1)?.to_owned(),
        sha256: row.digest(2)?,
        size: row.size(3)?,
        path: row.text(4)?.to_owned(),
        core_metadata: row.optional_digest(5)?,
        fetched_at: row.time(6)?,
        last_modified: row.optional_text(7)?.map(str::to_owned),
    })
}
