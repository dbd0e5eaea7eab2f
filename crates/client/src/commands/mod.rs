//! The commands, one file each: arguments and `run` together.
//!
//! [`Command`] lists them. Those of devpi-client keep its names, options, lines and exit codes, and
//! say everything on standard output, errors too, whatever name the program was started under;
//! those that are new ([`OwnCommand`]) keep standard output for what was asked for.

mod certs;
mod ci_environment;
mod clean;
mod clock;
mod connection;
mod doctor;
mod failure;
mod fill;
mod get_json;
mod help;
mod index;
mod install;
mod interrupt;
mod key_values;
mod layout;
mod list;
mod login;
mod logoff;
mod names;
mod output;
mod passwd;
mod patch_json;
mod project;
mod push;
mod refresh;
mod remove;
mod run_tests;
mod session;
mod tokens;
mod upload;
mod use_index;
mod user;
mod version;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::Environment;

pub(crate) use self::connection::Connection;
pub(crate) use self::failure::Failure;
pub use self::help::grouped;
pub use self::output::escaped_json;
pub(crate) use self::output::{Output, Style};
pub(crate) use self::session::{DEVPI_CLIENT_VERSION, OnError, Session};

/// Options of every command of the client.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Generic options")]
pub struct GenericArgs {
    /// Show debug messages including more on requests to the server.
    #[arg(long)]
    pub debug: bool,

    /// Assume 'yes' on confirmation questions.
    #[arg(short = 'y', long = "yes")]
    pub yes: bool,

    /// Say more; may be repeated.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Directory for logins and other state [default: $DEVPI_CLIENTDIR, else ~/.devpi/client].
    #[arg(long, value_name = "DIR")]
    pub clientdir: Option<PathBuf>,

    /// Trust the certificates in this file instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,
}

impl GenericArgs {
    /// What was given before and after the command's name together.
    fn or(self, before: &Self) -> Self {
        Self {
            debug: self.debug || before.debug,
            yes: self.yes || before.yes,
            verbose: self.verbose.max(before.verbose),
            clientdir: self.clientdir.or_else(|| before.clientdir.clone()),
            ca_bundle: self.ca_bundle.or_else(|| before.ca_bundle.clone()),
        }
    }
}

/// A command's own arguments with the generic options beside them.
#[derive(Args, Debug)]
pub struct With<A: Args> {
    #[command(flatten)]
    own: A,
    #[command(flatten)]
    generic: GenericArgs,
}

/// The client of a package index: devpi-client's commands, and more.
#[derive(Debug, Parser)]
#[command(
    name = "devpi",
    disable_version_flag = true,
    infer_long_args = true,
    args_override_self = true,
    max_term_width = 100
)]
struct Devpi {
    /// Show the version of the program, and of the server in use, and stop.
    #[arg(long)]
    version: bool,
    #[command(flatten)]
    generic: GenericArgs,
    #[command(subcommand)]
    command: Option<DevpiCommand>,
}

/// What the `devpi` program can do.
#[expect(clippy::large_enum_variant, reason = "one of them is ever made")]
#[derive(Debug, Subcommand)]
enum DevpiCommand {
    #[command(flatten)]
    Shared(Command),
    /// Change the password of a user, or of whoever is logged in.
    Passwd(With<passwd::PasswdArgs>),
}

/// The commands of devpi-client, and ours.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show or choose the index in use.
    Use(With<use_index::UseArgs>),
    /// Log in to the server in use.
    Login(With<login::LoginArgs>),
    /// Forget the login at the server in use.
    #[command(alias = "logout")]
    Logoff(With<logoff::LogoffArgs>),
    /// Create, delete, modify, list users.
    User(With<user::UserArgs>),
    /// Create, delete, modify, list indexes.
    Index(With<index::IndexArgs>),
    /// Build and upload files to the index in use.
    Upload(With<upload::UploadArgs>),
    /// Download a release and test it with tox.
    Test(With<run_tests::TestArgs>),
    /// Push a release to another index, here or elsewhere.
    Push(With<push::PushArgs>),
    /// Install with pip from the index in use.
    Install(With<install::InstallArgs>),
    /// List projects, or files of a project.
    List(With<list::ListArgs>),
    /// Remove projects, releases or files from the index in use.
    Remove(With<remove::RemoveArgs>),
    /// Have a mirror ask its upstream anew about projects.
    Refresh(With<refresh::RefreshArgs>),
    /// Show a document of the server.
    Getjson(With<get_json::GetJsonArgs>),
    /// Send a PATCH request with a document.
    Patchjson(With<patch_json::PatchJsonArgs>),
    /// Tokens, as the devpi-tokens plugin has them.
    #[command(flatten)]
    Tokens(tokens::TokenCommand),
    /// What devpi-client has not.
    #[command(flatten)]
    Own(OwnCommand),
}

/// The commands that devpi-client has not.
#[derive(Debug, Subcommand)]
pub enum OwnCommand {
    /// Print shell code that points pip, uv, twine and the others at an index.
    Env(With<ci_environment::EnvArgs>),
    /// Show which certificates are trusted, or make a bundle of them.
    Certs(With<certs::CertsArgs>),
    /// Look for trouble between this machine and the server.
    Doctor(With<doctor::DoctorArgs>),
    /// Build wheels of requirements and upload those that an index lacks.
    Fill(With<fill::FillArgs>),
    /// Remove old versions from an index.
    Clean(With<clean::CleanArgs>),
    /// Users and indexes as a file says.
    #[command(subcommand)]
    Layout(layout::LayoutCommand),
}

/// The command line of the `devpi` program: for completions and manual pages.
pub fn devpi_command_line() -> clap::Command {
    Devpi::command()
}

/// The same with the commands under headings, to be read by a person.
fn devpi_command_line_with_headings() -> clap::Command {
    let (own, devpis): (Vec<_>, Vec<_>) = Devpi::command()
        .get_subcommands()
        .cloned()
        .partition(|command| OwnCommand::has_subcommand(command.get_name()));
    let group = |commands| clap::Command::new("").subcommands(commands);
    grouped(
        Devpi::command(),
        &[
            ("Commands of devpi-client", group(devpis)),
            ("More commands", group(own)),
        ],
    )
}

/// Runs the `devpi` program with the arguments behind its name.
pub fn run_devpi(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    let name = std::iter::once(std::ffi::OsString::from("devpi"));
    let arguments: Vec<_> = name.chain(arguments).collect();
    if arguments.len() == 1 {
        // devpi-client shows its help, and is content.
        let _ = devpi_command_line_with_headings().print_help();
        return ExitCode::SUCCESS;
    }
    let matches = devpi_command_line_with_headings().get_matches_from(arguments);
    let devpi = match Devpi::from_arg_matches(&matches) {
        Ok(devpi) => devpi,
        Err(error) => error.exit(),
    };
    match devpi.command {
        _ if devpi.version => in_session(&devpi.generic, false, async |session| {
            version::run(session).await
        }),
        None => {
            let error = devpi_command_line_with_headings().error(
                clap::error::ErrorKind::MissingSubcommand,
                "the following arguments are required: command",
            );
            let _ = error.print();
            ExitCode::from(2)
        }
        Some(DevpiCommand::Passwd(passwd)) => {
            let generic = passwd.generic.or(&devpi.generic);
            in_session(&generic, false, async |session| {
                passwd::run(session, &passwd.own).await
            })
        }
        Some(DevpiCommand::Shared(command)) => run(command, &devpi.generic),
    }
}

/// Runs a command of the client.
pub fn run(command: Command, before: &GenericArgs) -> ExitCode {
    macro_rules! run {
        ($module:ident, $with:expr) => {{
            let With { own, generic } = $with;
            in_session(&generic.or(before), false, async |session| {
                $module::run(session, &own).await
            })
        }};
        (tidily $module:ident, $with:expr) => {{
            let With { own, generic } = $with;
            in_session(&generic.or(before), false, async |session| {
                interrupt::tidily(session, async |session| $module::run(session, &own).await).await
            })
        }};
        (own $module:ident, $with:expr) => {{
            let With { own, generic } = $with;
            in_session(&generic.or(before), true, async |session| {
                $module::run(session, &own).await
            })
        }};
    }
    match command {
        Command::Use(with) => run!(use_index, with),
        Command::Login(with) => run!(login, with),
        Command::Logoff(with) => run!(logoff, with),
        Command::User(with) => run!(user, with),
        Command::Index(with) => run!(index, with),
        Command::Upload(with) => run!(tidily upload, with),
        Command::Test(with) => run!(tidily run_tests, with),
        Command::Push(with) => run!(push, with),
        Command::Install(with) => run!(tidily install, with),
        Command::List(with) => run!(list, with),
        Command::Remove(with) => run!(remove, with),
        Command::Refresh(with) => run!(refresh, with),
        Command::Getjson(with) => run!(get_json, with),
        Command::Patchjson(with) => run!(patch_json, with),
        Command::Tokens(command) => tokens::run(command, before),
        Command::Own(OwnCommand::Env(with)) => run!(own ci_environment, with),
        Command::Own(OwnCommand::Certs(with)) => run!(own certs, with),
        Command::Own(OwnCommand::Doctor(with)) => run!(own doctor, with),
        Command::Own(OwnCommand::Fill(with)) => run!(own fill, with),
        Command::Own(OwnCommand::Clean(with)) => run!(own clean, with),
        Command::Own(OwnCommand::Layout(command)) => layout::run(command, before),
    }
}

/// Runs `work` in a session of its own on one thread, and says how the process has to end.
///
/// `is_own`: errors go to standard error; devpi-client's commands say them on standard output.
fn in_session(
    generic: &GenericArgs,
    is_own: bool,
    work: impl AsyncFnOnce(&mut Session) -> Result<(), Failure>,
) -> ExitCode {
    let environment = Environment::of_this_process();
    let mut output = Output::standard(&environment);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            output.talk(&format!("error: cannot start: {error}"));
            return ExitCode::from(2);
        }
    };
    let mut session = match Session::new(environment.clone(), output, generic.clone()) {
        Ok(session) => session,
        Err(failure) => {
            Output::standard(&environment).last_words(&failure, !is_own);
            return ExitCode::from(failure.code);
        }
    };
    let result = runtime.block_on(work(&mut session));
    // A name look-up that nobody waits for any more is left behind.
    runtime.shutdown_background();
    match result {
        Ok(()) => match session.output.trouble() {
            None => ExitCode::SUCCESS,
            Some(error) => {
                let failure = Failure {
                    message: format!("standard output: {error}"),
                    code: if is_own { 2 } else { 1 },
                };
                session.output.last_words(&failure, false);
                ExitCode::from(failure.code)
            }
        },
        Err(failure) => {
            session.output.last_words(&failure, !is_own);
            ExitCode::from(failure.code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_holds_together() {
        Devpi::command().debug_assert();
    }
}
