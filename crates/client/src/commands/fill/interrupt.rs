//! Programs that are running, and their end when nobody waits for them any more.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// How long programs that were killed may take to go.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often is looked.
const TICK: Duration = Duration::from_millis(10);

/// Programs with all that they start: each in a process group of its own. pip starts build backends,
/// and these compilers; none of them may write on behind our back.
#[derive(Clone, Debug, Default)]
pub(super) struct Children(Rc<RefCell<BTreeSet<i32>>>);

impl Children {
    /// Runs a program to its end. When the future is dropped, the program is killed.
    pub(super) async fn run(
        &self,
        command: &mut tokio::process::Command,
    ) -> std::io::Result<ExitStatus> {
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        let mut guard = Guard {
            children: self,
            group,
        };
        self.0.borrow_mut().extend(group);
        let status = child.wait().await?;
        guard.done();
        Ok(status)
    }

    /// Waits until those that were killed are gone.
    pub(super) async fn end(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.is_any_there() && Instant::now() < deadline {
            tokio::time::sleep(TICK).await;
        }
    }

    fn is_any_there(&self) -> bool {
        self.0
            .borrow()
            .iter()
            .filter_map(|group| Pid::from_raw(*group))
            .any(|group| test_kill_process_group(group).is_ok())
    }
}

/// Kills a group, unless it is done.
struct Guard<'children> {
    children: &'children Children,
    group: Option<i32>,
}

impl Guard<'_> {
    fn done(&mut self) {
        if let Some(group) = self.group.take() {
            self.children.0.borrow_mut().remove(&group);
        }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(group) = self.group.and_then(Pid::from_raw) {
            // It may be gone already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Waits for the signals that end a command.
pub(super) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        // Then they end us as they always do.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
        _ = hangup.recv() => (),
    }
}
