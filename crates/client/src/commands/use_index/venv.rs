//! The virtual environment that `install` installs into and `use --set-cfg` configures.

use std::path::PathBuf;

use crate::commands::{Connection, Failure, Session};

/// The virtual environment: the one named (and then remembered), the one remembered, or the active one.
/// `-` forgets the one remembered.
///
/// # Errors
/// When there is none where it should be.
pub(in crate::commands) fn venv(
    session: &mut Session,
    connection: &mut Connection,
    named: Option<&str>,
) -> Result<Option<PathBuf>, Failure> {
    let directory = session.directory().clone();
    if named == Some("-") {
        connection.current.venvdir = None;
        directory.change_current(|current| current.venvdir = None)?;
        return Ok(None);
    }
    let remembered = connection.current.venvdir.clone();
    let active = session.active_venv();
    let Some(wanted) = named
        .map(str::to_owned)
        .or_else(|| remembered.clone())
        .or_else(|| Some(active.as_ref()?.display().to_string()))
    else {
        return Ok(None);
    };
    let beside = session
        .environment
        .path("WORKON_HOME")
        .map(|home| home.join(&wanted));
    let found = std::iter::once(session.environment.expand(&wanted))
        .chain(beside.clone())
        .find(|venv| venv.join("bin").exists());
    let Some(venv) = found else {
        let looked = beside.map_or(wanted, |path| path.display().to_string());
        let hint = if remembered.is_some() {
            "\nYou can unset it with 'devpi use --venv -'."
        } else if active.is_some() {
            "\nCheck your VIRTUAL_ENV environment variable."
        } else {
            ""
        };
        return Err(Failure::fatal(format!(
            "No virtualenv found at: '{looked}'{hint}"
        )));
    };
    if named.is_some() {
        let path = venv.display().to_string();
        connection.current.venvdir = Some(path.clone());
        directory.change_current(|current| current.venvdir = Some(path))?;
    }
    Ok(Some(venv))
}
