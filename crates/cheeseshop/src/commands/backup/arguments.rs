//! `cheeseshop backup …`: what may be said.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Make a backup, beside the running server, and remove old ones as `--keep` says.
    Create(CreateArgs),
    /// List the backups in a directory, oldest first.
    List(ListArgs),
    /// Read a backup to its last byte: database, log of changes, and the digest of every file.
    Verify(VerifyArgs),
    /// Bring a backup back, into a data directory with nothing in it.
    Restore(RestoreArgs),
    /// Remove the backups that need not be kept. The newest stays.
    Prune(PruneArgs),
}

/// Which backups stay.
#[derive(Debug, Args)]
pub(crate) struct KeepArgs {
    /// Keep so many of the newest. Default: `backup.keep`; without either setting all stay.
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<u64>,

    /// Keep those that are not older than so many days. Default: `backup.keep_days`. With both rules a backup
    /// stays that either keeps.
    #[arg(long, value_name = "DAYS")]
    pub(crate) keep_days: Option<u64>,
}

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct CreateArgs {
    /// The directory for backups; each gets one below it. Default: `backup.directory`.
    pub(crate) directory: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) keep: KeepArgs,

    /// Copy files also where the backup could share them with the store (hard links). What an earlier backup
    /// has is shared with that all the same.
    #[arg(long)]
    pub(crate) copy: bool,

    /// Fetch the files of an S3 store into the backup; else it only lists them.
    #[arg(long)]
    pub(crate) include_remote_blobs: bool,

    /// Read also the files that are shared with the store or an earlier backup, and compare them with their
    /// digests. What is damaged in an earlier backup is taken from the store again.
    #[arg(long)]
    pub(crate) verify: bool,

    /// Wait so long for the end of a garbage collection; 0 does not wait.
    #[arg(long, value_name = "SECONDS", default_value = "1h")]
    pub(crate) wait: String,

    /// Print what was made as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The directory with the backups. Default: `backup.directory`.
    pub(crate) directory: Option<PathBuf>,

    /// Print them as JSON, with all that their manifests say.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A backup, or a directory with backups, of which the newest is taken. Default: `backup.directory`.
    pub(crate) backup: Option<PathBuf>,

    /// Print what was found as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// A backup, or a directory with backups, of which the newest is taken.
    pub(crate) backup: PathBuf,

    /// Share the files with the backup (hard links) where that is possible, instead of copying them.
    #[arg(long)]
    pub(crate) hard_links: bool,

    /// Come to an end also when the backup does not have every file as it should.
    #[arg(long)]
    pub(crate) accept_damage: bool,

    /// Print what was restored as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// The directory with the backups. Default: `backup.directory`.
    pub(crate) directory: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) keep: KeepArgs,

    /// Only say which would go.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print what became of them as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
