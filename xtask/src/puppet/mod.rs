//! `cargo xtask puppet`: the Puppet module `deploy/puppet/cheeseshop`.
//!
//! What in it is made from elsewhere is written here: copies of files that the product ships ([`copies`]) and the
//! reference that puppet-strings reads out of the sources ([`tree::Tree::reference`]). [`check`] applies the example
//! of its README to a clean Debian ([`tree`]), which is booted as that of the Debian packages is.
//!
//! Puppet and its tools run inside that Debian only: the machine that tests needs none of them, and Facter asks the
//! addresses of clouds from there in vain.

mod copies;
mod example;
mod tree;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::deb::{self, booted::Machine};
use crate::machine;
use crate::shell::{self, cargo, program, say, step, workspace_root};
use tree::Tree;

/// What the steps begin with.
const LIBRARY: &str = include_str!("scenario/library.sh");

/// The steps, each on what the one before has left.
const STEPS: &[(&str, &str)] = &[
    ("the module's sources", include_str!("scenario/static.sh")),
    ("what stands around", include_str!("scenario/prepare.sh")),
    ("puppet apply, twice", include_str!("scenario/apply.sh")),
    ("the index is used", include_str!("scenario/use.sh")),
    ("the module's own tests", include_str!("scenario/spec.sh")),
];

/// The steps on a machine of their own: [`PARITY`] is applied.
const PARITY_STEPS: &[(&str, &str)] = &[
    ("what stands around", include_str!("scenario/prepare.sh")),
    (
        "what the module of 2016 could",
        include_str!("scenario/parity.sh"),
    ),
];

/// Everything that the example does not say.
const PARITY: &str = include_str!("scenario/parity.pp");

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Write nothing; look whether copies and reference are up to date, run the module's tests, and apply
    /// its example to a clean Debian.
    #[arg(long)]
    check: bool,

    /// With --check: this program in place of building one.
    #[arg(long, requires = "check", value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Writes copies and reference, or checks everything.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    machine::ensure(machine::FOR_DEB_CHECK)?;
    if !arguments.check {
        copies::write()?;
        let reference = step("a clean Debian with Puppet", tree::tree)?.reference()?;
        std::fs::write(module().join(REFERENCE), reference)?;
        say("copies and reference are written");
        return Ok(());
    }
    if let Some(program) = &arguments.program {
        return check(program);
    }
    step("building", || {
        shell::run(cargo().args(["build", "--locked", "--package", "cheeseshop"]))
    })?;
    check(&shell::target_directory().join("debug/cheeseshop"))
}

/// Checks the module with a program that was built for tests.
pub(crate) fn check(program: &Path) -> Result<()> {
    machine::ensure(machine::FOR_DEB_CHECK)?;
    copies::check()?;
    let tree = step("a clean Debian with Puppet", tree::tree)?;
    step("the module's reference", || check_reference(&tree))?;
    let folder = folder().join("check");
    step("a package for Puppet", || lay_out(program, &folder))?;
    step("the module on a clean Debian", || {
        go_through(&tree, &folder, STEPS)
    })?;
    step("the module on another one", || {
        go_through(&tree, &folder, PARITY_STEPS)
    })
}

/// Boots the tree, sees what lies in `folder`, and runs the steps.
fn go_through(tree: &Tree, folder: &Path, steps: &[(&str, &str)]) -> Result<()> {
    let machine = step("boot", || {
        Machine::boot(tree.root(), folder, &folder.join("machine.log"))
    })?;
    let library = [deb::scenario::LIBRARY, LIBRARY].concat();
    steps
        .iter()
        .try_for_each(|(name, script)| step(name, || machine.run(&format!("{library}{script}"))))
}

/// The name of the reference, as Puppet's sites expect it.
const REFERENCE: &str = "REFERENCE.md";

fn check_reference(tree: &Tree) -> Result<()> {
    let wanted = tree.reference()?;
    let found = std::fs::read_to_string(module().join(REFERENCE)).context(REFERENCE)?;
    if wanted != found {
        bail!("{REFERENCE} of the Puppet module is not up to date: run `cargo xtask puppet`");
    }
    Ok(())
}

/// Puts into `folder`, which is made anew, what the machine is to see: the module, a package, the example.
fn lay_out(program_file: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    let modules = folder.join("modules");
    std::fs::create_dir_all(&modules)?;
    shell::run(program("cp").args(["-r"]).arg(module()).arg(&modules))?;
    let package = deb::package_for_test(program_file, &folder.join("package"))?;
    std::fs::rename(package, folder.join("cheeseshop.deb"))?;
    let readme = std::fs::read_to_string(module().join("README.md"))?;
    std::fs::write(folder.join("site.pp"), example::first(&readme)?)?;
    std::fs::write(folder.join("parity.pp"), PARITY)?;
    Ok(())
}

/// The module.
fn module() -> PathBuf {
    workspace_root().join("deploy/puppet/cheeseshop")
}

fn folder() -> PathBuf {
    shell::target_directory().join("puppet")
}
