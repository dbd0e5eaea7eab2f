//! Signs of a devpi-server at work.
//!
//! It keeps no lock between commits and closes its database when nobody asks, so its process is
//! looked for: by the open database, and by its command line.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What a devpi-server without any other word uses, below its user's home.
const DEFAULT_DIRECTORY: &str = ".devpi/server";

/// The process that works in this directory or has its database open, for people.
pub(super) fn holder(directory: &Path, database: &Path) -> Option<String> {
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|process| {
        let id = process.file_name().into_string().ok()?;
        if id == own || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let path = process.path();
        (has_open(&path, database) || serves(&path, directory)).then(|| {
            let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
            format!("process {id} ({})", name.trim())
        })
    })
}

fn has_open(process: &Path, file: &Path) -> bool {
    let Ok(wanted) = fs::metadata(file) else {
        return false;
    };
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten();
    descriptors.flatten().any(|descriptor| {
        fs::metadata(descriptor.path())
            .is_ok_and(|found| found.dev() == wanted.dev() && found.ino() == wanted.ino())
    })
}

/// Whether a process is a devpi-server that was told to use this directory.
fn serves(process: &Path, directory: &Path) -> bool {
    let words = nul_separated(&process.join("cmdline"));
    // An interpreter and its options may come first.
    let program = words.iter().take(4).position(|word| {
        let name = Path::new(word).file_name().unwrap_or_default();
        name == "devpi-server" || name == "devpi_server"
    });
    let Some(words) = program.map(|program| &words[program + 1..]) else {
        return false;
    };
    let environment = nul_separated(&process.join("environ"));
    let variable = |name: &str| {
        let mut values = environment.iter().filter_map(|line| line.split_once('='));
        values
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.to_owned())
    };
    let told = option(words, &["--serverdir"])
        .or_else(|| variable("DEVPISERVER_SERVERDIR"))
        .or_else(|| configured(&option(words, &["-c", "--configfile"])?, process))
        .or_else(|| Some(format!("{}/{DEFAULT_DIRECTORY}", variable("HOME")?)));
    let told = told.map(|told| process.join("cwd").join(told));
    told.and_then(|told| told.canonicalize().ok())
        .is_some_and(|told| told == directory)
}

/// The value of an option, as `--x V` or `--x=V`.
fn option(words: &[String], names: &[&str]) -> Option<String> {
    words.iter().enumerate().find_map(|(place, word)| {
        if names.contains(&word.as_str()) {
            return words.get(place + 1).cloned();
        }
        let (name, value) = word.split_once('=')?;
        names.contains(&name).then(|| value.to_owned())
    })
}

/// The directory that a configuration file names: a line `serverdir: PATH`.
fn configured(file: &str, process: &Path) -> Option<String> {
    let text = fs::read_to_string(process.join("cwd").join(file)).ok()?;
    let value = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("serverdir:"))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

fn nul_separated(file: &Path) -> Vec<String> {
    let bytes = fs::read(file).unwrap_or_default();
    let words = bytes.split(|byte| *byte == 0);
    words
        .map(|word| OsStr::from_bytes(word).to_string_lossy().into_owned())
        .collect()
}

/// What SQLite leaves beside a database whose last commit it could not finish.
pub(super) fn leftover(file: &Path) -> Option<String> {
    ["-journal", "-wal"].into_iter().find_map(|suffix| {
        let mut path = file.as_os_str().to_owned();
        path.push(suffix);
        let path = PathBuf::from(path);
        let is_hot = fs::metadata(&path).is_ok_and(|found| found.len() > 0);
        is_hot
            .then(|| path.file_name()?.to_str().map(str::to_owned))
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// `cat` waits for the end of its input. Gives what was found meanwhile.
    fn beside(mut child: Child, directory: &Path) -> (String, Option<String>) {
        let expected = format!("process {} (", child.id());
        let found = holder(directory, &directory.join(".sqlite"));
        child.stdin.take().unwrap().flush().unwrap();
        child.wait().unwrap();
        (expected, found)
    }

    #[test]
    fn who_has_the_database_open_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".sqlite");
        fs::write(&path, "").unwrap();
        // Ourselves do not count.
        let file = fs::File::open(&path).unwrap();
        assert_eq!(holder(folder.path(), &path), None);
        let child = Command::new("cat")
            .stdin(Stdio::piped())
            .stderr(Stdio::from(file))
            .spawn()
            .unwrap();
        let (expected, found) = beside(child, folder.path());
        assert!(found.unwrap().starts_with(&expected));
    }

    #[test]
    fn who_was_told_to_serve_the_directory_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().canonicalize().unwrap();
        fs::create_dir(directory.join("other")).unwrap();
        let name = directory.file_name().unwrap().to_str().unwrap().to_owned();
        let config = directory.join("devpi.yml");
        fs::write(&config, format!("devpi-server:\n  serverdir: '{name}'\n")).unwrap();
        let config = config.to_str().unwrap().to_owned();
        let equals = format!("--serverdir={}", directory.display());
        for (words, variable, is_it) in [
            (vec!["--serverdir", &name], None, true),
            (vec![&equals], None, true),
            (vec!["--port", "1"], Some(&name), true),
            (vec!["-c", &config], None, true),
            (vec!["--serverdir", "elsewhere"], None, false),
            (vec!["--port", "1"], None, false),
        ] {
            // A shell that is called `devpi-server` and does not look at its words.
            let mut command = Command::new("sh");
            command
                .args(["-c", "read line", "/opt/bin/devpi-server"])
                .args(&words)
                .current_dir(directory.parent().unwrap())
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .stdin(Stdio::piped());
            if let Some(value) = variable {
                command.env("DEVPISERVER_SERVERDIR", value);
            }
            let (expected, found) = beside(command.spawn().unwrap(), &directory);
            match found {
                Some(found) => assert!(is_it && found.starts_with(&expected), "{words:?}"),
                None => assert!(!is_it, "{words:?}"),
            }
        }
    }

    #[test]
    fn leftovers_of_a_crash_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".sqlite");
        let journal = folder.path().join(".sqlite-journal");
        assert_eq!(leftover(&path), None);
        fs::write(&journal, "").unwrap();
        assert_eq!(leftover(&path), None);
        fs::write(&journal, "x").unwrap();
        assert_eq!(leftover(&path).unwrap(), ".sqlite-journal");
    }
}
