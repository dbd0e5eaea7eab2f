//! The page of one project.

use std::sync::Arc;

use cheeseshop_domain::{Caller, IndexName};
use cheeseshop_packaging::simple::ProjectPage;
use cheeseshop_packaging::{ProjectName, Version};
use cheeseshop_storage::database::{files, mirrors, releases};

use super::page::{Page, PageOptions, Representation, prepare};
use super::parts::{
    Links, complete_from_held, hosted_file, join_parts, keep_admitted, lacks_something_we_may_know,
    mirror_part,
};
use super::turn::{Turn, key};
use crate::resolve::{Content, Contribution, Resolution, Scope};
use crate::{App, Error};

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
        let caller = &*caller.about(project);
        if !directory.readable(caller, index.id) {
            return None;
        }
        let generation = self.0.generations.of_project(project);
        let key = key(&directory, caller, index, Some(project), options);
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
        let name = project.normalized();
        let caller = &*caller.about(name);
        let turn = self.turn(caller, index, Some(name), options).await?;
        let page = if let Some(page) = turn.find(self) {
            page
        } else {
            let resolution = self
                .resolve_project(caller, &turn.index, project, Scope::WithBases)
                .await?;
            self.render_project_page(&turn, project, resolution).await?
        };
        prepare(&page, options.encoding).await;
        Ok(page)
    }

    async fn render_project_page(
        &self,
        turn: &Turn,
        project: &ProjectName,
        resolution: Resolution,
    ) -> Result<Arc<Page>, Error> {
        let links = Links {
            from: &turn.index,
            absolute_base: turn.key.absolute_base.as_deref(),
        };
        let mut parts = Vec::with_capacity(resolution.contributions.len());
        for contribution in &resolution.contributions {
            let part = self.page_part(contribution, project, &links).await?;
            parts.push((contribution.index.id, part));
        }
        let page = join_parts(project, turn.index.id, parts);
        let fresh_until = resolution.fresh_until.filter(|_| !resolution.stale);
        let cache_policy = self.cache_policy(&turn.index, fresh_until);
        let representation = turn.key.representation;
        let stale = resolution.stale || !resolution.failures.is_empty();
        let title = format!("{}: links for {}", turn.index.name, project.normalized());
        let page = tokio::task::spawn_blocking(move || {
            let body = match representation {
                Representation::Html => page.to_html(&title),
                Representation::Json => page.to_json(),
            };
            Page::new(body, representation, page.last_serial, stale, cache_policy)
        })
        .await
        .map_err(Error::internal)?;
        let page = Arc::new(page);
        // A page that lacks an index because its upstream failed is not remembered.
        if resolution.failures.is_empty() {
            turn.keep(self, &page, resolution.fresh_until);
        }
        Ok(page)
    }

    /// What the index of the contribution adds to the page of the one that was asked.
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
                let name = project.normalized();
                let is_admitted = |version: &Version| links.from.admits(name, Some(version));
                Ok(ProjectPage {
                    name: name.to_owned(),
                    versions: versions
                        .iter()
                        .filter(|version| is_admitted(version))
                        .map(ToString::to_string)
                        .collect(),
                    files: rows
                        .iter()
                        .filter(|file| is_admitted(&file.version))
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
                if links.from.constraints().is_some() {
                    keep_admitted(links.from, project, &mut part);
                }
                Ok(part)
            }
        }
    }
}
