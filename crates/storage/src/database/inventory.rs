//! What the blob store must have, for the check whether it does: every blob once, and for one
//! that is not as it should be everything that is listed because of it.

use cheeseshop_domain::FilePath;
use cheeseshop_packaging::filename::FileName;
use cheeseshop_packaging::hash::Sha256;

use super::statement::{Row, sql};
use super::{Connection, DatabaseError};

/// Something that is listed and whose bytes are a blob.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Referrer {
    /// Where it is served, without a leading slash: `bob/dev/+f/7f0/c4e…/pkg-1.0.whl`. Core
    /// metadata has `.metadata` behind the path of its file.
    pub path: String,
    /// Whether an upstream has it as well.
    pub is_mirrored: bool,
}

/// Blobs that the store must have, with their sizes, in the order of their digests from the one
/// after `after`. Those to which nothing refers are among them.
pub async fn list_blobs(
    connection: &mut Connection,
    limit: usize,
    after: Option<Sha256>,
) -> Result<Vec<(Sha256, u64)>, DatabaseError> {
    let after = after.map_or_else(Vec::new, |sha256| sha256.as_bytes().to_vec());
    sql("SELECT sha256, size FROM blobs WHERE sha256 > $1 ORDER BY sha256 LIMIT $2")
        .bind(after)
        .bind(super::limit(limit))
        .fetch_all(connection, |row| Ok((row.digest(0)?, row.size(1)?)))
        .await
}

/// The number of files, archives of documentation and test results that are listed, those that
/// mirrors hold among them.
pub async fn count_files(connection: &mut Connection) -> Result<u64, DatabaseError> {
    sql(
        "SELECT (SELECT COUNT(*) FROM files) + (SELECT COUNT(*) FROM documentation) + \
         (SELECT COUNT(*) FROM test_results) + (SELECT COUNT(*) FROM mirror_files)",
    )
    .fetch_one(connection, |row| row.size(0))
    .await
}

/// Everything that is listed because of a blob, by path.
pub async fn list_referrers(
    connection: &mut Connection,
    sha256: &Sha256,
) -> Result<Vec<Referrer>, DatabaseError> {
    let mut found = Vec::new();
    // Hosted: owner, index, name, and the digest that makes the directory.
    for (statement, suffix) in [
        (
            "SELECT users.name, indexes.name, files.filename, files.sha256 FROM files \
             JOIN indexes ON indexes.id = files.index_id \
             JOIN users ON users.id = indexes.user_id WHERE files.sha256 = $1",
            "",
        ),
        (
            "SELECT users.name, indexes.name, files.filename, files.sha256 FROM files \
             JOIN indexes ON indexes.id = files.index_id \
             JOIN users ON users.id = indexes.user_id WHERE files.core_metadata = $1",
            ".metadata",
        ),
        (
            "SELECT users.name, indexes.name, documentation.filename, documentation.sha256 \
             FROM documentation JOIN indexes ON indexes.id = documentation.index_id \
             JOIN users ON users.id = indexes.user_id WHERE documentation.sha256 = $1",
            "",
        ),
        (
            "SELECT users.name, indexes.name, test_results.filename, files.sha256 \
             FROM test_results JOIN files ON files.id = test_results.file_id \
             JOIN indexes ON indexes.id = test_results.index_id \
             JOIN users ON users.id = indexes.user_id WHERE test_results.sha256 = $1",
            "",
        ),
    ] {
        let rows = sql(statement)
            .bind(*sha256)
            .fetch_all(connection, move |row| {
                let name = row.parsed(2, FileName::parse)?;
                let place = FilePath::of_sha256(&row.digest(3)?, name);
                Ok(Referrer {
                    path: format!("{}/{place}{suffix}", index_path(row)?),
                    is_mirrored: false,
                })
            });
        found.extend(rows.await?);
    }
    // Mirrored: owner, index, and the path below it. Core metadata may be held without its file.
    for (statement, suffix) in [
        (
            "SELECT users.name, indexes.name, mirror_files.path FROM mirror_files \
             JOIN indexes ON indexes.id = mirror_files.index_id \
             JOIN users ON users.id = indexes.user_id WHERE mirror_files.sha256 = $1",
            "",
        ),
        (
            "SELECT users.name, indexes.name, \
             COALESCE(mirror_files.path, mirror_core_metadata.filename) \
             FROM mirror_core_metadata \
             JOIN indexes ON indexes.id = mirror_core_metadata.index_id \
             JOIN users ON users.id = indexes.user_id \
             LEFT JOIN mirror_files ON mirror_files.index_id = mirror_core_metadata.index_id \
             AND mirror_files.project = mirror_core_metadata.project \
             AND mirror_files.filename = mirror_core_metadata.filename \
             WHERE mirror_core_metadata.sha256 = $1",
            ".metadata",
        ),
    ] {
        let rows = sql(statement)
            .bind(*sha256)
            .fetch_all(connection, move |row| {
                Ok(Referrer {
                    path: format!("{}/{}{suffix}", index_path(row)?, row.text(2)?),
                    is_mirrored: true,
                })
            });
        found.extend(rows.await?);
    }
    found.sort();
    Ok(found)
}

fn index_path(row: &Row<'_>) -> Result<String, DatabaseError> {
    Ok(format!("{}/{}", row.text(0)?, row.text(1)?))
}
