//! The user's pip, run as a program.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::could_not_try;
use crate::commands::{Failure, Session};
use crate::fill::Tags;
use crate::programs::Programs;
use crate::server::credentials_of;
use crate::trust::Roots;

/// What is kept of a program's words: their end, where errors are.
const KEPT_BYTES: u64 = 64 << 10;

/// What would lead pip elsewhere than to the index it is given, or have it do something else.
const UNSET: &[&str] = &[
    "PIP_DRY_RUN",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_NO_BUILD_ISOLATION",
    "PIP_NO_DEPS",
    "PIP_NO_INDEX",
    "PIP_PREFIX",
    "PIP_PYTHON",
    "PIP_REPORT",
    "PIP_REQUIREMENT",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_ROOT",
    "PIP_TARGET",
    "PIP_USER",
    "PIP_WHEEL_DIR",
];

/// The user's pip.
#[derive(Debug)]
pub(super) struct Pip {
    program: PathBuf,
    /// What makes a Python a pip, or a pip one of another Python.
    first: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
    directory: PathBuf,
    /// What may not be in any of its words.
    secrets: Vec<SecretString>,
    folder: PathBuf,
    programs: Programs,
}

/// What pip said to something that it could not do.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// The line that says it best.
    pub(super) reason: String,
    /// The end of all that it said.
    pub(super) log: String,
}

impl Pip {
    /// The pip of a Python, or one on the path that works for it, with the index at `source`; and which
    /// wheels the Python can use.
    pub(super) async fn find(
        session: &Session,
        python: Option<&str>,
        source: &Url,
        folder: &Path,
        programs: &Programs,
    ) -> Result<(Self, Tags), Failure> {
        let python = super::super::upload::python(session, python).map_err(super::not_tried)?;
        let own_folder = folder.join("tmp");
        std::fs::create_dir(&own_folder)
            .map_err(|error| could_not_try(format!("{}: {error}", own_folder.display())))?;
        let mut variables: Vec<(&'static str, OsString)> = vec![
            ("PIP_INDEX_URL", source.as_str().into()),
            // Settings of the user may name further indexes.
            ("PIP_CONFIG_FILE", "/dev/null".into()),
            ("PIP_NO_INPUT", "1".into()),
            ("PIP_NO_COLOR", "1".into()),
            ("PIP_PROGRESS_BAR", "off".into()),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1".into()),
            ("PIP_NO_PYTHON_VERSION_WARNING", "1".into()),
            ("TMPDIR", own_folder.into()),
        ];
        if source.scheme() == "http"
            && let Some(host) = source.host_str()
        {
            let host = match source.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            };
            variables.push(("PIP_TRUSTED_HOST", host.into()));
        }
        if let Roots::Named(places) = session.trust().roots()
            && let Some(place) = places.first()
        {
            variables.push(("PIP_CERT", place.path.clone().into()));
        }
        let pip = Self {
            program: python.clone(),
            first: vec!["-m".into(), "pip".into()],
            variables,
            directory: session.environment.directory().to_owned(),
            secrets: secrets_of(source),
            folder: folder.to_owned(),
            programs: programs.clone(),
        };
        match pip.tags().await {
            Ok(tags) => return Ok((pip, tags)),
            Err(NoTags::Silent) => return Err(too_old()),
            Err(NoTags::NoPip) => {}
        }
        // A Python of uv's has no pip of its own; any pip can work for it.
        let none = || {
            could_not_try(format!(
                "{} has no pip, and there is none on the path that works for it: install pip, or name \
                 another Python by -p",
                python.display()
            ))
        };
        let program = session.environment.find_program("pip").ok_or_else(none)?;
        let pip = Self {
            program,
            first: vec!["--python".into(), python.clone().into()],
            ..pip
        };
        match pip.tags().await {
            Ok(tags) => Ok((pip, tags)),
            Err(NoTags::Silent) => Err(too_old()),
            Err(NoTags::NoPip) => Err(none()),
        }
    }

    /// Which wheels the Python can use.
    async fn tags(&self) -> Result<Tags, NoTags> {
        let words = self
            .run("tags", &["debug".into(), "--verbose".into()])
            .await
            .map_err(|_| NoTags::NoPip)?;
        Tags::read(&words).ok_or(NoTags::Silent)
    }

    /// Runs it, and gives the end of what it says. `name` is that of a file for this, told to nobody.
    pub(super) async fn run(&self, name: &str, arguments: &[OsString]) -> Result<String, Refusal> {
        let failed = |error: std::io::Error| Refusal {
            reason: format!("{}: {error}", self.program.display()),
            log: String::new(),
        };
        let path = self.folder.join(format!("{name}.log"));
        let log = File::create(&path).map_err(failed)?;
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.first)
            .args(arguments)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log);
        for name in UNSET {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let status = self.programs.run(&mut command).await.map_err(failed)?;
        drop(command);
        let words = self.without_secrets(&last_words(&path).map_err(failed)?);
        // Hundreds of wheels have as many logs.
        let _ = std::fs::remove_file(&path);
        if status.success() {
            return Ok(words);
        }
        Err(Refusal {
            reason: reason(&words).unwrap_or_else(|| format!("pip ended with {status}")),
            log: words,
        })
    }

    fn without_secrets(&self, words: &str) -> String {
        self.secrets.iter().fold(words.to_owned(), |words, secret| {
            words.replace(secret.expose_secret(), "****")
        })
    }
}

/// Why nothing is known of a Python's wheels.
enum NoTags {
    /// It has no pip.
    NoPip,
    /// What it has for pip does not say.
    Silent,
}

fn too_old() -> Failure {
    could_not_try("pip does not say which wheels its Python can use: pip 22.3 or later is needed")
}

/// The password in a URL, as it stands there and as it is meant.
fn secrets_of(url: &Url) -> Vec<SecretString> {
    let written = url.password().map(|password| password.to_owned().into());
    let meant = credentials_of(url).map(|login| login.secret);
    [written, meant]
        .into_iter()
        .flatten()
        .filter(|secret: &SecretString| !secret.expose_secret().is_empty())
        .collect()
}

fn last_words(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(KEPT_BYTES)))?;
    let mut words = Vec::new();
    file.take(KEPT_BYTES).read_to_end(&mut words)?;
    Ok(String::from_utf8_lossy(&words).into_owned())
}

/// The line of pip's that says best what is wrong: its last one with `ERROR:`.
fn reason(words: &str) -> Option<String> {
    let lines = || {
        words
            .lines()
            .rev()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    };
    lines()
        .find_map(|line| line.strip_prefix("ERROR: "))
        .or_else(|| lines().find_map(|line| line.strip_prefix("error: ")))
        .or_else(|| lines().next())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_pips_last_error() {
        for (words, expected) in [
            ("", None),
            ("a\nb\n\n", Some("b")),
            ("ERROR: one\nERROR: two\nnote: x\n", Some("two")),
            (
                "  error: subprocess-exited-with-error\n  at the end\n",
                Some("subprocess-exited-with-error"),
            ),
        ] {
            assert_eq!(reason(words).as_deref(), expected, "{words:?}");
        }
    }
}
