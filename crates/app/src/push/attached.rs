//! What goes along with the files of a release: their test results, and the documentation.

use std::collections::HashMap;

use cheeseshop_domain::api::{ActionLogEntry, PushDocs};
use cheeseshop_domain::{
    Caller, Event, EventKind, File, FileId, Index, IndexName, LogEntry, Release, TestResult,
};
use cheeseshop_packaging::FileName;
use cheeseshop_storage::Transaction;
use cheeseshop_storage::blobs::StoredBlob;
use cheeseshop_storage::database::{documentation, files, test_results};
use jiff::Timestamp;
use serde_json::json;

use crate::Error;
use crate::publish::{IncomingDocumentation, Placed, Registered};
use crate::test_results::{IncomingTestResult, ResultPlace};

/// What a push did with something that belongs to a release or to a file of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttachedAction {
    /// A test result was stored on the target under this path (`user/index/+f/…`).
    TestResult {
        /// The path without a leading slash.
        path: String,
    },
    /// Documentation was stored on the target.
    Documentation {
        /// The project as written.
        project: String,
        /// The version.
        version: String,
        /// The target index.
        target: IndexName,
        /// Whether the target had this very documentation already.
        identical: bool,
    },
}

impl AttachedAction {
    pub(super) fn to_log_entry(&self) -> ActionLogEntry {
        let rest = match self {
            Self::TestResult { path } => vec![json!("store_toxresult"), json!(path)],
            Self::Documentation {
                project,
                version,
                target,
                identical,
            } => {
                let mut rest = vec![
                    json!("store_doczip"),
                    json!(project),
                    json!(version),
                    json!("->"),
                    json!(target.to_string()),
                ];
                if *identical {
                    rest.push(json!("identical documentation is there already"));
                }
                rest
            }
        };
        ActionLogEntry::Other { status: 200, rest }
    }
}

/// The test results and the documentation of a release on its way.
#[derive(Default)]
pub(super) struct Attached {
    results: HashMap<FileName, Vec<IncomingTestResult>>,
    documentation: Option<IncomingDocumentation>,
}

/// A push on its way into the target.
pub(super) struct Arrival<'a> {
    pub(super) source: &'a Index,
    pub(super) target: &'a Index,
    pub(super) caller: &'a Caller,
    pub(super) now: Timestamp,
    /// The most test results that a file may have.
    pub(super) most_results: usize,
}

impl Arrival<'_> {
    /// The log of something that arrives, by the one that it has at the source.
    pub(super) fn log(&self, at_source: &[LogEntry]) -> Vec<LogEntry> {
        LogEntry::after_push(
            at_source,
            self.caller.user_name(),
            self.now,
            &self.source.name,
            &self.target.name,
        )
    }
}

impl Attached {
    /// Reads what goes along with these files of a release.
    pub(super) async fn read(
        tx: &mut Transaction,
        release: &Release,
        listed: &[File],
        docs: PushDocs,
    ) -> Result<Self, Error> {
        let names: HashMap<FileId, &FileName> =
            listed.iter().map(|file| (file.id, &file.name)).collect();
        let mut results: HashMap<FileName, Vec<IncomingTestResult>> = HashMap::new();
        for result in test_results::list_for_release(tx, release.id).await? {
            if let Some(name) = names.get(&result.file) {
                let of_file = results.entry((*name).clone()).or_default();
                of_file.push(incoming(result));
            }
        }
        let held = match docs {
            PushDocs::Included | PushDocs::Only => documentation::find(tx, release.id).await?,
            PushDocs::Excluded => None,
        };
        Ok(Self {
            results,
            documentation: held.map(|held| IncomingDocumentation {
                blob: StoredBlob {
                    sha256: held.sha256,
                    size: held.size,
                },
                uploaded: held.uploaded,
                log: held.log,
            }),
        })
    }

    pub(super) fn has_documentation(&self) -> bool {
        self.documentation.is_some()
    }

    /// Adds the test results of a file that has just arrived. Those that it has there already are
    /// not added again, nor is one twice that the source has twice.
    pub(super) async fn add_results(
        &mut self,
        tx: &mut Transaction,
        arrival: &Arrival<'_>,
        registered: &Registered,
        name: &FileName,
    ) -> Result<Vec<AttachedAction>, Error> {
        let Some(results) = self.results.remove(name) else {
            return Ok(Vec::new());
        };
        let file = files::find(tx, registered.project.id, name.as_str())
            .await?
            .ok_or_else(|| Error::internal("a file that has just arrived is not there"))?;
        let mut place = ResultPlace::open(
            tx,
            arrival.target,
            (&registered.project.name, &file),
            arrival.most_results,
        )
        .await?;
        let mut actions = Vec::new();
        for mut result in results {
            if place.has(&result.blob.sha256) {
                continue;
            }
            result.log = arrival.log(&result.log);
            let path = place.add(tx, result, arrival.now).await?;
            tx.record(place.event(&path, Some(&arrival.source.name)));
            actions.push(AttachedAction::TestResult {
                path: format!("{}/{path}", arrival.target.name),
            });
        }
        Ok(actions)
    }

    /// Stores the documentation.
    pub(super) async fn add_documentation(
        self,
        tx: &mut Transaction,
        arrival: &Arrival<'_>,
        registered: &Registered,
    ) -> Result<Option<AttachedAction>, Error> {
        let Some(mut incoming) = self.documentation else {
            return Ok(None);
        };
        incoming.log = arrival.log(&incoming.log);
        let mut detail = incoming.detail(registered);
        detail["from"] = json!(arrival.source.name.to_string());
        let placed = incoming.place(tx, arrival.target, registered).await?;
        if placed != Placed::Identical {
            tx.record(Event::of_project(
                EventKind::DocumentationPushed,
                &arrival.target.name,
                registered.project.name.normalized(),
                detail,
            ));
        }
        Ok(Some(AttachedAction::Documentation {
            project: registered.project.name.written().to_owned(),
            version: registered.release.version.to_string(),
            target: arrival.target.name.clone(),
            identical: placed == Placed::Identical,
        }))
    }
}

fn incoming(result: TestResult) -> IncomingTestResult {
    IncomingTestResult {
        blob: StoredBlob {
            sha256: result.sha256,
            size: result.size,
        },
        uploaded: result.uploaded,
        log: result.log,
    }
}
