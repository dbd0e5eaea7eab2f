//! The page of one project.

use std::sync::Arc;

use cheeseshop_domain::{Caller, Index, IndexName};
use cheeseshop_packaging::ProjectName;
use cheeseshop_packaging::simple::ProjectPage;
use cheeseshop_storage::database::{files, mirrors, releases};

use super::page::{Page, PageOptions, Representation, prepare};
use super::parts::{
    Links, complete_from_held, hosted_file, join_parts, lacks_something_we_may_know, mirror_part,
};
use crate::generations::Generation;
use crate::page_cache::{KeptPage, PageKey};
use crate::resolve::{Content, Contribution, Resolution, Scope};
use crate::{App, Error};

/// Freshness that pure mirrors promise to clients, as PyPI does.
const MIRROR_PAGE: &str = "max-age=600";
/// Indexes that receive uploads: always asked again, cheap by validator.
const UPLOADED_PAGE: &str = "no-cache";
/// As above where not everybody may read.
const PRIVATE_PAGE: &str = "private, no-cache";

impl App {
    /// The page, if it is in memory, true, and ready in the wanted encoding. Never waits.
    ///
    /// `None` says nothing about the page: ask [`App::project_page`].
    pub fn cached_project_page(
        &self,
        caller: &Caller,
        user: &str,
        index: &str,
        project: &str,
        options: &PageOptions<'_>,
    ) -> Option<Arc<Page>> {
        if self.db().is_shared() {
            return None;
        }
        let directory = self.0.directory.load();
        let index = directory.index(user, index)?;
        if !directory.readable(caller, index.id) {
            return None;
        }
        let generation = self.0.generations.of_project(project);
        let key = PageKey {
            index: index.id,
            visible: directory.visible_order(caller, index.id),
            representation: options.representation,
            absolute_base: options.absolute_base.map(Box::from),
            project: Some(Box::from(project)),
        };
        self.0
            .pages
            .find(&key, generation, self.clock().now())
            .filter(|page| page.is_ready(options.encoding))
    }

    /// The page of a project on an index, everything that it inherits included.
    ///
    /// # Errors
    /// See [`App::readable_index`] and [`App::resolve_project`].
    pub async fn project_page(
        &self,
        caller: &Caller,
        index: &IndexName,
        project: &ProjectName,
        options: &PageOptions<'_>,
    ) -> Result<Arc<Page>, Error> {
        self.catch_up().await?;
        let index = self.readable_index(caller, index)?;
        let key = self.key(caller, &index, Some(project.normalized()), options);
        // The lock is per page: those who wait here would otherwise render the same bytes.
        let making = self.0.pages.lock_of(&key);
        let _turn = making.lock().await;
        // Before anything is read: see `generations`.
        let generation = self.0.generations.of_project(project.normalized());
        let page = match self.0.pages.find(&key, generation, self.clock().now()) {
            Some(page) => page,
            None => {
                let resolution = self
                    .resolve_project(caller, &index, project, Scope::WithBases)
                    .await?;
                self.render_project_page(key, generation, &index, project, resolution)
                    .await?
            }
        };
        prepare(&page, options.encoding).await;
        Ok(page)
    }

    async fn render_project_page(
        &self,
        key: PageKey,
        generation: Generation,
        index: &Arc<Index>,
        project: &ProjectName,
        resolution: Resolution,
    ) -> Result<Arc<Page>, Error> {
        let links = Links {
            from: index,
            absolute_base: key.absolute_base.as_deref(),
        };
        let mut parts = Vec::with_capacity(resolution.contributions.len());
        let mut pure_mirror = true;
        for contribution in &resolution.contributions {
            pure_mirror &= matches!(contribution.content, Content::Mirror(_));
            let part = self.page_part(contribution, project, &links).await?;
            parts.push((contribution.index.id, part));
        }
        let page = join_parts(project, parts);
        let cache_control = self.page_cache_control(index, pure_mirror, resolution.stale);
        let representation = key.representation;
        let stale = resolution.stale || !resolution.failures.is_empty();
        let title = format!("{}: links for {}", index.name, project.normalized());
        let page = tokio::task::spawn_blocking(move || {
            let body = match representation {
                Representation::Html => page.to_html(&title),
                Representation::Json => page.to_json(),
            };
            Page::new(body, representation, page.last_serial, stale, cache_control)
        })
        .await
        .map_err(Error::internal)?;
        let page = Arc::new(page);
        // A page that lacks an index because its upstream failed is not remembered.
        if resolution.failures.is_empty() {
            self.0.pages.keep(
                key,
                KeptPage {
                    page: Arc::clone(&page),
                    generation,
                    fresh_until: resolution.fresh_until,
                },
            );
        }
        Ok(page)
    }

    async fn page_part(
        &self,
        contribution: &Contribution,
        project: &ProjectName,
        links: &Links<'_>,
    ) -> Result<ProjectPage, Error> {
        match &contribution.content {
            Content::Hosted(row) => {
                let mut reader = self.db().reader().await?;
                let versions = releases::list_versions(&mut reader, row.id).await?;
                let rows = files::list_for_project(&mut reader, row.id).await?;
                drop(reader);
                Ok(ProjectPage {
                    name: project.normalized().to_owned(),
                    versions: versions.iter().map(ToString::to_string).collect(),
                    files: rows
                        .iter()
                        .map(|file| hosted_file(&contribution.index, file, links))
                        .collect(),
                    status: row.status.clone(),
                    last_serial: None,
                })
            }
            Content::Mirror(state) => {
                let listed = &state.listing.page;
                let mut part = mirror_part(&contribution.index, project, listed, links);
                if part.files.iter().any(lacks_something_we_may_know) {
                    let mut reader = self.db().reader().await?;
                    let held =
                        mirrors::list_files(&mut reader, contribution.index.id, &part.name).await?;
                    drop(reader);
                    complete_from_held(&mut part.files, &held);
                }
                Ok(part)
            }
        }
    }

    pub(super) fn key(
        &self,
        caller: &Caller,
        index: &Index,
        project: Option<&str>,
        options: &PageOptions<'_>,
    ) -> PageKey {
        PageKey {
            index: index.id,
            visible: self.directory().visible_order(caller, index.id),
            representation: options.representation,
            absolute_base: options.absolute_base.map(Box::from),
            project: project.map(Box::from),
        }
    }

    pub(super) fn page_cache_control(
        &self,
        index: &Index,
        pure_mirror: bool,
        stale: bool,
    ) -> &'static str {
        let anonymous = Caller::anonymous();
        let directory = self.directory();
        if !directory.readable(&anonymous, index.id)
            || directory.hides_something(&anonymous, index.id)
        {
            PRIVATE_PAGE
        } else if pure_mirror && !stale {
            MIRROR_PAGE
        } else {
            UPLOADED_PAGE
        }
    }
}
