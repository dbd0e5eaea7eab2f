//! A machine: a tree booted by systemd-nspawn, with the real systemd as its first process, no network but
//! its own loopback, and a layer in memory on top, so that the tree stays as it is.
//!
//! Works where systemd is not the first process of the host, as on build machines: nothing is registered
//! with anybody, and commands go in through the namespaces.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::shell::{program, say, succeeds};

/// How long a machine may take to come up, and to go down.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(100);

/// What a command in the machine finds in its environment.
const ENVIRONMENT: &[&str] = &[
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
];

/// A running machine; it ends with this value.
#[derive(Debug)]
pub(crate) struct Machine {
    nspawn: Child,
    /// The machine's first process, by its number on the host.
    leader: String,
}

impl Machine {
    /// Boots `tree` and waits until everything in it has started. `shared` can be read in it as
    /// `/packages`; what the machine says goes to the file `log`.
    pub(crate) fn boot(tree: &Path, shared: &Path, log: &Path) -> Result<Self> {
        Self::start(tree, shared, log, "clean-debian", "--private-network")
    }

    /// Boots another one, on the network of this one.
    pub(crate) fn boot_beside(&self, tree: &Path, shared: &Path, log: &Path) -> Result<Self> {
        let network = format!("--network-namespace-path=/proc/{}/ns/net", self.leader);
        Self::start(tree, shared, log, "other-debian", &network)
    }

    fn start(tree: &Path, shared: &Path, log: &Path, name: &str, network: &str) -> Result<Self> {
        let output = File::create(log).with_context(|| log.display().to_string())?;
        // Also when this process is killed: then the machine is told to shut down.
        let mut nspawn = program("setpriv");
        nspawn
            .args(["--pdeathsig", "TERM", "systemd-nspawn", "--directory"])
            .arg(tree)
            .args(["--volatile=overlay", network])
            .args([
                "--register=no",
                "--keep-unit",
                "--boot",
                "--console=passive",
            ])
            .args(["--machine", name])
            .arg(format!("--bind-ro={}:/packages", shared.display()))
            // Two may have one tree, which neither of them writes to.
            .env("SYSTEMD_NSPAWN_LOCK", "0")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let nspawn = nspawn.spawn().context("systemd-nspawn cannot be run")?;
        let mut machine = Self {
            nspawn,
            leader: String::new(),
        };
        machine.wait_until_up().with_context(|| {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            format!("the clean Debian does not boot here; it says:\n{said}")
        })?;
        Ok(machine)
    }

    /// Runs a program of shell in the machine; it must succeed.
    pub(crate) fn run(&self, script: &str) -> Result<()> {
        let status = self
            .inside(&["bash", "-euo", "pipefail", "-c", script])
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .status()
            .context("nsenter cannot be run")?;
        if !status.success() {
            bail!("a step in the clean Debian ended with {status}; see above");
        }
        Ok(())
    }

    fn inside(&self, words: &[&str]) -> Command {
        let mut command = program("nsenter");
        command
            .args(["--target", &self.leader])
            .args(["--mount", "--pid", "--net", "--uts", "--ipc"])
            .args(["env", "-i"])
            .args(ENVIRONMENT)
            .args(words);
        command
    }

    fn wait_until_up(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.nspawn.try_wait()? {
                bail!("systemd-nspawn ended with {status}");
            }
            // Looked up each time: the first that nspawn starts is a helper, gone in a moment.
            self.leader = first_child(self.nspawn.id()).unwrap_or_default();
            if !self.leader.is_empty()
                && succeeds(&mut self.inside(&["systemctl", "is-system-running", "--quiet"]))
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("it has not come up in {} seconds", PATIENCE.as_secs());
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // On this signal nspawn has the machine shut down.
        let _ = succeeds(program("kill").arg(self.nspawn.id().to_string()));
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if !matches!(self.nspawn.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK);
        }
        say("the clean Debian does not shut down and is ended");
        // Everything in the machine ends with its first process.
        let _ = succeeds(program("kill").args(["-KILL", &self.leader]));
        let _ = self.nspawn.kill();
        let _ = self.nspawn.wait();
    }
}

/// The first process that `parent` has started, as far as there is one.
fn first_child(parent: u32) -> Option<String> {
    let parent = parent.to_string();
    std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .find_map(|entry| {
            let id = entry.file_name().into_string().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // `ID (NAME) STATE PARENT …`, where the name may hold anything.
            let (_, rest) = stat.rsplit_once(") ")?;
            (rest.split(' ').nth(1)? == parent).then_some(id)
        })
}
