//! Counters that tell whether something derived is still true.
//!
//! A page is valid while the counters that it was made under stand unchanged. There is one
//! counter per project *name* (whatever index changed), striped over a fixed table so that
//! memory is bounded; two names that share a stripe only cost a needless rendering. One more
//! counter stands for the configuration of all indexes and one for the set of project names.
//!
//! The order that makes it right: a writer commits, then bumps, then acknowledges; a reader
//! takes the counters first and reads the database afterwards. A page made from older data
//! than its counters is therefore impossible.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

const STRIPES: usize = 1 << 14;

pub(crate) struct Generations {
    hasher: RandomState,
    projects: Box<[AtomicU64]>,
    configuration: AtomicU64,
    project_names: AtomicU64,
}

/// What a derived thing was made under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    content: u64,
    configuration: u64,
}

impl Generation {
    /// Whether no index was changed between the look at this counter and at those of the generation.
    pub(crate) fn is_under(self, configuration: u64) -> bool {
        self.configuration == configuration
    }
}

impl Generations {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            projects: (0..STRIPES).map(|_| AtomicU64::new(0)).collect(),
            configuration: AtomicU64::new(0),
            project_names: AtomicU64::new(0),
        }
    }

    /// The counters of what is made from one project.
    pub(crate) fn of_project(&self, normalized: &str) -> Generation {
        self.generation(self.stripe(normalized))
    }

    /// The counters of what is made from the set of project names.
    pub(crate) fn of_project_names(&self) -> Generation {
        self.generation(&self.project_names)
    }

    /// The counter of the configuration of all indexes, for [`Generation::is_under`].
    pub(crate) fn of_configuration(&self) -> u64 {
        self.configuration.load(Ordering::Acquire)
    }

    pub(crate) fn bump_project(&self, normalized: &str) {
        self.stripe(normalized).fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn bump_project_names(&self) {
        self.project_names.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn bump_configuration(&self) {
        self.configuration.fetch_add(1, Ordering::AcqRel);
    }

    fn generation(&self, content: &AtomicU64) -> Generation {
        Generation {
            content: content.load(Ordering::Acquire),
            configuration: self.of_configuration(),
        }
    }

    fn stripe(&self, normalized: &str) -> &AtomicU64 {
        let hash = usize::try_from(self.hasher.hash_one(normalized) % STRIPES as u64)
            .expect("smaller than the table");
        &self.projects[hash]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bump_shows_in_its_own_generation_only() {
        let generations = Generations::new();
        let project = generations.of_project("flask");
        let names = generations.of_project_names();

        generations.bump_project("flask");

        assert_ne!(project, generations.of_project("flask"));
        assert_eq!(names, generations.of_project_names());
    }

    #[test]
    fn configuration_outdates_everything() {
        let generations = Generations::new();
        let project = generations.of_project("flask");
        let names = generations.of_project_names();

        generations.bump_configuration();

        assert_ne!(project, generations.of_project("flask"));
        assert_ne!(names, generations.of_project_names());
    }
}
