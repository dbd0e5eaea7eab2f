//! What the workloads of pages share.

use anyhow::{Result, bail};

use super::{Bench, in_turns};
use crate::http::{Connection, Request};
use crate::load::wrk;
use crate::report::{Better, Figure};
use crate::servers::{HTML, IndexServer, JSON, Place, Who, listed};

/// The representations, with the name and the `Accept` header of each.
pub(super) const REPRESENTATIONS: [(&str, &str); 2] = [("html", HTML), ("json", JSON)];

/// Numbers of connections.
pub(super) const CONNECTIONS: [usize; 2] = [1, 32];

/// Requests before anything is counted.
const WARM_UP: usize = 20;

/// The place of a page at a server, after a look at whether it is the right page.
pub(super) fn page(
    server: &IndexServer,
    index: &str,
    project: &str,
    files: usize,
) -> Result<Place> {
    let path = server.page_path(index, project);
    let found = listed(server.address, &path)?.len();
    if found != files {
        bail!("{path} lists {found} files in place of {files}");
    }
    let place = server.place(path);
    let html = body(&place, HTML, None)?;
    let links = String::from_utf8_lossy(&html).matches("<a ").count();
    if links < files {
        bail!("{} has {links} links in place of {files}", place.path);
    }
    Ok(place)
}

/// The body of a page, in this encoding.
pub(super) fn body(place: &Place, accept: &str, encoding: Option<&str>) -> Result<Vec<u8>> {
    let mut request = Request::get(&place.path).header("Accept", accept);
    if let Some(encoding) = encoding {
        request = request.header("Accept-Encoding", encoding);
    }
    let (answer, body) = Connection::open(place.address)?.fetch(&request)?;
    if answer.status != 200 {
        bail!("{}: {}", place.path, answer.status);
    }
    if answer.header("content-encoding") != encoding {
        bail!("{} does not come as {encoding:?}", place.path);
    }
    Ok(body)
}

/// Asks a few times, so that nothing is done for the first time while it is measured.
pub(super) fn warm_up(place: &Place, headers: &[(&str, &str)]) -> Result<()> {
    let mut request = Request::get(&place.path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let mut connection = Connection::open(place.address)?;
    for _ in 0..WARM_UP {
        let answer = connection.measure(&request)?;
        if answer.status != 200 {
            bail!("{}: {}", place.path, answer.status);
        }
    }
    Ok(())
}

/// Requests per second and the slowest hundredth, for everybody; the best of some runs.
pub(super) struct Hot {
    pub(super) rate: Figure,
    pub(super) slowest: Figure,
    /// The best run at every place, in their order.
    pub(super) best: Vec<Option<wrk::Run>>,
}

/// Lets wrk ask at every place in turns. The first place is ours; `others` are ours as well and
/// only to compare with.
pub(super) fn measure(
    bench: &Bench,
    workload: &'static str,
    case: &str,
    places: &[Place],
    headers: &[(&str, &str)],
    connections: usize,
) -> Hot {
    let case = format!("{case}, {connections} at once");
    let results = in_turns(places, bench.plan.rounds, |place| {
        warm_up(place, headers)?;
        // devpi answers a large page ten times a second; the last of 32 connections must have
        // its turn.
        let seconds = match place.who {
            Who::Devpi => bench.plan.devpi_seconds,
            _ => bench.plan.seconds,
        };
        let process = bench.contestants.process(place.who);
        let before = process.and_then(|process| process.processor_time().ok());
        let run = wrk::run(place, headers, connections, seconds, &bench.folder)?;
        let after = process.and_then(|process| process.processor_time().ok());
        let spent = before.zip(after).map(|(before, after)| after - before);
        Ok((run, spent))
    });
    let mut rate = Figure::new(workload, case.clone(), "req/s", Better::Higher);
    let mut slowest = Figure::new(workload, format!("{case}: p99"), "ms", Better::Lower);
    let mut best = Vec::new();
    let mut sizes = Vec::new();
    let mut costs = Vec::new();
    let mut ours_seen = false;
    for (who, result) in results {
        // What is only compared with has no column.
        let has_column = who != Who::Cheeseshop || !ours_seen;
        ours_seen |= who == Who::Cheeseshop;
        match result {
            Ok(runs) => {
                let found = runs
                    .iter()
                    .max_by(|(one, _), (other, _)| one.rate().total_cmp(&other.rate()));
                if let (Some((run, spent)), true) = (found, has_column) {
                    let rates = runs.iter().map(|(run, _)| run.rate()).collect();
                    rate.add(who, run.rate(), rates);
                    let times = runs.iter().map(|(run, _)| run.p99 / 1e3).collect();
                    slowest.add(who, run.p99 / 1e3, times);
                    sizes.push(format!("{} {:.0}", who.name(), run.answer_bytes()));
                    if let Some(spent) = spent {
                        let cost = run.cost(*spent);
                        costs.push(format!("{} {cost:.1}", who.name()));
                    }
                }
                best.push(found.map(|(run, _)| *run));
            }
            Err(error) => {
                if has_column {
                    rate.fail(who, &error);
                    slowest.fail(who, &error);
                }
                best.push(None);
            }
        }
    }
    rate.note(format!(
        "bytes of an answer with its head: {}",
        sizes.join(", ")
    ));
    Hot {
        rate,
        slowest,
        best,
    }
}
