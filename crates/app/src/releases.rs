//! What an index knows of projects and releases: devpi's project and version documents.

use std::collections::BTreeMap;

use cheeseshop_domain::{Caller, File, FilePath, Index, IndexKind, IndexName, JsonMap, LogEntry};
use cheeseshop_packaging::simple::PageFile;
use cheeseshop_packaging::{FileName, Hashes, ProjectName, Version, Yanked};
use cheeseshop_storage::database::{files, mirrors, projects, releases};
use serde_json::json;
use url::Url;

use crate::mirror::ListingState;
use crate::resolve::{Content, Contribution, Scope};
use crate::{App, Error};

/// A project's releases as an index presents them: devpi's `projectconfig`.
#[derive(Clone, Debug)]
pub struct ProjectDocument {
    /// The name as asked for.
    pub name: ProjectName,
    /// Newest version first.
    pub releases: Vec<ReleaseDocument>,
}

/// A release as an index presents it: devpi's `versiondata`.
#[derive(Clone, Debug)]
pub struct ReleaseDocument {
    /// The index that holds it.
    pub index: IndexName,
    /// The version as stored.
    pub version: Version,
    /// Metadata in devpi's keys and order.
    pub metadata: JsonMap,
    /// Files, sorted by name.
    pub links: Vec<ReleaseLink>,
    /// The same version in later indexes.
    pub shadowing: Vec<ReleaseDocument>,
}

/// One item of `+links`.
#[derive(Clone, Debug)]
pub struct ReleaseLink {
    /// `releasefile` (documentation and test results follow later).
    pub rel: &'static str,
    /// The index that holds the file.
    pub index: IndexName,
    /// Where it stands below that index.
    pub path: FilePath,
    /// Known digests; SHA-256 first.
    pub hashes: Hashes,
    /// What happened to the file; `None` for a mirror's.
    pub log: Option<Vec<LogEntry>>,
}

impl ProjectDocument {
    /// The newest release: the newest that is no pre-release, unless there are only those.
    pub fn latest(&self) -> Option<&ReleaseDocument> {
        self.releases
            .iter()
            .find(|release| release.version.pep440().is_some() && !release.version.is_prerelease())
            .or_else(|| self.releases.first())
    }
}

impl App {
    /// Normalized names of the projects that this index itself holds, sorted; for a mirror,
    /// those that its upstream lists. A silent upstream is no error: then these are the names
    /// that something is kept of.
    ///
    /// # Errors
    ///
    /// See [`App::readable_index`].
    pub async fn index_projects(
        &self,
        caller: &Caller,
        index: &IndexName,
    ) -> Result<Vec<String>, Error> {
        let index = self.index(caller, index).await?;
        if index.is_mirror() {
            match self.mirrors().project_names(&index).await {
                Ok(list) => return Ok(list.iter().map(str::to_owned).collect()),
                Err(Error::UpstreamFailed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let mut reader = self.db().reader().await?;
        Ok(match index.config.kind {
            IndexKind::Hosted(_) => projects::list_names(&mut reader, index.id).await?,
            IndexKind::Mirror(_) => mirrors::list_projects(&mut reader, index.id).await?,
        })
    }

    /// The releases of a project.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] `no project 'p'`; see also [`App::resolve_project`].
    pub async fn project(
        &self,
        caller: &Caller,
        index: &IndexName,
        project: &ProjectName,
        scope: Scope,
    ) -> Result<ProjectDocument, Error> {
        let index = self.index(caller, index).await?;
        let resolution = self
            .resolve_project(caller, &index, project, scope)
            .await
            .map_err(|error| match error {
                Error::NotFound(_) => Error::NotFound(format!("no project '{project}'")),
                other => other,
            })?;
        let mut by_version: BTreeMap<Version, ReleaseDocument> = BTreeMap::new();
        for contribution in &resolution.contributions {
            for release in self.releases_of(contribution, project).await? {
                add(&mut by_version, release);
            }
        }
        Ok(ProjectDocument {
            name: project.clone(),
            releases: by_version.into_values().rev().collect(),
        })
    }

    /// One release.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] `The version 7.0 of project mypkg does not exist.`; see also
    /// [`App::resolve_project`].
    pub async fn release(
        &self,
        caller: &Caller,
        index: &IndexName,
        project: &ProjectName,
        version: &str,
        scope: Scope,
    ) -> Result<ReleaseDocument, Error> {
        let index = self.index(caller, index).await?;
        let resolution = self.resolve_project(caller, &index, project, scope).await?;
        let mut found: Option<ReleaseDocument> = None;
        for contribution in &resolution.contributions {
            let Some(release) = self.release_of(contribution, project, version).await? else {
                continue;
            };
            match &mut found {
                Some(first) => first.shadowing.push(release),
                None => found = Some(release),
            }
        }
        found.ok_or_else(|| {
            Error::NotFound(format!(
                "The version {version} of project {} does not exist.",
                project.normalized()
            ))
        })
    }

    async fn releases_of(
        &self,
        contribution: &Contribution,
        project: &ProjectName,
    ) -> Result<Vec<ReleaseDocument>, Error> {
        let index = &contribution.index;
        match &contribution.content {
            Content::Hosted(held) => {
                let mut reader = self.db().reader().await?;
                let rows = releases::list(&mut reader, held.id).await?;
                let mut listed = files::list_for_project(&mut reader, held.id).await?;
                drop(reader);
                listed.sort_by(|one, other| one.name.cmp(&other.name));
                let mut links: BTreeMap<_, Vec<ReleaseLink>> = BTreeMap::new();
                for file in listed {
                    links
                        .entry(file.release)
                        .or_default()
                        .push(hosted_link(index, file));
                }
                Ok(rows
                    .into_iter()
                    .map(|release| ReleaseDocument {
                        index: index.name.clone(),
                        links: links.remove(&release.id).unwrap_or_default(),
                        version: release.version,
                        metadata: release.metadata,
                        shadowing: Vec::new(),
                    })
                    .collect())
            }
            Content::Mirror(state) => Ok(mirrored_releases(index, project, state, |_| true)),
        }
    }

    async fn release_of(
        &self,
        contribution: &Contribution,
        project: &ProjectName,
        version: &str,
    ) -> Result<Option<ReleaseDocument>, Error> {
        let index = &contribution.index;
        match &contribution.content {
            Content::Hosted(held) => {
                let mut reader = self.db().reader().await?;
                let Some(release) = releases::find(&mut reader, held.id, version).await? else {
                    return Ok(None);
                };
                let mut listed = files::list_for_release(&mut reader, release.id).await?;
                drop(reader);
                listed.sort_by(|one, other| one.name.cmp(&other.name));
                Ok(Some(ReleaseDocument {
                    index: index.name.clone(),
                    version: release.version,
                    metadata: release.metadata,
                    links: listed
                        .into_iter()
                        .map(|file| hosted_link(index, file))
                        .collect(),
                    shadowing: Vec::new(),
                }))
            }
            Content::Mirror(state) => {
                Ok(
                    mirrored_releases(index, project, state, |found| found.as_str() == version)
                        .pop(),
                )
            }
        }
    }
}

/// The first index of a version wins; others are shadowed.
fn add(by_version: &mut BTreeMap<Version, ReleaseDocument>, release: ReleaseDocument) {
    match by_version.get_mut(&release.version) {
        Some(first) => first.shadowing.push(release),
        None => {
            by_version.insert(release.version.clone(), release);
        }
    }
}

fn hosted_link(index: &Index, file: File) -> ReleaseLink {
    ReleaseLink {
        rel: "releasefile",
        index: index.name.clone(),
        path: FilePath::of_sha256(&file.sha256, file.name),
        hashes: Hashes::from(file.sha256),
        log: Some(file.log),
    }
}

fn mirrored_releases(
    index: &Index,
    project: &ProjectName,
    state: &ListingState,
    wanted: impl Fn(&Version) -> bool,
) -> Vec<ReleaseDocument> {
    let mut by_version: BTreeMap<Version, ReleaseDocument> = BTreeMap::new();
    for file in &state.listing.page.files {
        let Some((name, version)) = FileName::parse(&file.filename)
            .ok()
            .and_then(|name| name.version_for(project).map(|version| (name, version)))
        else {
            continue;
        };
        if !wanted(&version) {
            continue;
        }
        let Ok(url) = Url::parse(&file.url) else {
            continue;
        };
        let release = by_version
            .entry(version.clone())
            .or_insert_with(|| ReleaseDocument {
                index: index.name.clone(),
                metadata: mirrored_metadata(project, &version, file),
                version,
                links: Vec::new(),
                shadowing: Vec::new(),
            });
        release.links.push(ReleaseLink {
            rel: "releasefile",
            index: index.name.clone(),
            path: FilePath::of_upstream(&file.hashes, &url, name),
            hashes: file.hashes.clone(),
            log: None,
        });
    }
    let mut releases: Vec<ReleaseDocument> = by_version.into_values().collect();
    for release in &mut releases {
        release
            .links
            .sort_by(|one, other| one.path.name().cmp(other.path.name()));
    }
    releases
}

/// What an upstream's page tells of a release, from its first file.
fn mirrored_metadata(project: &ProjectName, version: &Version, file: &PageFile) -> JsonMap {
    let mut metadata = JsonMap::new();
    metadata.insert("name".to_owned(), json!(project.normalized()));
    metadata.insert("version".to_owned(), json!(version.as_str()));
    if let Some(requires_python) = &file.requires_python {
        metadata.insert("requires_python".to_owned(), json!(requires_python));
    }
    match &file.yanked {
        Yanked::No => {}
        Yanked::Yes(None) => {
            metadata.insert("yanked".to_owned(), json!(""));
        }
        Yanked::Yes(Some(reason)) => {
            metadata.insert("yanked".to_owned(), json!(reason));
        }
    }
    metadata
}
