//! Installing with pip, uv, poetry and pdm: from a hosted index, and from a mirror.

use std::path::{Path, PathBuf};

use cheeseshop_test_support::{Upstream, Wheel};
use serde_json::json;

use super::shop::{Shop, installed, site_packages, succeed};

/// What each test installs: an application and, through its metadata, a library. The newest
/// version of the library does not fit.
const EXPECTED: [&str; 2] = ["app-1.0", "library-1.5"];

fn distributions() -> Vec<cheeseshop_test_support::BuiltFile> {
    vec![
        Wheel::named("app")
            .requires_dist("library >=1.2,<2")
            .requires_python(">=3.8")
            .build(),
        Wheel::named("library").version("1.0").build(),
        Wheel::named("library").version("1.5").build(),
        Wheel::named("library").version("2.0").build(),
    ]
}

/// A server with a hosted index and a mirror of a fake upstream, both with the same files.
async fn stocked() -> (Shop, Upstream) {
    let shop = Shop::open().await;
    let upstream = Upstream::start().await;
    for file in distributions() {
        shop.bob.upload("bob/dev", &file).await;
        upstream.publish(&file);
    }
    shop.root
        .create_index(
            "bob/mirror",
            &json!({"type": "mirror", "mirror_url": upstream.url()}),
        )
        .await;
    (shop, upstream)
}

const INDEXES: [&str; 2] = ["bob/dev", "bob/mirror"];

/// `bob/dev` in a file name.
fn folder_name(client: &str, index: &str) -> String {
    format!("{client}-{}", index.replace('/', "-"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pip_installs_cold_and_warm() {
    let (shop, upstream) = stocked().await;
    for index in INDEXES {
        for temperature in ["cold", "warm"] {
            let folder = shop.folder(&folder_name(temperature, index));
            let mut pip = shop.client("pip", &folder).await;
            pip.args(["install", "--target", "there", "--no-cache-dir"])
                .args(["--index-url", &shop.simple(index), "app"]);
            let talk = succeed(pip).await;
            assert_eq!(installed(&folder.join("there")), EXPECTED, "{talk}");
            assert!(!talk.contains("WARNING"), "{talk}");
        }
    }
    // What was fetched once is not fetched again, and what was not wanted never.
    for (version, fetched) in [("1.0", 0), ("1.5", 1), ("2.0", 0)] {
        let file = Wheel::named("library").version(version).build();
        assert_eq!(
            upstream.count(&upstream.file_path(&file)),
            fetched,
            "{version}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uv_installs_cold_and_warm() {
    let (shop, upstream) = stocked().await;
    for index in INDEXES {
        for temperature in ["cold", "warm"] {
            let folder = shop.folder(&folder_name(temperature, index));
            let mut uv = shop.client("uv", &folder).await;
            uv.args(["pip", "install", "--target", "there", "--no-cache"])
                .args(["--index-url", &shop.simple(index), "app"]);
            let talk = succeed(uv).await;
            assert_eq!(installed(&folder.join("there")), EXPECTED, "{talk}");
        }
    }
    let file = Wheel::named("library").version("1.5").build();
    assert_eq!(upstream.count(&upstream.file_path(&file)), 1);
}

fn write_project(folder: &Path, tool: &str) {
    std::fs::write(
        folder.join("pyproject.toml"),
        format!(
            "[project]\nname = \"consumer\"\nversion = \"0\"\nrequires-python = \">=3.11\"\n\
             dependencies = [\"app\"]\n\n{tool}"
        ),
    )
    .unwrap();
}

fn environment(folder: &Path) -> PathBuf {
    site_packages(&folder.join(".venv"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poetry_locks_and_installs() {
    let (shop, _upstream) = stocked().await;
    for index in INDEXES {
        let folder = shop.folder(&folder_name("poetry", index));
        write_project(
            &folder,
            &format!(
                "[tool.poetry]\npackage-mode = false\n\n[[tool.poetry.source]]\n\
                 name = \"shop\"\nurl = \"{}\"\npriority = \"primary\"\n",
                shop.simple(index)
            ),
        );
        let mut poetry = shop.client("poetry", &folder).await;
        poetry
            .args(["install", "--no-interaction"])
            .env("POETRY_VIRTUALENVS_IN_PROJECT", "true");
        let talk = succeed(poetry).await;
        assert!(has_expected(&environment(&folder)), "{index}: {talk}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pdm_locks_and_installs() {
    let (shop, _upstream) = stocked().await;
    for index in INDEXES {
        let folder = shop.folder(&folder_name("pdm", index));
        write_project(
            &folder,
            &format!(
                "[tool.pdm]\ndistribution = false\n\n[[tool.pdm.source]]\nname = \"pypi\"\n\
                 url = \"{}\"\nverify_ssl = true\n",
                shop.simple(index)
            ),
        );
        let mut pdm = shop.client("pdm", &folder).await;
        pdm.args(["install", "--no-self"]);
        let talk = succeed(pdm).await;
        assert!(has_expected(&environment(&folder)), "{index}: {talk}");
    }
}

/// Environments that tools make may hold their own seeds beside what was asked for.
fn has_expected(site_packages: &Path) -> bool {
    let found = installed(site_packages);
    EXPECTED
        .iter()
        .all(|name| found.iter().any(|found| found == name))
}
