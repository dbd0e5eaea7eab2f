//! Unpacking a sdist or wheel that a server gave, which may be hostile: nothing is written outside the
//! folder, nothing through a link, and no more than the limits allow.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cheeseshop_packaging::archive::{TarContent, TarPacking, is_safe_path, read_tarball};
use cheeseshop_packaging::{ArchiveError, ArchiveLimits};

/// Where a tar archive says that it is one.
const TAR_MARK: std::ops::Range<usize> = 257..262;

/// Bytes that are read and written at once.
const CHUNK: usize = 64 << 10;

/// Why an archive was not unpacked. What was unpacked until then is still in the folder.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    /// It is no archive that can be unpacked here, or one that must not be.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// What an archive may take at most: 100,000 entries, 4 GiB, and above 64 MiB no more than fifty times
/// its own size.
pub(crate) fn default_limits() -> ArchiveLimits {
    ArchiveLimits {
        max_unpacked_bytes: 4 << 30,
        ..ArchiveLimits::default()
    }
}

/// Unpacks an archive (`.tar.gz`, `.tar`, `.zip`, `.whl`; known by its first bytes) into a folder,
/// which is made if it is not there and ought to be empty and nobody else's.
///
/// Who owns the files and what else their modes say is not taken over. Blocks while it works.
///
/// # Errors
/// [`UnpackError`]: an archive that is damaged, leaves the folder or is too large, a full disk.
pub(crate) fn unpack(
    archive: &Path,
    folder: &Path,
    limits: &ArchiveLimits,
) -> Result<(), UnpackError> {
    let unreadable = |error| of_file(archive, error);
    let mut file = File::open(archive).map_err(unreadable)?;
    let mut start = Vec::new();
    (&mut file)
        .take(512)
        .read_to_end(&mut start)
        .and_then(|_| file.rewind())
        .map_err(unreadable)?;
    std::fs::create_dir_all(folder).map_err(|error| of_file(folder, error))?;
    let mut target = Target {
        folder,
        links: Vec::new(),
    };
    match start.as_slice() {
        [0x1f, 0x8b, ..] => unpack_tar(file, TarPacking::Gzip, limits, &mut target)?,
        [b'P', b'K', ..] => unpack_zip(file, limits, &target)?,
        start if start.get(TAR_MARK) == Some(b"ustar") => {
            unpack_tar(file, TarPacking::None, limits, &mut target)?;
        }
        _ => {
            return Err(malformed(
                "it is neither a tar archive packed with gzip or not at all nor a ZIP file",
            )
            .into());
        }
    }
    target.make_links()
}

fn unpack_tar(
    file: File,
    packing: TarPacking,
    limits: &ArchiveLimits,
    target: &mut Target<'_>,
) -> Result<(), UnpackError> {
    read_tarball(file, packing, limits, &mut |path, content| match content {
        TarContent::Folder => target.folder(path),
        TarContent::File {
            is_executable,
            modified,
            content,
        } => {
            let mut file = target.file(path, is_executable)?;
            copy(content, &mut file, path)?;
            // Builds compare times of sources and of what was made of them.
            let modified = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(modified));
            if let Some(modified) = modified {
                // Times that the file system does not know are not worth an error.
                let _ = file.set_modified(modified);
            }
            Ok(())
        }
        TarContent::SameAs(other) => target.hard_link(path, other),
        TarContent::Link(to) => {
            target.links.push((path.to_owned(), to.to_owned()));
            Ok(())
        }
    })
}

fn unpack_zip(file: File, limits: &ArchiveLimits, target: &Target<'_>) -> Result<(), UnpackError> {
    let packed = file.metadata().map_or(0, |metadata| metadata.len());
    let mut archive =
        zip::ZipArchive::new(BufReader::new(file)).map_err(|error| malformed(error.to_string()))?;
    if archive.len() as u64 > limits.max_entries {
        let reason = format!("it has more than {} entries", limits.max_entries);
        return Err(ArchiveError::LimitExceeded(reason).into());
    }
    let mut unpacked = 0_u64;
    for position in 0..archive.len() {
        let mut entry = archive
            .by_index(position)
            .map_err(|error| malformed(error.to_string()))?;
        let name = entry
            .name()
            .map_err(|error| malformed(error.to_string()))?
            .into_owned();
        let path = name.trim_end_matches('/');
        // The types that a Unix mode can tell: where a link or a device would lead is nobody's to say.
        let kind = entry.unix_mode().unwrap_or_default() & 0o170_000;
        if !is_safe_path(path) || !matches!(kind, 0 | 0o100_000 | 0o040_000) {
            return Err(ArchiveError::UnsafeEntry(name).into());
        }
        if name.ends_with('/') {
            target.folder(path)?;
            continue;
        }
        // What the directory says of sizes may be a lie: what comes out is counted too.
        let left = allowed(packed, limits).saturating_sub(unpacked);
        let is_executable = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        let mut file = target.file(path, is_executable)?;
        unpacked += copy(&mut (&mut entry).take(left + 1), &mut file, path)?;
        if unpacked > allowed(packed, limits) {
            let reason = "it unpacks to more than is allowed".to_owned();
            return Err(ArchiveError::LimitExceeded(reason).into());
        }
    }
    Ok(())
}

/// How much an archive of so many bytes may unpack to.
fn allowed(packed: u64, limits: &ArchiveLimits) -> u64 {
    let by_ratio = packed.saturating_mul(limits.max_ratio).max(64 << 20);
    by_ratio.min(limits.max_unpacked_bytes)
}

/// The folder that is being filled. Nobody else writes there, and links are made when all else is there:
/// so no path leads through one.
struct Target<'a> {
    folder: &'a Path,
    /// Paths and where they lead.
    links: Vec<(String, String)>,
}

impl Target<'_> {
    /// Makes a folder and those that it lies in.
    fn folder(&self, path: &str) -> Result<(), UnpackError> {
        let mut made = self.folder.to_owned();
        for part in path.split('/') {
            made.push(part);
            match made.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => return Err(ambiguous(path)),
                Err(_) => std::fs::create_dir(&made).map_err(|error| of_file(&made, error))?,
            }
        }
        Ok(())
    }

    /// The place of an entry, its folder made; a file that is there already gives way, as with `tar`.
    fn place(&self, path: &str) -> Result<PathBuf, UnpackError> {
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folder(folder)?;
        }
        let place = self.folder.join(path);
        match place.symlink_metadata() {
            Err(_) => Ok(place),
            Ok(metadata) if metadata.is_file() => {
                std::fs::remove_file(&place).map_err(|error| of_file(&place, error))?;
                Ok(place)
            }
            Ok(_) => Err(ambiguous(path)),
        }
    }

    fn file(&self, path: &str, is_executable: bool) -> Result<File, UnpackError> {
        let place = self.place(path)?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(if is_executable { 0o777 } else { 0o666 })
            .open(&place)
            .map_err(|error| of_file(&place, error))
    }

    fn hard_link(&self, path: &str, other: &str) -> Result<(), UnpackError> {
        let original = self.folder.join(other);
        let is_file = original
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_file());
        if !is_file || path == other {
            return Err(
                malformed(format!("`{path}` is to be `{other}`, which is not there")).into(),
            );
        }
        let place = self.place(path)?;
        std::fs::hard_link(&original, &place).map_err(|error| of_file(&place, error))
    }

    /// Makes the symbolic links; where they lead was looked at when they were read.
    fn make_links(&self) -> Result<(), UnpackError> {
        for (path, to) in &self.links {
            let place = self.place_of_link(path)?;
            std::os::unix::fs::symlink(to, &place).map_err(|error| of_file(&place, error))?;
        }
        Ok(())
    }

    /// As [`Target::place`], but an earlier link of the same path gives way too.
    fn place_of_link(&self, path: &str) -> Result<PathBuf, UnpackError> {
        let place = self.folder.join(path);
        if place.is_symlink() {
            std::fs::remove_file(&place).map_err(|error| of_file(&place, error))?;
        }
        self.place(path)
    }
}

/// Copies the content of an entry. Trouble with the archive and trouble with the disk are two things.
fn copy(content: &mut dyn Read, file: &mut File, path: &str) -> Result<u64, UnpackError> {
    let mut buffer = vec![0; CHUNK];
    let mut copied = 0;
    loop {
        let read = match content.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(malformed(format!("`{path}`: {error}")).into()),
        };
        file.write_all(&buffer[..read])
            .map_err(|error| of_file(Path::new(path), error))?;
        copied += read as u64;
    }
}

fn malformed(reason: impl Into<String>) -> ArchiveError {
    ArchiveError::Malformed(reason.into())
}

fn ambiguous(path: &str) -> UnpackError {
    malformed(format!("`{path}` is a file and a folder or link at once")).into()
}

fn of_file(path: &Path, error: io::Error) -> UnpackError {
    UnpackError::File {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests;
