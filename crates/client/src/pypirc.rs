//! `.pypirc`: other servers, by the names that their users gave them. Also the reader of that kind
//! of file (`setup.cfg` is one).

use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Another server, as a section of `.pypirc` has it. Prints without the password.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    /// Where files are uploaded to.
    pub url: Option<String>,
    /// Who uploads.
    pub username: String,
    /// The password; `None`: it is to be asked for.
    pub password: Option<SecretString>,
}

/// Why a section of `.pypirc` says nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PypircError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The section is not there.
    #[error("there is no such section in {}", path.display())]
    NoSection {
        /// The file.
        path: PathBuf,
    },
    /// The section has no `username`.
    #[error("it has no username in {}", path.display())]
    NoUsername {
        /// The file.
        path: PathBuf,
    },
}

impl Repository {
    /// Reads a section of a `.pypirc`.
    ///
    /// # Errors
    /// [`PypircError`]
    pub(crate) fn read(path: &Path, name: &str) -> Result<Self, PypircError> {
        let text = std::fs::read_to_string(path).map_err(|error| PypircError::File {
            path: path.to_owned(),
            error,
        })?;
        let path = path.to_owned();
        let Some(section) = Section::find(&text, name) else {
            return Err(PypircError::NoSection { path });
        };
        let text = |key| section.get(key).map(str::to_owned);
        Ok(Self {
            url: text("repository").filter(|url| !url.is_empty()),
            username: text("username").ok_or(PypircError::NoUsername { path })?,
            password: text("password").map(SecretString::from),
        })
    }
}

/// A section of a file of the kind of `setup.cfg`: its keys with their values. Prints without these.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Section(Vec<(String, String)>);

impl std::fmt::Debug for Section {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys = self.0.iter().map(|(key, _)| key);
        formatter.debug_list().entries(keys).finish()
    }
}

impl Section {
    /// The section of that name. Comments are whole lines, since passwords may have `#` and `;` in
    /// them; lines that are indented go on with the value before.
    pub(crate) fn find(text: &str, name: &str) -> Option<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut found: Option<Self> = None;
        let mut is_inside = false;
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            let is_indented = line.starts_with([' ', '\t']);
            if let Some(header) = trimmed.strip_prefix('[').filter(|_| !is_indented) {
                is_inside = header.split(']').next().map(str::trim) == Some(name);
                if is_inside {
                    found.get_or_insert_default();
                }
                continue;
            }
            let Some(section) = found.as_mut().filter(|_| is_inside) else {
                continue;
            };
            if let Some((_, value)) = section.0.last_mut().filter(|_| is_indented) {
                if !value.is_empty() {
                    value.push('\n');
                }
                value.push_str(trimmed);
            } else {
                let (key, value) = trimmed.split_once(['=', ':']).unwrap_or((trimmed, ""));
                let pair = (key.trim().to_ascii_lowercase(), value.trim().to_owned());
                section.0.push(pair);
            }
        }
        found
    }

    /// The value of a key, whatever the case it is written in.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let mut pairs = self.0.iter().rev();
        pairs
            .find(|(known, _)| known == key)
            .map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    const TEXT: &str = "\
[distutils]
index-servers =
    partner
    other

# [partner]
[partner]
Repository: http://partner.test/?a=b
username = bob
password = p#w;%d = x

[other]
username=eve
";

    fn read(name: &str) -> Result<Repository, PypircError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(TEXT.as_bytes()).unwrap();
        Repository::read(file.path(), name)
    }

    #[test]
    fn a_section_names_a_server() {
        let partner = read("partner").unwrap();
        assert_eq!(partner.url.as_deref(), Some("http://partner.test/?a=b"));
        assert_eq!(partner.username, "bob");
        assert_eq!(partner.password.unwrap().expose_secret(), "p#w;%d = x");
        let other = read("other").unwrap();
        assert_eq!((other.url, other.username.as_str()), (None, "eve"));
        assert!(other.password.is_none());
    }

    #[test]
    fn what_is_missing_is_told() {
        assert!(matches!(read("nobody"), Err(PypircError::NoSection { .. })));
        let error = read("distutils").unwrap_err();
        assert!(matches!(error, PypircError::NoUsername { .. }));
        let missing = Repository::read(Path::new("/no/such/file"), "x");
        assert!(matches!(missing, Err(PypircError::File { .. })));
    }

    #[test]
    fn values_go_on_in_indented_lines() {
        let section = Section::find(TEXT, "distutils").unwrap();
        assert_eq!(section.get("index-servers"), Some("partner\nother"));
    }
}
