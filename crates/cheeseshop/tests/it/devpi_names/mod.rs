//! The program under the names of devpi-server's: what tools that start a server look for.

mod api;
mod directory;
mod fsck;
mod gen_config;
mod install_links;
mod moving;
mod nginx;
mod options;
mod passwd;
mod secret;
mod serve;

use crate::support::{Home, Output, Server, finish};

/// Every name, as devpi's programs are called.
const NAMES: &[&str] = &[
    "devpi-server",
    "devpi-init",
    "devpi-passwd",
    "devpi-export",
    "devpi-import",
    "devpi-gen-config",
    "devpi-gen-secret",
    "devpi-fsck",
    "devpi-clear-search-index",
];

/// Runs one of the programs to its end.
fn run(home: &Home, name: &str, arguments: &[&str]) -> Output {
    finish(home.devpi(name, arguments), "")
}

/// Starts `devpi-server` on the directory that `devpi-init` has made.
fn serve(home: &Home, arguments: &[&str]) -> Server {
    Server::spawn(home, home.devpi_server(arguments))
}

/// A home with an initialised server directory without a mirror.
fn initialised() -> Home {
    let home = Home::new();
    home.devpi_init(&["--no-root-pypi"]);
    home
}
