//! A devpi-server's data in PostgreSQL.

use cheeseshop_app::import::{ImportOptions, Kind};
use cheeseshop_devpi_data::postgresql::{self, PostgresError};
use cheeseshop_test_support::{DevpiServer, postgres};
use secrecy::SecretString;
use tempfile::TempDir;
use url::Url;

use crate::devpi::{Devpi, PASSWORD, docs, fill, fill_mirror};
use crate::here::Here;
use crate::picture::{assert_same, mirrored_here, of_devpi, of_here};

/// The option of devpi-postgresql for a database.
fn storage(url: &str) -> String {
    let url = Url::parse(url).unwrap();
    format!(
        "pg8000:host={},port={},database={},user={},password={}",
        url.host_str().unwrap(),
        url.port().unwrap(),
        url.path().trim_start_matches('/'),
        url.username(),
        url.password().unwrap(),
    )
}

#[tokio::test]
async fn all_that_is_in_postgresql_comes_over() {
    let database = postgres().await;
    let folder = TempDir::new().unwrap();
    let storage = storage(&database.url);
    DevpiServer::command("devpi-init", folder.path())
        .args(["--no-root-pypi", "--root-passwd", PASSWORD])
        .args(["--storage", &storage])
        .output();
    let server = DevpiServer::start_again(folder.path(), &["--storage", &storage]);
    let devpi = Devpi::of(&server);
    fill(&devpi).await;
    let mirrored = fill_mirror(&devpi).await;
    // More than one slice.
    let large = docs(&"x".repeat(5 * 1024 * 1024));
    devpi
        .document("bob/dev", "bob", ("vol", "1.0"), &large)
        .await;
    let held = of_devpi(&devpi).await;

    // One moment is seen, whatever happens meanwhile.
    let url = SecretString::from(database.url.as_str());
    let source = postgresql::open(&url).await.unwrap();
    devpi.delete("/bob/dev/vol", "bob").await;
    let here = Here::start().await;
    let outcome = here.import(&*source, ImportOptions::default()).await;
    assert_eq!(outcome.skipped, []);
    assert_eq!(outcome.kept[&Kind::MirroredFile], 1);
    assert_same(&held, &of_here(&here).await);
    let mirrored_files = mirrored_here(&here).await;
    assert!(mirrored_files.first().unwrap().ends_with(mirrored));
}

#[tokio::test]
async fn other_databases_are_refused_with_a_reason() {
    let database = postgres().await;
    let refusal = async |url: &str| postgresql::open(&url.into()).await.err().unwrap();
    let error = refusal(&database.url).await;
    assert!(
        matches!(
            error,
            PostgresError::NotOne {
                table: "changelog",
                ..
            }
        ),
        "{error}"
    );
    let password = Url::parse(&database.url)
        .unwrap()
        .password()
        .unwrap()
        .to_owned();
    assert!(!error.to_string().contains(&password), "{error}");
    let error = refusal("postgres://nobody:secret@127.0.0.1:1/none").await;
    assert!(matches!(error, PostgresError::Database { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    let error = refusal("mysql://nobody:secret@127.0.0.1/none").await;
    assert!(matches!(error, PostgresError::Url), "{error}");
}
