//! Reading a report value by value: what nobody asks for is passed over, never kept, so that the
//! memory for it is bounded by limits and not by what somebody posted.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::{TestCommand, TestEnvironment, TestOutcome, TestPhase, TestReport, TestReportError};

/// Environments of a report.
const MAX_ENVIRONMENTS: usize = 1_000;

/// Commands of all environments of a report.
const MAX_COMMANDS: usize = 10_000;

/// Bytes that are kept of a command line, and as many of what the command wrote.
const COMMAND_BYTES: usize = 1 << 20;

/// Bytes that are kept of a name or version.
const NAME_BYTES: usize = 1 << 10;

/// Stands behind what was cut off.
const CUT: &str = "\n[cut]";

/// How much is kept of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What came of each environment.
    Outcomes,
    /// The commands, too.
    Commands,
}

pub(super) fn report(json: &[u8], detail: Detail) -> Result<TestReport, TestReportError> {
    let mut reading = Reading {
        detail,
        commands_left: MAX_COMMANDS,
    };
    let mut reader = serde_json::Deserializer::from_slice(json);
    Heard(Report(&mut reading))
        .deserialize(&mut reader)
        .and_then(|report| reader.end().map(|()| report))
        .map_err(|error| match error.classify() {
            // Every type of value is taken, so only a limit can be meant.
            serde_json::error::Category::Data => TestReportError::TooMuch,
            _ => TestReportError::NotJson,
        })?
        .ok_or(TestReportError::NotAnObject)
}

struct Reading {
    detail: Detail,
    commands_left: usize,
}

/// What becomes of one value, of whichever type it turns out to be.
trait Listener: Sized {
    /// The default stands for what was not said.
    type Said: Default;

    /// A type that was not expected.
    fn odd(self) -> Self::Said {
        Self::Said::default()
    }

    fn number(self, _is_zero: bool) -> Self::Said {
        self.odd()
    }

    fn text(self, _text: &str) -> Self::Said {
        self.odd()
    }

    fn list<'de, A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Said, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self.odd())
    }

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Said, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self.odd())
    }
}

/// Brings a value to its listener.
struct Heard<L>(L);

impl<'de, L: Listener> DeserializeSeed<'de> for Heard<L> {
    type Value = L::Said;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<L::Said, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de, L: Listener> Visitor<'de> for Heard<L> {
    type Value = L::Said;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<L::Said, E> {
        Ok(L::Said::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<L::Said, E> {
        Ok(self.0.odd())
    }

    fn visit_i64<E>(self, number: i64) -> Result<L::Said, E> {
        Ok(self.0.number(number == 0))
    }

    fn visit_u64<E>(self, number: u64) -> Result<L::Said, E> {
        Ok(self.0.number(number == 0))
    }

    /// No code of a process, not even if it is zero.
    fn visit_f64<E>(self, _: f64) -> Result<L::Said, E> {
        Ok(self.0.number(false))
    }

    fn visit_str<E>(self, text: &str) -> Result<L::Said, E> {
        Ok(self.0.text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<L::Said, A::Error> {
        self.0.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<L::Said, A::Error> {
        self.0.object(object)
    }
}

struct Report<'a>(&'a mut Reading);

impl Listener for Report<'_> {
    type Said = Option<TestReport>;

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Said, A::Error> {
        let mut report = TestReport::default();
        while let Some(key) = object.next_key::<String>()? {
            match key.as_str() {
                "host" => report.host = object.next_value_seed(Heard(NAME))?.unwrap_or_default(),
                "platform" => {
                    report.platform = object.next_value_seed(Heard(NAME))?.unwrap_or_default();
                }
                "toxversion" => report.tox_version = object.next_value_seed(Heard(NAME))?,
                "testenvs" => {
                    let environments = object.next_value_seed(Heard(Environments(self.0)))?;
                    report.environments = environments.into_values().collect();
                }
                _ => skip(&mut object)?,
            }
        }
        Ok(Some(report))
    }
}

struct Environments<'a>(&'a mut Reading);

impl Listener for Environments<'_> {
    /// Of two of one name the last counts.
    type Said = BTreeMap<String, TestEnvironment>;

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Said, A::Error> {
        let mut environments = BTreeMap::new();
        let mut left = MAX_ENVIRONMENTS;
        while let Some(name) = object.next_key::<String>()? {
            left = left
                .checked_sub(1)
                .ok_or_else(|| A::Error::custom("too many environments"))?;
            let name = start_of(&name, NAME_BYTES).to_owned();
            let environment = object.next_value_seed(Heard(Environment(self.0)))?;
            let environment = TestEnvironment {
                name: name.clone(),
                ..environment
            };
            environments.insert(name, environment);
        }
        Ok(environments)
    }
}

/// An environment, whose name its listener does not know.
struct Environment<'a>(&'a mut Reading);

impl Listener for Environment<'_> {
    type Said = TestEnvironment;

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Said, A::Error> {
        let mut environment = TestEnvironment::default();
        while let Some(key) = object.next_key::<String>()? {
            match key.as_str() {
                "python" => environment.python_version = object.next_value_seed(Heard(Python))?,
                "setup" => environment.setup = object.next_value_seed(Heard(Phase(self.0)))?,
                "test" => environment.test = object.next_value_seed(Heard(Phase(self.0)))?,
                _ => skip(&mut object)?,
            }
        }
        Ok(environment)
    }
}

/// Its version without build details.
struct Python;

impl Listener for Python {
    type Said = Option<String>;

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Said, A::Error> {
        let mut version = None;
        while let Some(key) = object.next_key::<String>()? {
            match key.as_str() {
                "version" => version = object.next_value_seed(Heard(NAME))?,
                _ => skip(&mut object)?,
            }
        }
        let version = version.as_deref().map(str::split_whitespace);
        Ok(version
            .and_then(|mut words| words.next())
            .map(str::to_owned))
    }
}

struct Phase<'a>(&'a mut Reading);

impl Listener for Phase<'_> {
    type Said = TestPhase;

    fn list<'de, A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Said, A::Error> {
        let Self(reading) = self;
        let mut phase = TestPhase::default();
        while let Some(command) = list.next_element_seed(Heard(Command(reading.detail)))? {
            let Some(command) = command else { continue };
            reading.commands_left = reading
                .commands_left
                .checked_sub(1)
                .ok_or_else(|| A::Error::custom("too many commands"))?;
            let outcome = if command.failed {
                TestOutcome::Failed
            } else {
                TestOutcome::Passed
            };
            phase.outcome = phase.outcome.max(outcome);
            if reading.detail == Detail::Commands {
                phase.commands.push(command);
            }
        }
        Ok(phase)
    }
}

/// A command; only an object is one.
struct Command(Detail);

impl Listener for Command {
    type Said = Option<TestCommand>;

    fn object<'de, A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Said, A::Error> {
        let with_text = self.0 == Detail::Commands;
        let (mut command, mut output, mut errors) = (String::new(), None, None);
        let mut failed = false;
        while let Some(key) = object.next_key::<String>()? {
            match key.as_str() {
                "retcode" => failed = object.next_value_seed(Heard(ReturnCode))?,
                "command" if with_text => command = object.next_value_seed(Heard(CommandLine))?,
                "output" if with_text => output = object.next_value_seed(Heard(OUTPUT))?,
                "err" if with_text => errors = object.next_value_seed(Heard(OUTPUT))?,
                _ => skip(&mut object)?,
            }
        }
        Ok(Some(TestCommand {
            command,
            output: joined(output.unwrap_or_default(), &errors.unwrap_or_default()),
            failed,
        }))
    }
}

/// Standard output, then standard error.
fn joined(mut output: String, errors: &str) -> String {
    if !errors.is_empty() {
        if !output.is_empty() && !output.ends_with('\n') {
            output.push('\n');
        }
        output.push_str(errors);
    }
    shorten(&mut output);
    output
}

/// A command is a list of arguments; old data has it as one text.
struct CommandLine;

impl Listener for CommandLine {
    type Said = String;

    fn text(self, text: &str) -> String {
        let mut line = start_of(text, OUTPUT.most_bytes).to_owned();
        shorten(&mut line);
        line
    }

    fn list<'de, A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
        let mut line = String::new();
        let mut is_first = true;
        while let Some(argument) = list.next_element_seed(Heard(OUTPUT))? {
            let Some(argument) = argument else { continue };
            if line.len() > COMMAND_BYTES {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                line.push(' ');
            }
            line.push_str(&argument);
        }
        shorten(&mut line);
        Ok(line)
    }
}

/// Whether a code says that the command failed. Numbers of tox 4 and texts of tox 3; null is what
/// an interrupted run leaves. A text that is no number tells of something out of the ordinary, as
/// in devpi.
struct ReturnCode;

impl Listener for ReturnCode {
    type Said = bool;

    fn odd(self) -> bool {
        true
    }

    fn number(self, is_zero: bool) -> bool {
        !is_zero
    }

    fn text(self, code: &str) -> bool {
        code.trim().parse() != Ok(0_i64)
    }
}

/// The start of a text.
struct Text {
    most_bytes: usize,
}

const NAME: Text = Text {
    most_bytes: NAME_BYTES,
};

/// More than is kept, so that what is cut can be told from what just fits; a character has up to
/// four bytes.
const OUTPUT: Text = Text {
    most_bytes: COMMAND_BYTES + 4,
};

impl Listener for Text {
    type Said = Option<String>;

    fn text(self, text: &str) -> Option<String> {
        Some(start_of(text, self.most_bytes).to_owned())
    }
}

fn skip<'de, A: MapAccess<'de>>(object: &mut A) -> Result<(), A::Error> {
    object.next_value::<IgnoredAny>().map(drop)
}

fn start_of(text: &str, most_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(most_bytes)]
}

/// Cuts what a command may not have, and says so.
fn shorten(text: &mut String) {
    if text.len() > COMMAND_BYTES {
        text.truncate(text.floor_char_boundary(COMMAND_BYTES));
        text.push_str(CUT);
        text.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(report: &Value) -> Result<TestReport, TestReportError> {
        TestReport::parse(report.to_string().as_bytes())
    }

    #[test]
    fn reports_have_limits() {
        let environments = |count: usize| -> Value {
            let names = (0..count).map(|number| (format!("py{number}"), json!({})));
            json!({"testenvs": Value::Object(names.collect())})
        };
        let report = read(&environments(MAX_ENVIRONMENTS)).unwrap();
        assert_eq!(report.environments.len(), MAX_ENVIRONMENTS);
        let report = read(&environments(MAX_ENVIRONMENTS + 1));
        assert_eq!(report, Err(TestReportError::TooMuch));

        let commands = |more: usize| {
            let half = vec![json!({"retcode": 0}); MAX_COMMANDS / 2];
            let rest = vec![json!({"retcode": 0}); MAX_COMMANDS / 2 + more];
            json!({"testenvs": {"a": {"setup": half, "test": []}, "b": {"test": rest}}})
        };
        let report = read(&commands(0)).unwrap();
        assert_eq!(report.environments[1].test.commands.len(), MAX_COMMANDS / 2);
        assert_eq!(read(&commands(1)), Err(TestReportError::TooMuch));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let one = |command: Value| {
            let report = read(&json!({"testenvs": {"py": {"test": [command]}}})).unwrap();
            report.environments[0].test.commands[0].clone()
        };
        let fits = "x".repeat(COMMAND_BYTES);
        let command = one(json!({"command": [fits], "output": fits}));
        assert!(command.command == fits && command.output == fits);
        // The last of them would end one byte behind the limit.
        let long = format!("x{}", "é".repeat(COMMAND_BYTES / 2));
        let cut = format!("x{}{CUT}", "é".repeat(COMMAND_BYTES / 2 - 1));
        for (line, output, errors) in [
            (json!(long), long.as_str(), ""),
            (json!([long, "more"]), "", long.as_str()),
            (json!(vec![long.as_str(); 3]), long.as_str(), long.as_str()),
        ] {
            let command = one(json!({"command": line, "output": output, "err": errors}));
            assert!(command.command == cut && command.output == cut);
        }
        let long = "h".repeat(NAME_BYTES + 1);
        let report = read(&json!({"host": long, "testenvs": {long.as_str(): {}}})).unwrap();
        assert_eq!(report.host.len(), NAME_BYTES);
        assert_eq!(report.environments[0].name.len(), NAME_BYTES);
    }

    #[test]
    fn outcomes_come_without_commands() {
        let report = json!({"host": "h", "testenvs": {
            "a": {"setup": [{"retcode": 0}], "test": [{"retcode": 1, "output": "oh"}, {}]},
            "b": {"test": [{"retcode": 0}]},
        }});
        let whole = read(&report).unwrap();
        let mut outcomes = TestReport::parse_outcomes(report.to_string().as_bytes()).unwrap();
        assert_eq!(outcomes.outcome(), TestOutcome::Failed);
        for (short, long) in outcomes.environments.iter_mut().zip(&whole.environments) {
            assert_eq!(short.outcome(), long.outcome());
            assert!(short.setup.commands.is_empty() && short.test.commands.is_empty());
            short.setup.commands = long.setup.commands.clone();
            short.test.commands = long.test.commands.clone();
        }
        assert_eq!(outcomes, whole);
    }

    #[test]
    fn of_what_is_said_twice_the_last_counts() {
        let report = TestReport::parse(
            br#"{"host": "a", "host": "b", "testenvs": {"x": {}}, "testenvs":
                {"py": {"test": [{"retcode": 1}]}, "py": {"test": [{"retcode": 0}]}}}"#,
        )
        .unwrap();
        assert_eq!(report.host, "b");
        assert_eq!(report.environments.len(), 1);
        assert_eq!(report.outcome(), TestOutcome::Passed);
    }
}
