//! `cheeseshop env`: variables that point a job's tools at an index, with all state in the job's
//! workspace.
//!
//! [`variables`] decides which, [`spelling`] writes them down; everything that looks at the world is
//! in [`workspace`], [`address`] and [`login`]. Talk is in [`report`].

mod address;
mod login;
mod report;
mod secrets;
mod setting;
mod spelling;
mod variables;
mod workspace;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use reqwest::Method;

use self::address::Address;
use self::login::LoginOptions;
use self::spelling::{FileFormat, Format};
use self::variables::{Caches, Plan};
use self::workspace::{Workspace, could_not};
use crate::commands::{Failure, Session};
use crate::state::{ClientDirectory, of_file};

pub(super) use self::spelling::Shell;
use crate::{Credentials, Error, Server};

/// Arguments of `cheeseshop env`.
#[derive(Args, Debug)]
#[command(after_help = "In a job: eval \"$(cheeseshop env shared/stable)\"")]
pub struct EnvArgs {
    /// The index: `USER/INDEX`, or its URL.
    // Not required for the parser: without one, `eval` has to be told as well.
    #[arg(value_name = "INDEX")]
    index: Option<String>,

    /// The server [default: $CHEESESHOP_URL, $DEVPI_URL, $DEVPI_INDEX, the server in use, pip's].
    #[arg(long, value_name = "URL")]
    server: Option<String>,

    /// The shell to print code for [default: the one that runs this, else $SHELL].
    #[arg(long, value_name = "SHELL", conflicts_with = "format")]
    shell: Option<Shell>,

    /// Print a file of variables instead of shell code.
    #[arg(long, value_name = "FORMAT")]
    format: Option<FileFormat>,

    /// The only directory to write to
    /// [default: $WORKSPACE, $CI_PROJECT_DIR, $GITHUB_WORKSPACE, a temporary one].
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,

    /// Leave the caches of pip, uv, poetry and pdm where they are.
    #[arg(long)]
    keep_caches: bool,

    /// Do not ask the server whether the index is there.
    #[arg(long)]
    offline: bool,

    /// Say nothing on standard error but errors.
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    login: LoginOptions,

    /// Give the login to tools as well: in the URLs to install from, as the variables of twine, uv and
    /// the others to upload with. It is the one of this or an earlier --login.
    #[arg(
        long,
        value_name = "FOR",
        value_delimiter = ',',
        help_heading = "Login"
    )]
    credentials: Vec<CredentialsFor>,
}

/// What tools need credentials for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CredentialsFor {
    /// Installing from an index that not everybody may read.
    Install,
    /// Uploading.
    Upload,
}

impl EnvArgs {
    fn format(&self, session: &Session) -> Format {
        match (self.format, self.shell) {
            (Some(format), _) => Format::File(format),
            (None, Some(shell)) => Format::Shell(shell),
            (None, None) => Format::Shell(Shell::guessed(
                parent_program().as_deref(),
                &session.environment,
            )),
        }
    }

    fn wants(&self, purpose: CredentialsFor) -> bool {
        self.credentials.contains(&purpose)
    }
}

pub(super) async fn run(session: &mut Session, arguments: &EnvArgs) -> Result<(), Failure> {
    let format = arguments.format(session);
    let result = print(session, arguments, format).await;
    if let (Err(_), Format::Shell(shell)) = (&result, format) {
        session.output.data(shell.failing());
    }
    result
}

async fn print(session: &mut Session, arguments: &EnvArgs, format: Format) -> Result<(), Failure> {
    let asked = arguments
        .index
        .as_deref()
        .ok_or_else(|| Failure::usage("which index? Give USER/INDEX"))?;
    let user = arguments.login.user(&session.environment);
    let address = Address::find(asked, arguments.server.as_deref(), user, session)?;
    let workspace = Workspace::find(arguments.workspace.as_deref(), &session.environment)?;
    let result = print_for(session, arguments, format, &address, &workspace).await;
    if result.is_err() && workspace.named_by.is_none() {
        // Nobody is told of it, so nobody else would remove it.
        let _ = std::fs::remove_dir_all(&workspace.path);
    }
    result
}

async fn print_for(
    session: &mut Session,
    arguments: &EnvArgs,
    format: Format,
    address: &Address,
    workspace: &Workspace,
) -> Result<(), Failure> {
    let ca_bundle = ca_bundle(session)?;
    refuse_other_state(session, workspace)?;
    workspace.prepare()?;
    let directory = ClientDirectory::new(workspace.state(), None);

    let server = Server::with_trust(address.root.clone(), &session.trust())
        .map_err(|error| could_not(&error))?
        .with_basic(address.basic.clone());
    let login = if arguments.login.is_wanted() {
        let login = arguments.login.log_in(&server, session).await?;
        login::keep(&directory, address, Some(&login))?;
        Some(login)
    } else {
        login::keep(&directory, address, None)?;
        login::kept(&directory, address)
    };
    if !arguments.credentials.is_empty() && login.is_none() {
        return Err(Failure::usage(
            "there are no credentials to give: log in with --login, --token-file or --password-file",
        ));
    }
    let install_as = login
        .as_ref()
        .filter(|_| arguments.wants(CredentialsFor::Install));
    if !arguments.offline {
        let server = server.with_login(login.clone());
        look_at(session, arguments, &server, address, install_as).await?;
    }

    let plan = Plan {
        address,
        workspace,
        user: login.as_ref().map(|login| login.user.as_str()),
        install_as: install_as.or(address.basic.as_ref()),
        upload_as: login
            .as_ref()
            .filter(|_| arguments.wants(CredentialsFor::Upload)),
        ca_bundle: ca_bundle.as_deref(),
        caches: if arguments.keep_caches {
            Caches::Untouched
        } else {
            Caches::InWorkspace
        },
    };
    let settings = plan.settings(&session.environment);
    if let Some(odd) = settings.iter().find(|setting| !setting.is_one_line()) {
        return Err(Failure::usage(format!(
            "the value of {} is more than one line of text",
            odd.name
        )));
    }
    let text = match format {
        Format::File(format) => format.text(&settings).map_err(Failure::usage)?,
        Format::Shell(shell) => secrets::shell_code(shell, &settings, &plan)?,
    };
    report::hide_from_logs(session, &plan, format, &settings);
    session.output.data(text.trim_end_matches('\n'));
    if !arguments.quiet {
        report::tell(session, &plan, format, &settings);
    }
    Ok(())
}

/// The file of `--ca-bundle`, which has to be there.
fn ca_bundle(session: &Session) -> Result<Option<PathBuf>, Failure> {
    let Some(path) = &session.options.ca_bundle else {
        return Ok(None);
    };
    let path = session.environment.expand(&path.to_string_lossy());
    match std::fs::File::open(&path) {
        Ok(_) => Ok(Some(path)),
        Err(error) => Err(could_not(&of_file(&path, error))),
    }
}

/// The option `--clientdir` names a place for state; only one in the workspace will do.
fn refuse_other_state(session: &Session, workspace: &Workspace) -> Result<(), Failure> {
    let Some(asked) = &session.options.clientdir else {
        return Ok(());
    };
    let asked = session.environment.expand(&asked.to_string_lossy());
    if asked == workspace.state() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "the state of a job is kept in {}: leave --clientdir out",
        workspace.state().display()
    )))
}

/// Asks the server for the index. A job that goes on without it would fail later, with words that
/// say less.
async fn look_at(
    session: &mut Session,
    arguments: &EnvArgs,
    server: &Server,
    address: &Address,
    install_as: Option<&Credentials>,
) -> Result<(), Failure> {
    let mut url = address.index_url();
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url.set_query(Some("no_projects="));
    // What pip and the others will be allowed to see.
    let request = server
        .request_url(Method::GET, url.clone())
        .login(install_as.cloned());
    let answer = request
        .send()
        .await
        .map_err(|error| Failure::usage(format!("cannot ask {url}: {}", error.chain())))?;
    let Address { root, index, .. } = address;
    let refusal = match answer.expect("indexconfig") {
        Ok(_) => return Ok(()),
        Err(Error::Refused { status, .. }) if matches!(status, 401 | 403 | 404) => status,
        Err(error) => return Err(Failure::fatal(format!("{root}: {}", error.chain()))),
    };
    // A closed index is hidden from whoever does not say who they are.
    let request = server.request_url(Method::GET, url);
    let is_open_to_login = install_as.is_none()
        && server.login().is_some()
        && request.send().await.is_ok_and(|answer| answer.is_success());
    if refusal == 404 && !is_open_to_login {
        return Err(Failure::fatal(format!(
            "{root} has no index {index}, or none that you may read"
        )));
    }
    if !arguments.quiet {
        let advice = if is_open_to_login {
            "add `--credentials install`"
        } else {
            "log in as somebody who may read it, and add `--credentials install`"
        };
        session.output.talk(&format!(
            "warning: {index} is not open to everybody, and pip will be refused: {advice}"
        ));
    }
    Ok(())
}

/// The name of the program that has started this one, where the system tells.
fn parent_program() -> Option<String> {
    let parent = std::os::unix::process::parent_id();
    let name = std::fs::read_to_string(format!("/proc/{parent}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}
