//! What is looked at on this machine alone: trusted certificates, who may read what is secret, space.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::Finding;
use crate::Environment;
use crate::commands::Session;
use crate::commands::clock::now;
use crate::tool_config::pip_files;
use crate::trust::Roots;

/// Less free space makes installing fail sooner or later.
const LITTLE_BYTES: u64 = 1 << 30;
const TOO_LITTLE_BYTES: u64 = 100 << 20;

pub(super) fn trust(session: &Session, findings: &mut Vec<Finding>) {
    let roots = session.trust().roots().clone();
    match roots.read() {
        Err(error) => findings.push(Finding::fix(
            "certificates",
            error.to_string(),
            "correct or unset it; `cheeseshop certs bundle` makes a file that fits",
        )),
        Ok(certificates) if certificates.is_empty() => findings.push(Finding::fix(
            "certificates",
            "the system trusts nobody",
            "install its certificates: the package is called ca-certificates",
        )),
        Ok(certificates) => {
            let now = now();
            let expired = certificates
                .iter()
                .filter(|certificate| certificate.not_after < now)
                .count();
            let expired = match expired {
                0 => String::new(),
                count => format!(", {count} of them expired (`cheeseshop certs` lists them)"),
            };
            findings.push(Finding::ok(
                "certificates",
                format!(
                    "{} are trusted: those of {}{expired}",
                    certificates.len(),
                    roots.described()
                ),
            ));
        }
    }
    if roots == Roots::System {
        return;
    }
    // Tools look at different variables, and some see none of the first ones.
    let environment = &session.environment;
    let missing: Vec<_> = ["PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"]
        .into_iter()
        .filter(|name| environment.get(name).is_none())
        .collect();
    let is_pips_covered =
        environment.get("REQUESTS_CA_BUNDLE").is_some() && missing == ["PIP_CERT"];
    if session.options.ca_bundle.is_none() && !missing.is_empty() && !is_pips_covered {
        findings.push(Finding::warn(
            "certificates",
            format!(
                "not every tool uses these: {} not set (pip reads PIP_CERT, twine and poetry \
                 REQUESTS_CA_BUNDLE, uv SSL_CERT_FILE)",
                missing.join(" and ")
            ),
            "`cheeseshop certs bundle --add FILE` prints exports for all of them",
        ));
    }
}

pub(super) fn permissions(session: &Session, findings: &mut Vec<Finding>) {
    let directory = session.directory();
    let environment = &session.environment;
    let before = findings.len();
    let state = [directory.logins_path(), directory.current_path().to_owned()];
    for path in state {
        if let Some(mode) = mode(&path).filter(|mode| mode & 0o077 != 0) {
            findings.push(Finding::fix(
                "permissions",
                format!("{} may be read by others (mode {mode:04o})", path.display()),
                format!("chmod 600 {}", path.display()),
            ));
        }
    }
    let home = environment.home();
    let in_home = |name: &str| home.as_ref().map(|home| home.join(name));
    let others = [in_home(".pypirc"), in_home(".netrc")]
        .into_iter()
        .flatten()
        .chain(pip_files(environment))
        .chain(
            environment
                .config_home()
                .map(|home| home.join("uv/uv.toml")),
        );
    for path in others {
        let Some(mode) = mode(&path).filter(|mode| mode & 0o044 != 0) else {
            continue;
        };
        if !holds_password(&path) {
            continue;
        }
        let text = format!(
            "{} holds a password and may be read by others (mode {mode:04o})",
            path.display()
        );
        // Files of the machine are for everybody.
        findings.push(if path.starts_with("/etc") {
            Finding::warn("permissions", text, "keep the password elsewhere")
        } else {
            let advice = format!("chmod 600 {}", path.display());
            Finding::fix("permissions", text, advice)
        });
    }
    if findings.len() == before {
        findings.push(Finding::ok(
            "permissions",
            format!(
                "nobody else reads the logins in {}",
                directory.path().display()
            ),
        ));
    }
}

fn mode(path: &Path) -> Option<u32> {
    Some(path.metadata().ok()?.permissions().mode() & 0o7777)
}

/// Whether a file of settings holds a password: as an option, or in a URL.
fn holds_password(path: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(path) else {
        return false;
    };
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.starts_with(['#', ';']))
        .any(|line| {
            let is_option = line
                .strip_prefix("password")
                .is_some_and(|rest| !rest.trim_start_matches([' ', '\t', '=', ':']).is_empty());
            is_option
                || line.contains(" password ")
                || line.split_whitespace().any(|word| {
                    crate::tool_config::without_password(word) != word && word.contains("://")
                })
        })
}

pub(super) fn space(environment: &Environment, findings: &mut Vec<Finding>) {
    let caches = environment.path("XDG_CACHE_HOME").or_else(|| {
        let home = environment.home()?;
        Some(home.join(".cache"))
    });
    let below = |name: &str| caches.as_ref().map(|caches| caches.join(name));
    let places = [
        (
            "pip's cache",
            environment.path("PIP_CACHE_DIR").or(below("pip")),
        ),
        (
            "uv's cache",
            environment.path("UV_CACHE_DIR").or(below("uv")),
        ),
        (
            "temporary files",
            environment.path("TMPDIR").or(Some(PathBuf::from("/tmp"))),
        ),
    ];
    let mut devices = Vec::new();
    for (what, path) in places {
        let Some((path, device, free)) = path.and_then(|path| free_space(&path)) else {
            continue;
        };
        // One line for each file system.
        if devices.contains(&device) {
            continue;
        }
        devices.push(device);
        let mebibytes = free >> 20;
        let text = format!("{mebibytes} MiB free for {what} ({})", path.display());
        let advice = "make room: `pip cache purge`, `uv cache prune`";
        findings.push(if free < TOO_LITTLE_BYTES {
            Finding::fix("space", text, advice)
        } else if free < LITTLE_BYTES {
            Finding::warn("space", text, advice)
        } else {
            Finding::ok("space", text)
        });
    }
}

/// The nearest folder that is there, its file system, and how much a user may still write there.
fn free_space(path: &Path) -> Option<(PathBuf, u64, u64)> {
    let folder = path.ancestors().find(|folder| folder.is_dir())?;
    let device = folder.metadata().ok()?.dev();
    let space = rustix::fs::statvfs(folder).ok()?;
    Some((
        folder.to_owned(),
        device,
        space.f_bavail.saturating_mul(space.f_frsize),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_options_and_urls_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (text, expected) in [
            ("[pypi]\npassword = x\n", true),
            ("[pypi]\npassword =\n", false),
            ("machine shop.test login bob password x\n", true),
            ("index-url = https://u:p@shop.test/\n", true),
            ("index-url = \"https://u:p@shop.test/\"\n", true),
            ("index-url = https://u@shop.test/\n", false),
            ("# a:b@c\n", false),
            ("# password = x\n; the password is not here\n", false),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(holds_password(&path), expected, "{text}");
        }
    }

    #[test]
    fn space_is_that_of_the_nearest_folder_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let (found, _, free) = free_space(&folder.path().join("not/there")).unwrap();
        assert_eq!(found, folder.path());
        assert!(free > 0);
    }
}
