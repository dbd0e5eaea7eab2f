//! Users, indexes and the way to the projects.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use cheeseshop_app::ByteStream;
use cheeseshop_app::import::model::{Index, Project, User};
use cheeseshop_app::import::{Kind, Report, Source, SourceError};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};

use super::hosted::report_unreadable;
use super::{HeldFile, State};
use crate::change_log::{Key, Value};

/// The type of indexes that hold nothing of their own.
const MIRROR: &str = "mirror";

/// A devpi-server's state as a source of an import.
pub(crate) struct StateSource<S> {
    pub(super) state: S,
    /// Number of projects by `user/index`, for progress.
    counts: Mutex<HashMap<String, u64>>,
}

impl<S: State> StateSource<S> {
    pub(crate) fn new(state: S) -> Self {
        Self {
            state,
            counts: Mutex::default(),
        }
    }

    /// One value; what cannot be read is reported and counts as absent.
    pub(super) async fn value(
        &self,
        key: String,
        kind: Kind,
        report: &Report,
    ) -> Result<Option<Value>, SourceError> {
        let mut values = self.state.values(vec![key.clone()]).await?;
        report_unreadable(&values, kind, report);
        Ok(values.found.remove(&key))
    }

    /// The users that there are, with their records, sorted by name.
    async fn records(&self, report: &Report) -> Result<Vec<(String, Value)>, SourceError> {
        let key = Key::Users.to_string();
        let names = self.value(key, Kind::User, report).await?;
        let Some(names) = names else {
            return Err(SourceError::new(format!(
                "{} holds no list of users: it was never initialised",
                self.state.describe()
            )));
        };
        let mut names: Vec<&str> = names.texts().collect();
        names.sort_unstable();
        names.dedup();
        let keys = names.iter().map(|name| Key::User(name).to_string());
        let mut values = self.state.values(keys.collect()).await?;
        report_unreadable(&values, Kind::User, report);
        let mut records = Vec::with_capacity(names.len());
        for name in names {
            let key = Key::User(name).to_string();
            match values.found.remove(&key) {
                Some(record) => records.push((name.to_owned(), record)),
                None if values.unreadable.iter().any(|(found, _)| *found == key) => {}
                None => report.skipped(
                    Kind::User,
                    name,
                    "devpi lists the user but keeps nothing about them",
                ),
            }
        }
        Ok(records)
    }

    async fn count(&self, indexes: &[Index]) -> Result<(), SourceError> {
        let key = |index: &Index| Key::Projects(&index.user, &index.name).to_string();
        let hosted = indexes.iter().filter(|index| !is_mirror(index));
        let values = self.state.values(hosted.map(key).collect()).await?;
        let counts = indexes.iter().filter_map(|index| {
            let names = values.found.get(&key(index))?.as_items()?;
            Some((index.full_name(), names.len() as u64))
        });
        let mut known = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *known = counts.collect();
        Ok(())
    }

    /// One project of one index; `None` when it holds nothing of it. For whoever knows the name.
    pub(crate) async fn project(
        &self,
        index: &Index,
        name: &str,
        report: &Report,
    ) -> Result<Option<Project>, SourceError> {
        if !is_mirror(index) {
            return self
                .hosted_project(&index.user, &index.name, name, report)
                .await;
        }
        let mut held = self
            .state
            .held_files(&index.full_name(), Some(name))
            .await?;
        held.sort_unstable();
        if held.is_empty() {
            return Ok(None);
        }
        self.mirrored_project(&index.user, &index.name, name, &held, report)
            .await
            .map(Some)
    }

    async fn walk<'a>(
        &'a self,
        index: &'a Index,
        report: &'a Report,
    ) -> Result<BoxStream<'a, Result<Project, SourceError>>, SourceError> {
        if is_mirror(index) {
            let held = self.held_projects(&index.full_name()).await?;
            let projects =
                stream::iter(held).then(move |(name, held): (String, Vec<HeldFile>)| async move {
                    self.mirrored_project(&index.user, &index.name, &name, &held, report)
                        .await
                });
            return Ok(projects.boxed());
        }
        let key = Key::Projects(&index.user, &index.name).to_string();
        let names = self.value(key, Kind::Index, report).await?;
        let mut names: Vec<String> = names
            .iter()
            .flat_map(Value::texts)
            .map(str::to_owned)
            .collect();
        names.sort_unstable();
        names.dedup();
        let projects = stream::iter(names).filter_map(move |name| async move {
            let project = self
                .hosted_project(&index.user, &index.name, &name, report)
                .await;
            if let Ok(None) = project {
                report.skipped(
                    Kind::Project,
                    format!("{}/{name}", index.full_name()),
                    "devpi lists the project but keeps nothing about it",
                );
            }
            project.transpose()
        });
        Ok(projects.boxed())
    }
}

impl<S: State> Source for StateSource<S> {
    fn describe(&self) -> String {
        self.state.describe()
    }

    fn users<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<Vec<User>, SourceError>> {
        Box::pin(async move {
            let records = self.records(report).await?.into_iter();
            Ok(records.map(|(name, record)| user(name, &record)).collect())
        })
    }

    fn indexes<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<Vec<Index>, SourceError>> {
        Box::pin(async move {
            // What is wrong with records was reported with the users.
            let records = self.records(&Report::new()).await?;
            let indexes: Vec<Index> = records
                .iter()
                .flat_map(|(name, record)| indexes(name, record, report))
                .collect();
            self.count(&indexes).await?;
            Ok(indexes)
        })
    }

    fn count_projects(&self, index: &Index) -> Option<u64> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&index.full_name()).copied()
    }

    fn projects<'a>(
        &'a self,
        index: &'a Index,
        report: &'a Report,
    ) -> BoxStream<'a, Result<Project, SourceError>> {
        let walk = async move {
            match self.walk(index, report).await {
                Ok(projects) => projects,
                Err(error) => stream::once(async move { Err(error) }).boxed(),
            }
        };
        stream::once(walk).flatten().boxed()
    }

    fn open<'a>(&'a self, location: &'a str) -> BoxFuture<'a, Result<ByteStream, SourceError>> {
        self.state.open(location)
    }

    fn finish(&self, report: &Report) {
        if let Some(problem) = self.state.verify() {
            report.skipped(Kind::Other, self.state.describe(), problem);
        }
    }
}

/// A user, out of the record.
pub(crate) fn user(name: String, record: &Value) -> User {
    let mut record = record.to_object().unwrap_or_default();
    record.remove("indexes");
    User { name, record }
}

/// A user's indexes, out of the record, sorted by name.
pub(crate) fn indexes(user: &str, record: &Value, report: &Report) -> Vec<Index> {
    let Some(Value::Dict(items)) = record.get("indexes") else {
        return Vec::new();
    };
    let mut indexes: Vec<Index> = items
        .iter()
        .filter_map(|(name, config)| {
            let name = name.as_text()?;
            let Some(config) = config.to_object() else {
                let item = format!("{user}/{name}");
                report.skipped(Kind::Index, item, "its configuration is unreadable");
                return None;
            };
            Some(Index {
                user: user.to_owned(),
                name: name.to_owned(),
                config,
            })
        })
        .collect();
    indexes.sort_by(|one, other| one.name.cmp(&other.name));
    indexes
}

/// Whether an index holds nothing of its own.
pub(crate) fn is_mirror(index: &Index) -> bool {
    index.config.get("type").and_then(|kind| kind.as_str()) == Some(MIRROR)
}
