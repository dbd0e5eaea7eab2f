//! Core metadata of mirrored files: for every wheel, whatever the upstream offers.
//!
//! The sources, best first: what is kept here; the wheel, if it is held and its document has the
//! digest that the listing gives; the document that the upstream serves beside the file; a held
//! wheel of which no digest is announced, which also does when the upstream is in trouble;
//! ranges of the wheel at the upstream; the whole wheel. What does not have the announced digest
//! is never served: installers refuse metadata that disagrees with the listing.

use std::sync::Arc;

use bytes::Bytes;
use cheeseshop_domain::Index;
use cheeseshop_packaging::simple::{CoreMetadataMark, PageFile};
use cheeseshop_packaging::{
    ArchiveError, ArchiveLimits, FileKind, FileName, Hashes, ProjectName, Sha256,
};
use cheeseshop_storage::database::{blobs, mirrors};
use futures_util::FutureExt;
use http::{Method, StatusCode};
use jiff::Timestamp;
use sha2::Digest;

use super::digests::verify_all;
use super::download::{DownloadKey, Wanted, failure_key};
use super::failure::{Failure, RETRY_PAUSE, later};
use super::files::{name_of, path_of};
use super::flights::{Flights, Landing};
use super::upstream::{Request, UpstreamError};
use super::wheel::{Unreadable, read_held};
use super::{Inner, telemetry};
use crate::Error;
use crate::file_handle::FileHandle;

/// What the flight of a metadata document lands.
#[derive(Clone)]
pub(super) struct Metadata {
    bytes: Bytes,
    sha256: Sha256,
}

/// One document per file.
pub(super) type MetadataFlights = Flights<DownloadKey, Metadata>;

impl Inner {
    pub(super) async fn open_core_metadata(
        self: &Arc<Self>,
        index: &Arc<Index>,
        project: &ProjectName,
        file: &PageFile,
    ) -> Result<FileHandle, Error> {
        let name = name_of(file)?;
        let document = name.core_metadata_name();
        let modified = file.upload_time.unwrap_or_else(|| self.clock.now());
        if let Some(handle) = self
            .held_metadata(index, project, file, &document, modified)
            .await?
        {
            telemetry::cache("core_metadata", "hit");
            return Ok(handle);
        }
        let is_announced = matches!(file.core_metadata, CoreMetadataMark::Available(_));
        if name.kind() != FileKind::Wheel && !is_announced {
            return Err(Error::NotFound(format!(
                "no metadata found in {}",
                file.filename
            )));
        }
        let path = path_of(file)?;
        let key = (index.id, path.to_string());
        let failure_key = metadata_failure_key(&key);
        let failure = self.memory.failure(&failure_key, self.clock.now());
        let held_wheel = match (name.kind(), &failure) {
            // What failed upstream need not fail here: the wheel may have come since.
            (FileKind::Wheel, None | Some(Failure::Upstream { .. })) => {
                self.held_file(index, project, file, &path).await?
            }
            _ => None,
        };
        let wanted = match failure {
            Some(failure) if held_wheel.is_none() => return Err(failure.into()),
            Some(_) => None,
            None => match self.wanted(index, project, file, path) {
                Ok(wanted) => Some(wanted),
                // Only a file that has to be fetched needs an upstream.
                Err(error) if held_wheel.is_none() => return Err(error),
                Err(_) => None,
            },
        };
        let wanting = Wanting {
            index: Arc::clone(index),
            project: project.clone(),
            file: file.clone(),
            name,
            held_wheel,
            wanted,
            failure_key,
        };
        let landed = self.metadata_flights.join(key, |landing| {
            let flight = Arc::clone(self).fly_metadata(landing, wanting);
            self.tasks.spawn(flight);
        });
        let Metadata { bytes, sha256 } = landed.await?;
        Ok(FileHandle::from_bytes(document, sha256, modified, bytes))
    }

    /// The kept document, if it is the one that the listing announces.
    async fn held_metadata(
        &self,
        index: &Index,
        project: &ProjectName,
        file: &PageFile,
        document: &str,
        modified: Timestamp,
    ) -> Result<Option<FileHandle>, Error> {
        let mut reader = self.db.reader().await?;
        let held = mirrors::find_core_metadata(
            &mut reader,
            index.id,
            project.normalized(),
            &file.filename,
        );
        let held = held.await?;
        drop(reader);
        let Some(sha256) = held else {
            return Ok(None);
        };
        let announced = announced(file).and_then(Hashes::sha256);
        if announced.is_some_and(|announced| announced != sha256) {
            return Ok(None);
        }
        let blob = self.blobs.open_blob(&sha256).await?;
        Ok(blob.map(|blob| FileHandle::from_blob(document.to_owned(), sha256, modified, blob)))
    }

    async fn fly_metadata(
        self: Arc<Self>,
        landing: Landing<DownloadKey, Metadata>,
        wanting: Wanting,
    ) {
        // Someone may have landed between the look and the take-off.
        let held = self
            .held_metadata(
                &wanting.index,
                &wanting.project,
                &wanting.file,
                "",
                Timestamp::UNIX_EPOCH,
            )
            .await;
        if let Ok(Some(handle)) = &held
            && let Some(metadata) = self.in_memory(handle).await
        {
            return landing.land(Ok(metadata));
        }
        telemetry::cache("core_metadata", "miss");
        let found = {
            let _permit = self.upstream.metadata_permit().await;
            self.find_metadata(&wanting).await
        };
        match found {
            Ok(bytes) => {
                let sha256 = Sha256(sha2::Sha256::digest(&bytes).into());
                let metadata = Metadata { bytes, sha256 };
                landing.land(Ok(metadata.clone()));
                self.keep_metadata(&wanting, metadata).await;
            }
            Err(failure) => {
                tracing::warn!(
                    index.name = %wanting.index.name,
                    file.name = wanting.file.filename,
                    failure = %Error::from(failure.clone()),
                    "no core metadata for a file"
                );
                if matches!(failure, Failure::Upstream { .. } | Failure::NotFound(_)) {
                    let until = later(self.clock.now(), RETRY_PAUSE);
                    let key = wanting.failure_key.clone();
                    self.memory.remember_failure(key, until, failure.clone());
                }
                landing.land(Err(failure));
            }
        }
    }

    /// Goes through the sources until one gives what the listing announces.
    async fn find_metadata(self: &Arc<Self>, wanting: &Wanting) -> Result<Bytes, Failure> {
        let limits = ArchiveLimits {
            max_metadata_bytes: self.settings.max_core_metadata_bytes,
            ..ArchiveLimits::default()
        };
        let held = match &wanting.held_wheel {
            Some(_) => Some(self.read_wheel(wanting, &limits).await),
            None => None,
        };
        if wanting.is_digest_announced()
            && let Some(Ok(bytes)) = &held
            && wanting.accepts(bytes)
        {
            return Ok(bytes.clone());
        }
        let mut wrong = None;
        if let Some(wanted) = &wanting.wanted
            && wanting.is_offered()
        {
            match self.fetch_metadata(wanted).await {
                Ok(Some(bytes)) if wanting.accepts(&bytes) => return Ok(bytes.into()),
                Ok(Some(_)) => wrong = Some(wanting.wrong()),
                Ok(None) => {}
                Err(error) => {
                    return match held {
                        Some(Ok(bytes)) if wanting.accepts(&bytes) => Ok(bytes),
                        // The upstream is in trouble: larger requests would not help it.
                        _ => Err(wanting.failed(&error)),
                    };
                }
            }
        }
        if wanting.name.kind() == FileKind::Wheel {
            let bytes = match held {
                Some(read) => read?,
                None => self.read_wheel(wanting, &limits).await?,
            };
            if wanting.accepts(&bytes) {
                return Ok(bytes);
            }
            wrong = Some(wanting.wrong());
        }
        Err(wrong.unwrap_or_else(|| wanting.none()))
    }

    async fn read_wheel(
        self: &Arc<Self>,
        wanting: &Wanting,
        limits: &ArchiveLimits,
    ) -> Result<Bytes, Failure> {
        let name = &wanting.name;
        let read = match (&wanting.held_wheel, &wanting.wanted) {
            (Some(handle), _) => {
                let size = handle.complete().await?;
                read_held(handle, size, name, limits).await
            }
            (None, Some(wanted)) => match self.read_remote_wheel(wanted, name, limits).await {
                Err(Unreadable::NoRanges) => {
                    let handle = self.open_download(wanted.clone()).await?;
                    let size = handle.complete().await?;
                    read_held(&handle, size, name, limits).await
                }
                read => read,
            },
            (None, None) => return Err(wanting.none()),
        };
        read.map(Bytes::from)
            .map_err(|unreadable| match unreadable {
                Unreadable::NoRanges => wanting.none(),
                Unreadable::Wheel(error @ ArchiveError::LimitExceeded(_)) => {
                    Failure::TooLarge(format!("{}: {error}", wanting.file.filename).into())
                }
                Unreadable::Wheel(error) => {
                    tracing::debug!(
                        file.name = wanting.file.filename,
                        error = &error as &dyn std::error::Error,
                        "a wheel at an upstream has no readable core metadata"
                    );
                    wanting.none()
                }
                Unreadable::Absent(status) => Failure::NotFound(
                    format!(
                        "error {} getting {}",
                        status.as_u16(),
                        wanting.file.filename
                    )
                    .into(),
                ),
                Unreadable::Upstream(error) => wanting.failed(&error),
                Unreadable::Own(error) => Failure::internal(error),
            })
    }

    /// The document beside the file; `None` when the upstream has none.
    async fn fetch_metadata(&self, wanted: &Wanted) -> Result<Option<Vec<u8>>, UpstreamError> {
        let mut url = wanted.url.clone();
        url.set_path(&format!("{}.metadata", url.path()));
        let request = Request::file(Method::GET, url, self.settings.request_timeout);
        let mut answer = self.upstream.send(&wanted.source, request).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            _ => return Err(answer.status_error()),
        }
        let limit = self.settings.max_core_metadata_bytes;
        answer.body(limit).await.map(Some)
    }

    async fn in_memory(&self, handle: &FileHandle) -> Option<Metadata> {
        let sha256 = handle.sha256?;
        let blob = self.blobs.open_blob(&sha256).await.ok()??;
        let limit = self.settings.max_core_metadata_bytes;
        let bytes = blob.bytes(limit).await.ok()?;
        Some(Metadata { bytes, sha256 })
    }

    /// Keeps a document. No event: it is derived from the file and comes back by itself.
    async fn keep_metadata(&self, wanting: &Wanting, metadata: Metadata) {
        if let Err(error) = self.try_keep_metadata(wanting, metadata).await {
            tracing::warn!(
                index.name = %wanting.index.name,
                file.name = wanting.file.filename,
                error = &error as &dyn std::error::Error,
                "core metadata could not be kept"
            );
        }
    }

    async fn try_keep_metadata(&self, wanting: &Wanting, metadata: Metadata) -> Result<(), Error> {
        let stored = self.blobs.put(metadata.bytes).await?;
        let (index, sha256) = (wanting.index.id, stored.sha256);
        let project = wanting.project.normalized().to_owned();
        let filename = wanting.file.filename.clone();
        self.store(&wanting.index, move |tx| {
            async move {
                blobs::register(tx, sha256, stored.size).await?;
                mirrors::save_core_metadata(tx, index, &project, &filename, sha256).await
            }
            .boxed()
        })
        .await
    }
}

/// A document that is wanted, and where it may come from.
struct Wanting {
    index: Arc<Index>,
    project: ProjectName,
    file: PageFile,
    name: FileName,
    held_wheel: Option<FileHandle>,
    wanted: Option<Wanted>,
    failure_key: String,
}

impl Wanting {
    /// Whether the upstream says, or the configuration promises, that it serves the document.
    fn is_offered(&self) -> bool {
        announced(&self.file).is_some()
            || self
                .wanted
                .as_ref()
                .is_some_and(|wanted| wanted.source.config().provides_core_metadata())
    }

    /// Whether the listing gives what proves a document.
    fn is_digest_announced(&self) -> bool {
        announced(&self.file).is_some_and(|hashes| hashes.sha256().is_some())
    }

    fn accepts(&self, bytes: &[u8]) -> bool {
        announced(&self.file).is_none_or(|hashes| verify_all(hashes, bytes).is_ok())
    }

    fn failed(&self, error: &UpstreamError) -> Failure {
        let what = format!("the metadata of `{}`", self.file.filename);
        Failure::upstream(error, &what)
    }

    fn wrong(&self) -> Failure {
        telemetry::refused_file("digest");
        self.failed(&UpstreamError::Unusable("other metadata than it lists"))
    }

    fn none(&self) -> Failure {
        Failure::NotFound(format!("no metadata found in {}", self.file.filename).into())
    }
}

fn announced(file: &PageFile) -> Option<&Hashes> {
    match &file.core_metadata {
        CoreMetadataMark::Available(hashes) => Some(hashes),
        CoreMetadataMark::Absent => None,
    }
}

fn metadata_failure_key(key: &DownloadKey) -> String {
    format!("{}.metadata", failure_key(key))
}
