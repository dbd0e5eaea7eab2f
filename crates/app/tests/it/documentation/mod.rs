//! Documentation: taking it in, and reading its pages.

mod reading;
mod removal;
mod uploading;

use bytes::Bytes;
use cheeseshop_app::Error;
use cheeseshop_app::documentation::{DocumentationPath, WantedVersion};
use cheeseshop_app::publish::{Published, Uploaded};
use cheeseshop_domain::{Caller, FilePath, IndexName};
use cheeseshop_packaging::{FileName, Sha256};
use futures_util::TryStreamExt as _;
use serde_json::json;
use sha2::Digest as _;

use crate::support::{TestApp, caller, project};

/// Sends documentation as devpi's client does.
async fn upload(
    test: &TestApp,
    index: &IndexName,
    version: &str,
    archive: &Bytes,
) -> Result<Published, Error> {
    let fields = [
        (":action", "doc_upload"),
        ("name", "My.Pkg"),
        ("version", version),
    ];
    let fields: Vec<_> = fields
        .into_iter()
        .filter(|field| !field.1.is_empty())
        .collect();
    let content = Some(("whatever.zip", archive.clone()));
    match test.send(&caller("bob"), index, &fields, content).await? {
        Uploaded::Documentation(published) => Ok(published),
        other => panic!("{other:?}"),
    }
}

fn path(archive: &Bytes, version: &str) -> FilePath {
    let sha256 = Sha256(sha2::Sha256::digest(archive).into());
    let name = format!("my-pkg-{version}.doc.zip");
    FilePath::of_sha256(&sha256, FileName::parse(&name).unwrap())
}

/// What a page says, with the version that it is of.
async fn page(
    test: &TestApp,
    caller: &Caller,
    index: &IndexName,
    version: &str,
    page: &str,
) -> Result<String, Error> {
    let wanted = WantedVersion::parse(version);
    let found = test
        .app
        .documentation(caller, index, &project("my-pkg"), &wanted)
        .await?;
    Ok(match test.app.open_documentation(&found, page).await? {
        DocumentationPath::Folder => "folder".to_owned(),
        DocumentationPath::Page(page) => {
            let bytes: Vec<Bytes> = page.read().try_collect().await.unwrap();
            let bytes = bytes.concat();
            assert_eq!(bytes.len() as u64, page.size);
            format!("{} {}", found.version, String::from_utf8_lossy(&bytes))
        }
    })
}

async fn bob_and_dev(test: &TestApp) -> (Caller, IndexName) {
    let bob = test.user("bob").await;
    (bob, test.index("bob/dev", json!({})).await)
}
