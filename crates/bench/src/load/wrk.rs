//! wrk: one thread that keeps a number of connections busy.
//!
//! It shares the processors with the server. With two processors and one thread of wrk a server
//! has one processor and what wrk leaves of the other; for fast servers the figure is that of
//! the pair. Everybody is measured with the same settings.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::servers::Place;

/// Prints what wrk has counted in a form that does not depend on how it prints for people.
const REPORT: &str = r#"done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT {"requests":%d,"microseconds":%d,"bytes":%d,' ..
    '"errors":%d,"p50":%.1f,"p99":%.1f,"max":%.1f}\n',
    summary.requests, summary.duration, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50.0), latency:percentile(99.0), latency.max))
end
"#;

/// What wrk prints before its result.
const MARK: &str = "RESULT ";

/// One run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Run {
    requests: f64,
    microseconds: f64,
    bytes: f64,
    errors: u64,
    /// Microseconds until the answer was there.
    pub(crate) p50: f64,
    /// The same for the slowest hundredth.
    pub(crate) p99: f64,
    max: f64,
}

impl Run {
    /// Requests per second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests / (self.microseconds / 1e6)
    }

    /// Microseconds of `spent` processor time for each answer.
    #[expect(clippy::cast_precision_loss, reason = "seconds of one run")]
    pub(crate) fn cost(&self, spent: u64) -> f64 {
        spent as f64 / self.requests.max(1.0)
    }

    /// Bytes of an answer, heads included.
    pub(crate) fn answer_bytes(&self) -> f64 {
        self.bytes / self.requests.max(1.0)
    }
}

/// Asks for one place over and over.
pub(crate) fn run(
    place: &Place,
    headers: &[(&str, &str)],
    connections: usize,
    seconds: u64,
    folder: &Path,
) -> Result<Run> {
    let script = folder.join("report.lua");
    std::fs::write(&script, REPORT)?;
    let mut command = Command::new("wrk");
    command
        .args(["-t1", "--timeout", "60s"])
        .arg(format!("-c{connections}"))
        .arg(format!("-d{seconds}s"))
        .arg("-s")
        .arg(&script)
        .env_clear()
        .stdin(Stdio::null());
    for (name, value) in headers {
        command.arg("-H").arg(format!("{name}: {value}"));
    }
    command.arg(format!("http://{}{}", place.address, place.path));
    let output = command.output().context("wrk cannot be run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("wrk ended with {}: {text}", output.status);
    }
    let run = parse(&text)?;
    if run.errors > 0 {
        bail!("{} of {} answers were errors", run.errors, run.requests);
    }
    if run.requests < 1.0 {
        bail!("not one answer in {seconds} s");
    }
    Ok(run)
}

fn parse(text: &str) -> Result<Run> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(MARK))
        .with_context(|| format!("wrk said nothing: {text}"))?;
    Ok(serde_json::from_str(line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_found_among_the_talk() {
        let text = "Running 1s test\n  2 threads\nRESULT {\"requests\":3000,\
                    \"microseconds\":1500000,\"bytes\":6000,\"errors\":0,\"p50\":12.0,\
                    \"p99\":40.0,\"max\":99.0}\n";
        let run = parse(text).unwrap();
        assert!((run.rate() - 2000.0).abs() < 1e-9);
        assert!((run.answer_bytes() - 2.0).abs() < 1e-9);
        assert!(parse("Running").is_err());
    }
}
