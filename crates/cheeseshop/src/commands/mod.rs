//! The commands, one file each.

mod audit;
pub(crate) mod backup;
mod config;
mod ephemeral;
pub(crate) mod export;
mod follow;
pub(crate) mod fsck;
mod gc;
pub(crate) mod gen_config;
mod generate;
pub(crate) mod import;
mod init;
mod install_links;
mod moving;
pub(crate) mod passwd;
pub(crate) mod serve;
mod status;

pub(crate) use self::install_links::CLIENT_NAME;

use crate::cli::{AuditCommand, ConfigCommand, ServerCommand, SettingArgs};
use crate::failure::Failure;
use crate::output;

/// Runs what the user asked for.
pub(crate) async fn run(settings: SettingArgs, command: ServerCommand) -> Result<(), Failure> {
    match command {
        // Its lines are for whoever has started it, long ago.
        ServerCommand::Serve(arguments) => {
            return Box::pin(serve::run(&settings, &arguments)).await;
        }
        ServerCommand::Init => Box::pin(init::run(&settings)).await,
        ServerCommand::Passwd(arguments) => Box::pin(passwd::run(&settings, &arguments)).await,
        ServerCommand::Config(ConfigCommand::Check) => config::check(&settings),
        ServerCommand::Config(ConfigCommand::Show) => config::show(&settings),
        ServerCommand::Audit(AuditCommand::Verify) => audit::verify(&settings).await,
        ServerCommand::Backup(command) => Box::pin(backup::run(&settings, &command)).await,
        ServerCommand::Fsck(arguments) => Box::pin(fsck::run(&settings, &arguments)).await,
        ServerCommand::Generate(command) => generate::run(&command),
        ServerCommand::GenConfig(arguments) => gen_config::run(&settings, &arguments),
        ServerCommand::InstallLinks(arguments) => install_links::run(&arguments),
        ServerCommand::Gc(arguments) => Box::pin(gc::run(&settings, &arguments)).await,
        ServerCommand::Import(arguments) => Box::pin(import::run(&settings, &arguments)).await,
        ServerCommand::Export(arguments) => Box::pin(export::run(&settings, &arguments)).await,
        ServerCommand::Status(arguments) => status::run(&arguments).await,
    }?;
    output::all_written()
}
