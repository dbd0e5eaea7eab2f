//! Signals: those that stop a program, and the one on which a server reads its settings again.

use std::io::IsTerminal as _;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// The signals that stop a program.
#[derive(Debug)]
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Listens from now on; a signal that comes before anybody waits is kept.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Comes back with the name of the next signal.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The signals that a server listens to.
#[derive(Debug)]
pub(crate) struct Signals {
    stop: StopSignals,
    hang_up: Signal,
    /// SIGHUP means that the terminal has gone, where there was one.
    has_terminal: bool,
}

/// What a signal asks a server for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// To stop; with the signal's name.
    Stop(&'static str),
    /// To read the settings again.
    Reload,
}

impl Signals {
    /// As [`StopSignals::listen`].
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            stop: StopSignals::listen()?,
            hang_up: listen(SignalKind::hangup())?,
            has_terminal: std::io::stderr().is_terminal(),
        })
    }

    /// Comes back with the next signal's request.
    pub(crate) async fn next(&mut self) -> Request {
        tokio::select! {
            name = self.stop.next() => Request::Stop(name),
            _ = self.hang_up.recv() => {
                if self.has_terminal {
                    Request::Stop("SIGHUP")
                } else {
                    Request::Reload
                }
            }
        }
    }

    /// Comes back with the name of the next signal to stop.
    pub(crate) async fn next_stop(&mut self) -> &'static str {
        loop {
            if let Request::Stop(name) = self.next().await {
                return name;
            }
        }
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::caused_by("cannot listen for signals", &error))
}
