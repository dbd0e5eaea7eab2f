//! What uv uses.

use std::path::PathBuf;

use super::{
    Setting, ToolUse, configuration_folders, setting, tables, text, texts, toml_file, words,
};
use crate::Environment;

/// What uv uses.
pub(super) fn uv(environment: &Environment) -> ToolUse {
    let mut found = ToolUse {
        unverified: environment
            .get("UV_INSECURE_HOST")
            .map(|value| words(value, "UV_INSECURE_HOST"))
            .unwrap_or_default(),
        ..ToolUse::of("uv")
    };
    let mut strategy = environment.get("UV_INDEX_STRATEGY").map(str::to_owned);
    for name in ["UV_DEFAULT_INDEX", "UV_INDEX_URL"] {
        if let (Some(value), None) = (environment.get(name), &found.index) {
            found.index = Some(setting(without_name(value), name));
        }
    }
    for name in ["UV_INDEX", "UV_EXTRA_INDEX_URL"] {
        if let Some(value) = environment.get(name) {
            let named = words(value, name).into_iter();
            found.extra.extend(named.map(|one| Setting {
                value: without_name(&one.value).to_owned(),
                ..one
            }));
        }
    }
    for (path, table) in uv_tables(environment) {
        let source = path.display().to_string();
        let parts = [
            Some(&table),
            table.get("pip").and_then(toml::Value::as_table),
        ];
        for part in parts.into_iter().flatten() {
            if let (Some(value), None) = (text(part, "index-url"), &found.index) {
                found.index = Some(setting(value, &source));
            }
            for value in texts(part, "extra-index-url") {
                found.extra.push(setting(value, &source));
            }
            strategy = strategy.or_else(|| Some(text(part, "index-strategy")?.to_owned()));
        }
        for index in tables(&table, "index") {
            let Some(url) = text(index, "url") else {
                continue;
            };
            let is = |name: &str| index.get(name).and_then(toml::Value::as_bool) == Some(true);
            if is("default") {
                found.index.get_or_insert_with(|| setting(url, &source));
            } else if !is("explicit") {
                found.extra.push(setting(url, &source));
            }
        }
        for host in texts(&table, "allow-insecure-host")
            .into_iter()
            .chain(texts(&table, "trusted-host"))
        {
            found.unverified.push(setting(host, &source));
        }
    }
    found.mixes_indexes = strategy.is_some_and(|strategy| strategy.starts_with("unsafe-"));
    found
}

/// uv's files, those that win first: the project's, the user's, the machine's.
fn uv_tables(environment: &Environment) -> Vec<(PathBuf, toml::Table)> {
    if environment
        .get("UV_NO_CONFIG")
        .is_some_and(|value| !matches!(value, "0" | "false"))
    {
        return Vec::new();
    }
    if let Some(path) = environment.path("UV_CONFIG_FILE") {
        return toml_file(&path)
            .map(|table| (path, table))
            .into_iter()
            .collect();
    }
    let project = environment.directory().ancestors().find_map(|folder| {
        let path = folder.join("uv.toml");
        if let Some(table) = toml_file(&path) {
            return Some((path, table));
        }
        let path = folder.join("pyproject.toml");
        let table = toml_file(&path)?
            .get("tool")?
            .get("uv")?
            .as_table()?
            .clone();
        Some((path, table))
    });
    let user = environment
        .config_home()
        .map(|folder| folder.join("uv/uv.toml"));
    let machine = configuration_folders(environment)
        .into_iter()
        .map(|folder| folder.join("uv/uv.toml"))
        .chain([PathBuf::from("/etc/uv/uv.toml")])
        .find(|path| path.exists());
    let others = user
        .into_iter()
        .chain(machine)
        .filter_map(|path| Some((toml_file(&path)?, path)))
        .map(|(table, path)| (path, table));
    project.into_iter().chain(others).collect()
}

/// uv takes `NAME=URL` for an index with a name.
fn without_name(value: &str) -> &str {
    match value.split_once('=') {
        Some((name, url)) if !name.contains([':', '/']) => url,
        _ => value,
    }
}
