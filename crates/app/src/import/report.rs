//! What became of the data of another server.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// What an import did, told item by item where it is not simply "kept". A handle: clones share one report.
#[derive(Clone, Default)]
pub struct Report(Arc<Mutex<Outcome>>);

/// The contents of a [`Report`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// What came in as it was.
    pub kept: BTreeMap<Kind, u64>,
    /// What was here already, the same.
    pub present: BTreeMap<Kind, u64>,
    /// What came in, but not as it was.
    pub changed: Vec<Note>,
    /// What was left out because that was asked for.
    pub left_out: Vec<Note>,
    /// What did not come in.
    pub skipped: Vec<Note>,
}

/// Something to be known about one item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Note {
    /// What sort of thing it is.
    pub kind: Kind,
    /// Which one: `bob`, `bob/dev`, `bob/dev/pkg/1.0`, `bob/dev/pkg-1.0.tar.gz`.
    pub item: String,
    /// What is different, or why it did not come in: a sentence for people. Never holds a secret.
    pub reason: String,
}

/// What sort of thing an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A user.
    User,
    /// An index.
    Index,
    /// A project.
    Project,
    /// A version with its metadata.
    Release,
    /// A release file of a hosted index.
    File,
    /// A file that a mirror holds.
    MirroredFile,
    /// An archive of documentation.
    Documentation,
    /// A test result.
    TestResult,
    /// A token.
    Token,
    /// Something else that the source holds.
    Other,
}

/// What became, or will have become, of one thing.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Kept(Kind),
    Present(Kind),
    Changed(Note),
    LeftOut(Note),
    Skipped(Note),
}

impl Entry {
    /// Kept, with the differences that there are.
    pub(super) fn kept(kind: Kind, item: impl Into<String>, differences: &[String]) -> Self {
        if differences.is_empty() {
            Self::Kept(kind)
        } else {
            Self::Changed(Note::new(kind, item, differences.join("; ")))
        }
    }

    pub(super) fn skipped(kind: Kind, item: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Skipped(Note::new(kind, item, reason))
    }
}

impl Report {
    /// An empty report.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that something came in as it was.
    pub fn kept(&self, kind: Kind) {
        self.with(|outcome| *outcome.kept.entry(kind).or_default() += 1);
    }

    /// Notes that something was here already, the same.
    pub fn present(&self, kind: Kind) {
        self.with(|outcome| *outcome.present.entry(kind).or_default() += 1);
    }

    /// Notes that something came in with a difference. It is not counted as kept besides.
    pub fn changed(&self, kind: Kind, item: impl Into<String>, reason: impl Into<String>) {
        let note = Note::new(kind, item, reason);
        self.with(|outcome| outcome.changed.push(note));
    }

    /// Notes that something did not come in.
    pub fn skipped(&self, kind: Kind, item: impl Into<String>, reason: impl Into<String>) {
        let note = Note::new(kind, item, reason);
        self.with(|outcome| outcome.skipped.push(note));
    }

    /// Notes what became of several things, now that it is certain.
    pub(super) fn add(&self, entries: Vec<Entry>) {
        self.with(|outcome| {
            for entry in entries {
                match entry {
                    Entry::Kept(kind) => *outcome.kept.entry(kind).or_default() += 1,
                    Entry::Present(kind) => *outcome.present.entry(kind).or_default() += 1,
                    Entry::Changed(note) => outcome.changed.push(note),
                    Entry::LeftOut(note) => outcome.left_out.push(note),
                    Entry::Skipped(note) => outcome.skipped.push(note),
                }
            }
        });
    }

    /// What was noted so far.
    pub fn outcome(&self) -> Outcome {
        self.with(|outcome| outcome.clone())
    }

    /// Hands out what was noted since the last time, for imports without an end.
    pub fn take(&self) -> Outcome {
        self.with(std::mem::take)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Outcome) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outcome().fmt(f)
    }
}

impl Note {
    pub(super) fn new(kind: Kind, item: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            kind,
            item: item.into(),
            reason: reason.into(),
        }
    }
}

impl Kind {
    /// The word for `count` of them.
    pub fn noun(self, count: u64) -> &'static str {
        let (one, many) = match self {
            Self::User => ("user", "users"),
            Self::Index => ("index", "indexes"),
            Self::Project => ("project", "projects"),
            Self::Release => ("release", "releases"),
            Self::File => ("file", "files"),
            Self::MirroredFile => ("mirrored file", "mirrored files"),
            Self::Documentation => ("documentation", "documentations"),
            Self::TestResult => ("test result", "test results"),
            Self::Token => ("token", "tokens"),
            Self::Other => ("other item", "other items"),
        };
        if count == 1 { one } else { many }
    }
}
