//! Looking at the bytes of an upload before they are kept. Blocks; runs on a blocking thread.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;

use blake2::Blake2b;
use blake2::digest::consts::U32;
use cheeseshop_packaging::archive::{ArchiveError, ArchiveLimits, sdist, wheel};
use cheeseshop_packaging::metadata::check_consistent;
use cheeseshop_packaging::{CoreMetadata, FileKind, FileName, Sha256, UploadForm};
use md5::Md5;
use sha2::Digest;

use crate::Error;

/// Bytes per read while digests are computed.
const CHUNK: usize = 256 * 1024;

/// What is to be looked at.
pub(crate) struct Received {
    pub(crate) path: PathBuf,
    pub(crate) name: FileName,
    pub(crate) sha256: Sha256,
    pub(crate) form: UploadForm,
    pub(crate) archive: ArchiveLimits,
    /// Whether a damaged archive is an error; if not, it just tells nothing.
    pub(crate) verify: bool,
}

/// What the file says about itself.
#[derive(Default)]
pub(crate) struct Found {
    /// The core metadata of a wheel, byte for byte: served beside the file.
    pub(crate) document: Option<Vec<u8>>,
    /// The core metadata of a wheel or sdist.
    pub(crate) metadata: Option<CoreMetadata>,
}

impl Received {
    /// Checks digests and archive against the form.
    pub(crate) fn inspect(&self) -> Result<Found, Error> {
        self.check_digests()?;
        let Some(document) = self.document()? else {
            return Ok(Found::default());
        };
        let metadata = CoreMetadata::parse(&document)
            .and_then(|metadata| check_consistent(&self.form, &metadata).map(|()| metadata));
        let metadata = match metadata {
            Ok(metadata) => Some(metadata),
            Err(error) if self.verify => return Err(self.refused(&error)),
            Err(_) => None,
        };
        Ok(Found {
            document: (self.name.kind() == FileKind::Wheel).then_some(document),
            metadata,
        })
    }

    /// What the file says about itself: for files that were published elsewhere and are only
    /// passed on.
    pub(crate) fn read_metadata(&self) -> Result<Found, Error> {
        let document = self.document()?;
        Ok(Found {
            metadata: document
                .as_deref()
                .and_then(|document| CoreMetadata::parse(document).ok()),
            document: document.filter(|_| self.name.kind() == FileKind::Wheel),
        })
    }

    /// The document inside the archive, after the archive was checked.
    fn document(&self) -> Result<Option<Vec<u8>>, Error> {
        match self.name.kind() {
            FileKind::Wheel => self.judged(
                wheel::inspect(self.open()?, &self.name, &self.archive)
                    .map(|contents| Some(contents.metadata)),
            ),
            FileKind::Sdist => self.judged(
                sdist::inspect(self.open()?, &self.name, &self.archive)
                    .map(|contents| contents.metadata),
            ),
            FileKind::Other => Ok(None),
        }
    }

    fn judged(
        &self,
        inspected: Result<Option<Vec<u8>>, ArchiveError>,
    ) -> Result<Option<Vec<u8>>, Error> {
        match inspected {
            Ok(document) => Ok(document),
            Err(ArchiveError::Io(error)) => Err(Error::internal(error)),
            Err(error) if self.verify => Err(self.refused(&error)),
            Err(_) => Ok(None),
        }
    }

    fn refused(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Invalid(format!("invalid file `{}`: {error}", self.name))
    }

    /// Checks the one digest that is known without reading the bytes again.
    pub(crate) fn check_sha256(&self) -> Result<(), Error> {
        match self.form.sha256_digest() {
            Some(sent) => compare("sha256", sent, &self.sha256.to_string()),
            None => Ok(()),
        }
    }

    /// Checks all digests that were sent; reads the bytes once more for those beside SHA-256.
    pub(crate) fn check_digests(&self) -> Result<(), Error> {
        self.check_sha256()?;
        let md5 = self.form.md5_digest();
        let blake2 = self.form.blake2_256_digest();
        if md5.is_none() && blake2.is_none() {
            return Ok(());
        }
        let mut md5 = md5.map(|sent| (sent, Md5::new()));
        let mut blake2 = blake2.map(|sent| (sent, Blake2b::<U32>::new()));
        let mut file = File::open(&self.path).map_err(Error::internal)?;
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = file.read(&mut chunk).map_err(Error::internal)?;
            if read == 0 {
                break;
            }
            if let Some((_, hasher)) = &mut md5 {
                hasher.update(&chunk[..read]);
            }
            if let Some((_, hasher)) = &mut blake2 {
                hasher.update(&chunk[..read]);
            }
        }
        if let Some((sent, hasher)) = md5 {
            compare_md5(sent, &hasher.finalize())?;
        }
        if let Some((sent, hasher)) = blake2 {
            compare("blake2_256", sent, &hex(&hasher.finalize()))?;
        }
        Ok(())
    }

    pub(super) fn open(&self) -> Result<BufReader<File>, Error> {
        File::open(&self.path)
            .map(|file| BufReader::with_capacity(64 * 1024, file))
            .map_err(Error::internal)
    }
}

/// MD5 comes in hexadecimal from most tools and in URL-safe base64 from some (Warehouse takes
/// both).
fn compare_md5(sent: &str, digest: &[u8]) -> Result<(), Error> {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    if sent.len() != 32 && sent.trim_end_matches('=') == URL_SAFE_NO_PAD.encode(digest) {
        return Ok(());
    }
    compare("md5", sent, &hex(digest))
}

fn compare(algorithm: &str, sent: &str, received: &str) -> Result<(), Error> {
    if sent.trim().eq_ignore_ascii_case(received) {
        return Ok(());
    }
    let sent: String = sent.chars().filter(|c| !c.is_control()).take(200).collect();
    Err(Error::Invalid(format!(
        "the file's {algorithm} digest is {received}, but the form says {sent}"
    )))
}

fn hex(digest: &[u8]) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_compared_whatever_their_case() {
        assert!(compare("sha256", "ABCD", "abcd").is_ok());
        let error = compare("sha256", "abce", "abcd").unwrap_err().to_string();
        assert_eq!(
            error,
            "the file's sha256 digest is abcd, but the form says abce"
        );
    }

    #[test]
    fn md5_is_understood_in_both_spellings() {
        let digest = Md5::digest(b"abc");
        assert!(compare_md5("900150983cd24fb0d6963f7d28e17f72", &digest).is_ok());
        assert!(compare_md5("kAFQmDzST7DWlj99KOF_cg", &digest).is_ok());
        assert!(compare_md5("kAFQmDzST7DWlj99KOF_cg==", &digest).is_ok());
        assert!(compare_md5("kAFQmDzST7DWlj99KOF_ch", &digest).is_err());
    }
}
