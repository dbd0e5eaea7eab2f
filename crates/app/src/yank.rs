//! Yanking: files stay, but installers avoid them (PEP 592).

use cheeseshop_domain::{Caller, Event, EventKind, File, IndexName};
use cheeseshop_packaging::{FileName, ProjectName, Version, Yanked};
use cheeseshop_storage::database::{files, projects, releases};
use serde_json::json;

use crate::removal::Removal;
use crate::resolve::project_not_found;
use crate::{App, Error};

/// The longest reason in bytes; it stands on every page of the project.
const MAX_REASON_BYTES: usize = 1_000;

/// What is yanked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum YankTarget {
    /// All files of a version, exactly as stored.
    Release(String),
    /// One file by name.
    File(String),
}

impl YankTarget {
    /// Whether anything could be called that. What could not is no text for a database either.
    fn can_exist(&self) -> bool {
        match self {
            Self::Release(version) => Version::parse(version).is_ok(),
            Self::File(name) => FileName::parse(name).is_ok(),
        }
    }

    fn not_found(&self, project: &ProjectName) -> Error {
        let project = project.normalized();
        Error::NotFound(match self {
            Self::Release(version) => {
                format!("The version {version} of project {project} does not exist.")
            }
            Self::File(name) => format!("project {project} has no file '{name}'"),
        })
    }
}

impl App {
    /// Yanks a release or a file, or gives another reason; gives the number of files that
    /// changed. Those who may remove files may yank: uploaders, the owner, root.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Unauthenticated`] for an anonymous caller and
    /// [`Error::Forbidden`] for others, [`Error::ReadOnly`] on a mirror.
    pub async fn yank(
        &self,
        caller: &Caller,
        index: &IndexName,
        project: &ProjectName,
        target: &YankTarget,
        reason: Option<&str>,
    ) -> Result<usize, Error> {
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        if reason.is_some_and(|reason| {
            reason.len() > MAX_REASON_BYTES || reason.contains(char::is_control)
        }) {
            return Err(Error::Invalid(format!(
                "a reason is one line of at most {MAX_REASON_BYTES} bytes"
            )));
        }
        let yanked = Yanked::Yes(reason.map(str::to_owned));
        self.set_yanked(caller, index, project, target, yanked)
            .await
    }

    /// Takes a yank back; gives the number of files that changed.
    ///
    /// # Errors
    ///
    /// As [`App::yank`].
    pub async fn unyank(
        &self,
        caller: &Caller,
        index: &IndexName,
        project: &ProjectName,
        target: &YankTarget,
    ) -> Result<usize, Error> {
        self.set_yanked(caller, index, project, target, Yanked::No)
            .await
    }

    async fn set_yanked(
        &self,
        caller: &Caller,
        index: &IndexName,
        project: &ProjectName,
        target: &YankTarget,
        yanked: Yanked,
    ) -> Result<usize, Error> {
        let caller = &*caller.about(project.normalized());
        let known = self
            .removable_from(caller, index, Removal::File)
            .await
            .map_err(|error| login_first(error, caller, index))?;
        if known.is_mirror() {
            return Err(Error::ReadOnly(format!(
                "index {} is a mirror; its files are yanked upstream",
                known.name
            )));
        }
        if !target.can_exist() {
            return Err(target.not_found(project));
        }
        let (app, asker) = (self.clone(), caller.clone());
        let (project, target) = (project.clone(), target.clone());
        let committed = self
            .write(caller, move |tx| {
                Box::pin(async move {
                    let index = app
                        .still_removable_from(tx, &asker, &known, Removal::File)
                        .await
                        .map_err(|error| login_first(error, &asker, &known.name))?;
                    let held = projects::find(tx, index.id, project.normalized())
                        .await?
                        .ok_or_else(|| project_not_found(&project))?;
                    let files: Vec<File> = match &target {
                        YankTarget::Release(version) => {
                            let release = releases::find(tx, held.id, version)
                                .await?
                                .ok_or_else(|| target.not_found(&project))?;
                            files::list_for_release(tx, release.id).await?
                        }
                        YankTarget::File(name) => {
                            let file = files::find(tx, held.id, name)
                                .await?
                                .ok_or_else(|| target.not_found(&project))?;
                            vec![file]
                        }
                    };
                    let mut changed = 0;
                    for file in files.iter().filter(|file| file.yanked != yanked) {
                        files::set_yanked(tx, file.id, &yanked).await?;
                        let (kind, reason) = match &yanked {
                            Yanked::No => (EventKind::FileUnyanked, None),
                            Yanked::Yes(reason) => (EventKind::FileYanked, reason.as_deref()),
                        };
                        tx.record(Event::of_project(
                            kind,
                            &index.name,
                            project.normalized(),
                            json!({
                                "version": file.version.as_str(),
                                "file": file.name.as_str(),
                                "reason": reason,
                            }),
                        ));
                        changed += 1;
                    }
                    Ok(changed)
                })
            })
            .await?;
        Ok(committed.value)
    }
}

/// No client of devpi's knows this route, so that a stranger can be asked who they are, where
/// devpi's own routes have to say 403.
fn login_first(error: Error, caller: &Caller, index: &IndexName) -> Error {
    match error {
        Error::Forbidden(_) if caller.is_anonymous() => {
            Error::Unauthenticated(format!("no permission to yank files of index {index}"))
        }
        error => error,
    }
}
