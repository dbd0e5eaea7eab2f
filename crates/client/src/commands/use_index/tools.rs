//! The part of `devpi use` about this machine: the virtual environment, and the files of the tools.

use std::path::Path;

use serde_json::{Value, json};

use super::{UseArgs, venv};
use crate::commands::session::PipTrust;
use crate::commands::{Connection, Failure, Session};
use crate::tool_config::{IndexSettings, Told, ToolConfig, without_password};

/// The virtual environment and the files of the tools: writes them where that is asked for, and shows
/// what they say.
pub(super) fn run(
    session: &mut Session,
    connection: &mut Connection,
    arguments: &UseArgs,
    user: Option<&str>,
) -> Result<(), Failure> {
    let venv = venv(session, connection, arguments.venv.as_deref())?;
    if let Some(venv) = &venv {
        let text = format!("venv for install/set commands: {}", venv.display());
        session.output.info(&text);
    }
    let is_trusted = session.pip_trust == Some(PipTrust::Yes);
    if let Some(answer) = &arguments.always_set_cfg {
        connection.current.always_setcfg = Some(answer == "yes");
        connection.current.settrusted = Some(is_trusted);
        if !connection.is_look {
            let found = connection.current.clone();
            session.directory().change_current(|current| {
                current.always_setcfg = found.always_setcfg;
                current.settrusted = found.settrusted;
            })?;
        }
    }
    let configs = ToolConfig::all(&session.environment, venv.as_deref());
    for config in &configs {
        if let Some(better) = config.better_place(&session.environment) {
            session.output.warn(&format!(
                "Detected pip config at legacy location: {}\nYou should move it to: {}",
                config.path.display(),
                better.display()
            ));
        }
    }
    if venv.is_some() {
        session
            .output
            .line("only setting venv pip/uv config, no global configuration changed");
    }
    let always = connection.current.always_setcfg == Some(true);
    if arguments.set_cfg || always {
        match settings(connection, is_trusted) {
            Some(settings) => {
                for config in &configs {
                    config.tell(&settings)?;
                }
            }
            None => session
                .output
                .error("no index configured: cannot set pip/easy_install index"),
        }
    }
    let mut files = Vec::new();
    for config in &configs {
        let path = config.path.display();
        let (shown, index) = match config.told()? {
            Told::NoFile => ("no config file exists".to_owned(), None),
            Told::Nothing => ("no index server configured".to_owned(), None),
            Told::Index(url) => {
                let url = without_password(&url);
                (url.clone(), Some(url))
            }
        };
        session.output.info(&format!("{path}: {shown}"));
        files.push(json!({
            "tool": config.tool.name(), "path": path.to_string(), "index": index,
        }));
    }
    let answer = if always { "yes" } else { "no" };
    session.output.line(&format!("always-set-cfg: {answer}"));
    if arguments.json {
        let document = document(connection, user, venv.as_deref(), always, &files);
        session.output.json(&format!("{document:#}"));
    }
    Ok(())
}

fn settings(connection: &Connection, is_trusted: bool) -> Option<IndexSettings> {
    Some(IndexSettings {
        simple: connection.with_basic(connection.current.simple_url()?),
        search: connection.with_basic(connection.current.index_url()?),
        is_host_trusted: is_trusted || connection.current.settrusted == Some(true),
    })
}

fn document(
    connection: &Connection,
    user: Option<&str>,
    venv: Option<&Path>,
    always: bool,
    files: &[Value],
) -> Value {
    let current = &connection.current;
    json!({
        "server": connection.root().map(String::from),
        "index": current.index,
        "login": current.login,
        "pypisubmit": current.pypisubmit,
        "simpleindex": current.simpleindex,
        "features": current.features,
        "user": user,
        "venv": venv.map(|venv| venv.display().to_string()),
        "config_files": files,
        "always_set_cfg": always,
    })
}
