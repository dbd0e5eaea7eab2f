//! Taking in what another server held: an export in devpi's form.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::start::{FILES_EACH, fill, megabytes};
use super::{Bench, Figure};
use crate::output::say;
use crate::process::{Process, run as run_to_end};
use crate::report::Better;
use crate::servers::Who;

const WORKLOAD: &str = "Import";

/// How long one import may take.
const LONGEST: Duration = Duration::from_mins(10);

pub(super) fn run(bench: &mut Bench) -> Result<Vec<Figure>> {
    let folder = bench.folder.join("import");
    std::fs::create_dir_all(&folder)?;
    let log = folder.join("log");
    let mut source = bench.contestants.another(
        &bench.folder,
        "import-source",
        &bench.world,
        &["--log=warn"],
    )?;
    let files = fill(bench, &source, "import", bench.plan.import_files)?;
    source.process.stop()?;
    let export = folder.join("export");
    let ours = |data: &Path, words: &[&str]| {
        let mut command = Command::new(&bench.cheeseshop);
        command.env_clear().env("HOME", &folder).arg("--data-dir");
        command.arg(data).args(words).arg(&export);
        command
    };
    let data = bench.folder.join("import-source");
    run_to_end(&mut ours(&data, &["export", "--hard-links"]), &log)?;

    let case = format!("{files} files in {} projects", files.div_ceil(FILES_EACH));
    let new =
        |what: &str, unit| Figure::new(WORKLOAD, format!("{case}{what}"), unit, Better::Lower);
    let mut copied = new(", copied", "s");
    let mut memory = new(": memory at most", "MB");
    let mut again = new(", when everything is here already", "s");
    let data = folder.join("ours");
    for figure in [&mut copied, &mut again] {
        let command = &mut ours(&data, &["import"]);
        let (time, peak) = Process::start(command, &log)?.finish(LONGEST)?;
        let time = time.as_secs_f64();
        figure.add(Who::Cheeseshop, time, vec![time]);
        if memory.value(Who::Cheeseshop).is_none() {
            let peak = megabytes(peak);
            memory.add(Who::Cheeseshop, peak, vec![peak]);
        }
    }
    if let Some(programs) = &bench.devpi_programs {
        say("importing by devpi-import");
        let mut command = Command::new(programs.join("devpi-import"));
        command.env_clear().env("HOME", &folder).arg("--serverdir");
        command.arg(folder.join("devpi")).arg(&export);
        match Process::start(&mut command, &log).and_then(|mut import| import.finish(LONGEST)) {
            Ok((time, peak)) => {
                let (time, peak) = (time.as_secs_f64(), megabytes(peak));
                copied.add(Who::Devpi, time, vec![time]);
                memory.add(Who::Devpi, peak, vec![peak]);
            }
            Err(error) => {
                copied.fail(Who::Devpi, &error);
                memory.fail(Who::Devpi, &error);
            }
        }
    }
    // Both read the same export, and devpi-server makes nothing durable.
    copied.target_times(1.0, Who::Devpi);
    memory.target_times(1.0, Who::Devpi);
    Ok(vec![copied, again, memory])
}
