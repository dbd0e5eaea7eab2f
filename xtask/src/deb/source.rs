//! What debhelper works on: `deploy/debian` with its blanks filled in, the units of `deploy/systemd`, and
//! beside them `built/`: the program and what it writes about itself.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::changelog::{self, Entry, Signature};
use super::{copyright, deploy_folder};
use crate::shell::{self, output_of, program, workspace_root};

/// Who is named when nobody has said so in Debian's own variables, `DEBFULLNAME` and `DEBEMAIL`: an address that
/// cannot be anybody's. Who hands packages on says who answers for them.
const MAINTAINER: (&str, &str) = ("Cheeseshop maintainers", "nobody@cheeseshop.invalid");

/// The name that the service, its user and the packages begin with.
const NAME: &str = "cheeseshop";

/// What systemd reads.
const UNIT_KINDS: &[&str] = &["service", "socket", "timer", "target", "path"];

/// One packaging of a built program.
#[derive(Debug, Clone)]
pub(super) struct Edition {
    pub(super) program: PathBuf,
    /// In Debian's spelling.
    pub(super) version: String,
    pub(super) news: News,
    /// Packed quickly and not tightly: for a test.
    pub(super) quick: bool,
}

/// What the changelog tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Everything that this checkout knows.
    OfThisCheckout,
    /// Nothing: a release that was made up, with the schema before the newest.
    OfNobody,
}

/// `1.0.0-rc.1` as Debian writes it, where it is older than `1.0.0`.
pub(super) fn debian_version(version: &str) -> String {
    version.replacen('-', "~", 1)
}

/// Lays everything out in `folder`, which is not there yet.
pub(super) fn lay_out(edition: &Edition, folder: &Path) -> Result<()> {
    let built = folder.join("built");
    let debian = folder.join("debian");
    std::fs::create_dir_all(&debian)?;
    let programs = generate(&edition.program, &built)?;
    copy_fixed(&built)?;

    if edition.news == News::OfNobody {
        // dpkg replaces it where nobody has changed it, and asks where somebody has.
        let settings = built.join("etc/cheeseshop/cheeseshop.toml");
        let text = std::fs::read_to_string(&settings)?;
        write(&settings, format!("# Of the release before.\n{text}"))?;
    }

    let (newest, before) = schema()?;
    let schema = match edition.news {
        News::OfThisCheckout => newest,
        News::OfNobody => before,
    };
    write(
        &built.join("share/cheeseshop/schema"),
        format!("{schema}\n"),
    )?;

    let units = copy_units(&debian)?;
    let signature = signature()?;
    let links: Vec<String> = programs
        .iter()
        .map(|name| format!("usr/bin/{NAME} usr/bin/{name}"))
        .collect();
    let pages: Vec<String> = programs
        .iter()
        .filter(|name| !["devpi", "devpi-server"].contains(&name.as_str()))
        .map(|name| format!("usr/share/man/man1/devpi-server.1 usr/share/man/man1/{name}.1"))
        .collect();
    let blanks = [
        ("@VERSION@", edition.version.clone()),
        ("@SCHEMA@", schema),
        ("@MAINTAINER@", signature.maintainer.clone()),
        ("@UNITS@", units),
        ("@PROGRAMS@", links.join("\n")),
        ("@PAGES@", pages.join("\n")),
    ];
    let templates = deploy_folder().join("debian");
    for file in files_of(&templates)? {
        if file.extension() == Some(OsStr::new("in")) {
            continue;
        }
        let mut text =
            std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        for (blank, value) in &blanks {
            text = text.replace(blank, value);
        }
        let target = debian.join(file.file_name().unwrap_or_default());
        write(&target, &text)?;
        if target.file_name() == Some(OsStr::new("rules")) {
            shell::run(program("chmod").arg("755").arg(&target))?;
        }
    }

    for file in files_of(&templates.join("tests"))? {
        let target = debian
            .join("tests")
            .join(file.file_name().unwrap_or_default());
        copy(&file, &target)?;
        if target.file_name() != Some(OsStr::new("control")) {
            shell::run(program("chmod").arg("755").arg(&target))?;
        }
    }

    let entries = entries(edition)?;
    write(
        &debian.join("changelog"),
        changelog::changelog(&entries, &signature),
    )?;
    if let Some(news) = changelog::news(&entries, &signature) {
        write(&debian.join("cheeseshop.NEWS"), &news)?;
    }
    let template = std::fs::read_to_string(templates.join("copyright.in"))?;
    write(
        &debian.join("copyright"),
        &copyright::file(&template, &templates.join("licenses"))?,
    )
}

/// The program, its manual pages and completions. Gives the names that devpi has for it.
fn generate(program_file: &Path, built: &Path) -> Result<Vec<String>> {
    let bin = built.join("bin");
    std::fs::create_dir_all(&bin)?;
    let cheeseshop = bin.join(NAME);
    std::fs::copy(program_file, &cheeseshop).with_context(|| program_file.display().to_string())?;
    let say = |arguments: &[&str]| {
        let mut command = program("env");
        // Nothing of this machine's settings may get into the package.
        command.args(["-i", "HOME=/nonexistent"]).arg(&cheeseshop);
        output_of(command.args(arguments))
    };
    say(&["generate", "man", &built.join("man").display().to_string()])?;
    for (name, share) in [(NAME, "share"), ("devpi", "devpi-share")] {
        let share = built.join(share);
        for (shell, file) in [
            ("bash", format!("bash-completion/completions/{name}")),
            ("zsh", format!("zsh/vendor-completions/_{name}")),
            ("fish", format!("fish/vendor_completions.d/{name}.fish")),
        ] {
            let text = say(&["generate", "completions", shell, "--name", name])?;
            write(&share.join(file), &text)?;
        }
    }
    let links = built.join("links");
    std::fs::create_dir_all(&links)?;
    say(&["install-links", &links.display().to_string()])?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&links)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    if names.is_empty() {
        bail!("the program makes no links");
    }
    let examples = built.join("examples");
    for (kind, file) in [("nginx", "nginx-site.conf"), ("haproxy", "haproxy.cfg")] {
        let text = say(&[
            "--set",
            "server.outside_url=https://packages.example/",
            "--set",
            "server.data_dir=/var/lib/cheeseshop",
            "gen-config",
            kind,
        ])?;
        write(&examples.join(file), &text)?;
    }
    Ok(names)
}

/// What is taken as it lies in the checkout.
fn copy_fixed(built: &Path) -> Result<()> {
    let deploy = deploy_folder();
    for (from, to) in [
        ("debian/cheeseshop.toml", "etc/cheeseshop/cheeseshop.toml"),
        ("debian/profile.sh", "etc/profile.d/cheeseshop.sh"),
        ("shell/devpi_use.sh", "share/cheeseshop/devpi_use.sh"),
        (
            "monitoring/cheeseshop.rules.yml",
            "share/cheeseshop/monitoring/cheeseshop.rules.yml",
        ),
        (
            "monitoring/cheeseshop.dashboard.json",
            "share/cheeseshop/monitoring/cheeseshop.dashboard.json",
        ),
        ("layout/team.toml", "examples/team.toml"),
        ("theme/theme.css", "examples/theme/theme.css"),
        ("theme/logo.svg", "examples/theme/logo.svg"),
        ("theme/favicon.svg", "examples/theme/favicon.svg"),
        ("theme/pattern.svg", "examples/theme/pattern.svg"),
    ] {
        copy(&deploy.join(from), &built.join(to))?;
    }
    for page in files_of(&workspace_root().join("docs/manual"))? {
        let name = page.file_name().unwrap_or_default();
        copy(&page, &built.join("doc/manual").join(name))?;
    }
    Ok(())
}

/// Puts the units where debhelper looks for them. Gives the lines of the rules that install them.
fn copy_units(debian: &Path) -> Result<String> {
    let mut rules = Vec::new();
    let folder = deploy_folder().join("systemd");
    for file in files_of(&folder)? {
        let (Some(name), Some(kind)) = (
            file.file_stem().and_then(OsStr::to_str),
            file.extension().and_then(OsStr::to_str),
        ) else {
            continue;
        };
        if !UNIT_KINDS.contains(&kind) {
            continue;
        }
        let (target, chosen) = if name == NAME {
            (format!("{NAME}.{kind}"), String::new())
        } else {
            (format!("{NAME}.{name}.{kind}"), format!(" --name={name}"))
        };
        copy(&file, &debian.join(target))?;
        let has_timer = folder.join(format!("{name}.timer")).exists();
        let options = unit_options(name, kind, has_timer);
        rules.push(format!(
            "\tdh_installsystemd --package={NAME}{chosen}{options} {name}.{kind}"
        ));
    }
    if !debian.join("cheeseshop.service").exists() {
        bail!("there is no cheeseshop.service in deploy/systemd");
    }
    Ok(rules.join("\n"))
}

/// What is done with a unit beyond installing it. Whatever can be enabled is, but for some. An upgrade restarts
/// what runs and starts nothing that was stopped; the postinst of the package starts what comes new, and its
/// prerm stops it: for debhelper both are of one piece with starting at each upgrade.
fn unit_options(name: &str, kind: &str, has_timer: bool) -> &'static str {
    if kind == "socket" {
        // With it the addresses of the settings are not used: the operator's choice. While it is open, what
        // connects during an upgrade waits.
        " --no-enable --no-start --no-stop-on-upgrade"
    } else if name.ends_with('@') {
        // Enabled for a rule of the operator's.
        " --no-enable --no-start"
    } else if name == "cheeseshop-backup" && kind == "timer" {
        // Enabled for a directory that has room.
        " --no-enable --no-start --restart-after-upgrade"
    } else if kind == "service" && has_timer {
        // Started when its time has come; what runs goes on to its end.
        " --no-enable --no-start --no-stop-on-upgrade"
    } else {
        " --no-start --restart-after-upgrade"
    }
}

fn entries(edition: &Edition) -> Result<Vec<Entry>> {
    let version = edition.version.clone();
    if edition.news == News::OfNobody {
        let items = Vec::new();
        return Ok(vec![Entry { version, items }]);
    }
    let mut entries = vec![changelog::unreleased(
        &workspace_root().join("changes"),
        &version,
    )?];
    let released = workspace_root().join("CHANGELOG.md");
    if released.exists() {
        let released = changelog::released(&std::fs::read_to_string(released)?);
        // Right after a release nothing is unreleased, and its version is told already.
        if released
            .first()
            .is_some_and(|newest| newest.version == version)
        {
            let pending = entries.remove(0);
            entries.extend(released);
            entries[0].items.splice(0..0, pending.items);
        } else {
            entries.extend(released);
        }
    }
    Ok(entries)
}

/// The newest change of the schema of an embedded database.
pub(super) fn newest_migration() -> Result<PathBuf> {
    files_of(&migrations())?
        .pop()
        .context("there are no migrations")
}

fn migrations() -> PathBuf {
    workspace_root().join("crates/storage/migrations/sqlite")
}

/// The names of the newest migration and of the one before.
fn schema() -> Result<(String, String)> {
    let folder = migrations();
    let mut names: Vec<String> = files_of(&folder)?
        .iter()
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    match (names.pop(), names.pop()) {
        (Some(newest), Some(before)) => Ok((newest, before)),
        _ => bail!("{}: less than two migrations", folder.display()),
    }
}

/// Who packages, and the moment that everything in the packages bears.
fn signature() -> Result<Signature> {
    let variable =
        |name: &str, fallback: &str| std::env::var(name).unwrap_or_else(|_| fallback.to_owned());
    let name = variable("DEBFULLNAME", MAINTAINER.0);
    let address = variable("DEBEMAIL", MAINTAINER.1);
    let date = output_of(
        program("date")
            .env("LC_ALL", "C")
            .args(["-u", "-R", "-d"])
            .arg(format!("@{}", moment()?)),
    )?;
    Ok(Signature {
        maintainer: format!("{name} <{address}>"),
        date: date.trim().to_owned(),
    })
}

/// Seconds since 1970 of the newest commit, unless `SOURCE_DATE_EPOCH` says otherwise.
pub(super) fn moment() -> Result<String> {
    if let Ok(moment) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(moment);
    }
    let moment = output_of(program("git").args(["log", "-1", "--format=%ct"]))
        .context("outside a git checkout SOURCE_DATE_EPOCH has to be set")?;
    Ok(moment.trim().to_owned())
}

/// The files of a folder, by name.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let text = std::fs::read(from).with_context(|| from.display().to_string())?;
    write(to, text)
}

fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, content).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_before_a_release_is_older_than_it() {
        assert_eq!(debian_version("1.0.0-rc.1"), "1.0.0~rc.1");
        assert_eq!(debian_version("1.0.0"), "1.0.0");
    }

    #[test]
    fn an_upgrade_starts_nothing_that_was_stopped_and_stops_nothing_for_good() {
        for (name, kind, has_timer) in [
            ("cheeseshop", "service", false),
            ("cheeseshop-gc", "timer", true),
            ("cheeseshop-backup", "timer", true),
        ] {
            let options = unit_options(name, kind, has_timer);
            // Without the second, debhelper has the unit stopped before the upgrade, and not started after it.
            assert!(
                options.ends_with(" --no-start --restart-after-upgrade"),
                "{name}.{kind}:{options}"
            );
        }
    }

    #[test]
    fn the_schema_is_that_of_the_newest_migration() {
        let (newest, before) = schema().unwrap();
        assert!(before < newest, "{before} {newest}");
    }
}
