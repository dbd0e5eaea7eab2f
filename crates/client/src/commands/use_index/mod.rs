//! `devpi use`: which server, index and virtual environment the next commands work with, and which
//! index the tools on this machine use.

mod listing;
mod tools;
mod venv;

use clap::Args;
use reqwest::Method;
use url::Url;

use crate::commands::session::PipTrust;
use crate::commands::{Connection, Failure, OnError, Session};
use crate::state::Current;

pub(super) use self::venv::venv;

/// Arguments of `devpi use`.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "options of a command line")]
pub struct UseArgs {
    /// Keep the index in use in the active virtual environment: as long as it is active, all commands
    /// read and write that.
    #[arg(long)]
    local: bool,

    /// Point pip, uv, easy_install and buildout at the index, in the user's configuration, or in that
    /// of the virtual environment.
    #[arg(long = "set-cfg")]
    set_cfg: bool,

    /// With --set-cfg: have pip trust the host without a certificate. With `auto` it does where the
    /// server has no https, or no certificate that can be verified; `no` takes that back.
    #[arg(
        short = 't',
        long = "pip-set-trusted",
        value_enum,
        default_value = "auto"
    )]
    pip_trust: PipTrust,

    /// Do as with --set-cfg at each later `use`, or no longer.
    #[arg(long = "always-set-cfg", value_name = "yes|no", value_parser = ["yes", "no"])]
    always_set_cfg: Option<String>,

    /// Install into this virtual environment from now on; `-` for none. An active one needs no
    /// mention.
    #[arg(long, value_name = "DIR", allow_hyphen_values = true)]
    venv: Option<String>,

    /// Show the addresses of the server.
    #[arg(long)]
    urls: bool,

    /// List the indexes of the server.
    #[arg(short, long)]
    list: bool,

    /// List the indexes of this user only; without --list: go on as this user, who has logged in
    /// before.
    #[arg(short, long)]
    user: Option<String>,

    /// Forget the server and index in use.
    #[arg(long)]
    delete: bool,

    /// PEM file with the certificate and key that the server wants to see; empty to forget it.
    #[arg(long = "client-cert", value_name = "PEM_FILE")]
    client_cert: Option<String>,

    /// Print a JSON document in place of lines.
    #[arg(long)]
    json: bool,

    /// Server or index to use from now on: a URL, or `user/index` of the server in use.
    url: Option<String>,
}

impl UseArgs {
    /// What is asked for. An empty variable of a script asks for nothing.
    fn url(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| !url.is_empty())
    }

    /// A URL that is looked at only: it is not in use afterwards.
    fn is_look(&self) -> bool {
        self.url().is_some() && (self.list || self.urls)
    }
}

pub(super) async fn run(session: &mut Session, arguments: &UseArgs) -> Result<(), Failure> {
    session.pip_trust = Some(arguments.pip_trust);
    if arguments.json {
        session.output.be_quiet();
    }
    if arguments.local {
        make_local(session).await?;
    }
    if arguments.delete {
        return delete(session);
    }
    let mut connection = match arguments.url() {
        Some(_) => session.stored_connection()?,
        None => session.connection(None).await?,
    };
    configure(session, &mut connection, arguments).await?;
    if arguments.list {
        return listing::run(session, &mut connection, arguments).await;
    }
    let user = logged_in_user(session, &mut connection, arguments).await?;
    show_server(session, &mut connection, arguments, user.as_deref()).await?;
    tools::run(session, &mut connection, arguments, user.as_deref())
}

/// Begins a state of its own for the active virtual environment.
async fn make_local(session: &mut Session) -> Result<(), Failure> {
    let Some(venv) = session.active_venv() else {
        return Err(Failure::fatal(
            "Using --local is only valid in an active virtualenv.",
        ));
    };
    let local = venv.join("devpi.json");
    if local.exists() {
        return Ok(());
    }
    let mut connection = session.connection(None).await?;
    session.output.info(&format!(
        "Creating local configuration at {}",
        local.display()
    ));
    // The state that is read from now on is the one of the file, which has to be there first.
    std::fs::write(&local, "").map_err(|error| crate::state::of_file(&local, error))?;
    session.keep_state_in(&local);
    let found = connection.current.clone();
    session
        .directory()
        .change_current(|current| *current = found)?;
    if connection.current.index.is_some() {
        session.configure(&mut connection, None, None).await?;
    }
    Ok(())
}

fn delete(session: &mut Session) -> Result<(), Failure> {
    let directory = session.directory().clone();
    if !directory.remove_current()? {
        return Err(Failure::fatal("NO configuration found"));
    }
    session.output.info(&format!(
        "REMOVED configuration at {}",
        directory.current_path().display()
    ));
    Ok(())
}

/// Asks the server that was named, or the one in use, what it is by now.
async fn configure(
    session: &mut Session,
    connection: &mut Connection,
    arguments: &UseArgs,
) -> Result<(), Failure> {
    let path = session.directory().current_path().to_owned();
    if path.exists() {
        session.debug(&format!("current: {}", path.display()));
    } else {
        session.debug("no current file, using defaults");
    }
    let was_asked = connection.is_temporary;
    connection.is_look = arguments.is_look();
    let asked = arguments.url();
    let has_certificate = arguments.client_cert.is_some();
    if asked.is_none() && (connection.current.index.is_none() || was_asked) && !has_certificate {
        return Ok(());
    }
    session
        .configure(connection, asked, arguments.client_cert.as_deref())
        .await?;
    let found = connection
        .current
        .index
        .as_deref()
        .and_then(|index| index.parse::<Url>().ok())
        .or_else(|| connection.root());
    if let (Some(Ok(asked)), Some(found)) = (asked.map(str::parse::<Url>), found)
        && asked.has_host()
        && asked.origin() != found.origin()
    {
        session
            .output
            .warn(&format!("The server has rewritten the url to: {found}"));
    }
    Ok(())
}

/// Who is logged in, as the server sees it.
async fn logged_in_user(
    session: &mut Session,
    connection: &mut Connection,
    arguments: &UseArgs,
) -> Result<Option<String>, Failure> {
    let Some(user) = connection.user_as(&session.environment, arguments.user.as_deref()) else {
        return Ok(None);
    };
    if arguments.user.is_some() && connection.current.username.as_deref() != Some(&user) {
        connection.current.username = Some(user.clone());
        if !connection.is_look {
            let directory = session.directory().clone();
            directory.change_current(|current| current.username = Some(user.clone()))?;
        }
    }
    if connection.is_unverified {
        // The login is not sent to whoever that is.
        return Ok(Some(user));
    }
    let server = connection.server()?;
    let request = server.request(Method::GET, "+api")?;
    let answer = session.call(connection, request, OnError::Stop).await?;
    let status = answer.result().pointer("/authstatus/0");
    if answer.status == 200 && status.is_some_and(|status| status != "ok") {
        let directory = session.directory().clone();
        connection.forget_login(&directory)?;
        return Ok(None);
    }
    Ok(Some(user))
}

async fn show_server(
    session: &mut Session,
    connection: &mut Connection,
    arguments: &UseArgs,
    user: Option<&str>,
) -> Result<(), Failure> {
    let login = user.map_or_else(
        || "not logged in".to_owned(),
        |user| format!("logged in as {user}"),
    );
    let Some(root) = connection.root() else {
        session.output.line(
            "no server: type 'devpi use URL' with a URL pointing to a server or directly to an \
             index.",
        );
        return Ok(());
    };
    let current = connection.current.clone();
    let Some(index) = &current.index else {
        session
            .output
            .info(&format!("using server: {root} ({login})"));
        session
            .output
            .error("no current index: type 'devpi use -l' to discover indices");
        return Ok(());
    };
    session
        .output
        .info(&format!("current devpi index: {index} ({login})"));
    if arguments.urls || session.options.debug {
        for (name, url) in urls(&current) {
            let url = url.unwrap_or("None");
            session.output.info(&format!("{name:>19}: {url}"));
        }
    }
    if let Some(features) = current.features.as_ref().filter(|names| !names.is_empty()) {
        let mut features = features.clone();
        features.sort();
        session
            .output
            .info(&format!("supported features: {}", features.join(", ")));
    }
    if connection.is_unverified {
        return Ok(());
    }
    session.check_index_access(connection).await
}

fn urls(current: &Current) -> [(&'static str, Option<&str>); 3] {
    [
        ("login", current.login.as_deref()),
        ("pypisubmit", current.pypisubmit.as_deref()),
        ("simpleindex", current.simpleindex.as_deref()),
    ]
}
