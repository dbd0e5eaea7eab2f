//! Building documentation with Sphinx.

use std::path::{Path, PathBuf};

use super::UploadArgs;
use super::build::{Call, Project, python, remove_folder, run, tell_built};
use crate::commands::{Failure, Session};
use crate::{Distribution, programs, zip_folder};

/// Asks the user's build front end for name and version, as its library offers it.
const ASK_METADATA: &str = "import sys, build.util\n\
    found = build.util.project_wheel_metadata(sys.argv[1], isolated=sys.argv[2] == 'isolated')\n\
    print(found['name'])\nprint(found['version'])\n";

/// Builds the documentation of a project and gives its archive. `built` are files of the release.
pub(super) async fn build(
    session: &mut Session,
    arguments: &UploadArgs,
    project: &Project,
    built: &[PathBuf],
) -> Result<PathBuf, Failure> {
    let (name, version) = match name_and_version_of(built) {
        Some(found) => found,
        None => ask(session, arguments, &project.folder).await?,
    };
    session.debug(&format!("name, version = {name}, {version}"));
    let (source, target) = find_source(&project.folder).ok_or_else(|| {
        Failure::fatal("there is no conf.py of Sphinx in doc, docs or source, nor in their source")
    })?;
    remove_folder(&target)?;
    let sphinx = session
        .environment
        .find_program("sphinx-build")
        .ok_or_else(|| Failure::fatal("command not found: sphinx-build"))?;
    let here = session.environment.directory();
    let argument = |path: &Path| {
        let path = path.strip_prefix(here).unwrap_or(path);
        path.to_string_lossy().into_owned()
    };
    let call = Call {
        program: sphinx,
        arguments: vec!["-E".to_owned(), argument(&source), argument(&target)],
    };
    run(session, &call, &project.folder).await?;
    let archive = project.in_dist(&format!("{name}-{version}.doc.zip"));
    zip_folder(&target, &archive)
        .map_err(|error| Failure::fatal(format!("{}: {error}", archive.display())))?;
    tell_built(session, &archive, "[sphinx docs] ");
    Ok(archive)
}

/// What files that were built say.
fn name_and_version_of(built: &[PathBuf]) -> Option<(String, String)> {
    built.iter().find_map(|path| {
        let built = Distribution::read(path).ok()?;
        Some((built.project().to_owned(), built.version()?.to_owned()))
    })
}

/// What the project's build backend says.
async fn ask(
    session: &mut Session,
    arguments: &UploadArgs,
    folder: &Path,
) -> Result<(String, String), Failure> {
    let python = python(session, arguments.python.as_deref())?;
    let isolation = if arguments.no_isolation {
        "installed"
    } else {
        "isolated"
    };
    let call = ["-c", ASK_METADATA, ".", isolation];
    let (status, words) = programs::run(&python, &call, folder)
        .await
        .map_err(|error| Failure::fatal(format!("cannot run {}: {error}", python.display())))?;
    let mut lines = words.lines().rev();
    let (version, name) = (lines.next(), lines.next());
    match (name, version) {
        (Some(name), Some(version)) if status.success() && is_plain(name) && is_plain(version) => {
            Ok((name.to_owned(), version.to_owned()))
        }
        _ => Err(Failure::fatal(format!(
            "cannot find out name and version of the project:\n{}",
            words.trim_end()
        ))),
    }
}

/// Whether a text can be part of a file's name.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', ' ']) && !text.starts_with('.')
}

/// The folder of `conf.py`, and the one that pages are built in.
fn find_source(folder: &Path) -> Option<(PathBuf, PathBuf)> {
    ["doc", "docs", "source"].into_iter().find_map(|name| {
        let guess = folder.join(name);
        let below = guess.join("source");
        if guess.join("conf.py").is_file() {
            Some((guess, folder.join("build")))
        } else if below.join("conf.py").is_file() {
            Some((below, guess.join("build")))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_is_looked_for_where_sphinx_puts_it() {
        for (conf, expected) in [
            ("doc/conf.py", Some(("doc", "build"))),
            ("docs/source/conf.py", Some(("docs/source", "docs/build"))),
            ("source/conf.py", Some(("source", "build"))),
            ("conf.py", None),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            let conf = root.join(conf);
            std::fs::create_dir_all(conf.parent().unwrap()).unwrap();
            std::fs::create_dir_all(root.join("doc")).unwrap();
            std::fs::write(&conf, "").unwrap();
            let expected = expected.map(|(source, build)| (root.join(source), root.join(build)));
            assert_eq!(find_source(root), expected, "{}", conf.display());
        }
    }
}
