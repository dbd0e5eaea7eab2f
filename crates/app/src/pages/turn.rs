//! Whose turn it is to make a page, and what the page is true of.

use std::sync::Arc;

use cheeseshop_domain::{Caller, Directory, Index, IndexName};
use jiff::Timestamp;
use tokio::sync::OwnedMutexGuard;

use super::page::{Page, PageOptions};
use crate::generations::Generation;
use crate::page_cache::{KeptPage, PageKey};
use crate::resolve::readable_in;
use crate::{App, Error};

/// Freshness that mirrors promise to clients, as PyPI does.
const MIRROR_PAGE: &str = "max-age=600";
/// Indexes that receive uploads: always asked again, cheap by validator.
const UPLOADED_PAGE: &str = "no-cache";
/// As above where not everybody may read.
const PRIVATE_PAGE: &str = "private, no-cache";

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

    /// The freshness that clients are promised. An index that takes uploads promises none, also
    /// for what it only passes on: the next upload may be of that very project.
    pub(super) fn page_cache_control(&self, index: &Index, stale: bool) -> &'static str {
        let anonymous = Caller::anonymous();
        let directory = self.directory();
        if !directory.readable(&anonymous, index.id)
            || directory.hides_something(&anonymous, index.id)
        {
            PRIVATE_PAGE
        } else if index.is_mirror() && !stale {
            MIRROR_PAGE
        } else {
            UPLOADED_PAGE
        }
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
