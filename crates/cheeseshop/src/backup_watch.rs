//! What the server tells its watchers of backups: it reads what `cheeseshop backup create` has noted in the
//! data directory.

use std::path::PathBuf;
use std::time::Duration;

use cheeseshop_http::BackupNote;
use cheeseshop_storage::backup::LastBackup;
use metrics::{describe_gauge, gauge};
use tokio_util::sync::CancellationToken;

/// The moment, and not the age: an alert subtracts it from its own time, and a server that hangs does not
/// look as if it were backed up.
const FINISHED: &str = "cheeseshop_backup_finished_timestamp_seconds";
const BYTES: &str = "cheeseshop_backup_bytes";

/// How often the note is read. It is a hundred bytes, and nobody scrapes much more often.
const INTERVAL: Duration = Duration::from_secs(5);

/// Keeps metrics and status up to date until `stop`.
pub(crate) async fn watch(data_directory: PathBuf, note: BackupNote, stop: CancellationToken) {
    describe_gauge!(
        FINISHED,
        "When the newest backup was whole, in seconds of Unix time"
    );
    describe_gauge!(BYTES, "Bytes of database and files in the newest backup");
    loop {
        let directory = data_directory.clone();
        let looking = tokio::task::spawn_blocking(move || LastBackup::read(&directory));
        let last = tokio::select! {
            // A disk that is away may not answer at all.
            () = stop.cancelled() => return,
            last = looking => last,
        };
        if let Ok(Some(last)) = last {
            let finished = u64::try_from(last.finished.as_second()).unwrap_or_default();
            note.set(Some((finished, last.bytes)));
            #[expect(
                clippy::cast_precision_loss,
                reason = "a gauge is a float; nobody needs the last of 2^53 bytes"
            )]
            {
                gauge!(FINISHED).set(finished as f64);
                gauge!(BYTES).set(last.bytes as f64);
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}
