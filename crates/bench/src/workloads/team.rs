//! The same pages through the team layout: three levels of hosted indexes above a mirror.

use anyhow::Result;

use super::pages::{CONNECTIONS, REPRESENTATIONS, measure, page};
use super::{Bench, Figure, hot};
use crate::servers::{HOSTED, MIRROR, TEAM, TEAM_HOSTED, Who};
use crate::world::{TEN, TEN_FILES, WIDE, wheel};

const WORKLOAD: &str = "Team layout, three levels";

/// The project whose files lie in all hosted indexes of the layout.
const SPREAD: &str = "spread";

/// How many of its ten files each of them has.
const SHARES: [usize; 4] = [3, 3, 2, 2];

pub(super) fn run(bench: &mut Bench) -> Result<Vec<Figure>> {
    let bench = &*bench;
    hot::seed(bench)?;
    for server in &bench.contestants.indexes {
        let mut version = 0;
        for (index, share) in TEAM_HOSTED.into_iter().zip(SHARES) {
            let wheels: Vec<_> = (version..version + share)
                .map(|number| wheel(SPREAD, number))
                .collect();
            version += share;
            server.seed(index, &wheels)?;
        }
    }
    let mut figures = Vec::new();
    for (name, project, files, plain_index, plain_project) in [
        ("10 files in 4 indexes", SPREAD, TEN_FILES, HOSTED, TEN),
        (
            "5,000 files from the mirror",
            WIDE,
            bench.plan.wide_files,
            MIRROR,
            WIDE,
        ),
    ] {
        let places = hot::places(bench, TEAM, project, files)?;
        let plain = page(
            bench.contestants.cheeseshop(),
            plain_index,
            plain_project,
            files,
        )?;
        for (representation, accept) in REPRESENTATIONS {
            let name_of_copy = format!("team-{project}");
            let mut places =
                hot::with_nginx(bench, &places, &name_of_copy, representation, accept)?;
            places.push(plain.clone());
            for connections in CONNECTIONS {
                let headers = [("Accept", accept), ("Accept-Encoding", "gzip")];
                let case = format!("{name}, {representation}");
                let mut hot = measure(bench, WORKLOAD, &case, &places, &headers, connections);
                if let Some(Some(plain)) = hot.best.last() {
                    hot.rate
                        .target("≥ 0.9 × our plain index", 0.9 * plain.rate());
                    hot.rate
                        .note(format!("our plain index: {:.0} req/s", plain.rate()));
                }
                hot.rate.target_times(100.0, Who::Devpi);
                figures.extend([hot.rate, hot.slowest]);
            }
        }
    }
    Ok(figures)
}
