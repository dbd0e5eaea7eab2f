//! Running Debian's builder and lintian.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::VERSION;
use super::clean_debian;
use super::source::{self, Edition, News};
use crate::shell::{self, program, say};

/// What a build has left.
#[derive(Debug)]
pub(super) struct Packages {
    /// The server and the client.
    pub(super) cheeseshop: PathBuf,
    /// The links under devpi's names.
    pub(super) devpi: PathBuf,
    /// What debuggers and profilers read, unless it was left out.
    symbols: Option<PathBuf>,
    /// What describes the build.
    changes: PathBuf,
    pub(super) version: String,
}

impl Packages {
    /// What is installed.
    pub(super) fn programs(&self) -> [&Path; 2] {
        [&self.cheeseshop, &self.devpi]
    }

    /// Everything that was built.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let named = [&self.cheeseshop, &self.devpi].into_iter();
        named.chain(&self.symbols).cloned().collect()
    }
}

/// Builds an edition into `folder`, which is made anew.
pub(super) fn build(edition: &Edition, folder: &Path) -> Result<Packages> {
    make_anew(folder)?;
    source::lay_out(edition, &folder.join("source"))?;
    build_laid_out(edition, folder)
}

/// The packages, built twice to see that the bytes are the same; and those of a release before them,
/// which knows less of the schema. All are in `folder`.
pub(super) fn build_for_check(program_file: &Path, folder: &Path) -> Result<(Packages, Packages)> {
    let edition = Edition {
        program: program_file.to_owned(),
        version: source::debian_version(VERSION),
        news: News::OfThisCheckout,
        quick: true,
    };
    let (this, again) = (folder.join("this"), folder.join("again"));
    make_anew(&this)?;
    make_anew(&again)?;
    // Laid out once: a page of the manual that somebody edits meanwhile makes no difference.
    source::lay_out(&edition, &this.join("source"))?;
    shell::run(
        program("cp")
            .arg("--recursive")
            .arg(this.join("source"))
            .arg(again.join("source")),
    )?;
    let packages = build_laid_out(&edition, &this)?;
    let again = build_laid_out(&edition, &again)?;
    for (one, other) in again.files().into_iter().zip(packages.files()) {
        if std::fs::read(&one)? != std::fs::read(&other)? {
            bail!(
                "two builds of one source differ: compare {} and {}",
                one.display(),
                other.display()
            );
        }
    }
    let before = Edition {
        version: format!("{}~previous", edition.version),
        news: News::OfNobody,
        ..edition
    };
    let previous = build(&before, &folder.join("previous"))?;
    Ok((previous, packages))
}

fn make_anew(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}

/// Builds what was laid out in the folder's `source`.
fn build_laid_out(edition: &Edition, folder: &Path) -> Result<Packages> {
    let source = folder.join("source");
    let log = folder.join("build.log");
    let mut command = program("dpkg-buildpackage");
    command
        // cargo has built; the builder needs debhelper only, which was seen to.
        .args(["--build=binary", "--no-sign", "--no-check-builddeps"])
        .current_dir(&source)
        .env("SOURCE_DATE_EPOCH", source::moment()?)
        .env("LC_ALL", "C.UTF-8");
    if edition.news == News::OfNobody || !has_debug_information(&edition.program)? {
        command.env("DEB_BUILD_OPTIONS", "noautodbgsym");
    }
    if edition.quick {
        command
            .env("DPKG_DEB_COMPRESSOR_TYPE", "gzip")
            .env("DPKG_DEB_COMPRESSOR_LEVEL", "1");
    }
    shell::run_quietly(&mut command, &log)?;
    let find = |beginning: &str, extension: &str| -> Result<PathBuf> {
        let beginning = format!("{beginning}_{}_", edition.version);
        let mut found = std::fs::read_dir(folder)?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(&beginning)
                    && path.extension().is_some_and(|found| found == extension)
            });
        found.next().with_context(|| {
            format!(
                "{beginning}….{extension} was not built; see {}",
                log.display()
            )
        })
    };
    Ok(Packages {
        cheeseshop: find("cheeseshop", "deb")?,
        devpi: find("cheeseshop-devpi", "deb")?,
        symbols: find("cheeseshop-dbgsym", "deb").ok(),
        changes: find("cheeseshop", "changes")?,
        version: edition.version.clone(),
    })
}

/// Whether a program tells debuggers more than the names of its functions.
fn has_debug_information(program_file: &Path) -> Result<bool> {
    let sections = shell::output_of(
        program("readelf")
            .args(["--wide", "--section-headers"])
            .arg(program_file),
    )?;
    Ok(sections.contains(" .debug_line ") || sections.contains(" .zdebug_line "))
}

/// How lintian is asked.
pub(super) const LINTIAN: &[&str] = &["--fail-on=error,warning", "--allow-root", "--no-cfg"];

/// Debian's own look at the packages. Errors and warnings fail; exceptions have their reason in
/// `deploy/debian/*.lintian-overrides`.
pub(super) fn lint(packages: &Packages) -> Result<()> {
    let mut command = program("lintian");
    command
        .args(LINTIAN)
        .arg(&packages.changes)
        .env("LC_ALL", "C.UTF-8")
        .stdout(std::io::stderr());
    shell::run(&mut command)?;
    say("lintian: no errors, no warnings but those that are explained");
    Ok(())
}

/// The same by the lintian of another release, which knows more and newer rules. The packages lie below `folder`.
pub(super) fn lint_on(codename: &str, folder: &Path, packages: &Packages) -> Result<()> {
    let mut words = vec!["lintian".to_owned(), LINTIAN.join(" ")];
    for file in packages.programs() {
        let below = file.strip_prefix(folder).context("a package elsewhere")?;
        words.push(format!("/packages/{}", below.display()));
    }
    clean_debian::run_with(codename, &["lintian"], folder, &words.join(" "))
}
