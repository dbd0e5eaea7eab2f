//! What wheels and sdists have in common: core metadata, names, digests.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// A distribution file as it would lie on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltFile {
    /// File name.
    pub name: String,
    /// The whole file.
    pub bytes: Bytes,
    /// SHA-256 of the bytes in lower-case hexadecimal.
    pub sha256: String,
    /// The core metadata inside, as the builder meant it (defects aside).
    pub metadata: String,
    /// Project name as written.
    pub project: String,
    /// Version as written.
    pub version: String,
    /// `Requires-Python`, when set.
    pub requires_python: Option<String>,
}

impl BuiltFile {
    /// Writes the file into a directory and returns its path.
    pub fn write_to(&self, directory: &std::path::Path) -> std::path::PathBuf {
        let path = directory.join(&self.name);
        std::fs::write(&path, &self.bytes).expect("the test directory is writable");
        path
    }

    /// Number of bytes.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// The core metadata of one release; shared by both builders.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    /// `Metadata-Version`.
    pub(crate) format: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) requires_python: Option<String>,
    /// Further header lines in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) description: Option<String>,
}

impl Metadata {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            format: "2.4".to_owned(),
            name: name.to_owned(),
            version: "1.0".to_owned(),
            requires_python: None,
            headers: Vec::new(),
            description: None,
        }
    }

    pub(crate) fn text(&self) -> String {
        use std::fmt::Write;
        let mut text = format!(
            "Metadata-Version: {}\nName: {}\nVersion: {}\n",
            self.format, self.name, self.version
        );
        if let Some(requires) = &self.requires_python {
            writeln!(text, "Requires-Python: {requires}").unwrap();
        }
        for (key, value) in &self.headers {
            writeln!(text, "{key}: {value}").unwrap();
        }
        if let Some(description) = &self.description {
            write!(text, "\n{description}").unwrap();
        }
        text
    }

    /// The name as file names spell it: normalized, with underscores.
    pub(crate) fn escaped_name(&self) -> String {
        escape(&self.name)
    }

    pub(crate) fn built(self, name: String, bytes: Vec<u8>) -> BuiltFile {
        BuiltFile {
            name,
            sha256: hex(&Sha256::digest(&bytes)),
            metadata: self.text(),
            bytes: bytes.into(),
            project: self.name,
            version: self.version,
            requires_python: self.requires_python,
        }
    }
}

/// The setters that both builders offer. A macro because the two share no type, and a trait
/// would have to be imported by every test.
macro_rules! metadata_setters {
    () => {
        /// Sets the version; `1.0` otherwise.
        #[must_use]
        pub fn version(mut self, version: &str) -> Self {
            self.metadata.version = version.to_owned();
            self
        }

        /// Sets the version of the metadata format; `2.4` otherwise.
        #[must_use]
        pub fn metadata_version(mut self, version: &str) -> Self {
            self.metadata.format = version.to_owned();
            self
        }

        /// Sets `Requires-Python`.
        #[must_use]
        pub fn requires_python(mut self, specifier: &str) -> Self {
            self.metadata.requires_python = Some(specifier.to_owned());
            self
        }

        /// Adds a `Requires-Dist`.
        #[must_use]
        pub fn requires_dist(self, requirement: &str) -> Self {
            self.header("Requires-Dist", requirement)
        }

        /// Sets the one-line description.
        #[must_use]
        pub fn summary(self, summary: &str) -> Self {
            self.header("Summary", summary)
        }

        /// Adds a line to the core metadata.
        #[must_use]
        pub fn header(mut self, key: &str, value: &str) -> Self {
            let line = (key.to_owned(), value.to_owned());
            self.metadata.headers.push(line);
            self
        }

        /// Sets the long description, the body of the core metadata.
        #[must_use]
        pub fn description(mut self, text: &str) -> Self {
            self.metadata.description = Some(text.to_owned());
            self
        }

        /// Uses this file name whatever the rest says.
        #[must_use]
        pub fn filename(mut self, name: &str) -> Self {
            self.filename = Some(name.to_owned());
            self
        }
    };
}
pub(crate) use metadata_setters;

/// The normalized name (PEP 503) with underscores, as file names carry it.
pub(crate) fn escape(name: &str) -> String {
    normalize(name).replace('-', "_")
}

/// The normalized name (PEP 503). Written out here because the crate under test must not be the
/// one that says what is right.
pub(crate) fn normalize(name: &str) -> String {
    let mut normalized = String::with_capacity(name.len());
    for part in name.split(['-', '_', '.']).filter(|part| !part.is_empty()) {
        if !normalized.is_empty() {
            normalized.push('-');
        }
        normalized.push_str(&part.to_ascii_lowercase());
    }
    normalized
}

/// The digest as RECORD spells it.
pub(crate) fn record_digest(bytes: &[u8]) -> String {
    format!("sha256={}", URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)))
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalized_as_pep_503_says() {
        for (written, normalized) in [("Flask", "flask"), ("a__b.-c", "a-b-c"), ("x", "x")] {
            assert_eq!(normalize(written), normalized);
        }
    }
}
