//! What happened: the entries of the change log.
//!
//! Audit, cache invalidation, search, webhooks and replicas all read these. An event says what changed,
//! not what everything looks like afterwards; readers look that up.

use std::{fmt, net::IpAddr, str::FromStr};

use cheeseshop_packaging::hash::Sha256;
use jiff::Timestamp;
use serde_json::Value;

use crate::{IndexName, Serial, UserName};

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),* $(,)?) => {
        /// The kind of a change. Names stay for ever: they stand in every change log ever written.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$doc])* $variant,)*
        }

        impl EventKind {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in the change log.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// Reads a name of the change log.
            pub fn parse(text: &str) -> Result<Self, UnknownEventKind> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(UnknownEventKind(crate::name::printable(text))),
                }
            }
        }
    };
}

event_kinds! {
    /// A user was made. Subject: the user.
    UserCreated = "user_created",
    /// A user's record changed. Subject: the user.
    UserUpdated = "user_updated",
    /// A user was removed, with their indexes. Subject: the user.
    UserRemoved = "user_removed",
    /// A user's password changed. Subject: the user.
    PasswordChanged = "password_changed",
    /// An index was made. Subject: the index.
    IndexCreated = "index_created",
    /// An index's configuration changed. Subject: the index.
    IndexUpdated = "index_updated",
    /// An index was removed, with its contents. Subject: the index.
    IndexRemoved = "index_removed",
    /// A project came to be on a hosted index. Subject: the project.
    ProjectCreated = "project_created",
    /// A project was removed, with its releases. Subject: the project.
    ProjectRemoved = "project_removed",
    /// A project's status changed (PEP 792). Subject: the project.
    ProjectStatusChanged = "project_status_changed",
    /// A version was registered. Subject: the project.
    ReleaseCreated = "release_created",
    /// A release was removed, with its files. Subject: the project.
    ReleaseRemoved = "release_removed",
    /// A release's metadata changed. Subject: the project.
    MetadataUpdated = "metadata_updated",
    /// A file was uploaded. Subject: the project.
    FilePublished = "file_published",
    /// A file of a volatile index got other bytes. Subject: the project.
    FileReplaced = "file_replaced",
    /// A file was removed. Subject: the project.
    FileRemoved = "file_removed",
    /// A file came here from another index. Subject: the project here.
    FilePushed = "file_pushed",
    /// A file was yanked (PEP 592). Subject: the project.
    FileYanked = "file_yanked",
    /// A file is no longer yanked. Subject: the project.
    FileUnyanked = "file_unyanked",
    /// A release was sent to another server, wholly or in part. Subject: the project here.
    ReleasePushedOutside = "release_pushed_outside",
    /// Documentation of a release was uploaded or replaced. Subject: the project.
    DocumentationPublished = "documentation_published",
    /// Documentation of a release was removed. Subject: the project.
    DocumentationRemoved = "documentation_removed",
    /// Documentation came here from another index. Subject: the project here.
    DocumentationPushed = "documentation_pushed",
    /// A test result was added to a file. Subject: the project.
    TestResultAdded = "test_result_added",
    /// A single test result was removed; with their file they go without a word. Subject: the
    /// project.
    TestResultRemoved = "test_result_removed",
    /// A token was made. Subject: the user.
    TokenCreated = "token_created",
    /// A token was removed. Subject: the user.
    TokenRemoved = "token_removed",
    /// Data of another server came in. Subject: the index.
    IndexImported = "index_imported",
    /// An upstream's page of a project differs from what was held. Subject: the project.
    MirrorListingChanged = "mirror_listing_changed",
    /// An upstream's list of projects differs from what was held. Subject: the index.
    MirrorProjectListChanged = "mirror_project_list_changed",
    /// A mirror keeps a file from now on. Subject: the project.
    MirrorFileStored = "mirror_file_stored",
    /// A mirror's copy of a file was removed. Subject: the project.
    MirrorFileRemoved = "mirror_file_removed",
    /// A mirror forgot everything, since it follows another upstream now. Subject: the index.
    MirrorReset = "mirror_reset",
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = UnknownEventKind;

    fn from_str(text: &str) -> Result<Self, UnknownEventKind> {
        Self::parse(text)
    }
}

/// A name of an event that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of event `{0}`")]
pub struct UnknownEventKind(pub String);

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To what: `user`, `user/index` or `user/index/project` (the project's normalized name).
    pub subject: String,
    /// More about it: version, file, sha256 and so on. Never a secret.
    pub detail: Value,
}

impl Event {
    /// A change of a user.
    pub fn of_user(kind: EventKind, user: &UserName, detail: Value) -> Self {
        let subject = user.to_string();
        Self {
            kind,
            subject,
            detail,
        }
    }

    /// A change of an index.
    pub fn of_index(kind: EventKind, index: &IndexName, detail: Value) -> Self {
        let subject = index.to_string();
        Self {
            kind,
            subject,
            detail,
        }
    }

    /// A change of a project, given by its normalized name.
    pub fn of_project(kind: EventKind, index: &IndexName, project: &str, detail: Value) -> Self {
        let subject = format!("{index}/{project}");
        Self {
            kind,
            subject,
            detail,
        }
    }

    /// The user whom it is about, or who owns what it is about.
    pub fn user(&self) -> &str {
        self.subject.split('/').next().unwrap_or_default()
    }

    /// The index that it is about, as its two parts.
    pub fn index(&self) -> Option<(&str, &str)> {
        let (user, rest) = self.subject.split_once('/')?;
        Some((user, rest.split_once('/').map_or(rest, |(index, _)| index)))
    }

    /// The normalized name of the project that it is about.
    pub fn project(&self) -> Option<&str> {
        self.subject.splitn(3, '/').nth(2)
    }
}

/// An event as it stands in the change log.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedEvent {
    /// Its number.
    pub serial: Serial,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who did it: a user's name, with the token that it was done by (`bob (token k3JxWq8T)`),
    /// `anonymous`, or a part of the server such as `mirror`.
    pub actor: String,
    /// Where they asked from.
    pub address: Option<IpAddr>,
    /// What happened.
    pub event: Event,
    /// The digest of this entry, which covers `previous_hash`.
    pub hash: Sha256,
    /// The digest of the entry before; all zero for the first.
    pub previous_hash: Sha256,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back() {
        let mut names = std::collections::HashSet::new();
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.as_str()), Ok(*kind));
            assert!(names.insert(kind.as_str()));
        }
        assert!(EventKind::parse("file_exploded").is_err());
    }

    #[test]
    fn the_subject_tells_user_index_and_project() {
        let index = IndexName::parse("bob/dev").unwrap();
        let user = Event::of_user(EventKind::UserCreated, &index.user, Value::Null);
        let of_index = Event::of_index(EventKind::IndexCreated, &index, Value::Null);
        let project = Event::of_project(EventKind::FilePublished, &index, "pkg", Value::Null);
        for (event, subject, index, project) in [
            (user, "bob", None, None),
            (of_index, "bob/dev", Some(("bob", "dev")), None),
            (project, "bob/dev/pkg", Some(("bob", "dev")), Some("pkg")),
        ] {
            assert_eq!(event.subject, subject);
            assert_eq!(event.user(), "bob");
            assert_eq!(event.index(), index);
            assert_eq!(event.project(), project);
        }
    }
}
