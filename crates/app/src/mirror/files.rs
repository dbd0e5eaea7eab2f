//! Files of mirrors: what is held, what has to be fetched, and the keeping of what was.

use std::sync::Arc;

use cheeseshop_domain::{Event, EventKind, FilePath, Index};
use cheeseshop_packaging::simple::PageFile;
use cheeseshop_packaging::{FileName, ProjectName};
use cheeseshop_storage::database::mirrors::MirrorFile;
use cheeseshop_storage::database::{blobs, mirrors};
use futures_util::FutureExt;
use http::header::LAST_MODIFIED;
use http::{Method, StatusCode};
use serde_json::json;
use url::Url;

use super::download::{Arrived, Wanted, failure_key, parse_http_date};
use super::failure::Failure;
use super::project_list::note_if_newly_held;
use super::reading::Reading;
use super::source::{Source, without_userinfo};
use super::upstream::Request;
use super::{Inner, telemetry};
use crate::Error;
use crate::file_handle::FileHandle;
use crate::pages::mirror_file_path;

impl Inner {
    pub(super) async fn open_file(
        self: &Arc<Self>,
        index: &Arc<Index>,
        project: &ProjectName,
        file: &PageFile,
    ) -> Result<FileHandle, Error> {
        let path = path_of(file)?;
        if let Some(handle) = self.held_file(index, project, file, &path).await? {
            telemetry::cache("file", "hit");
            return Ok(handle);
        }
        let wanted = self.wanted(index, project, file, path)?;
        if wanted.source.config().uses_external_urls() {
            return Ok(FileHandle::redirect(
                file.filename.clone(),
                file.size,
                self.modified(file),
                wanted.url.into(),
            ));
        }
        self.open_download(wanted).await
    }

    pub(super) async fn describe_file(
        self: &Arc<Self>,
        index: &Arc<Index>,
        project: &ProjectName,
        file: &PageFile,
    ) -> Result<FileHandle, Error> {
        let path = path_of(file)?;
        if let Some(handle) = self.held_file(index, project, file, &path).await? {
            return Ok(handle);
        }
        let wanted = self.wanted(index, project, file, path)?;
        let (name, sha256) = (file.filename.clone(), file.hashes.sha256());
        if wanted.source.config().uses_external_urls() {
            let modified = self.modified(file);
            let url = wanted.url.into();
            return Ok(FileHandle::redirect(name, file.size, modified, url));
        }
        if file.size.is_some() {
            let modified = self.modified(file);
            return Ok(FileHandle::described(name, file.size, sha256, modified));
        }
        let patience = self.settings.request_timeout;
        let request = Request::file(Method::HEAD, wanted.url.clone(), patience);
        let what = format!("`{}`", file.filename);
        let answer = self
            .upstream
            .send(&wanted.source, request)
            .await
            .map_err(|error| Failure::upstream(&error, &what))?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(wanted.absent(answer.status).into());
            }
            _ => return Err(Failure::upstream(&answer.status_error(), &what).into()),
        }
        let modified = answer
            .header(LAST_MODIFIED)
            .and_then(parse_http_date)
            .unwrap_or_else(|| self.modified(file));
        let size = answer.content_length();
        Ok(FileHandle::described(name, size, sha256, modified))
    }

    /// Joins or starts the download, also where clients are sent elsewhere.
    pub(super) async fn open_download(
        self: &Arc<Self>,
        wanted: Wanted,
    ) -> Result<FileHandle, Error> {
        let name = wanted.file.filename.clone();
        let sha256 = wanted.file.hashes.sha256();
        let reading = self.join_download(wanted)?;
        match reading.started().await? {
            Ok(head) => Ok(FileHandle::from_download(
                name,
                sha256,
                head.modified,
                reading,
            )),
            Err(held) => Ok(held),
        }
    }

    fn join_download(self: &Arc<Self>, wanted: Wanted) -> Result<Reading, Failure> {
        let key = (wanted.index.id, wanted.path.to_string());
        if let Some(failure) = self.memory.failure(&failure_key(&key), self.clock.now()) {
            return Err(failure);
        }
        self.downloads.join(key, |flight| {
            self.tasks.spawn(Arc::clone(self).fly_file(flight, wanted));
        })
    }

    /// What a download needs to know.
    pub(super) fn wanted(
        &self,
        index: &Arc<Index>,
        project: &ProjectName,
        file: &PageFile,
        path: FilePath,
    ) -> Result<Wanted, Error> {
        let source = Source::of(index).filter(|_| !self.settings.offline);
        let url = Url::parse(&file.url).ok();
        let (Some(source), Some(url)) = (source, url) else {
            return Err(Error::NotFound(format!(
                "{} is not held here, and there is no upstream to ask",
                file.filename
            )));
        };
        Ok(Wanted {
            index: Arc::clone(index),
            project: project.clone(),
            file: file.clone(),
            path,
            url: without_userinfo(url),
            source,
        })
    }

    /// The held file, if it is the one that is listed.
    pub(super) async fn held_file(
        &self,
        index: &Index,
        project: &ProjectName,
        file: &PageFile,
        path: &FilePath,
    ) -> Result<Option<FileHandle>, Error> {
        let mut reader = self.db.reader().await?;
        let row =
            mirrors::find_file(&mut reader, index.id, project.normalized(), &file.filename).await?;
        drop(reader);
        let Some(row) = row else {
            return Ok(None);
        };
        if !is_listed(&row, file, path) {
            if index.config.volatile {
                return Ok(None);
            }
            return Err(Error::Conflict(format!(
                "the upstream lists other bytes for {} than are held, and {} is not volatile",
                file.filename, index.name
            )));
        }
        // A row whose bytes are gone is as good as none: they are fetched again.
        let blob = self.blobs.open_blob(&row.sha256).await?;
        Ok(blob.map(|blob| {
            let modified = row.last_modified.as_deref().and_then(parse_http_date);
            FileHandle::from_blob(
                row.filename,
                row.sha256,
                modified.or(file.upload_time).unwrap_or(row.fetched_at),
                blob,
            )
        }))
    }

    /// Keeps a verified file. Those who wait for it have it by now; what fails here only means
    /// that it is fetched again.
    pub(super) async fn keep_file(&self, wanted: &Wanted, arrived: Arrived) {
        if let Err(error) = self.try_keep_file(wanted, arrived).await {
            tracing::warn!(
                index.name = %wanted.index.name,
                file.name = wanted.file.filename,
                error = &error as &dyn std::error::Error,
                "a file of an upstream could not be kept"
            );
        }
    }

    async fn try_keep_file(&self, wanted: &Wanted, arrived: Arrived) -> Result<(), Error> {
        let stored = arrived.blob.keep().await?;
        let row = MirrorFile {
            filename: wanted.file.filename.clone(),
            project: wanted.project.normalized().to_owned(),
            sha256: stored.sha256,
            size: stored.size,
            path: wanted.path.to_string(),
            core_metadata: None,
            fetched_at: self.clock.now(),
            last_modified: arrived.last_modified,
        };
        let mut event = Event::of_project(
            EventKind::MirrorFileStored,
            &wanted.index.name,
            wanted.project.normalized(),
            json!({
                "file": row.filename,
                "sha256": row.sha256.to_string(),
                "size": row.size,
            }),
        );
        let (index, source) = (wanted.index.id, wanted.source.clone());
        self.store(&wanted.index, move |tx| {
            async move {
                note_if_newly_held(tx, &source, index, &row.project, &mut event).await?;
                blobs::register(tx, row.sha256, row.size).await?;
                mirrors::save_file(tx, index, &row).await?;
                tx.record(event);
                Ok(())
            }
            .boxed()
        })
        .await
    }

    fn modified(&self, file: &PageFile) -> jiff::Timestamp {
        file.upload_time.unwrap_or_else(|| self.clock.now())
    }
}

/// Where a listed file stands below its index.
pub(super) fn path_of(file: &PageFile) -> Result<FilePath, Error> {
    mirror_file_path(file).ok_or_else(|| Error::NotFound("no such file".to_owned()))
}

/// The name of a listed file.
pub(super) fn name_of(file: &PageFile) -> Result<FileName, Error> {
    FileName::parse(&file.filename).map_err(|error| Error::NotFound(error.to_string()))
}

fn is_listed(row: &MirrorFile, file: &PageFile, path: &FilePath) -> bool {
    match file.hashes.sha256() {
        Some(sha256) => sha256 == row.sha256,
        None => row.path == path.to_string(),
    }
}
