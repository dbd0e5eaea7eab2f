//! What tox writes (`--result-json`), read with patience.
//!
//! Tox 3 wrote return codes as text and always a `setup`; tox 4 leaves out what it did not do, and
//! others write such files, too. Only JSON that is no object, or a report of more than anybody could
//! look at, is refused; everything else that is missing or of another type than expected is taken
//! as not said.

use super::read::{self, Detail};

/// A run of tests as tox reports it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TestReport {
    /// The machine's name; empty when it was not said.
    pub host: String,
    /// The operating system, such as `linux`; empty when it was not said.
    pub platform: String,
    /// The version of tox.
    pub tox_version: Option<String>,
    /// The environments, by name.
    pub environments: Vec<TestEnvironment>,
}

/// One environment of a run, such as `py311`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TestEnvironment {
    /// Its name.
    pub name: String,
    /// The version of its Python, without build details.
    pub python_version: Option<String>,
    /// What was done to prepare it.
    pub setup: TestPhase,
    /// What was done to test.
    pub test: TestPhase,
}

/// The commands of one purpose within an environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TestPhase {
    /// What came of them.
    pub outcome: TestOutcome,
    /// The commands; none when only outcomes were read.
    pub commands: Vec<TestCommand>,
}

/// A command of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCommand {
    /// The command line; of a very long one the first MiB.
    pub command: String,
    /// What it wrote: standard output, then standard error where that is told apart. Of more than
    /// one MiB the first.
    pub output: String,
    /// Whether it ended with another code than 0. No code at all is no failure.
    pub failed: bool,
}

/// What came of a run, or of one of its environments. What says more is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum TestOutcome {
    /// No tests were run, or nothing is known of them.
    #[default]
    NotRun,
    /// Every command that was run ended well, and tests were run.
    Passed,
    /// A command failed.
    Failed,
}

impl TestOutcome {
    /// The word for it in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotRun => "unknown",
            Self::Failed => "failed",
        }
    }
}

/// Why bytes are no report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TestReportError {
    /// No JSON.
    #[error("the test result is no JSON")]
    NotJson,
    /// JSON, but no object.
    #[error("the test result is no JSON object")]
    NotAnObject,
    /// More than 1,000 environments or 10,000 commands.
    #[error("the test result has too many environments or commands")]
    TooMuch,
}

impl TestReport {
    /// Reads a report.
    ///
    /// # Errors
    /// Bytes that are no JSON object, and more environments or commands than anybody could look
    /// at. What else stands in it is never an error.
    pub fn parse(json: &[u8]) -> Result<Self, TestReportError> {
        read::report(json, Detail::Commands)
    }

    /// Reads what came of the environments; leaves out the commands.
    ///
    /// # Errors
    /// As [`TestReport::parse`].
    pub fn parse_outcomes(json: &[u8]) -> Result<Self, TestReportError> {
        read::report(json, Detail::Outcomes)
    }

    /// What came of the whole: it failed if one environment did, and passed if one did. Those that
    /// run no tests, as tox's own for packaging, play no part.
    pub fn outcome(&self) -> TestOutcome {
        let outcomes = self.environments.iter().map(TestEnvironment::outcome);
        outcomes.max().unwrap_or(TestOutcome::NotRun)
    }
}

impl TestEnvironment {
    /// What came of it.
    pub fn outcome(&self) -> TestOutcome {
        if self.setup_failed() {
            TestOutcome::Failed
        } else {
            self.test.outcome
        }
    }

    /// Whether it could not be prepared.
    pub fn setup_failed(&self) -> bool {
        self.setup.outcome == TestOutcome::Failed
    }

    /// Whether a test command failed.
    pub fn test_failed(&self) -> bool {
        self.test.outcome == TestOutcome::Failed
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(report: &Value) -> TestReport {
        TestReport::parse(report.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_report_of_tox_4_is_read() {
        let report = parse(&json!({
            "reportversion": "1", "toxversion": "4.32.0", "platform": "linux", "host": "builder",
            "testenvs": {
                "py312": {
                    "python": {"version": "3.12.1 (main, Dec  8 2023)", "executable": "/x/python"},
                    "installed_packages": ["pip==26.2"],
                    "setup": [{"command": ["pip", "install"], "output": "", "err": "", "retcode": 0}],
                    "test": [
                        {"command": ["pytest", "-x"], "output": "1 failed", "err": "warning",
                         "retcode": 1, "elapsed": 0.3},
                    ],
                    "result": {"success": false, "exit_code": 1, "duration": 0.4},
                },
                ".pkg": {"python": {"version": "3.12.1"}, "setup": [], "test": []},
                "py311": {
                    "test": [{"command": ["pytest"], "output": "ok\n", "err": "", "retcode": 0}],
                },
            },
        }));
        assert_eq!(
            (report.host.as_str(), report.platform.as_str()),
            ("builder", "linux")
        );
        assert_eq!(report.tox_version.as_deref(), Some("4.32.0"));
        assert_eq!(report.outcome(), TestOutcome::Failed);
        let [packaging, passed, failed] = &report.environments[..] else {
            panic!("three environments, sorted by name");
        };
        assert_eq!(packaging.outcome(), TestOutcome::NotRun);
        let mut without_failure = report.clone();
        without_failure.environments.pop();
        assert_eq!(without_failure.outcome(), TestOutcome::Passed);
        assert_eq!(
            (passed.name.as_str(), passed.outcome()),
            ("py311", TestOutcome::Passed)
        );
        assert_eq!(passed.python_version, None);
        assert_eq!(failed.python_version.as_deref(), Some("3.12.1"));
        assert!(failed.test_failed() && !failed.setup_failed());
        assert_eq!(
            failed.test.commands,
            [TestCommand {
                command: "pytest -x".to_owned(),
                output: "1 failed\nwarning".to_owned(),
                failed: true,
            }]
        );
    }

    #[test]
    fn return_codes_come_as_numbers_texts_and_nothing() {
        for (code, failed) in [
            (json!(0), false),
            (json!(1), true),
            (json!(-11), true),
            (json!("0"), false),
            (json!("2"), true),
            (json!("aborted"), true),
            (json!(null), false),
            (json!(true), true),
            (json!(1.5), true),
        ] {
            let report = parse(&json!({"testenvs": {"py": {"test": [{"retcode": code}]}}}));
            assert_eq!(report.environments[0].test_failed(), failed, "{code}");
        }
        let report = parse(&json!({"testenvs": {"py": {"test": [{"command": "pytest"}]}}}));
        assert_eq!(report.environments[0].outcome(), TestOutcome::Passed);
        assert_eq!(report.environments[0].test.commands[0].command, "pytest");
    }

    #[test]
    fn whatever_is_missing_or_strange_was_not_said() {
        for strange in [
            json!({}),
            json!({"testenvs": null, "host": 5}),
            json!({"testenvs": []}),
            json!({"testenvs": {}, "platform": ["linux"]}),
        ] {
            let report = parse(&strange);
            assert_eq!(report, TestReport::default(), "{strange}");
            assert_eq!(report.outcome(), TestOutcome::NotRun);
        }
        let report = parse(&json!({
            "testenvs": {"a": null, "b": {"setup": {}, "test": [1, null, "x"]}, "c": {"setup": [
                {"retcode": "1"},
            ]}},
        }));
        let outcomes: Vec<_> = report
            .environments
            .iter()
            .map(|environment| environment.outcome().as_str())
            .collect();
        assert_eq!(outcomes, ["unknown", "unknown", "failed"]);
        assert!(report.environments[2].setup_failed());
    }

    #[test]
    fn what_is_no_object_is_no_report() {
        for (bytes, error) in [
            (&b""[..], TestReportError::NotJson),
            (b"{", TestReportError::NotJson),
            (b"\xff", TestReportError::NotJson),
            (b"[1]", TestReportError::NotAnObject),
            (b"null", TestReportError::NotAnObject),
        ] {
            assert_eq!(TestReport::parse(bytes), Err(error));
        }
    }
}
