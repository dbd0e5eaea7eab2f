//! Whose turn it is to make a page, and what the page is true of.

use std::sync::Arc;

use cheeseshop_domain::{Caller, Directory, Index, IndexName};
use jiff::Timestamp;
use tokio::sync::OwnedMutexGuard;

use super::page::{CachePolicy, Page, PageOptions};
use crate::generations::Generation;
use crate::page_cache::{KeptPage, PageKey};
use crate::resolve::readable_in;
use crate::{App, Error};

/// The longest that a mirror promises to clients, in seconds, as PyPI does.
pub const LONGEST_PROMISE: u16 = 600;

/// The right to make one page. Those who wait for it would otherwise render the same bytes.
pub(super) struct Turn {
    pub(super) index: Arc<Index>,
    pub(super) key: PageKey,
    generation: Generation,
    _making: OwnedMutexGuard<()>,
}

impl App {
    /// Waits for the turn to make a page: of a project, by its normalized name, or the list of
    /// all.
    ///
    /// # Errors
    /// See [`App::readable_index`].
    pub(super) async fn turn(
        &self,
        caller: &Caller,
        name: &IndexName,
        project: Option<&str>,
        options: &PageOptions<'_>,
    ) -> Result<Turn, Error> {
        loop {
            let (_, awaited) = self.readable_page(caller, name, project, options)?;
            let making = self.0.pages.lock_of(&awaited).lock_owned().await;
            // Before anything is read: see `generations`.
            let generation = match project {
                Some(project) => self.0.generations.of_project(project),
                None => self.0.generations.of_project_names(),
            };
            let (index, key) = self.readable_page(caller, name, project, options)?;
            // What the caller sees may have changed while they waited; and a page is only for
            // those who see just what it was made from.
            if key == awaited {
                return Ok(Turn {
                    index,
                    key,
                    generation,
                    _making: making,
                });
            }
        }
    }

    fn readable_page(
        &self,
        caller: &Caller,
        name: &IndexName,
        project: Option<&str>,
        options: &PageOptions<'_>,
    ) -> Result<(Arc<Index>, PageKey), Error> {
        let directory = self.directory();
        let index = readable_in(&directory, caller, name)?;
        let key = key(&directory, caller, &index, project, options);
        Ok((index, key))
    }

    /// The freshness that clients are promised; `fresh_until` is when an upstream is due for
    /// another look, if all of them answer. An index that takes uploads promises none, also for
    /// what it only passes on: the next upload may be of that very project.
    pub(super) fn cache_policy(
        &self,
        index: &Index,
        fresh_until: Option<Timestamp>,
    ) -> CachePolicy {
        let anonymous = Caller::anonymous();
        let directory = self.directory();
        if !directory.readable(&anonymous, index.id)
            || directory.hides_something(&anonymous, index.id)
        {
            return CachePolicy::Private;
        }
        match fresh_until {
            Some(until) if index.is_mirror() => CachePolicy::FreshUntil(until),
            _ => CachePolicy::Revalidate,
        }
    }

    /// The whole seconds from now until then that may be promised to clients:
    /// [`LONGEST_PROMISE`] at most, 0 when then is past.
    pub fn seconds_left(&self, until: Timestamp) -> u16 {
        let left = until.duration_since(self.clock().now()).as_secs();
        u16::try_from(left.max(0)).map_or(LONGEST_PROMISE, |left| left.min(LONGEST_PROMISE))
    }
}

impl Turn {
    /// The page, if somebody else has made it while this one waited.
    pub(super) fn find(&self, app: &App) -> Option<Arc<Page>> {
        app.0
            .pages
            .find(&self.key, self.generation, app.clock().now())
    }

    /// Keeps what was made.
    pub(super) fn keep(&self, app: &App, page: &Arc<Page>, fresh_until: Option<Timestamp>) {
        app.0.pages.keep(
            self.key.clone(),
            KeptPage {
                page: Arc::clone(page),
                generation: self.generation,
                fresh_until,
            },
        );
    }
}

/// What a page is found by: what the caller sees of the index, never who they are.
pub(super) fn key(
    directory: &Directory,
    caller: &Caller,
    index: &Index,
    project: Option<&str>,
    options: &PageOptions<'_>,
) -> PageKey {
    PageKey {
        index: index.id,
        visible: directory.visible_order(caller, index.id),
        representation: options.representation,
        absolute_base: options.absolute_base.map(Box::from),
        project: project.map(Box::from),
    }
}
