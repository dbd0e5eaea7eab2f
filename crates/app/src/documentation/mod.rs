//! Documentation of releases, page by page out of the archive that was uploaded.
//!
//! Nothing is unpacked to disk. What pages an archive has is read from its end and remembered under
//! its digest, so it never becomes outdated; a page is one ranged read of the blob, be it on disk
//! or on S3, unpacked as it is sent.

mod archive;

use std::fmt;
use std::sync::Arc;

use cheeseshop_domain::{Caller, Documentation, Index, IndexName};
use cheeseshop_packaging::archive::documentation::Page;
use cheeseshop_packaging::{ProjectName, Sha256, Version};
use cheeseshop_storage::database::{documentation, projects, releases};
use cheeseshop_storage::{Blob, ByteStream};
use jiff::Timestamp;

use crate::{App, Error};

pub(crate) use self::archive::{Archives, MAX_DIRECTORY_WEIGHT};

/// Which version's documentation is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedVersion {
    /// `latest`: the newest version that has documentation.
    Latest,
    /// `stable`: the same without pre-releases.
    Stable,
    /// This one.
    Exactly(String),
}

impl WantedVersion {
    /// Reads the version of a URL.
    pub fn parse(text: &str) -> Self {
        match text {
            "latest" => Self::Latest,
            "stable" => Self::Stable,
            version => Self::Exactly(version.to_owned()),
        }
    }
}

/// The documentation of a release, ready to be read.
#[derive(Clone, Debug)]
pub struct FoundDocumentation {
    /// The index that holds it: the one asked for or one that it inherits.
    pub index: IndexName,
    /// The project.
    pub project: ProjectName,
    /// The version that it is of.
    pub version: Version,
    /// The digest of the archive: as long as it is the same, so is every page.
    pub sha256: Sha256,
    /// When the archive was uploaded.
    pub uploaded: Timestamp,
}

/// What a path within documentation leads to.
#[derive(Debug)]
pub enum DocumentationPath {
    /// A page.
    Page(DocumentationPage),
    /// A folder with an `index.html`, named without the slash that links in it count on.
    Folder,
}

/// A page, ready to be sent.
pub struct DocumentationPage {
    /// Its name within the archive; also tells what it is.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    archive: Blob,
    page: Page,
}

impl DocumentationPage {
    /// The bytes. When they turn out not to be those that were checked at the upload the stream
    /// ends in an error.
    pub fn read(&self) -> ByteStream {
        archive::unpack(&self.archive, self.page)
    }
}

impl fmt::Debug for DocumentationPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentationPage")
            .field("name", &self.name)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Finds the documentation of a project on an index or on what it inherits. No mirror takes
    /// part: upstreams have none.
    ///
    /// # Errors
    /// [`Error::NotFound`] with devpi's texts; see also [`App::readable_index`].
    pub async fn documentation(
        &self,
        caller: &Caller,
        index: &IndexName,
        project: &ProjectName,
        version: &WantedVersion,
    ) -> Result<FoundDocumentation, Error> {
        self.catch_up().await?;
        let caller = &*caller.about(project.normalized());
        let index = self.readable_index(caller, index)?;
        let chosen = match version {
            WantedVersion::Exactly(version) => {
                self.documentation_of(caller, &index, project, version)
                    .await?
            }
            WantedVersion::Latest | WantedVersion::Stable => {
                let mut held = self.held_documentation(caller, &index, project).await?;
                if *version == WantedVersion::Stable {
                    held.retain(|(_, documentation)| !documentation.version.is_prerelease());
                }
                held.into_iter().next()
            }
        };
        let Some((holder, chosen)) = chosen else {
            if caller.is_anonymous() && self.directory().hides_something(caller, index.id) {
                let text = "the documentation may need a login";
                return Err(Error::Unauthenticated(text.to_owned()));
            }
            return Err(match version {
                WantedVersion::Stable => {
                    Error::NotFound("No stable documentation available.".to_owned())
                }
                WantedVersion::Latest | WantedVersion::Exactly(_) => none_available(),
            });
        };
        Ok(FoundDocumentation {
            index: holder.name.clone(),
            project: project.clone(),
            version: chosen.version,
            sha256: chosen.sha256,
            uploaded: chosen.uploaded,
        })
    }

    /// Which versions of a project have documentation on an index or on what it inherits, newest
    /// first: what `latest` and `stable` choose from.
    ///
    /// # Errors
    /// See [`App::readable_index`].
    pub async fn documented_versions(
        &self,
        caller: &Caller,
        index: &IndexName,
        project: &ProjectName,
    ) -> Result<Vec<Version>, Error> {
        self.catch_up().await?;
        let caller = &*caller.about(project.normalized());
        let index = self.readable_index(caller, index)?;
        let held = self.held_documentation(caller, &index, project).await?;
        let mut versions: Vec<Version> = held.into_iter().map(|(_, it)| it.version).collect();
        versions.dedup();
        Ok(versions)
    }

    /// The documentation of one version, on the first of the hosted indexes behind `index` that
    /// has it.
    async fn documentation_of(
        &self,
        caller: &Caller,
        index: &Index,
        project: &ProjectName,
        version: &str,
    ) -> Result<Option<(Arc<Index>, Documentation)>, Error> {
        let holders = self.visible_hosted(caller, index);
        let ids: Vec<_> = holders.iter().map(|holder| holder.id).collect();
        let mut reader = self.db().reader().await?;
        let projects = projects::find_in(&mut reader, &ids, project.normalized()).await?;
        for holder in holders {
            let Some(project) = projects.iter().find(|project| project.index == holder.id) else {
                continue;
            };
            let Some(release) = releases::find(&mut reader, project.id, version).await? else {
                continue;
            };
            if !index.admits(project.name.normalized(), Some(&release.version)) {
                continue;
            }
            if let Some(found) = documentation::find(&mut reader, release.id).await? {
                return Ok(Some((holder, found)));
            }
        }
        Ok(None)
    }

    /// The project's documentation on all hosted indexes that this caller sees behind `index`:
    /// newest version first, those of one version in the order of the indexes.
    async fn held_documentation(
        &self,
        caller: &Caller,
        index: &Index,
        project: &ProjectName,
    ) -> Result<Vec<(Arc<Index>, Documentation)>, Error> {
        let holders = self.visible_hosted(caller, index);
        let ids: Vec<_> = holders.iter().map(|holder| holder.id).collect();
        let mut reader = self.db().reader().await?;
        let projects = projects::find_in(&mut reader, &ids, project.normalized()).await?;
        let mut held = Vec::new();
        for holder in holders {
            let Some(project) = projects.iter().find(|project| project.index == holder.id) else {
                continue;
            };
            for found in documentation::list_for_project(&mut reader, project.id).await? {
                if index.admits(project.name.normalized(), Some(&found.version)) {
                    held.push((Arc::clone(&holder), found));
                }
            }
        }
        // Stable, so that the first index of a version stays the first.
        held.sort_by(|(_, one), (_, other)| other.version.cmp(&one.version));
        Ok(held)
    }

    /// The hosted indexes of the resolution order that the caller may read.
    pub(crate) fn visible_hosted(&self, caller: &Caller, index: &Index) -> Vec<Arc<Index>> {
        let directory = self.directory();
        directory
            .visible_order(caller, index.id)
            .iter()
            .filter_map(|id| directory.index_by_id(*id))
            .filter(|holder| !holder.is_mirror())
            .cloned()
            .collect()
    }

    /// Opens what a path within documentation leads to. A path that ends in a slash leads to the
    /// `index.html` in that folder. Whether the caller may read it was asked by
    /// [`App::documentation`].
    ///
    /// # Errors
    /// [`Error::NotFound`] `File x not found in documentation.`, or why an archive of another server
    /// cannot be shown.
    pub async fn open_documentation(
        &self,
        found: &FoundDocumentation,
        path: &str,
    ) -> Result<DocumentationPath, Error> {
        let archive = self.documentation_archive(found).await?;
        let pages = self
            .0
            .documentation_archives
            .pages(found.sha256, &archive)
            .await?;
        let name = match path {
            "" => "index.html".to_owned(),
            folder if folder.ends_with('/') => format!("{folder}index.html"),
            page => page.to_owned(),
        };
        if let Some(page) = pages.find(&name) {
            return Ok(DocumentationPath::Page(DocumentationPage {
                size: page.size(),
                page: *page,
                name,
                archive,
            }));
        }
        if !path.ends_with('/') && pages.find(&format!("{name}/index.html")).is_some() {
            return Ok(DocumentationPath::Folder);
        }
        Err(Error::NotFound(format!(
            "File {path} not found in documentation."
        )))
    }

    async fn documentation_archive(&self, found: &FoundDocumentation) -> Result<Blob, Error> {
        let sha256 = &found.sha256;
        match self.blobs().open_blob(sha256).await? {
            Some(archive) => Ok(archive),
            None => Err(self.missing(sha256, none_available).await),
        }
    }
}

fn none_available() -> Error {
    Error::NotFound("No documentation available.".to_owned())
}
