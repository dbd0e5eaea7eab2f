//! Uploading with twine, uv, poetry, pdm and flit.

use cheeseshop_test_support::{BuiltFile, Sdist, Wheel};

use super::shop::{PASSWORD, Shop, run, succeed};

/// A wheel and an sdist of one release.
fn release(name: &str) -> (BuiltFile, BuiltFile) {
    let wheel = Wheel::named(name)
        .version("1.0")
        .summary("for a test")
        .build();
    let sdist = Sdist::named(name)
        .version("1.0")
        .summary("for a test")
        .build();
    (wheel, sdist)
}

async fn assert_served(shop: &Shop, project: &str, files: &[&BuiltFile]) {
    let listed = shop.root.files("bob/dev", project).await;
    assert_eq!(listed.len(), files.len(), "{listed:?}");
    for file in files {
        let found = listed
            .iter()
            .find(|found| found.name == file.name)
            .unwrap_or_else(|| panic!("{} is not listed", file.name));
        assert_eq!(found.sha256, file.sha256);
        assert_eq!(shop.root.digest_of(&found.url).await, file.sha256);
    }
}

#[tokio::test]
async fn twine_uploads_and_a_second_time_changes_nothing() {
    let shop = Shop::open().await;
    let folder = shop.folder("twine");
    let (wheel, sdist) = release("by-twine");
    let files = Shop::dist(&folder, &[&wheel, &sdist]);
    for _ in 0..2 {
        let mut twine = shop.client("twine", &folder).await;
        twine
            .args(["upload", "--non-interactive", "--disable-progress-bar"])
            .args(["--repository-url", &shop.upload_url("bob/dev")])
            .args(["-u", "bob", "-p", PASSWORD])
            .args(&files);
        succeed(twine).await;
    }
    assert_served(&shop, "by-twine", &[&wheel, &sdist]).await;
}

#[tokio::test]
async fn twine_is_told_that_other_bytes_are_refused() {
    let shop = Shop::open().await;
    let folder = shop.folder("twine");
    let (wheel, _) = release("by-twine");
    shop.bob.upload("bob/dev", &wheel).await;
    let changed = Wheel::named("by-twine").summary("other bytes").build();
    assert_eq!(changed.name, wheel.name);
    let files = Shop::dist(&folder, &[&changed]);
    let mut twine = shop.client("twine", &folder).await;
    twine
        .args(["upload", "--non-interactive", "--disable-progress-bar"])
        .args(["--repository-url", &shop.upload_url("bob/dev")])
        .args(["-u", "bob", "-p", PASSWORD])
        .args(files);
    let refused = run(twine).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let talk = format!("{}{}", refused.stdout, refused.stderr);
    assert!(talk.contains("409"), "{talk}");
    assert!(talk.contains("already exists"), "{talk}");
    assert_served(&shop, "by-twine", &[&wheel]).await;
}

#[tokio::test]
async fn twine_with_a_wrong_password_is_refused() {
    let shop = Shop::open().await;
    let folder = shop.folder("twine");
    let (wheel, _) = release("by-twine");
    let files = Shop::dist(&folder, &[&wheel]);
    let mut twine = shop.client("twine", &folder).await;
    twine
        .args(["upload", "--non-interactive", "--disable-progress-bar"])
        .args(["--repository-url", &shop.upload_url("bob/dev")])
        .args(["-u", "bob", "-p", "wrong"])
        .args(&files);
    let output = run(twine).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_served(&shop, "by-twine", &[]).await;
}

#[tokio::test]
async fn uv_publishes_and_a_second_time_changes_nothing() {
    let shop = Shop::open().await;
    let folder = shop.folder("uv");
    let (wheel, sdist) = release("by-uv");
    let files = Shop::dist(&folder, &[&wheel, &sdist]);
    for check in [false, true] {
        let mut uv = shop.client("uv", &folder).await;
        uv.args(["publish", "--publish-url", &shop.upload_url("bob/dev")])
            .args(["--username", "bob", "--password", PASSWORD]);
        if check {
            uv.args(["--check-url", &shop.simple("bob/dev")]);
        }
        uv.args(&files);
        succeed(uv).await;
    }
    assert_served(&shop, "by-uv", &[&wheel, &sdist]).await;
}

#[tokio::test]
async fn poetry_publishes() {
    let shop = Shop::open().await;
    let folder = shop.folder("poetry");
    let (wheel, sdist) = release("by-poetry");
    Shop::dist(&folder, &[&wheel, &sdist]);
    std::fs::write(
        folder.join("pyproject.toml"),
        "[project]\nname = \"by-poetry\"\nversion = \"1.0\"\ndescription = \"x\"\n\
         requires-python = \">=3.9\"\n",
    )
    .unwrap();
    let mut configure = shop.client("poetry", &folder).await;
    configure.args(["config", "repositories.shop", &shop.upload_url("bob/dev")]);
    succeed(configure).await;
    let mut poetry = shop.client("poetry", &folder).await;
    poetry
        .args(["publish", "--no-interaction", "--repository", "shop"])
        .args(["--username", "bob", "--password", PASSWORD]);
    succeed(poetry).await;
    assert_served(&shop, "by-poetry", &[&wheel, &sdist]).await;
}

#[tokio::test]
async fn pdm_publishes() {
    let shop = Shop::open().await;
    let folder = shop.folder("pdm");
    let (wheel, sdist) = release("by-pdm");
    Shop::dist(&folder, &[&wheel, &sdist]);
    std::fs::write(
        folder.join("pyproject.toml"),
        "[project]\nname = \"by-pdm\"\nversion = \"1.0\"\nrequires-python = \">=3.9\"\n",
    )
    .unwrap();
    let mut pdm = shop.client("pdm", &folder).await;
    pdm.args(["publish", "--no-build"])
        .args(["--repository", &shop.upload_url("bob/dev")])
        .args(["--username", "bob", "--password", PASSWORD]);
    succeed(pdm).await;
    assert_served(&shop, "by-pdm", &[&wheel, &sdist]).await;
}

#[tokio::test]
async fn flit_builds_and_publishes() {
    let shop = Shop::open().await;
    let folder = shop.folder("flit");
    std::fs::write(
        folder.join("pyproject.toml"),
        "[build-system]\nrequires = [\"flit_core >=3.2\"]\nbuild-backend = \"flit_core.buildapi\"\n\
         [project]\nname = \"by_flit\"\ndynamic = [\"version\", \"description\"]\n\
         requires-python = \">=3.8\"\n\
         authors = [{name = \"Bob\", email = \"bob@shop.test\"}]\n",
    )
    .unwrap();
    std::fs::write(
        folder.join("by_flit.py"),
        "\"\"\"For a test.\"\"\"\n__version__ = \"1.0\"\n",
    )
    .unwrap();
    let mut flit = shop.client("flit", &folder).await;
    flit.args(["publish", "--no-use-vcs"])
        .env("FLIT_INDEX_URL", shop.upload_url("bob/dev"))
        .env("FLIT_USERNAME", "bob")
        .env("FLIT_PASSWORD", PASSWORD);
    succeed(flit).await;
    assert_eq!(
        shop.listed("bob/dev", "by-flit").await,
        ["by_flit-1.0-py3-none-any.whl", "by_flit-1.0.tar.gz"]
    );
}
