//! `cheeseshop install-links DIR`: the names of devpi's client and of devpi-server's programs as
//! links to this one.

use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::cli::InstallLinksArgs;
use crate::devpi_names::Program;
use crate::failure::Failure;
use crate::output;

/// What this program is called when it is not called something else.
const OWN_NAME: &str = "cheeseshop";

/// devpi's client.
pub(crate) const CLIENT_NAME: &str = "devpi";

/// What is to be done about one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// The link is as it should be.
    Nothing,
    /// Nothing is there.
    Make,
    /// A link of ours, to another place than today's.
    Replace,
}

/// Makes the links. Looks at all of them first, so that either all are made or none is touched.
pub(crate) fn run(arguments: &InstallLinksArgs) -> Result<(), Failure> {
    let program = this_program()?;
    let folder = &arguments.directory;
    if !folder.is_dir() {
        return Err(
            Failure::could_not_try(format!("{} is not a directory", folder.display()))
                .with_hint("make it first; it is best one of the search path"),
        );
    }
    let mut tasks = Vec::new();
    let mut in_the_way = Vec::new();
    let servers = Program::ALL.iter().map(|program| program.name());
    for name in std::iter::once(CLIENT_NAME).chain(servers) {
        let link = folder.join(name);
        match task(&link, &program)? {
            Some(task) => tasks.push((link, task)),
            None if arguments.force => tasks.push((link, Task::Replace)),
            None => in_the_way.push(link.display().to_string()),
        }
    }
    if !in_the_way.is_empty() {
        return Err(Failure::answer_is_no(format!(
            "not made by this program: {}",
            in_the_way.join(", ")
        ))
        .with_hint("choose another directory, or --force to replace them; nothing was changed"));
    }
    for (link, task) in tasks {
        match task {
            Task::Nothing => {}
            Task::Make | Task::Replace => {
                put(&link, &program).map_err(|error| {
                    Failure::caused_by(&format!("{} cannot be made", link.display()), &error)
                })?;
            }
        }
        output::data(&format!("{} -> {}", link.display(), program.display()));
    }
    Ok(())
}

/// The file of this program, whatever name it was started under.
fn this_program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .and_then(|path| path.canonicalize())
        .map_err(|error| Failure::caused_by("the file of this program cannot be found", &error))
}

/// What is to be done about a link; `None` when what is there is not ours.
fn task(link: &Path, program: &Path) -> Result<Option<Task>, Failure> {
    let target = match std::fs::read_link(link) {
        Ok(target) => target,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(Task::Make)),
        // A file or a directory.
        Err(error) if error.kind() == ErrorKind::InvalidInput => return Ok(None),
        Err(error) => {
            let what = format!("{} cannot be looked at", link.display());
            return Err(Failure::caused_by(&what, &error));
        }
    };
    if target == program {
        Ok(Some(Task::Nothing))
    } else if target.file_name().is_some_and(|name| name == OWN_NAME) {
        // Of an older version, in another place.
        Ok(Some(Task::Replace))
    } else {
        Ok(None)
    }
}

/// Puts the link in place of whatever is there, without a moment in which there is none.
fn put(link: &Path, program: &Path) -> std::io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(link.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    let temporary = link.with_file_name(name);
    symlink(program, &temporary)?;
    let result = std::fs::rename(&temporary, link);
    if result.is_err() {
        // What matters is told already.
        let _ = std::fs::remove_file(&temporary);
    }
    result
}
