//! Building what is uploaded: a copy of the checkout, the user's build front end, `dist`.

use std::path::{Path, PathBuf};

use super::config::Config;
use super::formats::Plan;
use super::{UploadArgs, documentation, workdir};
use crate::commands::{Failure, Session};
use crate::programs;
use crate::vcs::Checkout;

/// A project that is being built.
pub(super) struct Project {
    /// Where it is built.
    pub(super) folder: PathBuf,
    /// Where what was built goes: `dist` where the user is.
    dist: PathBuf,
    is_copy: bool,
}

/// Builds what the arguments and the project's configuration ask for, and gives the files.
pub(super) async fn build(
    session: &mut Session,
    arguments: &UploadArgs,
) -> Result<Vec<PathBuf>, Failure> {
    let here = session.environment.directory().to_owned();
    let config = Config::read(session, &here)?;
    let no_vcs = config.switch(session, "no-vcs")? || arguments.no_vcs;
    let setupdir_only = config.switch(session, "setupdir-only")? || arguments.setupdir_only;
    // devpi-client looks for the data where it is started; further down it builds in place, and
    // projects in a folder of a larger checkout rely on files that are not versioned.
    let checkout = Checkout::around(&here)
        .filter(|checkout| !no_vcs && (setupdir_only || checkout.root == here));
    // It goes at the end: what is built lies in `dist` by then.
    let workdir = workdir(session)?;
    let project = Project {
        folder: match &checkout {
            Some(_) => workdir.path().to_owned(),
            None => here.clone(),
        },
        dist: here.join("dist"),
        is_copy: checkout.is_some(),
    };
    if let Some(checkout) = checkout {
        export(session, &checkout, &here, &project.folder, setupdir_only)?;
    }
    project.clean_dist(session)?;
    let mut files = Vec::new();
    if !arguments.only_docs {
        for command in commands(session, arguments, &config)? {
            run(session, &command, &project.folder).await?;
            files.extend(project.take_built(session)?);
        }
    }
    if arguments.with_docs || arguments.only_docs {
        files.push(documentation::build(session, arguments, &project, &files).await?);
    }
    if files.is_empty() {
        return Err(Failure::fatal("nothing built!"));
    }
    Ok(files)
}

/// Copies what the version control system knows of the folder `here`.
fn export(
    session: &mut Session,
    checkout: &Checkout,
    here: &Path,
    copy: &Path,
    setupdir_only: bool,
) -> Result<(), Failure> {
    let failed = |error| Failure::fatal(format!("cannot copy {}: {error}", here.display()));
    checkout
        .copy_files(here, copy, &session.environment)
        .map_err(failed)?;
    let data = checkout.system.data();
    if setupdir_only {
        session
            .output
            .warn(&format!("not copying vcs repository metadata for {data}"));
    } else {
        checkout.copy_data(copy).map_err(failed)?;
        session.output.info(&format!(
            "copied repo {data} to {}",
            copy.join(data).display()
        ));
    }
    session.debug(&format!(
        "{data}-exported project to {} -> new CWD",
        copy.display()
    ));
    Ok(())
}

impl Project {
    fn clean_dist(&self, session: &mut Session) -> Result<(), Failure> {
        let dist = &self.dist;
        session.output.line("pre-build: cleaning dist");
        remove_folder(dist)?;
        std::fs::create_dir(dist)
            .map_err(|error| Failure::fatal(format!("{}: {error}", dist.display())))
    }

    /// Moves what a command built to the user's `dist`.
    fn take_built(&self, session: &mut Session) -> Result<Vec<PathBuf>, Failure> {
        let failed = |error| Failure::fatal(format!("{}: {error}", self.dist.display()));
        let source = self.folder.join("dist");
        let mut built: Vec<_> = match source.read_dir() {
            Ok(entries) => entries
                .map(|entry| Ok(entry?.path()))
                .collect::<Result<_, std::io::Error>>()
                .map_err(failed)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        built.sort();
        let mut files = Vec::new();
        for path in built.into_iter().filter(|path| path.is_file()) {
            let target = self.dist.join(path.file_name().unwrap_or_default());
            if self.is_copy {
                // The temporary folder may be on another disk.
                std::fs::copy(&path, &target).map_err(failed)?;
                std::fs::remove_file(&path).map_err(failed)?;
            }
            tell_built(session, &target, "");
            files.push(target);
        }
        Ok(files)
    }

    /// Where a file in `dist` is.
    pub(super) fn in_dist(&self, name: &str) -> PathBuf {
        self.dist.join(name)
    }
}

/// Tells of a file that was built, and how large it is.
pub(super) fn tell_built(session: &mut Session, path: &Path, suffix: &str) {
    let shown = path
        .strip_prefix(session.environment.directory())
        .unwrap_or(path);
    let size = path.metadata().map_or(0, |metadata| metadata.len()) / 1000;
    session
        .output
        .line(&format!("built: {} {suffix}{size}kb", shown.display()));
}

pub(super) fn remove_folder(folder: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::fatal(format!("{}: {error}", folder.display())))
        }
        _ => Ok(()),
    }
}

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
}

/// The commands that build what is asked for.
fn commands(
    session: &mut Session,
    arguments: &UploadArgs,
    config: &Config,
) -> Result<Vec<Call>, Failure> {
    let sdist = config.choice(session, "sdist")?.unwrap_or_default() || arguments.sdist;
    let wheel = config.choice(session, "wheel")?.unwrap_or_default() || arguments.wheel;
    let formats = match &arguments.formats {
        Some(formats) => Some(formats.clone()),
        None => config.formats(session)?,
    };
    let plan = match formats.filter(|_| !sdist && !wheel) {
        Some(formats) if !formats.is_empty() => Plan::of_formats(&formats)?,
        _ => Plan {
            options: Some((sdist, wheel)),
            setup_py: Vec::new(),
            warnings: Vec::new(),
        },
    };
    for warning in &plan.warnings {
        session.output.warn(warning);
    }
    let python = python(session, arguments.python.as_deref())?;
    let mut calls = Vec::new();
    if let Some((sdist, wheel)) = plan.options {
        let mut options = vec!["-m", "build"];
        options.extend(sdist.then_some("--sdist"));
        options.extend(wheel.then_some("--wheel"));
        options.extend(arguments.no_isolation.then_some("--no-isolation"));
        calls.push(Call {
            program: python.clone(),
            arguments: options.into_iter().map(str::to_owned).collect(),
        });
    }
    calls.extend(plan.setup_py.into_iter().map(|arguments| Call {
        program: python.clone(),
        arguments,
    }));
    Ok(calls)
}

/// The Python to build with: the one that was named, that of the active virtual environment, else
/// the one that a shell would run.
pub(in crate::commands) fn python(
    session: &Session,
    wanted: Option<&str>,
) -> Result<PathBuf, Failure> {
    let environment = &session.environment;
    if let Some(name) = wanted {
        return environment
            .find_program(name)
            .ok_or_else(|| Failure::fatal(format!("command not found: {name}")));
    }
    let names = match session.active_venv() {
        Some(_) => ["python", "python3"],
        None => ["python3", "python"],
    };
    names
        .into_iter()
        .find_map(|name| environment.find_program(name))
        .ok_or_else(|| {
            Failure::fatal(
                "there is no Python to build with: name one by -p, or activate an environment",
            )
        })
}

/// Tells of a command and runs it. Its words are shown with `-v`, and when it fails.
pub(super) async fn run(session: &mut Session, call: &Call, folder: &Path) -> Result<(), Failure> {
    let program = call.program.strip_prefix(folder).unwrap_or(&call.program);
    let shown = if folder == session.environment.directory() {
        Path::new(".")
    } else {
        folder
    };
    session.output.line(&format!(
        "--> {}$ {} {} ",
        shown.display(),
        program.display(),
        call.arguments.join(" ")
    ));
    let failed = |error| Failure::fatal(format!("cannot run {}: {error}", call.program.display()));
    if session.options.verbose > 0 {
        let status = programs::run_openly(&call.program, &call.arguments, folder)
            .await
            .map_err(failed)?;
        return match status.code() {
            Some(0) => Ok(()),
            code => Err(Failure {
                message: "command failed".to_owned(),
                code: code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
            }),
        };
    }
    session.output.passing("building");
    let result = programs::run(&call.program, &call.arguments, folder).await;
    session.output.passing("");
    let (status, words) = result.map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    let mut message = words;
    if is_without_build(&call.arguments, &message) {
        message.push_str("This Python has no build front end. Install it: ");
        message.push_str(&call.program.to_string_lossy());
        message.push_str(" -m pip install build");
    }
    Err(Failure::fatal(message))
}

fn is_without_build(arguments: &[String], words: &str) -> bool {
    arguments.get(1).is_some_and(|module| module == "build")
        && words.contains("No module named build")
}
