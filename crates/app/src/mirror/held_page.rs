//! A project's page made of files that are held: for data of other servers that comes without the upstream's page.

use cheeseshop_domain::{Event, Index};
use cheeseshop_packaging::ProjectName;
use cheeseshop_packaging::simple::ProjectPage;
use cheeseshop_storage::database::mirrors::StoredListing;
use cheeseshop_storage::{DatabaseError, Transaction};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::document::{self, Document};
use super::memory::DOCUMENT;
use super::project_list;
use super::source::Source;

/// Such a page in the form in which listings are stored.
pub(crate) struct HeldPage {
    packed: Vec<u8>,
    files: usize,
    digest: String,
}

impl HeldPage {
    /// Packs a page.
    ///
    /// # Errors
    /// When it cannot be compressed.
    pub(crate) fn of(page: ProjectPage) -> std::io::Result<Self> {
        let document = Document::of(page);
        Ok(Self {
            packed: document::pack(&document.json)?,
            files: document.page.files.len(),
            digest: document.digest.to_string(),
        })
    }

    /// The listing to store: outdated, so that the upstream is asked as soon as it can be. `None` for an index without
    /// an upstream.
    pub(crate) fn for_index(&self, index: &Index, project: &ProjectName) -> Option<StoredListing> {
        let source = Source::of(index)?;
        Some(StoredListing {
            document: self.packed.clone(),
            etag: None,
            last_modified: None,
            last_serial: None,
            fetched_at: Timestamp::UNIX_EPOCH,
            source_url: source.project_url(project).into(),
        })
    }

    /// What the event of storing it says.
    pub(crate) fn event_detail(&self) -> Value {
        json!({ "files": self.files, "imported": true, DOCUMENT: self.digest })
    }
}

/// As [`project_list::note_if_newly_held`]; nothing for an index without an upstream.
pub(crate) async fn note_if_newly_held(
    tx: &mut Transaction,
    index: &Index,
    project: &str,
    event: &mut Event,
) -> Result<(), DatabaseError> {
    match Source::of(index) {
        Some(source) => {
            project_list::note_if_newly_held(tx, &source, index.id, project, event).await
        }
        None => Ok(()),
    }
}

/// The page in a stored listing; `None` for one that cannot be read, which would be fetched anew.
///
/// # Errors
/// When the thread that unpacks it was lost.
pub(crate) async fn read_listing(
    stored: StoredListing,
) -> Result<Option<ProjectPage>, crate::Error> {
    let size = stored.document.len() * 8;
    let read = document::off_thread(size, move || {
        document::read_stored(&stored.document, &stored.source_url).map(|document| document.page)
    });
    read.await.map_err(crate::Error::internal)
}
