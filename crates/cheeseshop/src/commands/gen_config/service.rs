//! `gen-config systemd` and its siblings: the server in the hands of what keeps it running.
//!
//! The same templates, filled by the same [`Service`], are what `devpi-gen-config` writes.

use std::path::{Path, PathBuf};

use minijinja::{Value, context};

use super::arguments::ServiceArgs;
use super::site::refused;
use super::{Format, Made, Words, filled};
use crate::cli::SettingArgs;
use crate::config::{Config, Origin, Surroundings, holds_secret, names_setting};
use crate::failure::Failure;

/// A kind of file, and whose it is.
pub(crate) type Kind = (Format, &'static str);

pub(crate) const SYSTEMD: Kind = (
    Format::Systemd,
    include_str!("templates/systemd.service.j2"),
);
pub(crate) const SUPERVISOR: Kind = (
    Format::Supervisor,
    include_str!("templates/supervisor.conf.j2"),
);
pub(crate) const LAUNCHD: Kind = (Format::Launchd, include_str!("templates/launchd.plist.j2"));
pub(crate) const WINDOWS: Kind = (
    Format::Windows,
    include_str!("templates/windows-service.txt.j2"),
);

/// The longest command that the task scheduler of Windows takes.
const LONGEST_TASK: usize = 261;

/// The file that a server finds by itself, whoever runs it.
const SYSTEM_FILE: &str = "/etc/cheeseshop/cheeseshop.toml";

/// Where the Debian package keeps the data.
const SYSTEM_DATA: &str = "/var/lib/cheeseshop";

/// A server, as those name it who keep it running.
#[derive(Debug)]
pub(crate) struct Service<'a> {
    /// What people are told that it is.
    pub(crate) title: &'a str,
    /// The program.
    pub(crate) name: &'a str,
    /// The unit of systemd.
    pub(crate) unit: &'a str,
    /// The label of launchd.
    pub(crate) label: &'a str,
    /// The task of Windows.
    pub(crate) task: &'a str,
    /// Where to read on about Linux.
    pub(crate) linux: &'a str,
    /// Who runs it.
    pub(crate) user: &'a str,
    pub(crate) words: &'a Words,
}

impl Service<'_> {
    /// What templates know as `service`.
    pub(crate) fn values(&self, format: Format) -> Result<Value, Failure> {
        let words = self.words.spelled(format)?;
        Ok(context! {
            title => self.title,
            name => self.name,
            unit => self.unit,
            label => self.label,
            task => self.task,
            linux => self.linux,
            user => self.user,
            command => words.join(" "),
            words,
        })
    }
}

/// Makes the file of one of them.
pub(super) fn made(
    (format, template): Kind,
    settings: &SettingArgs,
    config: &Config,
    options: &ServiceArgs,
) -> Result<Made, Failure> {
    let own = user_of(&config.surroundings);
    let user = options.user.as_deref().unwrap_or(&own);
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if user.is_empty() || !user.chars().all(is_plain) {
        return Err(refused("--user", user, "the name of a user"));
    }
    let words = command_line(settings, config)?;
    let service = Service {
        title: "Cheeseshop, a Python package index",
        name: "cheeseshop",
        unit: "cheeseshop",
        label: "local.cheeseshop",
        task: "Cheeseshop",
        linux: "`cheeseshop gen-config systemd`",
        user,
        words: &words,
    };
    let values = context! { service => service.values(format)? };
    let mut remarks = remarks(config, format);
    let text = filled("the file", template, values)?;
    if format == Format::Windows && longest_word(&text) > LONGEST_TASK {
        remarks.push(format!(
            "The task scheduler takes a command of {LONGEST_TASK} characters, and this one is longer: put \
             options into the file of settings."
        ));
    }
    Ok(Made { text, remarks })
}

/// How long the longest text in double quotes is, with the quotes that are escaped in it.
fn longest_word(text: &str) -> usize {
    let unescaped = text.replace("\\\"", "''");
    let quoted = unescaped.split('"').skip(1).step_by(2);
    quoted.map(|word| word.chars().count()).max().unwrap_or(0)
}

/// The user that this process runs as: the name, or the number of one that has none.
pub(crate) fn user_of(surroundings: &Surroundings) -> String {
    let named = surroundings
        .get("LOGNAME")
        .or_else(|| surroundings.get("USER"));
    if let Some(name) = named {
        return name.to_owned();
    }
    let id = rustix::process::getuid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number == id).then(|| name.to_owned())
    });
    name.unwrap_or(id)
}

/// How to start a server with the settings that this program was called with, wherever it is started from.
fn command_line(settings: &SettingArgs, config: &Config) -> Result<Words, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::caused_by("the program does not know its own path", &error))?;
    let mut words = vec![shown(&program)?, "serve".to_owned()];
    for file in settings_files(settings, config) {
        words.extend(["--config".to_owned(), shown(&file)?]);
    }
    // Another user has another home, and so another place for the data.
    let is_in_file = config
        .resolved
        .get("server.data_dir")
        .is_some_and(|(_, origin)| matches!(origin, Origin::File { .. }));
    if !is_in_file {
        words.extend(["--data-dir".to_owned(), shown(&config.data_dir)?]);
    }
    let flags = [
        ("--database-url", "database.url", &settings.database_url),
        ("--log-format", "log.format", &settings.log_format),
        ("--log", "log.filter", &settings.log),
    ];
    for (flag, key, value) in flags {
        if let Some(value) = value {
            refuse_secret(key, value)?;
            words.extend([flag.to_owned(), value.clone()]);
        }
    }
    for set in &settings.set {
        if let Some((key, value)) = set.split_once('=') {
            refuse_secret(key.trim(), value)?;
        }
        words.extend(["--set".to_owned(), set.clone()]);
    }
    Ok(Words(words))
}

/// The files that were asked for; else the one that was found where only this user looks.
fn settings_files(settings: &SettingArgs, config: &Config) -> Vec<PathBuf> {
    if !settings.config.is_empty() {
        return settings.config.clone();
    }
    let found = config.files.first();
    found
        .filter(|file| *file != Path::new(SYSTEM_FILE))
        .cloned()
        .into_iter()
        .collect()
}

fn shown(path: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    // Anything else would be another path.
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::could_not_try(format!("`{}` is a path that is no UTF-8", path.display()))
    })
}

/// A command line is seen by everybody on the machine.
fn refuse_secret(key: &str, value: &str) -> Result<(), Failure> {
    if holds_secret(key, value) {
        return Err(Failure::could_not_try(format!(
            "`{key}` holds a secret, which everybody would see in the list of processes"
        ))
        .with_hint(format!("write it into a file, and name that: {key}_file")));
    }
    Ok(())
}

fn remarks(config: &Config, format: Format) -> Vec<String> {
    let mut remarks = Vec::new();
    let of_shell = config.surroundings.variables().iter().map(|(name, _)| name);
    let of_shell: Vec<&str> = of_shell
        .filter(|name| names_setting(name))
        .map(String::as_str)
        .collect();
    if !of_shell.is_empty() {
        remarks.push(format!(
            "Settings of this shell are not in the file: {}.",
            of_shell.join(", ")
        ));
    }
    if format == Format::Systemd && config.data_dir == Path::new(SYSTEM_DATA) {
        remarks.push(
            "The Debian package brings units of its own, which shut the server in more closely."
                .to_owned(),
        );
    }
    if format == Format::Launchd {
        remarks.push(
            "Cheeseshop is built and tested for Linux. On a Mac: save the file as \
             ~/Library/LaunchAgents/local.cheeseshop.plist, then \
             `launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/local.cheeseshop.plist`."
                .to_owned(),
        );
    }
    remarks
}
