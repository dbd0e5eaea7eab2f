//! The whole command tree at a glance.

use std::path::PathBuf;

use cheeseshop_client::commands as client;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use url::Url;

use crate::commands::backup::BackupCommand;
use crate::commands::gen_config::GenConfigArgs;
use crate::config::Given;

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

impl Cli {
    /// What this process was started with; help is printed and mistakes are told here.
    pub(crate) fn of_this_process() -> Self {
        let matches = command_line().get_matches();
        match Self::from_arg_matches(&matches) {
            Ok(cli) => cli,
            Err(error) => error.exit(),
        }
    }
}

/// The command line as people read it: commands under headings, and settings of the server only in the
/// help of its own commands. They are understood everywhere.
pub(crate) fn command_line() -> clap::Command {
    let command = Cli::command();
    let settings: Vec<_> = settings(&command).map(|arg| arg.hide(true)).collect();
    let command = command.mut_subcommands(|command| {
        if is_of_server(&command) {
            command
        } else {
            command.args(settings.clone())
        }
    });
    let group = |is_chosen: fn(&clap::Command) -> bool| {
        let chosen = Cli::command();
        let chosen = chosen.get_subcommands().filter(|one| is_chosen(one));
        clap::Command::new("").subcommands(chosen.cloned())
    };
    let groups = [
        ("Server", group(is_of_server)),
        (
            "Client, as devpi has it",
            group(|one| !is_of_server(one) && !is_beyond_devpi(one)),
        ),
        ("Client, beyond devpi", group(is_beyond_devpi)),
    ];
    client::grouped(command, &groups)
}

/// The command line as other programs read it: settings of the server at no command but its own.
pub(crate) fn plain_command_line() -> clap::Command {
    let command = Cli::command();
    let settings: Vec<_> = settings(&command).collect();
    command
        .mut_args(|arg| arg.global(false))
        .mut_subcommands(|command| {
            if is_of_server(&command) {
                command.args(settings.clone())
            } else {
                command
            }
        })
}

/// The arguments that each command takes over.
fn settings(command: &clap::Command) -> impl Iterator<Item = clap::Arg> {
    command
        .get_arguments()
        .filter(|arg| arg.is_global_set())
        .cloned()
}

fn is_of_server(command: &clap::Command) -> bool {
    ServerCommand::has_subcommand(command.get_name())
}

fn is_beyond_devpi(command: &clap::Command) -> bool {
    client::OwnCommand::has_subcommand(command.get_name())
}

/// Where the settings are and which of them the command line changes.
#[derive(Debug, Args)]
pub(crate) struct SettingArgs {
    /// Directory that holds the database, the files and the lock.
    ///
    /// Default: `$STATE_DIRECTORY` (a service of systemd has it), else `$XDG_DATA_HOME/cheeseshop`, else
    /// `~/.local/share/cheeseshop`.
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

    /// What other names of the program make of their own options and defaults.
    #[arg(skip)]
    pub(crate) given: Vec<Given>,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What needs a server's settings.
    #[command(flatten)]
    Server(ServerCommand),
    /// What needs a server at the other end of the wire.
    #[command(flatten)]
    Client(client::Command),
}

/// The commands of the server and its keeper.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
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
    /// Make, look at and restore backups, beside the running server.
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Remove the bytes that no file refers to any more.
    Gc(GcArgs),
    /// Look whether the bytes of all files are there and whole.
    Fsck(FsckArgs),
    /// Make links under which this program is devpi, devpi-server and its companions.
    InstallLinks(InstallLinksArgs),
    /// Write completions for a shell, or manual pages.
    #[command(subcommand)]
    Generate(GenerateCommand),
    /// Write the configuration of a program in front of the server or around it.
    GenConfig(GenConfigArgs),
    /// Take in what a devpi-server holds: its export, its own data, or whatever it serves.
    Import(ImportArgs),
    /// Write everything in the form that devpi-server imports.
    Export(ExportArgs),
    /// Ask a running server how it is.
    Status(StatusArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on, with `https://` in front for TLS; port 0 takes a free one. May be
    /// repeated.
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

    /// Be a throwaway server for tests: data that is removed at the end, a free port, cheap passwords, no
    /// settings of this machine, no upstream. It prints one JSON line (`url`, `pid`, `users`, `indexes`),
    /// and ends with the process that has started it.
    #[arg(long)]
    pub(crate) ephemeral: bool,

    /// Make the users and indexes of this layout first.
    #[arg(long, value_name = "FILE", requires = "ephemeral")]
    pub(crate) layout: Option<PathBuf>,
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

    /// Wait so long for the end of a backup that is being made; 0 does not wait.
    #[arg(long, value_name = "SECONDS", default_value = "1h")]
    pub(crate) wait: String,
}

#[derive(Debug, Args)]
pub(crate) struct FsckArgs {
    /// Look only whether the bytes are there and as many as there should be.
    #[arg(long)]
    pub(crate) no_checksum: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GenerateCommand {
    /// Print the completions of a shell: `source <(cheeseshop generate completions bash)`.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
        /// The name to complete: this program's, or the client's under devpi's.
        #[arg(long, value_enum, default_value_t = ProgramName::Cheeseshop)]
        name: ProgramName,
    },
    /// Write a manual page for each command of `cheeseshop` and `devpi`.
    Man {
        /// The directory for them.
        directory: PathBuf,
    },
}

/// A name with a command line of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ProgramName {
    /// This program.
    Cheeseshop,
    /// The client as devpi has it.
    Devpi,
}

#[derive(Debug, Args)]
pub(crate) struct InstallLinksArgs {
    /// The directory for the links; best one of the search path, before that of devpi's own.
    pub(crate) directory: PathBuf,

    /// Replace files and links of others too.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Directory that `devpi-export` has written, the directory of a stopped devpi-server, or the
    /// URL of its PostgreSQL database.
    #[arg(required_unless_present = "url")]
    pub(crate) source: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) follow: FollowArgs,

    /// Read and check everything, and say what would become of it.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Share the files with the source (hard links) where that is possible, instead of copying them.
    #[arg(long)]
    pub(crate) hard_links: bool,

    /// Write what became of everything into this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// Leave out indexes of this type. May be repeated.
    #[arg(long, value_name = "TYPE")]
    pub(crate) skip_index_type: Vec<String>,

    /// Leave out this index. May be repeated.
    #[arg(long, value_name = "USER/INDEX")]
    pub(crate) skip_index: Vec<String>,
}

/// How a running devpi-server is followed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Following a running devpi-server")]
pub(crate) struct FollowArgs {
    /// Take in what the devpi-server at this URL holds, and whatever changes there, until stopped.
    ///
    /// It must have been started with `--role primary` and `--secretfile FILE`.
    #[arg(
        long = "follow",
        value_name = "URL",
        requires = "secret_file",
        conflicts_with_all = ["source", "dry_run", "hard_links", "report"]
    )]
    pub(crate) url: Option<Url>,

    /// The file that the devpi-server was started with as `--secretfile`.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) secret_file: Option<PathBuf>,

    /// End as soon as everything was taken in.
    #[arg(long, requires = "url")]
    pub(crate) until_in_sync: bool,

    /// As given to the devpi-server, if it was.
    #[arg(long, value_name = "KIB", requires = "url", hide_short_help = true)]
    pub(crate) argon2_memory_cost: Option<u32>,

    /// As given to the devpi-server, if it was.
    #[arg(long, value_name = "PASSES", requires = "url", hide_short_help = true)]
    pub(crate) argon2_time_cost: Option<u32>,

    /// As given to the devpi-server, if it was.
    #[arg(long, value_name = "LANES", requires = "url", hide_short_help = true)]
    pub(crate) argon2_parallelism: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Directory to write to; it must not exist, or be empty.
    pub(crate) directory: PathBuf,

    /// Also the files that mirrors hold.
    #[arg(long)]
    pub(crate) include_mirrored_files: bool,

    /// Share the files with the export (hard links) where that is possible, instead of copying them.
    #[arg(long)]
    pub(crate) hard_links: bool,

    /// Write what became of everything into this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
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
    use super::*;

    #[test]
    fn the_command_tree_is_consistent() {
        command_line().debug_assert();
        plain_command_line().debug_assert();
    }

    /// Whatever of a command and those below it has nothing said about it.
    fn undocumented(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        let has_text = |text: Option<&clap::builder::StyledStr>| {
            text.is_some_and(|text| text.to_string().trim().len() > 3)
        };
        if !has_text(command.get_about()) {
            found.push(path.clone());
        }
        for arg in command.get_arguments() {
            if !has_text(arg.get_help()) {
                found.push(format!("{path} {}", arg.get_id()));
            }
            for value in arg.get_possible_values() {
                // Flags have those of a truth value; these are known to everybody.
                let is_known = arg.get_id() == "shell" || ["yes", "no"].contains(&value.get_name());
                if arg.get_action().takes_values() && !is_known && !has_text(value.get_help()) {
                    found.push(format!("{path} {}: {}", arg.get_id(), value.get_name()));
                }
            }
        }
        for command in command.get_subcommands() {
            undocumented(command, &path, found);
        }
    }

    #[test]
    fn every_command_and_argument_is_documented() {
        let mut found = Vec::new();
        for mut command in [plain_command_line(), client::devpi_command_line()] {
            command.build();
            undocumented(&command, "", &mut found);
        }
        assert!(found.is_empty(), "{found:#?}");
    }

    #[test]
    fn the_settings_of_the_server_are_no_matter_of_the_client() {
        let help = |name: &str| {
            let mut command = command_line();
            command.build();
            let command = command.find_subcommand_mut(name).unwrap();
            command.render_long_help().to_string()
        };
        assert!(help("serve").contains("--data-dir"));
        assert!(!help("list").contains("--data-dir"));
        let matches = command_line()
            .try_get_matches_from(["cheeseshop", "list", "--data-dir", "d"])
            .unwrap();
        let cli = Cli::from_arg_matches(&matches).unwrap();
        assert_eq!(cli.settings.data_dir, Some(PathBuf::from("d")));
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
