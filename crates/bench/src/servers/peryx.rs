//! peryx, with the same indexes as its configuration allows: a virtual index is flat.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{
    HOSTED, IndexServer, MIRROR, NAMES, PASSWORD, Spelling, TEAM, TEAM_HOSTED, Who, log_in,
};
use crate::process::free_address;
use crate::world::World;

/// What the hosted part of the virtual index at [`TEAM`] is called.
const TEAM_OWN: &str = "team/own";

pub(super) fn start(programs: &Path, folder: &Path, world: &World) -> Result<IndexServer> {
    let address = free_address()?;
    let settings = folder.join("peryx.toml");
    std::fs::write(&settings, configuration(folder, world))?;
    let program = programs.join("peryx");
    let command = move || {
        let mut command = Command::new(&program);
        command
            .arg("serve")
            .arg("--config")
            .arg(&settings)
            .args(["--host", "127.0.0.1", "--port"])
            .arg(address.port().to_string())
            .args(["--log-level", "warn"]);
        command
    };
    IndexServer::start(
        Who::Peryx,
        Spelling::Peryx,
        address,
        log_in(folder, "peryx"),
        Box::new(command),
    )
}

fn configuration(folder: &Path, world: &World) -> String {
    // Pages must not go stale in the middle of a run; devpi and we keep them for 30 minutes.
    let mut text = format!(
        "data_dir = {:?}\ncache_ttl_secs = 1800\n",
        folder.join("peryx").display().to_string()
    );
    for (name, url) in [(MIRROR, world.upstream.url()), (NAMES, world.names.url())] {
        let _ = write!(
            text,
            "\n[[index]]\nname = {:?}\nroute = {name:?}\necosystem = \"pypi\"\n\
             [[index.upstream]]\nname = \"upstream\"\nurl = {url:?}\n",
            plain(name)
        );
    }
    for name in TEAM_HOSTED.into_iter().chain([HOSTED]) {
        let route = if name == TEAM { TEAM_OWN } else { name };
        let _ = write!(
            text,
            "\n[[index]]\nname = {:?}\nroute = {route:?}\necosystem = \"pypi\"\nhosted = true\n\
             [[index.access_token]]\nname = \"bench\"\nsecret = {PASSWORD:?}\n\
             actions = [\"read\", \"write\"]\n",
            plain(route)
        );
    }
    let layers: Vec<String> = [TEAM_OWN]
        .into_iter()
        .chain(TEAM_HOSTED.into_iter().filter(|name| *name != TEAM))
        .chain([MIRROR])
        .map(plain)
        .collect();
    let _ = write!(
        text,
        "\n[[index]]\nname = {:?}\nroute = {TEAM:?}\necosystem = \"pypi\"\nlayers = {layers:?}\n\
         write_target = {:?}\n",
        plain(TEAM),
        plain(TEAM_OWN)
    );
    text
}

/// Names have no slash there, routes have.
fn plain(name: &str) -> String {
    name.replace('/', "-")
}
