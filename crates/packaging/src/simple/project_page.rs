//! The page of one project: its files, versions and status.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use url::Url;

use super::{PageError, html_read, html_write, json_read, json_write, location};
use crate::filename;
use crate::hash::Hashes;
use crate::name::{ProjectName, normalize};
use crate::version::{Pep440Version, Version};

/// The files of one project, as the Simple API lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectPage {
    /// The normalized project name.
    pub name: String,
    /// The files, in the order listed.
    pub files: Vec<PageFile>,
    /// The versions (PEP 700); may name versions without files.
    pub versions: Vec<String>,
    /// The project's status (PEP 792); absent means active.
    pub status: Option<ProjectStatus>,
    /// The newest serial of the project at its index, if told.
    pub last_serial: Option<u64>,
}

/// One file on a [`ProjectPage`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageFile {
    /// The base name.
    pub filename: String,
    /// Where the bytes are, without fragment. Absolute `http` or `https`
    /// when read from upstream; may be relative when written.
    pub url: String,
    /// The known digests.
    pub hashes: Hashes,
    /// The Python versions wanted; never an empty text when read.
    pub requires_python: Option<String>,
    /// The size in bytes.
    pub size: Option<u64>,
    /// When the file was uploaded, written with microseconds at most.
    pub upload_time: Option<Timestamp>,
    /// Whether the file was yanked (PEP 592).
    pub yanked: Yanked,
    /// Whether the core metadata is at the URL + `.metadata` (PEP 658, 714).
    pub core_metadata: CoreMetadataMark,
    /// The address of the provenance document (PEP 740), `https` only.
    pub provenance: Option<String>,
    /// Whether a signature is at the URL + `.asc`.
    pub gpg_sig: Option<bool>,
    /// The index (`user/index`) that holds the file, shown in HTML only.
    pub origin: Option<String>,
}

/// Whether a file was yanked, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Yanked {
    /// Not yanked.
    #[default]
    No,
    /// Yanked, perhaps with a reason. An empty reason is `None`.
    Yes(Option<String>),
}

/// Whether a file's core metadata is served beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CoreMetadataMark {
    /// It is not.
    #[default]
    Absent,
    /// It is, with these digests. No digests is JSON's `true`.
    Available(Hashes),
}

/// A project's status marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectStatus {
    /// The marker.
    pub status: Status,
    /// Why, in words.
    pub reason: Option<String>,
}

/// The status markers of PEP 792.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// The ordinary case.
    #[default]
    Active,
    /// No updates are expected.
    Archived,
    /// Held to be harmful: not to be installed.
    Quarantined,
    /// Superseded or given up.
    Deprecated,
}

impl Status {
    /// The marker's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Archived => "archived",
            Self::Quarantined => "quarantined",
            Self::Deprecated => "deprecated",
        }
    }

    /// Finds a marker by its text. Unknown markers are `None`.
    pub fn find(text: &str) -> Option<Self> {
        [
            Self::Active,
            Self::Archived,
            Self::Quarantined,
            Self::Deprecated,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
    }
}

impl ProjectPage {
    /// Reads a JSON page that was found at `base`.
    ///
    /// Unknown keys are ignored, and so are entries whose file name is unsafe
    /// or whose URL is not `http` or `https`. Of several entries with one
    /// file name the first with a digest stays. `versions` is completed.
    ///
    /// User name and password in `base` are not passed on to the files' URLs.
    pub fn parse_json(body: &[u8], base: &Url) -> Result<Self, PageError> {
        let mut page = json_read::page(body, base)?;
        page.sanitize(base);
        Ok(page)
    }

    /// Reads an HTML page that was found at `base`.
    ///
    /// As [`Self::parse_json`]; besides, anchors that do not lead to a
    /// distribution file are ignored. The name is the last segment of `base`.
    pub fn parse_html(body: &[u8], base: &Url) -> Result<Self, PageError> {
        let mut page = html_read::page(body, base)?;
        page.sanitize(base);
        Ok(page)
    }

    /// Writes the page as JSON 1.4. Versions that `versions` lacks are added,
    /// see [`Self::complete_versions`].
    pub fn to_json(&self) -> Vec<u8> {
        let missing = self.missing_versions();
        let versions = self.versions.iter().chain(&missing).map(String::as_str);
        json_write::page(self, versions)
    }

    /// Writes the page as HTML 1.4 under the given title.
    pub fn to_html(&self, title: &str) -> Vec<u8> {
        html_write::page(self, title)
    }

    /// Makes this the page of `project`: takes its name and drops files whose
    /// names do not start with it.
    pub fn restrict_to(&mut self, project: &ProjectName) {
        project.normalized().clone_into(&mut self.name);
        self.files
            .retain(|file| normalize(&file.filename).starts_with(project.normalized()));
        self.complete_versions();
    }

    /// Adds the versions of all files that `versions` lacks (PEP 700 wants
    /// each file's version listed). A version counts as listed when one that
    /// is equal for PEP 440 is. Files whose names tell no version add none.
    pub fn complete_versions(&mut self) {
        let missing = self.missing_versions();
        self.versions.extend(missing);
    }

    fn missing_versions(&self) -> Vec<String> {
        let mut known: HashSet<Cow<'_, str>> = self
            .versions
            .iter()
            .map(|version| Cow::Borrowed(version.as_str()))
            .collect();
        let mut missing = Vec::new();
        // Made when a file spells its version in another way than the list.
        let mut parsed: Option<HashSet<Pep440Version>> = None;
        for file in &self.files {
            let Some(text) = filename::version_text_for(&file.filename, &self.name) else {
                continue;
            };
            if known.contains(text) {
                continue;
            }
            known.insert(Cow::Borrowed(text));
            let Some(version) = filename::readable_version(text) else {
                continue;
            };
            let parsed = parsed.get_or_insert_with(|| {
                let versions = self.versions.iter();
                versions.filter_map(|text| text.parse().ok()).collect()
            });
            let is_new = match version.pep440() {
                Some(version) => parsed.insert(version.clone()),
                None => true,
            };
            if is_new {
                missing.push(version.as_str().to_owned());
            }
        }
        missing
    }

    /// Drops what must not be believed of an upstream.
    fn sanitize(&mut self, base: &Url) {
        self.name = match ProjectName::parse(&self.name) {
            Ok(name) => name.normalized().to_owned(),
            Err(_) => normalize(&location::last_segment(base).unwrap_or_default()),
        };
        self.files
            .retain(|file| filename::fault(&file.filename).is_none());
        self.drop_duplicates();
        let mut seen = HashSet::with_capacity(self.versions.len());
        self.versions
            .retain(|version| Version::parse(version).is_ok() && seen.insert(version.clone()));
        self.complete_versions();
    }

    fn drop_duplicates(&mut self) {
        let mut chosen: HashMap<&str, usize> = HashMap::with_capacity(self.files.len());
        for (position, file) in self.files.iter().enumerate() {
            let first = *chosen.entry(&file.filename).or_insert(position);
            if self.files[first].hashes.is_empty() && !file.hashes.is_empty() {
                chosen.insert(&file.filename, position);
            }
        }
        if chosen.len() == self.files.len() {
            return;
        }
        let chosen: HashSet<usize> = chosen.into_values().collect();
        let mut position = 0;
        self.files.retain(|_| {
            position += 1;
            chosen.contains(&(position - 1))
        });
    }
}

impl PageFile {
    /// The provenance address when it is fit to show: PEP 740 wants a
    /// complete URL on a secure origin.
    pub(super) fn secure_provenance(&self) -> Option<&str> {
        self.provenance
            .as_deref()
            .filter(|url| url.starts_with("https://"))
    }
}
