//! From the start of the process to the first page, with many files in the data directory.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Bench, Figure};
use crate::load::{median, uploads};
use crate::output::say;
use crate::report::Better;
use crate::servers::{HOSTED, IndexServer, Who};
use crate::world::wheel;

const WORKLOAD: &str = "Start";

/// Clients that fill the data directory.
const CLIENTS: usize = 8;

/// Files of each project there.
pub(super) const FILES_EACH: usize = 100;

/// What the names of the projects there begin with.
const PROJECTS: &str = "start";

/// How long a server is left alone before its memory is looked at.
const REST: Duration = Duration::from_secs(2);

pub(super) fn run(bench: &mut Bench) -> Result<Vec<Figure>> {
    super::hot::seed(bench)?;
    let mut ours =
        bench
            .contestants
            .another(&bench.folder, "start", &bench.world, &["--log=warn"])?;
    let files = fill(bench, &ours, PROJECTS, bench.plan.start_files)?;
    say(&format!("{files} files are there"));
    let mut time = Figure::new(
        WORKLOAD,
        "until a project page has been answered",
        "ms",
        Better::Lower,
    );
    let mut memory = Figure::new(WORKLOAD, "memory when idle", "MB", Better::Lower);
    let page = ours.page_path(HOSTED, &project(PROJECTS, 0));
    let (times, resident) = start(&mut ours, &page, bench.plan.starts)?;
    time.add(Who::Cheeseshop, median(&times), times);
    memory.add(Who::Cheeseshop, resident, vec![resident]);
    ours.process.stop()?;
    for server in &mut bench.contestants.indexes[1..] {
        let page = server.page_path(HOSTED, crate::world::TEN);
        // devpi takes 17 seconds each time.
        let starts = if server.who == Who::Devpi {
            1
        } else {
            bench.plan.starts
        };
        match start(server, &page, starts) {
            Ok((times, resident)) => {
                time.add(server.who, median(&times), times);
                memory.add(server.who, resident, vec![resident]);
            }
            Err(error) => {
                time.fail(server.who, &error);
                memory.fail(server.who, &error);
            }
        }
    }
    if let Some(nginx) = &mut bench.contestants.nginx {
        let times: Vec<f64> = (0..bench.plan.starts)
            .map(|_| nginx.restart().map(|time| time.as_secs_f64() * 1e3))
            .collect::<Result<_>>()?;
        time.add(Who::Nginx, median(&times), times);
        let resident = megabytes(nginx.process().resident_bytes()?);
        memory.add(Who::Nginx, resident, vec![resident]);
    }
    let note = format!(
        "our data directory holds {files} files in {} projects; the peers' only what the other \
         workloads left",
        files.div_ceil(FILES_EACH)
    );
    time.note(note.clone());
    memory.note(note);
    time.target("< 100 ms", 100.0);
    memory.target("< 40 MB", 40.0);
    Ok(vec![time, memory])
}

/// Uploads so many wheels of projects whose names begin like this, as far as the time goes; gives how many
/// there are.
pub(super) fn fill(
    bench: &Bench,
    server: &IndexServer,
    projects: &str,
    count: usize,
) -> Result<usize> {
    say(&format!("uploading {count} wheels to begin with"));
    let uploads = uploads::run(
        server.address,
        count,
        CLIENTS,
        bench.plan.seeding,
        &|number| {
            let file = wheel(&project(projects, number / FILES_EACH), number);
            server.upload(HOSTED, &file)
        },
    )
    .context("filling the data directory")?;
    Ok(uploads.accepted)
}

fn project(projects: &str, number: usize) -> String {
    format!("{projects}-{number}")
}

/// Milliseconds of some starts, and the memory in MB a while after the last.
fn start(server: &mut IndexServer, page: &str, starts: usize) -> Result<(Vec<f64>, f64)> {
    let times = (0..starts)
        .map(|_| Ok(server.restart(page)?.as_secs_f64() * 1e3))
        .collect::<Result<_>>()?;
    std::thread::sleep(REST);
    Ok((times, megabytes(server.process.resident_bytes()?)))
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
