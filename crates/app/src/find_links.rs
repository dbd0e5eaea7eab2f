//! The list of all files of an index and what it inherits, for pip's `--find-links`.
//!
//! It may have any number of links, so it is never whole in memory: the files of each index come in batches, sorted by
//! name, and are merged as they are sent. What is listed is what the project pages list of hosted indexes; mirrors have
//! no part in it, as in devpi.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use cheeseshop_domain::{Caller, Directory, FileId, FilePath, Index, IndexName};
use cheeseshop_packaging::FileName;
use cheeseshop_packaging::simple::{CoreMetadataMark, LinkList, PageFile};
use cheeseshop_storage::ByteStream;
use cheeseshop_storage::database::files::{self, FileLink};
use futures_util::{StreamExt as _, stream};

use crate::resolve::project_filter;
use crate::{App, Error};

/// Rows of all indexes together that are in memory at once, and the least of one index.
const ROWS: usize = 4_000;
const FEWEST_ROWS: usize = 20;

/// Bytes of a piece of the list, roughly.
const PIECE: usize = 64 * 1024;

impl App {
    /// The list as HTML, piece by piece; `base_url` has no slash at the end. A piece that cannot be made ends the stream
    /// with an error: what came before it is not the whole.
    ///
    /// # Errors
    /// See [`App::readable_index`]; what the database does while the first piece is made.
    pub async fn find_links(
        &self,
        caller: &Caller,
        index: &IndexName,
        base_url: &str,
    ) -> Result<ByteStream, Error> {
        let asked = self.index(caller, index).await?;
        let directory = self.directory();
        let order = directory.visible_order(caller, asked.id);
        let hosted: Vec<&Arc<Index>> = order
            .iter()
            .filter_map(|id| directory.index_by_id(*id))
            .filter(|index| !index.is_mirror())
            .collect();
        let rows = (ROWS / hosted.len().max(1)).max(FEWEST_ROWS);
        let sources = hosted.into_iter().map(|index| Source {
            index: Arc::clone(index),
            waiting: VecDeque::new(),
            after: None,
            is_done: false,
            rows,
        });
        let (list, head) =
            LinkList::begin(&format!("{index}: links to all files, mirrors left out"));
        let mut walk = Walk {
            app: self.clone(),
            caller: caller.clone(),
            sources: sources.collect(),
            directory,
            asked,
            base_url: base_url.to_owned(),
            list: Some(list),
            last: None,
        };
        let first = walk.piece(head).await?;
        let first = stream::iter([Ok(first)]);
        let rest = stream::unfold(walk, |mut walk| async move {
            walk.list.as_ref()?;
            let piece = walk.piece(Vec::new()).await.map_err(|error| {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a list of links could not be finished"
                );
                walk.list = None;
                std::io::Error::other("the list could not be finished")
            });
            Some((piece, walk))
        });
        Ok(first.chain(rest).boxed())
    }
}

/// The files of one index.
struct Source {
    index: Arc<Index>,
    waiting: VecDeque<FileLink>,
    after: Option<(FileName, FileId)>,
    is_done: bool,
    rows: usize,
}

impl Source {
    async fn fill(&mut self, app: &App) -> Result<(), Error> {
        if self.is_done || !self.waiting.is_empty() {
            return Ok(());
        }
        let mut reader = app.db().reader().await?;
        let after = self.after.as_ref().map(|(name, id)| (name, *id));
        let found = files::list_links_after(&mut reader, self.index.id, after, self.rows).await?;
        self.is_done = found.len() < self.rows;
        self.after = found.last().map(|link| (link.name.clone(), link.id));
        self.waiting = found.into();
        Ok(())
    }
}

/// A list on its way.
struct Walk {
    app: App,
    caller: Caller,
    directory: Arc<Directory>,
    asked: Arc<Index>,
    /// In resolution order.
    sources: Vec<Source>,
    base_url: String,
    /// `None` at the end.
    list: Option<LinkList>,
    /// The name that was listed last, and the projects that it was listed for.
    last: Option<(FileName, Vec<String>)>,
}

impl Walk {
    /// Goes on with these bytes until they are a piece or the end has come.
    async fn piece(&mut self, mut out: Vec<u8>) -> Result<Bytes, Error> {
        while out.len() < PIECE {
            for source in &mut self.sources {
                source.fill(&self.app).await?;
            }
            // Of equal names that of the first index, which wins on pages too.
            let next = self
                .sources
                .iter_mut()
                .filter(|source| !source.waiting.is_empty())
                .min_by(|one, other| one.waiting[0].name.cmp(&other.waiting[0].name));
            let Some((index, link)) = next
                .and_then(|source| Some((Arc::clone(&source.index), source.waiting.pop_front()?)))
            else {
                if let Some(list) = self.list.take() {
                    list.end(&mut out);
                }
                break;
            };
            if self.is_listed(&index, &link)
                && let Some(list) = &mut self.list
            {
                list.add(&mut out, &page_file(&index, link, &self.base_url));
            }
        }
        Ok(out.into())
    }

    /// Whether a link of the list: seen by the caller, let through by the index, not shadowed.
    fn is_listed(&mut self, index: &Index, link: &FileLink) -> bool {
        if !self.asked.admits(&link.project, Some(&link.version))
            || project_filter(&self.directory, &self.caller, index.id)
                .is_some_and(|is_visible| !is_visible(&link.project))
        {
            return false;
        }
        match &mut self.last {
            Some((name, projects)) if *name == link.name => {
                let is_first = !projects.contains(&link.project);
                projects.push(link.project.clone());
                is_first
            }
            last => {
                *last = Some((link.name.clone(), vec![link.project.clone()]));
                true
            }
        }
    }
}

fn page_file(index: &Index, link: FileLink, base_url: &str) -> PageFile {
    let path = FilePath::of_sha256(&link.sha256, link.name.clone());
    PageFile {
        filename: link.name.as_str().to_owned(),
        url: format!("{base_url}/{}/{path}", index.name),
        hashes: link.sha256.into(),
        requires_python: link.requires_python,
        yanked: link.yanked,
        core_metadata: match link.core_metadata {
            Some(digest) => CoreMetadataMark::Available(digest.into()),
            None => CoreMetadataMark::Absent,
        },
        origin: Some(index.name.to_string()),
        ..PageFile::default()
    }
}
