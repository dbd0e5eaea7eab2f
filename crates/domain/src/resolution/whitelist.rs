//! Which indexes of a resolution order contribute a project: the guard against dependency confusion.
//!
//! A project that a hosted index holds is never answered from a mirror, unless a whitelist says so.

use crate::{IndexId, Inheritance, Whitelist};

/// One index of a resolution order, seen from one project.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The index.
    pub index: IndexId,
    /// What it is to the project.
    pub kind: StepKind<'a>,
}

/// What an index is to a project.
#[derive(Debug, Clone, Copy)]
pub enum StepKind<'a> {
    /// A hosted index.
    Hosted {
        /// Its own whitelist.
        whitelist: &'a Whitelist,
        /// Whether it holds the project, readable by the caller or not.
        has_project: bool,
    },
    /// A mirror. Whether it has the project is found out afterwards, if it may be asked at all.
    Mirror,
}

/// What was decided about one index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The index.
    pub index: IndexId,
    /// Whether it contributes.
    pub verdict: Contribution,
}

/// Whether an index contributes a project, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contribution {
    /// Its files count. A mirror may be asked.
    Contributes,
    /// It does not hold the project.
    HasNoProject,
    /// A mirror that must not be asked, since a hosted index holds the project and no whitelist names it.
    BlockedByPrivate {
        /// The first index that holds it.
        by: IndexId,
    },
}

/// Decides which indexes contribute the project (given by its normalized name).
///
/// `steps` is the whole resolution order, also what the caller cannot read; the answer has as many entries
/// in the same order. `inheritance` is that of the queried index, the first of the order.
///
/// devpi combines the whitelists met on the way, by union or intersection, and what was once whitelisted
/// stays so. That comes to this: with the union every hosted index before a mirror may whitelist the
/// project; with the intersection only the first one may, the queried index, since what its list lacks
/// cannot come in later.
pub fn contributors(inheritance: Inheritance, project: &str, steps: &[Step<'_>]) -> Vec<Decision> {
    let mut is_first = true;
    let mut is_whitelisted = false;
    let mut private_on = None;
    let decide = |step: &Step<'_>| {
        let verdict = match step.kind {
            StepKind::Hosted {
                whitelist,
                has_project,
            } => {
                let counts = is_first || inheritance == Inheritance::Union;
                is_first = false;
                is_whitelisted |= counts && whitelist.allows(project);
                if has_project {
                    private_on.get_or_insert(step.index);
                    Contribution::Contributes
                } else {
                    Contribution::HasNoProject
                }
            }
            StepKind::Mirror => match private_on {
                Some(by) if !is_whitelisted => Contribution::BlockedByPrivate { by },
                _ => Contribution::Contributes,
            },
        };
        Decision {
            index: step.index,
            verdict,
        }
    };
    steps.iter().map(decide).collect()
}
