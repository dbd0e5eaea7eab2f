//! Finding projects by their names, over everything that a caller may read.
//!
//! Only what is here is asked, of a mirror the list of names that is held: no upstream learns what
//! somebody looks for.

mod query;

use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use cheeseshop_domain::{Caller, Directory, Index, IndexId, IndexName, ProjectId};
use cheeseshop_packaging::{ProjectName, Version};
use cheeseshop_storage::database::{projects, releases};
use serde_json::Value;

pub use self::query::Query;
use self::query::Rank;
use crate::mirror::Remembered;
use crate::releases::mirrored_releases;
use crate::resolve::project_filter;
use crate::{App, Error};

/// How many projects are found at most: nobody looks through more.
const MAX_FOUND: usize = 1000;

/// How many names are read at once.
const NAMES_AT_ONCE: usize = 1000;

/// A project that was looked for.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The index that holds or lists it.
    pub index: Arc<Index>,
    /// Its name, as spelled by the last upload; a mirror's is normalized.
    pub name: String,
    /// Its newest version; `None` for a mirror's project that nobody has asked for lately, and for one
    /// without releases.
    pub version: Option<Version>,
    /// What that release says of itself.
    pub summary: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The part that was asked for; the best come first.
    pub hits: Vec<Hit>,
    /// How many there are in all.
    pub count: usize,
    /// Whether there were more than are counted.
    pub is_cut_off: bool,
}

/// A project that fits. The order is that of the answer.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    rank: Rank,
    is_mirror: bool,
    name: String,
    /// The place of the index among those that are searched.
    position: usize,
}

/// The best of any number of candidates.
#[derive(Default)]
struct Best {
    /// The worst of them on top.
    kept: BinaryHeap<Candidate>,
    is_cut_off: bool,
}

impl Best {
    fn extend(&mut self, candidate: Option<Candidate>) {
        self.kept.extend(candidate);
        if self.kept.len() > MAX_FOUND {
            self.kept.pop();
            self.is_cut_off = true;
        }
    }
}

/// Of each name the first in the order of indexes, hosted ones before mirrors.
fn keep_first(found: &mut Vec<Candidate>) {
    let place = |candidate: &Candidate| (candidate.is_mirror, candidate.position);
    let mut first: HashMap<String, (bool, usize)> = HashMap::new();
    for candidate in &*found {
        first
            .entry(candidate.name.clone())
            .and_modify(|known| *known = place(candidate).min(*known))
            .or_insert_with(|| place(candidate));
    }
    found.retain(|candidate| first[&candidate.name] == place(candidate));
}

/// What is looked for, by whom, and where.
#[derive(Clone)]
struct Looking {
    caller: Caller,
    query: Query,
    /// The index that was asked, if it was one.
    asked: Option<Arc<Index>>,
    directory: Arc<Directory>,
    indexes: Arc<[Arc<Index>]>,
}

impl Looking {
    /// The name, if it fits and is on an index that shows it to the caller.
    fn candidate(
        &self,
        position: usize,
        name: &str,
        is_visible: Option<impl Fn(&str) -> bool>,
    ) -> Option<Candidate> {
        let rank = self.query.rank(name)?;
        let asked = self.asked.as_ref();
        let is_shown = asked.is_none_or(|index| index.admits_project(name))
            && is_visible.is_none_or(|is_visible| is_visible(name));
        is_shown.then(|| Candidate {
            rank,
            is_mirror: self.indexes[position].is_mirror(),
            name: name.to_owned(),
            position,
        })
    }
}

impl App {
    /// Looks for projects: on one index and what it inherits, where of one name the first that holds
    /// it is found, or on every index that the caller may read.
    ///
    /// # Errors
    /// See [`App::readable_index`].
    pub async fn search(
        &self,
        caller: &Caller,
        query: &Query,
        within: Option<&IndexName>,
        part: Range<usize>,
    ) -> Result<Found, Error> {
        self.catch_up().await?;
        let directory = self.directory();
        let asked = match within {
            Some(name) => Some(self.readable_index(caller, name)?),
            None => None,
        };
        let Some(shared) = query.part_of_all() else {
            return Ok(Found::default());
        };
        let looking = Looking {
            caller: caller.clone(),
            query: query.clone(),
            indexes: searched(&directory, caller, asked.as_deref(), query).into(),
            asked,
            directory,
        };
        let mut best = Best::default();
        self.search_hosted(&mut best, &looking, shared).await?;
        for (position, index) in looking.indexes.iter().enumerate() {
            if index.is_mirror() {
                best = self.search_mirror(best, &looking, position).await?;
            }
        }
        let mut found = best.kept.into_sorted_vec();
        if within.is_some() {
            keep_first(&mut found);
        }
        let count = found.len();
        let part = part.start.min(count)..part.end.min(count);
        let mut hits = Vec::with_capacity(part.len());
        for candidate in found.drain(part) {
            let index = &looking.indexes[candidate.position];
            hits.push(self.described(index, candidate.name).await?);
        }
        Ok(Found {
            hits,
            count,
            is_cut_off: best.is_cut_off,
        })
    }

    async fn search_hosted(
        &self,
        best: &mut Best,
        looking: &Looking,
        shared: &str,
    ) -> Result<(), Error> {
        let positions: HashMap<IndexId, usize> = looking
            .indexes
            .iter()
            .enumerate()
            .filter(|(_, index)| !index.is_mirror())
            .map(|(position, index)| (index.id, position))
            .collect();
        if positions.is_empty() {
            return Ok(());
        }
        let mut reader = self.db().reader().await?;
        let mut after = ProjectId(0);
        loop {
            let rows = projects::list_matching(&mut reader, shared, after, NAMES_AT_ONCE).await?;
            let is_last = rows.len() < NAMES_AT_ONCE;
            if let Some((last, ..)) = rows.last() {
                after = *last;
            }
            for (_, index, name) in rows {
                if let Some(&position) = positions.get(&index) {
                    let is_visible = project_filter(&looking.directory, &looking.caller, index);
                    best.extend(looking.candidate(position, &name, is_visible));
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Half a million names take their time, so another thread looks at them.
    async fn search_mirror(
        &self,
        mut best: Best,
        looking: &Looking,
        position: usize,
    ) -> Result<Best, Error> {
        let index = &looking.indexes[position];
        let names = self.mirrors().held_project_names(index).await?;
        let (looking, id) = (looking.clone(), index.id);
        tokio::task::spawn_blocking(move || {
            let is_visible = project_filter(&looking.directory, &looking.caller, id);
            for name in names.iter() {
                best.extend(looking.candidate(position, name, is_visible.as_ref()));
            }
            best
        })
        .await
        .map_err(Error::internal)
    }

    async fn described(&self, index: &Arc<Index>, name: String) -> Result<Hit, Error> {
        let mut hit = Hit {
            index: Arc::clone(index),
            name,
            version: None,
            summary: None,
        };
        if index.is_mirror() {
            if let Ok(project) = ProjectName::parse(&hit.name)
                && let Some(Remembered::Listing(state)) =
                    self.mirrors().listing_now(index, &project)
            {
                let newest = mirrored_releases(index, &project, &state, |_| true).pop();
                hit.version = newest.map(|release| release.version);
            }
            return Ok(hit);
        }
        let mut reader = self.db().reader().await?;
        let Some(project) = projects::find(&mut reader, index.id, &hit.name).await? else {
            return Ok(hit);
        };
        project.name.written().clone_into(&mut hit.name);
        let versions = releases::list_versions(&mut reader, project.id).await?;
        if let Some(newest) = versions.into_iter().max() {
            let release = releases::find(&mut reader, project.id, newest.as_str()).await?;
            hit.summary = release
                .as_ref()
                .and_then(|release| release.metadata.get("summary"))
                .and_then(Value::as_str)
                .filter(|summary| !summary.is_empty() && *summary != "UNKNOWN")
                .map(str::to_owned);
            hit.version = Some(newest);
        }
        Ok(hit)
    }
}

/// The indexes that are looked through: those of an order, or all.
fn searched(
    directory: &Directory,
    caller: &Caller,
    asked: Option<&Index>,
    query: &Query,
) -> Vec<Arc<Index>> {
    let mut indexes: Vec<Arc<Index>> = match asked {
        Some(index) => directory
            .visible_order(caller, index.id)
            .iter()
            .filter_map(|id| directory.index_by_id(*id))
            .cloned()
            .collect(),
        None => directory
            .indexes()
            .filter(|index| directory.readable(caller, index.id))
            .cloned()
            .collect(),
    };
    indexes.retain(|index| query.covers(&index.name));
    indexes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(rank: Rank, is_mirror: bool, name: &str, position: usize) -> Candidate {
        Candidate {
            rank,
            is_mirror,
            name: name.to_owned(),
            position,
        }
    }

    #[test]
    fn of_too_many_the_best_are_kept() {
        let mut best = Best::default();
        for number in (0..MAX_FOUND + 5).rev() {
            let name = format!("p{number:04}");
            best.extend(Some(candidate(Rank::Within, false, &name, 0)));
        }
        best.extend(Some(candidate(Rank::Same, true, "z", 1)));
        assert!(best.is_cut_off);
        let found = best.kept.into_sorted_vec();
        assert_eq!(found.len(), MAX_FOUND);
        assert_eq!((&*found[0].name, &*found[1].name), ("z", "p0000"));
        assert_eq!(found.last().unwrap().name, format!("p{:04}", MAX_FOUND - 2));
    }

    #[test]
    fn of_one_name_the_first_index_counts_and_hosted_ones_before_mirrors() {
        let mut found = vec![
            candidate(Rank::Same, false, "a", 3),
            candidate(Rank::Same, false, "a", 2),
            candidate(Rank::Same, true, "a", 1),
            candidate(Rank::Start, true, "b", 1),
            candidate(Rank::Start, true, "b", 4),
        ];
        keep_first(&mut found);
        let kept: Vec<_> = found.iter().map(|it| (&*it.name, it.position)).collect();
        assert_eq!(kept, [("a", 2), ("b", 1)]);
    }
}
