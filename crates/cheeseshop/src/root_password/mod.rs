//! The password that a first start gives to `root`: from a file, or made up and told to whoever may know it.

mod kept;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{Config, PrintRootPassword};
use crate::failure::Failure;
use crate::output;

pub(crate) use self::kept::KeptPassword;

/// The setting that names the file.
const SETTING: &str = "auth.root_password_file";

/// Letters of made-up passwords: none that looks like another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Length of made-up passwords: 32 letters to the power of 20 are 100 bits.
const LENGTH: usize = 20;

/// Fewer characters than this are too few.
const SHORTEST: usize = 8;

/// Fewer different characters than this are guessed.
const FEWEST_DIFFERENT: usize = 4;

/// What is longer, in bytes, is another file, not a password.
const LONGEST: usize = 1024;

/// What is tried first by those who guess. The shorter ones are refused as such.
const WELL_KNOWN: &[&str] = &[
    "12345678",
    "123456789",
    "1234567890",
    "administrator",
    "changeit",
    "changeme",
    "cheeseshop",
    "password",
    "password1",
    "passw0rd",
    "qwertyuiop",
    "root-password",
    "rootpassword",
];

/// Where the password comes from, as the settings have it.
#[derive(Debug)]
pub(crate) struct RootPassword {
    /// The file that is named; looked at only when it is needed.
    file: Result<Option<PathBuf>, Failure>,
    is_printed: bool,
}

/// The password of a `root` that is being made.
pub(crate) struct FirstPassword {
    password: SecretString,
    told: Told,
}

/// Who gets to know it, and how.
enum Told {
    /// Somebody knows it already.
    Given,
    /// By the output.
    Printed,
    /// By this file.
    Kept(KeptPassword),
}

impl RootPassword {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            file: config.late_path(SETTING),
            is_printed: match config.print_root_password {
                PrintRootPassword::OnTerminal => output::is_terminal(),
                PrintRootPassword::Always => true,
                PrintRootPassword::Never => false,
            },
        }
    }

    /// The password in the file that is named, if one is.
    pub(crate) fn given(&self) -> Result<Option<SecretString>, Failure> {
        match &self.file {
            Ok(None) => Ok(None),
            Ok(Some(file)) => read(file).map(Some).map_err(|trouble| {
                Failure::could_not_try(format!("`{SETTING}`: {}: {trouble}", file.display()))
                    .with_hint(
                        "it is needed once, to make the user `root`; without the setting a password is made up",
                    )
            }),
            Err(failure) => Err(failure.clone()),
        }
    }

    /// Gets or makes up the password. One that is not printed is in its file before it counts.
    pub(crate) fn for_first_start(&self, data: &Path) -> Result<FirstPassword, Failure> {
        if let Some(password) = self.given()? {
            let told = Told::Given;
            return Ok(FirstPassword { password, told });
        }
        let password = make_up()?;
        let told = if self.is_printed {
            Told::Printed
        } else {
            let kept = self.kept(data);
            kept.write(&password).map_err(|error| {
                Failure::could_not_try(format!(
                    "the password of root cannot be written to {}: {error}",
                    kept.path().display()
                ))
            })?;
            Told::Kept(kept)
        };
        Ok(FirstPassword { password, told })
    }

    /// Where a made-up password is kept that is not printed.
    pub(crate) fn kept(&self, data: &Path) -> KeptPassword {
        KeptPassword::new(data, self.file.clone().ok().flatten())
    }
}

impl FirstPassword {
    pub(crate) fn password(&self) -> &SecretString {
        &self.password
    }

    /// It did not become that of `root`.
    pub(crate) fn withdraw(&self) {
        if let Told::Kept(kept) = &self.told {
            // What is left is overwritten by the next first start, and nobody's password until then.
            let _ = std::fs::remove_file(kept.path());
        }
    }

    /// What is said once `root` has it.
    pub(crate) fn announcement(&self) -> Vec<String> {
        match &self.told {
            Told::Given => {
                vec![format!(
                    "Created the user `root` with the password of `{SETTING}`"
                )]
            }
            Told::Printed => vec![
                format!(
                    "Created the user `root` with the password: {}",
                    self.password.expose_secret()
                ),
                "  It is shown only now. `cheeseshop passwd root` sets another one at any time."
                    .to_owned(),
            ],
            Told::Kept(kept) => {
                vec![
                    format!(
                        "Created the user `root`; its password is in {}",
                        kept.path().display()
                    ),
                    "  `cheeseshop passwd root` sets another one at any time; that file goes with it."
                        .to_owned(),
                ]
            }
        }
    }
}

/// Reads a file with a password in it, or says what is wrong with it. Nothing of it is repeated.
fn read(file: &Path) -> Result<SecretString, String> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX) + 3;
    std::fs::File::open(file)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 == limit {
        return Err(format!("is longer than {LONGEST} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "is no text (UTF-8)".to_owned())?;
    // Editors end files with a newline, passwords do not.
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    judge(line)?;
    Ok(SecretString::from(line.to_owned()))
}

fn judge(line: &str) -> Result<(), String> {
    if line.is_empty() {
        return Err("is empty".to_owned());
    }
    if line.contains(['\n', '\r']) {
        return Err("has more than one line".to_owned());
    }
    if line.chars().any(char::is_control) {
        return Err("has control characters in it".to_owned());
    }
    // Some editors put it there; nobody sees it, and nobody types it.
    if line.starts_with('\u{feff}') {
        return Err("begins with a byte order mark".to_owned());
    }
    if line.trim() != line {
        return Err("begins or ends with a space".to_owned());
    }
    if line.len() > LONGEST {
        return Err(format!("is longer than {LONGEST} bytes"));
    }
    if line.chars().count() < SHORTEST {
        return Err(format!("is too short: {SHORTEST} characters are the least"));
    }
    let different: std::collections::BTreeSet<char> = line.chars().collect();
    if different.len() < FEWEST_DIFFERENT || WELL_KNOWN.contains(&line.to_lowercase().as_str()) {
        return Err("is guessed too easily".to_owned());
    }
    Ok(())
}

fn make_up() -> Result<SecretString, Failure> {
    let mut random = [0_u8; LENGTH];
    getrandom::fill(&mut random).map_err(|error| {
        Failure::could_not_try(format!("the system has no randomness: {error}"))
    })?;
    // 256 is a multiple of 32, so no letter is likelier than another.
    let password: String = random
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect();
    Ok(SecretString::from(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_passwords_are_long_and_differ() {
        let first = make_up().unwrap();
        let second = make_up().unwrap();
        assert_eq!(first.expose_secret().len(), LENGTH);
        assert_ne!(first.expose_secret(), second.expose_secret());
        judge(first.expose_secret()).unwrap();
    }

    #[test]
    fn a_file_is_taken_for_a_password_or_refused_with_a_reason_that_does_not_repeat_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let long = "abcd".repeat(256);
        for taken in [
            "geheim-12",
            "geheim-12\n",
            "geheim-12\r\n",
            "käse löwe",
            &long,
        ] {
            std::fs::write(&file, taken).unwrap();
            let password = read(&file).unwrap();
            assert_eq!(password.expose_secret(), taken.trim_end());
        }
        for (text, reason) in [
            (&b""[..], "is empty"),
            (b"\n", "is empty"),
            (b"\r\n", "is empty"),
            (b"geheim-12\n\n", "has more than one line"),
            (b"geheim-12\ngeheim-13\n", "has more than one line"),
            (b"geheim\t12", "has control characters in it"),
            (b"\xef\xbb\xbfgeheim-12", "begins with a byte order mark"),
            (b"geheim-12 \n", "begins or ends with a space"),
            (b"seven77", "is too short: 8 characters are the least"),
            (b"abcabcabcabc", "is guessed too easily"),
            (b"ChangeMe", "is guessed too easily"),
            (b"geheim-\xff\xfe", "is no text (UTF-8)"),
            (&[b'a'; 1025], "is longer than 1024 bytes"),
            (&vec![b'a'; 1 << 20], "is longer than 1024 bytes"),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(read(&file).unwrap_err(), reason);
        }
        let missing = read(&folder.path().join("missing")).unwrap_err();
        assert!(missing.starts_with("cannot be read: "), "{missing}");
        let folder = read(folder.path()).unwrap_err();
        assert!(folder.starts_with("cannot be read: "), "{folder}");
    }

    #[test]
    fn what_is_kept_is_for_its_owner_and_replaces_a_link() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        std::fs::write(&other, "text").unwrap();
        std::os::unix::fs::symlink(&other, folder.path().join("root-password")).unwrap();
        let root = RootPassword {
            file: Ok(None),
            is_printed: false,
        };
        let first = root.for_first_start(folder.path()).unwrap();
        let kept = folder.path().join("root-password");
        let mode = std::fs::symlink_metadata(&kept).unwrap().permissions();
        assert_eq!(mode.mode(), 0o100_600);
        let text = std::fs::read_to_string(&kept).unwrap();
        assert_eq!(text.trim_end(), first.password().expose_secret());
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "text");
        first.withdraw();
        assert!(!kept.exists());
    }
}
