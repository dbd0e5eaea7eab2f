//! Push: copy a release from one index to another, or send it to another server.
//!
//! A push between indexes is one transaction: all files arrive or none (devpi keeps what it had
//! stored before a conflict). Bytes are shared, not copied. Files of a mirror are fetched first,
//! before the transaction, for no network call is made while one is open.

mod attached;
mod external;
mod fetch;
mod step;

use std::sync::Arc;

use cheeseshop_domain::api::{ActionLogEntry, PushDocs, PushRequest, PushTarget};
use cheeseshop_domain::permission::{PushRefused, may_read};
use cheeseshop_domain::{Action, Caller, Event, EventKind, FilePath, Index, IndexName, JsonMap};
use cheeseshop_packaging::{ProjectName, Version};
use cheeseshop_storage::Transaction;
use cheeseshop_storage::blobs::StoredBlob;
use cheeseshop_storage::database::{files, projects, releases};
use serde_json::json;

use crate::publish::{Incoming, Metadata, Placed, current_index, read_only, register_release};
use crate::resolve::{readable_in, unreadable};
use crate::users::invalid;
use crate::{App, Error};

use self::attached::{Arrival, Attached};
use self::external::Outside;

pub use self::attached::AttachedAction;
pub use self::step::{OutsideStep, Sent};

/// What a push did, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushOutcome {
    /// The actions. Between indexes all of them succeeded, for such a push is one transaction.
    pub actions: Vec<PushAction>,
}

impl PushOutcome {
    /// Whether the whole counts as done: for a push to another server its last step decides, as
    /// in devpi, whose client looks at each line itself.
    pub fn succeeded(&self) -> bool {
        match self.actions.last() {
            Some(PushAction::Outside(step)) => step.succeeded(),
            Some(_) | None => true,
        }
    }
}

/// One line of devpi's `actionlog`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushAction {
    /// The release was registered on the target.
    Registered {
        /// The project as written.
        project: String,
        /// The version.
        version: String,
        /// The target index.
        target: IndexName,
    },
    /// A file was stored on the target under this path (`user/index/+f/…`).
    Stored {
        /// The path without a leading slash.
        path: String,
    },
    /// The target held the very same bytes under this path already. devpi refuses that on a
    /// non-volatile index; a repeated push is no conflict here, and says so.
    Identical {
        /// The path without a leading slash.
        path: String,
    },
    /// A test result or documentation went along.
    Attached(AttachedAction),
    /// A step of a push to another server, which may have failed.
    Outside(OutsideStep),
}

impl PushAction {
    /// The line as devpi's clients expect it. A file that was there already has one more item,
    /// which they print as it is.
    pub fn to_log_entry(&self) -> ActionLogEntry {
        match self.clone() {
            Self::Registered {
                project,
                version,
                target,
            } => ActionLogEntry::Register {
                status: 200,
                name: project,
                version,
                target: Some(target.to_string()),
            },
            Self::Stored { path } => ActionLogEntry::StoreReleaseFile { status: 200, path },
            Self::Identical { path } => ActionLogEntry::Other {
                status: 200,
                rest: vec![
                    json!("store_releasefile"),
                    json!(path),
                    json!("identical file is there already"),
                ],
            },
            Self::Attached(action) => action.to_log_entry(),
            Self::Outside(step) => step.into_log_entry(),
        }
    }
}

/// Which release is pushed.
#[derive(Clone)]
struct Route {
    project: ProjectName,
    version: String,
}

impl Route {
    fn of(request: &PushRequest) -> Result<Self, Error> {
        Ok(Self {
            project: ProjectName::parse(&request.name).map_err(invalid)?,
            version: request.version.clone(),
        })
    }
}

impl App {
    /// Copies a release of `source` (this index only) to another index, wholly or not at all; or
    /// sends it to another server, as far as that takes it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] `there are no files for p 1.0 on stage u/i`, [`Error::NotFound`]
    /// `no release/files found for p 1.0` (registered without files) or no such index,
    /// [`Error::Unauthenticated`] `user 'u' cannot upload to 'x/y'`, [`Error::ReadOnly`],
    /// [`Error::Conflict`], [`Error::UpstreamFailed`] when a mirror's file cannot be fetched.
    /// Towards another server also [`Error::Forbidden`] when the operator does not allow it, and
    /// [`Error::Busy`]; what that server answers is no error, see [`PushOutcome::succeeded`].
    pub async fn push(
        &self,
        caller: &Caller,
        source: &IndexName,
        request: &PushRequest,
    ) -> Result<PushOutcome, Error> {
        let route = Route::of(request)?;
        let caller = &*caller.about(route.project.normalized());
        let source = self.index(caller, source).await?;
        let target = match &request.target {
            PushTarget::Index(target) => self.push_target(caller, target)?,
            PushTarget::External(target) => {
                let outside = Outside {
                    target,
                    docs: request.docs,
                };
                return self.push_outside(caller, &source, &route, outside).await;
            }
        };
        // What no version can be called is no text for a database either.
        if Version::parse(&route.version).is_err() {
            return Err(no_files(&route, &source));
        }
        let docs = request.docs;
        let fetched = match (source.is_mirror(), docs) {
            // An upstream has no documentation for us.
            (true, PushDocs::Only) => return Err(nothing_found(&route)),
            (true, PushDocs::Included | PushDocs::Excluded) => {
                Some(self.fetch_release(&source, &route).await?)
            }
            (false, _) => None,
        };
        let (app, asker) = (self.clone(), caller.clone());
        let now = self.clock().now();
        let committed = self
            .write(caller, move |tx| {
                Box::pin(async move {
                    let target = current_index(tx, target.id, &target.name).await?;
                    app.permit_push(&asker, &target)?;
                    let source = app.still_readable(tx, &asker, &source).await?;
                    let leaving = match fetched {
                        Some(fetched) => fetched,
                        None => read_release(tx, &source, &route, docs).await?,
                    };
                    let arrival = Arrival {
                        source: &source,
                        target: &target,
                        caller: &asker,
                        now,
                        most_results: app.settings().publish.max_test_results_per_file,
                    };
                    leaving.arrive(tx, &arrival).await
                })
            })
            .await?;
        Ok(PushOutcome {
            actions: committed.value,
        })
    }

    fn push_target(&self, caller: &Caller, name: &IndexName) -> Result<Arc<Index>, Error> {
        let directory = self.directory();
        let Some(index) = directory.index_by_name(name) else {
            return readable_in(&directory, caller, name);
        };
        match self.permit_push(caller, index) {
            Ok(()) if index.is_read_only() => Err(read_only()),
            Ok(()) => Ok(Arc::clone(index)),
            // Whoever may not see the index must not learn that it exists.
            Err(error) => self.readable_index(caller, name).and(Err(error)),
        }
    }

    /// The index as it is now, if the caller may still read it.
    async fn still_readable(
        &self,
        tx: &mut Transaction,
        caller: &Caller,
        known: &Index,
    ) -> Result<Index, Error> {
        let index = current_index(tx, known.id, &known.name).await?;
        if may_read(self.settings().auth.login_required, caller, &index) {
            Ok(index)
        } else {
            Err(unreadable(caller, &index.name))
        }
    }

    fn permit_push(&self, caller: &Caller, target: &Index) -> Result<(), Error> {
        self.permit(caller, Action::Upload(target))
            .map_err(|error| {
                // Another password does not help a token.
                if caller.token().is_some() {
                    return error;
                }
                let target = &target.name;
                // devpi's view answers 401 here, whoever asks.
                Error::Unauthenticated(PushRefused { caller, target }.to_string())
            })
    }
}

/// A release on its way, its blobs durable.
struct Leaving {
    project: ProjectName,
    version: Version,
    metadata: JsonMap,
    /// Sorted by name; with the logs of the source.
    files: Vec<Incoming>,
    attached: Attached,
}

impl Leaving {
    async fn arrive(
        mut self,
        tx: &mut Transaction,
        arrival: &Arrival<'_>,
    ) -> Result<Vec<PushAction>, Error> {
        let Arrival { source, target, .. } = arrival;
        let registered = register_release(
            tx,
            target,
            &self.project,
            &self.version,
            Metadata::Merges(self.metadata),
        )
        .await?;
        let mut actions = vec![PushAction::Registered {
            project: self.project.written().to_owned(),
            version: self.version.to_string(),
            target: target.name.clone(),
        }];
        for mut file in self.files {
            let path = FilePath::of_sha256(&file.blob.sha256, file.name.clone());
            let path = format!("{}/{path}", target.name);
            let detail = json!({
                "from": source.name.to_string(),
                "version": self.version.as_str(),
                "file": file.name.as_str(),
                "sha256": file.blob.sha256,
                "size": file.blob.size,
            });
            file.log = arrival.log(&file.log);
            let name = file.name.clone();
            match file.place(tx, target, &registered).await? {
                Placed::Identical => actions.push(PushAction::Identical { path }),
                Placed::Created | Placed::Replaced => {
                    tx.record(Event::of_project(
                        EventKind::FilePushed,
                        &target.name,
                        self.project.normalized(),
                        detail,
                    ));
                    actions.push(PushAction::Stored { path });
                }
            }
            let results = self
                .attached
                .add_results(tx, arrival, &registered, &name)
                .await?;
            actions.extend(results.into_iter().map(PushAction::Attached));
        }
        let documentation = self
            .attached
            .add_documentation(tx, arrival, &registered)
            .await?;
        actions.extend(documentation.map(PushAction::Attached));
        Ok(actions)
    }
}

/// Reads a hosted release inside the transaction, so that what is copied is still there.
async fn read_release(
    tx: &mut Transaction,
    source: &Index,
    route: &Route,
    docs: PushDocs,
) -> Result<Leaving, Error> {
    let held = projects::find(tx, source.id, route.project.normalized())
        .await?
        .ok_or_else(|| no_files(route, source))?;
    let release = releases::find(tx, held.id, &route.version)
        .await?
        .ok_or_else(|| no_files(route, source))?;
    let mut listed = match docs {
        PushDocs::Included | PushDocs::Excluded => files::list_for_release(tx, release.id).await?,
        PushDocs::Only => Vec::new(),
    };
    let attached = Attached::read(tx, &release, &listed, docs).await?;
    if listed.is_empty() && !attached.has_documentation() {
        return Err(nothing_found(route));
    }
    listed.sort_by(|one, other| one.name.cmp(&other.name));
    let leaving = listed
        .into_iter()
        .map(|file| Incoming {
            name: file.name,
            blob: StoredBlob {
                sha256: file.sha256,
                size: file.size,
            },
            requires_python: file.requires_python,
            yanked: file.yanked,
            core_metadata: file.core_metadata,
            // The source refers to them.
            new_blobs: Vec::new(),
            uploaded: file.uploaded,
            log: file.log,
        })
        .collect();
    Ok(Leaving {
        project: held.name,
        version: release.version,
        metadata: release.metadata,
        files: leaving,
        attached,
    })
}

fn nothing_found(route: &Route) -> Error {
    Error::NotFound(format!(
        "no release/files found for {} {}",
        route.project, route.version
    ))
}

fn no_files(route: &Route, source: &Index) -> Error {
    Error::Invalid(format!(
        "there are no files for {} {} on stage {}",
        route.project, route.version, source.name
    ))
}
