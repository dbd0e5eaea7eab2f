//! Where a file stands below its index: `+f/7f0/c4e99b310b917/NAME` or `+e/http_h_4190_files/NAME`.

use std::fmt;

use cheeseshop_packaging::{
    filename::{FileName, FileNameError},
    hash::{Hashes, Sha256},
};
use url::Url;

/// How many hex digits of the digest name the first directory.
const FIRST: usize = 3;
/// How many hex digits of the digest name both directories.
const BOTH: usize = 16;

/// Which of the two areas of an index a file stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileArea {
    /// `+f`: files with a digest known beforehand.
    Hashed,
    /// `+e`: files of an upstream that announced no digest.
    External,
}

impl FileArea {
    /// The path segment.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hashed => "+f",
            Self::External => "+e",
        }
    }
}

/// The place of a file below its index.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePath {
    area: FileArea,
    /// For `+f` the 16 digits without the slash.
    directory: String,
    name: FileName,
}

impl FilePath {
    /// The place of a file of a hosted index.
    pub fn of_sha256(sha256: &Sha256, name: FileName) -> Self {
        Self::of_digest(&sha256.to_string(), name)
    }

    /// The place of a mirror's file: by the digest that the upstream announced, SHA-256 preferred, else by
    /// its address there.
    pub fn of_upstream(hashes: &Hashes, url: &Url, name: FileName) -> Self {
        match hashes.best() {
            Some((_, digest)) => Self::of_digest(digest, name),
            None => Self {
                area: FileArea::External,
                directory: external_dirname(url),
                name,
            },
        }
    }

    fn of_digest(digest: &str, name: FileName) -> Self {
        Self {
            area: FileArea::Hashed,
            directory: digest.chars().take(BOTH).collect(),
            name,
        }
    }

    /// Reads the part of a URL after `+f/`: the two directories and the name, decoded.
    pub fn parse_hashed(first: &str, second: &str, name: &str) -> Result<Self, FilePathError> {
        let is_hex = |text: &str| {
            text.bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        if first.len() != FIRST || second.len() != BOTH - FIRST || !is_hex(first) || !is_hex(second)
        {
            return Err(FilePathError::Directory);
        }
        Ok(Self {
            area: FileArea::Hashed,
            directory: format!("{first}{second}"),
            name: FileName::parse(name)?,
        })
    }

    /// Reads the part of a URL after `+e/`: the directory and the name, decoded.
    pub fn parse_external(directory: &str, name: &str) -> Result<Self, FilePathError> {
        if directory.is_empty() || !directory.chars().all(is_plain) || !directory.contains('_') {
            return Err(FilePathError::Directory);
        }
        Ok(Self {
            area: FileArea::External,
            directory: directory.to_owned(),
            name: FileName::parse(name)?,
        })
    }

    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Result<Self, FilePathError> {
        let parts: Vec<_> = text.split('/').collect();
        match parts[..] {
            ["+f", first, second, name] => Self::parse_hashed(first, second, name),
            ["+e", directory, name] => Self::parse_external(directory, name),
            _ => Err(FilePathError::Directory),
        }
    }

    /// The area.
    pub fn area(&self) -> FileArea {
        self.area
    }

    /// The file's base name.
    pub fn name(&self) -> &FileName {
        &self.name
    }

    /// The first 16 hex digits of the digest; `None` in `+e`.
    pub fn hash_prefix(&self) -> Option<&str> {
        match self.area {
            FileArea::Hashed => Some(&self.directory),
            FileArea::External => None,
        }
    }
}

/// The path below the index, not percent-encoded.
impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.area.as_str())?;
        match self.area {
            FileArea::Hashed => {
                let (first, second) = self.directory.split_at(FIRST.min(self.directory.len()));
                write!(f, "{first}/{second}")?;
            }
            FileArea::External => f.write_str(&self.directory)?,
        }
        write!(f, "/{}", self.name.as_str())
    }
}

/// Why a text is no place of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilePathError {
    /// Directories that no file is ever put in.
    #[error("no such directory")]
    Directory,
    /// A name that no file ever has.
    #[error(transparent)]
    Name(#[from] FileNameError),
}

/// The directory below `+e` for an upstream URL: scheme, host and port, and directory joined with `_`, all
/// but ASCII letters, digits, `_`, `.` and `-` replaced. Credentials and query have no part in it.
pub fn external_dirname(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}"));
    let mut dirname = format!("{}_{host}{}", url.scheme(), port.unwrap_or_default());
    let directory = url
        .path()
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory);
    let directory = directory.trim_matches('/');
    if !directory.is_empty() {
        dirname.push('_');
        dirname.push_str(directory);
    }
    let plain = |character| if is_plain(character) { character } else { '_' };
    dirname.chars().map(plain).collect()
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "7f0c4e99b310b917aaaabbbbccccdddd7f0c4e99b310b917aaaabbbbccccdddd";

    fn name(text: &str) -> FileName {
        FileName::parse(text).unwrap()
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn files_with_a_digest_stand_below_its_first_digits() {
        let sha256: Sha256 = DIGEST.parse().unwrap();
        let path = FilePath::of_sha256(&sha256, name("mypkg-1.0-py3-none-any.whl"));
        let text = "+f/7f0/c4e99b310b917/mypkg-1.0-py3-none-any.whl";
        assert_eq!(path.to_string(), text);
        assert_eq!(path.hash_prefix(), Some("7f0c4e99b310b917"));
        assert_eq!(path.area(), FileArea::Hashed);
        assert_eq!(FilePath::parse(text).unwrap(), path);
    }

    #[test]
    fn a_mirrors_files_stand_below_the_announced_digest_or_their_address() {
        let file = url("http://h:4190/files/p-1.0.tar.gz");
        for (fragment, expected) in [
            (
                format!("sha256={DIGEST}"),
                "+f/7f0/c4e99b310b917/p-1.0.tar.gz",
            ),
            (
                format!("md5=0123456789abcdef0123456789abcdef&sha256={DIGEST}"),
                "+f/7f0/c4e99b310b917/p-1.0.tar.gz",
            ),
            (
                "md5=0123456789abcdef0123456789abcdef".to_owned(),
                "+f/012/3456789abcdef/p-1.0.tar.gz",
            ),
            (String::new(), "+e/http_h_4190_files/p-1.0.tar.gz"),
        ] {
            let hashes = Hashes::parse_fragment(&fragment);
            let path = FilePath::of_upstream(&hashes, &file, name("p-1.0.tar.gz"));
            assert_eq!(path.to_string(), expected);
            assert_eq!(FilePath::parse(expected).unwrap(), path);
        }
    }

    #[test]
    fn directories_of_addresses_are_plain_and_hold_no_secret() {
        for (text, expected) in [
            ("http://h:4190/files/p-1.0.tar.gz", "http_h_4190_files"),
            ("https://h.example/a/b%20c/p.whl", "https_h.example_a_b_20c"),
            ("https://u:pw@h.example/a/p.whl?t=s#x", "https_h.example_a"),
            ("https://h.example/p.whl", "https_h.example"),
            ("http://[::1]:80/x/p.whl", "http____1__x"),
        ] {
            assert_eq!(external_dirname(&url(text)), expected, "{text}");
        }
    }

    #[test]
    fn paths_that_lead_nowhere_are_refused() {
        for text in [
            "",
            "+f",
            "+f/7f0/c4e99b310b917",
            "+f/7f0/c4e99b310b91/x.whl",
            "+f/7F0/c4e99b310b917/x.whl",
            "+f/7f0/c4e99b310b917/../x.whl",
            "+f/../c4e99b310b917/x.whl",
            "+f/7f0/c4e99b310b917/..",
            "+f/7f0/c4e99b310b917/.hidden",
            "+f/7f0/c4e99b310b917/",
            "+e/../x.whl",
            "+e//x.whl",
            "+e/a b_c/x.whl",
            "+e/http_h/..",
            "+x/http_h/x.whl",
            "+f/é0/c4e99b310b917/x.whl",
        ] {
            assert!(FilePath::parse(text).is_err(), "{text:?}");
        }
    }
}
