//! Resolving, looking what is missing, building and uploading.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cheeseshop_packaging::{ProjectName, Requirement, Version};
use futures_util::{StreamExt as _, stream};
use url::Url;

use super::outcome::{Outcome, Report, Status};
use super::pip::{Pip, Refusal};
use crate::commands::upload::ServerClock;
use crate::commands::{Connection, Output};
use crate::fill::{Listing, Need, Requirements, Tags, judge};
use crate::{Credentials, Error, Server};

/// How many questions a server is asked at once.
const QUESTIONS: usize = 8;

/// An index that wheels go to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Its URL, with a slash at its end.
    pub(super) url: Url,
    /// Who uploads.
    pub(super) login: Option<Credentials>,
}

impl Target {
    pub(super) fn new(connection: &Connection, url: &Url) -> Self {
        let url = crate::server::without_credentials(url);
        let login = connection.login(&url);
        Self { url, login }
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
    pub(super) clock: ServerClock,
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
pub(super) struct Wanted {
    /// What is told of it while nothing else is known.
    pub(super) shown: String,
    /// The release; `None` for an address or a path, where building shows it.
    pub(super) release: Option<(ProjectName, Version)>,
    /// The line for pip.
    pub(super) line: String,
}

/// What an index has of a project.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// What counts as being there.
    pub(super) seen: Listing,
    /// What it has itself.
    pub(super) own: Listing,
}

/// What the indexes have of a project: the one that is filled, and the one of pure wheels.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) index: Held,
    pub(super) pure: Held,
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

    pub(super) fn write_list(
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
                requirement: None,
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

    pub(super) fn judge(&self, project: &ProjectName, version: &Version, known: &Known) -> Need {
        let listings = [&known.index.seen, &known.pure.seen];
        judge((project, version), &self.blacklist, &listings, &self.tags)
    }

    pub(super) async fn ask_indexes(&self, project: &ProjectName) -> Result<Known, Error> {
        Ok(Known {
            index: self.ask_index(&self.index, project).await?,
            pure: match &self.pure {
                Some(pure) => self.ask_index(pure, project).await?,
                None => Held::default(),
            },
        })
    }

    pub(super) async fn ask_index(
        &self,
        target: &Target,
        project: &ProjectName,
    ) -> Result<Held, Error> {
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
}
