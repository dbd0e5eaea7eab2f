//! What an upstream holds and has seen.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::watch;

use super::fault::Fault;
use super::{Formats, Links};
use crate::distribution::{BuiltFile, normalize, sha256_hex};

/// A request that arrived, whatever became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRequest {
    /// `GET` and so on.
    pub method: String,
    /// The path without query.
    pub path: String,
    /// The query without question mark.
    pub query: Option<String>,
    /// Names in lower case, in order of arrival.
    pub headers: Vec<(String, String)>,
}

impl RecordedRequest {
    /// The value of a header; names in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// A file as an upstream lists it.
#[derive(Clone, Debug)]
pub struct UpstreamFile {
    pub(super) project: String,
    pub(super) version: String,
    pub(super) name: String,
    pub(super) bytes: Bytes,
    pub(super) sha256: String,
    pub(super) hashes: Vec<(String, String)>,
    pub(super) requires_python: Option<String>,
    pub(super) yanked: Option<String>,
    pub(super) upload_time: Option<String>,
    pub(super) lists_size: bool,
    pub(super) metadata: Option<String>,
}

impl From<&BuiltFile> for UpstreamFile {
    fn from(file: &BuiltFile) -> Self {
        let is_wheel = file.name.rsplit('.').next() == Some("whl");
        Self {
            project: file.project.clone(),
            version: file.version.clone(),
            name: file.name.clone(),
            bytes: file.bytes.clone(),
            sha256: file.sha256.clone(),
            hashes: vec![("sha256".to_owned(), file.sha256.clone())],
            requires_python: file.requires_python.clone(),
            yanked: None,
            upload_time: Some("2024-05-06T07:08:09.123456Z".to_owned()),
            lists_size: true,
            metadata: is_wheel.then(|| file.metadata.clone()),
        }
    }
}

impl UpstreamFile {
    /// Any bytes under any name.
    pub fn new(project: &str, version: &str, name: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let sha256 = sha256_hex(&bytes);
        Self {
            project: project.to_owned(),
            version: version.to_owned(),
            name: name.to_owned(),
            bytes,
            hashes: vec![("sha256".to_owned(), sha256.clone())],
            sha256,
            requires_python: None,
            yanked: None,
            upload_time: Some("2024-05-06T07:08:09.123456Z".to_owned()),
            lists_size: true,
            metadata: None,
        }
    }

    /// Lists it under another project than its metadata says.
    #[must_use]
    pub fn project(mut self, name: &str) -> Self {
        name.clone_into(&mut self.project);
        self
    }

    /// Lists these digests (algorithm, hexadecimal) instead of the SHA-256; none: no digest.
    #[must_use]
    pub fn hashes(mut self, hashes: &[(&str, &str)]) -> Self {
        self.hashes = hashes
            .iter()
            .map(|(name, digest)| ((*name).to_owned(), (*digest).to_owned()))
            .collect();
        self
    }

    /// Yanked, with a reason that may be empty.
    #[must_use]
    pub fn yanked(mut self, reason: &str) -> Self {
        self.yanked = Some(reason.to_owned());
        self
    }

    /// Lists this upload time (JSON only); None: leaves it out.
    #[must_use]
    pub fn upload_time(mut self, time: Option<&str>) -> Self {
        self.upload_time = time.map(ToOwned::to_owned);
        self
    }

    /// Leaves the size out.
    #[must_use]
    pub fn without_size(mut self) -> Self {
        self.lists_size = false;
        self
    }

    /// Does not offer core metadata for this file.
    #[must_use]
    pub fn without_core_metadata(mut self) -> Self {
        self.metadata = None;
        self
    }

    /// The path of the file on an upstream that lists it.
    pub fn path(&self) -> String {
        file_path(&self.sha256, &self.name)
    }
}

#[derive(Debug, Default)]
pub(super) struct Project {
    pub(super) name: String,
    pub(super) files: Vec<UpstreamFile>,
    pub(super) serial: u64,
    pub(super) status: Option<(String, Option<String>)>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct State {
    pub(super) origin: String,
    pub(super) file_origin: Option<String>,
    pub(super) projects: BTreeMap<String, Project>,
    pub(super) serial: u64,
    pub(super) formats: Formats,
    pub(super) links: Links,
    pub(super) root_list: bool,
    pub(super) validators: bool,
    pub(super) serials: bool,
    pub(super) core_metadata: bool,
    pub(super) compression: bool,
    pub(super) credentials: Option<(String, String)>,
    pub(super) faults: HashMap<String, Vec<(Fault, Option<usize>)>>,
    pub(super) requests: Vec<RecordedRequest>,
    pub(super) uploads: Vec<Bytes>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            origin: String::new(),
            file_origin: None,
            projects: BTreeMap::new(),
            serial: 1000,
            formats: Formats::Both,
            links: Links::Absolute,
            root_list: true,
            validators: true,
            serials: true,
            core_metadata: true,
            compression: false,
            credentials: None,
            faults: HashMap::new(),
            requests: Vec::new(),
            uploads: Vec::new(),
        }
    }
}

impl State {
    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(super) fn project(&mut self, name: &str) -> &mut Project {
        self.projects
            .entry(normalize(name))
            .or_insert_with(|| Project {
                name: name.to_owned(),
                ..Project::default()
            })
    }

    pub(super) fn add_fault(&mut self, path: &str, fault: Fault, times: Option<usize>) {
        let faults = self.faults.entry(path.to_owned()).or_default();
        faults.push((fault, times));
    }

    /// The faults that this request meets; counts them down.
    pub(super) fn take_faults(&mut self, path: &str) -> Vec<Fault> {
        let mut met = Vec::new();
        for key in [path, "*"] {
            let Some(faults) = self.faults.get_mut(key) else {
                continue;
            };
            faults.retain_mut(|(fault, times)| {
                met.push(fault.clone());
                match times {
                    Some(left) => {
                        *left = left.saturating_sub(1);
                        *left > 0
                    }
                    None => true,
                }
            });
        }
        met
    }
}

pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    /// Counts requests, so that a test can wait for one.
    pub(super) arrivals: watch::Sender<usize>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            arrivals: watch::Sender::new(0),
        }
    }
}

/// The path of a file: content-addressed, like PyPI's.
pub(super) fn file_path(sha256: &str, name: &str) -> String {
    format!(
        "/files/{}/{}/{}/{name}",
        &sha256[..2],
        &sha256[2..4],
        &sha256[4..]
    )
}
