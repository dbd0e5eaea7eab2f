//! Simple API pages: made once, compressed once, answered from memory.
//!
//! Walk of a hot request: [`App::cached_project_page`] finds the index in the directory, the
//! visible part of its resolution order, and the kept page; no database, no rendering, no
//! compression. Everything else goes through [`App::project_page`].

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use cheeseshop_domain::resolution::merge;
use cheeseshop_domain::{Caller, File, FilePath, Index, IndexId, IndexKind, IndexName};
use cheeseshop_packaging::simple::{CoreMetadataMark, PageFile, ProjectList, ProjectPage};
use cheeseshop_packaging::{FileKind, FileName, Hashes, ProjectName, Sha256};
use cheeseshop_storage::database::{files, mirrors, projects, releases};
use futures_util::future::join_all;
use sha2::Digest as _;
use url::Url;

use crate::page_cache::{KeptPage, PageKey, gzip, zstd};
use crate::resolve::{Content, Contribution, Resolution, Scope};
use crate::{App, Error};

/// Bodies above this are compressed on a blocking thread.
const LARGE_BODY: usize = 32 * 1024;

/// Bodies below this are not worth compressing.
const SMALL_BODY: usize = 200;

/// Freshness that pure mirrors promise to clients, as PyPI does.
const MIRROR_PAGE: &str = "max-age=600";
/// Indexes that receive uploads: always asked again, cheap by validator.
const UPLOADED_PAGE: &str = "no-cache";
/// As above where not everybody may read.
const PRIVATE_PAGE: &str = "private, no-cache";

/// The two spellings of the Simple API (PEP 503 with PEP 629, and PEP 691).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Representation {
    /// `text/html` or `application/vnd.pypi.simple.v1+html`.
    Html,
    /// `application/vnd.pypi.simple.v1+json`.
    Json,
}

/// How a body is encoded on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// `gzip`.
    Gzip,
    /// `zstd` (RFC 8878).
    Zstd,
}

/// What a face wants of a page.
#[derive(Clone, Copy, Debug)]
pub struct PageOptions<'a> {
    /// Which spelling.
    pub representation: Representation,
    /// Which encoding will be sent; the page comes with it ready.
    pub encoding: Encoding,
    /// Base URL without a slash at the end, if links are to be absolute.
    pub absolute_base: Option<&'a str>,
}

/// One rendered page and its encodings.
#[derive(Debug)]
pub struct Page {
    identity: Bytes,
    gzip: OnceLock<Bytes>,
    zstd: OnceLock<Bytes>,
    /// Strong entity tags (RFC 9110 §8.8.3), quotes included: identity, gzip, zstd.
    etags: [String; 3],
    /// Which spelling this is.
    pub representation: Representation,
    /// Highest serial that an upstream announced for it.
    pub last_serial: Option<u64>,
    /// Made from an outdated listing because an upstream does not answer.
    pub stale: bool,
    /// The `Cache-Control` that fits.
    pub cache_control: &'static str,
}

impl Page {
    fn new(
        body: Vec<u8>,
        representation: Representation,
        last_serial: Option<u64>,
        stale: bool,
        cache_control: &'static str,
    ) -> Self {
        let digest = Sha256(sha2::Sha256::digest(&body).into()).to_string();
        let stem = &digest[..32];
        let kind = match representation {
            Representation::Html => 'h',
            Representation::Json => 'j',
        };
        Self {
            identity: Bytes::from(body),
            gzip: OnceLock::new(),
            zstd: OnceLock::new(),
            etags: [
                format!("\"{stem}-{kind}\""),
                format!("\"{stem}-{kind}g\""),
                format!("\"{stem}-{kind}z\""),
            ],
            representation,
            last_serial,
            stale,
            cache_control,
        }
    }

    /// The encoding that is really sent when `wanted` would be acceptable: tiny bodies stay
    /// as they are.
    pub fn effective(&self, wanted: Encoding) -> Encoding {
        if self.identity.len() < SMALL_BODY {
            Encoding::Identity
        } else {
            wanted
        }
    }

    /// The body in this encoding. Made on first use; [`App`]'s methods have done that already
    /// for the encoding of the [`PageOptions`].
    pub fn body(&self, encoding: Encoding) -> Bytes {
        match self.effective(encoding) {
            Encoding::Identity => self.identity.clone(),
            Encoding::Gzip => self.gzip.get_or_init(|| gzip(&self.identity)).clone(),
            Encoding::Zstd => self.zstd.get_or_init(|| zstd(&self.identity)).clone(),
        }
    }

    /// The strong entity tag of this encoding, in quotes.
    pub fn etag(&self, encoding: Encoding) -> &str {
        match self.effective(encoding) {
            Encoding::Identity => &self.etags[0],
            Encoding::Gzip => &self.etags[1],
            Encoding::Zstd => &self.etags[2],
        }
    }

    fn is_ready(&self, encoding: Encoding) -> bool {
        match self.effective(encoding) {
            Encoding::Identity => true,
            Encoding::Gzip => self.gzip.get().is_some(),
            Encoding::Zstd => self.zstd.get().is_some(),
        }
    }

    /// What the page takes in memory once its encodings are made, in bytes; text of this kind
    /// compresses to well under a fifth.
    pub(crate) fn weight(&self) -> u32 {
        let bytes = self.identity.len() + self.identity.len() / 3 + 512;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

impl App {
    /// The page, if it is in memory, true, and ready in the wanted encoding. Never waits.
    ///
    /// `None` says nothing about the page: ask [`App::project_page`].
    pub fn cached_project_page(
        &self,
        caller: &Caller,
        user: &str,
        index: &str,
        project: &str,
        options: &PageOptions<'_>,
    ) -> Option<Arc<Page>> {
        if self.db().is_shared() {
            return None;
        }
        let directory = self.0.directory.load();
        let index = directory.index(user, index)?;
        if !directory.readable(caller, index.id) {
            return None;
        }
        let generation = self.0.generations.of_project(project);
        let key = PageKey {
            index: index.id,
            visible: directory.visible_order(caller, index.id),
            representation: options.representation,
            absolute_base: options.absolute_base.map(Box::from),
            project: Some(Box::from(project)),
        };
        self.0
            .pages
            .find(&key, generation, self.clock().now())
            .filter(|page| page.is_ready(options.encoding))
    }

    /// The page of a project on an index, everything that it inherits included.
    ///
    /// # Errors
    /// See [`App::readable_index`] and [`App::resolve_project`].
    pub async fn project_page(
        &self,
        caller: &Caller,
        index: &IndexName,
        project: &ProjectName,
        options: &PageOptions<'_>,
    ) -> Result<Arc<Page>, Error> {
        self.catch_up().await?;
        let index = self.readable_index(caller, index)?;
        let key = self.key(caller, &index, Some(project.normalized()), options);
        // The lock is per page: those who wait here would otherwise render the same bytes.
        let making = self.0.pages.lock_of(&key);
        let _turn = making.lock().await;
        // Before anything is read: see `generations`.
        let generation = self.0.generations.of_project(project.normalized());
        let page = match self.0.pages.find(&key, generation, self.clock().now()) {
            Some(page) => page,
            None => {
                let resolution = self
                    .resolve_project(caller, &index, project, Scope::WithBases)
                    .await?;
                self.render_project_page(key, generation, &index, project, resolution)
                    .await?
            }
        };
        prepare(&page, options.encoding).await;
        Ok(page)
    }

    async fn render_project_page(
        &self,
        key: PageKey,
        generation: crate::generations::Generation,
        index: &Arc<Index>,
        project: &ProjectName,
        resolution: Resolution,
    ) -> Result<Arc<Page>, Error> {
        let links = Links {
            from: index,
            absolute_base: key.absolute_base.as_deref(),
        };
        let mut parts = Vec::with_capacity(resolution.contributions.len());
        let mut pure_mirror = true;
        for contribution in &resolution.contributions {
            pure_mirror &= matches!(contribution.content, Content::Mirror(_));
            let part = self.page_part(contribution, project, &links).await?;
            parts.push((contribution.index.id, part));
        }
        let page = join_parts(project, parts);
        let cache_control = self.page_cache_control(index, pure_mirror, resolution.stale);
        let representation = key.representation;
        let stale = resolution.stale || !resolution.failures.is_empty();
        let title = format!("{}: links for {}", index.name, project.normalized());
        let page = tokio::task::spawn_blocking(move || {
            let body = match representation {
                Representation::Html => page.to_html(&title),
                Representation::Json => page.to_json(),
            };
            Page::new(body, representation, page.last_serial, stale, cache_control)
        })
        .await
        .map_err(Error::internal)?;
        let page = Arc::new(page);
        // A page that lacks an index because its upstream failed is not remembered.
        if resolution.failures.is_empty() {
            self.0.pages.keep(
                key,
                KeptPage {
                    page: Arc::clone(&page),
                    generation,
                    fresh_until: resolution.fresh_until,
                },
            );
        }
        Ok(page)
    }

    async fn page_part(
        &self,
        contribution: &Contribution,
        project: &ProjectName,
        links: &Links<'_>,
    ) -> Result<ProjectPage, Error> {
        match &contribution.content {
            Content::Hosted(row) => {
                let mut reader = self.db().reader().await?;
                let versions = releases::list_versions(&mut reader, row.id).await?;
                let rows = files::list_for_project(&mut reader, row.id).await?;
                drop(reader);
                Ok(ProjectPage {
                    name: project.normalized().to_owned(),
                    versions: versions.iter().map(ToString::to_string).collect(),
                    files: rows
                        .iter()
                        .map(|file| hosted_file(&contribution.index, file, links))
                        .collect(),
                    status: row.status.clone(),
                    last_serial: None,
                })
            }
            Content::Mirror(state) => {
                let listed = &state.listing.page;
                let mut part = mirror_part(&contribution.index, project, listed, links);
                if part.files.iter().any(lacks_something_we_may_know) {
                    let mut reader = self.db().reader().await?;
                    let held =
                        mirrors::list_files(&mut reader, contribution.index.id, &part.name).await?;
                    drop(reader);
                    complete_from_held(&mut part.files, &held);
                }
                Ok(part)
            }
        }
    }

    /// The list of projects on an index, everything that it inherits included.
    ///
    /// # Errors
    /// See [`App::readable_index`]; [`Error::UpstreamFailed`] when the index itself is a mirror
    /// whose list is unknown.
    pub async fn project_list(
        &self,
        caller: &Caller,
        index: &IndexName,
        options: &PageOptions<'_>,
    ) -> Result<Arc<Page>, Error> {
        self.catch_up().await?;
        let index = self.readable_index(caller, index)?;
        let key = self.key(caller, &index, None, options);
        let making = self.0.pages.lock_of(&key);
        let _turn = making.lock().await;
        let generation = self.0.generations.of_project_names();
        let page = match self.0.pages.find(&key, generation, self.clock().now()) {
            Some(page) => page,
            None => {
                self.render_project_list(caller, key, generation, &index)
                    .await?
            }
        };
        prepare(&page, options.encoding).await;
        Ok(page)
    }

    async fn render_project_list(
        &self,
        caller: &Caller,
        key: PageKey,
        generation: crate::generations::Generation,
        index: &Arc<Index>,
    ) -> Result<Arc<Page>, Error> {
        let directory = self.directory();
        let visible = directory.visible_order(caller, index.id);
        let (mut hosted, mut mirrors) = (Vec::new(), Vec::new());
        for index in visible.iter().filter_map(|id| directory.index_by_id(*id)) {
            match index.config.kind {
                IndexKind::Hosted(_) => hosted.push(index.id),
                IndexKind::Mirror(_) => mirrors.push(Arc::clone(index)),
            }
        }
        let pure_mirror = hosted.is_empty();
        let mut names: Vec<Arc<str>> = Vec::new();
        if !pure_mirror {
            let mut reader = self.db().reader().await?;
            for id in hosted {
                names.extend(
                    projects::list_names(&mut reader, id)
                        .await?
                        .into_iter()
                        .map(Arc::from),
                );
            }
        }
        let mut fresh_until = None;
        let mut stale = false;
        let mut failed = false;
        let answers = join_all(
            mirrors
                .iter()
                .map(|mirror| self.mirrors().project_names(mirror)),
        );
        for (mirror, answer) in mirrors.iter().zip(answers.await) {
            match answer {
                Ok(list) => {
                    names.extend(list.iter().map(Arc::from));
                    stale |= list.stale;
                    fresh_until = Some(
                        fresh_until.map_or(list.fresh_until, |known: jiff::Timestamp| {
                            known.min(list.fresh_until)
                        }),
                    );
                }
                Err(error @ Error::UpstreamFailed { .. }) if mirror.id == index.id => {
                    return Err(error);
                }
                Err(Error::UpstreamFailed { .. }) => failed = true,
                Err(error) => return Err(error),
            }
        }
        let cache_control = self.page_cache_control(index, pure_mirror, stale || failed);
        let representation = key.representation;
        let title = format!("{}: simple list (including inherited indices)", index.name);
        let page = tokio::task::spawn_blocking(move || {
            names.sort_unstable();
            names.dedup();
            let list = ProjectList {
                names,
                last_serial: None,
            };
            let body = match representation {
                Representation::Html => list.to_html(&title),
                Representation::Json => list.to_json(),
            };
            Page::new(body, representation, None, stale || failed, cache_control)
        })
        .await
        .map_err(Error::internal)?;
        let page = Arc::new(page);
        if !failed {
            self.0.pages.keep(
                key,
                KeptPage {
                    page: Arc::clone(&page),
                    generation,
                    fresh_until,
                },
            );
        }
        Ok(page)
    }

    fn key(
        &self,
        caller: &Caller,
        index: &Index,
        project: Option<&str>,
        options: &PageOptions<'_>,
    ) -> PageKey {
        PageKey {
            index: index.id,
            visible: self.directory().visible_order(caller, index.id),
            representation: options.representation,
            absolute_base: options.absolute_base.map(Box::from),
            project: project.map(Box::from),
        }
    }

    fn page_cache_control(&self, index: &Index, pure_mirror: bool, stale: bool) -> &'static str {
        let anonymous = Caller::anonymous();
        let directory = self.directory();
        if !directory.readable(&anonymous, index.id)
            || directory.hides_something(&anonymous, index.id)
        {
            PRIVATE_PAGE
        } else if pure_mirror && !stale {
            MIRROR_PAGE
        } else {
            UPLOADED_PAGE
        }
    }
}

/// How links on a page are spelled.
struct Links<'a> {
    from: &'a Index,
    absolute_base: Option<&'a str>,
}

impl Links<'_> {
    /// The link to a file of `holder`, from `/USER/INDEX/+simple/PROJECT/`, as devpi spells it.
    fn to_file(&self, holder: &Index, path: &str) -> String {
        match self.absolute_base {
            Some(base) => format!("{base}/{}/{path}", holder.name),
            None if holder.id == self.from.id => format!("../../{path}"),
            None if holder.name.user == self.from.name.user => {
                format!("../../../{}/{path}", holder.name.index)
            }
            None => format!("../../../../{}/{path}", holder.name),
        }
    }
}

fn hosted_file(holder: &Index, file: &File, links: &Links<'_>) -> PageFile {
    PageFile {
        filename: file.name.as_str().to_owned(),
        url: links.to_file(
            holder,
            &FilePath::of_sha256(&file.sha256, file.name.clone()).to_string(),
        ),
        hashes: file.sha256.into(),
        requires_python: file.requires_python.clone(),
        size: Some(file.size),
        upload_time: Some(file.uploaded),
        yanked: file.yanked.clone(),
        core_metadata: match file.core_metadata {
            Some(digest) => CoreMetadataMark::Available(digest.into()),
            None => CoreMetadataMark::Absent,
        },
        provenance: None,
        gpg_sig: None,
        origin: Some(holder.name.to_string()),
    }
}

fn mirror_part(
    holder: &Index,
    project: &ProjectName,
    listing: &ProjectPage,
    links: &Links<'_>,
) -> ProjectPage {
    let origin = holder.name.to_string();
    let files: Vec<PageFile> = listing
        .files
        .iter()
        .filter_map(|file| {
            let name = FileName::parse(&file.filename).ok()?;
            let core_metadata = match (&file.core_metadata, name.kind()) {
                // Read out of the wheel when somebody asks; the digest is not known before.
                (CoreMetadataMark::Absent, FileKind::Wheel) => {
                    CoreMetadataMark::Available(Hashes::new())
                }
                (mark, _) => mark.clone(),
            };
            Some(PageFile {
                url: links.to_file(holder, &mirror_file_path(file)?.to_string()),
                core_metadata,
                origin: Some(origin.clone()),
                ..file.clone()
            })
        })
        .collect();
    ProjectPage {
        name: project.normalized().to_owned(),
        files,
        versions: listing.versions.clone(),
        status: listing.status.clone(),
        last_serial: listing.last_serial,
    }
}

/// Whether the upstream did not say what holding the file would tell.
fn lacks_something_we_may_know(file: &PageFile) -> bool {
    file.size.is_none()
        || file.hashes.is_empty()
        || matches!(&file.core_metadata, CoreMetadataMark::Available(hashes) if hashes.is_empty())
}

/// Adds what is known of the files that the mirror holds: size, digest, digest of the metadata.
fn complete_from_held(files: &mut [PageFile], held: &[mirrors::MirrorFile]) {
    // Sorted by file name, as the database gives them.
    for file in files {
        let Ok(position) = held.binary_search_by(|held| held.filename.as_str().cmp(&file.filename))
        else {
            continue;
        };
        let held = &held[position];
        file.size = file.size.or(Some(held.size));
        if file.hashes.is_empty() {
            file.hashes = held.sha256.into();
        }
        if let (CoreMetadataMark::Available(hashes), Some(digest)) =
            (&mut file.core_metadata, held.core_metadata)
            && hashes.is_empty()
        {
            *hashes = digest.into();
        }
    }
}

/// Joins the parts in resolution order: the first index of a file name wins, versions unite,
/// the first status and the highest serial stand.
fn join_parts(project: &ProjectName, parts: Vec<(IndexId, ProjectPage)>) -> ProjectPage {
    let mut page = ProjectPage {
        name: project.normalized().to_owned(),
        ..ProjectPage::default()
    };
    let mut lists = Vec::with_capacity(parts.len());
    for (index, part) in parts {
        page.versions.extend(part.versions);
        page.status = page.status.take().or(part.status);
        page.last_serial = page.last_serial.max(part.last_serial);
        lists.push((index, part.files));
    }
    page.files = merge(lists).into_iter().map(|(_, file)| file).collect();
    page.complete_versions();
    page
}

/// Where a file of an upstream's listing stands below its mirror; `None` when its name or URL
/// cannot be used.
pub(crate) fn mirror_file_path(file: &PageFile) -> Option<FilePath> {
    let name = FileName::parse(&file.filename).ok()?;
    let url = Url::parse(&file.url).ok()?;
    Some(FilePath::of_upstream(&file.hashes, &url, name))
}

/// Makes the encoding ready, off the async threads when it is work.
async fn prepare(page: &Arc<Page>, encoding: Encoding) {
    if page.is_ready(encoding) {
        return;
    }
    if page.identity.len() < LARGE_BODY {
        page.body(encoding);
        return;
    }
    let page = Arc::clone(page);
    // A lost thread only means that the body is made where it is sent.
    let _ = tokio::task::spawn_blocking(move || page.body(encoding)).await;
}
