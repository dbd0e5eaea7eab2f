//! An export as a source of an import.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cheeseshop_app::import::model::{Index, Project, Release, User};
use cheeseshop_app::import::{Kind, Report, Source, SourceError};
use cheeseshop_domain::JsonMap;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde_json::Value;

use super::description::{self, Described};
use super::outline::{IndexOutline, Outline};
use super::place::Root;

/// The document that describes everything.
pub(super) const DATA_INDEX: &str = "dataindex.json";

/// A directory that `devpi-export` of devpi-server 2 to 6 has written.
pub struct ExportDirectory(Arc<Inner>);

struct Inner {
    root: Root,
    outline: Outline,
}

impl ExportDirectory {
    /// Whether a directory looks like an export. Blocks.
    pub fn is_one(path: &Path) -> bool {
        path.join(DATA_INDEX).is_file()
    }

    /// Reads through the description of an export; contents are read as they are asked for.
    ///
    /// # Errors
    /// There is no export, its `dataindex.json` is damaged, or it has a form that is not known.
    pub async fn open(path: &Path) -> Result<Self, SourceError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || Self::open_blocking(&path)).await;
        opened.map_err(|error| SourceError::caused_by("the export cannot be read", error))?
    }

    fn open_blocking(path: &Path) -> Result<Self, SourceError> {
        let shown = path.display();
        let root = Root::open(path).map_err(|error| {
            SourceError::caused_by(format!("the export {shown} cannot be read"), error)
        })?;
        let outline = Outline::read(&root.path().join(DATA_INDEX)).map_err(|error| {
            SourceError::caused_by(format!("{shown}/{DATA_INDEX} cannot be read"), error)
        })?;
        match outline.dump_version.as_deref() {
            Some("1" | "2") => {}
            None => {
                return Err(SourceError::new(format!(
                    "{shown}/{DATA_INDEX} is not that of an export"
                )));
            }
            Some(version) => {
                return Err(SourceError::new(format!(
                    "{shown} is an export of the unknown form {version}: forms 1 and 2 are understood"
                )));
            }
        }
        Ok(Self(Arc::new(Inner { root, outline })))
    }
}

impl Source for ExportDirectory {
    fn describe(&self) -> String {
        format!("the export {}", self.0.root.path().display())
    }

    fn users<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<Vec<User>, SourceError>> {
        Box::pin(async move {
            let mut users = Vec::new();
            for (name, span) in &self.0.outline.users {
                match self.0.outline.parse::<JsonMap>(*span) {
                    Ok(mut record) => {
                        record.shift_remove("indexes");
                        users.push(User {
                            name: name.clone(),
                            record,
                        });
                    }
                    Err(reason) => report.skipped(Kind::User, name, reason),
                }
            }
            for key in &self.0.outline.unknown {
                report.skipped(
                    Kind::Other,
                    key,
                    format!("this part of {DATA_INDEX} is not known here"),
                );
            }
            Ok(users)
        })
    }

    fn indexes<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<Vec<Index>, SourceError>> {
        Box::pin(async move {
            let mut indexes = Vec::new();
            for outline in &self.0.outline.indexes {
                match self.0.index(outline) {
                    Ok(index) => indexes.push(index),
                    Err(reason) => report.skipped(Kind::Index, &outline.name, reason),
                }
                for key in &outline.unknown {
                    let item = format!("{}: {key}", outline.name);
                    report.skipped(
                        Kind::Other,
                        item,
                        format!("this part of {DATA_INDEX} is not known here"),
                    );
                }
            }
            Ok(indexes)
        })
    }

    fn count_projects(&self, index: &Index) -> Option<u64> {
        Some(self.0.outline_of(index)?.projects.len() as u64)
    }

    fn projects<'a>(
        &'a self,
        index: &'a Index,
        report: &'a Report,
    ) -> BoxStream<'a, Result<Project, SourceError>> {
        let outlines = self.0.outlines();
        let Some(position) = outlines
            .iter()
            .position(|outline| outline.name == index.full_name())
        else {
            return stream::empty().boxed();
        };
        for span in &outlines[position].stray {
            let item = self.0.outline.parse::<JsonMap>(*span).unwrap_or_default();
            let path = item
                .get("relpath")
                .and_then(Value::as_str)
                .unwrap_or("a file");
            let item = format!("{}/{path}", index.full_name());
            report.skipped(Kind::File, item, "nothing tells of which project it is");
        }
        let count = outlines[position].projects.len();
        let inner = Arc::clone(&self.0);
        stream::iter(0..count)
            .then(move |number| {
                let (inner, report) = (Arc::clone(&inner), report.clone());
                async move {
                    tokio::task::spawn_blocking(move || inner.project(position, number, &report))
                        .await
                        .map_err(|error| SourceError::caused_by("the export cannot be read", error))
                }
            })
            .boxed()
    }
}

impl Inner {
    fn outlines(&self) -> &[IndexOutline] {
        &self.outline.indexes
    }

    fn outline_of(&self, index: &Index) -> Option<&IndexOutline> {
        let name = index.full_name();
        self.outlines().iter().find(|outline| outline.name == name)
    }

    fn index(&self, outline: &IndexOutline) -> Result<Index, String> {
        let (user, name) = outline
            .name
            .split_once('/')
            .ok_or("it is not in the form user/index")?;
        let span = outline.config.ok_or("it has no configuration")?;
        Ok(Index {
            user: user.to_owned(),
            name: name.to_owned(),
            config: self.outline.parse(span)?,
        })
    }

    /// Reads one project. Blocks.
    fn project(&self, index: usize, number: usize, report: &Report) -> Project {
        let index = &self.outlines()[index];
        let outline = &index.projects[number];
        let mut project = Project {
            name: outline.name.clone(),
            ..Project::default()
        };
        for span in &outline.versions {
            match self.outline.parse::<BTreeMap<String, Value>>(*span) {
                Ok(versions) => project.releases.extend(releases(
                    index,
                    outline.name.as_str(),
                    versions,
                    report,
                )),
                Err(reason) => {
                    let item = format!("{}/{}", index.name, outline.name);
                    report.skipped(Kind::Project, item, reason);
                }
            }
        }
        for span in &outline.files {
            let described = match self.outline.parse::<JsonMap>(*span) {
                Ok(item) => description::read(&item, &index.name, &outline.name, &self.root),
                Err(reason) => Err((outline.name.clone(), reason)),
            };
            match described {
                Ok(Described::ReleaseFile(file)) => project.files.push(file),
                Ok(Described::Documentation(archive)) => project.documentation.push(archive),
                Ok(Described::TestResult(result)) => project.test_results.push(result),
                Err((name, reason)) => {
                    report.skipped(Kind::File, format!("{}/{name}", index.name), reason);
                }
            }
        }
        project
    }
}

fn releases(
    index: &IndexOutline,
    project: &str,
    versions: BTreeMap<String, Value>,
    report: &Report,
) -> Vec<Release> {
    let mut releases = Vec::new();
    for (key, metadata) in versions {
        let Value::Object(metadata) = metadata else {
            let item = format!("{}/{project}/{key}", index.name);
            report.skipped(Kind::Release, item, "its metadata is no object");
            continue;
        };
        let told = metadata
            .get("version")
            .and_then(Value::as_str)
            .filter(|version| !version.is_empty());
        releases.push(Release {
            version: told.map_or(key, str::to_owned),
            metadata,
        });
    }
    releases
}
