//! What becomes of a command that somebody ends before it is done.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::commands::{Failure, Session};

/// Does the work of a command that starts programs and has temporary folders. When somebody ends it, they
/// go first.
///
/// Not for commands that wait where no signal is heard, as at a question.
pub(super) async fn tidily(
    session: &mut Session,
    work: impl AsyncFnOnce(&mut Session) -> Result<(), Failure>,
) -> Result<(), Failure> {
    unless_ended(session, work).await?
}

/// Does the work of such a command.
///
/// # Errors
/// When somebody ended it.
pub(super) async fn unless_ended<T>(
    session: &mut Session,
    work: impl AsyncFnOnce(&mut Session) -> T,
) -> Result<T, Failure> {
    let Ok(mut signals) = Signals::listen() else {
        // Then they end us as they always do.
        return Ok(work(session).await);
    };
    tokio::select! {
        biased;
        result = work(session) => Ok(result),
        failure = signals.next() => Err(failure),
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
