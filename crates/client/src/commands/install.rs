//! `devpi install`: pip, told to install from the index in use.

use std::path::{Path, PathBuf};
use std::process::Command;

use cheeseshop_packaging::Version;
use clap::Args;
use url::Url;

use crate::commands::refresh::refuse_path;
use crate::commands::use_index::venv;
use crate::commands::{Connection, Failure, Session, names};
use crate::programs;

/// Older pips show credentials of URLs in their output.
const FIRST_DISCREET_PIP: &str = "19.3";

/// Arguments of `devpi install`.
#[derive(Args, Debug)]
pub struct InstallArgs {
    /// Index to install from [default: the one in use].
    #[arg(long)]
    index: Option<String>,

    /// List what is installed.
    #[arg(short = 'l')]
    list: bool,

    /// Install a project in editable mode.
    #[arg(short, value_name = "PATH")]
    editable: Option<String>,

    /// Install into this virtual environment, now and from now on; `-`: no longer.
    #[arg(long, value_name = "DIR", allow_hyphen_values = true)]
    venv: Option<String>,

    /// The arguments are files of requirements.
    #[arg(short, long)]
    requirement: bool,

    /// Projects, versions or files; `-`: those on standard input.
    #[arg(value_name = "PKG")]
    packages: Vec<String>,
}

pub(super) async fn run(session: &mut Session, arguments: &InstallArgs) -> Result<(), Failure> {
    let mut connection = session.connection(arguments.index.as_deref()).await?;
    connection.index_url()?;
    let venv = venv(session, &mut connection, arguments.venv.as_deref())?;
    let pip = pip_of(session, &connection, venv.as_deref())
        .ok_or_else(|| Failure::fatal("no pip binary found"))?;
    if arguments.list {
        let place = venv.map_or_else(|| "None".to_owned(), |venv| venv.display().to_string());
        session
            .output
            .info(&format!("list of installed packages on {place}"));
        return run_pip(session, &pip, &["list".to_owned()], None).await;
    }
    let mut packages = names::given(&arguments.packages)?;
    if let Some(editable) = &arguments.editable {
        if !packages.is_empty() {
            return Err(Failure::fatal("cannot specify packagespecs and --editable"));
        }
        packages = vec!["--editable".to_owned(), editable.clone()];
    }
    refuse_path(arguments.index.as_deref())?;
    let simple = connection
        .current
        .simple_url()
        .ok_or_else(|| Failure::fatal("not connected to an index, see 'devpi use'"))?;
    let simple = if pip_version(session, &pip)? < first_discreet_pip() {
        session.output.warn(
            "passing of authentication data to pip disabled, because pip < 19.3 exposes the \
             password in log output.",
        );
        simple
    } else {
        connection.with_login(simple)
    };
    if packages.is_empty() {
        return Ok(());
    }
    let mut command = vec!["install".to_owned(), "-U".to_owned()];
    if arguments.requirement {
        command.push("--requirement".to_owned());
    }
    command.extend(packages);
    run_pip(session, &pip, &command, Some(&simple)).await
}

fn pip_of(session: &Session, connection: &Connection, venv: Option<&Path>) -> Option<PathBuf> {
    let remembered = connection.current.venvdir.as_deref().map(Path::new);
    match venv.or(remembered) {
        Some(venv) => session
            .environment
            .find_program(&venv.join("bin/pip").display().to_string()),
        None => session.environment.find_program("pip"),
    }
}

fn first_discreet_pip() -> Option<Version> {
    FIRST_DISCREET_PIP.parse().ok()
}

fn pip_version(session: &mut Session, pip: &Path) -> Result<Option<Version>, Failure> {
    let arguments = ["--version".to_owned()];
    report(session, pip, &arguments, "");
    let output = Command::new(pip)
        .args(&arguments)
        .output()
        .map_err(|error| crate::state::of_file(pip, error))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::fatal(format!("{text}{errors}")));
    }
    Ok(text
        .split_whitespace()
        .nth(1)
        .and_then(|version| version.parse().ok()))
}

/// Runs pip with the terminal for itself. The index goes by the environment, which other users of the
/// machine cannot see.
async fn run_pip(
    session: &mut Session,
    pip: &Path,
    arguments: &[String],
    index: Option<&Url>,
) -> Result<(), Failure> {
    let mut command = tokio::process::Command::new(pip);
    command.args(arguments);
    let mut told = String::new();
    if let Some(index) = index {
        command
            .env("PIP_INDEX_URL", index.as_str())
            .env("PIP_PRE", "1")
            .env("PIP_USE_WHEEL", "1")
            // Packages are compiled as usual, and with the interpreter of their environment.
            .env_remove("PYTHONDONTWRITEBYTECODE")
            .env_remove("__PYVENV_LAUNCHER__");
        told = format!(
            " [PIP_INDEX_URL=URL('{}'),PIP_PRE='1',PIP_USE_WHEEL='1']",
            cloaked(index)
        );
        if let Some(bundle) = &session.options.ca_bundle {
            command.env("PIP_CERT", session.environment.directory().join(bundle));
        }
    }
    report(session, pip, arguments, &told);
    let status = programs::attend(&mut command)
        .await
        .map_err(|error| crate::state::of_file(pip, error))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure {
        message: "command failed".to_owned(),
        code: status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1),
    })
}

fn report(session: &mut Session, pip: &Path, arguments: &[String], told: &str) {
    let text = format!("--> .$ {} {} {told}", pip.display(), arguments.join(" "));
    session.output.line(&text);
}

/// The URL with four stars for user and password.
fn cloaked(url: &Url) -> String {
    let mut url = url.clone();
    if !url.username().is_empty() {
        let _ = url.set_username("****");
    }
    if url.password().is_some() {
        let _ = url.set_password(Some("****"));
    }
    url.into()
}
