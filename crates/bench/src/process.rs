//! The contestants' processes: started, watched, and stopped by their number.

use std::fs::{File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How long a server may take until it answers. devpi-server needs 17 s on an idle machine.
const START_DEADLINE: Duration = Duration::from_mins(2);

/// How long a server may take to stop before it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// A process that ends with this value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program whose output goes to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = append(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{command:?} cannot be started"))?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    /// Waits until `ready` says so; an end of the process before that is an error.
    pub(crate) fn wait_until(&mut self, mut ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}: {}", self.end_of_log());
            }
            if Instant::now() > deadline {
                bail!("it did not get ready: {}", self.end_of_log());
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Everything that it has printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn end_of_log(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(8)..].join(" | ")
    }

    /// Stops it as a service manager does.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let status = Command::new("kill")
            .args(["-s", "TERM", &self.child.id().to_string()])
            .status()?;
        if !status.success() {
            bail!("kill ended with {status}");
        }
        let deadline = Instant::now() + STOP_DEADLINE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                break;
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Waits for its end, which has to be a good one; gives how long it took, and the most memory that it
    /// and its children held.
    pub(crate) fn finish(&mut self, longest: Duration) -> Result<(Duration, u64)> {
        let started = Instant::now();
        let mut peak = 0;
        loop {
            if let Some(status) = self.child.try_wait()? {
                if !status.success() {
                    bail!("it ended with {status}: {}", self.end_of_log());
                }
                return Ok((started.elapsed(), peak));
            }
            if started.elapsed() > longest {
                bail!("it did not come to an end: {}", self.end_of_log());
            }
            // It may end at this very moment.
            peak = peak.max(self.peak_bytes().unwrap_or(0));
            std::thread::sleep(LOOK);
        }
    }

    /// Memory that it and its children hold now, in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        self.sum("VmRSS:")
    }

    /// The most memory that it and its children have held since [`forget_peak`](Self::forget_peak).
    pub(crate) fn peak_bytes(&self) -> Result<u64> {
        self.sum("VmHWM:")
    }

    /// Processor time that it and its children have used so far, in microseconds, to the
    /// hundredth of a second.
    pub(crate) fn processor_time(&self) -> Result<u64> {
        let mut sum = 0;
        for id in family(self.child.id()) {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
            sum += ticks_of(&stat).unwrap_or(0);
        }
        // USER_HZ is 100 on every Linux that we run on, and what proc(5) counts in.
        Ok(sum * 10_000)
    }

    /// Begins a new measurement of the peak.
    pub(crate) fn forget_peak(&self) -> Result<()> {
        for id in family(self.child.id()) {
            // 5: reset the peak of resident memory, proc(5).
            std::fs::write(format!("/proc/{id}/clear_refs"), "5")?;
        }
        Ok(())
    }

    fn sum(&self, field: &str) -> Result<u64> {
        let mut sum = 0;
        for id in family(self.child.id()) {
            let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
            sum += kib_of(&status, field).unwrap_or(0) * 1024;
        }
        Ok(sum)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.stop().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A port that nobody listens on at the moment.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Runs a program to its end; its output goes to `log`.
pub(crate) fn run(command: &mut Command, log: &Path) -> Result<()> {
    let file = append(log)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .with_context(|| format!("{command:?} cannot be run"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}, see {}", log.display());
    }
    Ok(())
}

fn append(log: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| log.display().to_string())
}

/// A process and all that it has started.
fn family(id: u32) -> Vec<u32> {
    let mut all = vec![id];
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    for child in children.unwrap_or_default().split_ascii_whitespace() {
        if let Ok(child) = child.parse() {
            all.extend(family(child));
        }
    }
    all
}

/// User and system time; they are the 14th and 15th fields, and the name before them may hold
/// anything.
fn ticks_of(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let user: u64 = fields.get(11)?.parse().ok()?;
    let system: u64 = fields.get(12)?.parse().ok()?;
    Some(user + system)
}

fn kib_of(status: &str, field: &str) -> Option<u64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(field))?
        .split_ascii_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_kernels_words() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t   1024 kB\n";
        assert_eq!(kib_of(status, "VmRSS:"), Some(1024));
        assert_eq!(kib_of(status, "VmSwap:"), None);
    }

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 9 0 0 0 31 11 0 0 20 0 1 0 5";
        assert_eq!(ticks_of(stat), Some(42));
        assert_eq!(ticks_of("7 (a"), None);
    }

    #[test]
    fn a_process_is_stopped_by_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut process = Process::start(Command::new("sleep").arg("60"), &log).unwrap();
        assert!(process.resident_bytes().unwrap() > 0);
        process.stop().unwrap();
        assert!(process.child.try_wait().unwrap().is_some());
    }

    #[test]
    fn the_end_of_a_process_is_waited_for_and_judged() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let finish = |script: &str, longest| {
            let mut command = Command::new("sh");
            Process::start(command.args(["-c", script]), &log)
                .unwrap()
                .finish(longest)
        };
        let work = "head -c 200000000 /dev/zero | cksum";
        let (_, peak) = finish(work, START_DEADLINE).unwrap();
        assert!(peak > 0);
        let error = finish("echo no luck; exit 3", START_DEADLINE).unwrap_err();
        assert!(error.to_string().contains("no luck"), "{error}");
        let error = finish("exec sleep 60", Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains("did not come"), "{error}");
    }

    #[test]
    fn an_early_end_is_told_with_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo no luck; exit 3"]);
        let mut process = Process::start(&mut command, &log).unwrap();
        let error = process.wait_until(|| false).unwrap_err().to_string();
        assert!(error.contains('3') && error.contains("no luck"), "{error}");
    }
}
