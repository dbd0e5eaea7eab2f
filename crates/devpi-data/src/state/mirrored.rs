//! What a mirror holds of its upstream: the files that somebody asked for.
//!
//! The pages of the upstream are not taken along; whoever asks first makes us fetch them anew.

use std::collections::HashMap;

use cheeseshop_app::import::model::{File, Project, Release};
use cheeseshop_app::import::{Kind, Report, SourceError};
use serde_json::Value as Json;

use super::hosted::report_unreadable;
use super::links::{base_name, hashes, modified};
use super::source::StateSource;
use super::{HeldFile, State};
use crate::change_log::{Key, Value};

/// What the upstream's page said of one file.
#[derive(Clone, Default)]
struct Listed {
    requires_python: Option<String>,
    yanked: Option<Json>,
}

impl<S: State> StateSource<S> {
    /// The files that a mirror holds, by project, sorted.
    pub(super) async fn held_projects(
        &self,
        index: &str,
    ) -> Result<Vec<(String, Vec<HeldFile>)>, SourceError> {
        let mut files = self.state.held_files(index, None).await?;
        files.sort_unstable();
        let projects = files.chunk_by(|one, other| one.project == other.project);
        Ok(projects
            .map(|files| (files[0].project.clone(), files.to_vec()))
            .collect())
    }

    /// One project with the held files.
    pub(super) async fn mirrored_project(
        &self,
        user: &str,
        index: &str,
        name: &str,
        held: &[HeldFile],
        report: &Report,
    ) -> Result<Project, SourceError> {
        let page = Key::Links(user, index, name).to_string();
        let page = self.value(page, Kind::Project, report).await?;
        let listed = page.as_ref().map(listed_files).unwrap_or_default();
        let paths = held.iter().map(|file| file.path.clone()).collect();
        let entries = self.state.values(paths).await?;
        report_unreadable(&entries, Kind::MirroredFile, report);

        let mut project = Project {
            name: name.to_owned(),
            ..Project::default()
        };
        for HeldFile { path, .. } in held {
            let Some(entry) = entries.found.get(path) else {
                continue;
            };
            let hashes = hashes(entry);
            let listed = listed.get(path.as_str()).cloned().unwrap_or_default();
            let version = entry.text("version").map(str::to_owned);
            if let Some(version) = &version {
                add_release(&mut project, version, &listed);
            }
            project.files.push(File {
                name: base_name(path).to_owned(),
                version,
                content: self.state.content(path, &hashes).await,
                hashes,
                modified: modified(entry),
                log: Vec::new(),
                url: entry.text("url").map(str::to_owned),
                yanked: listed.yanked,
            });
        }
        Ok(project)
    }
}

/// The files on a mirror's page of a project, by path: three lists of the same length.
fn listed_files(page: &Value) -> HashMap<&str, Listed> {
    let list = |key| page.get(key).and_then(Value::as_items).unwrap_or_default();
    let (requires_python, yanked) = (list("requires_python"), list("yanked"));
    let links = list("links").iter().enumerate();
    links
        .filter_map(|(place, link)| {
            let path = link.as_items()?.get(1)?.as_text()?;
            let path = path.split_once('#').map_or(path, |(path, _)| path);
            let listed = Listed {
                requires_python: requires_python
                    .get(place)
                    .and_then(Value::as_text)
                    .map(str::to_owned),
                yanked: yanked
                    .get(place)
                    .map(Value::to_json)
                    .filter(|yanked| !matches!(yanked, Json::Null | Json::Bool(false))),
            };
            Some((path, listed))
        })
        .collect()
}

/// A mirror has no releases of its own; an export has this much of them.
fn add_release(project: &mut Project, version: &str, listed: &Listed) {
    if project
        .releases
        .iter()
        .any(|release| release.version == version)
    {
        return;
    }
    let metadata = [
        ("name", Some(Json::from(project.name.as_str()))),
        ("version", Some(Json::from(version))),
        (
            "requires_python",
            listed.requires_python.as_deref().map(Json::from),
        ),
        ("yanked", listed.yanked.clone()),
    ];
    project.releases.push(Release {
        version: version.to_owned(),
        metadata: metadata
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect(),
    });
}
