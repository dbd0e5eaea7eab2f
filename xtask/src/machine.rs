//! What the machine must have: looked for first, installed only when it is missing.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::shell::{self, cargo, find_program, program, say, succeeds};

/// The oldest Python whose clients the tests use.
const OLDEST_PYTHON: (u32, u32) = (3, 11);

/// Something that the tests start, and the Debian package that has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    /// What it is needed for.
    name: &'static str,
    package: &'static str,
    is_there: fn() -> bool,
}

const PYTHON: Tool = Tool {
    name: "Python with venv",
    package: "python3-venv",
    is_there: has_python,
};

const NGINX: Tool = Tool {
    name: "nginx",
    package: "nginx-light",
    // Not on the search path of an ordinary user.
    is_there: || find_program("nginx").is_some() || Path::new("/usr/sbin/nginx").is_file(),
};

/// What `cargo xtask test` needs.
pub(crate) const FOR_TESTS: &[Tool] = &[
    Tool {
        name: "PostgreSQL server",
        package: "postgresql",
        is_there: has_postgresql,
    },
    PYTHON,
    Tool {
        name: "curl",
        package: "curl",
        is_there: || find_program("curl").is_some(),
    },
    NGINX,
    Tool {
        name: "systemd-analyze",
        package: "systemd",
        is_there: || find_program("systemd-analyze").is_some(),
    },
    // Shells that `cheeseshop env` prints code for.
    Tool {
        name: "zsh",
        package: "zsh",
        is_there: || find_program("zsh").is_some(),
    },
    Tool {
        name: "fish",
        package: "fish",
        is_there: || find_program("fish").is_some(),
    },
];

/// What `cargo xtask wheel` needs.
pub(crate) const FOR_WHEEL: &[Tool] = &[PYTHON];

/// What `cargo xtask bench` needs.
pub(crate) const FOR_BENCHMARK: &[Tool] = &[
    NGINX,
    Tool {
        name: "wrk",
        package: "wrk",
        is_there: || find_program("wrk").is_some(),
    },
    PYTHON,
];

/// Installs whatever of `tools` is missing.
pub(crate) fn ensure(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !(tool.is_there)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.name).collect();
    say(&format!("missing here: {}", names.join(", ")));
    if find_program("apt-get").is_none() {
        let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
        bail!(
            "this is no Debian; install what Debian calls {} and run this again",
            packages.join(", ")
        );
    }
    apt(&["update", "-q"])?;
    let mut install = vec![
        "install",
        "-q",
        "-y",
        "--no-install-recommends",
        "-o",
        "DPkg::Lock::Timeout=300",
    ];
    install.extend(missing.iter().map(|tool| tool.package));
    apt(&install)?;
    for tool in missing {
        if !(tool.is_there)() {
            bail!(
                "{} is still missing after installing {}",
                tool.name,
                tool.package
            );
        }
    }
    Ok(())
}

/// Makes sure that a cargo subcommand is there; says whether it is.
pub(crate) fn ensure_cargo_tool(subcommand: &str) -> bool {
    if succeeds(cargo().args([subcommand, "--version"])) {
        return true;
    }
    let package = format!("cargo-{subcommand}");
    say(&format!(
        "missing here: {package}; building it takes some minutes"
    ));
    // Its own target directory: a workspace of ours must not be rebuilt for other features.
    if let Err(error) = shell::run(cargo().args(["install", "--locked", "--quiet", &package])) {
        say(&format!("{package} cannot be installed: {error:#}"));
        return false;
    }
    succeeds(cargo().args([subcommand, "--version"]))
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = if is_root()? {
        program("apt-get")
    } else if find_program("sudo").is_some() {
        let mut command = program("sudo");
        command.args(["--preserve-env=DEBIAN_FRONTEND", "apt-get"]);
        command
    } else {
        bail!("installing packages needs root, and there is no sudo");
    };
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    // Standard output is for the test runner alone.
    command.stdout(std::io::stderr());
    shell::run(&mut command)
}

fn is_root() -> Result<bool> {
    let user = shell::output_of(program("id").arg("-u")).context("who am I?")?;
    Ok(user.trim() == "0")
}

fn has_postgresql() -> bool {
    if find_program("initdb").is_some() {
        return true;
    }
    // Debian keeps the server's programs off the search path, one folder a version.
    std::fs::read_dir("/usr/lib/postgresql").is_ok_and(|versions| {
        versions
            .filter_map(Result::ok)
            .any(|version| Path::new(&version.path()).join("bin/initdb").is_file())
    })
}

fn has_python() -> bool {
    let (major, minor) = OLDEST_PYTHON;
    let code =
        format!("import sys, venv, ensurepip; sys.exit(sys.version_info < ({major}, {minor}))");
    succeeds(program("python3").args(["-c", &code]))
}
