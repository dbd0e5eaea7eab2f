//! `doc_upload`: taking in the documentation of a release.
//!
//! The archive is kept as it was sent and served out of itself (see [`crate::documentation`]), so
//! everything that could be wrong with it is found out before it is kept.

use cheeseshop_domain::{Documentation, Event, EventKind, Index, JsonMap, LogEntry, Project};
use cheeseshop_packaging::archive::ArchiveError;
use cheeseshop_packaging::archive::documentation::{self, DocumentationPages};
use cheeseshop_packaging::{FileName, ProjectName, Sha256, Version};
use cheeseshop_storage::blobs::StoredBlob;
use cheeseshop_storage::database::documentation::{self as rows, NewDocumentation};
use cheeseshop_storage::database::{blobs, projects, releases, tombstones};
use cheeseshop_storage::{Connection, SpooledBlob, Transaction};
use jiff::Timestamp;
use serde_json::json;

use super::check::{already_exists, invalid_metadata};
use super::place::{Metadata, Placed, Registered, current_index, register_release};
use super::{Published, Received, Upload, content_missing};
use crate::Error;
use crate::documentation::MAX_DIRECTORY_WEIGHT;
use crate::users::invalid;

/// Documentation that is about to be kept. Its blob is durable already.
pub(crate) struct IncomingDocumentation {
    pub(crate) blob: StoredBlob,
    pub(crate) uploaded: Timestamp,
    /// How it came here; the last entry is what happens now.
    pub(crate) log: Vec<LogEntry>,
}

/// What the form says it is about.
struct About {
    project: ProjectName,
    /// The newest of the project's on this index when the form names none.
    version: Option<Version>,
}

impl Upload {
    /// Judges the form and, when all is right with it, keeps the documentation durably.
    pub(super) async fn publish_documentation(mut self) -> Result<Published, Error> {
        let content = self.content.take().ok_or_else(content_missing)?;
        let about = About::read(self.form.name(), self.form.version())?;
        let spooled = content.writer.finish_spooled().await?;
        let received = self.received_documentation(&about, &spooled)?;
        received.check_sha256()?;
        if let Some(known) = self.foresee_documentation(&about, spooled.sha256()).await? {
            self.app.inspect(move || received.check_digests()).await?;
            return Ok(known);
        }
        let limits = self.limits().documentation_archive();
        self.app
            .inspect(move || {
                received.check_digests()?;
                let pages = documentation::inspect(received.open()?, &limits).map_err(refused)?;
                check_weight(&pages)
            })
            .await?;
        let blob = spooled.keep().await?;

        let now = self.app.clock().now();
        let incoming = IncomingDocumentation {
            blob,
            uploaded: now,
            log: vec![LogEntry::upload(
                self.caller.user_name(),
                now,
                &self.index.name,
            )],
        };
        let metadata = (self.form.metadata(), self.form.sent_metadata());
        let (app, index_id) = (self.app.clone(), self.index.id);
        let (caller, name) = (self.caller.clone(), self.index.name.clone());
        let committed = self
            .app
            .write(&self.caller, move |tx| {
                Box::pin(async move {
                    let index = current_index(tx, index_id, &name).await?;
                    app.permit_upload(&caller.about(about.project.normalized()), &index)?;
                    let identical = Published::Identical {
                        volatile: index.config.volatile,
                    };
                    if about
                        .find_held(tx, &index)
                        .await?
                        .is_some_and(|held| held.sha256 == incoming.blob.sha256)
                    {
                        return Ok(identical);
                    }
                    let registered = about.register(tx, &index, metadata).await?;
                    let detail = incoming.detail(&registered);
                    let published = match incoming.place(tx, &index, &registered).await? {
                        Placed::Identical => return Ok(identical),
                        Placed::Created => Published::Created,
                        Placed::Replaced => Published::Replaced,
                    };
                    tx.record(Event::of_project(
                        EventKind::DocumentationPublished,
                        &index.name,
                        registered.project.name.normalized(),
                        detail,
                    ));
                    Ok(published)
                })
            })
            .await?;
        Ok(committed.value)
    }

    /// What will come of it, where that is clear without looking inside.
    async fn foresee_documentation(
        &self,
        about: &About,
        sha256: Sha256,
    ) -> Result<Option<Published>, Error> {
        let mut reader = self.app.db().reader().await?;
        match about.find_held(&mut reader, &self.index).await? {
            Some(held) if held.sha256 == sha256 => Ok(Some(Published::Identical {
                volatile: self.index.config.volatile,
            })),
            Some(held) if !self.index.config.volatile => Err(already_exists(&held.name)),
            _ => Ok(None),
        }
    }

    fn received_documentation(
        &self,
        about: &About,
        spooled: &SpooledBlob,
    ) -> Result<Received, Error> {
        // Only for looking at the bytes; the name to keep needs the version.
        let name = FileName::parse(&format!("{}.doc.zip", about.project.normalized()));
        Ok(Received {
            path: spooled.path().to_owned(),
            name: name.map_err(invalid)?,
            sha256: spooled.sha256(),
            form: self.form.clone(),
            archive: self.limits().documentation_archive(),
            verify: true,
        })
    }
}

impl About {
    fn read(name: &str, version: &str) -> Result<Self, Error> {
        let project = ProjectName::parse(name).map_err(invalid_metadata)?;
        let version = match version {
            "" => None,
            version => Some(Version::parse(version).map_err(invalid_metadata)?),
        };
        if let Some(version) = &version {
            Documentation::name_for(&project, version).map_err(invalid)?;
        }
        Ok(Self { project, version })
    }

    fn no_release(&self) -> Error {
        Error::Invalid(format!(
            "doczip has no version and '{}' has no releases to derive one from",
            self.project.normalized()
        ))
    }

    /// The documentation that the release has now. An error when there is no release and the form
    /// names none.
    async fn find_held(
        &self,
        connection: &mut Connection,
        index: &Index,
    ) -> Result<Option<Documentation>, Error> {
        let name = self.project.normalized();
        let Some(project) = projects::find(connection, index.id, name).await? else {
            return match self.version {
                Some(_) => Ok(None),
                None => Err(self.no_release()),
            };
        };
        let version = match &self.version {
            Some(version) => version.clone(),
            None => newest(connection, &project)
                .await?
                .ok_or_else(|| self.no_release())?,
        };
        Ok(
            match releases::find(connection, project.id, version.as_str()).await? {
                Some(release) => rows::find(connection, release.id).await?,
                None => None,
            },
        )
    }

    /// The release that the documentation is for. One that the form names is registered with the
    /// form's metadata; one that it does not name is left as it is, as in devpi.
    async fn register(
        &self,
        tx: &mut Transaction,
        index: &Index,
        (new, known): (JsonMap, JsonMap),
    ) -> Result<Registered, Error> {
        if let Some(version) = &self.version {
            let metadata = Metadata::Upload { new, known };
            return register_release(tx, index, &self.project, version, metadata).await;
        }
        let no_release = || self.no_release();
        let project = projects::find(tx, index.id, self.project.normalized())
            .await?
            .ok_or_else(no_release)?;
        let version = newest(tx, &project).await?.ok_or_else(no_release)?;
        let release = releases::find(tx, project.id, version.as_str())
            .await?
            .ok_or_else(no_release)?;
        Ok(Registered { project, release })
    }
}

async fn newest(connection: &mut Connection, project: &Project) -> Result<Option<Version>, Error> {
    let versions = releases::list_versions(connection, project.id).await?;
    Ok(versions.into_iter().max())
}

impl IncomingDocumentation {
    /// What the change log says of it.
    pub(crate) fn detail(&self, registered: &Registered) -> serde_json::Value {
        json!({
            "version": registered.release.version.as_str(),
            "sha256": self.blob.sha256,
            "size": self.blob.size,
        })
    }

    /// Keeps the documentation for the release. Records no event: the caller knows what it is.
    pub(crate) async fn place(
        self,
        tx: &mut Transaction,
        index: &Index,
        registered: &Registered,
    ) -> Result<Placed, Error> {
        let Registered { project, release } = registered;
        let held = rows::find(tx, release.id).await?;
        if let Some(held) = &held {
            if held.sha256 == self.blob.sha256 {
                return Ok(Placed::Identical);
            }
            if !index.config.volatile {
                return Err(already_exists(&held.name));
            }
            tombstones::record(tx, index.id, &held.path().to_string()).await?;
        }
        let mut log = self.log;
        if let (Some(held), Some(last)) = (&held, log.last()) {
            let mut overwrite = LogEntry::after_overwrite(&held.log, last.clone());
            overwrite.truncate(1);
            log.splice(..0, overwrite);
        }
        blobs::register(tx, self.blob.sha256, self.blob.size).await?;
        let new = NewDocumentation {
            name: Documentation::name_for(&project.name, &release.version).map_err(invalid)?,
            sha256: self.blob.sha256,
            size: self.blob.size,
            uploaded: self.uploaded,
            log,
        };
        rows::save(tx, index.id, release, &new).await?;
        Ok(match held {
            Some(_) => Placed::Replaced,
            None => Placed::Created,
        })
    }
}

/// Each page that is read needs the directory, which therefore has to fit in the memory for them.
fn check_weight(pages: &DocumentationPages) -> Result<(), Error> {
    if pages.weight() as u64 <= MAX_DIRECTORY_WEIGHT {
        return Ok(());
    }
    Err(Error::Invalid(
        "invalid documentation: it has too many pages with too long names".to_owned(),
    ))
}

fn refused(error: ArchiveError) -> Error {
    match error {
        ArchiveError::Io(error) => Error::internal(error),
        error => Error::Invalid(format!("invalid documentation: {error}")),
    }
}
