//! `cargo xtask wheel`: the program as a wheel, for `pipx install` and `uv tool install`.
//!
//! maturin builds it from `pyproject.toml`. [`check`] builds one without optimisation, and installs
//! it as users do: with uv and with pipx, each twice.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::shell::{self, program, say, workspace_root};
use crate::{machine, python};

/// What builds and installs the wheel, at known versions. pipx would fetch a pip of its own.
const TOOLS: &[&str] = &["maturin==1.16.0", "uv==0.13.9", "pipx==1.18.4", "pip==26.3"];

/// What installs the wheel for its user, again and again.
const INSTALLERS: &[&[&str]] = &[
    &["uv", "--quiet", "tool", "install"],
    &["pipx", "install", "--quiet", "--force"],
];

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Build with debug assertions and without optimisation: quick, for a test.
    #[arg(long)]
    debug: bool,

    /// Build without optimisation and see whether it can be installed and run.
    #[arg(long)]
    check: bool,
}

/// Builds the wheel and says where it is.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    machine::ensure(machine::FOR_WHEEL)?;
    if arguments.check {
        return check();
    }
    let wheel = build(&tools()?, arguments.debug)?;
    say(&format!("built {}", wheel.display()));
    Ok(())
}

/// Builds a wheel as quickly as possible, installs it into empty homes, once and once more, and runs
/// what is there then.
pub(crate) fn check() -> Result<()> {
    let tools = tools()?;
    let wheel = build(&tools, true)?;
    INSTALLERS
        .iter()
        .try_for_each(|installer| check_installer(&tools, installer, &wheel))
}

fn check_installer(tools: &Path, installer: &[&str], wheel: &Path) -> Result<()> {
    let [name, arguments @ ..] = installer else {
        bail!("no program");
    };
    let home = folder("wheel-home").join(name);
    if home.exists() {
        std::fs::remove_dir_all(&home)?;
    }
    let folder = home.join(".local/bin");
    std::fs::create_dir_all(&folder)?;
    let path = std::env::var("PATH").unwrap_or_default();
    let in_home = |program_file: &Path| {
        let mut command = program("env");
        command
            .args(["-i", "UV_NO_CONFIG=1", "UV_OFFLINE=1", "PIP_NO_INDEX=1"])
            .arg("UV_PYTHON_DOWNLOADS=never")
            // The folder above the programs is a virtual environment with a pip that pipx accepts.
            .arg(format!("PIPX_SHARED_LIBS={}", tools.join("..").display()))
            .arg(format!("HOME={}", home.display()))
            .arg(format!("PATH={}:{path}", folder.display()))
            .arg(program_file);
        command
    };
    let cheeseshop = folder.join("cheeseshop");
    for _ in 0..2 {
        shell::run(
            in_home(&tools.join(name))
                .args(arguments)
                .arg(wheel)
                .stdout(std::io::stderr()),
        )
        .with_context(|| format!("{name} cannot install the wheel"))?;
        shell::output_of(in_home(&cheeseshop).arg("install-links").arg(&folder))?;
    }
    for (file, beginning) in [
        (cheeseshop, "cheeseshop "),
        (folder.join("devpi"), "devpi-client "),
        (folder.join("devpi-server"), "6."),
    ] {
        let version = shell::output_of(in_home(&file).arg("--version"))?;
        if !version.starts_with(beginning) {
            bail!("{} says `{version}` of its version", file.display());
        }
    }
    Ok(())
}

/// The folder of the programs that build and install.
fn tools() -> Result<PathBuf> {
    python::environment(&folder("wheel-tools"), &TOOLS.join("\n"), &[])
}

/// What is kept between runs.
fn folder(name: &str) -> PathBuf {
    shell::target_directory().join("xtask").join(name)
}

fn build(tools: &Path, debug: bool) -> Result<PathBuf> {
    let folder = workspace_root().join("target/wheels");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let mut command = program("env");
    command
        .arg(tools.join("maturin"))
        .args(["build", "--quiet", "--offline", "--out"])
        .arg(&folder);
    if debug {
        // The build that tests use, as far as it is the same. The tag for this machine alone: nobody
        // else gets it.
        command.args(["--profile", "dev", "--compatibility", "linux"]);
    } else {
        command.arg("--release");
    }
    command.stdout(std::io::stderr());
    shell::run(&mut command)?;
    let mut wheels = std::fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    match (wheels.pop(), wheels.is_empty()) {
        (Some(wheel), true) => Ok(wheel),
        _ => Err(anyhow::anyhow!("not one wheel")).with_context(|| folder.display().to_string()),
    }
}
