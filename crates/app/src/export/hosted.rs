//! Projects of hosted indexes.

use cheeseshop_domain::{File, Index, JsonMap};
use cheeseshop_packaging::{Hashes, Yanked};
use cheeseshop_storage::database::{documentation, files, projects, releases, test_results};
use serde_json::Value;

use super::{OwnData, log, unreadable};
use crate::import::SourceError;
use crate::import::model::{self, Project, Release};

impl OwnData {
    /// A project; `None` when it was removed a moment ago.
    pub(super) async fn hosted_project(
        &self,
        index: &Index,
        name: &str,
    ) -> Result<Option<Project>, SourceError> {
        let mut reader = self.app.db().reader().await.map_err(unreadable)?;
        let found = projects::find(&mut reader, index.id, name)
            .await
            .map_err(unreadable)?;
        let Some(project) = found else {
            return Ok(None);
        };
        let id = project.id;
        let releases = releases::list(&mut reader, id).await.map_err(unreadable)?;
        let files = files::list_for_project(&mut reader, id)
            .await
            .map_err(unreadable)?;
        let archives = documentation::list_for_project(&mut reader, id)
            .await
            .map_err(unreadable)?;
        let results = test_results::list_for_project(&mut reader, id)
            .await
            .map_err(unreadable)?;
        drop(reader);
        let test_results = results
            .into_iter()
            .filter_map(|result| {
                let tested = files.iter().find(|file| file.id == result.file)?;
                Some(model::TestResult {
                    name: result.name.to_string(),
                    file: tested.name.to_string(),
                    content: self.content(&result.sha256),
                    hashes: Hashes::from(result.sha256),
                    modified: Some(result.uploaded),
                    log: log(&result.log),
                })
            })
            .collect();
        Ok(Some(Project {
            name: project.name.normalized().to_owned(),
            releases: releases
                .into_iter()
                .map(|release| Release {
                    version: release.version.to_string(),
                    metadata: release.metadata,
                })
                .collect(),
            files: files.iter().map(|file| self.file(file)).collect(),
            documentation: archives
                .into_iter()
                .map(|archive| model::Documentation {
                    version: archive.version.to_string(),
                    content: self.content(&archive.sha256),
                    hashes: Hashes::from(archive.sha256),
                    modified: Some(archive.uploaded),
                    log: log(&archive.log),
                })
                .collect(),
            test_results,
        }))
    }

    fn file(&self, file: &File) -> model::File {
        model::File {
            name: file.name.to_string(),
            version: Some(file.version.to_string()),
            content: self.content(&file.sha256),
            hashes: Hashes::from(file.sha256),
            modified: Some(file.uploaded),
            log: log(&file.log),
            url: None,
            yanked: yanked(&file.yanked),
        }
    }
}

/// As devpi writes it: the reason, or `true`.
pub(super) fn yanked(yanked: &Yanked) -> Option<Value> {
    match yanked {
        Yanked::No => None,
        Yanked::Yes(None) => Some(Value::Bool(true)),
        Yanked::Yes(Some(reason)) => Some(Value::from(reason.as_str())),
    }
}

/// An object of these entries, absent values left out.
pub(super) fn object<const N: usize>(entries: [(&str, Option<Value>); N]) -> JsonMap {
    entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}
