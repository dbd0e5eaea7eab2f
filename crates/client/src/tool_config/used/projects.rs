//! What the tools of projects use: poetry, pdm, tox, and twine.

use std::path::PathBuf;

use super::{ToolUse, read, setting, tables, text, toml_file};
use crate::Environment;
use crate::tool_config::ini::Ini;

/// What poetry uses in the project of the working directory.
pub(super) fn poetry(environment: &Environment) -> Option<ToolUse> {
    let (path, poetry) = project_table(environment, "poetry")?;
    let mut found = ToolUse {
        // All primary sources are asked, and the best version is taken.
        mixes_indexes: true,
        ..ToolUse::of("poetry")
    };
    let source = path.display().to_string();
    for one in tables(&poetry, "source") {
        let Some(url) = text(one, "url") else {
            continue;
        };
        match text(one, "priority").unwrap_or("primary") {
            "primary" | "default" if found.index.is_none() => {
                found.index = Some(setting(url, &source));
            }
            "explicit" => {}
            _ => found.extra.push(setting(url, &source)),
        }
    }
    let user = environment
        .path("POETRY_CONFIG_DIR")
        .or_else(|| Some(environment.config_home()?.join("pypoetry")))
        .map(|folder| folder.join("config.toml"));
    for path in user.into_iter().chain([path.with_file_name("poetry.toml")]) {
        let Some(table) = toml_file(&path) else {
            continue;
        };
        let certificates = table.get("certificates").and_then(toml::Value::as_table);
        for (name, one) in certificates.into_iter().flatten() {
            if one.get("cert").and_then(toml::Value::as_bool) == Some(false) {
                let source = format!("{} [certificates.{name}]", path.display());
                found.unverified.push(setting("*", &source));
            }
        }
    }
    Some(found)
}

/// What pdm uses in the project of the working directory.
pub(super) fn pdm(environment: &Environment) -> Option<ToolUse> {
    let project = project_table(environment, "pdm");
    if project.is_none() && environment.find_program("pdm").is_none() {
        return None;
    }
    let mut found = ToolUse {
        mixes_indexes: true,
        ..ToolUse::of("pdm")
    };
    if let Some((path, pdm)) = project {
        let source = path.display().to_string();
        for one in tables(&pdm, "source") {
            let Some(url) = text(one, "url") else {
                continue;
            };
            if text(one, "name") == Some("pypi") && found.index.is_none() {
                found.index = Some(setting(url, &source));
            } else {
                found.extra.push(setting(url, &source));
            }
            if one.get("verify_ssl").and_then(toml::Value::as_bool) == Some(false) {
                found.unverified.push(setting("*", &source));
            }
        }
    }
    if found.index.is_none() {
        found.index = environment
            .get("PDM_PYPI_URL")
            .map(|value| setting(value, "PDM_PYPI_URL"));
    }
    if found.index.is_none()
        && let Some(path) = environment
            .path("PDM_CONFIG_FILE")
            .or_else(|| Some(environment.config_home()?.join("pdm/config.toml")))
        && let Some(table) = toml_file(&path)
        && let Some(url) = table
            .get("pypi")
            .and_then(toml::Value::as_table)
            .and_then(|pypi| text(pypi, "url"))
    {
        found.index = Some(setting(url, &path.display().to_string()));
    }
    Some(found)
}

/// What tox uses: what its file says, else what pip uses.
pub(super) fn tox(environment: &Environment, pip: &ToolUse) -> Option<ToolUse> {
    let path = environment.directory().join("tox.ini");
    let text = read(&path);
    if text.is_none() && environment.find_program("tox").is_none() {
        return None;
    }
    let own = text.as_deref().and_then(|text| {
        text.lines().enumerate().find_map(|(number, line)| {
            let line = line.split('#').next().unwrap_or_default();
            let (_, value) = line
                .split_once("PIP_INDEX_URL")
                .or_else(|| line.split_once("UV_INDEX_URL"))
                .or_else(|| line.split_once("--index-url"))?;
            let value = value.trim_start_matches([' ', '=', '\t']);
            let value = value.split_whitespace().next()?;
            Some(setting(
                value,
                &format!("{} line {}", path.display(), number + 1),
            ))
        })
    });
    Some(ToolUse {
        tool: "tox",
        index: own.or_else(|| pip.index.clone()),
        // pip's own are told of with pip.
        ..ToolUse::default()
    })
}

/// Where twine uploads to.
pub(super) fn twine(environment: &Environment) -> ToolUse {
    let mut found = ToolUse::of("twine");
    if let Some(url) = environment.get("TWINE_REPOSITORY_URL") {
        found.index = Some(setting(url, "TWINE_REPOSITORY_URL"));
        return found;
    }
    let section = environment.get("TWINE_REPOSITORY").unwrap_or("pypi");
    let Some(path) = environment.home().map(|home| home.join(".pypirc")) else {
        return found;
    };
    let Some(text) = read(&path) else {
        return found;
    };
    let ini = Ini::parse(&text);
    if let Some(place) = ini.find(Some(section), &["repository"]).first() {
        let source = format!("{} [{section}]", path.display());
        found.index = Some(setting(ini.value(*place), &source));
    }
    found
}

/// The table of a tool in the project of the working directory.
fn project_table(environment: &Environment, tool: &str) -> Option<(PathBuf, toml::Table)> {
    let folder = environment
        .directory()
        .ancestors()
        .find(|folder| folder.join("pyproject.toml").is_file())?;
    let path = folder.join("pyproject.toml");
    let table = toml_file(&path)?
        .get("tool")?
        .get(tool)?
        .as_table()?
        .clone();
    Some((path, table))
}
