//! What a project says about its uploads: `[tool.devpi.upload]` in `pyproject.toml`, or
//! `[devpi:upload]` in `setup.cfg`.

use std::path::Path;

use toml::Value;

use crate::commands::{Failure, Session};
use crate::pypirc::Section;

/// What a project says about its uploads, with what there is to tell of it: a value is told when it
/// is used.
#[derive(Debug)]
pub(super) enum Config {
    Nothing,
    Pyproject(toml::Table),
    SetupCfg(Section),
}

impl Config {
    /// Reads the configuration of the project in a folder.
    pub(super) fn read(session: &mut Session, folder: &Path) -> Result<Self, Failure> {
        let setup_cfg = read_setup_cfg(session, folder)?;
        let pyproject = read_pyproject(session, folder)?;
        match (pyproject, setup_cfg) {
            (Some(_), Some(_)) => Err(Failure::fatal(
                "Got configuration in pyproject.toml and setup.cfg, choose one.",
            )),
            (Some(table), None) => Ok(Self::Pyproject(table)),
            (None, Some(section)) => Ok(Self::SetupCfg(section)),
            (None, None) => Ok(Self::Nothing),
        }
    }

    /// A switch whose text in `setup.cfg` says what it says: `sdist`, `wheel`.
    pub(super) fn choice(&self, session: &mut Session, key: &str) -> Result<Option<bool>, Failure> {
        match self {
            Self::Nothing => Ok(None),
            Self::Pyproject(table) => boolean(session, table, key),
            Self::SetupCfg(section) => {
                let Some(text) = told(session, section, key) else {
                    return Ok(None);
                };
                truth(&text).map(Some).ok_or_else(|| {
                    Failure::fatal(format!(
                        "Invalid truth value '{}', use 'y', 'yes', 't', 'true', 'on', '1' for True, \
                         or 'n', 'no', 'f', 'false', 'off', '0' for False.",
                        text.to_lowercase()
                    ))
                })
            }
        }
    }

    /// A switch that any text in `setup.cfg` turns on: `no-vcs`, `setupdir-only`.
    pub(super) fn switch(&self, session: &mut Session, key: &str) -> Result<bool, Failure> {
        match self {
            Self::Nothing => Ok(false),
            Self::Pyproject(table) => Ok(boolean(session, table, key)?.unwrap_or_default()),
            Self::SetupCfg(section) => {
                let Some(text) = told(session, section, key) else {
                    return Ok(false);
                };
                let is_on = !text.is_empty();
                if is_on && truth(&text) != Some(true) {
                    session.output.warn(&format!(
                        "Got '{text}' from config, which is interpreted as True. If you meant 'False', \
                         use an empty value or remove the line completely."
                    ));
                }
                Ok(is_on)
            }
        }
    }

    /// `formats`, which only `setup.cfg` may still have.
    pub(super) fn formats(&self, session: &mut Session) -> Result<Option<String>, Failure> {
        match self {
            Self::Pyproject(table) if table.contains_key("formats") => Err(Failure::fatal(
                "The 'formats' option is deprecated and not supported in pyproject.toml.",
            )),
            Self::Nothing | Self::Pyproject(_) => Ok(None),
            Self::SetupCfg(section) => Ok(told(session, section, "formats")),
        }
    }
}

fn boolean(session: &mut Session, table: &toml::Table, key: &str) -> Result<Option<bool>, Failure> {
    let Some(value) = table.get(key) else {
        return Ok(None);
    };
    let shown = shown(value);
    session.output.info(&format!(
        "Got {key}={shown} from pyproject.toml [tool.devpi.upload]."
    ));
    match value {
        Value::Boolean(value) => Ok(Some(*value)),
        _ => Err(Failure::fatal(format!(
            "Got non-boolean {shown} for '{key}', use true or false."
        ))),
    }
}

/// A value as Python shows it, as far as anybody writes one here.
fn shown(value: &Value) -> String {
    match value {
        Value::Boolean(true) => "True".to_owned(),
        Value::Boolean(false) => "False".to_owned(),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

fn told(session: &mut Session, section: &Section, key: &str) -> Option<String> {
    let text = section.get(key)?.to_owned();
    session.output.info(&format!(
        "Got {key}='{text}' from setup.cfg [devpi:upload]."
    ));
    Some(text)
}

fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "y" | "yes" | "t" | "true" | "on" | "1" => Some(true),
        "n" | "no" | "f" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn read_setup_cfg(session: &mut Session, folder: &Path) -> Result<Option<Section>, Failure> {
    let Some(text) = read_text(folder, "setup.cfg")? else {
        return Ok(None);
    };
    let section = Section::find(&text, "devpi:upload");
    if section.is_some() {
        session
            .output
            .info("detected devpi:upload section in setup.cfg");
    }
    Ok(section)
}

fn read_pyproject(session: &mut Session, folder: &Path) -> Result<Option<toml::Table>, Failure> {
    let Some(text) = read_text(folder, "pyproject.toml")? else {
        return Ok(None);
    };
    let document: toml::Table = text
        .parse()
        .map_err(|error| Failure::fatal(format!("Error loading pyproject.toml:\n{error}")))?;
    let section = ["tool", "devpi", "upload"]
        .into_iter()
        .try_fold(&document, |table, key| table.get(key)?.as_table());
    if section.is_some() {
        session
            .output
            .info("detected tool.devpi.upload section in pyproject.toml");
    }
    Ok(section.cloned())
}

fn read_text(folder: &Path, name: &str) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(folder.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::fatal(format!("{name}: {error}"))),
    }
}
