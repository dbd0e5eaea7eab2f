//! The names of all projects of an upstream.

use cheeseshop_packaging::simple::NameList;
use jiff::Timestamp;

/// The names of all projects of an upstream, as far as known.
#[derive(Clone, Debug)]
pub struct ProjectNames {
    names: NameList,
    /// When the upstream is due for another look.
    pub fresh_until: Timestamp,
    /// The upstream did not answer: this is an older list, or only the held projects.
    pub stale: bool,
}

impl ProjectNames {
    pub(super) fn new(names: NameList, fresh_until: Timestamp, stale: bool) -> Self {
        Self {
            names,
            fresh_until,
            stale,
        }
    }

    pub(super) fn list(&self) -> &NameList {
        &self.names
    }

    /// The names, normalised and in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether a normalised name is among them. No proof of anything: projects newer than the
    /// list exist too.
    pub fn contains(&self, normalized: &str) -> bool {
        self.names.contains(normalized)
    }
}
