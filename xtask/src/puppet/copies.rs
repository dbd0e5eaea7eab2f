//! Files of the product that the module has to hold itself, since Puppet hands out what lies in a module.

use anyhow::{Context as _, Result, bail};

use super::module;
use crate::shell::workspace_root;

/// Where a file is in the checkout, and in the module.
const COPIES: &[(&str, &str)] = &[
    ("deploy/layout/team.toml", "files/team.toml"),
    ("deploy/shell/devpi_use.sh", "files/devpi_use.sh"),
    (
        "deploy/systemd/cheeseshop.service",
        "files/cheeseshop.service",
    ),
    (
        "deploy/systemd/cheeseshop.socket",
        "files/cheeseshop.socket",
    ),
    (
        "deploy/systemd/cheeseshop-retention@.service",
        "files/cheeseshop-retention@.service",
    ),
    (
        "deploy/systemd/cheeseshop-retention@.timer",
        "files/cheeseshop-retention@.timer",
    ),
    (
        "deploy/systemd/cheeseshop-backup.service",
        "files/cheeseshop-backup.service",
    ),
    (
        "deploy/systemd/cheeseshop-backup.timer",
        "files/cheeseshop-backup.timer",
    ),
    (
        "deploy/systemd/cheeseshop-gc.service",
        "files/cheeseshop-gc.service",
    ),
    (
        "deploy/systemd/cheeseshop-gc.timer",
        "files/cheeseshop-gc.timer",
    ),
];

/// Copies all of them.
pub(super) fn write() -> Result<()> {
    for (from, to) in COPIES {
        let text = read(from)?;
        let path = module().join(to);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Whether they are what they were copied from.
pub(super) fn check() -> Result<()> {
    for (from, to) in COPIES {
        let copy = std::fs::read_to_string(module().join(to)).unwrap_or_default();
        if read(from)? != copy {
            bail!("{to} of the Puppet module differs from {from}: run `cargo xtask puppet`");
        }
    }
    Ok(())
}

fn read(name: &str) -> Result<String> {
    std::fs::read_to_string(workspace_root().join(name)).with_context(|| name.to_owned())
}
