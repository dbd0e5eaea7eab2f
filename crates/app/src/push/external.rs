//! Sending a release to another server: PyPI, another Cheeseshop, a devpi-server.
//!
//! One form a file, as twine and devpi send it, with the file's bytes read from the store as they go out. What the other
//! server keeps cannot be taken back, so all files are tried even after one was refused, and each is reported. Once
//! begun, a push goes on when its client goes away, and the change log tells of it in the end.

use std::sync::Arc;

use cheeseshop_domain::api::{ExternalTarget, PushDocs};
use cheeseshop_domain::{Action, Caller, Event, EventKind, FilePath, Index, JsonMap};
use cheeseshop_packaging::upload::{Enclosure, FilePart, urlencoded};
use cheeseshop_packaging::{FileName, ProjectName, Sha256, UploadForm, Version};
use cheeseshop_storage::database::{documentation, files, projects, releases};
use serde_json::{Value, json};
use url::Url;

use super::step::{OutsideStep, Sent};
use super::{PushAction, PushOutcome, Route, no_files};
use crate::outbound::{Post, PostError, Reply, boundary, host_of};
use crate::{App, Error};

/// The form of the protocol; PyPI insists on it, devpi ignores it.
const PROTOCOL_VERSION: &str = "1";

/// What metadata without a version of its own is sent as, for PyPI insists on one: the one that every server knows, and
/// the one that came with these keys.
const COMMON_METADATA: &str = "2.1";
const LICENSE_METADATA: &str = "2.4";
const LICENSE_KEYS: [&str; 2] = ["license_expression", "license_file"];

/// Where a release goes, and what of it.
pub(super) struct Outside<'a> {
    pub(super) target: &'a ExternalTarget,
    pub(super) docs: PushDocs,
}

/// A release that is about to leave.
struct Parcel {
    project: ProjectName,
    version: Version,
    metadata: UploadForm,
    /// Sorted by name.
    files: Vec<Item>,
    documentation: Option<Item>,
}

struct Item {
    name: FileName,
    /// Where it is here, for the report.
    path: String,
    sha256: Sha256,
}

/// Whom it goes to.
struct Addressee {
    url: Url,
    credentials: ExternalTarget,
}

impl App {
    pub(super) async fn push_outside(
        &self,
        caller: &Caller,
        source: &Arc<Index>,
        route: &Route,
        outside: Outside<'_>,
    ) -> Result<PushOutcome, Error> {
        let Outside { target, docs } = outside;
        // devpi sends for anybody who may read: whoever reaches it can make it talk to any address.
        if caller.is_anonymous() {
            return Err(Error::Unauthenticated(
                "pushing to another server needs a login".to_owned(),
            ));
        }
        self.permit(caller, Action::PushOutside(source))?;
        let url = target.url.without_credentials();
        let host = host_of(&url);
        if !self.settings().push.allowed_hosts.admit(&url) {
            return Err(Error::Forbidden(format!(
                "this server does not push to {host} (push.allowed_hosts)"
            )));
        }
        if Version::parse(&route.version).is_err() {
            return Err(no_files(route, source));
        }
        let slot = self.outgoing().push_slot().ok_or(Error::Busy)?;
        let parcel = self.pack(source, route, docs).await?;
        let addressee = Addressee {
            url,
            credentials: target.clone(),
        };
        let (app, caller, source) = (self.clone(), caller.clone(), Arc::clone(source));
        self.outgoing()
            .run(async move {
                let _slot = slot;
                // Should this process be killed, the operator knows where to look.
                tracing::info!(
                    index.name = %source.name,
                    project.name = parcel.project.normalized(),
                    release.version = parcel.version.as_str(),
                    target.host = host,
                    "pushing to another server"
                );
                let steps = app.deliver(&parcel, &addressee).await;
                app.record_push(&caller, &source, &parcel, &host, &steps)
                    .await;
                PushOutcome {
                    actions: steps.into_iter().map(PushAction::Outside).collect(),
                }
            })
            .await
    }

    /// Puts together what is to be sent. A mirror's files are fetched.
    async fn pack(
        &self,
        source: &Arc<Index>,
        route: &Route,
        docs: PushDocs,
    ) -> Result<Parcel, Error> {
        let mut parcel = if source.is_mirror() {
            self.pack_mirrored(source, route).await?
        } else {
            self.pack_hosted(source, route).await?
        };
        match docs {
            PushDocs::Included => {}
            PushDocs::Excluded => parcel.documentation = None,
            PushDocs::Only => parcel.files.clear(),
        }
        if parcel.files.is_empty() && parcel.documentation.is_none() {
            return Err(Error::NotFound(format!(
                "no release/files found for {} {}",
                route.project, route.version
            )));
        }
        Ok(parcel)
    }

    async fn pack_hosted(&self, source: &Index, route: &Route) -> Result<Parcel, Error> {
        let mut reader = self.db().reader().await?;
        let held = projects::find(&mut reader, source.id, route.project.normalized())
            .await?
            .ok_or_else(|| no_files(route, source))?;
        let release = releases::find(&mut reader, held.id, &route.version)
            .await?
            .ok_or_else(|| no_files(route, source))?;
        let listed = files::list_for_release(&mut reader, release.id).await?;
        let archive = documentation::find(&mut reader, release.id).await?;
        drop(reader);
        let item = |name: FileName, sha256: Sha256| {
            let path = FilePath::of_sha256(&sha256, name.clone());
            Item {
                path: format!("{}/{path}", source.name),
                name,
                sha256,
            }
        };
        let mut packed: Vec<Item> = listed
            .into_iter()
            .map(|file| item(file.name, file.sha256))
            .collect();
        packed.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Parcel {
            metadata: form_of(&release.metadata)?,
            project: held.name,
            version: release.version,
            files: packed,
            documentation: archive.map(|archive| item(archive.name, archive.sha256)),
        })
    }

    async fn pack_mirrored(&self, source: &Arc<Index>, route: &Route) -> Result<Parcel, Error> {
        let fetched = self.fetch_release(source, route).await?;
        let packed = fetched.files.into_iter().map(|file| {
            let path = FilePath::of_sha256(&file.blob.sha256, file.name.clone());
            Item {
                path: format!("{}/{path}", source.name),
                name: file.name,
                sha256: file.blob.sha256,
            }
        });
        Ok(Parcel {
            metadata: form_of(&fetched.metadata)?,
            files: packed.collect(),
            project: fetched.project,
            version: fetched.version,
            documentation: None,
        })
    }

    async fn deliver(&self, parcel: &Parcel, addressee: &Addressee) -> Vec<OutsideStep> {
        let mut steps = Vec::with_capacity(parcel.files.len() + 2);
        if addressee.credentials.registers_project {
            let sent = Sent::Metadata {
                project: parcel.project.written().to_owned(),
                version: parcel.version.to_string(),
            };
            let sending = self.send_metadata(parcel, addressee);
            let step = self.step(sent, sending).await;
            let goes_on = step.lets_go_on();
            steps.push(step);
            if !goes_on {
                return steps;
            }
        }
        for file in &parcel.files {
            let path = file.path.clone();
            let sending = self.send_file(parcel, file, addressee);
            steps.push(self.step(Sent::File { path }, sending).await);
        }
        if let Some(archive) = &parcel.documentation {
            let project = parcel.project.written().to_owned();
            let sending = self.send_documentation(parcel, archive, addressee);
            steps.push(self.step(Sent::Documentation { project }, sending).await);
        }
        steps
    }

    /// Takes a step, unless the server stops: then it is only told of.
    async fn step(
        &self,
        sent: Sent,
        sending: impl Future<Output = Result<Reply, String>>,
    ) -> OutsideStep {
        let answer = if self.outgoing().is_stopping() {
            Err("not sent: this server stops".to_owned())
        } else {
            sending.await
        };
        OutsideStep::of(sent, answer)
    }

    async fn send_metadata(&self, parcel: &Parcel, addressee: &Addressee) -> Result<Reply, String> {
        let form = parcel.form(&[(":action", "submit")])?;
        let url = addressee.url.clone();
        let post = Post::whole(url, "application/x-www-form-urlencoded", urlencoded(&form));
        self.post(post, addressee).await
    }

    async fn send_file(
        &self,
        parcel: &Parcel,
        file: &Item,
        addressee: &Addressee,
    ) -> Result<Reply, String> {
        let form = parcel.form(&[
            (":action", "file_upload"),
            ("protocol_version", PROTOCOL_VERSION),
            ("filetype", file.name.packagetype()),
            ("pyversion", &file.name.devpi_pyversion()),
            ("sha256_digest", &file.sha256.to_string()),
        ])?;
        let filename = file.name.as_str();
        let content_type = file.name.content_type();
        self.send_content(&form, (filename, content_type), &file.sha256, addressee)
            .await
    }

    async fn send_documentation(
        &self,
        parcel: &Parcel,
        archive: &Item,
        addressee: &Addressee,
    ) -> Result<Reply, String> {
        let form = parcel.form(&[(":action", "doc_upload")])?;
        let filename = format!("{}.zip", parcel.project.written());
        let content = (filename.as_str(), "application/zip");
        self.send_content(&form, content, &archive.sha256, addressee)
            .await
    }

    /// Sends a form with a file, whose bytes come from the store while they go out.
    async fn send_content(
        &self,
        form: &UploadForm,
        (filename, content_type): (&str, &str),
        sha256: &Sha256,
        addressee: &Addressee,
    ) -> Result<Reply, String> {
        let opened = self.blobs().open_blob(sha256).await;
        let blob = match opened {
            Ok(Some(blob)) => blob,
            Ok(None) => return Err("the file was removed meanwhile".to_owned()),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a file that is pushed to another server cannot be read"
                );
                return Err("the file cannot be read".to_owned());
            }
        };
        let part = FilePart {
            field: "content",
            filename,
            content_type,
        };
        let boundary = boundary().map_err(|error| error.to_string())?;
        let enclosure = Enclosure::new(&boundary, form, part);
        let post = Post::around(
            addressee.url.clone(),
            enclosure,
            blob.read_all(),
            blob.size(),
        );
        self.post(post, addressee).await
    }

    async fn post(&self, post: Post, addressee: &Addressee) -> Result<Reply, String> {
        let ExternalTarget {
            username, password, ..
        } = &addressee.credentials;
        self.outgoing()
            .send(post.by(username, password), self.settings().push.timeout)
            .await
            .map_err(|error: PostError| error.to_string())
    }

    /// Tells the change log, whatever came of it. What has been sent has been sent: when it cannot be told, the
    /// operator's log has it at least.
    async fn record_push(
        &self,
        caller: &Caller,
        source: &Index,
        parcel: &Parcel,
        host: &str,
        steps: &[OutsideStep],
    ) {
        let taken = steps.iter().filter(|step| step.succeeded()).count();
        let subject = source.name.clone();
        let project = parcel.project.normalized().to_owned();
        let detail = json!({
            "version": parcel.version.as_str(),
            "host": host,
            "steps": steps.len(),
            "taken": taken,
        });
        tracing::info!(
            index.name = %subject,
            project.name = project,
            release.version = parcel.version.as_str(),
            target.host = host,
            steps = steps.len(),
            taken,
            "pushed to another server"
        );
        let recorded = self
            .write(caller, move |tx| {
                Box::pin(async move {
                    let kind = EventKind::ReleasePushedOutside;
                    tx.record(Event::of_project(kind, &subject, &project, detail));
                    Ok(())
                })
            })
            .await;
        if let Err(error) = recorded {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                target.host = host,
                "a push to another server could not be put into the change log"
            );
        }
    }
}

impl Parcel {
    /// The release's metadata and these fields.
    fn form(&self, fields: &[(&str, &str)]) -> Result<UploadForm, String> {
        let mut form = self.metadata.clone();
        for (name, value) in fields {
            form.push(name, value).map_err(|error| error.to_string())?;
        }
        Ok(form)
    }
}

/// The metadata as form fields, with what no server does without.
fn form_of(metadata: &JsonMap) -> Result<UploadForm, Error> {
    let mut metadata = metadata.clone();
    let is_set = |key: &str| match metadata.get(key) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        _ => false,
    };
    if !is_set("metadata_version") {
        let version = if LICENSE_KEYS.iter().any(|key| is_set(key)) {
            LICENSE_METADATA
        } else {
            COMMON_METADATA
        };
        metadata.insert("metadata_version".to_owned(), json!(version));
    }
    UploadForm::of_release(&metadata).map_err(|error| Error::Invalid(error.to_string()))
}
