//! Fetching the files of a mirrored release, so that they can be pushed.

use std::sync::Arc;
use std::time::Duration;

use cheeseshop_domain::{Index, JsonMap};
use cheeseshop_packaging::simple::PageFile;
use cheeseshop_packaging::{FileName, ProjectName, UploadForm, Version};
use futures_util::TryStreamExt as _;

use super::attached::Attached;
use super::{Leaving, Route, no_files};
use crate::publish::{Incoming, Received, is_requirement};
use crate::{App, Error};

impl App {
    /// Fetches all files of a mirrored release into the store.
    pub(super) async fn fetch_release(
        &self,
        source: &Arc<Index>,
        route: &Route,
    ) -> Result<Leaving, Error> {
        let project = &route.project;
        let listing = self.mirrors().listing(source, project).await?;
        let mut listed: Vec<(FileName, Version, PageFile)> = listing
            .iter()
            .flat_map(|state| &state.listing.page.files)
            .filter_map(|file| {
                let name = FileName::parse(&file.filename).ok()?;
                let version = name.version_for(project)?;
                (version.as_str() == route.version).then(|| (name, version, file.clone()))
            })
            .collect();
        listed.sort_by(|one, other| one.0.cmp(&other.0));
        let Some((_, version, _)) = listed.first() else {
            return Err(no_files(route, source));
        };
        let version = version.clone();
        let mut metadata = None;
        let mut arriving = Vec::new();
        for (name, _, file) in listed {
            let (file, found) = self.fetch_file(source, project, name, &file).await?;
            metadata = metadata.or(found);
            arriving.push(file);
        }
        let metadata = match metadata {
            Some(metadata) => metadata,
            None => bare_metadata(project, &version)?,
        };
        Ok(Leaving {
            project: project.clone(),
            version,
            metadata,
            files: arriving,
            attached: Attached::default(),
        })
    }

    async fn fetch_file(
        &self,
        source: &Arc<Index>,
        project: &ProjectName,
        name: FileName,
        file: &PageFile,
    ) -> Result<(Incoming, Option<JsonMap>), Error> {
        let handle = self.mirrors().open_file(source, project, file).await?;
        if handle.redirect_url().is_some() {
            return Err(Error::Invalid(format!(
                "index {} does not keep files (mirror_use_external_urls), so `{name}` cannot be pushed",
                source.name
            )));
        }
        // Written anew although the mirror may hold it: a blob that was just put is safe from
        // garbage collection until the transaction refers to it.
        let mut writer = self.blobs().writer().await?;
        let mut bytes = handle.read_all();
        while let Some(chunk) = bytes
            .try_next()
            .await
            .map_err(|error| Error::UpstreamFailed {
                message: format!("`{name}` could not be fetched"),
                timeout: error.kind() == std::io::ErrorKind::TimedOut,
                retry_after: Duration::from_secs(5),
            })?
        {
            writer.write(chunk).await?;
        }
        let spooled = writer.finish_spooled().await?;
        if file
            .hashes
            .sha256()
            .is_some_and(|announced| announced != spooled.sha256())
        {
            return Err(Error::internal(format!(
                "the mirror gave other bytes for `{name}` than it lists"
            )));
        }
        let received = Received {
            path: spooled.path().to_owned(),
            name: name.clone(),
            sha256: spooled.sha256(),
            form: UploadForm::new(),
            archive: self.settings().publish.archive,
            verify: false,
        };
        let found = self.inspect(move || received.read_metadata()).await?;
        let blob = spooled.keep().await?;
        let mut new_blobs = vec![blob];
        if let Some(document) = found.document {
            new_blobs.push(self.blobs().put(document.into()).await?);
        }
        let requires_python = file
            .requires_python
            .clone()
            .or_else(|| found.metadata.as_ref()?.requires_python.clone())
            .filter(|text| is_requirement(text));
        let leaving = Incoming {
            name,
            blob,
            requires_python,
            yanked: file.yanked.clone(),
            core_metadata: new_blobs.get(1).map(|blob| blob.sha256),
            new_blobs,
            uploaded: file.upload_time.unwrap_or_else(|| self.clock().now()),
            log: Vec::new(),
        };
        Ok((
            leaving,
            found.metadata.map(|metadata| metadata.to_devpi_keys()),
        ))
    }
}

/// The metadata of a release whose files tell nothing.
fn bare_metadata(project: &ProjectName, version: &Version) -> Result<JsonMap, Error> {
    let mut form = UploadForm::new();
    for (field, value) in [("name", project.written()), ("version", version.as_str())] {
        form.push(field, value).map_err(Error::internal)?;
    }
    Ok(form.metadata())
}
