//! Following the change log: what was derived from the past is dropped before anybody is told
//! that the present has changed.
//!
//! Own commits arrive through the database's observer, after COMMIT and before any
//! acknowledgement. Commits of other processes (a command on the same machine, another node
//! on the same PostgreSQL) are found by comparing the head of the log: a node that shares its
//! database does that before it answers from memory, and requests that arrive together share
//! one comparison. A node with an embedded database only looks once a second, for the sake of
//! commands such as `cheeseshop passwd`.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use cheeseshop_domain::{EventKind, RecordedEvent, Serial};
use cheeseshop_storage::Committer;
use cheeseshop_storage::database::change_log;
use futures_util::StreamExt;
use tokio::sync::{Mutex, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{App, Error, Inner, mirror, read_directory};

/// How often other processes' commits are looked for when nothing asks for it.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Events read in one go while catching up.
const BATCH: usize = 1_000;

/// How far this node has followed the log.
pub(crate) struct ChangeFeed {
    /// Every event up to here has been noted.
    seen: AtomicI64,
    /// How many changes of users and indexes were noted.
    directory_changes: AtomicU64,
    /// How many of them the directory shows; written only by the one that reads it anew.
    directory_shows: AtomicU64,
    /// Requests that wait for the next comparison with the head of the log.
    waiting: std::sync::Mutex<Vec<oneshot::Sender<bool>>>,
    /// Held by the one that compares.
    comparing: Mutex<()>,
}

impl ChangeFeed {
    pub(crate) fn new(head: Serial) -> Self {
        Self {
            seen: AtomicI64::new(head.0),
            directory_changes: AtomicU64::new(0),
            directory_shows: AtomicU64::new(0),
            waiting: std::sync::Mutex::new(Vec::new()),
            comparing: Mutex::new(()),
        }
    }

    pub(crate) fn seen(&self) -> Serial {
        Serial(self.seen.load(Ordering::Acquire))
    }
}

impl Inner {
    /// Takes note of what this process has committed, or has met while it did; called before anybody hears of it.
    pub(crate) fn note_commit(&self, events: &[RecordedEvent], committer: Committer) {
        self.note(events, committer);
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return;
        };
        // Only a run without a gap moves the mark. What another process committed in between
        // is then read, ours once more with it, by the next comparison; noting twice is harmless.
        let moved =
            |seen| (first.serial.0 - 1 <= seen && seen < last.serial.0).then_some(last.serial.0);
        let _ = self
            .feed
            .seen
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, moved);
    }

    /// Those of another process may be our own, read back from the log.
    fn note(&self, events: &[RecordedEvent], committer: Committer) {
        for event in events {
            match committer {
                Committer::ThisProcess => self.mirrors.on_own_commit(event),
                Committer::Another => self.mirrors.on_event(event),
            }
            self.auth.on_event(event);
            // Before own flights are left out: a list of what is held does not know that a
            // flight was due.
            if mirror::changes_held_projects(&event.event) {
                self.generations.bump_project_names();
            }
            // What a flight of ours brings is in memory before it is stored, and pages made
            // from what was there before end when the flight was due. Making the new page
            // again because its listing has meanwhile been stored would double the work.
            if committer == Committer::ThisProcess && event.actor == mirror::ACTOR {
                continue;
            }
            match event.event.kind {
                EventKind::UserCreated
                | EventKind::UserUpdated
                | EventKind::UserRemoved
                | EventKind::PasswordChanged
                | EventKind::IndexCreated
                | EventKind::IndexUpdated
                | EventKind::IndexRemoved => {
                    self.feed.directory_changes.fetch_add(1, Ordering::AcqRel);
                }
                EventKind::ProjectCreated
                | EventKind::ProjectRemoved
                | EventKind::MirrorProjectListChanged
                | EventKind::MirrorReset => self.generations.bump_project_names(),
                _ => {}
            }
            if event.event.kind == EventKind::MirrorReset {
                self.generations.bump_configuration();
            }
            if changes_pages(event.event.kind)
                && let Some(project) = event.event.project()
            {
                self.generations.bump_project(project);
            }
        }
    }

    async fn compare_with_head(&self) -> Result<(), Error> {
        let head = self.db.head().await?;
        loop {
            let seen = self.feed.seen.load(Ordering::Acquire);
            if seen >= head.0 {
                break;
            }
            let mut reader = self.db.reader().await?;
            let events = change_log::list_after(&mut reader, Serial(seen), BATCH).await?;
            drop(reader);
            let Some(last) = events.last() else {
                // The log was compacted past us: nothing derived can be trusted.
                self.generations.bump_configuration();
                self.auth.forget_tokens();
                self.feed.directory_changes.fetch_add(1, Ordering::AcqRel);
                self.feed.seen.fetch_max(head.0, Ordering::AcqRel);
                break;
            };
            self.note(&events, Committer::Another);
            self.feed.seen.fetch_max(last.serial.0, Ordering::AcqRel);
        }
        self.reload_directory_if_changed().await
    }

    /// Comes back when the directory shows every change that was noted before the call, whoever reads it anew.
    pub(crate) async fn reload_directory_if_changed(&self) -> Result<(), Error> {
        let feed = &self.feed;
        // A mark that the first one takes away would not do: the others have to wait for what it reads.
        let wanted = feed.directory_changes.load(Ordering::Acquire);
        if feed.directory_shows.load(Ordering::Acquire) >= wanted {
            return Ok(());
        }
        let _turn = self.directory_reload.lock().await;
        if feed.directory_shows.load(Ordering::Acquire) >= wanted {
            return Ok(());
        }
        let shown = feed.directory_changes.load(Ordering::Acquire);
        let directory = read_directory(&self.db, self.auth.policy().login_required).await?;
        self.directory.store(std::sync::Arc::new(directory));
        // After the store: a page made under the old picture carries the old counter.
        self.generations.bump_configuration();
        // Last: a request that fails above, or goes away, leaves the reading to the next one.
        feed.directory_shows.store(shown, Ordering::Release);
        Ok(())
    }
}

/// Whether pages of a project, or what is known of the paths of its files, may differ afterwards.
fn changes_pages(kind: EventKind) -> bool {
    !matches!(
        kind,
        // That a mirror holds a file from now on changes no page and no other path, and what
        // another server took changes nothing here.
        EventKind::MirrorFileStored
            | EventKind::ReleasePushedOutside
            // Neither stands on a page, and their paths are not remembered.
            | EventKind::DocumentationPublished
            | EventKind::DocumentationPushed
            | EventKind::DocumentationRemoved
            | EventKind::TestResultAdded
            | EventKind::TestResultRemoved
    )
}

impl App {
    /// Makes sure that everything acknowledged anywhere before this call is seen.
    ///
    /// Free on an embedded database. On a shared one it costs a query for the head of the log,
    /// shared by all requests that were waiting when the query began.
    ///
    /// # Errors
    /// Whatever the database gives.
    pub async fn catch_up(&self) -> Result<(), Error> {
        if !self.0.db.is_shared() {
            return Ok(());
        }
        loop {
            let (done, mut waiter) = oneshot::channel();
            self.waiting().push(done);
            let turn = tokio::select! {
                biased;
                answer = &mut waiter => match answer {
                    Ok(succeeded) => return settled(succeeded),
                    // The one who compared for us went away (its client did): once more.
                    Err(_) => continue,
                },
                turn = self.0.feed.comparing.lock() => turn,
            };
            // The comparison that ended just now may have been ours too.
            match waiter.try_recv() {
                Ok(succeeded) => return settled(succeeded),
                Err(oneshot::error::TryRecvError::Closed) => continue,
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            let waiting = std::mem::take(&mut *self.waiting());
            let result = self.0.compare_with_head().await;
            for waiter in waiting {
                let _ = waiter.send(result.is_ok());
            }
            drop(turn);
            return result;
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<oneshot::Sender<bool>>> {
        self.0
            .feed
            .waiting
            .lock()
            .expect("nobody panics while holding this lock")
    }

    pub(crate) async fn reload_directory_if_changed(&self) -> Result<(), Error> {
        self.0.reload_directory_if_changed().await
    }

    /// Follows the commits of other processes until `stop`.
    pub async fn follow_changes(&self, stop: CancellationToken) {
        let mut hints = self.0.db.listen();
        let mut hints_end = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                hint = hints.next(), if !hints_end => hints_end = hint.is_none(),
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
            if let Err(error) = self.0.compare_with_head().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the change log could not be read"
                );
            }
        }
    }
}

fn settled(succeeded: bool) -> Result<(), Error> {
    if succeeded { Ok(()) } else { Err(Error::Busy) }
}
