//! One file with the system's certificates and a company's, and the variables that make other programs
//! use it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{Certificate, roots};
use crate::state::of_file;
use crate::{Environment, Error, whole_file};

/// The variables that name a bundle to other programs, and who reads each.
const VARIABLES: &[(&str, &str)] = &[
    ("PIP_CERT", "pip"),
    (
        "REQUESTS_CA_BUNDLE",
        "requests: twine, poetry, devpi-client",
    ),
    (
        "SSL_CERT_FILE",
        "uv, OpenSSL, Python's ssl and httpx: pdm, hatch",
    ),
    ("CURL_CA_BUNDLE", "curl"),
    ("GIT_SSL_CAINFO", "git"),
    ("CARGO_HTTP_CAINFO", "cargo"),
    ("NODE_EXTRA_CA_CERTS", "node, npm"),
];

/// The lines around what is ours in a file of the shell.
const BEGIN: &str = "# >>> cheeseshop certs >>>";
const END: &str = "# <<< cheeseshop certs <<<";

/// The line between the certificates that were added and the system's.
const SYSTEM_PART: &str = "# The system's certificates";

/// The certificates of a bundle: those that were added to the system's, and these.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bundle {
    added: Vec<Certificate>,
    system: Vec<Certificate>,
}

impl Bundle {
    /// The usual file: in the user's directory of data.
    pub(crate) fn usual_path(environment: &Environment) -> Option<PathBuf> {
        Some(environment.data_home()?.join("cheeseshop/ca-bundle.pem"))
    }

    /// A bundle of the system's certificates.
    pub(crate) fn of_system(system: Vec<Certificate>) -> Self {
        Self {
            added: Vec::new(),
            system,
        }
    }

    /// The certificates that were added to an earlier bundle in this file; none when there is no such
    /// file, or it is not one of ours.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read.
    pub(crate) fn added_in(path: &Path) -> Result<Vec<Certificate>, Error> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(of_file(path, error)),
        };
        let Some((added, _)) = text.split_once(SYSTEM_PART) else {
            return Ok(Vec::new());
        };
        Ok(roots::read_bytes(added.as_bytes())
            .map(|found| found.certificates)
            .unwrap_or_default())
    }

    /// Adds a certificate. `false`: it is in the bundle already.
    pub(crate) fn add(&mut self, certificate: Certificate) -> bool {
        let is_new = !self
            .certificates()
            .any(|one| one.der() == certificate.der());
        if is_new {
            self.added.push(certificate);
        }
        is_new
    }

    /// All of them, those that were added first.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.added.iter().chain(&self.system)
    }

    /// Those that were added.
    pub(crate) fn added(&self) -> &[Certificate] {
        &self.added
    }

    /// The text of the file, the same for the same certificates.
    pub(crate) fn text(&self) -> String {
        let mut added: Vec<_> = self.added.iter().collect();
        added.sort_by(|one, other| one.der().as_ref().cmp(other.der().as_ref()));
        let mut text =
            "# Trusted certificates, made by `cheeseshop certs bundle`; the next run replaces them.\n"
                .to_owned();
        for certificate in added {
            write_pem(&mut text, certificate);
        }
        let _ = write!(text, "\n{SYSTEM_PART}\n");
        for certificate in &self.system {
            write_pem(&mut text, certificate);
        }
        text
    }

    /// Writes the file as a whole. `false`: it was so already, and nothing was written.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read or written, or is there and not one of ours.
    pub(crate) fn write(&self, path: &Path) -> Result<bool, Error> {
        // The system's own file, or somebody's work by hand, is not ours to replace.
        let is_ours = |bytes| String::from_utf8(bytes).is_ok_and(|text| text.contains(SYSTEM_PART));
        if std::fs::read(path).is_ok_and(|bytes| !is_ours(bytes)) {
            let reason = "there is another file of this name, which `certs bundle` has not made";
            return Err(of_file(path, std::io::Error::other(reason)));
        }
        write_if_changed(path, &self.text())
    }
}

/// Replaces a file, if that changes it. A link stays one.
fn write_if_changed(path: &Path, text: &str) -> Result<bool, Error> {
    match std::fs::read(path) {
        Ok(before) if before == text.as_bytes() => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(of_file(path, error)),
    }
    whole_file::replace(path, text, 0o644)?;
    Ok(true)
}

fn write_pem(text: &mut String, certificate: &Certificate) {
    // Writing to a string cannot fail. Not all programs read other letters than ASCII's in comments.
    let subject: String = certificate
        .subject
        .chars()
        .map(|letter| if letter.is_ascii() { letter } else { '?' })
        .collect();
    let _ = write!(text, "\n# {subject}\n{}", certificate.pem());
}

/// The variables that point other programs at a bundle.
#[derive(Clone, Debug)]
pub(crate) struct Exports {
    path: PathBuf,
}

impl Exports {
    /// Those for a bundle at a path.
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Each variable with its value.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, String)> {
        let value = self.path.display().to_string();
        VARIABLES
            .iter()
            .map(move |(name, _)| (*name, value.clone()))
    }

    /// Shell code, a line each, for `sh` and all that understand it.
    pub(crate) fn shell(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.variables() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "export {name}='{}'", value.replace('\'', r"'\''"));
        }
        text
    }

    /// Puts the shell code into a file (`~/.profile`), in place of what an earlier run put there.
    /// `false`: it was so already, and nothing was written.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read or written, or somebody has cut our part in two.
    pub(crate) fn write(&self, path: &Path) -> Result<bool, Error> {
        let before = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(of_file(path, error)),
        };
        let block = format!("{BEGIN}\n{}{END}\n", self.shell());
        let after = match (before.find(BEGIN), before.find(END)) {
            (Some(begin), Some(end)) if begin < end => {
                let rest = &before[end + END.len()..];
                let rest = rest.strip_prefix('\n').unwrap_or(rest);
                format!("{}{block}{rest}", &before[..begin])
            }
            (None, None) => {
                let gap = match before.as_str() {
                    "" => "",
                    text if text.ends_with('\n') => "\n",
                    _ => "\n\n",
                };
                format!("{before}{gap}{block}")
            }
            _ => {
                let reason = format!("`{BEGIN}` and `{END}` stand there, but not as a pair");
                return Err(of_file(path, std::io::Error::other(reason)));
            }
        };
        write_if_changed(path, &after)
    }
}

#[cfg(test)]
mod tests {
    use cheeseshop_test_support::CertificateAuthority;

    use super::*;

    fn authority() -> Certificate {
        roots::read_bytes(CertificateAuthority::new().pem().as_bytes())
            .unwrap()
            .certificates
            .remove(0)
    }

    #[test]
    fn a_bundle_is_written_once_and_keeps_what_was_added() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/bundle.pem");
        let (system, company, other) = (authority(), authority(), authority());
        let mut bundle = Bundle::of_system(vec![system.clone()]);
        assert!(bundle.add(company.clone()));
        assert!(!bundle.add(company.clone()) && !bundle.add(system.clone()));
        assert!(bundle.write(&path).unwrap());
        let changed = path.metadata().unwrap().modified().unwrap();
        assert!(!bundle.write(&path).unwrap());
        assert_eq!(path.metadata().unwrap().modified().unwrap(), changed);
        assert_eq!(
            Bundle::added_in(&path).unwrap(),
            std::slice::from_ref(&company)
        );
        let found = roots::read(&path).unwrap();
        assert_eq!(found.certificates, [company.clone(), system.clone()]);

        let mut one = Bundle::of_system(vec![system.clone()]);
        let mut two = one.clone();
        for certificate in [&company, &other] {
            one.add(certificate.clone());
        }
        for certificate in [&other, &company] {
            two.add(certificate.clone());
        }
        assert_eq!(one.text(), two.text(), "whatever the order");
    }

    #[test]
    fn files_that_are_not_ours_hold_nothing_that_was_added() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.pem");
        assert_eq!(Bundle::added_in(&path).unwrap(), []);
        std::fs::write(&path, authority().pem()).unwrap();
        assert_eq!(Bundle::added_in(&path).unwrap(), []);
        let bundle = Bundle::of_system(vec![authority()]);
        assert!(bundle.write(&path).is_err(), "it stays as it is");
        let der = authority().der().to_vec();
        std::fs::write(&path, &der).unwrap();
        assert!(bundle.write(&path).is_err(), "no text either");
        assert_eq!(std::fs::read(&path).unwrap(), der);
    }

    #[test]
    fn the_part_in_a_shell_file_is_replaced_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile");
        std::fs::write(&path, "alias l=ls").unwrap();
        assert!(Exports::new(Path::new("/old's")).write(&path).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("alias l=ls\n\n# >>>"), "{text}");
        assert!(text.contains(r"export PIP_CERT='/old'\''s'"), "{text}");
        std::fs::write(&path, format!("{text}alias m=more\n")).unwrap();
        assert!(Exports::new(Path::new("/new")).write(&path).unwrap());
        assert!(!Exports::new(Path::new("/new")).write(&path).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("<<<\nalias m=more\n"), "{text}");
        assert!(!text.contains("old"), "{text}");
        assert_eq!(text.matches(BEGIN).count(), 1);

        std::fs::write(&path, format!("{BEGIN}\n")).unwrap();
        assert!(Exports::new(Path::new("/new")).write(&path).is_err());
    }
}
