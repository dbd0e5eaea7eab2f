//! What is measured, one module a workload.

mod client;
mod cold;
mod files;
mod herd;
mod hot;
mod import;
mod list;
mod pages;
mod start;
mod team;
mod uploads;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::cli::{Cli, Peer, Workload};
use crate::machine::{self, Machine, Times};
use crate::output::{data, say};
use crate::plan::Plan;
use crate::report::{Figure, Report};
use crate::servers::{Contestants, Place, Who};
use crate::world::World;

/// Where the table stands in a published file.
const MARKS: [&str; 2] = ["<!-- figures: begin -->", "<!-- figures: end -->"];

/// What every workload works with.
struct Bench {
    plan: Plan,
    world: World,
    contestants: Contestants,
    folder: PathBuf,
    /// Our program.
    cheeseshop: PathBuf,
    /// The folder of devpi's programs, when it takes part.
    devpi_programs: Option<PathBuf>,
}

type Run = fn(&mut Bench) -> Result<Vec<Figure>>;

const WORKLOADS: [(Workload, Run); 10] = [
    (Workload::Hot, hot::run),
    (Workload::Team, team::run),
    (Workload::Files, files::run),
    (Workload::Cold, cold::run),
    (Workload::Herd, herd::run),
    (Workload::Uploads, uploads::run),
    (Workload::List, list::run),
    (Workload::Client, client::run),
    (Workload::Import, import::run),
    // Last, for it stops and starts everybody.
    (Workload::Start, start::run),
];

/// Measures what was asked for and writes the report.
pub(crate) fn run(cli: &Cli) -> Result<()> {
    let machine = Machine::look();
    let mut report = Report::new(machine.clone(), cli.quick);
    if machine.is_busy() {
        report.remark(format!(
            "**Not a quiet machine**: {} tasks were runnable before the run. These figures are \
             for nobody else.",
            machine.load_before
        ));
    }
    std::fs::create_dir_all(&cli.directory).with_context(|| cli.directory.display().to_string())?;
    let mut folder = tempfile::Builder::new()
        .prefix("run-")
        .tempdir_in(&cli.directory)?;
    folder.disable_cleanup(cli.keep);
    let began = Instant::now();
    let times = Times::now();
    let failures = measure(cli, &folder.path().canonicalize()?, &mut report)?;
    if let (Some(before), Some(after)) = (times, Times::now()) {
        report.remark(format!(
            "The run took {} minutes; {:.0} % of the processors' time went to others; the load \
             was {} before and {} after.",
            began.elapsed().as_secs().div_ceil(60),
            after.taken_by_others_since(&before) * 100.0,
            machine.load_before,
            machine::load(),
        ));
    }
    let (met, targets) = report.score();
    report.remark(format!("{met} of {targets} targets met."));
    write(cli, &report)?;
    if !failures.is_empty() {
        bail!("{}", failures.join("; "));
    }
    Ok(())
}

fn measure(cli: &Cli, folder: &std::path::Path, report: &mut Report) -> Result<Vec<String>> {
    let plan = if cli.quick {
        Plan::quick()
    } else {
        Plan::full()
    };
    say("filling the upstream");
    let world = World::start(&plan)?;
    say("starting the servers");
    let contestants = Contestants::start(cli, folder, &world)?;
    let mut bench = Bench {
        plan,
        world,
        contestants,
        folder: folder.to_owned(),
        cheeseshop: cli.cheeseshop.clone(),
        devpi_programs: cli.invites(Peer::Devpi).then(|| cli.peer_programs.clone()),
    };
    let mut failures = Vec::new();
    for (workload, run) in WORKLOADS {
        if !cli.wants(workload) {
            continue;
        }
        say(&format!("measuring: {workload:?}"));
        let started = Instant::now();
        match run(&mut bench) {
            Ok(figures) => report.extend(figures),
            Err(error) => failures.push(format!("{workload:?}: {error:#}")),
        }
        say(&format!(
            "measuring: {workload:?}: {:.0} s",
            started.elapsed().as_secs_f32()
        ));
    }
    Ok(failures)
}

fn write(cli: &Cli, report: &Report) -> Result<()> {
    let table = report.table();
    let json = serde_json::to_string_pretty(report)?;
    std::fs::write(cli.directory.join("report.json"), json + "\n")?;
    std::fs::write(cli.directory.join("report.md"), &table)?;
    if let Some(path) = &cli.publish {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let published = between_marks(&text, &table)
            .with_context(|| format!("{}: no marks for the table", path.display()))?;
        std::fs::write(path, published)?;
    }
    data(&table);
    Ok(())
}

fn between_marks(text: &str, table: &str) -> Option<String> {
    let [begin, end] = MARKS;
    let (before, rest) = text.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some(format!("{before}{begin}\n\n{table}\n{end}{after}"))
}

/// Measures every place once a round, so that a slow minute of the machine hits everybody.
/// Whoever fails once is not asked again.
fn in_turns<T>(
    places: &[Place],
    rounds: usize,
    mut measure: impl FnMut(&Place) -> Result<T>,
) -> Vec<(Who, Result<Vec<T>>)> {
    let mut results: Vec<(Who, Result<Vec<T>>)> = places
        .iter()
        .map(|place| (place.who, Ok(Vec::new())))
        .collect();
    for _ in 0..rounds {
        for (place, (_, result)) in places.iter().zip(&mut results) {
            let Ok(values) = result else { continue };
            match measure(place) {
                Ok(value) => values.push(value),
                Err(error) => *result = Err(error),
            }
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_replaces_the_one_before() {
        let text = "a\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nb\n";
        let published = between_marks(text, "new\n").unwrap();
        assert_eq!(
            published,
            "a\n<!-- figures: begin -->\n\nnew\n\n<!-- figures: end -->\nb\n"
        );
        assert_eq!(between_marks("no marks", "new"), None);
    }

    #[test]
    fn everybody_has_a_turn_in_every_round() {
        let place = |who| Place {
            who,
            address: "127.0.0.1:1".parse().unwrap(),
            path: String::new(),
        };
        let mut order = Vec::new();
        let results = in_turns(&[place(Who::Nginx), place(Who::Devpi)], 2, |place| {
            order.push(place.who);
            if place.who == Who::Devpi {
                bail!("no");
            }
            Ok(order.len())
        });
        assert_eq!(order, [Who::Nginx, Who::Devpi, Who::Nginx]);
        assert_eq!(results[0].1.as_ref().unwrap(), &[1, 3]);
        assert!(results[1].1.is_err());
    }
}
