//! Pages and files that the upstream must be asked for, with an upstream that takes 30 ms.

use anyhow::{Result, bail};

use super::{Bench, Figure};
use crate::http::{Answer, Connection, Request};
use crate::load::median;
use crate::output::say;
use crate::report::Better;
use crate::servers::{IndexServer, JSON, MIRROR, Place, Who};
use crate::world::{Once, WIDE};

const WORKLOAD: &str = "Cold, through a mirror";

/// How much later than the upstream itself we may be, in milliseconds.
const ALLOWANCE: f64 = 5.0;

/// One column of [`Times`].
type Part = fn(&Times) -> &Vec<f64>;

/// What one server took, in milliseconds.
#[derive(Default)]
struct Times {
    page_first: Vec<f64>,
    page_total: Vec<f64>,
    file_first: Vec<f64>,
    file_total: Vec<f64>,
}

impl Times {
    fn add(&mut self, page: &Answer, file: &Answer) {
        self.page_first.push(page.first_byte.as_secs_f64() * 1e3);
        self.page_total.push(page.total.as_secs_f64() * 1e3);
        self.file_first.push(file.first_byte.as_secs_f64() * 1e3);
        self.file_total.push(file.total.as_secs_f64() * 1e3);
    }
}

pub(super) fn run(bench: &mut Bench) -> Result<Vec<Figure>> {
    let bench = &*bench;
    // Connections to the upstream and, at devpi, the list of its projects are there before.
    for server in &bench.contestants.indexes {
        if let Err(error) = server.files(MIRROR, WIDE) {
            say(&format!("{}: {error:#}", server.who.name()));
        }
    }
    let mut results: Vec<(Who, Result<Times>)> = vec![(Who::Direct, Ok(Times::default()))];
    for server in &bench.contestants.indexes {
        results.push((server.who, Ok(Times::default())));
    }
    for project in &bench.world.cold {
        for (who, result) in &mut results {
            let Ok(times) = result else { continue };
            let server = bench.contestants.indexes.iter().find(|one| one.who == *who);
            match ask(bench, server, project) {
                Ok((page, file)) => times.add(&page, &file),
                Err(error) if *who == Who::Cheeseshop => return Err(error),
                Err(error) => *result = Err(error),
            }
        }
    }
    Ok(figures(&results))
}

fn figures(results: &[(Who, Result<Times>)]) -> Vec<Figure> {
    let parts: [(&str, Part); 4] = [
        ("page of 10 files, first byte", |times| &times.page_first),
        ("page of 10 files, last byte", |times| &times.page_total),
        ("file of 1 MB, first byte", |times| &times.file_first),
        ("file of 1 MB, last byte", |times| &times.file_total),
    ];
    parts
        .into_iter()
        .map(|(case, part)| {
            let mut figure = Figure::new(WORKLOAD, case, "ms", Better::Lower);
            for (who, result) in results {
                match result {
                    Ok(times) => figure.add(*who, median(part(times)), part(times).clone()),
                    Err(error) => figure.fail(*who, error),
                }
            }
            if let (Some(direct), true) = (figure.value(Who::Direct), case.contains("first")) {
                figure.target("≤ direct + 5 ms", direct + ALLOWANCE);
            }
            figure
        })
        .collect()
}

/// Asks for the page and then for a file that it lists, each on a new connection. Without a
/// server the upstream is asked.
fn ask(bench: &Bench, server: Option<&IndexServer>, project: &Once) -> Result<(Answer, Answer)> {
    if let Some(server) = server {
        let page = server.place(server.page_path(MIRROR, &project.project));
        let page = once(&page, Some(JSON))?;
        let file = server.file(MIRROR, &project.project, &project.file)?;
        return Ok((page, once(&file, None)?));
    }
    let place = |path: String| -> Result<Place> {
        Ok(Place {
            who: Who::Direct,
            address: bench.world.address()?,
            path,
        })
    };
    let page = place(bench.world.upstream.project_path(&project.project))?;
    let file = place(project.path.clone())?;
    Ok((once(&page, Some(JSON))?, once(&file, None)?))
}

fn once(place: &Place, accept: Option<&str>) -> Result<Answer> {
    let mut request = Request::get(&place.path);
    if let Some(accept) = accept {
        request = request.header("Accept", accept);
    }
    let answer = Connection::open(place.address)?.measure(&request)?;
    if answer.status != 200 {
        bail!("{}: {}", place.path, answer.status);
    }
    Ok(answer)
}
