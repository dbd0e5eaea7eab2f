//! Numbers by which storage knows the nouns, each with its own type so that they cannot be mixed up.

use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// Identity of a user. Never given out again after the user was removed.
    UserId,
    /// Identity of an index. Never given out again: an index removed and made anew has another one.
    IndexId,
    /// Identity of a project on one index.
    ProjectId,
    /// Identity of a release (project and version) on one index.
    ReleaseId,
    /// Identity of a file as listed by one release.
    FileId,
    /// Identity of a test result of a file.
    TestResultId,
    /// Number of a change: strictly increasing and without gaps in the order of commits. 0 is the empty log.
    Serial,
}
