//! `devpi test`: downloads a release, has tox test its files, and tells the index what came of it.

mod configuration;
mod download;
mod report;
mod selection;
mod tox;
mod words;

use std::path::{Path, PathBuf};

use clap::Args;
use regex_lite::Regex;
use url::Url;

use self::download::Sdist;
use self::selection::Selection;
use self::tox::{Tox, Verdict};
use crate::commands::project::Spec;
use crate::commands::refresh::refuse_path;
use crate::commands::session::is_url;
use crate::commands::use_index::venv;
use crate::commands::{Connection, Failure, OnError, Session, names};
use crate::projects::{Link, LinkKind, Release};
use crate::state::of_file;

/// Arguments of `devpi test`.
#[derive(Args, Debug)]
pub struct TestArgs {
    /// Environments of tox to run, such as 'py311,py312' [default: those that its file names].
    #[arg(short, value_name = "ENVNAME")]
    environments: Vec<String>,

    /// Have tox run environments at once, so many or as many as there are processors.
    #[arg(
        long,
        value_name = "NUMBER",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "auto"
    )]
    parallel: Option<String>,

    /// Configuration of tox to use with the unpacked release.
    #[arg(short, value_name = "PATH")]
    configuration: Option<String>,

    /// Configuration to use when the release has none; a path here or in the release.
    #[arg(long, value_name = "PATH")]
    fallback_ini: Option<String>,

    /// More arguments for tox, as in a shell: --tox-args="-x testenv.pass_env=CI".
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    tox_args: Option<String>,

    /// Keep the results for yourself.
    #[arg(long)]
    no_upload: bool,

    /// Index to get releases from: NAME, USER/NAME or a URL [default: the one in use].
    #[arg(long)]
    index: Option<String>,

    /// Test the files whose names match this regular expression, also wheels for one platform.
    #[arg(short, long, value_name = "SELECTOR")]
    select: Option<String>,

    /// Only list the files that would be tested.
    #[arg(short, long)]
    list: bool,

    /// Projects, perhaps with versions, such as 'pytest==2.4.2'; the newest version that fits is tested.
    /// `-`: those on standard input, one a line.
    #[arg(value_name = "SPEC", required = true)]
    specs: Vec<String>,
}

pub(super) async fn run(session: &mut Session, arguments: &TestArgs) -> Result<(), Failure> {
    let select = arguments.select.as_deref().map(selector).transpose()?;
    let options = Options::of(session, arguments)?;
    let given = arguments.index.as_deref();
    let mut connection = session.connection(given).await?;
    if !given.is_some_and(is_url) {
        refuse_path(given)?;
    }
    let index = connection.index_url()?;
    let work = tempfile::Builder::new()
        .prefix("devpi-test-")
        .tempdir()
        .map_err(|error| Failure::fatal(format!("cannot make a folder to work in: {error}")))?;
    session
        .output
        .info(&format!("using workdir {}", work.path().display()));
    let mut run = Run {
        session,
        connection: &mut connection,
        options: &options,
        tox: None,
    };
    let mut is_well = true;
    for (number, text) in names::given_lines(&arguments.specs)?.iter().enumerate() {
        let spec = Spec::parse(text)?;
        let Some(release) = run.release(&spec, &index).await? else {
            run.session
                .output
                .error(&format!("could not find/receive links for {text}"));
            is_well = false;
            continue;
        };
        let files: Vec<_> = release.links(LinkKind::File).collect();
        let Some(selection) = Selection::of(&files, select.as_ref(), &mut run.session.output)
        else {
            is_well = false;
            continue;
        };
        if arguments.list {
            run.session.output.info("would test:");
            for file in &selection.files {
                run.session.output.info(&format!("   {}", file.url));
            }
            continue;
        }
        let folder = work.path().join(number.to_string());
        is_well &= run.test(&release, &selection, &folder).await?;
    }
    if is_well {
        Ok(())
    } else {
        Err(Failure::told())
    }
}

fn selector(pattern: &str) -> Result<Regex, Failure> {
    Regex::new(pattern)
        .map_err(|error| Failure::usage(format!("--select: no regular expression: {error}")))
}

/// What every run of tox is given.
struct Options {
    environments: Option<String>,
    parallel: Option<String>,
    /// Absolute: tox works elsewhere.
    configuration: Option<PathBuf>,
    fallback: Option<String>,
    more: Vec<String>,
    uploads: bool,
}

impl Options {
    fn of(session: &Session, arguments: &TestArgs) -> Result<Self, Failure> {
        let named = arguments.configuration.as_deref();
        Ok(Self {
            environments: (!arguments.environments.is_empty())
                .then(|| arguments.environments.join(",")),
            parallel: arguments.parallel.clone(),
            configuration: named
                .map(|path| configuration::existing(session.environment.expand(path), path))
                .transpose()?,
            fallback: arguments.fallback_ini.clone(),
            more: words::split(arguments.tox_args.as_deref().unwrap_or_default())?,
            uploads: !arguments.no_upload,
        })
    }
}

/// A run of the command.
struct Run<'a> {
    session: &'a mut Session,
    connection: &'a mut Connection,
    options: &'a Options,
    /// Looked for when it is first needed.
    tox: Option<Tox>,
}

impl Run<'_> {
    /// The newest release that will do, if there is one.
    async fn release(&mut self, spec: &Spec, index: &Url) -> Result<Option<Release>, Failure> {
        let project = self
            .session
            .project(self.connection, spec.url(index), true, OnError::Tell)
            .await?;
        let fitting = project
            .into_iter()
            .flat_map(|project| project.releases)
            .find(|release| spec.requirement.admits(&release.version));
        Ok(fitting.filter(|release| release.links(LinkKind::File).next().is_some()))
    }

    /// Tests the files of a release. `false`: not all went well, which has been told.
    async fn test(
        &mut self,
        release: &Release,
        selection: &Selection<'_>,
        folder: &Path,
    ) -> Result<bool, Failure> {
        std::fs::create_dir(folder).map_err(|error| of_file(folder, error))?;
        // Wheels have no tests in them: those of the sdist are run.
        let Some(sdist) = self.sdist(release, selection.sdist, folder).await? else {
            return Ok(false);
        };
        let mut is_well = true;
        for (number, file) in selection.files.iter().enumerate() {
            let own = folder.join(format!("file{number}"));
            std::fs::create_dir(&own).map_err(|error| of_file(&own, error))?;
            let tested = if file.url == selection.sdist.url {
                self.run_tox(file, &sdist.archive, &sdist.folder, &own)
                    .await?
            } else if selection::is_wheel(file) {
                let Some(wheel) = self.download(file, &own).await? else {
                    is_well = false;
                    continue;
                };
                self.run_tox(file, &wheel, &sdist.folder, &own).await?
            } else {
                let Some(other) = self.sdist(release, file, &own).await? else {
                    is_well = false;
                    continue;
                };
                self.run_tox(file, &other.archive, &other.folder, &own)
                    .await?
            };
            is_well &= tested;
        }
        Ok(is_well)
    }

    /// Downloads and unpacks a sdist. `None`: it could not be, which has been told.
    async fn sdist(
        &mut self,
        release: &Release,
        file: &Link,
        folder: &Path,
    ) -> Result<Option<Sdist>, Failure> {
        let Some(archive) = self.download(file, folder).await? else {
            return Ok(None);
        };
        let target = folder.join("unpacked");
        self.session.output.info(&format!(
            "unpacking {} to {}",
            archive.display(),
            target.display()
        ));
        match Sdist::unpack(archive, &target, release).await {
            Ok(sdist) => Ok(Some(sdist)),
            Err(reason) => {
                self.session.output.error(&reason);
                Ok(None)
            }
        }
    }

    /// Has tox test a file, in the folder of a sdist, and tells the index. `false`: it did not go well.
    async fn run_tox(
        &mut self,
        file: &Link,
        archive: &Path,
        folder: &Path,
        own: &Path,
    ) -> Result<bool, Failure> {
        let configuration = match configuration::find(self.session, self.options, folder)? {
            Ok(configuration) => configuration,
            Err(reason) => {
                self.session.output.error(&reason);
                return Ok(false);
            }
        };
        if self.tox.is_none() {
            let venv = venv(self.session, self.connection, None)?;
            self.tox = Some(Tox::find(self.session, self.connection, venv.as_deref())?);
        }
        let Some(tox) = &self.tox else {
            return Ok(false);
        };
        let result = own.join("toxreport.json");
        let verdict = tox
            .run(
                self.session,
                &tox::Task {
                    archive,
                    folder,
                    configuration: &configuration,
                    result: &result,
                },
                self.options,
            )
            .await?;
        let mut is_well = verdict == Verdict::Ended(0);
        // With 2 tox says that it was not told what to do: there is nothing to report.
        if self.options.uploads && verdict != Verdict::Ended(2) {
            is_well &= report::post(self.session, self.connection, file, &result).await?;
        }
        if verdict != Verdict::Ended(0) {
            self.session
                .output
                .error(&format!("tox command failed {verdict}"));
        }
        Ok(is_well)
    }
}
