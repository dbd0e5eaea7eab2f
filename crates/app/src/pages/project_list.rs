//! The list of projects of an index.

use std::sync::Arc;

use cheeseshop_domain::{Caller, Constraints, IndexKind, IndexName};
use cheeseshop_packaging::simple::ProjectList;
use cheeseshop_storage::database::projects;
use futures_util::future::join_all;

use super::page::{Page, PageOptions, Representation, prepare};
use super::turn::Turn;
use crate::resolve::project_filter;
use crate::{App, Error};

impl App {
    /// The list of projects on an index, everything that it inherits included.
    ///
    /// # Errors
    /// See [`App::readable_index`]; [`Error::UpstreamFailed`] when the index itself is a mirror
    /// whose list is unknown.
    pub async fn project_list(
        &self,
        caller: &Caller,
        index: &IndexName,
        options: &PageOptions<'_>,
    ) -> Result<Arc<Page>, Error> {
        self.catch_up().await?;
        let turn = self.turn(caller, index, None, options).await?;
        // Whose token covers some projects only gets a list of their own, which nobody else may.
        let known = turn.find(self).filter(|_| caller.sees_all_projects());
        let page = match known {
            Some(page) => page,
            None => self.render_project_list(caller, &turn).await?,
        };
        prepare(&page, options.encoding).await;
        Ok(page)
    }

    async fn render_project_list(&self, caller: &Caller, turn: &Turn) -> Result<Arc<Page>, Error> {
        let index = &turn.index;
        let directory = self.directory();
        let visible = directory.visible_order(caller, index.id);
        let (mut hosted, mut mirrors) = (Vec::new(), Vec::new());
        for index in visible.iter().filter_map(|id| directory.index_by_id(*id)) {
            match index.config.kind {
                IndexKind::Hosted(_) => hosted.push(index.id),
                IndexKind::Mirror(_) => mirrors.push(Arc::clone(index)),
            }
        }
        let is_closed = index.constraints().is_some_and(Constraints::is_closed);
        let mut own_names: Vec<String> = Vec::new();
        if !hosted.is_empty() {
            let mut reader = self.db().reader().await?;
            for id in hosted {
                let mut names = projects::list_names(&mut reader, id).await?;
                if let Some(is_visible) = project_filter(&directory, caller, id) {
                    names.retain(|name| is_visible(name));
                }
                names.retain(|name| index.admits_project(name));
                own_names.extend(names);
            }
        }
        let mut lists = Vec::with_capacity(mirrors.len());
        let mut fresh_until = None;
        let mut stale = false;
        let mut failed = false;
        let answers = join_all(
            mirrors
                .iter()
                .map(|mirror| self.mirrors().project_names(mirror)),
        );
        for (mirror, answer) in mirrors.iter().zip(answers.await) {
            match answer {
                Ok(list) => {
                    stale |= list.stale;
                    fresh_until = Some(
                        fresh_until.map_or(list.fresh_until, |known: jiff::Timestamp| {
                            known.min(list.fresh_until)
                        }),
                    );
                    let is_visible = project_filter(&directory, caller, mirror.id);
                    if is_visible.is_some() || is_closed {
                        let is_visible = |name: &str| {
                            index.admits_project(name)
                                && is_visible
                                    .as_ref()
                                    .is_none_or(|is_visible| is_visible(name))
                        };
                        let visible = list.iter().filter(|name| is_visible(name));
                        own_names.extend(visible.map(str::to_owned));
                    } else {
                        lists.push(list);
                    }
                }
                Err(error @ Error::UpstreamFailed { .. }) if mirror.id == index.id => {
                    return Err(error);
                }
                Err(Error::UpstreamFailed { .. }) => failed = true,
                Err(error) => return Err(error),
            }
        }
        let promised_until = fresh_until.filter(|_| !stale && !failed);
        let cache_policy = self.cache_policy(index, promised_until);
        let representation = turn.key.representation;
        let title = format!("{}: simple list (including inherited indices)", index.name);
        let page = tokio::task::spawn_blocking(move || {
            // PyPI's names are borrowed, not copied: each copy of them all is 40 MB, and only to
            // point at them 10 MB.
            let body = if let [only] = &*lists
                && own_names.is_empty()
            {
                write_list(only.iter(), representation, &title)
            } else {
                let theirs: usize = lists.iter().map(|list| list.len()).sum();
                let mut names = Vec::with_capacity(own_names.len() + theirs);
                names.extend(own_names.iter().map(String::as_str));
                names.extend(lists.iter().flat_map(|list| list.iter()));
                names.sort_unstable();
                names.dedup();
                write_list(names.into_iter(), representation, &title)
            };
            Page::new(body, representation, None, stale || failed, cache_policy)
        })
        .await
        .map_err(Error::internal)?;
        let page = Arc::new(page);
        if !failed && caller.sees_all_projects() {
            turn.keep(self, &page, fresh_until);
        }
        Ok(page)
    }
}

fn write_list<'a>(
    names: impl ExactSizeIterator<Item = &'a str>,
    representation: Representation,
    title: &str,
) -> Vec<u8> {
    match representation {
        Representation::Html => ProjectList::write_html(names, title),
        Representation::Json => ProjectList::write_json(names, None),
    }
}
