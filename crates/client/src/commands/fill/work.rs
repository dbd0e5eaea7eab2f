//! Resolving, looking what is missing, building and uploading.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cheeseshop_packaging::{FileKind, FileName, ProjectName, Requirement, Version};
use futures_util::{StreamExt as _, stream};
use url::Url;

use super::outcome::{Outcome, Report, Status};
use super::pip::{Pip, Refusal};
use crate::commands::Output;
use crate::fill::{Line, Listing, Need, Requirements, Resolved, Tags, is_pure, judge, read_report};
use crate::{Credentials, Distribution, Error, Progress, Server};

/// How many questions a server is asked at once.
const QUESTIONS: usize = 8;

/// An index that wheels go to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Its URL, with a slash at its end.
    pub(super) url: Url,
}

impl Target {
    pub(super) fn new(url: Url) -> Self {
        Self {
            url: crate::server::without_credentials(&url),
        }
    }

    /// The index for installers.
    pub(super) fn simple(&self) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}+simple/", url.path()));
        url
    }
}

/// All that is needed to fill an index.
pub(super) struct Work<'run> {
    pub(super) server: Server,
    pub(super) login: Option<Credentials>,
    pub(super) pip: Pip,
    /// Where everything is done; it goes at the end.
    pub(super) folder: &'run Path,
    pub(super) index: Target,
    pub(super) pure: Option<Target>,
    pub(super) tags: Tags,
    pub(super) requirements: Requirements,
    pub(super) blacklist: Vec<Requirement>,
    pub(super) jobs: usize,
    pub(super) ignores_bases: bool,
    pub(super) leaves_out_dependencies: bool,
    pub(super) is_dry_run: bool,
}

/// A wheel that is wanted.
#[derive(Clone, Debug)]
struct Wanted {
    /// What is told of it while nothing else is known.
    shown: String,
    /// The release; `None` for an address or a path, where building shows it.
    release: Option<(ProjectName, Version)>,
    /// The line for pip.
    line: String,
}

/// What an index has of a project.
#[derive(Clone, Debug, Default)]
struct Held {
    /// What counts as being there.
    seen: Listing,
    /// What it has itself.
    own: Listing,
}

/// What the indexes have of a project: the one that is filled, and the one of pure wheels.
#[derive(Clone, Debug, Default)]
struct Known {
    index: Held,
    pure: Held,
}

impl Work<'_> {
    pub(super) async fn run(&self, output: &mut Output) -> Report {
        let mut report = Report {
            index: self.index.url.to_string(),
            pure_index: self.pure.as_ref().map(|pure| pure.url.to_string()),
            ..Report::default()
        };
        let count = self.requirements.lines.len();
        output.passing(&format!("resolving {count} requirements"));
        let wanted = self.resolve(&mut report).await;
        let missing = self.missing(wanted, &mut report, output).await;
        let total = missing.len();
        output.passing(&format!("building {total} wheels"));
        let mut made = stream::iter(missing.into_iter().enumerate())
            .map(|(number, (wanted, known))| self.make(number, wanted, known))
            .buffer_unordered(self.jobs);
        let mut done = 0;
        while let Some(outcome) = made.next().await {
            done += 1;
            output.passing(&format!("{done} of {total} wheels: {}", outcome.project));
            report.outcomes.push(outcome);
        }
        drop(made);
        let key = |outcome: &Outcome| {
            let version = outcome.version.as_deref();
            let version = version.and_then(|version| Version::parse(version).ok());
            (outcome.project.to_ascii_lowercase(), version)
        };
        report.outcomes.sort_by_key(key);
        report
    }

    /// What is wanted: what pip chooses for the requirements, each release once.
    async fn resolve(&self, report: &mut Report) -> Vec<Wanted> {
        let mut wanted: Vec<Wanted> = Vec::new();
        for (number, round) in self.requirements.rounds().iter().enumerate() {
            for found in self.resolve_round(number, round, report).await {
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
        }
        wanted
    }

    async fn resolve_round(
        &self,
        number: usize,
        round: &[&Line],
        report: &mut Report,
    ) -> Vec<Wanted> {
        let lines: Vec<_> = round.iter().map(|line| line.text.clone()).collect();
        let name = format!("all-{number}");
        let together = self.ask_pip(&name, &lines, &[]).await;
        let mut wanted = Vec::new();
        match together {
            Ok(resolved) => wanted.extend(resolved.iter().filter_map(|it| wish(it, round))),
            // One of them spoils it. On their own it shows which.
            Err(refusal) => {
                let before = report.outcomes.len();
                let mut each = stream::iter(round.iter().enumerate())
                    .map(|(position, line)| async move {
                        let limits: Vec<_> = round
                            .iter()
                            .enumerate()
                            .filter(|(other, _)| *other != position)
                            .filter_map(|(_, other)| other.constraint())
                            .collect();
                        let name = format!("one-{number}-{position}");
                        let lines = [line.text.clone()];
                        (position, self.ask_pip(&name, &lines, &limits).await)
                    })
                    .buffered(self.jobs);
                let mut spoilt = Vec::new();
                while let Some((position, resolved)) = each.next().await {
                    match resolved {
                        Ok(resolved) => {
                            wanted.extend(resolved.iter().filter_map(|it| wish(it, round)));
                        }
                        Err(refusal) => {
                            spoilt.push(position);
                            report
                                .outcomes
                                .push(failed(round[position].shown(), refusal));
                        }
                    }
                }
                drop(each);
                if report.outcomes.len() == before {
                    report.warnings.push(format!(
                        "the requirements cannot be installed together: {}",
                        refusal.reason
                    ));
                }
                wanted.extend(addresses(round, &spoilt));
                return wanted;
            }
        }
        wanted.extend(addresses(round, &[]));
        wanted
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

    fn write_list(
        &self,
        name: &str,
        options: &[String],
        lines: &[String],
    ) -> Result<PathBuf, Refusal> {
        let path = self.folder.join(format!("{name}.txt"));
        let text: String = options
            .iter()
            .chain(lines)
            .flat_map(|line| [line.as_str(), "\n"])
            .collect();
        std::fs::write(&path, text).map_err(|error| Refusal {
            reason: format!("{}: {error}", path.display()),
            log: String::new(),
        })?;
        Ok(path)
    }

    /// Which of them have no wheel. What the indexes have is asked for once a project, in parallel.
    async fn missing(
        &self,
        wanted: Vec<Wanted>,
        report: &mut Report,
        output: &mut Output,
    ) -> Vec<(Wanted, Option<Known>)> {
        let projects: BTreeMap<String, ProjectName> = wanted
            .iter()
            .filter_map(|wanted| wanted.release.as_ref())
            .map(|(project, _)| (project.normalized().to_owned(), project.clone()))
            .collect();
        output.passing(&format!(
            "looking for wheels of {} projects",
            projects.len()
        ));
        let known: BTreeMap<String, Result<Known, Error>> = stream::iter(projects)
            .map(|(name, project)| async move { (name, self.ask_indexes(&project).await) })
            .buffer_unordered(QUESTIONS)
            .collect()
            .await;
        let mut missing = Vec::new();
        for wanted in wanted {
            let Some((project, version)) = &wanted.release else {
                missing.push((wanted, None));
                continue;
            };
            let outcome = |status, file| Outcome {
                project: project.written().to_owned(),
                version: Some(version.as_str().to_owned()),
                file,
                status,
            };
            let known = match &known[project.normalized()] {
                Ok(known) => known,
                Err(error) => {
                    let status = Status::Failed {
                        reason: format!("the index cannot be asked: {}", error.chain()),
                        log: String::new(),
                    };
                    report.outcomes.push(outcome(status, None));
                    continue;
                }
            };
            match self.judge(project, version, known) {
                Need::Unwanted => report.outcomes.push(outcome(Status::Blacklisted, None)),
                Need::Present(file) => {
                    report.outcomes.push(outcome(Status::Present, Some(file)));
                }
                Need::Wheel => {
                    let known = known.clone();
                    missing.push((wanted, Some(known)));
                }
            }
        }
        missing
    }

    fn judge(&self, project: &ProjectName, version: &Version, known: &Known) -> Need {
        let listings = [&known.index.seen, &known.pure.seen];
        judge((project, version), &self.blacklist, &listings, &self.tags)
    }

    async fn ask_indexes(&self, project: &ProjectName) -> Result<Known, Error> {
        Ok(Known {
            index: self.ask_index(&self.index, project).await?,
            pure: match &self.pure {
                Some(pure) => self.ask_index(pure, project).await?,
                None => Held::default(),
            },
        })
    }

    async fn ask_index(&self, target: &Target, project: &ProjectName) -> Result<Held, Error> {
        let Some(page) = self.server.project_page(&target.simple(), project).await? else {
            return Ok(Held::default());
        };
        let own_files = format!("{}+f/", target.url.path());
        let is_own = |url: &str| {
            url.parse::<Url>()
                .is_ok_and(|url| url.path().starts_with(&own_files))
        };
        let names = |files: &mut dyn Iterator<Item = &cheeseshop_packaging::PageFile>| {
            Listing(files.map(|file| file.filename.clone()).collect())
        };
        let own = names(&mut page.files.iter().filter(|file| is_own(&file.url)));
        let seen = if self.ignores_bases {
            own.clone()
        } else {
            names(&mut page.files.iter())
        };
        Ok(Held { seen, own })
    }

    /// Builds a wheel (or fetches it, where the source has one), and uploads it.
    async fn make(&self, number: usize, wanted: Wanted, known: Option<Known>) -> Outcome {
        let folder = self.folder.join(format!("wheel-{number}"));
        let mut outcome = Outcome {
            project: wanted.shown.clone(),
            version: None,
            file: None,
            status: Status::NotForThisPython,
        };
        if let Some((project, version)) = &wanted.release {
            project.written().clone_into(&mut outcome.project);
            outcome.version = Some(version.as_str().to_owned());
        }
        outcome.status = match self.build(number, &wanted.line, &folder).await {
            Err(refusal) => Status::Failed {
                reason: refusal.reason,
                log: refusal.log,
            },
            Ok(None) => Status::NotForThisPython,
            Ok(Some(wheel)) => self
                .deliver(&wheel, known, &mut outcome)
                .await
                .unwrap_or_else(|reason| Status::Failed {
                    reason,
                    log: String::new(),
                }),
        };
        // Everything goes at the end, too.
        let _ = std::fs::remove_dir_all(&folder);
        outcome
    }

    /// Has pip make a wheel of a line. `None`: the line is not for this Python.
    async fn build(
        &self,
        number: usize,
        line: &str,
        folder: &Path,
    ) -> Result<Option<Distribution>, Refusal> {
        let broken = |reason: String| Refusal {
            reason,
            log: String::new(),
        };
        let name = format!("build-{number}");
        let options = &self.requirements.options;
        let list = self.write_list(&name, options, &[line.to_owned()])?;
        let arguments: [OsString; 6] = [
            "wheel".into(),
            "--no-deps".into(),
            "--wheel-dir".into(),
            folder.into(),
            "-r".into(),
            list.into(),
        ];
        self.pip.run(&name, &arguments).await?;
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Ok(None);
        };
        let wheel = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|suffix| suffix == "whl"));
        let Some(path) = wheel else {
            return Ok(None);
        };
        Distribution::read(&path)
            .map(Some)
            .map_err(|error| broken(format!("the wheel cannot be uploaded: {error}")))
    }

    /// Uploads a wheel to where it belongs, unless it is there.
    async fn deliver(
        &self,
        wheel: &Distribution,
        known: Option<Known>,
        outcome: &mut Outcome,
    ) -> Result<Status, String> {
        let is_wheel =
            FileName::parse(&wheel.name).is_ok_and(|name| name.kind() == FileKind::Wheel);
        let project = ProjectName::parse(wheel.project()).map_err(|error| error.to_string())?;
        let version = Version::parse(wheel.version().unwrap_or_default())
            .ok()
            .filter(|_| is_wheel)
            .ok_or_else(|| format!("{} does not say which release it is of", wheel.name))?;
        outcome.file = Some(wheel.name.clone());
        wheel.project().clone_into(&mut outcome.project);
        outcome.version = Some(version.as_str().to_owned());
        let known = match known {
            Some(known) => known,
            None => {
                let asked = self.ask_indexes(&project).await;
                let known = asked.map_err(|error| error.chain())?;
                match self.judge(&project, &version, &known) {
                    Need::Unwanted => return Ok(Status::Blacklisted),
                    Need::Present(_) => return Ok(Status::Present),
                    Need::Wheel => known,
                }
            }
        };
        let (target, own) = match &self.pure {
            Some(pure) if is_pure(&wheel.name) => (pure, &known.pure.own),
            _ => (&self.index, &known.index.own),
        };
        if own.has(&wheel.name) {
            return Ok(Status::Present);
        }
        if self.is_dry_run {
            return Ok(Status::WouldUpload(target.url.to_string()));
        }
        let answer = self
            .server
            .upload(&target.url, wheel, self.login.clone(), &Progress::default())
            .await
            .map_err(|error| error.chain())?;
        if answer.is_success() {
            return Ok(Status::Uploaded(target.url.to_string()));
        }
        // Somebody else may have been faster: then it is there.
        if answer.status == 409
            && let Ok(held) = self.ask_index(target, &project).await
            && held.own.has(&wheel.name)
        {
            return Ok(Status::Present);
        }
        let message = answer.message().unwrap_or(&answer.reason);
        Err(format!(
            "{} answered {}: {message}",
            target.url,
            answer.status.as_u16()
        ))
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

fn failed(shown: String, refusal: Refusal) -> Outcome {
    Outcome {
        project: shown,
        version: None,
        file: None,
        status: Status::Failed {
            reason: refusal.reason,
            log: refusal.log,
        },
    }
}
