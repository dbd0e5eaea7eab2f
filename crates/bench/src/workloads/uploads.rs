//! Uploads that are acknowledged when they are durable, eight at a time.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Bench, Figure};
use crate::devpi_api::Api;
use crate::http::Request;
use crate::load::{disk, median, uploads};
use crate::report::Better;
use crate::servers::{HOSTED, IndexServer, Nginx, Who};
use crate::world::wheel;

const WORKLOAD: &str = "Uploads";

/// Clients at once.
const CLIENTS: usize = 8;

/// Projects over which the wheels are spread.
const PROJECTS: usize = 200;

/// How a caller proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// User and password with every request.
    Basic,
    /// The token of a login, as the devpi client sends it.
    Token,
}

pub(super) fn run(bench: &mut Bench) -> Result<Vec<Figure>> {
    let bench = &*bench;
    let mut all = Vec::new();
    for (proof, name) in [
        (Proof::Basic, "password with every request"),
        (Proof::Token, "login token"),
    ] {
        let mut results: Vec<(Who, Result<Vec<uploads::Uploads>>)> = bench
            .contestants
            .indexes
            .iter()
            .map(|server| server.who)
            .filter(|who| proof == Proof::Basic || *who != Who::Peryx)
            .map(|who| (who, Ok(Vec::new())))
            .collect();
        if bench.contestants.nginx.is_some() && proof == Proof::Basic {
            results.push((Who::Nginx, Ok(Vec::new())));
        }
        for round in 0..bench.plan.rounds {
            for (who, result) in &mut results {
                let Ok(runs) = result else { continue };
                if *who == Who::Devpi && round > 0 {
                    // One round of minutes says as much as three.
                    continue;
                }
                match upload(bench, *who, proof, round) {
                    Ok(run) => runs.push(run),
                    Err(error) if *who == Who::Cheeseshop => return Err(error),
                    Err(error) => *result = Err(error),
                }
            }
        }
        all.push((name, results));
    }
    let time = Duration::from_secs(2);
    let ceiling = disk::synced_files_per_second(&bench.folder, CLIENTS, time)?;
    Ok(all
        .iter()
        .flat_map(|(name, results)| judge(name, results, ceiling))
        .collect())
}

fn judge(
    name: &str,
    results: &[(Who, Result<Vec<uploads::Uploads>>)],
    ceiling: f64,
) -> [Figure; 2] {
    let case = format!("{CLIENTS} at once, {name}");
    let mut rate = Figure::new(WORKLOAD, case.clone(), "per s", Better::Higher);
    let mut slowest = Figure::new(WORKLOAD, format!("{case}: p99"), "ms", Better::Lower);
    for (who, result) in results {
        match result {
            Ok(runs) => {
                let rates: Vec<f64> = runs.iter().map(uploads::Uploads::rate).collect();
                rate.add(*who, rates.iter().copied().fold(0.0, f64::max), rates);
                let times: Vec<f64> = runs.iter().map(|run| run.percentile(99)).collect();
                slowest.add(*who, median(&times), times);
                let counts: Vec<String> = runs.iter().map(counted).collect();
                rate.note(format!("{}: {}", who.name(), counts.join(", ")));
            }
            Err(error) => {
                rate.fail(*who, error);
                slowest.fail(*who, error);
            }
        }
    }
    rate.target_times(20.0, Who::Devpi);
    rate.note(format!(
        "the disk makes {ceiling:.0} files of 1 kB durable in a second when each of {CLIENTS} \
         writers syncs its own; nginx syncs nothing"
    ));
    [rate, slowest]
}

fn counted(run: &uploads::Uploads) -> String {
    let cost = run.cost().map_or(String::new(), |cost| {
        format!(" ({cost:.0} µs of processor time each)")
    });
    let seconds = run.elapsed.as_secs_f64();
    format!("{} in {seconds:.1} s{cost}", run.accepted)
}

fn upload(bench: &Bench, who: Who, proof: Proof, round: usize) -> Result<uploads::Uploads> {
    let plan = &bench.plan;
    let server = bench.contestants.indexes.iter().find(|one| one.who == who);
    let count = if who == Who::Devpi {
        plan.devpi_uploads
    } else {
        plan.uploads
    };
    // Every wheel is new to the server.
    let first = (round * 2 + usize::from(proof == Proof::Token)) * plan.uploads;
    let api = match (server, proof) {
        (Some(server), Proof::Token) => server.login(HOSTED)?,
        _ => None,
    };
    // Made beforehand: making a wheel costs about as much as taking it.
    let requests: Vec<Request> = (first..first + count)
        .map(|number| match server {
            Some(server) => request(server, number, api.as_ref()),
            None => put(number),
        })
        .collect();
    let address = match server {
        Some(server) => server.address,
        None => nginx(bench)?.address,
    };
    // The first password is checked for real and takes a tenth of a second.
    let process = bench.contestants.process(who);
    let before = process.and_then(|process| process.processor_time().ok());
    let mut run = uploads::run(address, count, CLIENTS, plan.upload_time, &|number| {
        requests[number].clone()
    })?;
    let after = process.and_then(|process| process.processor_time().ok());
    run.spent = before.zip(after).map(|(before, after)| after - before);
    Ok(run)
}

fn nginx(bench: &Bench) -> Result<&Nginx> {
    bench
        .contestants
        .nginx
        .as_ref()
        .context("nginx is not here")
}

fn request(server: &IndexServer, number: usize, api: Option<&Api>) -> Request {
    let file = new_wheel(number);
    match api {
        Some(api) => server.upload_with_token(HOSTED, &file, api),
        None => server.upload(HOSTED, &file),
    }
}

fn put(number: usize) -> Request {
    let file = new_wheel(number);
    let path = format!("/upload/{}", file.name);
    Request::with_body("PUT", path, file.bytes.to_vec())
}

fn new_wheel(number: usize) -> cheeseshop_test_support::BuiltFile {
    wheel(&format!("upload-{}", number % PROJECTS), number)
}
