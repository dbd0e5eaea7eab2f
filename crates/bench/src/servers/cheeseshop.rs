//! We.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{IndexServer, Spelling, Who, create_indexes, log_in};
use crate::devpi_api::Api;
use crate::process::free_address;
use crate::world::World;

/// Starts a server with an empty data directory and gives it the indexes.
///
/// Defaults throughout, but for the log: the peers that log requests by default do it in their
/// own way, so nobody does, and what it costs is a row of its own.
pub(super) fn start(
    program: &Path,
    folder: &Path,
    name: &str,
    world: &World,
    arguments: &[&str],
) -> Result<IndexServer> {
    let address = free_address()?;
    let data = folder.join(name);
    let (program, home) = (program.to_owned(), folder.to_owned());
    let upstream = format!("--set=mirror.root_pypi_url={}", world.upstream.url());
    let arguments: Vec<String> = if arguments.is_empty() {
        vec!["--log=warn".to_owned()]
    } else {
        arguments.iter().map(ToString::to_string).collect()
    };
    let command = move || {
        let mut command = Command::new(&program);
        command
            .arg("serve")
            .arg("--listen")
            .arg(address.to_string())
            .arg("--data-dir")
            .arg(&data)
            .arg(&upstream)
            .args(&arguments)
            .env_clear()
            .env("HOME", &home)
            .env("CHEESESHOP_AUTH__PRINT_ROOT_PASSWORD", "always");
        command
    };
    let log = log_in(folder, name);
    let server = IndexServer::start(
        Who::Cheeseshop,
        Spelling::Devpi,
        address,
        log,
        Box::new(command),
    )?;
    let printed = server.process.log();
    let password = printed
        .lines()
        .find_map(|line| line.strip_prefix("Created the user `root` with the password: "))
        .context("the first start printed no password")?;
    let mut api = Api::login(address, "root", password)?;
    create_indexes(&mut api, world, true)?;
    Ok(server)
}
