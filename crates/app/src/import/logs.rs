//! The history of files, as devpi writes it.

use cheeseshop_domain::api::LogDocument;
use cheeseshop_domain::{JsonMap, LogEntry};
use jiff::Timestamp;
use serde_json::Value;

/// Reads a history; says how many of its steps are left out because nobody knows what they mean.
pub(super) fn read(log: &[JsonMap]) -> (Vec<LogEntry>, usize) {
    let entries: Vec<LogEntry> = log
        .iter()
        .filter_map(|step| {
            let step: LogDocument = serde_json::from_value(Value::Object(step.clone())).ok()?;
            step.to_entry()
        })
        .collect();
    let lost = log.len() - entries.len();
    (entries, lost)
}

/// When something came to its server: what that says, else the last step of the history.
pub(super) fn upload_time(modified: Option<Timestamp>, log: &[LogEntry]) -> Option<Timestamp> {
    modified.or_else(|| log.last().map(|step| step.when))
}
