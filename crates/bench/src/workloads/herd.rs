//! Many clients want one file at the same moment that the server does not have yet.

use anyhow::Result;

use super::{Bench, Figure};
use crate::load::{median, streams};
use crate::report::Better;
use crate::servers::{MIRROR, Place, Who};
use crate::world::Once;

const WORKLOAD: &str = "Herd";

/// Seconds and upstream fetches of every round.
type Rounds = Vec<(f64, f64)>;

pub(super) fn run(bench: &mut Bench) -> Result<Vec<Figure>> {
    let bench = &*bench;
    let everybody: Vec<Who> = [Who::Direct]
        .into_iter()
        .chain(bench.contestants.indexes.iter().map(|server| server.who))
        .chain(bench.contestants.nginx.as_ref().map(|_| Who::Nginx))
        .collect();
    let mut results: Vec<(Who, Result<Rounds>)> = everybody
        .into_iter()
        .map(|who| (who, Ok(Vec::new())))
        .collect();
    for project in &bench.world.herd {
        for (who, result) in &mut results {
            let Ok(rounds) = result else { continue };
            match round(bench, *who, project) {
                Ok(round) => rounds.push(round),
                Err(error) if *who == Who::Cheeseshop => return Err(error),
                Err(error) => *result = Err(error),
            }
        }
    }
    let case = format!(
        "{} clients, one cold file of {} MB",
        bench.plan.herd_clients,
        bench.plan.herd_bytes / 1_000_000
    );
    let mut time = Figure::new(
        WORKLOAD,
        format!("{case}, until all have it"),
        "s",
        Better::Lower,
    );
    let mut fetches = Figure::new(
        WORKLOAD,
        format!("{case}: fetches from the upstream"),
        "",
        Better::Lower,
    );
    for (who, result) in results {
        match result {
            Ok(rounds) => {
                let (times, counts): (Vec<f64>, Vec<f64>) = rounds.into_iter().unzip();
                time.add(
                    who,
                    times.iter().copied().fold(f64::INFINITY, f64::min),
                    times,
                );
                if who != Who::Nginx {
                    fetches.add(who, median(&counts), counts);
                }
            }
            Err(error) => {
                time.fail(who, &error);
                fetches.fail(who, &error);
            }
        }
    }
    time.target_times(1.0, Who::Direct);
    time.note("every byte of every client was compared; nginx has the file from the start");
    fetches.target("exactly 1", 1.0);
    Ok(vec![time, fetches])
}

#[expect(clippy::cast_precision_loss, reason = "a count of clients")]
fn round(bench: &Bench, who: Who, project: &Once) -> Result<(f64, f64)> {
    let server = bench.contestants.indexes.iter().find(|one| one.who == who);
    let place = match (server, &bench.contestants.nginx) {
        (Some(server), _) => server.file(MIRROR, &project.project, &project.file)?,
        (None, Some(nginx)) if who == Who::Nginx => nginx.file(&project.project, &project.bytes)?,
        _ => Place {
            who,
            address: bench.world.address()?,
            path: project.path.clone(),
        },
    };
    let before = bench.world.upstream.count(&project.path);
    let streams = streams::download(&place, bench.plan.herd_clients, &project.bytes)?;
    let fetches = bench.world.upstream.count(&project.path) - before;
    Ok((streams.total.as_secs_f64(), fetches as f64))
}
