//! Opening files by their path: the index itself, then what it inherits.
//!
//! Which blob a path means is remembered under the same conditions as a page (see
//! `generations`), so a hot file costs neither a query nor, when it is small, a read.

use std::sync::Arc;

use cheeseshop_domain::{
    Caller, Documentation, File, FileArea, FilePath, Index, IndexId, IndexKind, IndexName,
    TestResult,
};
use cheeseshop_packaging::simple::PageFile;
use cheeseshop_packaging::{FileName, ProjectName, Sha256, Version};
use cheeseshop_storage::database::{
    blobs, documentation, files, mirrors, test_results, tombstones,
};
use jiff::Timestamp;
use moka::sync::Cache;

use crate::file_handle::FileHandle;
use crate::generations::Generation;
use crate::pages::mirror_file_path;
use crate::{App, Error};

/// Entries of the table of known paths; each takes about 300 bytes.
const KNOWN_PATHS: u64 = 100_000;

/// Why a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The bytes will be sent.
    Read,
    /// Only what is known of it will be sent (HEAD); downloads nothing.
    Describe,
}

/// What is remembered of a path. Only of paths that hold a digest, where they are a mirror's:
/// behind another one an upstream may put other bytes.
#[derive(Clone)]
struct KnownFile {
    /// Where the file lives; reading it is asked of both indexes.
    holder: IndexId,
    project: Arc<str>,
    name: Arc<str>,
    sha256: Sha256,
    modified: Timestamp,
    generation: Generation,
}

/// Under which path, and for whose file, something is remembered.
struct Memo {
    index: IndexId,
    path: String,
    holder: IndexId,
    project: Arc<str>,
    /// The counter from before the index was looked at.
    configuration: u64,
}

impl Memo {
    fn new(
        (index, path): (IndexId, String),
        holder: &Index,
        project: &ProjectName,
        configuration: u64,
    ) -> Self {
        Self {
            index,
            path,
            holder: holder.id,
            project: Arc::from(project.normalized()),
            configuration,
        }
    }
}

/// Paths whose blob is known.
pub(crate) struct HotFiles {
    known: Cache<(IndexId, Box<str>), KnownFile>,
}

impl HotFiles {
    pub(crate) fn new() -> Self {
        Self {
            known: Cache::builder().max_capacity(KNOWN_PATHS).build(),
        }
    }
}

/// A file that a path means, before it is opened.
pub(crate) enum Found {
    Hosted {
        holder: Arc<Index>,
        project: ProjectName,
        file: File,
    },
    Mirrored {
        holder: Arc<Index>,
        project: ProjectName,
        file: PageFile,
        /// From before it was decided whether the mirror may be asked for the project.
        generation: Generation,
    },
    /// Held by a mirror that no longer lists it.
    Kept(mirrors::MirrorFile),
    /// Documentation or a test result of a hosted index. Not remembered: hardly anybody asks.
    Attached(Attached),
}

/// What belongs to a release or to a file of it and has a path of its own.
pub(crate) struct Attached {
    pub(crate) name: FileName,
    pub(crate) project: ProjectName,
    pub(crate) version: Version,
    pub(crate) sha256: Sha256,
    pub(crate) uploaded: Timestamp,
}

impl Found {
    /// The normalized name of the project that it belongs to.
    fn project(&self) -> &str {
        match self {
            Self::Hosted { project, .. } | Self::Mirrored { project, .. } => project.normalized(),
            Self::Kept(file) => &file.project,
            Self::Attached(attached) => attached.project.normalized(),
        }
    }

    /// Whether the index that was asked for this path lets it through.
    fn is_admitted_by(&self, asked: &Index, path: &FilePath) -> bool {
        if asked.constraints().is_none() {
            return true;
        }
        let version = match self {
            Self::Hosted { file, .. } => Some(file.version.clone()),
            Self::Attached(attached) => Some(attached.version.clone()),
            // As on the page: the name tells.
            Self::Mirrored { project, .. } => path.name().version_for(project),
            Self::Kept(file) => ProjectName::parse(&file.project)
                .ok()
                .and_then(|project| path.name().version_for(&project)),
        };
        asked.admits(self.project(), version.as_ref())
    }
}

impl App {
    /// The file, if it is small, in memory and known to be what the path means. Never waits.
    ///
    /// `path` is what follows `/USER/INDEX/`, as in the URL. `None` says nothing about the file.
    pub fn cached_file(
        &self,
        caller: &Caller,
        user: &str,
        index: &str,
        path: &str,
    ) -> Option<FileHandle> {
        if self.db().is_shared() {
            return None;
        }
        let known = self.known_file(caller, user, index, path)?;
        let blob = self.blobs().small_blob(&known.sha256)?;
        Some(FileHandle::from_blob(
            known.name.to_string(),
            known.sha256,
            known.modified,
            blob,
        ))
    }

    fn known_file(
        &self,
        caller: &Caller,
        user: &str,
        index: &str,
        path: &str,
    ) -> Option<KnownFile> {
        let directory = self.0.directory.load();
        let index = directory.index(user, index)?;
        let known = self.0.hot_files.known.get(&(index.id, Box::from(path)))?;
        let caller = &*caller.about(&known.project);
        let current = self.0.generations.of_project(&known.project) == known.generation;
        (current
            && directory.order(index.id).contains(&known.holder)
            && directory.readable(caller, index.id)
            && directory.readable(caller, known.holder))
        .then_some(known)
    }

    /// Opens the file that a path means on this index or on one that it inherits.
    ///
    /// # Errors
    /// [`Error::NotFound`] `no such file`, [`Error::Gone`] for a removed one; for mirrored files
    /// what [`crate::mirror::Mirrors::open_file`] gives; see also [`App::readable_index`].
    pub async fn open_file(
        &self,
        caller: &Caller,
        index: &IndexName,
        path: &FilePath,
        purpose: Purpose,
    ) -> Result<FileHandle, Error> {
        self.catch_up().await?;
        let configuration = self.0.generations.of_configuration();
        let index = self.readable_index(caller, index)?;
        let spelled = path.to_string();
        if let Some(known) = self.known_file(
            caller,
            index.name.user.as_str(),
            &index.name.index,
            &spelled,
        ) && let Some(handle) = self.open_known(&known).await?
        {
            return Ok(handle);
        }
        match self.find_file(caller, &index, path).await? {
            Found::Hosted {
                holder,
                project,
                file,
            } => {
                let known = KnownFile {
                    holder: holder.id,
                    generation: self.0.generations.of_project(project.normalized()),
                    project: Arc::from(project.normalized()),
                    name: Arc::from(file.name.as_str()),
                    sha256: file.sha256,
                    modified: file.uploaded,
                };
                // The counter was taken after the row was read: look once more, so that what is
                // remembered under it is certainly no older.
                let Some(handle) = self.open_known(&known).await? else {
                    return Err(self.missing(&file.sha256, gone).await);
                };
                if self.is_still_there(&holder, path).await? {
                    self.remember(index.id, spelled, known, configuration);
                }
                Ok(handle)
            }
            Found::Mirrored {
                holder,
                project,
                file,
                generation,
            } => {
                let handle = match purpose {
                    Purpose::Read => self.mirrors().open_file(&holder, &project, &file).await?,
                    Purpose::Describe => {
                        self.mirrors()
                            .describe_file(&holder, &project, &file)
                            .await?
                    }
                };
                let memo = Memo::new((index.id, spelled), &holder, &project, configuration);
                self.remember_mirrored(memo, path, &handle, generation);
                Ok(handle)
            }
            Found::Kept(file) => self
                .open_blob(&file.filename, file.sha256, file.fetched_at)
                .await?
                .ok_or_else(no_such_file),
            Found::Attached(file) => {
                let opened = self.open_blob(file.name.as_str(), file.sha256, file.uploaded);
                match opened.await? {
                    Some(handle) => Ok(handle),
                    None => Err(self.missing(&file.sha256, gone).await),
                }
            }
        }
    }

    /// Opens the core metadata (PEP 658) of the file that a path means.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the file is not there or has none, else as [`App::open_file`].
    pub async fn open_core_metadata(
        &self,
        caller: &Caller,
        index: &IndexName,
        path: &FilePath,
    ) -> Result<FileHandle, Error> {
        self.catch_up().await?;
        let configuration = self.0.generations.of_configuration();
        let index = self.readable_index(caller, index)?;
        let spelled = format!("{path}.metadata");
        if let Some(known) = self.known_file(
            caller,
            index.name.user.as_str(),
            &index.name.index,
            &spelled,
        ) && let Some(handle) = self.open_known(&known).await?
        {
            return Ok(handle);
        }
        let (holder, project, name, sha256, modified) =
            match self.find_file(caller, &index, path).await? {
                Found::Hosted {
                    holder,
                    project,
                    file,
                } => {
                    let name = file.name.core_metadata_name();
                    let Some(sha256) = file.core_metadata else {
                        return Err(no_core_metadata(file.name.as_str()));
                    };
                    (holder, project, name, sha256, file.uploaded)
                }
                Found::Mirrored {
                    holder,
                    project,
                    file,
                    generation,
                } => {
                    let handle = self
                        .mirrors()
                        .open_core_metadata(&holder, &project, &file)
                        .await?;
                    let memo = Memo::new((index.id, spelled), &holder, &project, configuration);
                    self.remember_mirrored(memo, path, &handle, generation);
                    return Ok(handle);
                }
                Found::Attached(file) => return Err(no_core_metadata(file.name.as_str())),
                Found::Kept(file) => {
                    let name = format!("{}.metadata", file.filename);
                    let Some(sha256) = file.core_metadata else {
                        return Err(no_core_metadata(&file.filename));
                    };
                    return self
                        .open_blob(&name, sha256, file.fetched_at)
                        .await?
                        .ok_or_else(|| no_core_metadata(&file.filename));
                }
            };
        let known = KnownFile {
            holder: holder.id,
            generation: self.0.generations.of_project(project.normalized()),
            project: Arc::from(project.normalized()),
            name: Arc::from(name.as_str()),
            sha256,
            modified,
        };
        let handle = self
            .open_known(&known)
            .await?
            .ok_or_else(|| no_core_metadata(&name))?;
        if self.is_still_there(&holder, path).await? {
            self.remember(index.id, spelled, known, configuration);
        }
        Ok(handle)
    }

    /// What a mirror holds is remembered as well, if the path tells its bytes.
    fn remember_mirrored(
        &self,
        memo: Memo,
        path: &FilePath,
        handle: &FileHandle,
        generation: Generation,
    ) {
        let Some(sha256) = handle.sha256 else { return };
        if handle.is_held() && path.area() == FileArea::Hashed {
            let known = KnownFile {
                holder: memo.holder,
                project: memo.project,
                name: Arc::from(handle.name.as_str()),
                sha256,
                modified: handle.modified,
                generation,
            };
            self.remember(memo.index, memo.path, known, memo.configuration);
        }
    }

    async fn open_known(&self, known: &KnownFile) -> Result<Option<FileHandle>, Error> {
        self.open_blob(&known.name, known.sha256, known.modified)
            .await
    }

    async fn open_blob(
        &self,
        name: &str,
        sha256: Sha256,
        modified: Timestamp,
    ) -> Result<Option<FileHandle>, Error> {
        Ok(self
            .blobs()
            .open_blob(&sha256)
            .await?
            .map(|blob| FileHandle::from_blob(name.to_owned(), sha256, modified, blob)))
    }

    /// Why bytes are not there: what referred to them was removed while it was looked for, or the store has lost them.
    pub(crate) async fn missing(&self, sha256: &Sha256, gone: impl FnOnce() -> Error) -> Error {
        let referenced = async {
            let mut reader = self.db().reader().await?;
            Ok(!blobs::list_referenced(&mut reader, &[*sha256])
                .await?
                .is_empty())
        };
        match referenced.await {
            Ok(true) => Error::internal(format!("blob {sha256} is missing and listed")),
            Ok(false) => gone(),
            Err(error) => error,
        }
    }

    /// `configuration` is the counter from before the index was looked at: whether that lets the file through is not
    /// asked again.
    fn remember(&self, index: IndexId, path: String, known: KnownFile, configuration: u64) {
        if !known.generation.is_under(configuration) {
            return;
        }
        self.0
            .hot_files
            .known
            .insert((index, path.into_boxed_str()), known);
    }

    async fn is_still_there(&self, holder: &Index, path: &FilePath) -> Result<bool, Error> {
        let mut reader = self.db().reader().await?;
        Ok(files::find_by_path(&mut reader, holder.id, path)
            .await?
            .is_some())
    }

    /// The file that a path means: on the index itself, else on the readable indexes of its
    /// resolution order. The digest in the path says which bytes are meant, so which file
    /// shadows which plays no part here. But a mirror that must not be asked for a project is
    /// not asked for its files either.
    pub(crate) async fn find_file(
        &self,
        caller: &Caller,
        index: &Arc<Index>,
        path: &FilePath,
    ) -> Result<Found, Error> {
        let directory = self.directory();
        let order = directory.visible_order(caller, index.id);
        let mut trouble = None;
        let mut is_gone = false;
        for holder in order.iter().filter_map(|id| directory.index_by_id(*id)) {
            let found = match holder.config.kind {
                IndexKind::Hosted(_) => self.find_hosted(holder, path).await,
                IndexKind::Mirror(_) => self.find_mirrored(caller, index, holder, path).await,
            };
            match found {
                // A token may cover some projects of an index only; the others are not there.
                Ok(Some(found))
                    if !directory.readable(&caller.about(found.project()), holder.id) => {}
                // What the pages of the index do not list is not behind them either.
                Ok(Some(found)) if !found.is_admitted_by(index, path) => {}
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {
                    is_gone |= holder.id == index.id && self.is_tombstone(holder, path).await?;
                }
                // One base's upstream trouble does not hide another's file.
                Err(error @ Error::UpstreamFailed { .. }) => trouble = Some(error),
                Err(error) => return Err(error),
            }
        }
        if is_gone {
            return Err(gone());
        }
        if caller.identity.is_none() && directory.hides_something(caller, index.id) {
            return Err(Error::Unauthenticated("the file may need a login".into()));
        }
        Err(trouble.unwrap_or_else(no_such_file))
    }

    async fn find_hosted(
        &self,
        holder: &Arc<Index>,
        path: &FilePath,
    ) -> Result<Option<Found>, Error> {
        let mut reader = self.db().reader().await?;
        if let Some((file, project)) = files::find_by_path(&mut reader, holder.id, path).await? {
            return Ok(Some(Found::Hosted {
                holder: Arc::clone(holder),
                project,
                file,
            }));
        }
        if Documentation::may_be_called(path.name())
            && let Some((found, project)) =
                documentation::find_by_path(&mut reader, holder.id, path).await?
        {
            return Ok(Some(Found::Attached(Attached {
                name: found.name,
                project,
                version: found.version,
                sha256: found.sha256,
                uploaded: found.uploaded,
            })));
        }
        if TestResult::may_be_called(path.name())
            && let Some(found) = test_results::find_by_path(&mut reader, holder.id, path).await?
        {
            return Ok(Some(Found::Attached(Attached {
                name: found.result.name,
                project: found.project,
                version: found.version,
                sha256: found.result.sha256,
                uploaded: found.result.uploaded,
            })));
        }
        Ok(None)
    }

    async fn find_mirrored(
        &self,
        caller: &Caller,
        index: &Index,
        holder: &Arc<Index>,
        path: &FilePath,
    ) -> Result<Option<Found>, Error> {
        let mut reader = self.db().reader().await?;
        let kept = mirrors::find_file_by_path(&mut reader, holder.id, &path.to_string()).await?;
        drop(reader);
        let guess = path.name().guess().map(|(project, _)| project);
        // A held file knows its project for sure; for others the name has to tell.
        let project = match &kept {
            Some(kept) => ProjectName::parse(&kept.project).ok(),
            None => guess,
        };
        let Some(project) = project else {
            return Ok(None);
        };
        let generation = self.0.generations.of_project(project.normalized());
        let asked = self.mirrors_to_ask(caller, index, &project).await?;
        if !asked.iter().any(|mirror| mirror.id == holder.id) {
            return Ok(None);
        }
        let listed = match self.mirrors().listing(holder, &project).await {
            Ok(state) => state.and_then(|state| {
                state
                    .listing
                    .page
                    .files
                    .iter()
                    .find(|file| mirror_file_path(file).as_ref() == Some(path))
                    .cloned()
            }),
            // What is held can be served whatever the upstream does.
            Err(Error::UpstreamFailed { .. }) if kept.is_some() => None,
            Err(error) => return Err(error),
        };
        Ok(match (listed, kept) {
            (Some(file), _) => Some(Found::Mirrored {
                holder: Arc::clone(holder),
                project,
                file,
                generation,
            }),
            (None, Some(file)) => Some(Found::Kept(file)),
            (None, None) => None,
        })
    }

    async fn is_tombstone(&self, holder: &Index, path: &FilePath) -> Result<bool, Error> {
        let mut reader = self.db().reader().await?;
        Ok(tombstones::exists(&mut reader, holder.id, &path.to_string()).await?)
    }
}

fn gone() -> Error {
    Error::Gone("file existed, deleted in later serial".to_owned())
}

fn no_such_file() -> Error {
    Error::NotFound("no such file".to_owned())
}

fn no_core_metadata(name: &str) -> Error {
    Error::NotFound(format!("no metadata found in {name}"))
}
