//! SIGHUP: settings are read again while the server runs.
//!
//! A file with problems changes nothing, and is told in the log. What can change while the server
//! runs is applied; what cannot is named, by key, as waiting for a restart.

use std::sync::Arc;

use cheeseshop_http::Appearance;

use crate::config::{Config, LogConfig};
use crate::failure::Failure;
use crate::logging;
use crate::theme;
use crate::tls::ServerTls;

/// Settings that are applied at once. All others are read at the start only.
const APPLIED: &[&str] = &["log.filter", "log.format"];

/// The section that is applied at once where TLS is spoken already.
const TLS_SECTION: &str = "tls.";

/// The section that is applied at once: the look of the pages.
const WEB_SECTION: &str = "web.";

/// How settings are read again: from where they came at the start.
pub(crate) type Source<'a> = Box<dyn Fn() -> Result<Config, Failure> + 'a>;

/// What came of reading the settings again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is in force.
    Applied,
    /// Some needs a restart.
    Waiting,
    /// They have problems, and nothing has changed.
    Refused,
}

impl Outcome {
    /// What is added to the line that `systemctl status` shows.
    pub(crate) const fn remark(self) -> &'static str {
        match self {
            Self::Applied => "",
            Self::Waiting => "; some settings wait for a restart, the log names them",
            Self::Refused => "; the settings have problems, those from before are in force",
        }
    }
}

/// What a running server takes over of new settings.
pub(crate) struct Reload<'a> {
    source: Source<'a>,
    /// What the server was started with.
    started: Vec<(String, String)>,
    log: LogConfig,
    tls: Option<Arc<ServerTls>>,
    appearance: Appearance,
}

impl<'a> Reload<'a> {
    pub(crate) fn new(started: &Config, tls: Option<Arc<ServerTls>>, source: Source<'a>) -> Self {
        Self {
            source,
            started: comparable(started),
            log: started.log.clone(),
            tls,
            appearance: started.http.appearance.clone(),
        }
    }

    /// Reads the settings and applies what can be applied. Problems are told in the log.
    pub(crate) fn run(&mut self) -> Outcome {
        let config = match self.read() {
            Ok(config) => config,
            Err(failure) => {
                tracing::error!(
                    // One line of the log, whatever it is.
                    problem = failure
                        .to_string()
                        .replace(":\n  ", ": ")
                        .replace('\n', "; "),
                    "the settings cannot be read again; those in force stay"
                );
                return Outcome::Refused;
            }
        };
        self.apply_log(&config);
        let waiting = self.waiting(&config);
        if waiting.is_empty() {
            tracing::info!("the settings have been read again");
            Outcome::Applied
        } else {
            tracing::warn!(
                keys = waiting.join(", "),
                "the settings have been read again; these keys need a restart"
            );
            Outcome::Waiting
        }
    }

    /// Reads the settings, the theme and the certificates. With trouble in any nothing is changed.
    fn read(&self) -> Result<Config, Failure> {
        let config = (self.source)()?;
        let look = theme::read_and_tell(&config.web)?;
        if let Some(tls) = &self.tls {
            config.suits_tls()?;
            // They are read whether or not a key has changed: it is their files that are new.
            tls.reload(&config.tls)?;
        }
        self.appearance.set(look);
        Ok(config)
    }

    fn apply_log(&mut self, config: &Config) {
        if config.log == self.log {
            return;
        }
        match logging::change(&config.log) {
            Ok(()) => {
                self.log = config.log.clone();
                tracing::info!(
                    filter = config.log.filter,
                    format = ?config.log.format,
                    "log lines have changed"
                );
            }
            Err(problem) => tracing::error!(problem, "log lines cannot be changed"),
        }
    }

    /// Keys whose values differ from those at the start and are not applied.
    fn waiting(&self, config: &Config) -> Vec<String> {
        let mut changed: Vec<String> = Vec::new();
        let now = comparable(config);
        let differ = |one: &[(String, String)], other: &[(String, String)]| {
            let keys = one.iter().filter(|value| !other.contains(value));
            keys.map(|(key, _)| key.clone()).collect::<Vec<_>>()
        };
        for key in differ(&now, &self.started)
            .into_iter()
            .chain(differ(&self.started, &now))
        {
            let is_applied = APPLIED.contains(&key.as_str())
                || key.starts_with(WEB_SECTION)
                || (self.tls.is_some() && key.starts_with(TLS_SECTION));
            if !is_applied && !changed.contains(&key) {
                changed.push(key);
            }
        }
        changed
    }
}

/// Every setting with its value, to be compared and never shown.
fn comparable(config: &Config) -> Vec<(String, String)> {
    config
        .resolved
        .iter()
        .map(|(key, value)| (key.to_owned(), format!("{value:?}")))
        .collect()
}
