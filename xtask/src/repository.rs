//! What must not be committed: hosts of package registries, paths of one machine, tests that
//! never run, stubs. Rust files that have grown too long are named, for somebody to look at.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::shell::{output_of, program, say, workspace_root};

/// A Rust file longer than this probably has more than one subject.
const LONGEST_RUST_FILE: usize = 600;

/// Files that tools write, and that name hosts by themselves.
const GENERATED: &[&str] = &["Cargo.lock"];

/// Why the host of a registry is found.
const HOST: &str = "the host of a package registry (write its name instead)";

/// Why a path is found.
const MACHINE: &str = "a path of one machine";

/// A text that must not be there, spelled in two halves so that this file does not hold it.
struct Forbidden {
    text: String,
    reason: &'static str,
    only_rust: bool,
}

/// Looks at every file that is committed or about to be.
pub(crate) fn check() -> Result<()> {
    let listing = output_of(program("git").args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]))
    .context("the files of the checkout cannot be listed")?;
    let forbidden = forbidden();
    let mut findings = String::new();
    for name in listing.split('\0').filter(|name| !name.is_empty()) {
        if GENERATED.contains(&name) {
            continue;
        }
        // Deleted but not yet committed as such, a link, or no text: nothing to find.
        let Ok(text) = std::fs::read_to_string(workspace_root().join(name)) else {
            continue;
        };
        for finding in inspect(name, &text, &forbidden) {
            // Writing to a string cannot fail.
            let _ = write!(findings, "\n  {finding}");
        }
        if let Some(advice) = too_long(name, &text) {
            say(&advice);
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    bail!("found what must not be committed:{findings}");
}

fn inspect(name: &str, text: &str, forbidden: &[Forbidden]) -> Vec<String> {
    let is_rust = is_rust(name);
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.to_lowercase();
        for rule in forbidden {
            if (is_rust || !rule.only_rust) && line.contains(&rule.text) {
                findings.push(format!("{name}:{}: {}", number + 1, rule.reason));
            }
        }
    }
    findings
}

fn too_long(name: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (is_rust(name) && lines > LONGEST_RUST_FILE).then(|| {
        format!("{name}: {lines} lines, more than {LONGEST_RUST_FILE}: has it still one subject?")
    })
}

fn is_rust(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "rs")
}

fn forbidden() -> Vec<Forbidden> {
    let mut rules = Vec::new();
    let mut rule = |halves: [&str; 2], reason, only_rust| {
        rules.push(Forbidden {
            text: halves.concat().to_lowercase(),
            reason,
            only_rust,
        });
    };
    for halves in [
        ["pypi", ".org"],
        ["python", "hosted.org"],
        ["registry.npm", "js"],
        ["deb.debian", ".org"],
        ["index.crates", ".io"],
        ["static.crates", ".io"],
    ] {
        rule(halves, HOST, false);
    }
    if let Some(root) = of_this_machine(workspace_root()) {
        rule([root, "/"], MACHINE, false);
    }
    rule(["/wo", "rk/"], MACHINE, false);
    let home = std::env::var("HOME").unwrap_or_default();
    if Path::new(&home).parent().is_some() {
        rule([&home, "/."], MACHINE, false);
    }
    for halves in [["#[ig", "nore"], ["to", "do!("], ["unimple", "mented!("]] {
        rule(halves, "a stub, or a test that never runs", true);
    }
    rules
}

/// A path as text, if it says something of the machine: `/src` is a part of many paths, and no place.
fn of_this_machine(path: &Path) -> Option<&str> {
    let is_a_place = path
        .parent()
        .is_some_and(|parent| parent.parent().is_some());
    path.to_str().filter(|_| is_a_place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_at_the_top_of_the_machine_forbids_no_part_of_a_path() {
        for (path, expected) in [
            ("/", None),
            ("/src", None),
            ("/home/me/shop", Some("/home/me/shop")),
        ] {
            assert_eq!(of_this_machine(Path::new(path)), expected);
        }
    }

    #[test]
    fn each_kind_of_finding_names_file_and_line() {
        let host = ["see https://", "pypi", ".org", "/x"].concat();
        let stub = ["fn f() { to", "do!() }"].concat();
        let findings = inspect("a.rs", &format!("fine\n{host}\n{stub}\n"), &forbidden());
        assert_eq!(
            findings,
            [
                "a.rs:2: the host of a package registry (write its name instead)",
                "a.rs:3: a stub, or a test that never runs",
            ]
        );
    }

    #[test]
    fn long_files_are_found_only_in_rust() {
        let text = "x\n".repeat(LONGEST_RUST_FILE + 1);
        assert!(too_long("a.rs", &text).is_some());
        assert!(too_long("a.rs", "x\n").is_none());
        assert!(too_long("a.md", &text).is_none());
    }

    #[test]
    fn stubs_are_looked_for_in_rust_only() {
        let stub = ["to", "do!("].concat();
        assert_eq!(inspect("a.md", &stub, &forbidden()), Vec::<String>::new());
    }
}
