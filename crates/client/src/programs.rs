//! Running other people's programs: found on `PATH`, with a list of arguments, without a shell.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;
use std::process::{ExitStatus, Stdio};

/// What is kept of a program's words: their end, where errors are.
const KEPT_BYTES: usize = 1 << 20;

/// Runs a program in a folder and gives what it said on both of its streams, in its order.
///
/// The program ends when nobody waits for it any more.
pub(crate) async fn run(
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    folder: &Path,
) -> io::Result<(ExitStatus, String)> {
    let (reader, writer) = io::pipe()?;
    let mut child = {
        let mut command = tokio::process::Command::new(program);
        command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .kill_on_drop(true);
        command.spawn()?
        // The command, and with it our ends of the pipe, go here.
    };
    let words = tokio::task::spawn_blocking(move || last_words(reader));
    let status = child.wait().await?;
    let words = words.await.map_err(io::Error::other)??;
    Ok((status, String::from_utf8_lossy(&words).into_owned()))
}

/// Runs a program in a folder; what it says goes where our own words go.
pub(crate) async fn run_openly(
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    folder: &Path,
) -> io::Result<ExitStatus> {
    tokio::process::Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .kill_on_drop(true)
        .status()
        .await
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

    #[test]
    fn of_too_many_words_the_last_ones_are_kept() {
        let long = vec![b'x'; 3 * KEPT_BYTES];
        let words = last_words(long.as_slice().chain(&b"end"[..])).unwrap();
        assert!(words.ends_with(b"xend"));
        assert!(words.len() <= 2 * KEPT_BYTES);
    }
}
