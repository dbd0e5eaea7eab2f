//! Backups: a directory for each, complete in itself, made while servers run.
//!
//! ```text
//! TARGET/.lock                        one backup at a time
//! TARGET/20261122T234927Z/            0700; named by the moment at which it was begun
//!     manifest.json                   what it is, with the digests of the next two
//!     cheeseshop.db                   the embedded database (or `postgresql.dump`, from pg_dump)
//!     blob-list.txt                   digest and size of every blob that the database names
//!     blobs/ab/abcd…                  the blobs, shared with the store and other backups where possible
//! TARGET/.incomplete-…                what is being made, or was when its maker died
//! ```
//!
//! The promise: whatever was acknowledged before a backup began is in it, whole. Three things keep it.
//! The database comes first and as one snapshot, then the blobs that this snapshot names: bytes are
//! durable before their row is, so they are there. Nothing removes a blob meanwhile, since garbage collection and
//! backups exclude each other ([`crate::database::RemovalLock`]). And a backup gets its name last, when all of it
//! is on the disk, the database checked, and what was copied compared with its digest.
//!
//! Blobs never change, so what another backup or the store has already is shared by hard links where the
//! file system allows it. A backup can be removed, or moved elsewhere, without regard to others.

mod blob_list;
mod copy;
mod create;
mod directory;
mod dump;
mod error;
mod manifest;
mod progress;
mod restore;
mod state;
mod taken;
mod verify;

pub use create::{CreateOptions, Created, create};
pub use directory::{Backup, Keep, Pruned, list, newest, prune};
pub use error::BackupError;
pub use manifest::{BlobPart, Counts, DatabaseKind, DatabasePart, Manifest};
pub use progress::{Progress, ProgressNow, Stage};
pub use restore::{Destination, RESTORING, RestoreOptions, Restored, restore};
pub use state::{LastBackup, STATE_FILE};
pub use verify::{Damage, Verified, verify};

pub use crate::owner::{Owner, own_like};

/// The manifest's name in a backup.
const MANIFEST: &str = "manifest.json";

/// The embedded database's name in a backup.
const DATABASE_FILE: &str = "cheeseshop.db";

/// The name of what pg_dump wrote.
const DUMP_FILE: &str = "postgresql.dump";

/// The name of the list of blobs.
const BLOB_LIST: &str = "blob-list.txt";

/// The directory of blobs in a backup.
const BLOBS: &str = "blobs";
