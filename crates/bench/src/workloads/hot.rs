//! Project pages that are in memory, with 10 and with 5,000 files.

use anyhow::Result;

use super::pages::{CONNECTIONS, REPRESENTATIONS, body, measure, page};
use super::{Bench, Figure};
use crate::output::say;
use crate::servers::{HOSTED, JSON, MIRROR, Place, Who};
use crate::world::{TEN, TEN_FILES, WIDE, wheel};

const WORKLOAD: &str = "Hot project page";

pub(super) fn run(bench: &mut Bench) -> Result<Vec<Figure>> {
    let bench = &*bench;
    let wide = bench.plan.wide_files;
    seed(bench)?;
    let mut figures = Vec::new();
    for (name, index, project, files) in [
        ("10 files", HOSTED, TEN, TEN_FILES),
        ("5,000 files", MIRROR, WIDE, wide),
    ] {
        let places = places(bench, index, project, files)?;
        for (representation, accept) in REPRESENTATIONS {
            let places = with_nginx(bench, &places, project, representation, accept)?;
            for connections in CONNECTIONS {
                let headers = [("Accept", accept), ("Accept-Encoding", "gzip")];
                let case = format!("{name}, {representation}");
                let mut hot = measure(bench, WORKLOAD, &case, &places, &headers, connections);
                hot.rate.target_times(0.9, Who::Nginx);
                hot.rate.target_times(100.0, Who::Devpi);
                hot.slowest.target_times(2.0, Who::Nginx);
                figures.extend([hot.rate, hot.slowest]);
            }
        }
    }
    figures.extend(logged(bench)?);
    Ok(figures)
}

/// Uploads the ten wheels wherever they are not yet.
pub(super) fn seed(bench: &Bench) -> Result<()> {
    let wheels: Vec<_> = (0..TEN_FILES).map(|number| wheel(TEN, number)).collect();
    for server in &bench.contestants.indexes {
        let there = server
            .files(HOSTED, TEN)
            .is_ok_and(|files| !files.is_empty());
        if !there {
            server.seed(HOSTED, &wheels)?;
        }
    }
    Ok(())
}

/// Where the page is, at every index server that has it; ours must.
pub(super) fn places(
    bench: &Bench,
    index: &str,
    project: &str,
    files: usize,
) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for server in &bench.contestants.indexes {
        match page(server, index, project, files) {
            Ok(place) => places.push(place),
            Err(error) if places.is_empty() => return Err(error),
            Err(error) => say(&format!("{}: {error:#}", server.who.name())),
        }
    }
    Ok(places)
}

/// The same, and nginx with the bytes of our page.
pub(super) fn with_nginx(
    bench: &Bench,
    places: &[Place],
    name: &str,
    representation: &str,
    accept: &str,
) -> Result<Vec<Place>> {
    let mut places = places.to_vec();
    if let (Some(nginx), Some(ours)) = (&bench.contestants.nginx, places.first()) {
        let plain = body(ours, accept, None)?;
        let gzip = body(ours, accept, Some("gzip"))?;
        let place = nginx.page(&format!("{name}.{representation}"), &plain, &gzip)?;
        places.insert(1, place);
    }
    Ok(places)
}

/// What the log of requests costs.
fn logged(bench: &Bench) -> Result<Vec<Figure>> {
    let Some(nginx) = &bench.contestants.nginx else {
        return Ok(Vec::new());
    };
    let server =
        bench
            .contestants
            .another(&bench.folder, "logging", &bench.world, &["--log=info"])?;
    let wheels: Vec<_> = (0..TEN_FILES).map(|number| wheel(TEN, number)).collect();
    server.seed(HOSTED, &wheels)?;
    let ours = page(&server, HOSTED, TEN, TEN_FILES)?;
    let theirs = nginx.page(
        "logged.json",
        &body(&ours, JSON, None)?,
        &body(&ours, JSON, Some("gzip"))?,
    )?;
    let places = [ours, nginx.logged(&theirs)];
    let headers = [("Accept", JSON), ("Accept-Encoding", "gzip")];
    let case = "10 files, json, every request logged to a file";
    let mut hot = measure(bench, WORKLOAD, case, &places, &headers, 32);
    hot.rate.target_times(0.9, Who::Nginx);
    Ok(vec![hot.rate, hot.slowest])
}
