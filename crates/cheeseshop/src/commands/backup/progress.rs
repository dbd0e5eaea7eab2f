//! How far a backup is, where a person looks. Timers and pipes are told the end alone.

use std::io::IsTerminal as _;
use std::time::Duration;

use cheeseshop_storage::backup::{Progress, ProgressNow, Stage};

use crate::commands::moving::bytes;
use crate::output;

/// How often a person is told.
const INTERVAL: Duration = Duration::from_millis(200);

/// Does the work, and says how far it is meanwhile.
pub(super) async fn watched<T>(progress: &Progress, work: impl Future<Output = T>) -> T {
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    let mut ticks = tokio::time::interval(INTERVAL);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                output::passing("");
                return done;
            }
            _ = ticks.tick() => output::passing(&line(&progress.now())),
        }
    }
}

fn line(now: &ProgressNow) -> String {
    match now.stage {
        Stage::Waiting => "waiting".to_owned(),
        Stage::Database => "the database".to_owned(),
        Stage::Blobs => format!(
            "{} of {} blobs, {}",
            now.blobs,
            now.all_blobs,
            bytes(now.bytes)
        ),
        Stage::Finishing => "writing everything to the disk".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_many_of_how_many() {
        let now = ProgressNow {
            stage: Stage::Blobs,
            blobs: 3,
            all_blobs: 12,
            bytes: 2_500,
        };
        assert_eq!(line(&now), "3 of 12 blobs, 2.5 kB");
    }
}
