//! Secrets that a layout points at.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::Environment;

/// No password is longer.
const LARGEST_SECRET_BYTES: u64 = 64 << 10;

/// Where a secret stands that the layout does not spell out itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The first line of a file; relative to the layout file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl SecretSource {
    /// Reads it. Paths begin at `folder`, or with `~` at the home.
    ///
    /// # Errors
    /// A variable that is not set, a file that cannot be read or has an empty first line.
    pub fn read(&self, folder: &Path, environment: &Environment) -> Result<SecretString, String> {
        match self {
            Self::Variable(name) => environment
                .get(name)
                .map(SecretString::from)
                .ok_or_else(|| format!("the variable {name} is not set")),
            Self::File(path) => {
                let path = match path.strip_prefix("~") {
                    Ok(rest) => environment.home().unwrap_or_default().join(rest),
                    Err(_) => folder.join(path),
                };
                let mut text = String::new();
                std::fs::File::open(&path)
                    .and_then(|file| file.take(LARGEST_SECRET_BYTES).read_to_string(&mut text))
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                match text.lines().next() {
                    Some(line) if !line.is_empty() => Ok(line.into()),
                    _ => Err(format!("{}: the first line is empty", path.display())),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn secrets_come_from_variables_and_from_files_beside_the_layout() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pw"), "first\nsecond\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\nsecond\n").unwrap();
        let home = folder.path().to_str().unwrap();
        let environment =
            Environment::of(&[("PW", "from-variable"), ("HOME", home)], Path::new("/"));
        let read = |source: SecretSource| {
            let secret = SecretSource::read(&source, folder.path(), &environment)?;
            Ok::<_, String>(secret.expose_secret().to_owned())
        };
        let file = |path: &str| SecretSource::File(path.into());
        assert_eq!(
            read(SecretSource::Variable("PW".into())).unwrap(),
            "from-variable"
        );
        assert_eq!(read(file("pw")).unwrap(), "first");
        assert_eq!(read(file("~/pw")).unwrap(), "first");
        let error = read(SecretSource::Variable("NONE".into())).unwrap_err();
        assert_eq!(error, "the variable NONE is not set");
        assert!(
            read(file("empty"))
                .unwrap_err()
                .ends_with("the first line is empty")
        );
        assert!(read(file("none")).unwrap_err().contains("No such file"));
    }
}
