//! What became of each release, and how it is told.

use serde_json::{Value, json};

use crate::commands::{Session, Style};
use crate::fill::{Case, Verdict, junit};

/// How many lines of pip's are shown of a failure.
const SHOWN_LINES: usize = 20;

/// What became of a release.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// The project, or the address that nothing more is known of.
    pub(super) project: String,
    /// Its version, once it is known.
    pub(super) version: Option<String>,
    /// The line that asks for it, where that is of use to know.
    pub(super) requirement: Option<String>,
    /// The wheel.
    pub(super) file: Option<String>,
    /// What became of it.
    pub(super) status: Status,
}

/// What became of a release.
#[derive(Clone, Debug)]
pub(super) enum Status {
    /// Its wheel was uploaded to this index.
    Uploaded(String),
    /// Its wheel would be uploaded to this index.
    WouldUpload(String),
    /// It had a wheel already.
    Present,
    /// It is on the blacklist.
    Blacklisted,
    /// It is not for this Python.
    NotForThisPython,
    /// It has no wheel, for this reason; with what pip said.
    Failed { reason: String, log: String },
}

/// What became of them all.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) index: String,
    pub(super) pure_index: Option<String>,
    pub(super) outcomes: Vec<Outcome>,
    /// What is odd without being a failure of one release.
    pub(super) warnings: Vec<String>,
}

impl Outcome {
    fn name(&self) -> String {
        match (&self.version, &self.requirement) {
            (Some(version), _) => format!("{} {version}", self.project),
            (None, Some(requirement)) => requirement.clone(),
            (None, None) => self.project.clone(),
        }
    }

    fn file_or_name(&self) -> String {
        self.file.clone().unwrap_or_else(|| self.name())
    }

    fn line(&self) -> (Style, String) {
        let shown = self.file_or_name();
        match &self.status {
            Status::Uploaded(index) => (Style::Plain, format!("uploaded {shown} to {index}")),
            Status::WouldUpload(index) => {
                (Style::Plain, format!("would upload {shown} to {index}"))
            }
            Status::Present => (Style::Plain, format!("present {shown}")),
            Status::Blacklisted => (Style::Plain, format!("blacklisted {shown}")),
            Status::NotForThisPython => (Style::Plain, format!("not for this Python {shown}")),
            Status::Failed { reason, .. } => {
                (Style::Red, format!("failed {}: {reason}", self.name()))
            }
        }
    }

    fn document(&self) -> Value {
        let mut document = json!({
            "project": self.project,
            "version": self.version,
            "requirement": self.requirement,
            "file": self.file,
            "status": self.status.word(),
        });
        match &self.status {
            Status::Uploaded(index) | Status::WouldUpload(index) => {
                document["index"] = json!(index);
            }
            Status::Failed { reason, log } => {
                document["reason"] = json!(reason);
                document["log"] = json!(log);
            }
            _ => {}
        }
        document
    }
}

impl Status {
    fn word(&self) -> &'static str {
        match self {
            Self::Uploaded(_) => "uploaded",
            Self::WouldUpload(_) => "would-upload",
            Self::Present => "present",
            Self::Blacklisted => "blacklisted",
            Self::NotForThisPython => "not-for-this-python",
            Self::Failed { .. } => "failed",
        }
    }
}

impl Report {
    pub(super) fn has_failed(&self) -> bool {
        let is_failed = |outcome: &Outcome| matches!(outcome.status, Status::Failed { .. });
        self.outcomes.iter().any(is_failed)
    }

    /// Says it: what was done on standard output, everything else beside it.
    pub(super) fn tell(&self, session: &mut Session, as_json: bool) {
        if as_json {
            session.output.json(&format!("{:#}", self.document()));
            return;
        }
        for warning in &self.warnings {
            session.output.talk(&format!("warning: {warning}"));
        }
        for outcome in &self.outcomes {
            let is_news = !matches!(
                outcome.status,
                Status::Present | Status::Blacklisted | Status::NotForThisPython
            );
            if let Status::Failed { log, .. } = &outcome.status {
                let lines: Vec<_> = log.lines().collect();
                for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
                    session.output.talk(&format!("  {line}"));
                }
            }
            if is_news || session.options.verbose > 0 {
                let (style, line) = outcome.line();
                session.output.styled(style, &line);
            }
        }
        session.output.talk(&self.summary());
    }

    pub(super) fn junit(&self, run_id: Option<&str>) -> String {
        let case = |outcome: &Outcome| Case {
            name: match run_id {
                Some(run_id) => format!("{} ({run_id})", outcome.name()),
                None => outcome.name(),
            },
            verdict: match &outcome.status {
                Status::Uploaded(_) | Status::WouldUpload(_) => Verdict::Passed,
                Status::Present | Status::Blacklisted | Status::NotForThisPython => {
                    Verdict::Skipped(outcome.status.word().replace('-', " "))
                }
                Status::Failed { reason, log } => Verdict::Failed {
                    reason: reason.clone(),
                    log: log.clone(),
                },
            },
        };
        let cases: Vec<_> = self.outcomes.iter().map(case).collect();
        junit(&format!("cheeseshop fill {}", self.index), &cases)
    }

    fn document(&self) -> Value {
        json!({
            "index": self.index,
            "pure_index": self.pure_index,
            "packages": self.outcomes.iter().map(Outcome::document).collect::<Vec<_>>(),
            "warnings": self.warnings,
        })
    }

    fn summary(&self) -> String {
        let mut parts = Vec::new();
        for (word, told) in [
            ("uploaded", "uploaded"),
            ("would-upload", "to be uploaded"),
            ("present", "there already"),
            ("blacklisted", "blacklisted"),
            ("not-for-this-python", "not for this Python"),
            ("failed", "failed"),
        ] {
            let count = self
                .outcomes
                .iter()
                .filter(|outcome| outcome.status.word() == word)
                .count();
            if count > 0 {
                parts.push(format!("{count} {told}"));
            }
        }
        if parts.is_empty() {
            return "nothing is required".to_owned();
        }
        parts.join(", ")
    }
}
