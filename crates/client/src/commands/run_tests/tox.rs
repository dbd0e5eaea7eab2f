//! Running tox.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use url::Url;

use super::Options;
use crate::commands::{Connection, Failure, Session};
use crate::programs;
use crate::state::of_file;

/// The variables by which the index is told, credentials and all: other users of the machine can see
/// arguments, but not these. uv is what tox-uv installs with.
const INDEX_VARIABLES: [&str; 3] = ["PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"];

/// The variables by which a bundle of certificates is told.
const BUNDLE_VARIABLES: [&str; 2] = ["PIP_CERT", "SSL_CERT_FILE"];

/// tox, and the index that it installs from.
pub(super) struct Tox {
    program: PathBuf,
    simple: Url,
}

/// One run.
pub(super) struct Task<'a> {
    /// The file that is tested.
    pub(super) archive: &'a Path,
    /// Where tox works: an unpacked sdist.
    pub(super) folder: &'a Path,
    /// What tells it what to do.
    pub(super) configuration: &'a Path,
    /// Where it puts its report.
    pub(super) result: &'a Path,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// By itself, with a code.
    Ended(i32),
    /// By a signal.
    Killed(i32),
}

impl fmt::Display for Verdict {
    /// As Python writes it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(code) => write!(formatter, "{code}"),
            Self::Killed(signal) => write!(formatter, "-{signal}"),
        }
    }
}

impl Verdict {
    fn of(status: ExitStatus) -> Self {
        match status.code() {
            Some(code) => Self::Ended(code),
            None => Self::Killed(status.signal().unwrap_or_default()),
        }
    }
}

impl Tox {
    /// Looks for tox: in the virtual environment in use, then on `PATH`.
    pub(super) fn find(
        session: &mut Session,
        connection: &Connection,
        venv: Option<&Path>,
    ) -> Result<Self, Failure> {
        let in_venv = venv.and_then(|venv| {
            let path = venv.join("bin/tox");
            session.environment.find_program(path.to_str()?)
        });
        let program = in_venv
            .or_else(|| session.environment.find_program("tox"))
            .ok_or_else(|| Failure::fatal("no tox binary found"))?;
        let simple = connection
            .current
            .simple_url()
            .ok_or_else(|| Failure::fatal("not connected to an index, see 'devpi use'"))?;
        if connection.logins.basic(&simple).is_some() {
            session
                .output
                .info(&format!("Using existing basic auth for '{simple}'."));
            session
                .output
                .warn("With pip < 19.3 the password might be exposed in the JSON report!");
            return Ok(Self {
                program,
                simple: connection.with_basic(simple),
            });
        }
        Ok(Self {
            program,
            simple: connection.with_login(simple),
        })
    }

    /// Runs tox. What it says goes where our words go.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) async fn run(
        &self,
        session: &mut Session,
        task: &Task<'_>,
        options: &Options,
    ) -> Result<Verdict, Failure> {
        let arguments = arguments(task, options);
        session.output.line(&self.report(&arguments));
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&arguments)
            .current_dir(task.folder)
            .envs(INDEX_VARIABLES.map(|name| (name, self.simple.as_str())));
        if let Some(bundle) = &session.options.ca_bundle {
            let bundle = session.environment.directory().join(bundle);
            command.envs(BUNDLE_VARIABLES.map(|name| (name, &bundle)));
        }
        let status = programs::attend(&mut command).await;
        let verdict = Verdict::of(status.map_err(|error| of_file(&self.program, error))?);
        if verdict != Verdict::Ended(0) {
            session.output.error("command failed");
        }
        Ok(verdict)
    }

    /// The line that tells of a run, without what is secret.
    fn report(&self, arguments: &[String]) -> String {
        let simple = crate::tool_config::without_password(self.simple.as_str());
        let variables = INDEX_VARIABLES.map(|name| format!("{name}='{simple}'"));
        format!(
            "--> .$ {} {}  [{}]",
            self.program.display(),
            arguments.join(" "),
            variables.join(",")
        )
    }
}

fn arguments(task: &Task<'_>, options: &Options) -> Vec<String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut arguments = vec![
        "--installpkg".to_owned(),
        text(task.archive),
        "--recreate".to_owned(),
        "--result-json".to_owned(),
        text(task.result),
    ];
    if let Some(environments) = &options.environments {
        arguments.push(format!("-e{environments}"));
    }
    if let Some(parallel) = &options.parallel {
        arguments.extend(["--parallel".to_owned(), parallel.clone()]);
    }
    arguments.extend(["-c".to_owned(), text(task.configuration)]);
    arguments.extend(options.more.iter().cloned());
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tox(simple: &str) -> Tox {
        Tox {
            program: PathBuf::from("/v/bin/tox"),
            simple: simple.parse().unwrap(),
        }
    }

    #[test]
    fn tox_is_told_what_to_do() {
        let task = Task {
            archive: Path::new("/w/a-1.tar.gz"),
            folder: Path::new("/w/unpacked/a-1"),
            configuration: Path::new("/w/unpacked/a-1/tox.ini"),
            result: Path::new("/w/toxreport.json"),
        };
        let options = Options {
            environments: Some("py311,py312".to_owned()),
            parallel: Some("auto".to_owned()),
            configuration: None,
            fallback: None,
            more: vec!["--".to_owned(), "-k x".to_owned()],
            uploads: true,
        };
        assert_eq!(
            arguments(&task, &options),
            [
                "--installpkg",
                "/w/a-1.tar.gz",
                "--recreate",
                "--result-json",
                "/w/toxreport.json",
                "-epy311,py312",
                "--parallel",
                "auto",
                "-c",
                "/w/unpacked/a-1/tox.ini",
                "--",
                "-k x",
            ]
        );
    }

    #[test]
    fn what_is_told_of_a_run_is_not_secret() {
        let line = tox("http://bob:s3cret@shop.test/bob/dev/+simple/").report(&["-e".to_owned()]);
        assert!(
            line.starts_with("--> .$ /v/bin/tox -e  [PIP_INDEX_URL='http://bob:****@shop.test/"),
            "{line}"
        );
        assert!(!line.contains("s3cret"), "{line}");
    }

    #[test]
    fn verdicts_are_written_as_python_writes_them() {
        assert_eq!(Verdict::of(ExitStatus::from_raw(3 << 8)).to_string(), "3");
        assert_eq!(Verdict::of(ExitStatus::from_raw(9)).to_string(), "-9");
    }
}
