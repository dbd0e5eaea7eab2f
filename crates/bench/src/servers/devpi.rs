//! devpi-server, as its quick start says.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{IndexServer, PASSWORD, Spelling, Who, create_indexes, log_in, run};
use crate::devpi_api::Api;
use crate::process::free_address;
use crate::world::World;

pub(super) fn start(programs: &Path, folder: &Path, world: &World) -> Result<IndexServer> {
    let data = folder.join("devpi");
    let log = log_in(folder, "devpi");
    run(
        Command::new(programs.join("devpi-init"))
            .arg("--serverdir")
            .arg(&data)
            .args(["--no-root-pypi", "--root-passwd", PASSWORD]),
        &log,
    )?;
    let address = free_address()?;
    let program = programs.join("devpi-server");
    let command = move || {
        let mut command = Command::new(&program);
        command
            .arg("--serverdir")
            .arg(&data)
            .args(["--host", "127.0.0.1", "--port"])
            .arg(address.port().to_string())
            // The default of 5 seconds is too short for the list of 600,000 names.
            .args(["--request-timeout", "60"]);
        command
    };
    let server = IndexServer::start(Who::Devpi, Spelling::Devpi, address, log, Box::new(command))?;
    let mut api = Api::login(address, "root", PASSWORD)?;
    create_indexes(&mut api, world, false)?;
    Ok(server)
}
