//! What is wanted: what pip chooses for the requirements.

use std::ffi::OsString;

use futures_util::{StreamExt as _, stream};

use super::outcome::{Outcome, Report, Status};
use super::pip::Refusal;
use super::work::{Wanted, Work};
use crate::fill::{Line, Resolved, read_report, rounds};

/// What came of some lines.
#[derive(Default)]
struct Resolution {
    wanted: Vec<Wanted>,
    outcomes: Vec<Outcome>,
    warnings: Vec<String>,
}

impl Resolution {
    fn take(&mut self, resolved: &[Resolved], round: &[&Line]) {
        let wishes = resolved.iter().filter_map(|resolved| wish(resolved, round));
        self.wanted.extend(wishes);
    }
}

impl Work<'_> {
    /// What is wanted: what pip chooses for the requirements, each release once.
    pub(super) async fn resolve(&self, report: &mut Report) -> Vec<Wanted> {
        // Where no dependencies are wanted, nobody need be asked what `==` means.
        let (pinned, others) = if self.leaves_out_dependencies {
            self.requirements.pinned_and_others()
        } else {
            (Vec::new(), self.requirements.lines.iter().collect())
        };
        let mut all: Vec<Wanted> = pinned.into_iter().filter_map(pinned_wish).collect();
        let mut found = stream::iter(rounds(&others).into_iter().enumerate())
            .map(async |(number, round)| self.resolve_round(number, &round).await)
            .buffered(self.jobs);
        while let Some(resolution) = found.next().await {
            all.extend(resolution.wanted);
            report.outcomes.extend(resolution.outcomes);
            report.warnings.extend(resolution.warnings);
        }
        let mut wanted: Vec<Wanted> = Vec::new();
        for found in all {
            let is_known = wanted
                .iter()
                .any(|known| match (&known.release, &found.release) {
                    (Some((project, version)), Some((other, of_other))) => {
                        project == other && version.is_equivalent(of_other)
                    }
                    (None, None) => known.line == found.line,
                    _ => false,
                });
            if !is_known {
                wanted.push(found);
            }
        }
        wanted
    }

    /// Resolves some lines together; where that fails, each on its own, in agreement with the others:
    /// one of them spoils it, and so it shows which.
    async fn resolve_round(&self, number: usize, round: &[&Line]) -> Resolution {
        let lines: Vec<_> = round.iter().map(|line| line.text.clone()).collect();
        let mut resolution = Resolution::default();
        let refusal = match self.ask_pip(&format!("all-{number}"), &lines, &[]).await {
            Ok(resolved) => {
                resolution.take(&resolved, round);
                resolution.wanted.extend(addresses(round, &[]));
                return resolution;
            }
            Err(refusal) => refusal,
        };
        if let [line] = round {
            resolution.outcomes.push(failed(line, refusal));
            return resolution;
        }
        let mut each = stream::iter(0..round.len())
            .map(async |position| {
                let limits: Vec<_> = round
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != position)
                    .filter_map(|(_, other)| other.constraint())
                    .collect();
                let name = format!("one-{number}-{position}");
                let lines = [round[position].text.clone()];
                (position, self.ask_pip(&name, &lines, &limits).await)
            })
            .buffered(self.jobs);
        let mut spoilt = Vec::new();
        while let Some((position, resolved)) = each.next().await {
            match resolved {
                Ok(resolved) => resolution.take(&resolved, round),
                Err(refusal) => {
                    spoilt.push(position);
                    resolution.outcomes.push(failed(round[position], refusal));
                }
            }
        }
        drop(each);
        if spoilt.is_empty() {
            resolution.warnings.push(format!(
                "the requirements cannot be installed together: {}",
                refusal.reason
            ));
        }
        resolution.wanted.extend(addresses(round, &spoilt));
        resolution
    }

    /// What pip would install for some lines, agreeing with `limits`.
    async fn ask_pip(
        &self,
        name: &str,
        lines: &[String],
        limits: &[String],
    ) -> Result<Vec<Resolved>, Refusal> {
        let report = self.folder.join(format!("{name}.json"));
        let list = self.write_list(name, &self.requirements.options, lines)?;
        let mut arguments: Vec<OsString> =
            ["install", "--dry-run", "--ignore-installed", "--report"]
                .map(OsString::from)
                .to_vec();
        arguments.push(report.clone().into());
        arguments.push("-r".into());
        arguments.push(list.into());
        if self.leaves_out_dependencies {
            arguments.push("--no-deps".into());
        } else if !limits.is_empty() {
            arguments.push("-c".into());
            arguments.push(
                self.write_list(&format!("{name}-limits"), &[], limits)?
                    .into(),
            );
        }
        self.pip.run(name, &arguments).await?;
        let odd = |reason: String| Refusal {
            reason: format!("the report of pip cannot be read: {reason}"),
            log: String::new(),
        };
        // Without a line for this Python there is nothing to report.
        if !report.exists() {
            return Ok(Vec::new());
        }
        let document = std::fs::read(&report).map_err(|error| odd(error.to_string()))?;
        read_report(&document).map_err(odd)
    }
}

/// The wheel of a release that pip chose. `None` for a line's address, which is built as it stands
/// there ([`addresses`]).
fn wish(resolved: &Resolved, round: &[&Line]) -> Option<Wanted> {
    let (project, version) = (&resolved.project, &resolved.version);
    let line = match &resolved.address {
        Some(_) if resolved.is_requested => return None,
        Some(address) => format!("{} @ {address}", project.written()),
        None => {
            // Digests and settings of the line that names it.
            let options = round
                .iter()
                .filter_map(|line| line.named.as_ref())
                .find(|named| named.project == *project && named.admits(version))
                .map(|named| named.options.as_str())
                .unwrap_or_default();
            format!("{}=={version} {options}", project.written())
        }
    };
    Some(Wanted {
        shown: format!("{} {version}", project.written()),
        release: Some((project.clone(), version.clone())),
        line,
    })
}

/// The wheel of the one version that a line names.
fn pinned_wish(line: &Line) -> Option<Wanted> {
    let (project, version) = line.pin()?;
    Some(Wanted {
        shown: line.shown(),
        release: Some((project.clone(), version.clone())),
        line: line.text.clone(),
    })
}

/// The lines that are addresses or paths, but for those that are known to be bad.
fn addresses(round: &[&Line], spoilt: &[usize]) -> Vec<Wanted> {
    round
        .iter()
        .enumerate()
        .filter(|(position, line)| line.named.is_none() && !spoilt.contains(position))
        .map(|(_, line)| Wanted {
            shown: line.shown(),
            release: None,
            line: line.text.clone(),
        })
        .collect()
}

fn failed(line: &Line, refusal: Refusal) -> Outcome {
    let shown = line.shown();
    let project = line.named.as_ref().map(|named| named.project.written());
    Outcome {
        project: project.unwrap_or(&shown).to_owned(),
        version: None,
        requirement: Some(shown),
        file: None,
        status: Status::Failed {
            reason: refusal.reason,
            log: refusal.log,
        },
    }
}
