//! `cargo xtask deb`: the Debian packages `cheeseshop` and `cheeseshop-devpi`.
//!
//! debhelper makes them from `deploy/debian`. [`source`] lays that folder out beside the built program
//! and what is generated ([`changelog`], [`copyright`]), [`package`] runs the builder and lintian,
//! [`archive`] makes an apt repository of the result, and [`check`] proves it on clean Debians
//! ([`clean_debian`], [`piuparts`], [`booted`], [`scenario`]).
//!
//! debhelper and not cargo-deb: two packages come out of one source, what each release of Debian expects of
//! users, units and maintainer scripts is its business, and a build machine has it in seconds.

mod archive;
pub(crate) mod booted;
mod changelog;
pub(crate) mod clean_debian;
mod copyright;
mod package;
mod piuparts;
pub(crate) mod scenario;
mod source;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::machine;
use crate::shell::{self, cargo, program, say, step, workspace_root};
use archive::Signer;
use package::Packages;
use source::{Edition, News};

/// How cargo builds what is packaged for operators.
const BUILD_FOR_RELEASE: &[&str] = &[
    "build",
    "--release",
    "--locked",
    "--package=cheeseshop",
    "--config=profile.release.strip='none'",
];

/// Where machines find a repository of which nobody has said where it is.
const REPOSITORY_URL: &str = "https://packages.example/debian/";

/// What is built into the packages at this version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Package the build without optimisation, install, use, upgrade and purge it on a clean Debian.
    #[arg(long)]
    check: bool,

    /// Package this program in place of building one.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,

    /// Add the packages to the apt repository in this directory, which is made if it is not there.
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    repository: Option<PathBuf>,

    /// Sign the repository with this key of gpg's.
    #[arg(long, value_name = "KEY", requires = "repository")]
    sign_with: Option<String>,

    /// Where machines find the repository.
    #[arg(long, value_name = "URL", requires = "repository", default_value = REPOSITORY_URL)]
    repository_url: String,

    /// With --check: make the clean Debian anew, with the updates of today.
    #[arg(long, requires = "check")]
    fresh: bool,
}

/// Builds the packages and says where they are.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.check {
        machine::ensure(machine::FOR_DEB_CHECK)?;
        if arguments.fresh {
            for release in clean_debian::releases()? {
                clean_debian::remove(&release)?;
            }
        }
        if let Some(program) = &arguments.program {
            return check(program);
        }
        step("building", || {
            shell::run(cargo().args(["build", "--locked", "--package", "cheeseshop"]))
        })?;
        return check(&shell::target_directory().join("debug/cheeseshop"));
    }
    release(arguments)
}

/// Packages what is handed to operators.
fn release(arguments: &Arguments) -> Result<()> {
    machine::ensure(machine::FOR_DEB)?;
    if arguments.repository.is_some() {
        machine::ensure(machine::FOR_APT_REPOSITORY)?;
    }
    let program = if let Some(program) = &arguments.program {
        program.clone()
    } else {
        step("building for release", || {
            // debhelper takes the names of functions and lines out, into a package of their own.
            shell::run(cargo().args(BUILD_FOR_RELEASE))
        })?;
        shell::target_directory().join("release/cheeseshop")
    };
    let edition = Edition {
        program,
        version: source::debian_version(VERSION),
        news: News::OfThisCheckout,
        quick: false,
    };
    let packages = step("packaging", || package::build(&edition, &folder("release")))?;
    step("lintian", || package::lint(&packages))?;
    for file in packages.files() {
        let mebibytes = std::fs::metadata(&file)?.len().div_ceil(1 << 20);
        say(&format!("built {} ({mebibytes} MiB)", file.display()));
    }
    let Some(repository) = &arguments.repository else {
        return Ok(());
    };
    let signer = arguments.sign_with.clone().map(Signer::named);
    step("the apt repository", || {
        let url = &arguments.repository_url;
        archive::publish(repository, &packages.files(), signer.as_ref(), url)
    })
}

/// Packages a program that was built for tests, looks at the packages, and uses them on a clean Debian.
pub(crate) fn check(program: &Path) -> Result<()> {
    if !machine::is_root()? {
        bail!("a Debian is booted by root only; `cargo xtask test --no-deb` leaves it out");
    }
    machine::ensure(machine::FOR_DEB_CHECK)?;
    std::fs::create_dir_all(base_folder())?;
    // Another check in this checkout waits: both have one place for their packages.
    let lock = std::fs::File::create(base_folder().join("check.lock"))?;
    lock.lock().context("the check cannot be locked")?;
    let folder = folder("check");
    let (previous, packages) = step("Debian packages, and those before them", || {
        package::build_for_check(program, &folder)
    })?;
    step("lintian", || package::lint(&packages))?;
    let repositories = step("apt repositories", || {
        publish_for_test(&folder, &previous, &packages)
    })?;
    let own = clean_debian::codename()?;
    for release in clean_debian::releases()? {
        let tree = step(&format!("a clean Debian, {release}"), || {
            clean_debian::tree_of(&release)
        })?;
        if release == own {
            step("piuparts", || {
                let mirror = clean_debian::mirror()?;
                piuparts::run(&release, &mirror, &tree, &repositories.before, &packages)
            })?;
        } else {
            step(&format!("lintian of {release}"), || {
                package::lint_on(&release, &folder, &packages)
            })?;
        }
        step(&format!("the packages on a clean {release}"), || {
            scenario::run(&tree, &folder, &previous, &packages, &repositories)
        })?;
    }
    Ok(())
}

/// One apt repository at two moments.
#[derive(Debug)]
struct Repositories {
    /// With the release before this one.
    before: PathBuf,
    /// With both.
    now: PathBuf,
}

fn publish_for_test(
    folder: &Path,
    previous: &Packages,
    packages: &Packages,
) -> Result<Repositories> {
    let all = folder.join("repository");
    if all.exists() {
        std::fs::remove_dir_all(&all)?;
    }
    let repositories = Repositories {
        before: all.join("before"),
        now: all.join("now"),
    };
    let signer = Signer::for_test()?;
    let publish = |folder: &Path, files: &[PathBuf]| {
        archive::publish(folder, files, Some(&signer), REPOSITORY_URL)
    };
    publish(&repositories.before, &previous.files())?;
    shell::run(
        program("cp")
            .arg("--recursive")
            .args([&repositories.before, &repositories.now]),
    )?;
    publish(&repositories.now, &packages.files())?;
    Ok(repositories)
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
