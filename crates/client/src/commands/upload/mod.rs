//! `devpi upload`: files that are there, or such that are built for it.

mod build;
mod config;
mod documentation;
mod formats;
mod login;
mod send;

use std::path::PathBuf;

use clap::Args;
use tempfile::TempDir;

pub(super) use self::build::python;
pub(super) use self::login::{ServerClock, for_project, now};
use self::send::Uploader;
use crate::Content;
use crate::commands::{Failure, Session};
use crate::uploads::collect_files;

/// Arguments of `devpi upload`.
#[derive(Args, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "options of a command line")]
pub struct UploadArgs {
    /// Python to build with [default: that of the active virtual environment, else `python3`].
    #[arg(short, long, value_name = "PYTHON_EXE", help_heading = "Build options")]
    python: Option<String>,

    /// Build in this folder. By default what git or Mercurial knows of it is copied to a fresh
    /// folder and built there.
    #[arg(long, help_heading = "Build options")]
    no_vcs: bool,

    /// Copy only this folder, without the data of the version control system (`.git`, `.hg`).
    #[arg(long, help_heading = "Build options")]
    setupdir_only: bool,

    /// Comma separated list of formats to build (deprecated), e.g. `sdist,bdist_wheel`.
    #[arg(long, help_heading = "Build options")]
    formats: Option<String>,

    /// Build an sdist only (see `python -m build --help`).
    #[arg(long, help_heading = "Build options")]
    sdist: bool,

    /// Build a wheel only (see `python -m build --help`).
    #[arg(long, help_heading = "Build options")]
    wheel: bool,

    /// Build with what is installed (see `python -m build --help`).
    #[arg(long, help_heading = "Build options")]
    no_isolation: bool,

    /// Build the documentation with `sphinx-build` and upload it too.
    #[arg(long, help_heading = "Build options")]
    with_docs: bool,

    /// Build and upload the documentation and nothing else.
    #[arg(long, help_heading = "Build options")]
    only_docs: bool,

    /// Index to upload to [default: the index in use].
    #[arg(long, help_heading = "Direct file upload options")]
    index: Option<String>,

    /// Upload the archives in and below paths that are folders.
    #[arg(long, help_heading = "Direct file upload options")]
    from_dir: bool,

    /// Upload only the latest version of each project.
    #[arg(long, help_heading = "Direct file upload options")]
    only_latest: bool,

    /// Say what would be uploaded, and upload nothing.
    #[arg(long, help_heading = "Direct file upload options")]
    dry_run: bool,

    /// Files to upload; `-`: read their paths from standard input [default: build what is here].
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
}

pub(super) async fn run(session: &mut Session, arguments: &UploadArgs) -> Result<(), Failure> {
    let connection = session.connection(arguments.index.as_deref()).await?;
    let index = connection.index_url()?;
    let target = match (&arguments.index, &connection.current.pypisubmit) {
        (Some(name), _) => {
            let mut url = connection.url_of_index(name, &session.environment)?;
            if !name.contains('/') {
                // As devpi-client tells it.
                let path = url.path().trim_end_matches('/').to_owned();
                url.set_path(&path);
            }
            url
        }
        (None, Some(url)) => url.parse().unwrap_or(index),
        (None, None) => {
            let index = connection.current.index.as_deref().unwrap_or_default();
            return Err(Failure::fatal(format!(
                "The current index {index} does not support upload.\nMost likely, it is a mirror."
            )));
        }
    };
    let mut uploader = Uploader::new(connection, &target, arguments);
    if !arguments.paths.is_empty() {
        let files = named_files(session, arguments)?;
        return uploader.upload(session, &files).await;
    }
    let files = build::build(session, arguments).await?;
    uploader.upload(session, &files).await
}

/// The files that paths on the command line name.
fn named_files(session: &mut Session, arguments: &UploadArgs) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for name in paths(&arguments.paths)? {
        let path = session.environment.expand(&name);
        if !path.exists() {
            return Err(Failure::fatal(format!("path does not exist: {name}")));
        }
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        if !arguments.from_dir {
            return Err(Failure::fatal(format!(
                "{name}: is a directory but --from-dir not specified"
            )));
        }
        let mut found = Vec::new();
        collect_files(&path, &mut found)
            .map_err(|error| Failure::fatal(format!("{name}: {error}")))?;
        found.sort();
        files.extend(found.into_iter().filter(|file| is_archive(file)));
    }
    Ok(files)
}

/// The paths as given; `-` stands for the lines of standard input.
fn paths(given: &[String]) -> Result<Vec<String>, Failure> {
    let mut paths = Vec::new();
    for path in given {
        if path == "-" {
            let text = std::io::read_to_string(std::io::stdin())
                .map_err(|error| Failure::fatal(format!("standard input: {error}")))?;
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            paths.extend(lines.map(str::to_owned));
        } else {
            paths.push(path.clone());
        }
    }
    Ok(paths)
}

/// Whether a file in a folder is called as archives are.
fn is_archive(path: &std::path::Path) -> bool {
    const SUFFIXES: [&str; 7] = [
        ".egg", ".tar", ".tar.bz2", ".tar.gz", ".tgz", ".whl", ".zip",
    ];
    path.to_str()
        .is_some_and(|path| SUFFIXES.iter().any(|suffix| path.ends_with(suffix)))
}

/// A folder that goes with the command.
fn workdir(session: &mut Session) -> Result<TempDir, Failure> {
    let folder = tempfile::Builder::new()
        .prefix("devpi-")
        .tempdir()
        .map_err(|error| Failure::fatal(format!("cannot make a temporary folder: {error}")))?;
    session
        .output
        .info(&format!("using workdir {}", folder.path().display()));
    Ok(folder)
}

/// Whether a file is documentation.
fn is_documentation(content: &Content) -> bool {
    matches!(content, Content::Documentation(_))
}
