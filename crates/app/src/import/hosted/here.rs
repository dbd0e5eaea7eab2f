//! What an index holds of a project already.

use std::collections::HashMap;

use cheeseshop_domain::{Documentation, File, IndexId, Project, Release, TestResult};
use cheeseshop_storage::Reader;
use cheeseshop_storage::database::{documentation, files, projects, releases, test_results};

use crate::Error;

/// A project as it is here.
#[derive(Default)]
pub(super) struct Here {
    pub(super) project: Option<Project>,
    /// By version.
    pub(super) releases: HashMap<String, Release>,
    /// By name.
    pub(super) files: HashMap<String, File>,
    /// By version.
    pub(super) documentation: HashMap<String, Documentation>,
    /// By name: that begins with the name of the tested file.
    pub(super) results: HashMap<String, TestResult>,
}

impl Here {
    /// Looks a project up by its normalized name.
    pub(super) async fn find(
        reader: &mut Reader,
        index: IndexId,
        name: &str,
    ) -> Result<Self, Error> {
        let Some(project) = projects::find(reader, index, name).await? else {
            return Ok(Self::default());
        };
        let id = project.id;
        let releases = releases::list(reader, id).await?;
        let files = files::list_for_project(reader, id).await?;
        let documentation = documentation::list_for_project(reader, id).await?;
        let results = test_results::list_for_project(reader, id).await?;
        Ok(Self {
            project: Some(project),
            releases: by(releases, |release| release.version.to_string()),
            files: by(files, |file| file.name.to_string()),
            documentation: by(documentation, |archive| archive.version.to_string()),
            results: by(results, |result| result.name.to_string()),
        })
    }
}

fn by<T>(items: Vec<T>, key: impl Fn(&T) -> String) -> HashMap<String, T> {
    items.into_iter().map(|item| (key(&item), item)).collect()
}
