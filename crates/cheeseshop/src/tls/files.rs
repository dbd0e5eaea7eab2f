//! Whether the files of `[tls]` are others than before, found out without reading them.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::settings::TlsSettings;

/// What a file looks like from the outside; the same again after a change is out of the question, for
/// the time of the last change of an inode cannot be set.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The looks of all files that settings name, behind symbolic links; `None`: there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Looks(Vec<(PathBuf, Option<Look>)>);

impl Looks {
    /// To be taken before the files are read, so that what changes meanwhile is seen the next time.
    pub(super) fn at(settings: &TlsSettings) -> Self {
        let keys = settings.key.iter();
        let clients = [&settings.client_ca, &settings.client_revoked];
        let files = settings.certificate.iter().chain(keys);
        let files = files.chain(clients.into_iter().flatten());
        Self(files.map(|file| (file.clone(), look(file))).collect())
    }
}

fn look(file: &Path) -> Option<Look> {
    let metadata = file.metadata().ok()?;
    Some(Look {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_replaced_rewritten_removed_or_linked_elsewhere_looks_different() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
        let settings = TlsSettings {
            certificate: vec![path("link")],
            client_revoked: Some(path("list")),
            ..TlsSettings::default()
        };
        write("one", "same length");
        write("two", "same length");
        std::os::unix::fs::symlink("one", path("link")).unwrap();
        let mut before = Looks::at(&settings);
        assert_eq!(before, Looks::at(&settings));
        let mut expect_change = |what: &str| {
            let now = Looks::at(&settings);
            assert_ne!(now, before, "{what}");
            before = now;
        };
        // As it is done where a link must never be missing.
        std::os::unix::fs::symlink("two", path("new link")).unwrap();
        std::fs::rename(path("new link"), path("link")).unwrap();
        expect_change("linked elsewhere");
        write("fresh", "same length");
        std::fs::rename(path("fresh"), path("two")).unwrap();
        expect_change("replaced");
        write("two", "longer than it was");
        expect_change("rewritten");
        write("list", "");
        expect_change("made");
        std::fs::remove_file(path("two")).unwrap();
        expect_change("removed");
    }
}
