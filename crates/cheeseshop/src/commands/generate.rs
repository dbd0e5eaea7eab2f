//! `cheeseshop generate`: completions and manual pages, out of the definition of the command line.

use std::path::Path;

use crate::cli::{self, GenerateCommand, ProgramName};
use crate::failure::Failure;
use crate::output;

/// Writes what was asked for.
pub(crate) fn run(command: &GenerateCommand) -> Result<(), Failure> {
    match command {
        GenerateCommand::Completions { shell, name } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut command_line(*name), program(*name), &mut text);
            output::data(String::from_utf8_lossy(&text).trim_end());
            Ok(())
        }
        GenerateCommand::Man { directory } => write_pages(directory).map_err(|error| {
            let what = format!("manual pages cannot be written to {}", directory.display());
            Failure::caused_by(&what, &error)
        }),
    }
}

fn write_pages(directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    for name in [ProgramName::Cheeseshop, ProgramName::Devpi] {
        clap_mangen::generate_to(command_line(name), directory)?;
    }
    Ok(())
}

fn command_line(name: ProgramName) -> clap::Command {
    match name {
        ProgramName::Cheeseshop => cli::plain_command_line(),
        ProgramName::Devpi => cheeseshop_client::commands::devpi_command_line(),
    }
}

fn program(name: ProgramName) -> &'static str {
    match name {
        ProgramName::Cheeseshop => "cheeseshop",
        ProgramName::Devpi => "devpi",
    }
}
