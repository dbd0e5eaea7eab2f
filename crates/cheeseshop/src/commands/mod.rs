//! The commands, one file each.

mod audit;
mod config;
pub(crate) mod export;
mod follow;
pub(crate) mod fsck;
mod gc;
pub(crate) mod import;
mod init;
mod install_links;
mod moving;
pub(crate) mod passwd;
pub(crate) mod serve;
mod status;

use crate::cli::{AuditCommand, Cli, Command, ConfigCommand};
use crate::failure::Failure;

/// Runs what the user asked for.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let settings = cli.settings;
    match cli.command {
        Command::Serve(arguments) => Box::pin(serve::run(&settings, &arguments)).await,
        Command::Init => Box::pin(init::run(&settings)).await,
        Command::Passwd(arguments) => Box::pin(passwd::run(&settings, &arguments)).await,
        Command::Config(ConfigCommand::Check) => config::check(&settings),
        Command::Config(ConfigCommand::Show) => config::show(&settings),
        Command::Audit(AuditCommand::Verify) => audit::verify(&settings).await,
        Command::Fsck(arguments) => Box::pin(fsck::run(&settings, &arguments)).await,
        Command::InstallLinks(arguments) => install_links::run(&arguments),
        Command::Gc(arguments) => Box::pin(gc::run(&settings, &arguments)).await,
        Command::Import(arguments) => Box::pin(import::run(&settings, &arguments)).await,
        Command::Export(arguments) => Box::pin(export::run(&settings, &arguments)).await,
        Command::Status(arguments) => status::run(&arguments).await,
    }
}
