//! A file that pages name, ready to be sent.

use std::fmt;
use std::fmt::Write as _;

use bytes::Bytes;
use cheeseshop_app::pages::{Encoding, encoded};
use http::HeaderValue;
use sha2::{Digest as _, Sha256};

use super::theme::FileType;

/// A file that pages name.
pub(crate) struct Asset {
    pub(super) name: String,
    pub(super) file_type: &'static FileType,
    pub(super) digest: String,
    identity: Bytes,
    /// Compressed, where that makes it smaller.
    packed: Vec<(Encoding, Bytes)>,
}

impl Asset {
    pub(super) fn new(name: String, file_type: &'static FileType, bytes: Vec<u8>) -> Self {
        let identity = Bytes::from(bytes);
        let encodings: &[Encoding] = if file_type.is_text() {
            &[Encoding::Gzip, Encoding::Zstd]
        } else {
            &[]
        };
        let packed = encodings
            .iter()
            .map(|encoding| (*encoding, encoded(&identity, *encoding)))
            .filter(|(_, packed)| packed.len() < identity.len())
            .collect();
        Self {
            digest: hexadecimal(&Sha256::digest(&identity)),
            name,
            file_type,
            identity,
            packed,
        }
    }

    /// Whether what is sent depends on what the client understands.
    pub(super) fn varies(&self) -> bool {
        !self.packed.is_empty()
    }

    /// The bytes in the encoding that is wanted, or as they are.
    pub(super) fn body(&self, wanted: Encoding) -> (Encoding, Bytes) {
        let found = self.packed.iter().find(|(encoding, _)| *encoding == wanted);
        found
            .cloned()
            .unwrap_or((Encoding::Identity, self.identity.clone()))
    }

    /// The strong entity tag of an encoding, in quotes.
    pub(super) fn etag(&self, encoding: Encoding) -> String {
        let suffix = match encoding {
            Encoding::Identity => "",
            Encoding::Gzip => "-g",
            Encoding::Zstd => "-z",
        };
        format!("\"{}{suffix}\"", &self.digest[..32])
    }

    pub(super) fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static(self.file_type.content_type)
    }
}

impl fmt::Debug for Asset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.name, self.digest)
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
