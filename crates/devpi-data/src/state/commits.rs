//! Values out of the commits that wrote them last.

use std::collections::HashMap;

use super::{HeldFile, Values};
use crate::change_log::{Entry, Value};

/// A commit; the inner error tells that it is damaged, `None` that it is missing.
pub(crate) type Decoded = Option<Result<Entry, String>>;

/// Takes the values of these keys out of the commit that wrote them last.
pub(crate) fn collect(values: &mut Values, serial: i64, keys: Vec<String>, entry: Decoded) {
    let entry = match entry {
        Some(Ok(entry)) => entry,
        broken => {
            let problem = match broken {
                Some(Err(error)) => format!("commit {serial}, which wrote it: {error}"),
                _ => format!("commit {serial}, which wrote it, is not in the change log"),
            };
            let unreadable = keys.into_iter().map(|key| (key, problem.clone()));
            values.unreadable.extend(unreadable);
            return;
        }
    };
    let mut written: HashMap<String, _> = entry
        .changes
        .into_iter()
        .map(|change| (change.key, change.value))
        .collect();
    for key in keys {
        match written.remove(&key) {
            Some(Some(value)) => {
                values.found.insert(key, value);
            }
            // Removed.
            Some(None) => {}
            None => {
                let problem = format!("commit {serial} should have written it and did not");
                values.unreadable.push((key, problem));
            }
        }
    }
}

/// A file's entry, if the server has the bytes and it is of the wanted project.
pub(crate) fn held_file(path: String, entry: &Value, wanted: Option<&str>) -> Option<HeldFile> {
    entry.get("last_modified")?;
    let project = entry.text("project")?;
    wanted
        .is_none_or(|wanted| wanted == project)
        .then(|| HeldFile {
            project: project.to_owned(),
            path,
        })
}
