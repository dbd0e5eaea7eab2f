//! Projects of hosted indexes, out of their keys.

use std::collections::HashMap;

use cheeseshop_app::import::model::{Content, Documentation, File, Project, Release, TestResult};
use cheeseshop_app::import::{Kind, Report, SourceError};
use cheeseshop_packaging::hash::Hashes;
use jiff::Timestamp;

use super::links::{Link, base_name, hashes, modified};
use super::source::StateSource;
use super::{State, Values};
use crate::change_log::{Key, Value};

/// What stands in a file's entry and in the link to it.
struct Described {
    content: Content,
    hashes: Hashes,
    modified: Option<Timestamp>,
}

impl<S: State> StateSource<S> {
    /// Everything that an index holds of a project; `None` when it holds nothing.
    pub(super) async fn hosted_project(
        &self,
        user: &str,
        index: &str,
        name: &str,
        report: &Report,
    ) -> Result<Option<Project>, SourceError> {
        let item = format!("{user}/{index}/{name}");
        let key = Key::Versions(user, index, name).to_string();
        let versions = self.value(key, Kind::Project, report).await?;
        let Some(versions) = versions else {
            return Ok(None);
        };
        let mut versions: Vec<&str> = versions.texts().collect();
        versions.sort_unstable();
        let keys = versions
            .iter()
            .map(|version| Key::Release(user, index, name, version).to_string())
            .collect();
        let mut releases = self.state.values(keys).await?;
        report_unreadable(&releases, Kind::Release, report);

        let mut project = Project {
            name: name.to_owned(),
            ..Project::default()
        };
        let entries = self.entries_of(&releases, report).await?;
        for version in versions {
            let key = Key::Release(user, index, name, version).to_string();
            let Some(document) = releases.found.remove(&key) else {
                if !releases.unreadable.iter().any(|(found, _)| *found == key) {
                    report.skipped(
                        Kind::Release,
                        format!("{item}/{version}"),
                        "devpi lists the version but keeps nothing about it",
                    );
                }
                continue;
            };
            for link in Link::of_release(&document) {
                self.add_link(&mut project, version, &link, &entries, report)
                    .await;
            }
            let mut metadata = document.to_object().unwrap_or_default();
            metadata.remove("+elinks");
            if let Some(written) = document.text("name") {
                written.clone_into(&mut project.name);
            }
            project.releases.push(Release {
                version: version.to_owned(),
                metadata,
            });
        }
        Ok(Some(project))
    }

    /// The entries of all files that the releases link to.
    async fn entries_of(
        &self,
        releases: &Values,
        report: &Report,
    ) -> Result<HashMap<String, Value>, SourceError> {
        let documents = releases.found.values();
        let keys = documents
            .flat_map(Link::of_release)
            .map(|link| link.path().to_owned())
            .collect();
        let entries = self.state.values(keys).await?;
        report_unreadable(&entries, Kind::File, report);
        Ok(entries.found)
    }

    async fn add_link(
        &self,
        project: &mut Project,
        version: &str,
        link: &Link<'_>,
        entries: &HashMap<String, Value>,
        report: &Report,
    ) {
        let path = link.path();
        let described = self.described(link, entries).await;
        let Described {
            content,
            hashes,
            modified,
        } = described;
        match link.kind() {
            "releasefile" => project.files.push(File {
                name: base_name(path).to_owned(),
                version: Some(version.to_owned()),
                content,
                hashes,
                modified,
                log: link.log(),
                url: None,
                yanked: None,
            }),
            "doczip" => project.documentation.push(Documentation {
                version: version.to_owned(),
                content,
                hashes,
                modified,
                log: link.log(),
            }),
            "toxresult" => {
                let Some(tested) = link.tested_path() else {
                    report.skipped(
                        Kind::TestResult,
                        path,
                        "devpi does not say which file was tested",
                    );
                    return;
                };
                project.test_results.push(TestResult {
                    name: base_name(path).to_owned(),
                    file: base_name(tested).to_owned(),
                    content,
                    // devpi-server 6.5 to 6.8 wrote the digest of the tested file here.
                    hashes: if is_of_tested_file(&hashes, tested, entries) {
                        Hashes::new()
                    } else {
                        hashes
                    },
                    modified,
                    log: link.log(),
                });
            }
            kind => report.skipped(
                Kind::Other,
                path,
                format!("a link of the unknown kind `{}`", kind.escape_debug()),
            ),
        }
    }

    async fn described(&self, link: &Link<'_>, entries: &HashMap<String, Value>) -> Described {
        let Some(entry) = entries.get(link.path()) else {
            return Described {
                content: Content::Missing("devpi has no entry of the file".to_owned()),
                hashes: link.hashes(),
                modified: None,
            };
        };
        let mut found = hashes(entry);
        if found.is_empty() {
            found = link.hashes();
        }
        Described {
            content: self.state.content(link.path(), &found).await,
            hashes: found,
            modified: modified(entry),
        }
    }
}

fn is_of_tested_file(found: &Hashes, tested: &str, entries: &HashMap<String, Value>) -> bool {
    !found.is_empty() && entries.get(tested).map(hashes).as_ref() == Some(found)
}

/// Writes keys that should be there and cannot be read into the report.
pub(super) fn report_unreadable(values: &Values, kind: Kind, report: &Report) {
    for (key, reason) in &values.unreadable {
        report.skipped(kind, key, reason);
    }
}
