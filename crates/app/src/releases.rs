//! What an index knows of projects and releases: devpi's project and version documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use cheeseshop_domain::{
    Caller, Documentation, File, FileId, FilePath, Index, IndexKind, IndexName, JsonMap, LogEntry,
    ReleaseId, TestResult,
};
use cheeseshop_packaging::simple::PageFile;
use cheeseshop_packaging::{FileName, Hashes, ProjectName, Sha256, Version, Yanked};
use cheeseshop_storage::database::{
    documentation, files, mirrors, projects, releases, test_results,
};
use serde_json::json;
use url::Url;

use crate::documentation::WantedVersion;
use crate::mirror::ListingState;
use crate::resolve::{Content, Contribution, Scope, project_filter};
use crate::{App, Error};

/// How many names are read at once where most of them may be none for the caller.
const NAMES_AT_ONCE: usize = 1000;

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
    /// Files, sorted by name; then documentation; then test results, oldest first.
    pub links: Vec<ReleaseLink>,
    /// The same version in later indexes.
    pub shadowing: Vec<ReleaseDocument>,
}

/// One item of `+links`.
#[derive(Clone, Debug)]
pub struct ReleaseLink {
    /// `releasefile`, `doczip` or `toxresult`.
    pub rel: &'static str,
    /// The index that holds the file.
    pub index: IndexName,
    /// Where it stands below that index.
    pub path: FilePath,
    /// Known digests; SHA-256 first.
    pub hashes: Hashes,
    /// Its size in bytes; `None` when an upstream does not tell.
    pub size: Option<u64>,
    /// The release file that a test result belongs to, below the same index.
    pub tested: Option<FilePath>,
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

    /// The newest version there is, or the newest that is no pre-release.
    fn newest(self, wanted: &WantedVersion) -> Option<Version> {
        self.releases
            .into_iter()
            .map(|release| release.version)
            .find(|version| *wanted != WantedVersion::Stable || !version.is_prerelease())
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
        let mut names = self.held_projects(&index).await?;
        if let Some(is_visible) = project_filter(&self.directory(), caller, index.id) {
            names.retain(|name| is_visible(name));
        }
        Ok(names)
    }

    /// At most `limit` normalized names of what a hosted index itself holds, of those that sort after
    /// `after`: for walking through them page by page. A mirror's list is told by
    /// [`App::index_projects`] alone.
    ///
    /// # Errors
    ///
    /// See [`App::readable_index`].
    pub async fn index_projects_after(
        &self,
        caller: &Caller,
        index: &IndexName,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        let index = self.index(caller, index).await?;
        let Some(is_visible) = project_filter(&self.directory(), caller, index.id) else {
            let mut reader = self.db().reader().await?;
            return Ok(projects::list_names_after(&mut reader, index.id, after, limit).await?);
        };
        // Few of many: whoever sees some projects only walks over the others.
        let mut names = Vec::new();
        let mut after = after.to_owned();
        let mut reader = self.db().reader().await?;
        loop {
            let next = projects::list_names_after(&mut reader, index.id, &after, NAMES_AT_ONCE);
            let next = next.await?;
            let is_last = next.len() < NAMES_AT_ONCE;
            if let Some(last) = next.last() {
                after.clone_from(last);
            }
            names.extend(next.into_iter().filter(|name| is_visible(name)));
            if is_last || names.len() >= limit {
                names.truncate(limit);
                return Ok(names);
            }
        }
    }

    async fn held_projects(&self, index: &Arc<Index>) -> Result<Vec<String>, Error> {
        if index.is_mirror() {
            match self.mirrors().project_names(index).await {
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
        let caller = &*caller.about(project.normalized());
        let index = self.index(caller, index).await?;
        let absent = |error| match error {
            Error::NotFound(_) => Error::NotFound(format!("no project '{project}'")),
            other => other,
        };
        let resolution = match self.resolve_project(caller, &index, project, scope).await {
            // Known by inheritance, but nothing of it is this index's own: no error in devpi.
            Err(Error::NotFound(_)) if matches!(scope, Scope::OwnOnly) => {
                self.resolve_project(caller, &index, project, Scope::WithBases)
                    .await
                    .map_err(absent)?;
                return Ok(ProjectDocument {
                    name: project.clone(),
                    releases: Vec::new(),
                });
            }
            resolution => resolution.map_err(absent)?,
        };
        let mut by_version: BTreeMap<Version, ReleaseDocument> = BTreeMap::new();
        for contribution in &resolution.contributions {
            for release in self.releases_of(contribution, project).await? {
                if index.admits(project.normalized(), Some(&release.version)) {
                    add(&mut by_version, release);
                }
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
        let caller = &*caller.about(project.normalized());
        let index = self.index(caller, index).await?;
        let absent = || {
            Error::NotFound(format!(
                "The version {version} of project {} does not exist.",
                project.normalized()
            ))
        };
        let resolution = self
            .resolve_project(caller, &index, project, scope)
            .await
            .map_err(|error| match error {
                Error::NotFound(_) => absent(),
                other => other,
            })?;
        let mut found: Option<ReleaseDocument> = None;
        for contribution in &resolution.contributions {
            let release = self.release_of(contribution, project, version).await?;
            let admitted = |release: &ReleaseDocument| {
                index.admits(project.normalized(), Some(&release.version))
            };
            let Some(release) = release.filter(admitted) else {
                continue;
            };
            match &mut found {
                Some(first) => first.shadowing.push(release),
                None => found = Some(release),
            }
        }
        found.ok_or_else(absent)
    }

    /// The release that a page is about: `latest` is the newest that the index itself holds, `stable`
    /// the same without pre-releases. An index that holds none of its own shows what it inherits, where
    /// devpi-web has no page.
    ///
    /// # Errors
    ///
    /// As [`App::release`].
    pub async fn wanted_release(
        &self,
        caller: &Caller,
        index: &IndexName,
        project: &ProjectName,
        version: &str,
    ) -> Result<ReleaseDocument, Error> {
        let wanted = WantedVersion::parse(version);
        let newest = match &wanted {
            WantedVersion::Exactly(_) => None,
            WantedVersion::Latest | WantedVersion::Stable => {
                let mut newest = None;
                for scope in [Scope::OwnOnly, Scope::WithBases] {
                    if newest.is_none() {
                        newest = match self.project(caller, index, project, scope).await {
                            Ok(document) => document.newest(&wanted),
                            // `release` says it in the words for a version.
                            Err(Error::NotFound(_)) => None,
                            Err(error) => return Err(error),
                        };
                    }
                }
                newest
            }
        };
        let version = newest.as_ref().map_or(version, Version::as_str);
        self.release(caller, index, project, version, Scope::WithBases)
            .await
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
                let contents = Contents {
                    files: files::list_for_project(&mut reader, held.id).await?,
                    documentation: documentation::list_for_project(&mut reader, held.id).await?,
                    test_results: test_results::list_for_project(&mut reader, held.id).await?,
                };
                drop(reader);
                let mut links = contents.links(index);
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
                let documentation = documentation::find(&mut reader, release.id).await?;
                let contents = Contents {
                    files: files::list_for_release(&mut reader, release.id).await?,
                    documentation: documentation.into_iter().collect(),
                    test_results: test_results::list_for_release(&mut reader, release.id).await?,
                };
                drop(reader);
                let links = contents.links(index).remove(&release.id);
                Ok(Some(ReleaseDocument {
                    index: index.name.clone(),
                    version: release.version,
                    metadata: release.metadata,
                    links: links.unwrap_or_default(),
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

/// What a hosted index holds of one or more releases.
struct Contents {
    files: Vec<File>,
    documentation: Vec<Documentation>,
    test_results: Vec<TestResult>,
}

impl Contents {
    /// The links of each release.
    fn links(mut self, index: &Index) -> BTreeMap<ReleaseId, Vec<ReleaseLink>> {
        let link = |rel, path, sha256: Sha256, size, log| ReleaseLink {
            rel,
            index: index.name.clone(),
            path,
            hashes: Hashes::from(sha256),
            size: Some(size),
            tested: None,
            log: Some(log),
        };
        self.files.sort_by(|one, other| one.name.cmp(&other.name));
        let mut links: BTreeMap<_, Vec<ReleaseLink>> = BTreeMap::new();
        let mut tested: BTreeMap<FileId, (ReleaseId, FilePath)> = BTreeMap::new();
        for file in self.files {
            let path = FilePath::of_sha256(&file.sha256, file.name);
            tested.insert(file.id, (file.release, path.clone()));
            let of_release = links.entry(file.release).or_default();
            of_release.push(link("releasefile", path, file.sha256, file.size, file.log));
        }
        for found in self.documentation {
            let path = found.path();
            let of_release = links.entry(found.release).or_default();
            of_release.push(link("doczip", path, found.sha256, found.size, found.log));
        }
        for result in self.test_results {
            if let Some((release, file)) = tested.get(&result.file) {
                let path = result.path();
                links.entry(*release).or_default().push(ReleaseLink {
                    tested: Some(file.clone()),
                    ..link("toxresult", path, result.sha256, result.size, result.log)
                });
            }
        }
        links
    }
}

/// The releases that an upstream lists, oldest version first.
pub(crate) fn mirrored_releases(
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
            size: file.size,
            tested: None,
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
