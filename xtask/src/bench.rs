//! `cargo xtask bench`: builds, installs the peers, measures everybody in one run.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::shell::{self, cargo, program, step, workspace_root};
use crate::{machine, python};

/// The peers that come from PyPI. Pinned: a figure without a version says nothing.
const PEERS: &str = "devpi-server==6.20.3\ndevpi-client==7.3.0\nperyx==2026.1010.0\n";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Short runs and small files: shows that everything works, not how fast it is.
    #[arg(long)]
    quick: bool,

    /// Only these workloads: hot, team, files, cold, herd, uploads, list, client, import, start.
    #[arg(long, value_name = "WORKLOAD,…")]
    only: Option<String>,

    /// Only these peers: nginx, devpi, peryx; `none` for nobody.
    #[arg(long, value_name = "PEER,…", default_value = "nginx,devpi,peryx")]
    peers: String,

    /// Put the table into docs/benchmarks.md as well.
    #[arg(long)]
    publish: bool,

    /// Measure this program, which is built already, in place of a release build of the sources.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// Builds everything and hands over to the program that measures.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let directory = shell::target_directory().join("bench");
    std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    step("what the benchmark needs", || {
        machine::ensure(machine::FOR_BENCHMARK)
    })?;
    let peers = if arguments.peers.contains("devpi") || arguments.peers.contains("peryx") {
        step("peers from PyPI", || {
            python::environment(&directory.join("peers"), PEERS, &[])
        })?
    } else {
        directory.clone()
    };
    let mut making = cargo();
    making.args(["build", "--release", "--locked"]);
    making.args(["--package", "cheeseshop-bench"]);
    if arguments.program.is_none() {
        making.args(["--package", "cheeseshop"]);
    }
    step("building for release", || shell::run(&mut making))?;
    let built = shell::target_directory().join("release");
    let mut bench = program(&built.join("cheeseshop-bench").display().to_string());
    bench
        .arg("--cheeseshop")
        .arg(
            arguments
                .program
                .clone()
                .unwrap_or_else(|| built.join("cheeseshop")),
        )
        .arg("--peer-programs")
        .arg(peers)
        .arg("--directory")
        .arg(&directory);
    if arguments.peers == "none" {
        bench.arg("--alone");
    } else {
        bench.args(["--peers", &arguments.peers]);
    }
    if arguments.quick {
        bench.arg("--quick");
    }
    if let Some(only) = &arguments.only {
        bench.args(["--only", only]);
    }
    if arguments.publish {
        bench
            .arg("--publish")
            .arg(workspace_root().join("docs/benchmarks.md"));
    }
    shell::run(&mut bench)
}
