//! Arguments.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Measure the built server side by side with its peers.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    /// Short runs and small files: shows that everything works, not how fast it is.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Only these workloads.
    #[arg(long, value_delimiter = ',', value_name = "WORKLOAD,…")]
    pub(crate) only: Vec<Workload>,

    /// The peers.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "PEER,…",
        default_value = "nginx,devpi,peryx"
    )]
    pub(crate) peers: Vec<Peer>,

    /// No peers at all.
    #[arg(long)]
    pub(crate) alone: bool,

    /// The built server.
    #[arg(long, value_name = "FILE")]
    pub(crate) cheeseshop: PathBuf,

    /// Directory with the programs `devpi`, `devpi-server`, `devpi-init` and `peryx`.
    #[arg(long, value_name = "DIR")]
    pub(crate) peer_programs: PathBuf,

    /// Directory for data of the run (removed afterwards) and for the report. It should be on
    /// the disk whose durability is measured.
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: PathBuf,

    /// Leave the data of the run where it is.
    #[arg(long)]
    pub(crate) keep: bool,

    /// Puts the table between the marks of this file as well.
    #[arg(long, value_name = "FILE")]
    pub(crate) publish: Option<PathBuf>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// Project pages that are in memory.
    Hot,
    /// The same through a three-level team layout.
    Team,
    /// Downloads.
    Files,
    /// Pages and files that the upstream must be asked for.
    Cold,
    /// Many clients want one file that is not there yet.
    Herd,
    /// Durable uploads.
    Uploads,
    /// The list of all projects of a large mirror.
    List,
    /// From the start of the client to its end.
    Client,
    /// An export of devpi's is taken in.
    Import,
    /// Start with many files, memory when idle.
    Start,
}

/// Whom we measure against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// nginx with static files.
    Nginx,
    /// devpi-server.
    Devpi,
    /// peryx.
    Peryx,
}

impl Cli {
    /// Whether a peer takes part.
    pub(crate) fn invites(&self, peer: Peer) -> bool {
        !self.alone && self.peers.contains(&peer)
    }

    /// Whether a workload is to be measured.
    pub(crate) fn wants(&self, workload: Workload) -> bool {
        self.only.is_empty() || self.only.contains(&workload)
    }
}
