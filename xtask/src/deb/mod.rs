//! `cargo xtask deb`: the Debian packages `cheeseshop` and `cheeseshop-devpi`.
//!
//! debhelper makes them from `deploy/debian`. [`source`] lays that folder out beside the built program
//! and what is generated ([`changelog`], [`copyright`]), [`package`] runs the builder and lintian, and
//! [`check`] proves the result on a clean Debian ([`clean_debian`], [`booted`], [`scenario`]).
//!
//! debhelper and not cargo-deb: two packages come out of one source, what each release of Debian expects of
//! users, units and maintainer scripts is its business, and a build machine has it in seconds.

pub(crate) mod booted;
mod changelog;
pub(crate) mod clean_debian;
mod copyright;
mod package;
pub(crate) mod scenario;
mod source;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use crate::machine;
use crate::shell::{self, cargo, say, step, workspace_root};
use source::{Edition, News};

/// What is built into the packages at this version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Package the build without optimisation, install, use, upgrade and purge it on a clean Debian.
    #[arg(long)]
    check: bool,

    /// With --check: package this program in place of building one.
    #[arg(long, requires = "check", value_name = "FILE")]
    program: Option<PathBuf>,

    /// With --check: make the clean Debian anew, with the updates of today.
    #[arg(long, requires = "check")]
    fresh: bool,
}

/// Builds the packages and says where they are.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.check {
        machine::ensure(machine::FOR_DEB_CHECK)?;
        if arguments.fresh {
            clean_debian::remove()?;
        }
        if let Some(program) = &arguments.program {
            return check(program);
        }
        step("building", || {
            shell::run(cargo().args(["build", "--locked", "--package", "cheeseshop"]))
        })?;
        return check(&shell::target_directory().join("debug/cheeseshop"));
    }
    machine::ensure(machine::FOR_DEB)?;
    step("building for release", || {
        shell::run(cargo().args(["build", "--release", "--locked", "--package", "cheeseshop"]))
    })?;
    let edition = Edition {
        program: shell::target_directory().join("release/cheeseshop"),
        version: source::debian_version(VERSION),
        news: News::OfThisCheckout,
        quick: false,
    };
    let packages = step("packaging", || package::build(&edition, &folder("release")))?;
    step("lintian", || package::lint(&packages))?;
    for file in packages.files() {
        say(&format!("built {}", file.display()));
    }
    Ok(())
}

/// Packages a program that was built for tests, looks at the packages, and uses them on a clean Debian.
pub(crate) fn check(program: &Path) -> Result<()> {
    if !machine::is_root()? {
        bail!("a Debian is booted by root only; `cargo xtask test --no-deb` leaves it out");
    }
    machine::ensure(machine::FOR_DEB_CHECK)?;
    let folder = folder("check");
    let (previous, packages) = step("Debian packages, and those before them", || {
        package::build_for_check(program, &folder)
    })?;
    step("lintian", || package::lint(&packages))?;
    let tree = step("a clean Debian", clean_debian::tree)?;
    step("the packages on a clean Debian", || {
        scenario::run(&tree, &folder, &previous, &packages)
    })
}

/// Packages a program that was built for tests, and says where the package of the server is.
pub(crate) fn package_for_test(program: &Path, folder: &Path) -> Result<PathBuf> {
    machine::ensure(machine::FOR_DEB_CHECK)?;
    let edition = Edition {
        program: program.to_owned(),
        version: source::debian_version(VERSION),
        news: News::OfThisCheckout,
        quick: true,
    };
    Ok(package::build(&edition, folder)?.cheeseshop)
}

/// Where packages and what they are made of go.
fn folder(name: &str) -> PathBuf {
    base_folder().join(name)
}

fn base_folder() -> PathBuf {
    shell::target_directory().join("deb")
}

/// What operators are given, and how.
fn deploy_folder() -> &'static Path {
    static FOLDER: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    FOLDER.get_or_init(|| workspace_root().join("deploy"))
}
