//! Downloads of files that are there: a kilobyte, 50 MB, 500 MB.

use anyhow::{Context as _, Result};

use super::pages::{CONNECTIONS, measure};
use super::{Bench, Figure, hot, in_turns};
use crate::load::streams;
use crate::report::Better;
use crate::servers::{HOSTED, MIRROR, Place, Who};
use crate::world::{LARGE, MEDIUM, TEN, wheel};

const WORKLOAD: &str = "File download";

pub(super) fn run(bench: &mut Bench) -> Result<Vec<Figure>> {
    let bench = &*bench;
    let mut figures = small(bench)?;
    figures.extend(medium(bench)?);
    figures.extend(large(bench)?);
    Ok(figures)
}

fn small(bench: &Bench) -> Result<Vec<Figure>> {
    hot::seed(bench)?;
    let wheel = wheel(TEN, 0);
    let bytes = wheel.bytes;
    let places = places(bench, HOSTED, TEN, &wheel.name, &bytes)?;
    let mut figures = Vec::new();
    for connections in CONNECTIONS {
        let case = format!("wheel of {} bytes", bytes.len());
        let mut hot = measure(bench, WORKLOAD, &case, &places, &[], connections);
        hot.rate.target_times(0.9, Who::Nginx);
        hot.slowest.target_times(2.0, Who::Nginx);
        figures.extend([hot.rate, hot.slowest]);
    }
    Ok(figures)
}

fn medium(bench: &Bench) -> Result<Vec<Figure>> {
    let bytes = bench.world.medium.clone();
    let places = places(bench, MIRROR, MEDIUM, "medium-1.0.tar.gz", &bytes)?;
    [1, 8]
        .into_iter()
        .map(|clients| rate(bench, &places, &bytes, clients))
        .collect()
}

fn large(bench: &Bench) -> Result<Vec<Figure>> {
    let bytes = bench.world.large.clone();
    let places = places(bench, MIRROR, LARGE, "large-1.0.tar.gz", &bytes)?;
    let rate = rate(bench, &places, &bytes, 1)?;
    let case = format!(
        "{} MB, 1 at once: growth of memory",
        bytes.len() / 1_000_000
    );
    let mut growth = Figure::new(WORKLOAD, case, "MB", Better::Lower);
    for place in &places {
        match grown(bench, place, &bytes) {
            Ok(megabytes) => growth.add(place.who, megabytes, vec![megabytes]),
            Err(error) => growth.fail(place.who, &error),
        }
    }
    growth.target("< 20 MB", 20.0);
    Ok(vec![rate, growth])
}

fn rate(bench: &Bench, places: &[Place], bytes: &[u8], clients: usize) -> Result<Figure> {
    let case = format!("{} MB, {clients} at once", bytes.len() / 1_000_000);
    let mut figure = Figure::new(WORKLOAD, case, "MB/s", Better::Higher);
    let results = in_turns(places, bench.plan.rounds, |place| {
        Ok(streams::download(place, clients, bytes)?.rate())
    });
    for (who, result) in results {
        match result {
            Ok(runs) => {
                let best = runs.iter().copied().fold(0.0, f64::max);
                figure.add(who, best, runs);
            }
            Err(error) if who == Who::Cheeseshop => return Err(error),
            Err(error) => figure.fail(who, &error),
        }
    }
    figure.target_times(0.9, Who::Nginx);
    Ok(figure)
}

/// By how many megabytes the memory of a server goes up, at most, while it sends a file.
#[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
fn grown(bench: &Bench, place: &Place, bytes: &[u8]) -> Result<f64> {
    let process = bench
        .contestants
        .process(place.who)
        .context("has no process")?;
    process.forget_peak()?;
    let before = process.resident_bytes()?;
    streams::download(place, 1, bytes)?;
    let peak = process.peak_bytes()?;
    Ok(peak.saturating_sub(before) as f64 / 1e6)
}

/// Where a file is, at everybody; after this all have it.
fn places(
    bench: &Bench,
    index: &str,
    project: &str,
    name: &str,
    bytes: &[u8],
) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for server in &bench.contestants.indexes {
        let fetched = server.file(index, project, name).and_then(|place| {
            streams::download(&place, 1, bytes)?;
            Ok(place)
        });
        match fetched {
            Ok(place) => places.push(place),
            Err(error) if places.is_empty() => return Err(error),
            Err(error) => crate::output::say(&format!("{}: {error:#}", server.who.name())),
        }
    }
    if let Some(nginx) = &bench.contestants.nginx {
        places.insert(1, nginx.file(project, bytes)?);
    }
    Ok(places)
}
