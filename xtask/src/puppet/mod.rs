//! `cargo xtask puppet`: the Puppet module `deploy/puppet/cheeseshop`.
//!
//! What in it is made from elsewhere is written here: copies of files that the product ships ([`copies`]) and the
//! reference that puppet-strings reads out of the sources ([`tree::Tree::reference`]). [`check`] applies the example
//! of its README to a clean Debian ([`tree`]), which is booted as that of the Debian packages is, and to that of
//! later releases; [`nodes`] has two of them be one index.
//!
//! Puppet and its tools run inside that Debian only: the machine that tests needs none of them, and Facter asks the
//! addresses of clouds from there in vain.

mod copies;
mod example;
mod nodes;
mod tree;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::deb::{self, booted::Machine, clean_debian};
use crate::machine;
use crate::shell::{self, cargo, program, say, step, workspace_root};
use tree::Tree;

/// What the steps begin with.
const LIBRARY: &str = include_str!("scenario/library.sh");

/// A step: its name, and a program of shell.
type Step = (&'static str, &'static str);

const PREPARE: Step = ("what has to be there", include_str!("scenario/prepare.sh"));
const AROUND: Step = ("what stands around", include_str!("scenario/around.sh"));
const STATIC: Step = ("the module's sources", include_str!("scenario/static.sh"));
const APPLY: Step = ("puppet apply, twice", include_str!("scenario/apply.sh"));
const USE: Step = ("the index is used", include_str!("scenario/use.sh"));
const OPERATE: Step = (
    "what happens to it later",
    include_str!("scenario/operate.sh"),
);
const SPEC: Step = ("the module's own tests", include_str!("scenario/spec.sh"));
const PARITY: Step = (
    "what the module of 2016 could",
    include_str!("scenario/parity.sh"),
);

/// The steps, each on what the one before has left.
const STEPS: &[Step] = &[STATIC, PREPARE, AROUND, APPLY, USE, SPEC, OPERATE];

/// The steps on later releases, which have another Puppet.
const LATER_STEPS: &[Step] = &[STATIC, PREPARE, AROUND, APPLY, USE, SPEC];

/// The steps on a machine of their own.
const PARITY_STEPS: &[Step] = &[PREPARE, AROUND, PARITY];

/// What is applied, beside the example of the README: that does not say everything.
const MANIFESTS: &[(&str, &str)] = &[
    ("parity.pp", include_str!("scenario/parity.pp")),
    ("nodes.pp", include_str!("scenario/nodes.pp")),
];

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
        let reference = step("a clean Debian with Puppet", || {
            tree::of(&clean_debian::codename()?)
        })?
        .reference()?;
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
    let folder = folder().join("check");
    step("a package for Puppet", || lay_out(program, &folder))?;
    let releases = clean_debian::releases()?;
    let trees = releases
        .iter()
        .map(|release| {
            step(&format!("a clean {release} with Puppet"), || {
                tree::of(release)
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let (own, later) = trees.split_first().context("no release of Debian")?;
    step("the module's reference", || check_reference(own))?;
    step("the module on a clean Debian", || {
        go_through(own, &folder, STEPS)
    })?;
    step("the module on another one", || {
        go_through(own, &folder, PARITY_STEPS)
    })?;
    for (tree, release) in later.iter().zip(releases.iter().skip(1)) {
        step(&format!("the module on a clean {release}"), || {
            go_through(tree, &folder, LATER_STEPS)
        })?;
    }
    step("two machines that are one index", || {
        nodes::check(own, later.last().unwrap_or(own), &folder)
    })
}

/// Boots the tree, sees what lies in `folder`, and runs the steps.
fn go_through(tree: &Tree, folder: &Path, steps: &[Step]) -> Result<()> {
    let machine = step("boot", || {
        Machine::boot(tree.root(), folder, &folder.join("machine.log"))
    })?;
    steps.iter().try_for_each(|one| take(&machine, one))
}

/// Takes a step in a machine.
fn take(machine: &Machine, (name, script): &Step) -> Result<()> {
    step(name, || {
        machine.run(&[deb::scenario::LIBRARY, LIBRARY, script].concat())
    })
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
    for (name, manifest) in MANIFESTS {
        std::fs::write(folder.join(name), manifest)?;
    }
    nodes::lay_out(folder)
}

/// The module.
fn module() -> PathBuf {
    workspace_root().join("deploy/puppet/cheeseshop")
}

fn folder() -> PathBuf {
    shell::target_directory().join("puppet")
}
