//! What each index adds to a page, and how the parts are joined.

use cheeseshop_domain::resolution::merge;
use cheeseshop_domain::{File, FilePath, Index, IndexId};
use cheeseshop_packaging::simple::{CoreMetadataMark, PageFile, ProjectPage};
use cheeseshop_packaging::{FileKind, FileName, Hashes, ProjectName, Version};
use cheeseshop_storage::database::mirrors;
use url::Url;

/// How links on a page are spelled.
pub(super) struct Links<'a> {
    pub(super) from: &'a Index,
    pub(super) absolute_base: Option<&'a str>,
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

pub(super) fn hosted_file(holder: &Index, file: &File, links: &Links<'_>) -> PageFile {
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

pub(super) fn mirror_part(
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
pub(super) fn lacks_something_we_may_know(file: &PageFile) -> bool {
    file.size.is_none()
        || file.hashes.is_empty()
        || matches!(&file.core_metadata, CoreMetadataMark::Available(hashes) if hashes.is_empty())
}

/// Adds what is known of the files that the mirror holds: size, digest, digest of the metadata.
pub(super) fn complete_from_held(files: &mut [PageFile], held: &[mirrors::MirrorFile]) {
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

/// Leaves of a mirror's part what the index that was asked lets through.
pub(super) fn keep_admitted(asked: &Index, project: &ProjectName, part: &mut ProjectPage) {
    let name = project.normalized();
    part.files
        .retain(|file| asked.admits(name, version_of(file, project).as_ref()));
    part.versions
        .retain(|text| asked.admits(name, Version::parse(text).ok().as_ref()));
}

/// The version that a file's name tells, for a file of this project: of a mirrored one nothing else does.
fn version_of(file: &PageFile, project: &ProjectName) -> Option<Version> {
    FileName::parse(&file.filename).ok()?.version_for(project)
}

/// Joins the parts in resolution order: the first index of a file name wins, versions unite,
/// the first status stands. The serial of an upstream is only told by the mirror itself: on an index
/// that inherits it would vanish with the first upload that hides the mirror, and who mirrors us
/// would take that for an outdated page.
pub(super) fn join_parts(
    project: &ProjectName,
    asked: IndexId,
    parts: Vec<(IndexId, ProjectPage)>,
) -> ProjectPage {
    let mut page = ProjectPage {
        name: project.normalized().to_owned(),
        ..ProjectPage::default()
    };
    let mut lists = Vec::with_capacity(parts.len());
    for (index, part) in parts {
        page.versions.extend(part.versions);
        page.status = page.status.take().or(part.status);
        if index == asked {
            page.last_serial = part.last_serial;
        }
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
