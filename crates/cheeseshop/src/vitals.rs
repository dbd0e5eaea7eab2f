//! What the server tells its watchers of its state, looked at every few seconds: nothing happens when a disk fills
//! or the work of a night is left undone, so nobody would count it.
//!
//! | name | labels |
//! |---|---|
//! | `cheeseshop_build_info` | `version`, `database`: `sqlite`, `postgres`; `store`: `local`, `s3` |
//! | `cheeseshop_database_up`, `cheeseshop_store_up` | |
//! | `cheeseshop_database_bytes` | |
//! | `cheeseshop_change_log_serial`, `cheeseshop_users`, `cheeseshop_indexes` | |
//! | `cheeseshop_disk_free_bytes`, `cheeseshop_disk_size_bytes` | `place`: `data`, `files` |
//! | `cheeseshop_gc_finished_timestamp_seconds` | |
//! | `process_start_time_seconds`, `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`, `process_max_fds` | |

use std::path::{Path, PathBuf};
use std::time::Duration;

use cheeseshop_app::App;
use cheeseshop_domain::Clock as _;
use cheeseshop_storage::BlobConfig;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::config::Config;

const BUILD: &str = "cheeseshop_build_info";
const DATABASE_UP: &str = "cheeseshop_database_up";
const STORE_UP: &str = "cheeseshop_store_up";
const DATABASE_BYTES: &str = "cheeseshop_database_bytes";
const SERIAL: &str = "cheeseshop_change_log_serial";
const USERS: &str = "cheeseshop_users";
const INDEXES: &str = "cheeseshop_indexes";
const FREE: &str = "cheeseshop_disk_free_bytes";
const SIZE: &str = "cheeseshop_disk_size_bytes";
const COLLECTED: &str = "cheeseshop_gc_finished_timestamp_seconds";
const STARTED: &str = "process_start_time_seconds";
const CPU: &str = "process_cpu_seconds_total";
const MEMORY: &str = "process_resident_memory_bytes";
const OPEN_FILES: &str = "process_open_fds";
const MOST_FILES: &str = "process_max_fds";

/// How often it is looked. Nobody scrapes much more often.
const INTERVAL: Duration = Duration::from_secs(5);

/// The store is asked every so many times only: it makes a file for that, or a request that somebody pays for.
const STORE_TURN: u32 = 6;

/// How long an answer may take. Whoever takes longer is as good as away.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is looked at, beside the app.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    data: PathBuf,
    /// `None`: a bucket, whose room nobody tells.
    files: Option<PathBuf>,
    /// The file of the embedded database.
    database: Option<PathBuf>,
}

impl Places {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            data: config.data_dir.clone(),
            files: match &config.blobs {
                BlobConfig::Local { path } => Some(path.clone()),
                BlobConfig::S3(_) => None,
            },
            database: config.embedded_database().map(Path::to_owned),
        }
    }
}

/// Keeps the metrics up to date until `stop`.
pub(crate) async fn watch(app: App, places: Places, stop: CancellationToken) {
    describe();
    app.describe_metrics();
    let database = if places.database.is_some() {
        "sqlite"
    } else {
        "postgres"
    };
    let store = if places.files.is_some() {
        "local"
    } else {
        "s3"
    };
    let version = env!("CARGO_PKG_VERSION");
    gauge!(BUILD, "version" => version, "database" => database, "store" => store).set(1.0);
    gauge!(STARTED).set(SystemClock.now().as_duration().as_secs_f64());
    let mut machine = None;
    for turn in 0_u32.. {
        let places = places.clone();
        let looking = async {
            let of_store = async {
                if turn.is_multiple_of(STORE_TURN) {
                    look_at_store(&app).await;
                }
            };
            tokio::join!(
                look_at_data(&app),
                of_store,
                look_aside(&mut machine, PATIENCE, move || look_at_machine(&places))
            );
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = looking => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// Looks on a thread of its own. A disk of another machine that hangs must not hide the rest, and holds one
/// thread, however often it is looked.
async fn look_aside(
    before: &mut Option<JoinHandle<()>>,
    patience: Duration,
    look: impl FnOnce() + Send + 'static,
) {
    let aside = before.get_or_insert_with(|| tokio::task::spawn_blocking(look));
    if tokio::time::timeout(patience, aside).await.is_ok() {
        *before = None;
    }
}

fn describe() {
    describe_gauge!(BUILD, "1; what runs, and on what");
    describe_gauge!(DATABASE_UP, "Whether the database answers");
    describe_gauge!(STORE_UP, "Whether the store of files answers");
    describe_gauge!(DATABASE_BYTES, Unit::Bytes, "Size of the embedded database");
    describe_gauge!(SERIAL, "Changes in the log of changes");
    describe_gauge!(USERS, "Users");
    describe_gauge!(INDEXES, "Indexes");
    describe_gauge!(FREE, Unit::Bytes, "Room left where data and files are");
    describe_gauge!(
        SIZE,
        Unit::Bytes,
        "Size of the disks where data and files are"
    );
    describe_gauge!(
        COLLECTED,
        "When garbage was last collected to the end, in seconds of Unix time"
    );
    describe_gauge!(STARTED, "When the server started, in seconds of Unix time");
    describe_counter!(CPU, "Seconds of processor time");
    describe_gauge!(MEMORY, Unit::Bytes, "Memory in use");
    describe_gauge!(OPEN_FILES, "Open files and connections");
    describe_gauge!(MOST_FILES, "How many of those may be open");
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; nobody needs the last of 2^53 bytes"
)]
fn set(name: &'static str, value: u64) {
    gauge!(name).set(value as f64);
}

#[expect(clippy::cast_precision_loss, reason = "as above")]
fn set_at(name: &'static str, place: &'static str, value: u64) {
    gauge!(name, "place" => place).set(value as f64);
}

async fn look_at_data(app: &App) {
    let answer = tokio::time::timeout(PATIENCE, async {
        let status = app.status().await?;
        let collected = app.garbage_collected_at().await?;
        Ok::<_, cheeseshop_app::Error>((status, collected))
    });
    let Ok(Ok((status, collected))) = answer.await else {
        set(DATABASE_UP, 0);
        return;
    };
    set(DATABASE_UP, 1);
    set(SERIAL, u64::try_from(status.serial.0).unwrap_or_default());
    set(USERS, status.users as u64);
    set(INDEXES, status.indexes as u64);
    if let Some(collected) = collected {
        set(
            COLLECTED,
            u64::try_from(collected.as_second()).unwrap_or_default(),
        );
    }
}

async fn look_at_store(app: &App) {
    set(STORE_UP, app.store_answers().await.is_ok().into());
}

/// What the system says. What it does not say is left out.
fn look_at_machine(places: &Places) {
    for (name, path) in [
        ("data", Some(&places.data)),
        ("files", places.files.as_ref()),
    ] {
        if let Some(disk) = path.and_then(|path| rustix::fs::statvfs(path).ok()) {
            // What root has in reserve is not ours.
            set_at(FREE, name, disk.f_bavail.saturating_mul(disk.f_frsize));
            set_at(SIZE, name, disk.f_blocks.saturating_mul(disk.f_frsize));
        }
    }
    if let Some(database) = &places.database {
        let bytes_of = |suffix: &str| {
            let mut path = database.clone().into_os_string();
            path.push(suffix);
            std::fs::metadata(path).map_or(0, |file| file.len())
        };
        set(DATABASE_BYTES, bytes_of("") + bytes_of("-wal"));
    }
    // Not by the crate `metrics-process`: it reads the start from `/proc/stat`, which `ProcSubset=pid` hides in our units.
    // Whole seconds are all that a counter takes.
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    counter!(CPU).absolute(u64::try_from(cpu.tv_sec).unwrap_or_default());
    if let Some(bytes) = resident_memory() {
        set(MEMORY, bytes);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // The one that lists them is among them.
        set(OPEN_FILES, (open.count() as u64).saturating_sub(1));
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        set(MOST_FILES, most);
    }
}

/// What Linux says in `/proc/self/status`, in kB.
fn resident_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_disk_that_hangs_holds_one_thread() {
        let looks = Arc::new(AtomicUsize::new(0));
        let (end, ended) = mpsc::channel::<()>();
        let count = Arc::clone(&looks);
        let hanging = move || {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = ended.recv();
        };
        let look = || {
            let count = Arc::clone(&looks);
            move || {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        let mut before = None;
        look_aside(&mut before, Duration::ZERO, hanging).await;
        look_aside(&mut before, Duration::ZERO, look()).await;
        look_aside(&mut before, Duration::ZERO, look()).await;
        drop(end);
        // The first comes to its end, and then it is looked again.
        look_aside(&mut before, Duration::MAX, look()).await;
        assert_eq!(looks.load(Ordering::SeqCst), 1);
        look_aside(&mut before, Duration::MAX, look()).await;
        assert_eq!(looks.load(Ordering::SeqCst), 2);
    }
}
