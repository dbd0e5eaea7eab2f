//! Rows of the files of hosted indexes: one per file.

use cheeseshop_domain::{
    File, FileId, FilePath, IndexId, LogAction, LogEntry, ProjectId, ReleaseId,
};
use cheeseshop_packaging::filename::FileName;
use cheeseshop_packaging::hash::Sha256;
use cheeseshop_packaging::name::ProjectName;
use cheeseshop_packaging::simple::Yanked;
use cheeseshop_packaging::version::Version;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::statement::{Row, Value, sql};
use super::{Connection, DatabaseError, Transaction};

/// A file to be listed. Its blobs must be [registered](super::blobs::register).
#[derive(Clone, Debug)]
pub struct NewFile {
    /// The index.
    pub index: IndexId,
    /// The project, on that index.
    pub project: ProjectId,
    /// The release, of that project.
    pub release: ReleaseId,
    /// The base name; unique within the project.
    pub name: FileName,
    /// The release's version.
    pub version: Version,
    /// The digest of the bytes.
    pub sha256: Sha256,
    /// The number of bytes.
    pub size: u64,
    /// The Python versions wanted.
    pub requires_python: Option<String>,
    /// Whether it is yanked.
    pub yanked: Yanked,
    /// The blob of its core metadata.
    pub core_metadata: Option<Sha256>,
    /// When the bytes came to this index, or to the one that they were pushed from.
    pub uploaded: Timestamp,
    /// How it came here, oldest first.
    pub log: Vec<LogEntry>,
}

// The order of these columns is that of `file` below.
macro_rules! select_files {
    ($rest:literal) => {
        concat!(
            "SELECT id, index_id, project_id, release_id, filename, version, sha256, size, \
             requires_python, yanked, yanked_reason, core_metadata, uploaded_at, log FROM files ",
            $rest
        )
    };
}

/// A project's files, by name.
pub async fn list_for_project(
    connection: &mut Connection,
    project: ProjectId,
) -> Result<Vec<File>, DatabaseError> {
    sql(select_files!("WHERE project_id = $1 ORDER BY filename"))
        .bind(project.0)
        .fetch_all(connection, file)
        .await
}

/// A release's files, by name.
pub async fn list_for_release(
    connection: &mut Connection,
    release: ReleaseId,
) -> Result<Vec<File>, DatabaseError> {
    sql(select_files!("WHERE release_id = $1 ORDER BY filename"))
        .bind(release.0)
        .fetch_all(connection, file)
        .await
}

/// A file as a list of links shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct FileLink {
    /// Its identity; parts files of one name on one index, which different projects may have.
    pub id: FileId,
    /// The base name.
    pub name: FileName,
    /// The project's normalized name.
    pub project: String,
    /// The release's version.
    pub version: Version,
    /// The digest of the bytes.
    pub sha256: Sha256,
    /// The Python versions wanted.
    pub requires_python: Option<String>,
    /// Whether it is yanked.
    pub yanked: Yanked,
    /// The blob of its core metadata.
    pub core_metadata: Option<Sha256>,
}

/// At most `limit` files of an index, by name (in bytes) and identity, behind `after`: for walking
/// through any number of files in bounded memory.
pub async fn list_links_after(
    connection: &mut Connection,
    index: IndexId,
    after: Option<(&FileName, FileId)>,
    limit: usize,
) -> Result<Vec<FileLink>, DatabaseError> {
    let (name, id) = after.map_or(("", 0), |(name, id)| (name.as_str(), id.0));
    sql(
        "SELECT files.id, files.filename, projects.name, files.version, files.sha256, \
         files.requires_python, files.yanked, files.yanked_reason, files.core_metadata \
         FROM files JOIN projects ON projects.id = files.project_id \
         WHERE files.index_id = $1 AND (files.filename, files.id) > ($2, $3) \
         ORDER BY files.filename, files.id LIMIT $4",
    )
    .bind(index.0)
    .bind(name)
    .bind(id)
    .bind(super::limit(limit))
    .fetch_all(connection, |row| {
        Ok(FileLink {
            id: FileId(row.integer(0)?),
            name: row.parsed(1, FileName::parse)?,
            project: row.text(2)?.to_owned(),
            version: row.parsed(3, Version::parse)?,
            sha256: row.digest(4)?,
            requires_python: row.optional_text(5)?.map(str::to_owned),
            yanked: yanked(row, 6)?,
            core_metadata: row.optional_digest(8)?,
        })
    })
    .await
}

/// A project's file of this name.
pub async fn find(
    connection: &mut Connection,
    project: ProjectId,
    filename: &str,
) -> Result<Option<File>, DatabaseError> {
    sql(select_files!("WHERE project_id = $1 AND filename = $2"))
        .bind(project.0)
        .bind(filename)
        .fetch_optional(connection, file)
        .await
}

/// The file at a path below an index, with its project.
pub async fn find_by_path(
    connection: &mut Connection,
    index: IndexId,
    path: &FilePath,
) -> Result<Option<(File, ProjectName)>, DatabaseError> {
    let Some(prefix) = path.hash_prefix() else {
        return Ok(None);
    };
    let candidates = sql(
        "SELECT files.id, files.index_id, files.project_id, files.release_id, files.filename, \
         files.version, files.sha256, files.size, files.requires_python, files.yanked, \
         files.yanked_reason, files.core_metadata, files.uploaded_at, files.log, \
         projects.written_name \
         FROM files JOIN projects ON projects.id = files.project_id \
         WHERE files.index_id = $1 AND files.filename = $2",
    )
    .bind(index.0)
    .bind(path.name().as_str())
    .fetch_all(connection, |row| {
        Ok((file(row)?, row.parsed(14, ProjectName::parse)?))
    })
    .await?;
    Ok(candidates
        .into_iter()
        .find(|(file, _)| file.sha256.to_string().starts_with(prefix)))
}

/// Lists a file.
///
/// # Errors
/// [`DatabaseError::AlreadyExists`] when the project has a file of that name,
/// [`DatabaseError::Referenced`] when index, project, release or a blob is unknown.
pub async fn insert(tx: &mut Transaction, new: NewFile) -> Result<File, DatabaseError> {
    let id = sql(
        "INSERT INTO files (index_id, project_id, release_id, filename, version, sha256, size, \
         requires_python, yanked, yanked_reason, core_metadata, uploaded_at, log) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id",
    );
    let id = bind_file(id, &new)
        .fetch_one(tx, |row| row.integer(0))
        .await?;
    Ok(new.with_id(FileId(id)))
}

/// Replaces a file by another one, which keeps its id.
///
/// # Errors
/// [`DatabaseError::NotFound`] when there is no such file, else as [`insert`].
pub async fn replace(
    tx: &mut Transaction,
    id: FileId,
    new: NewFile,
) -> Result<File, DatabaseError> {
    let update = sql(
        "UPDATE files SET index_id = $1, project_id = $2, release_id = $3, filename = $4, \
         version = $5, sha256 = $6, size = $7, requires_python = $8, yanked = $9, \
         yanked_reason = $10, core_metadata = $11, uploaded_at = $12, log = $13 WHERE id = $14",
    );
    let changed = bind_file(update, &new).bind(id.0).execute(tx).await?;
    match changed {
        0 => Err(DatabaseError::NotFound),
        _ => Ok(new.with_id(id)),
    }
}

/// Removes a file from its listing. False when there was none.
pub async fn remove(tx: &mut Transaction, id: FileId) -> Result<bool, DatabaseError> {
    sql("DELETE FROM files WHERE id = $1")
        .bind(id.0)
        .changes_any(tx)
        .await
}

/// Yanks a file or takes that back (PEP 592). False when there is no such file.
pub async fn set_yanked(
    tx: &mut Transaction,
    id: FileId,
    yanked: &Yanked,
) -> Result<bool, DatabaseError> {
    let (flag, reason) = yanked_columns(yanked);
    sql("UPDATE files SET yanked = $2, yanked_reason = $3 WHERE id = $1")
        .bind(id.0)
        .bind(flag)
        .bind(reason)
        .changes_any(tx)
        .await
}

impl NewFile {
    fn with_id(self, id: FileId) -> File {
        File {
            id,
            project: self.project,
            release: self.release,
            index: self.index,
            name: self.name,
            version: self.version,
            sha256: self.sha256,
            size: self.size,
            requires_python: self.requires_python,
            yanked: self.yanked,
            core_metadata: self.core_metadata,
            uploaded: self.uploaded,
            log: self.log,
        }
    }
}

fn bind_file(statement: super::statement::Statement, new: &NewFile) -> super::statement::Statement {
    let (yanked, reason) = yanked_columns(&new.yanked);
    statement
        .bind(new.index.0)
        .bind(new.project.0)
        .bind(new.release.0)
        .bind(new.name.as_str())
        .bind(new.version.as_str())
        .bind(new.sha256)
        .bind(super::size(new.size))
        .bind(new.requires_python.as_deref())
        .bind(yanked)
        .bind(reason)
        .bind(new.core_metadata)
        .bind(new.uploaded)
        .bind(write_log(&new.log))
}

fn yanked_columns(yanked: &Yanked) -> (Value, Value) {
    match yanked {
        Yanked::No => (Value::from(false), Value::Text(None)),
        Yanked::Yes(reason) => (Value::from(true), Value::from(reason.as_deref())),
    }
}

/// The flag in this column and the reason in the next.
fn yanked(row: &Row<'_>, column: usize) -> Result<Yanked, DatabaseError> {
    Ok(if row.flag(column)? {
        Yanked::Yes(row.optional_text(column + 1)?.map(str::to_owned))
    } else {
        Yanked::No
    })
}

fn file(row: &Row<'_>) -> Result<File, DatabaseError> {
    Ok(File {
        id: FileId(row.integer(0)?),
        index: IndexId(row.integer(1)?),
        project: ProjectId(row.integer(2)?),
        release: ReleaseId(row.integer(3)?),
        name: row.parsed(4, FileName::parse)?,
        version: row.parsed(5, Version::parse)?,
        sha256: row.digest(6)?,
        size: row.size(7)?,
        requires_python: row.optional_text(8)?.map(str::to_owned),
        yanked: yanked(row, 9)?,
        core_metadata: row.optional_digest(11)?,
        uploaded: row.time(12)?,
        log: row.parsed(13, read_log)?,
    })
}

/// A [`LogEntry`] as it is kept, absent keys left out. Read without a tree in between: a
/// project may have thousands of files.
#[derive(Serialize, Deserialize)]
struct StoredEntry {
    what: String,
    /// Microseconds.
    when: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    src: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dst: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

pub(super) fn write_log(log: &[LogEntry]) -> String {
    let stored: Vec<StoredEntry> = log
        .iter()
        .map(|entry| StoredEntry {
            what: entry.what.as_str().to_owned(),
            when: entry.when.as_microsecond(),
            who: entry.who.clone(),
            src: entry.src.clone(),
            dst: entry.dst.clone(),
            count: entry.count,
            message: entry.message.clone(),
        })
        .collect();
    serde_json::to_string(&stored).expect("texts and numbers have a JSON form")
}

pub(super) fn read_log(log: &str) -> Result<Vec<LogEntry>, String> {
    let stored: Vec<StoredEntry> = serde_json::from_str(log).map_err(|error| error.to_string())?;
    stored
        .into_iter()
        .map(|entry| {
            Ok(LogEntry {
                what: LogAction::find(&entry.what)
                    .ok_or_else(|| format!("unknown action `{}`", entry.what))?,
                when: Timestamp::from_microsecond(entry.when).map_err(|error| error.to_string())?,
                who: entry.who,
                src: entry.src,
                dst: entry.dst,
                count: entry.count,
                message: entry.message,
            })
        })
        .collect()
}
