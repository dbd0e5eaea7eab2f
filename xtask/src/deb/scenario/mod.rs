//! What happens to the packages on a clean Debian: one file of shell for each step, in this folder.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::Repositories;
use super::booted::Machine;
use super::package::Packages;
use super::source;
use crate::shell::{say, step, workspace_root};

/// What all steps begin with.
pub(crate) const LIBRARY: &str = include_str!("library.sh");

/// The steps, each on what the one before has left.
const STEPS: &[(&str, &str)] = &[
    ("install", include_str!("install.sh")),
    ("exposure", include_str!("exposure.sh")),
    ("use through nginx with TLS", include_str!("use.sh")),
    ("restarts under load", include_str!("restart.sh")),
    ("in the hands of systemd", include_str!("supervise.sh")),
    ("upgrade, also under load", include_str!("upgrade.sh")),
    ("refused downgrade", include_str!("downgrade.sh")),
    ("devpi's names", include_str!("devpi.sh")),
    ("remove and install again", include_str!("remove.sh")),
    ("purge", include_str!("purge.sh")),
];

/// The steps on a machine where much goes wrong, each on what the one before has left.
const TROUBLE: &[(&str, &str)] = &[
    (
        "starting is forbidden",
        include_str!("trouble/forbidden.sh"),
    ),
    ("changed settings", include_str!("trouble/conffile.sh")),
    ("dpkg is killed", include_str!("trouble/interrupted.sh")),
    ("the user is missing", include_str!("trouble/user.sh")),
    ("the disk is full", include_str!("trouble/full_disk.sh")),
    ("data elsewhere", include_str!("trouble/elsewhere.sh")),
    ("no server", include_str!("trouble/client_only.sh")),
    (
        "the root file system is full",
        include_str!("trouble/full_root.sh"),
    ),
];

/// The page of the manual about the packages.
const PAGE: &str = "docs/manual/debian.md";

/// The blocks that lead from nothing to the first `pip install`.
const UNTIL_PIP_INSTALL: usize = 2;

/// What its blocks are marked by.
const MARK: &str = "by `cargo xtask deb --check` on a clean Debian -->";

/// Goes through all steps on one machine that boots from `tree`, and through the page of the manual on
/// another. The packages lie below `folder`.
pub(super) fn run(
    tree: &Path,
    folder: &Path,
    previous: &Packages,
    packages: &Packages,
    repositories: &Repositories,
) -> Result<()> {
    // What the upgrade makes the database older by.
    std::fs::copy(
        source::newest_migration()?,
        folder.join("newest-migration.sql"),
    )?;
    let inside = |file: &Path| -> Result<String> {
        let below = file.strip_prefix(folder).context("a package elsewhere")?;
        Ok(format!("/packages/{}", below.display()))
    };
    let names = format!(
        "PREVIOUS={} PREVIOUS_VERSION={} THIS={} VERSION={} DEVPI={}\n\
         REPOSITORY_BEFORE={} REPOSITORY={}\n",
        inside(&previous.cheeseshop)?,
        previous.version,
        inside(&packages.cheeseshop)?,
        packages.version,
        inside(&packages.devpi)?,
        inside(&repositories.before)?,
        inside(&repositories.now)?,
    );
    let boot = || Machine::boot(tree, folder, &folder.join("machine.log"));

    for steps in [STEPS, TROUBLE] {
        let machine = step("boot", boot)?;
        for (name, script) in steps {
            step(name, || machine.run(&format!("{names}{LIBRARY}{script}")))?;
        }
    }

    let page = std::fs::read_to_string(workspace_root().join(PAGE)).context(PAGE)?;
    let blocks = blocks(&page)?;
    let machine = step("boot", boot)?;
    step("the manual: before it", || {
        machine.run(&format!("{names}{LIBRARY}{}", include_str!("manual.sh")))
    })?;
    let (mut commands, started) = (0, Instant::now());
    for (number, block) in blocks.iter().enumerate() {
        let (first, _) = block.split_once('\n').unwrap_or((block, ""));
        step(&format!("the manual: {first}"), || {
            machine.run(&format!("{names}{LIBRARY}cd \"${{THIS%/*}}\"\n{block}"))
        })?;
        commands += block.lines().count();
        if number + 1 == UNTIL_PIP_INSTALL {
            say(&format!(
                "from a bare Debian to the first `pip install` through the layout: {commands} commands, {:.0} s",
                started.elapsed().as_secs_f32()
            ));
        }
    }
    step("the source package's own test", || {
        let script = include_str!("autopkgtest.sh");
        machine.run(&format!("{names}{LIBRARY}{script}"))
    })
}

/// The blocks of commands on the page, in which whatever asks is given an answer.
fn blocks(page: &str) -> Result<Vec<String>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line != "```sh" && !line.ends_with(MARK) {
            continue;
        }
        if line == "```sh" || lines.next() != Some("```sh") {
            bail!("{PAGE}: a block without the mark `{MARK}`, or a mark without a block");
        }
        let block: Vec<String> = lines
            .by_ref()
            .take_while(|line| *line != "```")
            .map(|line| match line.split_once("# asks") {
                Some((command, _)) => format!("answer {}", command.trim_end()),
                None => line.to_owned(),
            })
            .collect();
        blocks.push(block.join("\n"));
    }
    if blocks.len() < UNTIL_PIP_INSTALL {
        bail!("{PAGE}: no blocks to run");
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_on_the_page_is_answered() {
        let page = format!(
            "a\n<!-- not run: {MARK}\n```sh\none   # asks twice\ntwo\n```\nb\n<!-- {MARK}\n```sh\nthree\n```\n"
        );
        assert_eq!(blocks(&page).unwrap(), ["answer one\ntwo", "three"]);
    }

    #[test]
    fn a_block_that_nobody_runs_is_an_error() {
        assert!(blocks("```sh\none\n```\n").is_err());
        assert!(blocks(&format!("{MARK}\ntext\n")).is_err());
    }
}
