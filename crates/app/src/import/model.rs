//! What another server holds, as plain data.
//!
//! Names, versions and configurations are texts and JSON as the other server spelled them: what
//! of it can be kept, and under which name, is decided (and reported) by the writer alone.

use std::fmt;
use std::path::PathBuf;

use cheeseshop_domain::JsonMap;
use cheeseshop_packaging::hash::Hashes;
use jiff::Timestamp;

/// A user with everything that the other server kept about them.
#[derive(Clone, Default, PartialEq)]
pub struct User {
    /// The name.
    pub name: String,
    /// devpi's record of a user (protocol reference §3.1) without `indexes`: `pwhash`, `created`, `modified`, `email`,
    /// … and the keys of plugins, `tokens` among them. Holds secrets: never log it.
    pub record: JsonMap,
}

/// An index with its configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Index {
    /// The owner's name.
    pub user: String,
    /// The owner's name for the index.
    pub name: String,
    /// devpi's configuration of any index type (protocol reference §4.2), unknown keys included. May hold the
    /// credentials of an upstream.
    pub config: JsonMap,
}

impl Index {
    /// `user/index`, as reports and dumps spell it.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.user, self.name)
    }
}

/// One project of one index with all that it holds: the unit in which data is read and written.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// Its name, in whatever spelling is known.
    pub name: String,
    /// Its versions, also those without files. Of a mirror: what is known of the held files' versions (`yanked`,
    /// `requires_python`).
    pub releases: Vec<Release>,
    /// Its release files. Of a mirror: the held ones.
    pub files: Vec<File>,
    /// Its documentation, at most one archive a version.
    pub documentation: Vec<Documentation>,
    /// What test runs said of its files.
    pub test_results: Vec<TestResult>,
}

/// A version of a project.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Release {
    /// The version as uploaded.
    pub version: String,
    /// The metadata under devpi's keys (protocol reference §10.3), other keys included.
    pub metadata: JsonMap,
}

/// A release file.
#[derive(Debug, Clone)]
pub struct File {
    /// Its base name.
    pub name: String,
    /// Its version, where the other server says so; else it is told by the name.
    pub version: Option<String>,
    /// Where its bytes are.
    pub content: Content,
    /// What the bytes must hash to. May be empty.
    pub hashes: Hashes,
    /// When the bytes came to the other server (`last_modified`).
    pub modified: Option<Timestamp>,
    /// How it came to its index, oldest first: devpi's dictionaries as JSON (`what`, `who`, `when`, …).
    pub log: Vec<JsonMap>,
    /// Where the other server fetched it from; mirrors only.
    pub url: Option<String>,
    /// Whether it was yanked, as devpi writes it: a reason, `""` or `true`. `None`: what the release says.
    pub yanked: Option<serde_json::Value>,
}

/// An archive of documentation.
#[derive(Debug, Clone)]
pub struct Documentation {
    /// The version that it documents.
    pub version: String,
    /// Where its bytes are.
    pub content: Content,
    /// What the bytes must hash to. May be empty.
    pub hashes: Hashes,
    /// When it was uploaded.
    pub modified: Option<Timestamp>,
    /// How it came to its index, oldest first.
    pub log: Vec<JsonMap>,
}

/// What a test run said of a file.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// Its base name, `FILE.toxresult-DATE-N`.
    pub name: String,
    /// The base name of the release file that was tested.
    pub file: String,
    /// Where its bytes are.
    pub content: Content,
    /// What the bytes must hash to. May be empty. Never that of the tested file.
    pub hashes: Hashes,
    /// When it was uploaded.
    pub modified: Option<Timestamp>,
    /// How it came to its index, oldest first.
    pub log: Vec<JsonMap>,
}

/// Where the bytes of something are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A regular file on this machine that the source has made sure to be one of its own: to be linked or copied.
    Path(PathBuf),
    /// Something that [`super::Source::open`] understands.
    Remote(String),
    /// They cannot be had, for this reason.
    Missing(String),
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("keys", &self.record.keys().collect::<Vec<_>>())
            .finish()
    }
}
