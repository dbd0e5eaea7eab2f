//! Rows of releases, with their metadata as one document.

use cheeseshop_domain::{JsonMap, ProjectId, Release, ReleaseId};
use cheeseshop_packaging::version::Version;
use serde_json::Value as Json;

use super::statement::{Row, sql};
use super::users::object;
use super::{Connection, DatabaseError, Transaction};

/// The release of exactly this version text.
pub async fn find(
    connection: &mut Connection,
    project: ProjectId,
    version: &str,
) -> Result<Option<Release>, DatabaseError> {
    sql("SELECT id, project_id, version, metadata, created_at \
         FROM releases WHERE project_id = $1 AND version = $2")
    .bind(project.0)
    .bind(version)
    .fetch_optional(connection, release)
    .await
}

/// A project's releases with their metadata, in the order of their version texts.
pub async fn list(
    connection: &mut Connection,
    project: ProjectId,
) -> Result<Vec<Release>, DatabaseError> {
    sql("SELECT id, project_id, version, metadata, created_at \
         FROM releases WHERE project_id = $1 ORDER BY version")
    .bind(project.0)
    .fetch_all(connection, release)
    .await
}

/// A project's versions, in the order of their texts.
pub async fn list_versions(
    connection: &mut Connection,
    project: ProjectId,
) -> Result<Vec<Version>, DatabaseError> {
    sql("SELECT version FROM releases WHERE project_id = $1 ORDER BY version")
        .bind(project.0)
        .fetch_all(connection, |row| row.parsed(0, Version::parse))
        .await
}

/// Makes the release, or gives it this metadata when it is there. Made now if
/// [`Release::created`] is [`Transaction::now`].
pub async fn save(
    tx: &mut Transaction,
    project: ProjectId,
    version: &Version,
    metadata: &JsonMap,
) -> Result<Release, DatabaseError> {
    let now = tx.now();
    let metadata = Json::Object(metadata.clone());
    let (id, created) = sql(
        "INSERT INTO releases (project_id, version, metadata, created_at) \
         VALUES ($1, $2, $3, $4) \
         ON CONFLICT (project_id, version) DO UPDATE SET metadata = excluded.metadata \
         RETURNING id, created_at",
    )
    .bind(project.0)
    .bind(version.as_str())
    .bind(&metadata)
    .bind(now)
    .fetch_one(tx, |row| Ok((row.integer(0)?, row.time(1)?)))
    .await?;
    let Json::Object(metadata) = metadata else {
        unreachable!("made an object above");
    };
    Ok(Release {
        id: ReleaseId(id),
        project,
        version: version.clone(),
        metadata,
        created,
    })
}

/// Removes a release with its files. False when there was none.
pub async fn remove(tx: &mut Transaction, id: ReleaseId) -> Result<bool, DatabaseError> {
    sql("DELETE FROM releases WHERE id = $1")
        .bind(id.0)
        .changes_any(tx)
        .await
}

fn release(row: &Row<'_>) -> Result<Release, DatabaseError> {
    Ok(Release {
        id: ReleaseId(row.integer(0)?),
        project: ProjectId(row.integer(1)?),
        version: row.parsed(2, Version::parse)?,
        metadata: object(row, 3)?,
        created: row.time(4)?,
    })
}
