//! Both databases have the same tables and columns.

use std::collections::BTreeSet;

use crate::support::{Kind, TestDatabase};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Column {
    table: String,
    name: String,
    kind: &'static str,
    nullable: bool,
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let sqlite = TestDatabase::new(Kind::Sqlite).await;
    sqlite.open().await.close().await;
    let postgres = TestDatabase::new(Kind::Postgres).await;
    postgres.open().await.close().await;
    let sqlite = sqlite_columns(&sqlite);
    let postgres = postgres_columns(&postgres).await;
    assert!(sqlite.len() > 50, "{}", sqlite.len());
    let difference: Vec<_> = sqlite.symmetric_difference(&postgres).collect();
    assert!(difference.is_empty(), "{difference:#?}");
}

#[tokio::test]
async fn both_databases_have_the_same_keys_and_indexes() {
    let sqlite = TestDatabase::new(Kind::Sqlite).await;
    sqlite.open().await.close().await;
    let postgres = TestDatabase::new(Kind::Postgres).await;
    postgres.open().await.close().await;
    let sqlite = sqlite_indexes(&sqlite);
    let postgres = postgres_indexes(&postgres).await;
    assert!(sqlite.len() > 15, "{}", sqlite.len());
    let difference: Vec<_> = sqlite.symmetric_difference(&postgres).collect();
    assert!(difference.is_empty(), "{difference:#?}");
}

fn open_sqlite(test: &TestDatabase) -> rusqlite::Connection {
    rusqlite::Connection::open(test.url().strip_prefix("sqlite://").unwrap()).unwrap()
}

fn sqlite_columns(test: &TestDatabase) -> BTreeSet<Column> {
    let connection = open_sqlite(test);
    let mut statement = connection
        .prepare(
            "SELECT m.name, c.name, c.type, c.\"notnull\", c.pk \
             FROM sqlite_master m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'",
        )
        .unwrap();
    statement
        .query_map([], |row| {
            let declared: String = row.get(2)?;
            Ok(Column {
                table: row.get(0)?,
                name: row.get(1)?,
                kind: kind(&declared),
                nullable: !row.get::<_, bool>(3)? && row.get::<_, i64>(4)? == 0,
            })
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

/// Table, whether it is unique, and columns in their order.
type Index = (String, bool, String);

fn sqlite_indexes(test: &TestDatabase) -> BTreeSet<Index> {
    let connection = open_sqlite(test);
    let mut statement = connection
        .prepare(
            "SELECT m.name, l.\"unique\", \
             (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(l.name))) \
             FROM sqlite_master m, pragma_index_list(m.name) l \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' \
             UNION \
             SELECT m.name, 1, c.name FROM sqlite_master m, pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND c.pk = 1 \
             AND (SELECT COUNT(*) FROM pragma_table_info(m.name) WHERE pk > 0) = 1",
        )
        .unwrap();
    statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

async fn postgres_columns(test: &TestDatabase) -> BTreeSet<Column> {
    use sqlx::Connection as _;
    let mut connection = sqlx::PgConnection::connect(test.url()).await.unwrap();
    let rows: Vec<(String, String, String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text \
         FROM information_schema.columns WHERE table_schema = 'public'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    rows.into_iter()
        .map(|(table, name, declared, nullable)| Column {
            table,
            name,
            kind: kind(&declared),
            nullable: nullable == "YES",
        })
        .collect()
}

async fn postgres_indexes(test: &TestDatabase) -> BTreeSet<Index> {
    use sqlx::Connection as _;
    let mut connection = sqlx::PgConnection::connect(test.url()).await.unwrap();
    let rows = sqlx::query_as(
        "SELECT t.relname::text, i.indisunique, \
         (SELECT string_agg(a.attname::text, ',' ORDER BY k.position) \
          FROM unnest(i.indkey) WITH ORDINALITY AS k(attribute, position) \
          JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attribute) \
         FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid \
         JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = 'public'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    rows.into_iter().collect()
}

fn kind(declared: &str) -> &'static str {
    match declared {
        "INTEGER" | "BIGINT" | "bigint" => "integer",
        "TEXT" | "text" => "text",
        "BLOB" | "bytea" => "bytes",
        other => panic!("`{other}` is no type that both databases know"),
    }
}
