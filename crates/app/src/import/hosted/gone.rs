//! What a followed source does not have any more.

use std::collections::HashSet;

use super::Gone;
use super::prepare::Arriving;
use crate::import::model;

impl Arriving<'_> {
    /// What is here and no longer in the source.
    pub(super) fn gone(&self, project: &model::Project) -> Gone {
        if project.releases.is_empty() && project.files.is_empty() {
            return Gone {
                project: true,
                ..Gone::default()
            };
        }
        let mut releases: HashSet<String> = project
            .releases
            .iter()
            .map(|release| release.version.clone())
            .collect();
        releases.extend(
            project
                .files
                .iter()
                .filter_map(|file| Some(self.version_of(file)?.to_string())),
        );
        releases.extend(
            project
                .documentation
                .iter()
                .map(|archive| archive.version.clone()),
        );
        let files: HashSet<&str> = project
            .files
            .iter()
            .map(|file| file.name.as_str())
            .collect();
        let archives: HashSet<&str> = project
            .documentation
            .iter()
            .map(|archive| archive.version.as_str())
            .collect();
        let results: HashSet<&str> = project
            .test_results
            .iter()
            .map(|result| result.name.as_str())
            .collect();
        Gone {
            project: false,
            files: (self.here.files.values())
                .filter(|file| !files.contains(file.name.as_str()))
                .map(|file| {
                    (
                        file.id,
                        file.name.clone(),
                        file.version.clone(),
                        file.sha256,
                    )
                })
                .collect(),
            documentation: (self.here.documentation.values())
                .filter(|archive| !archives.contains(archive.version.as_str()))
                .map(|archive| (archive.release, archive.version.clone()))
                .collect(),
            results: (self.here.results.values())
                .filter(|result| !results.contains(result.name.as_str()))
                .map(|result| result.id)
                .collect(),
            releases: (self.here.releases.values())
                .filter(|release| !releases.contains(release.version.as_str()))
                .map(|release| (release.id, release.version.clone()))
                .collect(),
        }
    }
}
