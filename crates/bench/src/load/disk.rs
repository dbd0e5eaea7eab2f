//! What the disk can do: the ceiling of everything durable that does not share its syncs.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

/// Files of a kilobyte that can be made durable in a second by so many writers, each with one
/// sync of its own.
///
/// The files stay until the folder goes: a file system that has just removed thousands of files
/// makes new ones more slowly (ext4 without a journal looks at every inode that was freed in the
/// last minutes), and that would be measured in whoever comes next.
#[expect(clippy::cast_precision_loss, reason = "a count of one run")]
pub(crate) fn synced_files_per_second(
    folder: &Path,
    writers: usize,
    time: Duration,
) -> Result<f64> {
    let folder = folder.join("synced");
    std::fs::create_dir_all(&folder)?;
    let done = AtomicUsize::new(0);
    let started = Instant::now();
    let writer = |number: usize| -> Result<()> {
        let mut count = 0;
        while started.elapsed() < time {
            let path = folder.join(format!("{number}-{count}"));
            let mut file = std::fs::File::create(path)?;
            file.write_all(&[7; 1024])?;
            file.sync_all()?;
            count += 1;
        }
        done.fetch_add(count, Ordering::Relaxed);
        Ok(())
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..writers)
            .map(|number| scope.spawn(move || writer(number)))
            .collect();
        writers
            .into_iter()
            .try_for_each(|writer| writer.join().unwrap_or(Ok(())))
    })?;
    let elapsed = started.elapsed().as_secs_f64();
    Ok(done.into_inner() as f64 / elapsed)
}
