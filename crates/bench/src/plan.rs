//! How much is done: every count and every time of a run.

use std::time::Duration;

/// The bounds of a run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Seconds of one run of wrk.
    pub(crate) seconds: u64,
    /// The same for devpi.
    pub(crate) devpi_seconds: u64,
    /// Runs per contestant and case, taken in turns.
    pub(crate) rounds: usize,
    /// Files of the large project page.
    pub(crate) wide_files: usize,
    /// Bytes of the medium and of the large file.
    pub(crate) medium_bytes: usize,
    /// See `medium_bytes`.
    pub(crate) large_bytes: usize,
    /// Projects that are asked for once each.
    pub(crate) cold_projects: usize,
    /// What the upstream takes to answer in the cold workload.
    pub(crate) upstream_delay: Duration,
    /// Bytes of the file that the herd wants.
    pub(crate) herd_bytes: usize,
    /// Clients of the herd.
    pub(crate) herd_clients: usize,
    /// Times that the herd comes.
    pub(crate) herd_rounds: usize,
    /// Wheels that are uploaded at most, per round.
    pub(crate) uploads: usize,
    /// The same for devpi.
    pub(crate) devpi_uploads: usize,
    /// The longest time that one contestant may spend on uploads.
    pub(crate) upload_time: Duration,
    /// Names in the list of all projects.
    pub(crate) names: usize,
    /// Times that the list is fetched.
    pub(crate) list_fetches: usize,
    /// Files in the data directory of the start workload.
    pub(crate) start_files: usize,
    /// Files of the export that is imported.
    pub(crate) import_files: usize,
    /// The longest time that uploading them may take, of either.
    pub(crate) seeding: Duration,
    /// Starts.
    pub(crate) starts: usize,
    /// Starts of the client, for each command.
    pub(crate) client_starts: usize,
}

impl Plan {
    /// What figures are published from.
    pub(crate) fn full() -> Self {
        Self {
            seconds: 3,
            devpi_seconds: 8,
            rounds: 3,
            wide_files: 5_000,
            medium_bytes: 50_000_000,
            large_bytes: 500_000_000,
            cold_projects: 20,
            upstream_delay: Duration::from_millis(30),
            herd_bytes: 50_000_000,
            herd_clients: 64,
            herd_rounds: 2,
            uploads: 2_000,
            devpi_uploads: 60,
            upload_time: Duration::from_mins(1),
            names: 600_000,
            list_fetches: 9,
            start_files: 100_000,
            import_files: 10_000,
            seeding: Duration::from_mins(4),
            starts: 7,
            client_starts: 21,
        }
    }

    /// Enough to see that everything works.
    pub(crate) fn quick() -> Self {
        Self {
            seconds: 1,
            devpi_seconds: 5,
            rounds: 1,
            medium_bytes: 20_000_000,
            large_bytes: 100_000_000,
            cold_projects: 4,
            herd_bytes: 10_000_000,
            herd_rounds: 1,
            uploads: 300,
            devpi_uploads: 16,
            upload_time: Duration::from_secs(20),
            names: 60_000,
            list_fetches: 3,
            start_files: 2_000,
            import_files: 500,
            seeding: Duration::from_secs(30),
            starts: 3,
            client_starts: 5,
            ..Self::full()
        }
    }
}
