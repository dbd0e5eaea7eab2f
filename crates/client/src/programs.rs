//! Running other people's programs: found on `PATH`, with a list of arguments, without a shell.
//!
//! None of them outlives the future that waits for it, nor does what it has started itself.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use tokio::process::{Child, Command};

/// What is kept of a program's words: their end, where errors are.
const KEPT_BYTES: usize = 1 << 20;

/// How long a program may take to clean up when nobody waits for it any more, and how long it may take
/// to be gone when it was killed.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long many programs that were killed may take to be gone.
const PATIENCE_WITH_MANY: Duration = Duration::from_secs(5);

/// How often is looked.
const TICK: Duration = Duration::from_millis(5);

/// Runs a program in a folder and gives what it said on both of its streams, in its order.
pub(crate) async fn run(
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    folder: &Path,
) -> io::Result<(ExitStatus, String)> {
    let (reader, writer) = io::pipe()?;
    // A person's Ctrl-C reaches all programs of the terminal, and what asks for a passphrase has to have
    // the terminal. Where there is nobody, the programs are to be found together.
    let place = if io::stdin().is_terminal() {
        Place::WithUs
    } else {
        Place::Apart
    };
    let mut child = {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        Running::start(&mut command, place)?
        // The command, and with it our ends of the pipe, go here.
    };
    let words = tokio::task::spawn_blocking(move || last_words(reader));
    let status = child.end().await?;
    let words = words.await.map_err(io::Error::other)??;
    Ok((status, String::from_utf8_lossy(&words).into_owned()))
}

/// Runs a program in a folder; what it says goes where our own words go.
pub(crate) async fn run_openly(
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    folder: &Path,
) -> io::Result<ExitStatus> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    attend(&mut command).await
}

/// Runs a program that has our terminal and our streams.
pub(crate) async fn attend(command: &mut Command) -> io::Result<ExitStatus> {
    Running::start(command, Place::WithUs)?.end().await
}

/// Programs that run beside each other, with all that they start. pip starts build backends, and these
/// compilers; none of them may write on behind our back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programs {
    /// The process groups that run, or were killed.
    groups: Rc<RefCell<BTreeSet<i32>>>,
}

impl Programs {
    /// Runs a program to its end. When the future is dropped, the program is killed.
    pub(crate) async fn run(&self, command: &mut Command) -> io::Result<ExitStatus> {
        let place = Place::Among(self.clone());
        Running::start(command, place)?.end().await
    }

    /// Waits until those that were killed are gone.
    pub(crate) async fn end(&self) {
        let deadline = Instant::now() + PATIENCE_WITH_MANY;
        while self.is_any_there() && Instant::now() < deadline {
            tokio::time::sleep(TICK).await;
        }
    }

    fn is_any_there(&self) -> bool {
        let groups = self.groups.borrow();
        let mut groups = groups.iter().filter_map(|group| Pid::from_raw(*group));
        groups.any(|group| !is_gone(group))
    }
}

/// Where a program runs, which decides how it is ended.
#[derive(Debug)]
enum Place {
    /// In our process group: a terminal's signals reach both.
    WithUs,
    /// In a process group of its own.
    Apart,
    /// So too, and one of many, which nobody can wait for one after the other.
    Among(Programs),
}

/// A program that runs, and ends when this goes.
struct Running {
    child: Child,
    /// Its process group, when it has one of its own.
    group: Option<Pid>,
    place: Place,
    is_done: bool,
}

impl Running {
    fn start(command: &mut Command, place: Place) -> io::Result<Self> {
        let is_apart = !matches!(place, Place::WithUs);
        if is_apart {
            command.process_group(0);
        }
        let child = command.kill_on_drop(true).spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let group = id.and_then(Pid::from_raw).filter(|_| is_apart);
        if let (Place::Among(programs), Some(group)) = (&place, group) {
            let mut groups = programs.groups.borrow_mut();
            groups.insert(group.as_raw_nonzero().get());
        }
        Ok(Self {
            child,
            group,
            place,
            is_done: false,
        })
    }

    async fn end(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.is_done = true;
        if let (Place::Among(programs), Some(group)) = (&self.place, self.group) {
            let mut groups = programs.groups.borrow_mut();
            groups.remove(&group.as_raw_nonzero().get());
        }
        Ok(status)
    }

    /// Waits until the program is gone, and its group too.
    fn is_gone_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            // What nobody has asked about stays a process.
            let is_gone = self.child.try_wait().is_ok_and(|status| status.is_some());
            if is_gone && self.group.is_none_or(self::is_gone) {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(TICK);
        }
    }
}

impl Drop for Running {
    /// Folders that the program writes to are removed next, so it has to be gone.
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        // What is to be ended may be gone already.
        if let Some(group) = self.group {
            if matches!(self.place, Place::Among(_)) {
                let _ = kill_process_group(group, Signal::KILL);
                // `Programs::end` waits for all of them.
                return;
            }
            // As if a person had done it: they remove what is temporary.
            let _ = kill_process_group(group, Signal::INT);
            if self.is_gone_within(PATIENCE) {
                return;
            }
            let _ = kill_process_group(group, Signal::KILL);
        } else {
            // From the terminal it has heard what we have heard, and cleans up.
            if self.is_gone_within(PATIENCE) {
                return;
            }
            let id = self.child.id().and_then(|id| i32::try_from(id).ok());
            if let Some(id) = id.and_then(Pid::from_raw) {
                let _ = kill_process(id, Signal::TERM);
            }
            if self.is_gone_within(PATIENCE) {
                return;
            }
            let _ = self.child.start_kill();
        }
        self.is_gone_within(PATIENCE);
    }
}

fn is_gone(group: Pid) -> bool {
    test_kill_process_group(group).is_err()
}

fn last_words(mut reader: impl Read) -> io::Result<Vec<u8>> {
    let mut words = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let count = reader.read(&mut chunk)?;
        if count == 0 {
            return Ok(words);
        }
        words.extend_from_slice(&chunk[..count]);
        if words.len() > 2 * KEPT_BYTES {
            words.drain(..words.len() - KEPT_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_streams_are_heard_in_their_order() {
        let script = ["-c", "echo one; echo two >&2; echo three; exit 3"];
        let (status, words) = run(Path::new("/bin/sh"), &script, Path::new("/"))
            .await
            .unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(words, "one\ntwo\nthree\n");
    }

    #[tokio::test]
    async fn nothing_goes_on_when_nobody_waits() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("alive");
        // What the program has started itself holds the other end.
        let (mut reader, writer) = io::pipe().unwrap();
        let script = format!("sleep 600 & echo > {}; wait", mark.display());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]).stdout(writer);
        let mut running = Running::start(&mut command, Place::Apart).unwrap();
        drop(command);
        while !mark.exists() {
            tokio::task::yield_now().await;
        }
        assert!(!running.is_gone_within(Duration::ZERO));
        drop(running);
        // It ends only when the last of them is gone.
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }

    #[tokio::test]
    async fn of_many_programs_none_goes_on_when_nobody_waits() {
        let programs = Programs::default();
        let folder = tempfile::tempdir().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        let mut commands: Vec<_> = (0..3)
            .map(|number| {
                let mark = folder.path().join(number.to_string());
                // They do not hear what asks kindly.
                let script = format!(
                    "trap '' INT TERM; sleep 600 & echo > {}; wait",
                    mark.display()
                );
                let mut command = Command::new("/bin/sh");
                command.args(["-c", &script]);
                command.stdout(writer.try_clone().unwrap());
                command
            })
            .collect();
        drop(writer);
        let run = futures_util::future::join_all(commands.iter_mut().map(|it| programs.run(it)));
        let all_started = async {
            while folder.path().read_dir().unwrap().count() < 3 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            ended = run => panic!("{ended:?}"),
            () = all_started => (),
        }
        drop(commands);
        programs.end().await;
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);

        let status = programs.run(&mut Command::new("/bin/true")).await;
        assert!(status.unwrap().success());
        assert_eq!(programs.groups.borrow().len(), 3);
    }

    #[test]
    fn of_too_many_words_the_last_ones_are_kept() {
        let long = vec![b'x'; 3 * KEPT_BYTES];
        let words = last_words(long.as_slice().chain(&b"end"[..])).unwrap();
        assert!(words.ends_with(b"xend"));
        assert!(words.len() <= 2 * KEPT_BYTES);
    }
}
