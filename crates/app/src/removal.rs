//! Removing projects, releases and files from an index.
//!
//! On a hosted index the rows go, and a tombstone at the path of every file makes later requests
//! say that it existed (410). On a mirror what is removed is what we keep of the upstream: it
//! comes back when somebody asks for it, unless the upstream has dropped it.

use std::sync::Arc;

use cheeseshop_domain::{
    Action, Caller, Documentation, Event, EventKind, File, FilePath, Index, IndexName,
};
use cheeseshop_packaging::{FileName, ProjectName};
use cheeseshop_storage::Transaction;
use cheeseshop_storage::database::test_results::FoundTestResult;
use cheeseshop_storage::database::{
    documentation, files, mirrors, projects, releases, test_results, tombstones,
};
use serde_json::json;

use crate::publish::{current_index, path_of, remove_if_empty};
use crate::test_results::bury_results;
use crate::{App, Error, mirror};

/// Whether a removal may touch a non-volatile index: devpi's query `force`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Force {
    /// Only volatile indexes.
    #[default]
    No,
    /// Non-volatile ones too.
    Yes,
}

/// What somebody wants to remove from an index. Users who may remove one may remove all; tokens
/// tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    File,
    Release,
    Project,
}

impl Removal {
    fn from(self, index: &Index) -> Action<'_> {
        match self {
            Self::File => Action::RemoveFiles(index),
            Self::Release => Action::RemoveRelease(index),
            Self::Project => Action::RemoveProject(index),
        }
    }
}

impl App {
    /// Removes a project with all releases and files.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] `project not found`, [`Error::Forbidden`].
    pub async fn remove_project(
        &self,
        caller: &Caller,
        index: &IndexName,
        project: &ProjectName,
        force: Force,
    ) -> Result<(), Error> {
        let caller = &*caller.about(project.normalized());
        let known = self.removable_from(caller, index, Removal::Project).await?;
        let project = project.clone();
        let (app, asker) = (self.clone(), caller.clone());
        self.write(caller, move |tx| {
            Box::pin(async move {
                let index = app
                    .still_removable_from(tx, &asker, &known, Removal::Project)
                    .await?;
                check_volatile(&index, force, || {
                    format!(
                        "project {} is on non-volatile index {}",
                        project.normalized(),
                        index.name
                    )
                })?;
                let removed = if index.is_mirror() {
                    forget_mirrored(tx, &index, &project).await?
                } else {
                    remove_hosted(tx, &index, &project).await?
                };
                if !removed {
                    return Err(Error::NotFound("project not found".to_owned()));
                }
                Ok(())
            })
        })
        .await?;
        Ok(())
    }

    /// Removes a release with its files; the last one takes the project along. On a mirror only
    /// the kept bytes go.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] and [`Error::Forbidden`] with devpi's texts.
    pub async fn remove_release(
        &self,
        caller: &Caller,
        index: &IndexName,
        project: &ProjectName,
        version: &str,
        force: Force,
    ) -> Result<(), Error> {
        let caller = &*caller.about(project.normalized());
        let known = self.removable_from(caller, index, Removal::Release).await?;
        let (project, version) = (project.clone(), version.to_owned());
        let (app, asker) = (self.clone(), caller.clone());
        self.write(caller, move |tx| {
            Box::pin(async move {
                let index = app
                    .still_removable_from(tx, &asker, &known, Removal::Release)
                    .await?;
                check_volatile(&index, force, || VERSION_IS_FIXED.to_owned())?;
                if index.is_mirror() {
                    return remove_mirrored_release(tx, &index, &project, &version).await;
                }
                let held = projects::find(tx, index.id, project.normalized())
                    .await?
                    .ok_or_else(|| project_not_on(&project, &index))?;
                let release = releases::find(tx, held.id, &version)
                    .await?
                    .ok_or_else(|| version_not_on(&version, &project, &index))?;
                let gone = files::list_for_release(tx, release.id).await?;
                for file in &gone {
                    bury_file(tx, &index, file).await?;
                }
                record_removed_files(tx, &index, &project, &gone);
                if let Some(held) = documentation::find(tx, release.id).await? {
                    bury_documentation(tx, &index, &project, &held).await?;
                }
                remove_if_empty(tx, &index, &held, &release).await
            })
        })
        .await?;
        Ok(())
    }

    /// Removes a file, documentation or a test result by its path. A file takes its test results
    /// along; the last that a release has takes release and project along.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] `package 'x' doesn't exist`, [`Error::Gone`] when it was removed
    /// before, [`Error::Forbidden`].
    pub async fn remove_file(
        &self,
        caller: &Caller,
        index: &IndexName,
        path: &FilePath,
        force: Force,
    ) -> Result<(), Error> {
        let known = self.removable_from(caller, index, Removal::File).await?;
        let path = path.clone();
        let (app, asker) = (self.clone(), caller.clone());
        self.write(caller, move |tx| {
            Box::pin(async move {
                let index = app
                    .still_removable_from(tx, &asker, &known, Removal::File)
                    .await?;
                // Only the row tells whose file it is.
                let permit = |project: &ProjectName| {
                    let asker = asker.about(project.normalized());
                    app.permit(&asker, Removal::File.from(&index))
                };
                if index.is_mirror() {
                    return remove_mirrored_file(tx, &index, &path, force, &permit).await;
                }
                let Some(found) = Removable::find(tx, &index, &path).await? else {
                    return Err(file_not_on(tx, &index, &path).await?);
                };
                permit(found.project())?;
                check_volatile(&index, force, || VERSION_IS_FIXED.to_owned())?;
                found.remove(tx, &index).await
            })
        })
        .await?;
        Ok(())
    }

    /// The index, if the caller may see it and remove things from it.
    pub(crate) async fn removable_from(
        &self,
        caller: &Caller,
        name: &IndexName,
        what: Removal,
    ) -> Result<Arc<Index>, Error> {
        self.catch_up().await?;
        let directory = self.directory();
        // Uploaders may remove what they uploaded even where they cannot read.
        if let Some(index) = directory.index(name.user.as_str(), &name.index)
            && self.permit(caller, what.from(index)).is_ok()
        {
            return Ok(Arc::clone(index));
        }
        let index = self.readable_index(caller, name)?;
        self.permit(caller, what.from(&index))?;
        Ok(index)
    }

    /// The index as it is now, if the caller may still remove things from it: index and rights
    /// may have changed while the request waited.
    pub(crate) async fn still_removable_from(
        &self,
        tx: &mut Transaction,
        caller: &Caller,
        known: &Index,
        what: Removal,
    ) -> Result<Index, Error> {
        let index = current_index(tx, known.id, &known.name).await?;
        self.permit(caller, what.from(&index))?;
        Ok(index)
    }
}

/// devpi's text, for releases and files alike.
const VERSION_IS_FIXED: &str = "cannot delete version on non-volatile index";

fn check_volatile(
    index: &Index,
    force: Force,
    refusal: impl FnOnce() -> String,
) -> Result<(), Error> {
    if index.config.volatile || force == Force::Yes {
        Ok(())
    } else {
        Err(Error::Forbidden(refusal()))
    }
}

/// What a path of a hosted index may lead to.
enum Removable {
    File(File, ProjectName),
    Documentation(Documentation, ProjectName),
    TestResult(FoundTestResult),
}

impl Removable {
    async fn find(
        tx: &mut Transaction,
        index: &Index,
        path: &FilePath,
    ) -> Result<Option<Self>, Error> {
        if let Some((file, project)) = files::find_by_path(tx, index.id, path).await? {
            return Ok(Some(Self::File(file, project)));
        }
        if let Some((found, project)) = documentation::find_by_path(tx, index.id, path).await? {
            return Ok(Some(Self::Documentation(found, project)));
        }
        let found = test_results::find_by_path(tx, index.id, path).await?;
        Ok(found.map(Self::TestResult))
    }

    fn project(&self) -> &ProjectName {
        match self {
            Self::File(_, project) | Self::Documentation(_, project) => project,
            Self::TestResult(found) => &found.project,
        }
    }

    async fn remove(&self, tx: &mut Transaction, index: &Index) -> Result<(), Error> {
        let (version, project) = match self {
            Self::File(file, project) => {
                bury_file(tx, index, file).await?;
                record_removed_files(tx, index, project, std::slice::from_ref(file));
                (&file.version, project)
            }
            Self::Documentation(found, project) => {
                bury_documentation(tx, index, project, found).await?;
                (&found.version, project)
            }
            // Its file stays, and so does the release.
            Self::TestResult(found) => return remove_test_result(tx, index, found).await,
        };
        let held = projects::find(tx, index.id, project.normalized())
            .await?
            .ok_or_else(|| project_not_on(project, index))?;
        let release = releases::find(tx, held.id, version.as_str())
            .await?
            .ok_or_else(|| version_not_on(version.as_str(), project, index))?;
        remove_if_empty(tx, index, &held, &release).await
    }
}

/// Removes a file with its test results; their paths answer 410 from then on.
async fn bury_file(tx: &mut Transaction, index: &Index, file: &File) -> Result<(), Error> {
    bury_results(tx, index, file).await?;
    tombstones::record(tx, index.id, &path_of(file)).await?;
    files::remove(tx, file.id).await?;
    Ok(())
}

async fn bury_documentation(
    tx: &mut Transaction,
    index: &Index,
    project: &ProjectName,
    gone: &Documentation,
) -> Result<(), Error> {
    tombstones::record(tx, index.id, &gone.path().to_string()).await?;
    documentation::remove(tx, gone.release).await?;
    tx.record(Event::of_project(
        EventKind::DocumentationRemoved,
        &index.name,
        project.normalized(),
        json!({"version": gone.version.as_str(), "sha256": gone.sha256}),
    ));
    Ok(())
}

async fn remove_test_result(
    tx: &mut Transaction,
    index: &Index,
    gone: &FoundTestResult,
) -> Result<(), Error> {
    tombstones::record(tx, index.id, &gone.result.path().to_string()).await?;
    test_results::remove(tx, gone.result.id).await?;
    tx.record(Event::of_project(
        EventKind::TestResultRemoved,
        &index.name,
        gone.project.normalized(),
        json!({"version": gone.version.as_str(), "result": gone.result.name.as_str()}),
    ));
    Ok(())
}

pub(crate) async fn remove_hosted(
    tx: &mut Transaction,
    index: &Index,
    project: &ProjectName,
) -> Result<bool, Error> {
    let Some(held) = projects::find(tx, index.id, project.normalized()).await? else {
        return Ok(false);
    };
    let gone = files::list_for_project(tx, held.id).await?;
    let mut paths: Vec<String> = gone.iter().map(path_of).collect();
    for found in documentation::list_for_project(tx, held.id).await? {
        paths.push(found.path().to_string());
    }
    for result in test_results::list_for_project(tx, held.id).await? {
        paths.push(result.path().to_string());
    }
    for path in &paths {
        tombstones::record(tx, index.id, path).await?;
    }
    projects::remove(tx, held.id).await?;
    let names: Vec<&str> = gone.iter().map(|file| file.name.as_str()).collect();
    tx.record(Event::of_project(
        EventKind::ProjectRemoved,
        &index.name,
        project.normalized(),
        json!({ "files": names }),
    ));
    Ok(true)
}

fn record_removed_files(tx: &mut Transaction, index: &Index, project: &ProjectName, gone: &[File]) {
    for file in gone {
        tx.record(Event::of_project(
            EventKind::FileRemoved,
            &index.name,
            project.normalized(),
            json!({
                "version": file.version.as_str(),
                "file": file.name.as_str(),
                "sha256": file.sha256,
            }),
        ));
    }
}

/// Drops a mirror's page and files of a project; false when it kept neither.
async fn forget_mirrored(
    tx: &mut Transaction,
    index: &Index,
    project: &ProjectName,
) -> Result<bool, Error> {
    let name = project.normalized();
    let held = mirrors::list_files(tx, index.id, name).await?;
    let listed = mirrors::find_listing(tx, index.id, name).await?.is_some();
    if held.is_empty() && !listed {
        return Ok(false);
    }
    remove_mirror_files(tx, index, project, &held).await?;
    forget_listing(tx, index, project).await?;
    Ok(true)
}

async fn forget_listing(
    tx: &mut Transaction,
    index: &Index,
    project: &ProjectName,
) -> Result<(), Error> {
    mirrors::remove_listing(tx, index.id, project.normalized()).await?;
    tx.record(Event::of_project(
        EventKind::MirrorListingChanged,
        &index.name,
        project.normalized(),
        json!({ mirror::REMOVED: true }),
    ));
    Ok(())
}

async fn remove_mirrored_release(
    tx: &mut Transaction,
    index: &Index,
    project: &ProjectName,
    version: &str,
) -> Result<(), Error> {
    let mut held = mirrors::list_files(tx, index.id, project.normalized()).await?;
    if held.is_empty()
        && mirrors::find_listing(tx, index.id, project.normalized())
            .await?
            .is_none()
    {
        return Err(project_not_on(project, index));
    }
    held.retain(|file| {
        FileName::parse(&file.filename)
            .ok()
            .and_then(|name| name.version_for(project))
            .is_some_and(|found| found.as_str() == version)
    });
    if held.is_empty() {
        return Err(version_not_on(version, project, index));
    }
    remove_mirror_files(tx, index, project, &held).await
}

async fn remove_mirrored_file(
    tx: &mut Transaction,
    index: &Index,
    path: &FilePath,
    force: Force,
    permit: &(dyn Fn(&ProjectName) -> Result<(), Error> + Sync),
) -> Result<(), Error> {
    let Some(file) = mirrors::find_file_by_path(tx, index.id, &path.to_string()).await? else {
        return Err(file_not_on(tx, index, path).await?);
    };
    let project = ProjectName::parse(&file.project).map_err(Error::internal)?;
    permit(&project)?;
    check_volatile(index, force, || VERSION_IS_FIXED.to_owned())?;
    tombstones::record(tx, index.id, &path.to_string()).await?;
    remove_mirror_files(tx, index, &project, std::slice::from_ref(&file)).await?;
    if mirrors::list_files(tx, index.id, project.normalized())
        .await?
        .is_empty()
    {
        forget_listing(tx, index, &project).await?;
    }
    Ok(())
}

async fn remove_mirror_files(
    tx: &mut Transaction,
    index: &Index,
    project: &ProjectName,
    gone: &[mirrors::MirrorFile],
) -> Result<(), Error> {
    for file in gone {
        let name = Some(file.filename.as_str());
        mirrors::remove_files(tx, index.id, project.normalized(), name).await?;
        tx.record(Event::of_project(
            EventKind::MirrorFileRemoved,
            &index.name,
            project.normalized(),
            json!({"file": file.filename, "sha256": file.sha256}),
        ));
    }
    Ok(())
}

async fn file_not_on(tx: &mut Transaction, index: &Index, path: &FilePath) -> Result<Error, Error> {
    let path = path.to_string();
    let shown = format!("{}/{path}", index.name);
    Ok(if tombstones::exists(tx, index.id, &path).await? {
        Error::Gone(format!("file '{shown}' existed, deleted in later serial"))
    } else {
        Error::NotFound(format!("package '{shown}' doesn't exist"))
    })
}

fn project_not_on(project: &ProjectName, index: &Index) -> Error {
    Error::NotFound(format!(
        "project '{}' not found on stage '{}'",
        project.normalized(),
        index.name
    ))
}

fn version_not_on(version: &str, project: &ProjectName, index: &Index) -> Error {
    Error::NotFound(format!(
        "version '{version}' of project '{}' not found on stage '{}'",
        project.normalized(),
        index.name
    ))
}
