//! Limits that the system sets on the process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Allows the process as many open files as its owner may ask for, and gives that number.
///
/// Service managers and shells start programs with 1024, for the sake of old ones that call
/// select(2); each connection and each file on its way takes one.
pub(crate) fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            limit.current
        }
    }
}
