//! What can go wrong with backups, in words for the operator.

use cheeseshop_storage::DatabaseError;
use cheeseshop_storage::backup::BackupError;

use crate::failure::Failure;

/// What went wrong while a backup was restored.
pub(super) fn while_restoring(error: &BackupError) -> Failure {
    let what = "the restore did not come to its end";
    if error.is_full() {
        return Failure::caused_by(what, error)
            .with_hint("make room and start it again; it goes on where it was");
    }
    failure(what, error)
}

/// What went wrong while `what` was done.
pub(super) fn failure(what: &str, error: &BackupError) -> Failure {
    let failure = Failure::caused_by(what, error);
    if error.is_full() {
        return failure
            .with_hint("make room: older backups go with `cheeseshop backup prune --keep N`");
    }
    match error {
        BackupError::InUse { .. } => {
            failure.with_hint("wait for it; its lock ends with its process")
        }
        BackupError::NoProgram { .. } => failure.with_hint(
            "a PostgreSQL database is backed up by PostgreSQL's own programs: install those of the \
             server's release or a later one (Debian: `postgresql-client`), or dump the database by other \
             means and keep the files of the store apart",
        ),
        BackupError::Database(
            DatabaseError::RemovalsHeld { .. } | DatabaseError::RemovalsLost(_),
        ) => failure.with_hint(
            "start it again when that has ended, or wait for longer with --wait SECONDS; whoever is \
             killed holds nothing any more",
        ),
        BackupError::NotEmpty { .. } => failure.with_hint(
            "nothing was changed; stop the server, move what is there aside, and try again, or name \
             another directory with --data-dir",
        ),
        BackupError::Damaged(_) => failure
            .with_hint("`cheeseshop backup verify` says all that is wrong with it; try another one")
            .into_answer(),
        BackupError::NoBackup(_) => {
            failure.with_hint("`cheeseshop backup list DIRECTORY` says which there are")
        }
        BackupError::Database(DatabaseError::NotAccessible { .. }) => {
            failure.with_hint("check owner and mode, and run it as the user of the server")
        }
        BackupError::Io { source, .. }
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            failure.with_hint("check owner and mode, and run it as the user of the server")
        }
        _ => failure,
    }
}
