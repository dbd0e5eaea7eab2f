//! Where log lines go before they are written: a buffer and one thread that empties it.
//!
//! A busy server logs thousands of requests a second. One write call each would cost more than
//! the page that is served, so lines are collected for a moment and written together. Nothing is
//! dropped: when the reader of our standard error is slow, whoever logs waits.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long lines are collected after the first one.
const COLLECT: Duration = Duration::from_millis(10);

/// Bytes that may wait; who wants to add more waits.
const MOST: usize = 1 << 20;

/// The buffer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Sink(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Signalled when there is something to write.
    filled: Condvar,
    /// Signalled when something was written.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// The thread is writing what it has taken out.
    writing: bool,
    /// Somebody wants everything written now.
    urgent: bool,
}

impl Sink {
    /// A buffer that is emptied into `target`, by a thread that lives as long as the process.
    pub(super) fn new(target: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        });
        let sink = Self(Arc::clone(&shared));
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || shared.empty_into(target))?;
        Ok(sink)
    }

    /// Waits until everything that was logged before is written, or it takes longer than `most`.
    pub(super) fn flush(&self, most: Duration) {
        let mut state = self.0.lock();
        state.urgent = true;
        self.0.filled.notify_one();
        // Neither a time-out nor a panicked writer leaves anything to be done.
        let _ = self.0.emptied.wait_timeout_while(state, most, |state| {
            state.writing || !state.waiting.is_empty()
        });
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while holding the lock leaves bytes, which are as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn empty_into(&self, mut target: impl Write) {
        loop {
            let state = self
                .filled
                .wait_while(self.lock(), |state| {
                    state.waiting.is_empty() && !state.urgent
                })
                .unwrap_or_else(PoisonError::into_inner);
            // A moment for more, unless somebody waits.
            let (mut state, _) = self
                .filled
                .wait_timeout_while(state, COLLECT, |state| {
                    !state.urgent && state.waiting.len() < MOST / 2
                })
                .unwrap_or_else(PoisonError::into_inner);
            state.urgent = false;
            state.writing = true;
            let lines = std::mem::take(&mut state.waiting);
            drop(state);
            // There is no place left to tell that the log cannot be written.
            let _ = target.write_all(&lines).and_then(|()| target.flush());
            self.lock().writing = false;
            self.emptied.notify_all();
        }
    }
}

impl Write for &Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self
            .0
            .emptied
            .wait_while(self.0.lock(), |state| state.waiting.len() > MOST)
            .unwrap_or_else(PoisonError::into_inner);
        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(bytes);
        // The thread sleeps only on an empty buffer; while it collects, waking it up costs more
        // than it gives, but for a buffer that fills.
        if was_empty || state.waiting.len() >= MOST / 2 {
            self.0.filled.notify_one();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Sends what is written to the test, and waits for its leave each time.
    struct Slow {
        written: Sender<Vec<u8>>,
        leave: Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written
                .send(bytes.to_vec())
                .map_err(io::Error::other)?;
            self.leave.recv().map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_together_and_in_order() {
        let (written, lines) = channel();
        let (leave, leaving) = channel();
        let sink = Sink::new(Slow {
            written,
            leave: leaving,
        })
        .unwrap();
        (&sink).write_all(b"one\n").unwrap();
        assert_eq!(lines.recv().unwrap(), b"one\n");
        // Collected while the first write goes on.
        for line in ["two\n", "three\n"] {
            (&sink).write_all(line.as_bytes()).unwrap();
        }
        leave.send(()).unwrap();
        leave.send(()).unwrap();
        sink.flush(Duration::from_mins(1));
        assert_eq!(lines.recv().unwrap(), b"two\nthree\n");
    }

    #[test]
    fn a_flush_does_not_wait_forever() {
        let (written, lines) = channel();
        let (_leave, leaving) = channel();
        let sink = Sink::new(Slow {
            written,
            leave: leaving,
        })
        .unwrap();
        (&sink).write_all(b"stuck\n").unwrap();
        sink.flush(Duration::from_millis(20));
        assert_eq!(lines.recv().unwrap(), b"stuck\n");
    }
}
