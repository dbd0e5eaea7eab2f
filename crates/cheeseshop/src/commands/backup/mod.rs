//! `cheeseshop backup`: making, looking at and restoring backups. What a backup is stands in
//! [`cheeseshop_storage::backup`].

mod arguments;
mod create;
mod list;
mod progress;
mod restore;
mod trouble;
mod verify;

use std::path::PathBuf;

use cheeseshop_storage::backup::{Damage, Keep};
use jiff::SignedDuration;
use serde_json::{Value, json};

pub(crate) use self::arguments::BackupCommand;

use self::arguments::KeepArgs;
use crate::cli::SettingArgs;
use crate::config::{BackupConfig, Config};
use crate::failure::Failure;
use crate::logging;

/// What is wrong with a backup is told one by one up to this many times.
const TOLD: usize = 100;

/// Does what was asked for.
pub(crate) async fn run(settings: &SettingArgs, command: &BackupCommand) -> Result<(), Failure> {
    let config = Config::load(settings, &[])?;
    logging::start(&config.log)?;
    match command {
        BackupCommand::Create(arguments) => Box::pin(create::run(&config, arguments)).await,
        BackupCommand::List(arguments) => list::run(&config, arguments),
        BackupCommand::Verify(arguments) => Box::pin(verify::run(&config, arguments)).await,
        BackupCommand::Restore(arguments) => Box::pin(restore::run(&config, arguments)).await,
        BackupCommand::Prune(arguments) => list::prune(&config, arguments),
    }
}

/// The directory that was named, or that of the settings.
fn directory(config: &BackupConfig, named: Option<&PathBuf>) -> Result<PathBuf, Failure> {
    named.or(config.directory.as_ref()).cloned().ok_or_else(|| {
        Failure::could_not_try("no directory for backups is named")
            .with_hint("name one, or set `backup.directory`")
    })
}

/// The rules that were named, or those of the settings when none was.
fn keep(config: &BackupConfig, named: &KeepArgs) -> Keep {
    let (newest, days) = match (named.keep, named.keep_days) {
        (None, None) => (config.keep, config.keep_days),
        named => named,
    };
    Keep {
        newest,
        younger: days.map(|days| {
            let hours = days.saturating_mul(24);
            SignedDuration::from_hours(i64::try_from(hours).unwrap_or(i64::MAX).min(1_000_000_000))
        }),
    }
}

/// What is wrong with a backup, told as it is found and kept for a report.
struct Findings {
    is_json: bool,
    found: Vec<Value>,
    count: usize,
}

impl Findings {
    fn new(is_json: bool) -> Self {
        Self {
            is_json,
            found: Vec::new(),
            count: 0,
        }
    }

    fn add(&mut self, damage: &Damage) {
        self.count += 1;
        if self.count > TOLD {
            return;
        }
        let (blob, problem) = match damage {
            Damage::Part(problem) => (None, problem),
            Damage::Blob { sha256, what } => (Some(sha256.to_string()), what),
        };
        if self.is_json {
            self.found.push(json!({"blob": blob, "problem": problem}));
        } else {
            let line = match blob {
                Some(blob) => format!("blob {blob} {problem}"),
                None => problem.clone(),
            };
            crate::output::data(&line);
        }
    }

    /// Says how many were not told.
    fn finish(self) -> Vec<Value> {
        if self.count > TOLD {
            crate::output::talk(&format!("… and {} more", self.count - TOLD));
        }
        self.found
    }
}
