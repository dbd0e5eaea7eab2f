//! Rows of the projects of hosted indexes.

use cheeseshop_domain::{IndexId, Project, ProjectId};
use cheeseshop_packaging::name::ProjectName;
use cheeseshop_packaging::simple::{ProjectStatus, Status};

use super::statement::{Row, composed_sql, placeholders, sql, unexpected};
use super::{Connection, DatabaseError, Transaction};

/// The project of this normalized name on an index.
pub async fn find(
    connection: &mut Connection,
    index: IndexId,
    name: &str,
) -> Result<Option<Project>, DatabaseError> {
    sql("SELECT id, index_id, written_name, status, status_reason \
         FROM projects WHERE index_id = $1 AND name = $2")
    .bind(index.0)
    .bind(name)
    .fetch_optional(connection, project)
    .await
}

/// The projects of this normalized name on several indexes, in no particular order.
pub async fn find_in(
    connection: &mut Connection,
    indexes: &[IndexId],
    name: &str,
) -> Result<Vec<Project>, DatabaseError> {
    if indexes.is_empty() {
        return Ok(Vec::new());
    }
    let mut statement = composed_sql(format!(
        "SELECT id, index_id, written_name, status, status_reason \
         FROM projects WHERE index_id IN {} AND name = ${}",
        placeholders(1, indexes.len()),
        indexes.len() + 1
    ))
    .kept();
    for index in indexes {
        statement = statement.bind(index.0);
    }
    statement.bind(name).fetch_all(connection, project).await
}

/// Those of `indexes` that hold a project of this normalized name.
pub async fn holding(
    connection: &mut Connection,
    indexes: &[IndexId],
    name: &str,
) -> Result<Vec<IndexId>, DatabaseError> {
    let projects = find_in(connection, indexes, name).await?;
    let holds = |index: &&IndexId| projects.iter().any(|project| project.index == **index);
    Ok(indexes.iter().filter(holds).copied().collect())
}

/// The normalized names of an index's projects, sorted by bytes.
pub async fn list_names(
    connection: &mut Connection,
    index: IndexId,
) -> Result<Vec<String>, DatabaseError> {
    sql("SELECT name FROM projects WHERE index_id = $1 ORDER BY name")
        .bind(index.0)
        .fetch_all(connection, |row| Ok(row.text(0)?.to_owned()))
        .await
}

/// At most `limit` names that sort after `after`: for walking through any number of projects
/// in bounded memory. Start with the empty text.
pub async fn list_names_after(
    connection: &mut Connection,
    index: IndexId,
    after: &str,
    limit: usize,
) -> Result<Vec<String>, DatabaseError> {
    sql("SELECT name FROM projects WHERE index_id = $1 AND name > $2 ORDER BY name LIMIT $3")
        .bind(index.0)
        .bind(after)
        .bind(super::limit(limit))
        .fetch_all(connection, |row| Ok(row.text(0)?.to_owned()))
        .await
}

/// At most `limit` projects of all indexes whose normalized names hold `part`, with those names, of
/// those that were made after the project `after`. In that order, so that a walk through any
/// number of them looks at each row once. `part` holds no characters that mean something in a
/// pattern.
pub async fn list_matching(
    connection: &mut Connection,
    part: &str,
    after: ProjectId,
    limit: usize,
) -> Result<Vec<(ProjectId, IndexId, String)>, DatabaseError> {
    debug_assert!(!part.contains(['%', '_', '\\']), "{part}");
    sql("SELECT id, index_id, name FROM projects \
         WHERE id > $1 AND name LIKE $2 ORDER BY id LIMIT $3")
    .bind(after.0)
    .bind(format!("%{part}%"))
    .bind(super::limit(limit))
    .fetch_all(connection, |row| {
        let name = row.text(2)?.to_owned();
        Ok((ProjectId(row.integer(0)?), IndexId(row.integer(1)?), name))
    })
    .await
}

/// All projects of an index, sorted by normalized name.
pub async fn list(
    connection: &mut Connection,
    index: IndexId,
) -> Result<Vec<Project>, DatabaseError> {
    sql("SELECT id, index_id, written_name, status, status_reason \
         FROM projects WHERE index_id = $1 ORDER BY name")
    .bind(index.0)
    .fetch_all(connection, project)
    .await
}

/// The project of this name, made if it is not there (then the flag is true). The spelling of
/// `name` is kept: it is that of the last upload.
pub async fn find_or_create(
    tx: &mut Transaction,
    index: IndexId,
    name: &ProjectName,
) -> Result<(Project, bool), DatabaseError> {
    if let Some(mut project) = find(tx, index, name.normalized()).await? {
        if project.name.written() != name.written() {
            sql("UPDATE projects SET written_name = $2 WHERE id = $1")
                .bind(project.id.0)
                .bind(name.written())
                .execute(tx)
                .await?;
            project.name = name.clone();
        }
        return Ok((project, false));
    }
    let created = tx.now();
    let id = sql(
        "INSERT INTO projects (index_id, name, written_name, created_at) \
                  VALUES ($1, $2, $3, $4) RETURNING id",
    )
    .bind(index.0)
    .bind(name.normalized())
    .bind(name.written())
    .bind(created)
    .fetch_one(tx, |row| row.integer(0))
    .await?;
    let project = Project {
        id: ProjectId(id),
        index,
        name: name.clone(),
        status: None,
    };
    Ok((project, true))
}

/// Removes a project with its releases and files. False when there was none.
pub async fn remove(tx: &mut Transaction, id: ProjectId) -> Result<bool, DatabaseError> {
    sql("DELETE FROM projects WHERE id = $1")
        .bind(id.0)
        .changes_any(tx)
        .await
}

/// Sets or clears a project's status marker (PEP 792). False when there is no such project.
pub async fn set_status(
    tx: &mut Transaction,
    id: ProjectId,
    status: Option<&ProjectStatus>,
) -> Result<bool, DatabaseError> {
    sql("UPDATE projects SET status = $2, status_reason = $3 WHERE id = $1")
        .bind(id.0)
        .bind(status.map(|status| status.status.as_str()))
        .bind(status.and_then(|status| status.reason.as_deref()))
        .changes_any(tx)
        .await
}

fn project(row: &Row<'_>) -> Result<Project, DatabaseError> {
    let status = match row.optional_text(3)? {
        None => None,
        Some(text) => Some(ProjectStatus {
            status: Status::find(text).ok_or_else(|| unexpected(3, text))?,
            reason: row.optional_text(4)?.map(str::to_owned),
        }),
    };
    Ok(Project {
        id: ProjectId(row.integer(0)?),
        index: IndexId(row.integer(1)?),
        name: row.parsed(2, ProjectName::parse)?,
        status,
    })
}
