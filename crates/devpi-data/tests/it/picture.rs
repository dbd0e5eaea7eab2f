//! All that a server holds, as sorted lines, to be compared with all that another one holds.

use std::collections::BTreeSet;

use cheeseshop_domain::api::{LogDocument, format_time};
use cheeseshop_domain::{IndexKind, JsonMap, LogEntry};
use cheeseshop_storage::database::{
    documentation, files, indexes, mirrors, projects, releases, test_results, users,
};
use serde_json::{Value, json};

use crate::devpi::Devpi;
use crate::here::Here;

/// Lines.
pub(crate) type Picture = BTreeSet<String>;

const USER_KEYS: [&str; 5] = ["email", "title", "description", "custom_data", "created"];

const INDEX_KEYS: [&str; 10] = [
    "type",
    "volatile",
    "bases",
    "acl_upload",
    "acl_toxresult_upload",
    "mirror_whitelist",
    "mirror_whitelist_inheritance",
    "mirror_url",
    "title",
    "custom_data",
];

const METADATA_KEYS: [&str; 5] = [
    "name",
    "version",
    "summary",
    "requires_python",
    "classifiers",
];

/// What the devpi-server holds, by its own JSON. Of mirrors only the configuration.
pub(crate) async fn of_devpi(devpi: &Devpi) -> Picture {
    let mut picture = Picture::new();
    let users = devpi.get("/").await;
    for (name, record) in object(&users["result"]) {
        picture.insert(format!("user {name} {}", some(record, &USER_KEYS)));
        for (index, config) in object(&record["indexes"]) {
            let index = format!("{name}/{index}");
            picture.insert(format!("index {index} {}", some(config, &INDEX_KEYS)));
            if config["type"] != "mirror" {
                index_of_devpi(devpi, &index, &mut picture).await;
            }
        }
    }
    picture
}

async fn index_of_devpi(devpi: &Devpi, index: &str, picture: &mut Picture) {
    let document = devpi.get(&format!("/{index}")).await;
    for project in document["result"]["projects"].as_array().unwrap() {
        let project = project.as_str().unwrap();
        picture.insert(format!("project {index}/{project}"));
        let path = format!("/{index}/{project}?ignore_bases");
        let document = devpi.get(&path).await;
        for (version, release) in object(&document["result"]) {
            let release_name = format!("{index}/{project}/{version}");
            let metadata = some(release, &METADATA_KEYS);
            picture.insert(format!("release {release_name} {metadata}"));
            for link in release["+links"].as_array().into_iter().flatten() {
                let href = link["href"].as_str().unwrap();
                let name = href.rsplit('/').next().unwrap().replace("%2B", "+");
                let digest = link["hash_spec"].as_str().unwrap();
                let log: Vec<LogDocument> = serde_json::from_value(link["log"].clone()).unwrap();
                let entries: Vec<LogEntry> =
                    log.iter().map(|log| log.to_entry().unwrap()).collect();
                let kind = link["rel"].as_str().unwrap();
                picture.insert(line(kind, &release_name, &name, digest, &entries));
            }
        }
    }
}

/// What this installation holds, by its rows. Files of mirrors are left out.
pub(crate) async fn of_here(here: &Here) -> Picture {
    let mut picture = Picture::new();
    let mut reader = here.database.reader().await.unwrap();
    let db = &mut *reader;
    for user in users::list(db).await.unwrap() {
        let mut record = Value::Object(user.profile.to_json());
        record["created"] = json!(format_time(user.created));
        picture.insert(format!("user {} {}", user.name, some(&record, &USER_KEYS)));
    }
    for index in indexes::list(db).await.unwrap() {
        let config = Value::Object(index.config.to_json());
        let name = &index.name;
        picture.insert(format!("index {name} {}", some(&config, &INDEX_KEYS)));
        for project in projects::list(db, index.id).await.unwrap() {
            let project_name = format!("{name}/{}", project.name.normalized());
            picture.insert(format!("project {project_name}"));
            for release in releases::list(db, project.id).await.unwrap() {
                let metadata = Value::Object(release.metadata.clone());
                let metadata = some(&metadata, &METADATA_KEYS);
                let release_name = format!("{project_name}/{}", release.version);
                picture.insert(format!("release {release_name} {metadata}"));
                for file in files::list_for_release(db, release.id).await.unwrap() {
                    let digest = format!("sha256={}", file.sha256);
                    let name = file.name.as_str();
                    picture.insert(line("releasefile", &release_name, name, &digest, &file.log));
                }
                for result in test_results::list_for_release(db, release.id)
                    .await
                    .unwrap()
                {
                    let digest = format!("sha256={}", result.sha256);
                    let name = result.name.as_str();
                    picture.insert(line("toxresult", &release_name, name, &digest, &result.log));
                }
            }
            for docs in documentation::list_for_project(db, project.id)
                .await
                .unwrap()
            {
                let digest = format!("sha256={}", docs.sha256);
                let release_name = format!("{project_name}/{}", docs.version);
                let name = docs.name.as_str();
                picture.insert(line("doczip", &release_name, name, &digest, &docs.log));
            }
        }
    }
    picture
}

/// The files that mirrors hold here, with their digests and when they were fetched.
pub(crate) async fn mirrored_here(here: &Here) -> Picture {
    let mut picture = Picture::new();
    let mut reader = here.database.reader().await.unwrap();
    let db = &mut *reader;
    for index in indexes::list(db).await.unwrap() {
        if !matches!(index.config.kind, IndexKind::Mirror(_)) {
            continue;
        }
        for project in mirrors::list_projects(db, index.id).await.unwrap() {
            for file in mirrors::list_files(db, index.id, &project).await.unwrap() {
                picture.insert(format!("{}/{}", index.name, file.path));
            }
        }
    }
    picture
}

fn line(kind: &str, release: &str, name: &str, digest: &str, log: &[LogEntry]) -> String {
    let log: Vec<LogDocument> = log.iter().map(LogDocument::from).collect();
    let log = serde_json::to_string(&log).unwrap();
    format!("{kind} {release} {name} {digest} {log}")
}

fn object(value: &Value) -> &JsonMap {
    value.as_object().unwrap()
}

/// These keys of a document, absent ones and empty ones alike.
fn some(document: &Value, keys: &[&str]) -> Value {
    keys.iter()
        .map(|key| {
            let value = document.get(*key).unwrap_or(&Value::Null);
            let is_empty = match value {
                Value::Null => true,
                Value::Array(items) => items.is_empty(),
                Value::String(text) => text.is_empty(),
                _ => false,
            };
            let value = if is_empty { Value::Null } else { value.clone() };
            ((*key).to_owned(), value)
        })
        .collect::<JsonMap>()
        .into()
}

/// # Panics
/// With the lines that only one side has.
pub(crate) fn assert_same(there: &Picture, here: &Picture) {
    let missing: Vec<&String> = there.difference(here).collect();
    let added: Vec<&String> = here.difference(there).collect();
    assert!(
        missing.is_empty() && added.is_empty(),
        "only there: {missing:#?}\nonly here: {added:#?}"
    );
}
