//! The report in a file.

use std::path::Path;

use serde_json::Value;

/// Reads a report and makes sure that everything came in.
pub(super) fn assert_nothing_lost(path: &Path) {
    let report: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(report["finished"], true, "{report}");
    for kind in ["skipped", "changed", "left_out"] {
        assert_eq!(report[kind], serde_json::json!([]), "{report}");
    }
}
