//! From the start of the client to its end, when there is nothing to ask a server.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::{Bench, Figure};
use crate::load::median;
use crate::report::Better;
use crate::servers::Who;

const WORKLOAD: &str = "Client";

/// What is asked for, and the first line of what both answer.
const COMMANDS: [(&str, &str); 2] = [("--version", "devpi-client "), ("use", "no server")];

pub(super) fn run(bench: &mut Bench) -> Result<Vec<Figure>> {
    let home = bench.folder.join("client");
    std::fs::create_dir_all(&home)?;
    // The name makes it the client.
    let ours = home.join("devpi");
    symlink(bench.cheeseshop.canonicalize()?, &ours)?;
    let mut clients = vec![(Who::Cheeseshop, ours)];
    if let Some(programs) = &bench.devpi_programs {
        clients.push((Who::Devpi, programs.join("devpi")));
    }
    let mut figures = Vec::new();
    for (argument, beginning) in COMMANDS {
        let case = format!("`devpi {argument}`, no server in use");
        let mut figure = Figure::new(WORKLOAD, case, "ms", Better::Lower);
        let mut times = vec![Vec::new(); clients.len()];
        for _ in 0..bench.plan.client_starts {
            for ((_, program), times) in clients.iter().zip(&mut times) {
                times.push(milliseconds(program, argument, beginning, &home)?);
            }
        }
        for ((who, _), times) in clients.iter().zip(times) {
            figure.add(*who, median(&times), times);
        }
        figure.target("≤ 10 ms", 10.0);
        figure.target_times(0.05, Who::Devpi);
        figures.push(figure);
    }
    Ok(figures)
}

fn milliseconds(program: &Path, argument: &str, beginning: &str, home: &Path) -> Result<f64> {
    let mut command = Command::new(program);
    command
        .arg(argument)
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .current_dir(home)
        .stdin(Stdio::null());
    let started = Instant::now();
    let output = command
        .output()
        .with_context(|| program.display().to_string())?;
    let time = started.elapsed();
    if !output.status.success() || !output.stdout.starts_with(beginning.as_bytes()) {
        bail!("{} {argument}: {output:?}", program.display());
    }
    Ok(time.as_secs_f64() * 1e3)
}
