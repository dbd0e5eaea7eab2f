//! The end of the process that started this one.
//!
//! Looked for from time to time and not told by `PR_SET_PDEATHSIG`: that signal comes when the *thread* ends
//! that started us, and test runners start servers on threads that end long before they do. An orphan has
//! another parent at once, so no look comes to the wrong answer.

use std::time::Duration;

use rustix::process::{Pid, getppid};

/// How often is looked: one call into the kernel, so short that nobody waits for it.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The process that started this one.
#[derive(Debug)]
pub(super) struct Parent(Option<Pid>);

impl Parent {
    /// The parent at this moment. The first process of a container has none.
    pub(super) fn of_this_process() -> Self {
        Self(getppid())
    }

    /// Comes back when the parent has ended.
    pub(super) async fn gone(self) {
        while getppid() == self.0 {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}
