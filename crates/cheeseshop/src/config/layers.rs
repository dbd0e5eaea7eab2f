//! Laying the sources of settings over each other, and collecting every problem on the way.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::credentials::{Credentials, NoPath, Passed};
use super::problem::{Problem, nearest};
use super::setting::{SETTINGS, Setting, Shown};
use super::value::{self, Kind, Value};

/// What a variable that holds a setting starts with: `CHEESESHOP_SECTION__KEY`.
pub(super) const VARIABLE_PREFIX: &str = "CHEESESHOP_";

/// What makes a twin of a secret that names a file with it.
const FILE_SUFFIX: &str = "_file";

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Built in.
    Default,
    /// Built in for the name under which the program was started.
    Name(&'static str),
    /// A file, with the line if it is known.
    File { path: PathBuf, line: Option<usize> },
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::Name(name) => write!(formatter, "default of {name}"),
            Self::File {
                path,
                line: Some(line),
            } => write!(formatter, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(formatter, "{}", path.display()),
            Self::Variable(name) => write!(formatter, "environment variable {name}"),
            Self::Flag(name) => write!(formatter, "flag {name}"),
        }
    }
}

/// A value that was written in the words of another program, translated to a setting of ours.
/// It counts for as much as what is written in the same kind of place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// Where it was written.
    pub(crate) origin: Origin,
    /// The setting.
    pub(crate) key: &'static str,
    /// Its value as text.
    pub(crate) value: String,
}

/// All that settings are read from, in the order in which it is laid over the defaults.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// Values in the words of another program, and the defaults of that name of ours.
    pub(crate) given: Vec<Given>,
    /// Files in order; those of a `conf.d` folder are already among them.
    pub(crate) files: Vec<PathBuf>,
    /// The environment.
    pub(crate) variables: Vec<(String, String)>,
    /// Flags: what the user wrote, the key it sets, the value.
    pub(crate) flags: Vec<(String, String, String)>,
    /// What is done about credentials that only a service gets.
    pub(crate) credentials: Credentials,
}

/// The value of every setting that has one, with its origin.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    values: BTreeMap<&'static str, (Value, Origin)>,
    /// Keys whose values are credentials that this process does not get.
    out_of_reach: Vec<&'static str>,
    /// Files with secrets, by the keys that name them.
    secret_files: Vec<(String, PathBuf)>,
}

impl Resolved {
    /// The value of a setting and where it came from.
    pub(crate) fn get(&self, key: &str) -> Option<(&Value, &Origin)> {
        self.values.get(key).map(|(value, origin)| (value, origin))
    }

    /// Gives a setting a value that depends on others.
    pub(crate) fn set_default(&mut self, key: &'static str, value: Value) {
        self.values.entry(key).or_insert((value, Origin::Default));
    }

    /// Keys whose values only the service gets to see.
    pub(crate) fn out_of_reach(&self) -> &[&'static str] {
        &self.out_of_reach
    }

    /// The files with secrets that were read, with the keys that name them.
    pub(crate) fn secret_files(&self) -> &[(String, PathBuf)] {
        &self.secret_files
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.values.iter().map(|(key, (value, _))| (*key, value))
    }
}

/// Whether a variable of this name holds a setting.
pub(crate) fn names_setting(variable: &str) -> bool {
    // Names without the double underscore belong to flags (CHEESESHOP_DATA_DIR) or to others.
    variable
        .strip_prefix(VARIABLE_PREFIX)
        .is_some_and(|rest| rest.contains("__"))
}

/// Lays the sources over the defaults. Problems do not stop the reading: all are found.
pub(crate) fn resolve(sources: &Sources) -> (Resolved, Vec<Problem>) {
    let mut reading = Reading {
        passed: Passed::to_this_process(&sources.variables),
        wanted: sources.credentials,
        ..Reading::default()
    };
    for setting in SETTINGS {
        if setting.default.is_empty() {
            continue;
        }
        match value::parse_text(setting.kind, setting.default) {
            Ok(value) => reading.keep(setting, value, Origin::Default),
            Err(message) => reading.problem(Origin::Default, setting.key, message),
        }
    }
    reading.given(sources, |origin| {
        matches!(origin, Origin::Default | Origin::Name(_))
    });
    for path in &sources.files {
        reading.file(path);
    }
    reading.given(sources, |origin| matches!(origin, Origin::File { .. }));
    for (name, text) in &sources.variables {
        reading.variable(name, text);
    }
    reading.given(sources, |origin| matches!(origin, Origin::Variable(_)));
    reading.given(sources, |origin| matches!(origin, Origin::Flag(_)));
    for (flag, key, text) in &sources.flags {
        let origin = Origin::Flag(flag.clone());
        reading.text(origin, key, key, text);
    }
    (reading.resolved, reading.problems)
}

/// The files of a configuration: the file itself, then `conf.d/*.toml` beside it by name. A folder that is there
/// and cannot be listed is given as if it were a file, so that whoever reads the files says why: without what is in
/// it a server would let in whom it should not.
pub(crate) fn with_fragments(file: &Path) -> Vec<PathBuf> {
    let mut files = vec![file.to_path_buf()];
    let folder = file
        .parent()
        .map_or_else(|| PathBuf::from("conf.d"), |parent| parent.join("conf.d"));
    match std::fs::read_dir(&folder) {
        Ok(entries) => {
            let mut fragments: Vec<PathBuf> = entries
                .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                .filter(|path| {
                    path.extension()
                        .is_some_and(|extension| extension == "toml")
                })
                .collect();
            fragments.sort();
            files.extend(fragments);
        }
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
        Err(_) => files.push(folder),
    }
    files
}

#[derive(Default)]
struct Reading {
    resolved: Resolved,
    problems: Vec<Problem>,
    passed: Passed,
    wanted: Credentials,
}

impl Reading {
    fn problem(&mut self, origin: Origin, key: &str, message: String) {
        self.problems.push(Problem {
            origin,
            key: key.to_owned(),
            message,
        });
    }

    fn keep(&mut self, setting: &'static Setting, value: Value, origin: Origin) {
        let value = match value {
            Value::Text(path) if setting.kind == Kind::Path && !setting.is_late => {
                self.passed.path(&path).map(Value::Text)
            }
            Value::List(paths) if setting.kind == Kind::Paths => {
                let paths = paths.iter().map(|path| self.passed.path(path));
                paths.collect::<Result<_, _>>().map(Value::List)
            }
            other => Ok(other),
        };
        match value {
            Ok(value) => {
                self.resolved.values.insert(setting.key, (value, origin));
            }
            Err(reason) => self.no_path(origin, setting.key, setting, reason),
        }
    }

    fn no_path(
        &mut self,
        origin: Origin,
        written: &str,
        setting: &'static Setting,
        reason: NoPath,
    ) {
        match reason {
            NoPath::OutOfReach(_) if self.wanted == Credentials::MayBeOutOfReach => {
                self.resolved.out_of_reach.push(setting.key);
                if setting.shown == Shown::Hidden {
                    // Others say that there has to be one.
                    let value = Value::Text("out of reach".to_owned());
                    self.resolved.values.insert(setting.key, (value, origin));
                }
            }
            NoPath::OutOfReach(message) | NoPath::Wrong(message) => {
                self.problem(origin, written, message);
            }
        }
    }

    /// Takes the translated values of one kind of place.
    fn given(&mut self, sources: &Sources, is_its_turn: fn(&Origin) -> bool) {
        for given in &sources.given {
            if is_its_turn(&given.origin) {
                self.text(given.origin.clone(), given.key, given.key, &given.value);
            }
        }
    }

    fn file(&mut self, path: &Path) {
        let at = |line| Origin::File {
            path: path.to_path_buf(),
            line,
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.problem(at(None), "", format!("cannot be read: {error}"));
                return;
            }
        };
        let document = match DeTable::parse(&text) {
            Ok(document) => document,
            Err(error) => {
                let line = error.span().map(|span| line_of(&text, span.start));
                self.problem(at(line), "", error.message().replace('\n', ", "));
                return;
            }
        };
        self.table("", document.get_ref(), &text, path);
    }

    /// Walks a table; `prefix` is empty or ends with a dot.
    fn table(&mut self, prefix: &str, table: &DeTable<'_>, text: &str, path: &Path) {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            let origin = Origin::File {
                path: path.to_path_buf(),
                line: Some(line_of(text, name.span().start)),
            };
            if let DeValue::Table(inner) = value.get_ref() {
                let inside = format!("{key}.");
                if SETTINGS
                    .iter()
                    .any(|setting| setting.key.starts_with(&inside))
                {
                    self.table(&inside, inner, text, path);
                } else {
                    let message = unknown_section(&key);
                    self.problem(origin, &key, message);
                }
                continue;
            }
            if let Some(secret) = find_twin(&key) {
                match value.get_ref().as_str() {
                    Some(file) => {
                        let given_plainly = table
                            .iter()
                            .any(|(other, _)| format!("{prefix}{}", other.get_ref()) == secret.key);
                        if given_plainly {
                            let message = format!("`{}` is given as well; keep one", secret.key);
                            self.problem(origin, &key, message);
                        } else {
                            self.secret_file(origin, &key, secret, file);
                        }
                    }
                    None => self.problem(origin, &key, "expected a path".to_owned()),
                }
                continue;
            }
            match find(&key) {
                Some(setting) => match value::parse_toml(setting.kind, value.get_ref()) {
                    Ok(value) => self.keep(setting, value, origin),
                    Err(message) => self.problem(origin, &key, message),
                },
                None => self.problem(origin, &key, unknown_key(&key)),
            }
        }
    }

    fn variable(&mut self, name: &str, text: &str) {
        if !names_setting(name) {
            return;
        }
        let rest = name.strip_prefix(VARIABLE_PREFIX).unwrap_or(name);
        let key = rest.to_lowercase().replace("__", ".");
        self.text(Origin::Variable(name.to_owned()), name, &key, text);
    }

    /// Takes a value written as text; `written` is how the user spelled the key.
    fn text(&mut self, origin: Origin, written: &str, key: &str, text: &str) {
        if let Some(secret) = find_twin(key) {
            self.secret_file(origin, written, secret, text);
            return;
        }
        let Some(setting) = find(key) else {
            self.problem(origin, key, unknown_key(key));
            return;
        };
        match value::parse_text(setting.kind, text) {
            Ok(value) => self.keep(setting, value, origin),
            Err(message) => self.problem(origin, setting.key, message),
        }
    }

    fn secret_file(&mut self, origin: Origin, written: &str, secret: &'static Setting, path: &str) {
        let path = match self.passed.path(path) {
            Ok(path) => path,
            Err(reason) => {
                self.no_path(origin, written, secret, reason);
                return;
            }
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let named = (format!("{}{FILE_SUFFIX}", secret.key), PathBuf::from(&path));
                self.resolved.secret_files.push(named);
                // Editors end files with a newline, secrets do not.
                let text = text.trim_end_matches(['\n', '\r']);
                match value::parse_text(secret.kind, text) {
                    Ok(value) => self.keep(secret, value, origin),
                    Err(message) => self.problem(origin, written, format!("{path}: {message}")),
                }
            }
            Err(error) => {
                self.problem(origin, written, format!("{path} cannot be read: {error}"));
            }
        }
    }
}

fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The secret that `key` names the file of.
fn find_twin(key: &str) -> Option<&'static Setting> {
    let secret = find(key.strip_suffix(FILE_SUFFIX)?)?;
    (secret.shown != Shown::Open && secret.kind != Kind::Path).then_some(secret)
}

fn unknown_key(key: &str) -> String {
    match nearest(key, SETTINGS.iter().map(|setting| setting.key)) {
        Some(known) => format!("there is no such setting; did you mean `{known}`?"),
        None => "there is no such setting".to_owned(),
    }
}

fn unknown_section(name: &str) -> String {
    let sections = SETTINGS
        .iter()
        .filter_map(|setting| setting.key.rsplit_once('.').map(|(section, _)| section));
    match nearest(name, sections) {
        Some(known) => format!("there is no such section; did you mean `{known}`?"),
        None => "there is no such section".to_owned(),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cheeseshop.toml");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn messages(problems: &[Problem], folder: &Path) -> Vec<String> {
        let folder = format!("{}/", folder.display());
        problems
            .iter()
            .map(|problem| problem.to_string().replace(&folder, ""))
            .collect()
    }

    fn text_of(resolved: &Resolved, key: &str) -> String {
        format!("{:?}", resolved.get(key).unwrap().0)
    }

    #[test]
    fn later_sources_win_and_say_so() {
        let (_folder, path) = written(
            "[log]\nformat = \"json\"\nfilter = \"debug\"\n[server]\nlisten = [\"a.test:1\"]\n",
        );
        let sources = Sources {
            files: vec![path.clone()],
            variables: vec![
                ("CHEESESHOP_LOG__FORMAT".into(), "text".into()),
                ("CHEESESHOP_LOG__FILTER".into(), "warn".into()),
                ("CHEESESHOP_DATA_DIR".into(), "not a setting".into()),
                ("OTHER__THING".into(), "x".into()),
            ],
            given: [
                (Origin::Flag("--flat".into()), "cache.page_bytes", "1 MiB"),
                (Origin::Variable("FLAT".into()), "cache.page_bytes", "2 MiB"),
                (Origin::Name("other"), "log.filter", "error"),
                (Origin::Name("other"), "mirror.offline", "true"),
            ]
            .into_iter()
            .map(|(origin, key, value)| Given {
                origin,
                key,
                value: value.to_owned(),
            })
            .collect(),
            flags: vec![("--log".into(), "log.filter".into(), "trace".into())],
            ..Sources::default()
        };
        let (resolved, problems) = resolve(&sources);
        assert_eq!(problems, []);
        assert_eq!(
            resolved.get("log.filter").unwrap(),
            (&Value::Text("trace".into()), &Origin::Flag("--log".into()))
        );
        assert_eq!(
            resolved.get("mirror.offline").unwrap(),
            (&Value::Flag(true), &Origin::Name("other"))
        );
        assert_eq!(
            resolved.get("cache.page_bytes").unwrap(),
            (&Value::Number(1 << 20), &Origin::Flag("--flat".into()))
        );
        assert_eq!(
            resolved.get("log.format").unwrap().1,
            &Origin::Variable("CHEESESHOP_LOG__FORMAT".into())
        );
        assert_eq!(
            resolved.get("server.listen").unwrap(),
            (
                &Value::List(vec!["a.test:1".into()]),
                &Origin::File {
                    path,
                    line: Some(5)
                }
            )
        );
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let (folder, path) = written(
            "[server]\nlsiten = [\"a.test:1\"]\nmax_connections = \"many\"\n[lgo]\nx = 1\n",
        );
        let sources = Sources {
            files: vec![path, folder.path().join("absent.toml")],
            variables: vec![("CHEESESHOP_LOG__FORMAT".into(), "xml".into())],
            flags: vec![("--set".into(), "mirror.ofline".into(), "true".into())],
            ..Sources::default()
        };
        let (_, problems) = resolve(&sources);
        assert_eq!(
            messages(&problems, folder.path()),
            [
                "cheeseshop.toml:4: `lgo`: there is no such section; did you mean `log`?",
                "cheeseshop.toml:2: `server.lsiten`: there is no such setting; did you mean `server.listen`?",
                "cheeseshop.toml:3: `server.max_connections`: expected a whole number from 1 to 1000000, found a string",
                "absent.toml: cannot be read: No such file or directory (os error 2)",
                "environment variable CHEESESHOP_LOG__FORMAT: `log.format`: `xml` is not one of text, json",
                "flag --set: `mirror.ofline`: there is no such setting; did you mean `mirror.offline`?",
            ]
        );
    }

    #[test]
    fn a_broken_file_names_its_line() {
        let (folder, path) = written("[server]\nlisten = [\n");
        let (_, problems) = resolve(&Sources {
            files: vec![path],
            ..Sources::default()
        });
        let found = messages(&problems, folder.path());
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("cheeseshop.toml:"), "{found:?}");
    }

    #[test]
    fn a_secret_may_stand_in_a_file() {
        let (folder, path) = written("");
        let secret = folder.path().join("url");
        std::fs::write(&secret, "postgres://shop:pw@db.test/shop\n").unwrap();
        std::fs::write(
            &path,
            format!("[database]\nurl_file = \"{}\"\n", secret.display()),
        )
        .unwrap();
        let (resolved, problems) = resolve(&Sources {
            files: vec![path.clone()],
            ..Sources::default()
        });
        assert_eq!(problems, []);
        assert!(text_of(&resolved, "database.url").contains("db.test/shop\""));

        std::fs::write(&path, "[database]\nurl_file = \"x\"\nurl = \"sqlite:y\"\n").unwrap();
        let (_, problems) = resolve(&Sources {
            files: vec![path],
            ..Sources::default()
        });
        assert_eq!(
            messages(&problems, folder.path()),
            ["cheeseshop.toml:2: `database.url_file`: `database.url` is given as well; keep one"]
        );
    }

    #[test]
    fn a_folder_of_fragments_that_cannot_be_listed_is_told() {
        let (folder, path) = written("");
        // What keeps out root as well.
        std::os::unix::fs::symlink("conf.d", folder.path().join("conf.d")).unwrap();
        let (_, problems) = resolve(&Sources {
            files: with_fragments(&path),
            ..Sources::default()
        });
        let found = messages(&problems, folder.path());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("conf.d: cannot be read: "),
            "{found:?}"
        );
        std::fs::remove_file(folder.path().join("conf.d")).unwrap();
        std::fs::write(folder.path().join("conf.d"), "of somebody else").unwrap();
        assert_eq!(with_fragments(&path), [path]);
    }

    #[test]
    fn fragments_follow_their_file_by_name() {
        let (folder, path) = written("");
        let fragments = folder.path().join("conf.d");
        std::fs::create_dir(&fragments).unwrap();
        for name in ["20-b.toml", "10-a.toml", "notes.txt"] {
            std::fs::write(fragments.join(name), "").unwrap();
        }
        assert_eq!(
            with_fragments(&path),
            [
                path,
                fragments.join("10-a.toml"),
                fragments.join("20-b.toml")
            ]
        );
    }
}
