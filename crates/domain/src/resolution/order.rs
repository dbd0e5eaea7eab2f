//! The resolution order: which indexes are asked for a project, one after the other.

use std::collections::{HashSet, VecDeque};

use crate::{Index, IndexId, IndexName};

/// The resolution order of an index: itself, then its bases breadth first, then all mirrors that were met.
///
/// Every index stands in it once, so cycles do no harm. Bases that do not exist are skipped. A mirror never
/// comes before a hosted index, wherever it is named, so that what is held here decides first.
pub fn order<'a>(start: &'a Index, find: &dyn Fn(&IndexName) -> Option<&'a Index>) -> Vec<IndexId> {
    let mut hosted = Vec::new();
    let mut mirrors = Vec::new();
    let mut met = HashSet::from([start.id]);
    let mut waiting = VecDeque::from([start]);
    while let Some(index) = waiting.pop_front() {
        if index.is_mirror() {
            mirrors.push(index.id);
        } else {
            hosted.push(index.id);
        }
        let bases = index.bases().iter().filter_map(find);
        waiting.extend(bases.filter(|base| met.insert(base.id)));
    }
    hosted.append(&mut mirrors);
    hosted
}
