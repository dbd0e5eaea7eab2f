//! The whole command tree at a glance.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use url::Url;

use crate::config::Preset;

/// A private Python package index.
///
/// `cheeseshop serve` is all it takes: it makes its data directory, an embedded database, the
/// user `root` and the mirror `root/pypi`, and prints the line to paste into a shell.
#[derive(Debug, Parser)]
#[command(name = "cheeseshop", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the settings are and which of them the command line changes.
#[derive(Debug, Args)]
pub(crate) struct SettingArgs {
    /// Directory that holds the database, the files and the lock.
    ///
    /// Default: `$XDG_DATA_HOME/cheeseshop`, else `~/.local/share/cheeseshop`.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "CHEESESHOP_DATA_DIR",
        help_heading = "Settings"
    )]
    pub(crate) data_dir: Option<PathBuf>,

    /// Settings file (TOML); `conf.d/*.toml` beside it is read as well. May be repeated.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "CHEESESHOP_CONFIG",
        help_heading = "Settings"
    )]
    pub(crate) config: Vec<PathBuf>,

    /// Any setting: `--set mirror.request_timeout=10s`. May be repeated.
    #[arg(
        long,
        global = true,
        value_name = "SECTION.KEY=VALUE",
        help_heading = "Settings"
    )]
    pub(crate) set: Vec<String>,

    /// Database: `sqlite:///path/file.db` or `postgres://user@host/name`.
    ///
    /// A password here can be seen in the list of processes: `database.url_file` is the place
    /// for it.
    #[arg(long, global = true, value_name = "URL", help_heading = "Settings")]
    pub(crate) database_url: Option<String>,

    /// How log lines are written: `text` or `json`.
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Settings")]
    pub(crate) log_format: Option<String>,

    /// What is logged: `info`, `debug`, `warn,cheeseshop_app=debug` …
    #[arg(long, global = true, value_name = "FILTER", help_heading = "Settings")]
    pub(crate) log: Option<String>,

    /// What the name of the program changes in the defaults.
    #[arg(skip)]
    pub(crate) presets: Vec<Preset>,
}

/// The server, under the name that devpi gives to its own.
///
/// The same as `cheeseshop serve`, but anybody may create a user, and passwords may be empty.
#[derive(Debug, Parser)]
#[command(name = "devpi-server", version, max_term_width = 100)]
pub(crate) struct DevpiServerCli {
    #[command(flatten)]
    settings: SettingArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

impl From<DevpiServerCli> for Cli {
    fn from(cli: DevpiServerCli) -> Self {
        let preset = |key| Preset {
            program: "devpi-server",
            key,
            value: "true",
        };
        Self {
            settings: SettingArgs {
                presets: vec![
                    preset("auth.self_registration"),
                    preset("auth.allow_empty_password"),
                ],
                ..cli.settings
            },
            command: Command::Serve(cli.serve),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server, making whatever is missing.
    Serve(ServeArgs),
    /// Make the data directory, database, user `root` and mirror `root/pypi`, and stop.
    Init,
    /// Set a user's password, asking for it or reading it from standard input.
    Passwd(PasswdArgs),
    /// Look at the settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at the log of changes.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Remove the bytes that no file refers to any more.
    Gc(GcArgs),
    /// Ask a running server how it is.
    Status(StatusArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on; port 0 takes a free one. May be repeated.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Vec<String>,

    /// The URL that users see, when it is not the one they ask with.
    #[arg(long, value_name = "URL")]
    pub(crate) outside_url: Option<String>,

    /// Never ask an upstream: mirrors serve what is held.
    #[arg(long)]
    pub(crate) offline: bool,

    /// Only these may create and change users and indexes: names and `:groups`, parted by commas.
    #[arg(long, value_name = "SPEC")]
    pub(crate) restrict_modify: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PasswdArgs {
    /// The user.
    pub(crate) user: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Look for problems in the settings; all are told at once.
    Check,
    /// Print every setting with its value and origin. Secrets are hidden.
    Show,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Prove that no recorded change was edited, removed or put in later.
    Verify,
}

#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// Only count.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Leave younger bytes alone: an upload may be about to refer to them.
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub(crate) older_than: String,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The server's URL.
    #[arg(default_value = "http://127.0.0.1:3141/")]
    pub(crate) url: Url,

    /// Print the server's answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        Cli::command().debug_assert();
        DevpiServerCli::command().debug_assert();
    }

    #[test]
    fn settings_may_follow_the_command() {
        let cli = Cli::try_parse_from([
            "cheeseshop",
            "serve",
            "--data-dir",
            "d",
            "--listen",
            "127.0.0.1:0",
            "--set",
            "log.format=json",
        ])
        .unwrap();
        assert_eq!(cli.settings.data_dir, Some(PathBuf::from("d")));
        assert_eq!(cli.settings.set, ["log.format=json"]);
    }
}
