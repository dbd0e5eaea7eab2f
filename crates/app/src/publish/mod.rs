//! Taking in a file.
//!
//! A face feeds an [`Upload`] with the fields of the legacy form and the bytes of the file in
//! whatever order they arrive; [`Upload::finish`] judges the whole and keeps it. Blob first,
//! then one transaction that decides: a refused upload changes nothing (devpi stores the
//! form's metadata all the same), and of two uploads of one name exactly one wins on a
//! non-volatile index.

mod check;
mod documentation;
mod inspect;
mod limits;
mod place;

use std::sync::Arc;

use bytes::Bytes;
use cheeseshop_domain::{Action, Caller, Event, EventKind, Index, IndexName, LogEntry};
use cheeseshop_packaging::{ProjectName, UploadForm, Yanked};
use cheeseshop_storage::blobs::StoredBlob;
use cheeseshop_storage::database::{files, projects};
use cheeseshop_storage::{BlobWriter, SpooledBlob};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::resolve::readable_in;
use crate::trigger::Arrival;
use crate::{App, Error};

pub use self::limits::PublishLimits;

pub(crate) use self::documentation::IncomingDocumentation;
pub(crate) use self::inspect::{Found, Received};
pub(crate) use self::place::{
    Incoming, Metadata, Placed, Registered, current_index, path_of, register_release,
    remove_if_empty,
};

use self::check::{CheckedFile, CheckedRelease, already_exists};

/// What became of a published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// A new file.
    Created,
    /// The index holds these very bytes under this name: nothing happened.
    /// devpi answers 200 `Upload of identical file to non volatile index.`
    Identical {
        /// Whether other bytes would have replaced them.
        volatile: bool,
    },
    /// A volatile index held other bytes under this name; they are gone.
    Replaced,
}

/// What became of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// `file_upload`.
    File(Published),
    /// `file_upload`: the file is there, but somebody who wants to know of it could not be told.
    Unannounced {
        /// What became of the file.
        file: Published,
        /// Why, for the uploader; holds no secret.
        reason: String,
    },
    /// `doc_upload`.
    Documentation(Published),
    /// `submit`: metadata was registered.
    Metadata,
}

/// The live parts of publishing.
pub(crate) struct Publishing {
    /// Reading an archive takes a thread and some memory, so only a few are read at once.
    inspections: Arc<Semaphore>,
}

impl Publishing {
    pub(crate) fn new(limits: &PublishLimits) -> Self {
        Self {
            inspections: Arc::new(Semaphore::new(limits.concurrent_inspections.max(1))),
        }
    }
}

/// A form that is arriving. Dropping it forgets all of it.
pub struct Upload {
    app: App,
    caller: Caller,
    index: Arc<Index>,
    form: UploadForm,
    form_bytes: u64,
    content: Option<Content>,
    base_url: Option<String>,
}

/// A file that has been judged.
enum Prepared {
    /// The index holds it already.
    Known(Published),
    /// Its bytes are in the store, and nothing refers to them yet.
    Durable(Box<(CheckedFile, Incoming)>),
}

struct Content {
    filename: String,
    writer: BlobWriter,
}

impl App {
    /// Starts an upload: the index must exist, be hosted, and admit the caller.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] (also `cannot submit to mirror index`),
    /// [`Error::Unauthenticated`] for an anonymous caller and [`Error::Forbidden`] for others,
    /// both `no permission to submit`.
    pub async fn start_upload(&self, caller: &Caller, index: &IndexName) -> Result<Upload, Error> {
        self.catch_up().await?;
        let index = self.submittable_index(caller, index)?;
        Ok(Upload {
            app: self.clone(),
            caller: caller.clone(),
            index,
            form: UploadForm::new(),
            form_bytes: 0,
            content: None,
            base_url: None,
        })
    }

    /// The index, if the caller may upload to it. Who may upload need not be able to read.
    fn submittable_index(&self, caller: &Caller, name: &IndexName) -> Result<Arc<Index>, Error> {
        let directory = self.directory();
        let Some(index) = directory.index_by_name(name) else {
            return readable_in(&directory, caller, name);
        };
        match self.permit_upload(caller, index) {
            Ok(()) if index.is_read_only() => Err(read_only()),
            Ok(()) => Ok(Arc::clone(index)),
            Err(error) => {
                // Whoever may not see the index must not learn that it exists.
                let readable = self.readable_index(caller, name)?;
                if readable.is_mirror() {
                    return Err(Error::NotFound("cannot submit to mirror index".to_owned()));
                }
                Err(error)
            }
        }
    }

    fn permit_upload(&self, caller: &Caller, index: &Index) -> Result<(), Error> {
        match self.permit(caller, Action::Upload(index)) {
            Err(Error::Forbidden(text)) if caller.is_anonymous() => {
                Err(Error::Unauthenticated(text))
            }
            verdict => verdict,
        }
    }

    /// Looks at received bytes, off the async threads and not too many at once.
    pub(crate) async fn inspect<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.publishing().inspections)
            .acquire_owned()
            .await
            .map_err(Error::internal)?;
        tokio::task::spawn_blocking(move || {
            // Held to the end of the work, also when the request goes away meanwhile.
            let _permit = permit;
            look()
        })
        .await
        .map_err(Error::internal)?
    }
}

impl Upload {
    /// The most bytes that the whole request may have, boundaries and headers of parts
    /// included; for the face to enforce early.
    pub fn max_request_bytes(&self) -> u64 {
        let limits = self.limits();
        limits
            .max_file_bytes
            .saturating_add(limits.max_form_bytes)
            .saturating_add(1 << 20)
    }

    /// Announces a published file to those whom the index names, with this address of the
    /// server, which has no slash at the end. Without it nobody is told.
    pub fn announce_as(&mut self, base_url: &str) {
        self.base_url = Some(base_url.to_owned());
    }

    /// Takes one form field, `:action` included. Fields may be repeated.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] beyond the limits of a form.
    pub fn push_field(&mut self, name: &str, value: &str) -> Result<(), Error> {
        self.form_bytes += (name.len() + value.len()) as u64;
        if self.form_bytes > self.limits().max_form_bytes {
            return Err(Error::TooLarge(format!(
                "the form's fields are longer than {} bytes",
                self.limits().max_form_bytes
            )));
        }
        self.form
            .push(name, value)
            .map_err(|error| Error::TooLarge(error.to_string()))
    }

    /// Announces the part `content` with the file name of its header. Whatever
    /// [`Self::write`] takes afterwards is the file's bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a second file.
    pub async fn start_content(&mut self, filename: &str) -> Result<(), Error> {
        if self.content.is_some() {
            return Err(Error::Invalid(
                "the form has more than one content file".to_owned(),
            ));
        }
        // Where the name came first, as it mostly does, no bytes need be taken for nothing.
        self.permit_project()?;
        self.content = Some(Content {
            filename: filename.to_owned(),
            writer: self.app.blobs().writer().await?,
        });
        Ok(())
    }

    /// Takes bytes of the file.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] beyond the limit, [`Error::Internal`] when they cannot be written.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), Error> {
        let limit = self.limits().max_file_bytes;
        let Some(content) = &mut self.content else {
            return Err(content_missing());
        };
        if content.writer.bytes_written() + chunk.len() as u64 > limit {
            return Err(Error::TooLarge(format!(
                "the file is larger than {limit} bytes"
            )));
        }
        Ok(content.writer.write(chunk).await?)
    }

    /// Judges the form and, when it is right, keeps the file durably.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with devpi's texts, [`Error::Conflict`] `x already exists in
    /// non-volatile index`, and the errors of [`App::start_upload`], since the index may have
    /// changed meanwhile.
    pub async fn finish(self) -> Result<Uploaded, Error> {
        self.permit_project()?;
        match self.form.action() {
            Some("file_upload") => self.publish_and_announce().await,
            Some("submit") => self.submit().await.map(|()| Uploaded::Metadata),
            Some("doc_upload") => self
                .publish_documentation()
                .await
                .map(Uploaded::Documentation),
            None | Some("") => Err(Error::Invalid("the form has no `:action` field".to_owned())),
            Some(action) => {
                let action: String = action
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(100)
                    .collect();
                Err(Error::Invalid(format!("action '{action}' not supported")))
            }
        }
    }

    /// Publishes the file, and then tells whoever wants to know. That fails no upload.
    async fn publish_and_announce(mut self) -> Result<Uploaded, Error> {
        let prepared = self.prepare().await?;
        let announced = self
            .base_url
            .take()
            .filter(|_| self.index.config.upload_trigger.is_some())
            .zip(CheckedRelease::of(&self.form).ok());
        let Some((base_url, release)) = announced else {
            return Ok(Uploaded::File(self.publish(prepared).await?));
        };
        // What becomes durable is announced, also when the uploader goes away at the COMMIT.
        let app = self.app.clone();
        app.outgoing()
            .run(async move {
                let (app, index) = (self.app.clone(), Arc::clone(&self.index));
                let file = self.publish(prepared).await?;
                // Sent once more to a volatile index, a file is announced once more, as in devpi.
                if file == (Published::Identical { volatile: false }) {
                    return Ok(Uploaded::File(file));
                }
                let arrival = Arrival {
                    index: &index,
                    project: &release.project,
                    version: &release.version,
                    base_url: &base_url,
                };
                Ok(match app.announce(&arrival).await {
                    Ok(()) => Uploaded::File(file),
                    Err(reason) => Uploaded::Unannounced { file, reason },
                })
            })
            .await?
    }

    /// Whether the caller's token covers the project of the form. A form whose project cannot be
    /// read is refused for that.
    fn permit_project(&self) -> Result<(), Error> {
        match self.form.get("name").map(ProjectName::parse) {
            Some(Ok(project)) => {
                let caller = self.caller.about(project.normalized());
                self.app.permit_upload(&caller, &self.index)
            }
            Some(Err(_)) | None => Ok(()),
        }
    }

    async fn submit(self) -> Result<(), Error> {
        let release = CheckedRelease::of(&self.form)?;
        let metadata = self.form.metadata();
        let (app, index_id) = (self.app.clone(), self.index.id);
        let (caller, name) = (self.caller.clone(), self.index.name.clone());
        self.app
            .write(&self.caller, move |tx| {
                Box::pin(async move {
                    let index = place::current_index(tx, index_id, &name).await?;
                    app.permit_upload(&caller, &index)?;
                    register_release(
                        tx,
                        &index,
                        &release.project,
                        &release.version,
                        place::Metadata::Replaces(metadata),
                    )
                    .await?;
                    Ok(())
                })
            })
            .await?;
        Ok(())
    }

    /// Judges the file and makes its bytes durable.
    async fn prepare(&mut self) -> Result<Prepared, Error> {
        let content = self.content.take().ok_or_else(content_missing)?;
        let file = CheckedFile::of(&self.form, &content.filename)?;
        let spooled = content.writer.finish_spooled().await?;
        let received = self.received(&file, &spooled);
        // A wrong digest tells of damage under way, whatever would have come of the file.
        received.check_sha256()?;
        // What is bound to be refused, or is here already, need not be looked into or kept.
        // The transaction below decides for good.
        if let Some(known) = self.foresee(&file, &spooled).await? {
            self.app.inspect(move || received.check_digests()).await?;
            return Ok(Prepared::Known(known));
        }
        let found = self.app.inspect(move || received.inspect()).await?;
        // The file's own word counts, be it that there is none.
        let requires_python = match &found.metadata {
            Some(metadata) => metadata.requires_python.clone(),
            None => self
                .form
                .get("requires_python")
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
        };
        if requires_python
            .as_deref()
            .is_some_and(|text| !is_requirement(text))
        {
            return Err(Error::Invalid(
                "invalid metadata: `requires_python` contains control characters".to_owned(),
            ));
        }
        let (blob, core_metadata) = self.keep(spooled, found).await?;

        let now = self.app.clock().now();
        let incoming = Incoming {
            name: file.name.clone(),
            blob,
            requires_python,
            yanked: Yanked::No,
            core_metadata: core_metadata.map(|blob| blob.sha256),
            new_blobs: [Some(blob), core_metadata].into_iter().flatten().collect(),
            uploaded: now,
            log: vec![LogEntry::upload(
                self.caller.user_name(),
                now,
                &self.index.name,
            )],
        };
        Ok(Prepared::Durable(Box::new((file, incoming))))
    }

    /// Makes the file a part of the index.
    async fn publish(self, prepared: Prepared) -> Result<Published, Error> {
        let (file, incoming) = match prepared {
            Prepared::Known(known) => return Ok(known),
            Prepared::Durable(durable) => *durable,
        };
        let metadata = place::Metadata::Upload {
            new: self.form.metadata(),
            known: self.form.sent_metadata(),
        };
        let (app, index_id) = (self.app.clone(), self.index.id);
        let (caller, name) = (self.caller.clone(), self.index.name.clone());
        let committed = self
            .app
            .write(&self.caller, move |tx| {
                Box::pin(async move {
                    let index = place::current_index(tx, index_id, &name).await?;
                    app.permit_upload(&caller, &index)?;
                    let identical = Published::Identical {
                        volatile: index.config.volatile,
                    };
                    if place::is_identical(tx, &index, &file, &incoming.blob).await? {
                        return Ok(identical);
                    }
                    let release = register_release(
                        tx,
                        &index,
                        &file.release.project,
                        &file.release.version,
                        metadata,
                    )
                    .await?;
                    let detail = json!({
                        "version": file.release.version.as_str(),
                        "file": file.name.as_str(),
                        "sha256": incoming.blob.sha256,
                        "size": incoming.blob.size,
                    });
                    let placed = incoming.place(tx, &index, &release).await?;
                    let (kind, published) = match placed {
                        Placed::Identical => return Ok(identical),
                        Placed::Created => (EventKind::FilePublished, Published::Created),
                        Placed::Replaced => (EventKind::FileReplaced, Published::Replaced),
                    };
                    tx.record(Event::of_project(
                        kind,
                        &index.name,
                        file.release.project.normalized(),
                        detail,
                    ));
                    Ok(published)
                })
            })
            .await?;
        Ok(committed.value)
    }

    /// What will come of it, where that is clear without looking inside.
    async fn foresee(
        &self,
        file: &CheckedFile,
        spooled: &SpooledBlob,
    ) -> Result<Option<Published>, Error> {
        let mut reader = self.app.db().reader().await?;
        let project = file.release.project.normalized();
        let Some(project) = projects::find(&mut reader, self.index.id, project).await? else {
            return Ok(None);
        };
        let Some(held) = files::find(&mut reader, project.id, file.name.as_str()).await? else {
            return Ok(None);
        };
        if held.sha256 == spooled.sha256() && held.version == file.release.version {
            return Ok(Some(Published::Identical {
                volatile: self.index.config.volatile,
            }));
        }
        if self.index.config.volatile {
            Ok(None)
        } else {
            Err(already_exists(&file.name))
        }
    }

    fn received(&self, file: &CheckedFile, spooled: &SpooledBlob) -> Received {
        Received {
            path: spooled.path().to_owned(),
            name: file.name.clone(),
            sha256: spooled.sha256(),
            form: self.form.clone(),
            archive: self.limits().archive,
            verify: self.limits().verify_archives,
        }
    }

    /// Makes the file, and beside it a wheel's core metadata, durable.
    async fn keep(
        &self,
        spooled: SpooledBlob,
        found: Found,
    ) -> Result<(StoredBlob, Option<StoredBlob>), Error> {
        let document = async {
            match found.document {
                Some(document) => self.app.blobs().put(document.into()).await.map(Some),
                None => Ok(None),
            }
        };
        Ok(futures_util::future::try_join(spooled.keep(), document).await?)
    }

    fn limits(&self) -> &PublishLimits {
        &self.app.settings().publish
    }
}

/// Whether a text can stand for `Requires-Python` on a page and in a database; old metadata has
/// line breaks in it. Which versions of Python it means is the business of installers.
pub(crate) fn is_requirement(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() && !c.is_whitespace())
}

/// An index with constraints shows what it inherits, and nothing else.
pub(crate) fn read_only() -> Error {
    Error::ReadOnly("index is marked read only".to_owned())
}

fn content_missing() -> Error {
    Error::Invalid("content file field not found".to_owned())
}
