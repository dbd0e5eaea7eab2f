//! What becomes of a command that somebody ends before it is done.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::commands::{Failure, Session};

/// Who deals with signals that end the process.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupts(Rc<Cell<bool>>);

impl Interrupts {
    /// From now on, and as long as the answer is there, the command does.
    pub(super) fn are_dealt_with(&self) -> DealtWith {
        self.0.set(true);
        DealtWith(self.0.clone())
    }
}

/// The command deals with signals.
#[must_use]
pub(super) struct DealtWith(Rc<Cell<bool>>);

impl Drop for DealtWith {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Does the work of a command that starts programs and has temporary folders. When somebody ends it, they
/// go first.
///
/// Not for commands that wait where no signal is heard, as at a question.
pub(super) async fn tidily(
    session: &mut Session,
    work: impl AsyncFnOnce(&mut Session) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let interrupts = session.interrupts.clone();
    let Ok(mut signals) = Signals::listen() else {
        // Then they end us as they always do.
        return work(session).await;
    };
    let mut work = pin!(work(session));
    loop {
        tokio::select! {
            biased;
            result = &mut work => return result,
            failure = signals.next() => if !interrupts.0.get() {
                return Err(failure);
            },
        }
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one, and says how the command ends: with the exit code that shells give.
    async fn next(&mut self) -> Failure {
        let (message, code) = tokio::select! {
            _ = self.interrupt.recv() => ("interrupted", 130),
            _ = self.terminate.recv() => ("ended by a signal", 143),
            _ = self.hangup.recv() => ("the terminal is gone", 129),
        };
        Failure {
            message: message.to_owned(),
            code,
        }
    }
}
