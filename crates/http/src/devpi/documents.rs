//! What use-cases give, as devpi's documents.

use axum::response::Response;
use cheeseshop_app::file_description::FileDescription;
use cheeseshop_app::releases::{ProjectDocument, ReleaseDocument};
use cheeseshop_app::users::UserView;
use cheeseshop_domain::JsonMap;
use cheeseshop_domain::api::{Kind, LinkDocument, ReleaseFileMetadata, UserDocument, VersionData};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use super::envelope;
use crate::ask::Ask;
use crate::conditional::http_date;

/// What must not stand plainly in a path. `+` may: devpi's client compares URLs with `/+f/`.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\')
    .add(b'^')
    .add(b'|');

pub(crate) fn user(view: &UserView) -> UserDocument {
    UserDocument::new(&view.user, view.indexes.iter().map(AsRef::as_ref))
}

/// Version to version data, in the order of the use-case (newest first).
pub(crate) fn project(ask: &Ask, project: ProjectDocument) -> Result<JsonMap, serde_json::Error> {
    project
        .releases
        .into_iter()
        .map(|document| {
            let version = document.version.to_string();
            serde_json::to_value(release(ask, document)).map(|value| (version, value))
        })
        .collect()
}

pub(crate) fn release(ask: &Ask, document: ReleaseDocument) -> VersionData {
    VersionData {
        links: document
            .links
            .iter()
            .map(|link| LinkDocument {
                rel: link.rel.to_owned(),
                for_href: link
                    .tested
                    .as_ref()
                    .map(|path| absolute(ask, &format!("{}/{path}", link.index))),
                ..LinkDocument::release_file(
                    &link.hashes,
                    absolute(ask, &format!("{}/{}", link.index, link.path)),
                    link.log.as_deref(),
                )
            })
            .collect(),
        shadowing: document
            .shadowing
            .into_iter()
            .map(|shadowed| release(ask, shadowed))
            .collect(),
        metadata: document.metadata,
    }
}

/// devpi's `releasefilemeta`.
pub(crate) fn file(description: &FileDescription) -> Response {
    let document = ReleaseFileMetadata {
        last_modified: description
            .modified
            .and_then(|modified| http_date(modified.into())),
        url: description.upstream_url.clone(),
        ..ReleaseFileMetadata::new(
            &description.project,
            &description.version,
            &description.hashes,
        )
    };
    envelope::result(Kind::ReleaseFileMeta, document)
}

/// The URL of a path below the root of the server.
pub(crate) fn absolute(ask: &Ask, path: &str) -> String {
    format!(
        "{}/{}",
        ask.context.base_url,
        utf8_percent_encode(path, PATH)
    )
}

/// Names, as a JSON array of strings.
pub(crate) fn strings(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect()
}
