//! The list of all projects of a mirror that has as many as PyPI.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{Bench, Figure};
use crate::http::{Answer, Connection, Request};
use crate::load::median;
use crate::report::Better;
use crate::servers::{JSON, NAMES, Place, Who};

const WORKLOAD: &str = "List of all projects";

/// How long a server is left alone before its memory is looked at: allocators give memory back
/// some time after it was freed.
const REST: Duration = Duration::from_secs(2);

pub(super) fn run(bench: &mut Bench) -> Result<Vec<Figure>> {
    let bench = &*bench;
    bench.world.publish_names(bench.plan.names);
    let case = |what: &str| format!("{} names, {what}", bench.plan.names);
    let mut cold = Figure::new(WORKLOAD, case("first time, last byte"), "ms", Better::Lower);
    let mut first = Figure::new(WORKLOAD, case("hot, first byte"), "ms", Better::Lower);
    let mut total = Figure::new(WORKLOAD, case("hot, last byte"), "ms", Better::Lower);
    let mut memory = Figure::new(WORKLOAD, case("memory afterwards"), "MB", Better::Lower);
    let mut peak = Figure::new(WORKLOAD, case("memory at most"), "MB", Better::Lower);
    // Ours is a server that has done nothing else, so that the memory is that of the list.
    let fresh = bench
        .contestants
        .another(&bench.folder, "list", &bench.world, &["--log=warn"])?;
    let peers = bench.contestants.indexes.iter().skip(1);
    for server in std::iter::once(&fresh).chain(peers) {
        let place = server.place(server.list_path(NAMES));
        server.process.forget_peak()?;
        match measure(bench, &place) {
            Ok((slow, fast)) => {
                cold.add(
                    place.who,
                    milliseconds(&slow).1,
                    vec![milliseconds(&slow).1],
                );
                add_times(&mut first, &mut total, place.who, &fast);
            }
            Err(error) if place.who == Who::Cheeseshop => return Err(error),
            Err(error) => {
                for figure in [&mut cold, &mut first, &mut total] {
                    figure.fail(place.who, &error);
                }
                continue;
            }
        }
        std::thread::sleep(REST);
        let resident = megabytes(server.process.resident_bytes()?);
        memory.add(place.who, resident, vec![resident]);
        let most = megabytes(server.process.peak_bytes()?);
        peak.add(place.who, most, vec![most]);
    }
    if let Some(nginx) = &bench.contestants.nginx {
        let ours = fresh.place(fresh.list_path(NAMES));
        let place = nginx.page(
            "names.json",
            &super::pages::body(&ours, JSON, None)?,
            &super::pages::body(&ours, JSON, Some("gzip"))?,
        )?;
        let (_, fast) = measure(bench, &place)?;
        add_times(&mut first, &mut total, Who::Nginx, &fast);
    }
    first.target("< 5 ms", 5.0);
    memory.target("< 150 MB", 150.0);
    memory.note(
        "the whole process; ours has done nothing else, the peers the workloads before this one",
    );
    Ok(vec![cold, first, total, memory, peak])
}

/// The first answer, and those after it.
fn measure(bench: &Bench, place: &Place) -> Result<(Answer, Vec<Answer>)> {
    let request = Request::get(&place.path)
        .header("Accept", JSON)
        .header("Accept-Encoding", "gzip");
    let mut connection = Connection::open(place.address)?;
    let mut ask = || -> Result<Answer> {
        let answer = connection.measure(&request)?;
        if answer.status != 200 {
            bail!("{}: {}", place.path, answer.status);
        }
        Ok(answer)
    };
    let slow = ask()?;
    if slow.length < 100_000 {
        bail!(
            "{} bytes are no list of {} names",
            slow.length,
            bench.plan.names
        );
    }
    // devpi takes seconds for each.
    let fetches = if place.who == Who::Devpi {
        2
    } else {
        bench.plan.list_fetches
    };
    let fast = (0..fetches).map(|_| ask()).collect::<Result<_>>()?;
    Ok((slow, fast))
}

fn add_times(first: &mut Figure, total: &mut Figure, who: Who, answers: &[Answer]) {
    let (firsts, totals): (Vec<f64>, Vec<f64>) = answers.iter().map(milliseconds).unzip();
    first.add(who, median(&firsts), firsts);
    total.add(who, median(&totals), totals);
}

fn milliseconds(answer: &Answer) -> (f64, f64) {
    (
        answer.first_byte.as_secs_f64() * 1e3,
        answer.total.as_secs_f64() * 1e3,
    )
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
