//! What mirrors hold of their upstreams.

use std::collections::BTreeMap;

use cheeseshop_domain::Index;
use cheeseshop_packaging::{FileName, Hashes, ProjectName};
use cheeseshop_storage::database::mirrors;
use serde_json::Value;

use super::hosted::{object, yanked};
use super::{OwnData, unreadable};
use crate::import::model::{self, Project, Release};
use crate::import::{Kind, Report, SourceError};
use crate::mirror::read_listing;

impl OwnData {
    /// The held files of a project, with what the upstream said of them; `None` when there are none.
    pub(super) async fn mirrored_project(
        &self,
        index: &Index,
        name: &str,
        report: &Report,
    ) -> Result<Option<Project>, SourceError> {
        let mut reader = self.app.db().reader().await.map_err(unreadable)?;
        let held = mirrors::list_files(&mut reader, index.id, name)
            .await
            .map_err(unreadable)?;
        if held.is_empty() {
            return Ok(None);
        }
        let listing = mirrors::find_listing(&mut reader, index.id, name)
            .await
            .map_err(unreadable)?;
        drop(reader);
        let page = match listing {
            Some(listing) => read_listing(listing).await.map_err(unreadable)?,
            None => None,
        };
        let listed = page.map(|page| page.files).unwrap_or_default();
        let project = ProjectName::parse(name).ok();
        let mut releases = BTreeMap::new();
        let mut files = Vec::new();
        for file in held {
            let version = FileName::parse(&file.filename)
                .ok()
                .zip(project.as_ref())
                .and_then(|(name, project)| name.version_for(project));
            let listed = listed
                .iter()
                .find(|listed| listed.filename == file.filename);
            let (Some(version), Some(listed)) = (version, listed) else {
                let item = format!("{}/{}", index.name, file.filename);
                report.skipped(
                    Kind::MirroredFile,
                    item,
                    "the upstream does not list it any more, so nothing tells where it is from",
                );
                continue;
            };
            let version = version.to_string();
            let metadata = object([
                ("name", Some(Value::from(name))),
                ("version", Some(Value::from(version.as_str()))),
                (
                    "requires_python",
                    listed.requires_python.as_deref().map(Value::from),
                ),
                ("yanked", yanked(&listed.yanked)),
            ]);
            releases.insert(version.clone(), metadata);
            files.push(model::File {
                content: self.content(&file.sha256),
                hashes: Hashes::from(file.sha256),
                modified: Some(listed.upload_time.unwrap_or(file.fetched_at)),
                name: file.filename,
                version: Some(version),
                log: Vec::new(),
                url: Some(listed.url.clone()),
                yanked: yanked(&listed.yanked),
            });
        }
        Ok(Some(Project {
            name: name.to_owned(),
            releases: releases
                .into_iter()
                .map(|(version, metadata)| Release { version, metadata })
                .collect(),
            files,
            ..Project::default()
        }))
    }
}
