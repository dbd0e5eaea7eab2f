//! Statements, their parameters and their rows: one text for both databases.
//!
//! ```ignore
//! sql("SELECT id, name FROM users WHERE name = $1")
//!     .bind(name)
//!     .fetch_optional(connection, |row| Ok((row.integer(0)?, row.text(1)?.to_owned())))
//!     .await
//! ```
//!
//! Three types cross the border: 64-bit integers, text and bytes, each possibly null. How
//! everything else is spelled in them, and what a statement may use, stands in
//! `docs/database.md`.

use std::borrow::Cow;
use std::net::IpAddr;

use cheeseshop_packaging::hash::Sha256;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, ValueRef};
use serde_json::Value as Json;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{
    Arguments as _, AssertSqlSafe, Column as _, Row as _, SqlSafeStr as _, SqlStr, TypeInfo as _,
};

use super::connection::{Connection, Session};
use super::{DatabaseError, postgres};

/// A parameter. Null keeps its type, which PostgreSQL needs.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

/// A statement with its parameters.
#[must_use]
pub(crate) struct Statement {
    text: Cow<'static, str>,
    values: Vec<Value>,
    /// Whether the prepared form is worth keeping.
    keep: bool,
}

/// One row of a result, borrowed from the driver.
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r PgRow),
}

/// A statement whose text never changes; its prepared form is kept.
pub(crate) fn sql(text: &'static str) -> Statement {
    Statement {
        text: Cow::Borrowed(text),
        values: Vec::new(),
        keep: true,
    }
}

/// A statement whose text was put together from our own literals (never from input).
pub(crate) fn composed_sql(text: String) -> Statement {
    Statement {
        text: Cow::Owned(text),
        values: Vec::new(),
        keep: false,
    }
}

/// `($1,$2),($3,$4)…` for `rows` rows of `columns` columns.
pub(crate) fn placeholders(rows: usize, columns: usize) -> String {
    use std::fmt::Write as _;

    let mut text = String::with_capacity(rows * columns * 5);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ",(" });
        for column in 0..columns {
            let separator = if column == 0 { "" } else { "," };
            let _ = write!(text, "{separator}${}", row * columns + column + 1);
        }
        text.push(')');
    }
    text
}

impl Statement {
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Keeps the prepared form of a composed text: for texts of few different lengths.
    pub(crate) fn kept(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Runs the statement and tells how many rows it changed.
    pub(crate) async fn execute(self, connection: &mut Connection) -> Result<u64, DatabaseError> {
        connection.check()?;
        let result = match connection.session() {
            Session::Sqlite(session) => {
                session.run(move |sqlite| self.execute_sqlite(sqlite)).await
            }
            Session::Postgres(session) => {
                postgres::in_time(self.execute_postgres(session.connection())).await
            }
        };
        connection.note(result)
    }

    /// Runs the statement and tells whether it changed any row.
    pub(crate) async fn changes_any(
        self,
        connection: &mut Connection,
    ) -> Result<bool, DatabaseError> {
        Ok(self.execute(connection).await? > 0)
    }

    /// Runs the statement and converts all its rows.
    pub(crate) async fn fetch_all<T, F>(
        self,
        connection: &mut Connection,
        convert: F,
    ) -> Result<Vec<T>, DatabaseError>
    where
        T: Send + 'static,
        F: Fn(&Row<'_>) -> Result<T, DatabaseError> + Send + 'static,
    {
        connection.check()?;
        let result = match connection.session() {
            Session::Sqlite(session) => {
                session
                    .run(move |sqlite| self.fetch_sqlite(sqlite, convert))
                    .await
            }
            Session::Postgres(session) => {
                postgres::in_time(self.fetch_postgres(session.connection(), convert)).await
            }
        };
        connection.note(result)
    }

    /// Runs the statement and converts its first row, if there is one.
    pub(crate) async fn fetch_optional<T, F>(
        self,
        connection: &mut Connection,
        convert: F,
    ) -> Result<Option<T>, DatabaseError>
    where
        T: Send + 'static,
        F: Fn(&Row<'_>) -> Result<T, DatabaseError> + Send + 'static,
    {
        let rows = self.fetch_all(connection, convert).await?;
        Ok(rows.into_iter().next())
    }

    /// As [`Self::fetch_optional`]; a missing row is an error.
    pub(crate) async fn fetch_one<T, F>(
        self,
        connection: &mut Connection,
        convert: F,
    ) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        F: Fn(&Row<'_>) -> Result<T, DatabaseError> + Send + 'static,
    {
        self.fetch_optional(connection, convert)
            .await?
            .ok_or(DatabaseError::NotFound)
    }

    /// Hands over the statement with its parameters.
    fn with_sqlite<T>(
        &self,
        sqlite: &rusqlite::Connection,
        work: impl FnOnce(&mut rusqlite::Statement<'_>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let (mut kept, mut once);
        let statement: &mut rusqlite::Statement<'_> = if self.keep {
            kept = sqlite.prepare_cached(&self.text)?;
            &mut kept
        } else {
            once = sqlite.prepare(&self.text)?;
            &mut once
        };
        bind_sqlite(statement, &self.values)?;
        work(statement)
    }

    fn execute_sqlite(&self, sqlite: &rusqlite::Connection) -> Result<u64, DatabaseError> {
        self.with_sqlite(sqlite, |statement| Ok(statement.raw_execute()? as u64))
    }

    fn fetch_sqlite<T>(
        &self,
        sqlite: &rusqlite::Connection,
        convert: impl Fn(&Row<'_>) -> Result<T, DatabaseError>,
    ) -> Result<Vec<T>, DatabaseError> {
        self.with_sqlite(sqlite, |statement| {
            let mut rows = statement.raw_query();
            let mut converted = Vec::new();
            while let Some(row) = rows.next()? {
                converted.push(convert(&Row::Sqlite(row))?);
            }
            Ok(converted)
        })
    }

    async fn execute_postgres(
        self,
        postgres: &mut sqlx::PgConnection,
    ) -> Result<u64, DatabaseError> {
        let arguments = arguments(self.values)?;
        let done = sqlx::query_with(sql_text(self.text), arguments)
            .persistent(self.keep)
            .execute(postgres)
            .await?;
        Ok(done.rows_affected())
    }

    async fn fetch_postgres<T>(
        self,
        postgres: &mut sqlx::PgConnection,
        convert: impl Fn(&Row<'_>) -> Result<T, DatabaseError>,
    ) -> Result<Vec<T>, DatabaseError> {
        let arguments = arguments(self.values)?;
        let mut rows = sqlx::query_with(sql_text(self.text), arguments)
            .persistent(self.keep)
            .fetch(postgres);
        let mut converted = Vec::new();
        while let Some(row) = rows.try_next().await? {
            converted.push(convert(&Row::Postgres(&row))?);
        }
        Ok(converted)
    }
}

/// SQLite takes `$2` for a name, and numbers names as they come.
fn bind_sqlite(
    statement: &mut rusqlite::Statement<'_>,
    values: &[Value],
) -> Result<(), DatabaseError> {
    for index in 1..=statement.parameter_count() {
        let number = statement
            .parameter_name(index)
            .and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let value = number
            .and_then(|number| values.get(number.checked_sub(1)?))
            .ok_or_else(|| {
                DatabaseError::Configuration(format!(
                    "parameter {index} of a statement has no value"
                ))
            })?;
        statement.raw_bind_parameter(index, value)?;
    }
    Ok(())
}

fn sql_text(text: Cow<'static, str>) -> SqlStr {
    match text {
        Cow::Borrowed(text) => text.into_sql_str(),
        Cow::Owned(text) => AssertSqlSafe(text).into_sql_str(),
    }
}

fn arguments(values: Vec<Value>) -> Result<PgArguments, DatabaseError> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Integer(value) => arguments.add(value),
            Value::Text(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
        }
        .map_err(DatabaseError::Other)?;
    }
    Ok(arguments)
}

impl Row<'_> {
    pub(crate) fn integer(&self, column: usize) -> Result<i64, DatabaseError> {
        self.optional_integer(column)?
            .ok_or_else(|| null_at(column))
    }

    pub(crate) fn text(&self, column: usize) -> Result<&str, DatabaseError> {
        self.optional_text(column)?.ok_or_else(|| null_at(column))
    }

    pub(crate) fn bytes(&self, column: usize) -> Result<&[u8], DatabaseError> {
        self.optional_bytes(column)?.ok_or_else(|| null_at(column))
    }

    pub(crate) fn optional_integer(&self, column: usize) -> Result<Option<i64>, DatabaseError> {
        match self {
            Self::Sqlite(row) => match row.get_ref(column)? {
                ValueRef::Null => Ok(None),
                ValueRef::Integer(value) => Ok(Some(value)),
                other => Err(unexpected(column, other.data_type())),
            },
            Self::Postgres(row) => {
                // Expressions such as `SELECT 1` and `EXISTS` are INT4 and BOOL there.
                let kind = row.try_column(column)?.type_info();
                Ok(match kind.name() {
                    "INT4" => row.try_get::<Option<i32>, _>(column)?.map(i64::from),
                    "BOOL" => row.try_get::<Option<bool>, _>(column)?.map(i64::from),
                    _ => row.try_get(column)?,
                })
            }
        }
    }

    pub(crate) fn optional_text(&self, column: usize) -> Result<Option<&str>, DatabaseError> {
        match self {
            Self::Sqlite(row) => match row.get_ref(column)? {
                ValueRef::Null => Ok(None),
                ValueRef::Text(value) => std::str::from_utf8(value)
                    .map(Some)
                    .map_err(|error| unexpected(column, error)),
                other => Err(unexpected(column, other.data_type())),
            },
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    pub(crate) fn optional_bytes(&self, column: usize) -> Result<Option<&[u8]>, DatabaseError> {
        match self {
            Self::Sqlite(row) => match row.get_ref(column)? {
                ValueRef::Null => Ok(None),
                ValueRef::Blob(value) => Ok(Some(value)),
                other => Err(unexpected(column, other.data_type())),
            },
            Self::Postgres(row) => Ok(row.try_get(column)?),
        }
    }

    pub(crate) fn flag(&self, column: usize) -> Result<bool, DatabaseError> {
        Ok(self.integer(column)? != 0)
    }

    /// A number that is never negative: sizes, counts.
    pub(crate) fn size(&self, column: usize) -> Result<u64, DatabaseError> {
        u64::try_from(self.integer(column)?).map_err(|error| unexpected(column, error))
    }

    pub(crate) fn time(&self, column: usize) -> Result<Timestamp, DatabaseError> {
        Timestamp::from_microsecond(self.integer(column)?)
            .map_err(|error| unexpected(column, error))
    }

    pub(crate) fn optional_time(&self, column: usize) -> Result<Option<Timestamp>, DatabaseError> {
        self.optional_integer(column)?
            .map(|micros| {
                Timestamp::from_microsecond(micros).map_err(|error| unexpected(column, error))
            })
            .transpose()
    }

    pub(crate) fn digest(&self, column: usize) -> Result<Sha256, DatabaseError> {
        self.optional_digest(column)?.ok_or_else(|| null_at(column))
    }

    pub(crate) fn optional_digest(&self, column: usize) -> Result<Option<Sha256>, DatabaseError> {
        self.optional_bytes(column)?
            .map(|bytes| {
                <[u8; 32]>::try_from(bytes)
                    .map(Sha256)
                    .map_err(|error| unexpected(column, error))
            })
            .transpose()
    }

    pub(crate) fn json(&self, column: usize) -> Result<Json, DatabaseError> {
        serde_json::from_str(self.text(column)?).map_err(|error| unexpected(column, error))
    }

    pub(crate) fn optional_address(&self, column: usize) -> Result<Option<IpAddr>, DatabaseError> {
        self.optional_text(column)?
            .map(|text| text.parse().map_err(|error| unexpected(column, error)))
            .transpose()
    }

    /// Text that a parser of the domain must accept.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &self,
        column: usize,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, DatabaseError> {
        parse(self.text(column)?).map_err(|error| unexpected(column, error))
    }
}

fn null_at(column: usize) -> DatabaseError {
    unexpected(column, "null")
}

pub(crate) fn unexpected(column: usize, problem: impl std::fmt::Display) -> DatabaseError {
    DatabaseError::InvalidValue {
        column,
        problem: problem.to_string(),
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Integer(Some(value)) => ValueRef::Integer(*value),
            Self::Text(Some(value)) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(Some(value)) => ValueRef::Blob(value),
            Self::Integer(None) | Self::Text(None) | Self::Bytes(None) => ValueRef::Null,
        }))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Integer(Some(i64::from(value)))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Some(value))
    }
}

impl From<Sha256> for Value {
    fn from(value: Sha256) -> Self {
        Self::Bytes(Some(value.as_bytes().to_vec()))
    }
}

impl From<Option<Sha256>> for Value {
    fn from(value: Option<Sha256>) -> Self {
        Self::Bytes(value.map(|digest| digest.as_bytes().to_vec()))
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Integer(Some(value.as_microsecond()))
    }
}

impl From<Option<Timestamp>> for Value {
    fn from(value: Option<Timestamp>) -> Self {
        Self::Integer(value.map(Timestamp::as_microsecond))
    }
}

impl From<&Json> for Value {
    fn from(value: &Json) -> Self {
        Self::Text(Some(value.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_through() {
        assert_eq!(placeholders(1, 1), "($1)");
        assert_eq!(placeholders(2, 3), "($1,$2,$3),($4,$5,$6)");
    }
}
