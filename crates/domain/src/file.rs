//! A file as a hosted index lists it; not its bytes.

use cheeseshop_packaging::{filename::FileName, hash::Sha256, simple::Yanked, version::Version};
use jiff::Timestamp;

use crate::{FileId, IndexId, IndexName, ProjectId, ReleaseId, UserName};

/// A file of a release on a hosted index.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Its identity.
    pub id: FileId,
    /// The project.
    pub project: ProjectId,
    /// The release.
    pub release: ReleaseId,
    /// The index.
    pub index: IndexId,
    /// Its base name.
    pub name: FileName,
    /// The release's version.
    pub version: Version,
    /// The digest of its bytes, which names the blob.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// The Python versions wanted.
    pub requires_python: Option<String>,
    /// Whether it was yanked (PEP 592).
    pub yanked: Yanked,
    /// The blob of its core metadata, for files that have one.
    pub core_metadata: Option<Sha256>,
    /// When these bytes came to this index, or to the index that they were pushed from.
    pub uploaded: Timestamp,
    /// How it came here, oldest first.
    pub log: Vec<LogEntry>,
}

/// One step of a file's way to its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// What happened.
    pub what: LogAction,
    /// Who did it; `None` for an anonymous caller, and for overwriting.
    pub who: Option<String>,
    /// When.
    pub when: Timestamp,
    /// Where the file came from, as `user/index`.
    pub src: Option<String>,
    /// Where it went, as `user/index`.
    pub dst: Option<String>,
    /// How often it was overwritten.
    pub count: Option<u32>,
    /// What was said about it.
    pub message: Option<String>,
}

/// What a [`LogEntry`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogAction {
    /// The file was uploaded.
    Upload,
    /// The file was pushed from another index.
    Push,
    /// A file of the same name was replaced.
    Overwrite,
}

impl LogAction {
    /// devpi's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Push => "push",
            Self::Overwrite => "overwrite",
        }
    }

    /// Reads devpi's word.
    pub fn find(text: &str) -> Option<Self> {
        [Self::Upload, Self::Push, Self::Overwrite]
            .into_iter()
            .find(|action| action.as_str() == text)
    }
}

impl LogEntry {
    /// An upload.
    pub fn upload(who: Option<&UserName>, when: Timestamp, dst: &IndexName) -> Self {
        Self {
            what: LogAction::Upload,
            who: who.map(ToString::to_string),
            when,
            src: None,
            dst: Some(dst.to_string()),
            count: None,
            message: None,
        }
    }

    /// The log of a file that takes the place of another. The log of that one is lost but for the number
    /// of times it was overwritten, as in devpi.
    pub fn after_overwrite(replaced: &[Self], upload: Self) -> Vec<Self> {
        let before = replaced.iter().filter_map(|entry| match entry.what {
            LogAction::Overwrite => entry.count,
            LogAction::Upload | LogAction::Push => None,
        });
        let overwrite = Self {
            what: LogAction::Overwrite,
            who: None,
            when: upload.when,
            src: None,
            dst: None,
            count: Some(before.max().unwrap_or(0).saturating_add(1)),
            message: None,
        };
        vec![overwrite, upload]
    }

    /// The log of a file after a push: that of the source without overwriting, and the push.
    pub fn after_push(
        source: &[Self],
        who: Option<&UserName>,
        when: Timestamp,
        from: &IndexName,
        to: &IndexName,
    ) -> Vec<Self> {
        let push = Self {
            what: LogAction::Push,
            who: who.map(ToString::to_string),
            when,
            src: Some(from.to_string()),
            dst: Some(to.to_string()),
            count: None,
            message: None,
        };
        source
            .iter()
            .filter(|entry| entry.what != LogAction::Overwrite)
            .cloned()
            .chain([push])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(name: &str) -> IndexName {
        IndexName::parse(name).unwrap()
    }

    fn upload(second: i64) -> LogEntry {
        let bob = UserName::parse("bob").unwrap();
        let when = Timestamp::from_second(second).unwrap();
        LogEntry::upload(Some(&bob), when, &index("bob/dev"))
    }

    #[test]
    fn overwriting_counts_and_forgets_the_rest() {
        let first = vec![upload(1)];
        let second = LogEntry::after_overwrite(&first, upload(2));
        let third = LogEntry::after_overwrite(&second, upload(3));
        assert_eq!(second.len(), 2);
        assert_eq!(
            (second[0].what, second[0].count),
            (LogAction::Overwrite, Some(1))
        );
        assert_eq!(
            (third[0].what, third[0].count),
            (LogAction::Overwrite, Some(2))
        );
        assert_eq!((&third[0].who, third[0].when.as_second()), (&None, 3));
        assert_eq!(third[1], upload(3));
        assert_eq!(LogEntry::after_overwrite(&[], upload(1))[0].count, Some(1));
    }

    #[test]
    fn a_push_drops_overwriting_and_adds_itself() {
        let source = LogEntry::after_overwrite(&[upload(1)], upload(2));
        let when = Timestamp::from_second(9).unwrap();
        let log = LogEntry::after_push(&source, None, when, &index("bob/dev"), &index("eve/x"));
        assert_eq!(log[0], upload(2));
        assert_eq!(log.len(), 2);
        let push = &log[1];
        assert_eq!((push.what, &push.who), (LogAction::Push, &None));
        assert_eq!(push.src.as_deref(), Some("bob/dev"));
        assert_eq!(push.dst.as_deref(), Some("eve/x"));
    }

    #[test]
    fn words_read_back() {
        for action in [LogAction::Upload, LogAction::Push, LogAction::Overwrite] {
            assert_eq!(LogAction::find(action.as_str()), Some(action));
        }
        assert_eq!(LogAction::find("doom"), None);
    }
}
