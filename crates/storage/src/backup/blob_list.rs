//! `blob-list.txt`: a line for every blob that a database names, in the order of their digests.
//!
//! `DIGEST SIZE`, with ` missing` behind it when the store did not have the bytes.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Lines, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use cheeseshop_packaging::hash::Sha256;
use sha2::Digest as _;

use super::BackupError;

/// A blob that a backup has, or should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) sha256: Sha256,
    pub(super) size: u64,
    /// Whether the store had no such bytes when the backup was made.
    pub(super) missing: bool,
}

/// A list that is being written.
pub(super) struct ListWriter {
    path: PathBuf,
    file: BufWriter<File>,
    hasher: sha2::Sha256,
}

impl ListWriter {
    pub(super) fn create(backup: &Path, name: &str) -> Result<Self, BackupError> {
        let path = backup.join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| BackupError::io("make", &path, error))?;
        Ok(Self {
            path,
            file: BufWriter::new(file),
            hasher: sha2::Sha256::new(),
        })
    }

    pub(super) fn add(&mut self, blob: &Listed) -> Result<(), BackupError> {
        let mark = if blob.missing { " missing" } else { "" };
        let line = format!("{} {}{mark}\n", blob.sha256, blob.size);
        self.hasher.update(line.as_bytes());
        self.file
            .write_all(line.as_bytes())
            .map_err(|error| BackupError::io("write", &self.path, error))
    }

    /// Brings it to the disk and gives its digest.
    pub(super) fn finish(self) -> Result<Sha256, BackupError> {
        let failed = |error| BackupError::io("write", &self.path, error);
        let file = self
            .file
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        Ok(Sha256(self.hasher.finalize().into()))
    }
}

/// A list that was found to be the one that was written.
pub(super) struct ListReader {
    path: PathBuf,
    lines: Lines<BufReader<File>>,
    digest: Sha256,
}

impl ListReader {
    /// Opens a list of a backup after comparing its digest. Blocks.
    pub(super) fn open(backup: &Path, name: &str, expected: Sha256) -> Result<Self, BackupError> {
        let path = backup.join(name);
        let failed = |error| BackupError::io("read", &path, error);
        let (digest, _) = match super::copy::digest_of(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BackupError::Damaged(format!("`{name}` is missing")));
            }
            read => read.map_err(failed)?,
        };
        if digest != expected {
            return Err(BackupError::Damaged(format!(
                "`{name}` has the digest {digest}, not {expected}"
            )));
        }
        let lines = BufReader::new(File::open(&path).map_err(failed)?).lines();
        Ok(Self {
            path,
            lines,
            digest,
        })
    }

    /// The digest of the list.
    pub(super) fn digest(&self) -> Sha256 {
        self.digest
    }
}

impl Iterator for ListReader {
    type Item = Result<Listed, BackupError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = match self.lines.next()? {
            Ok(line) => line,
            Err(error) => return Some(Err(BackupError::io("read", &self.path, error))),
        };
        Some(parse(&line).ok_or_else(|| {
            let name = self.path.display();
            BackupError::Damaged(format!("a line of `{name}` is none of ours"))
        }))
    }
}

fn parse(line: &str) -> Option<Listed> {
    let mut words = line.split(' ');
    let sha256 = words.next()?.parse().ok()?;
    let size = words.next()?.parse().ok()?;
    let missing = match (words.next(), words.next()) {
        (None, _) => false,
        (Some("missing"), None) => true,
        _ => return None,
    };
    Some(Listed {
        sha256,
        size,
        missing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written_and_no_other_way() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = [
            Listed {
                sha256: Sha256([1; 32]),
                size: 12,
                missing: false,
            },
            Listed {
                sha256: Sha256([2; 32]),
                size: u64::MAX,
                missing: true,
            },
        ];
        let mut writer = ListWriter::create(folder.path(), "list").unwrap();
        for blob in &blobs {
            writer.add(blob).unwrap();
        }
        let digest = writer.finish().unwrap();
        let found: Result<Vec<_>, _> = ListReader::open(folder.path(), "list", digest)
            .unwrap()
            .collect();
        assert_eq!(found.unwrap(), blobs);
        let refused = ListReader::open(folder.path(), "list", Sha256([0; 32])).err();
        assert!(
            matches!(refused, Some(BackupError::Damaged(_))),
            "{refused:?}"
        );
    }

    #[test]
    fn lines_of_others_are_refused() {
        for line in [
            "",
            "x 1",
            &format!("{} 1 lost", "a".repeat(64)),
            &"a".repeat(64),
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
