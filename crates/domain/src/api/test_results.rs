//! What test results say: our own documents, for devpi-web only has pages of them.

use serde::{Deserialize, Serialize};

use super::{LogDocument, format_time};
use crate::{TestEnvironment, TestPhase, TestReport, TestResult};

/// A test result of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestRunDocument {
    /// The result's own name.
    pub name: String,
    /// Where the result is as it was sent.
    pub href: String,
    /// `sha256=<hex>` of its bytes.
    pub hash_spec: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was uploaded.
    pub uploaded: String,
    /// How it came here.
    pub log: Vec<LogDocument>,
    /// What it says; null when that cannot be understood, or it is one of too many or too large.
    pub report: Option<TestReportDocument>,
}

/// What a test result says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReportDocument {
    /// The machine's name.
    pub host: String,
    /// The operating system.
    pub platform: String,
    /// The version of tox.
    pub toxversion: Option<String>,
    /// `failed` if one environment did, else `passed` if one did, else `unknown`.
    pub outcome: String,
    /// The environments, by name.
    pub testenvs: Vec<TestEnvironmentDocument>,
}

/// One environment of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestEnvironmentDocument {
    /// Its name.
    pub name: String,
    /// The version of its Python.
    pub python: Option<String>,
    /// `passed`, `failed` or `unknown`.
    pub outcome: String,
    /// Whether it could not be prepared.
    pub setup_failed: bool,
    /// Whether a test failed.
    pub test_failed: bool,
    /// What was done to prepare it; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub setup: Option<Vec<TestCommandDocument>>,
    /// What was done to test; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub test: Option<Vec<TestCommandDocument>>,
}

/// One command of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestCommandDocument {
    /// The command line.
    pub command: String,
    /// What it wrote.
    pub output: String,
    /// Whether it failed.
    pub failed: bool,
}

/// How much is told of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestRunDetail {
    /// What came of it.
    Outcome,
    /// The commands and what they wrote, too.
    Commands,
}

impl TestRunDocument {
    /// The document of a result at an absolute address.
    pub fn new(
        result: &TestResult,
        href: String,
        report: Option<&TestReport>,
        detail: TestRunDetail,
    ) -> Self {
        Self {
            name: result.name.to_string(),
            href,
            hash_spec: format!("sha256={}", result.sha256),
            size: result.size,
            uploaded: format_time(result.uploaded),
            log: result.log.iter().map(LogDocument::from).collect(),
            report: report.map(|report| TestReportDocument::new(report, detail)),
        }
    }
}

impl TestReportDocument {
    fn new(report: &TestReport, detail: TestRunDetail) -> Self {
        Self {
            host: report.host.clone(),
            platform: report.platform.clone(),
            toxversion: report.tox_version.clone(),
            outcome: report.outcome().as_str().to_owned(),
            testenvs: report
                .environments
                .iter()
                .map(|environment| TestEnvironmentDocument::new(environment, detail))
                .collect(),
        }
    }
}

impl TestEnvironmentDocument {
    fn new(environment: &TestEnvironment, detail: TestRunDetail) -> Self {
        let commands = |phase: &TestPhase| match detail {
            TestRunDetail::Outcome => None,
            TestRunDetail::Commands => {
                let commands = phase.commands.iter();
                Some(commands.map(TestCommandDocument::from).collect())
            }
        };
        Self {
            name: environment.name.clone(),
            python: environment.python_version.clone(),
            outcome: environment.outcome().as_str().to_owned(),
            setup_failed: environment.setup_failed(),
            test_failed: environment.test_failed(),
            setup: commands(&environment.setup),
            test: commands(&environment.test),
        }
    }
}

impl From<&crate::TestCommand> for TestCommandDocument {
    fn from(command: &crate::TestCommand) -> Self {
        Self {
            command: command.command.clone(),
            output: command.output.clone(),
            failed: command.failed,
        }
    }
}
