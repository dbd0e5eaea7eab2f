//! Loads what [`cheeseshop_domain::resolution`] asks for, then lets it decide.

use std::sync::Arc;

use cheeseshop_domain::permission::{self, IndexNotFound, Reason};
use cheeseshop_domain::resolution::{
    Contribution as Verdict, Decision, Step, StepKind, contributors,
};
use cheeseshop_domain::{Caller, Directory, Index, IndexId, IndexKind, IndexName, Project};
use cheeseshop_packaging::ProjectName;
use cheeseshop_storage::database::projects;
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::mirror::{ListingState, Remembered};
use crate::{App, Error};

/// How far a question reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The index and everything that it inherits.
    WithBases,
    /// The index alone (devpi's `ignore_bases`).
    OwnOnly,
}

/// One index's part in the answer for a project.
#[derive(Clone, Debug)]
pub struct Contribution {
    /// The index that holds the files.
    pub index: Arc<Index>,
    /// What it holds.
    pub content: Content,
}

/// What an index holds of a project.
#[derive(Clone, Debug)]
pub enum Content {
    /// Rows in the database.
    Hosted(Project),
    /// What the upstream listed.
    Mirror(ListingState),
}

/// Who contributes to a project on an index, in resolution order, and why others do not.
#[derive(Debug)]
pub struct Resolution {
    /// The contributing indexes that the caller may read, first one wins.
    pub contributions: Vec<Contribution>,
    /// What was decided for every index of the resolution order, readable or not.
    pub decisions: Vec<Decision>,
    /// A mirror that could not be asked and for which nothing is held; the answer is good
    /// without it, but not to be remembered.
    pub failures: Vec<Error>,
    /// When a mirror that took part (also by knowing nothing) is due for another look.
    pub fresh_until: Option<Timestamp>,
    /// A mirror answered from an outdated listing because its upstream does not answer.
    pub stale: bool,
}

impl App {
    /// The index of this name, if the caller may read it.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for anonymous callers where credentials could help,
    /// [`Error::Forbidden`] for a token that does not cover the index, [`Error::NotFound`]
    /// otherwise; what one may not read does not exist.
    pub fn readable_index(&self, caller: &Caller, name: &IndexName) -> Result<Arc<Index>, Error> {
        readable_in(&self.directory(), caller, name)
    }

    /// The mirrors behind `index` that the caller may read and that may be asked for `project`:
    /// an upstream never learns the name of a private project.
    ///
    /// # Errors
    /// Whatever the database gives.
    pub(crate) async fn mirrors_to_ask(
        &self,
        caller: &Caller,
        index: &Index,
        project: &ProjectName,
    ) -> Result<Vec<Arc<Index>>, Error> {
        if !index.admits_project(project.normalized()) {
            return Ok(Vec::new());
        }
        let caller = &*caller.about(project.normalized());
        let directory = self.directory();
        let (decisions, _) = self
            .decide(&directory, index, directory.order(index.id), project)
            .await?;
        Ok(decisions
            .iter()
            .filter(|decision| matches!(decision.verdict, Verdict::Contributes))
            .filter_map(|decision| directory.index_by_id(decision.index))
            .filter(|index| index.is_mirror() && directory.readable(caller, index.id))
            .cloned()
            .collect())
    }

    /// What is decided about every index of an order, and what the hosted ones hold.
    async fn decide(
        &self,
        directory: &Directory,
        index: &Index,
        order: &[IndexId],
        project: &ProjectName,
    ) -> Result<(Vec<Decision>, Vec<Project>), Error> {
        let indexes: Vec<&Arc<Index>> = order
            .iter()
            .filter_map(|id| directory.index_by_id(*id))
            .collect();
        let hosted: Vec<IndexId> = indexes
            .iter()
            .filter(|index| !index.is_mirror())
            .map(|index| index.id)
            .collect();
        let holding = if hosted.is_empty() {
            Vec::new()
        } else {
            let mut reader = self.db().reader().await?;
            projects::find_in(&mut reader, &hosted, project.normalized()).await?
        };
        let steps: Vec<Step<'_>> = indexes
            .iter()
            .map(|index| Step {
                index: index.id,
                kind: match &index.config.kind {
                    IndexKind::Hosted(config) => StepKind::Hosted {
                        whitelist: &config.mirror_whitelist,
                        has_project: holding.iter().any(|held| held.index == index.id),
                    },
                    IndexKind::Mirror(_) => StepKind::Mirror,
                },
            })
            .collect();
        let inheritance = match &index.config.kind {
            IndexKind::Hosted(config) => config.mirror_whitelist_inheritance,
            IndexKind::Mirror(_) => cheeseshop_domain::Inheritance::default(),
        };
        let decisions = contributors(inheritance, project.normalized(), &steps);
        Ok((decisions, holding))
    }

    /// Decides which indexes contribute to `project` on `index` and asks mirrors where needed.
    ///
    /// Upstreams are asked at the same time. Whether a project is private is decided over *all*
    /// indexes of the order, also those that the caller may not read: a hidden private project
    /// still keeps the mirrors out.
    ///
    /// # Errors
    /// [`Error::NotFound`] when nobody has it, [`Error::UpstreamFailed`] when that is not known,
    /// [`Error::Unauthenticated`] for anonymous callers from whom part of the order is hidden.
    pub async fn resolve_project(
        &self,
        caller: &Caller,
        index: &Arc<Index>,
        project: &ProjectName,
        scope: Scope,
    ) -> Result<Resolution, Error> {
        // What the index hides as a whole it asks nobody for.
        if !index.admits_project(project.normalized()) {
            return Err(project_not_found(project));
        }
        let caller = &*caller.about(project.normalized());
        let directory = self.directory();
        let own = [index.id];
        let order: &[IndexId] = match scope {
            Scope::WithBases => directory.order(index.id),
            Scope::OwnOnly => &own,
        };
        let (decisions, holding) = self.decide(&directory, index, order, project).await?;

        let asked = decisions
            .iter()
            .filter(|decision| {
                matches!(decision.verdict, Verdict::Contributes)
                    && directory.readable(caller, decision.index)
            })
            .filter_map(|decision| directory.index_by_id(decision.index))
            .map(|index| self.content_of(index, &holding, project));
        let mut resolution = Resolution {
            contributions: Vec::new(),
            decisions: decisions.clone(),
            failures: Vec::new(),
            fresh_until: None,
            stale: false,
        };
        for (index, answer) in join_all(asked).await {
            resolution.add(index, answer)?;
        }
        if resolution.contributions.is_empty() {
            return Err(resolution.nothing_found(
                project,
                caller.identity.is_none() && directory.hides_something(caller, index.id),
            ));
        }
        Ok(resolution)
    }

    async fn content_of(
        &self,
        index: &Arc<Index>,
        holding: &[Project],
        project: &ProjectName,
    ) -> (Arc<Index>, Result<Answer, Error>) {
        let answer = match index.config.kind {
            IndexKind::Hosted(_) => Ok(holding
                .iter()
                .find(|held| held.index == index.id)
                .map_or(Answer::Nothing { fresh_until: None }, |held| {
                    Answer::Content(Content::Hosted(held.clone()))
                })),
            IndexKind::Mirror(_) => self.mirrors().listing(index, project).await.map(|listing| {
                match listing {
                    Some(listing) => Answer::Content(Content::Mirror(listing)),
                    // Whoever is known not to have it takes part in the page as well: until the
                    // next look. Not remembered means not to be relied upon at all.
                    None => Answer::Nothing {
                        fresh_until: match self.mirrors().listing_now(index, project) {
                            Some(Remembered::Absent { fresh_until }) => Some(fresh_until),
                            _ => Some(self.clock().now()),
                        },
                    },
                }
            }),
        };
        (Arc::clone(index), answer)
    }
}

enum Answer {
    Content(Content),
    Nothing { fresh_until: Option<Timestamp> },
}

impl Resolution {
    fn add(&mut self, index: Arc<Index>, answer: Result<Answer, Error>) -> Result<(), Error> {
        match answer {
            Ok(Answer::Content(content)) => {
                if let Content::Mirror(state) = &content {
                    self.stale |= state.stale;
                    self.due_by(state.fresh_until);
                }
                self.contributions.push(Contribution { index, content });
            }
            Ok(Answer::Nothing { fresh_until }) => {
                if let Some(until) = fresh_until {
                    self.due_by(until);
                }
            }
            // Only trouble upstream may leave one index out; our own trouble fails the answer.
            Err(error @ Error::UpstreamFailed { .. }) => self.failures.push(error),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn due_by(&mut self, until: Timestamp) {
        self.fresh_until = Some(self.fresh_until.map_or(until, |known| known.min(until)));
    }

    fn nothing_found(self, project: &ProjectName, login_could_help: bool) -> Error {
        if login_could_help {
            return Error::Unauthenticated(format!("project {project} may need a login"));
        }
        self.failures
            .into_iter()
            .next()
            .unwrap_or_else(|| project_not_found(project))
    }
}

/// As [`App::readable_index`], in one picture of users and indexes.
pub(crate) fn readable_in(
    directory: &Directory,
    caller: &Caller,
    name: &IndexName,
) -> Result<Arc<Index>, Error> {
    let index = directory.index_by_name(name);
    if let Some(index) = index
        && directory.readable(caller, index.id)
    {
        return Ok(Arc::clone(index));
    }
    if caller.is_anonymous() && index.is_some() {
        return Err(Error::Unauthenticated(format!(
            "reading index {name} needs a login"
        )));
    }
    Err(unreadable(caller, name))
}

/// Why the caller may not read an index. Whether it exists plays no part.
pub(crate) fn unreadable(caller: &Caller, name: &IndexName) -> Error {
    match permission::reading_refusal(caller, name) {
        Reason::MayNotRead(name) => index_not_found(&name),
        lacking => Error::Forbidden(lacking.to_string()),
    }
}

/// Which projects of an index that they may read the caller sees, by normalized name; `None`: all
/// of them.
pub(crate) fn project_filter<'c>(
    directory: &Directory,
    caller: &'c Caller,
    index: IndexId,
) -> Option<impl Fn(&str) -> bool + use<'c>> {
    let limits = &caller.token()?.limits;
    if limits.covers_all_projects() || directory.readable(&Caller::anonymous(), index) {
        return None;
    }
    Some(|project: &str| limits.covers_project(project))
}

pub(crate) fn index_not_found(name: &IndexName) -> Error {
    Error::NotFound(IndexNotFound(name).to_string())
}

pub(crate) fn project_not_found(project: &ProjectName) -> Error {
    Error::NotFound(format!(
        "The project {} does not exist.",
        project.normalized()
    ))
}
