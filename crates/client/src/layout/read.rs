//! The text of a layout file, taken apart.

use std::path::PathBuf;

use cheeseshop_domain::{ConfigError, IndexConfig, IndexName, JsonMap, UserName};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use toml::{Table, Value as Toml};

use super::{
    Layout, Problem, Problems, SecretSource, VERSION, WishedIndex, WishedUser, bases_of, shown,
};

/// What a user may say about themselves.
pub(super) const PROFILE_KEYS: [&str; 4] = ["email", "title", "description", "custom_data"];

/// Keys of an index that have no default: a document without them is as good.
const KEYS_WITHOUT_DEFAULT: [&str; 5] = [
    "acl_read",
    "title",
    "description",
    "custom_data",
    "uploadtrigger_jenkins",
];

type Secrets<'a> = &'a mut dyn FnMut(&SecretSource) -> Result<SecretString, String>;

pub(super) fn read(text: &str, secrets: Secrets<'_>) -> Result<Layout, Problems> {
    let mut table: Table =
        toml::from_str(text).map_err(|error| Problems(vec![syntax(text, &error)]))?;
    let mut reading = Reading {
        problems: Vec::new(),
        secrets,
    };
    let mut layout = Layout::default();
    reading.version(table.remove("version").as_ref());
    for (name, user) in reading.table("users", table.remove("users")) {
        reading.user(&mut layout, &name, user);
    }
    for (name, index) in reading.table("indexes", table.remove("indexes")) {
        reading.index(&mut layout, &name, index);
    }
    for name in table.keys() {
        reading.problem(
            name,
            "this version of the format has no such table: there are `version`, `users` and `indexes`",
        );
    }
    Problems::unless_any(layout, reading.problems)
}

/// The line that cannot be read is named and not shown: it may hold a password.
fn syntax(text: &str, error: &toml::de::Error) -> Problem {
    let line = error.span().map(|span| {
        let before = text.get(..span.start).unwrap_or_default();
        before.matches('\n').count() + 1
    });
    Problem {
        place: line.map_or_else(|| "TOML".to_owned(), |line| format!("line {line}")),
        text: error.message().to_owned(),
    }
}

struct Reading<'a> {
    problems: Vec<Problem>,
    secrets: Secrets<'a>,
}

impl Reading<'_> {
    fn problem(&mut self, place: &str, text: impl Into<String>) {
        self.problems.push(Problem {
            place: place.to_owned(),
            text: text.into(),
        });
    }

    fn version(&mut self, version: Option<&Toml>) {
        match version {
            Some(Toml::Integer(VERSION)) => {}
            None => self.problem(
                "version",
                format!("it is missing: write `version = {VERSION}`"),
            ),
            Some(Toml::Integer(later)) if *later > VERSION => {
                self.problem(
                    "version",
                    format!("{later} is newer than this program, which knows {VERSION}"),
                );
            }
            Some(_) => self.problem("version", format!("it has to be {VERSION}")),
        }
    }

    fn table(&mut self, place: &str, value: Option<Toml>) -> Table {
        match value {
            Some(Toml::Table(table)) => table,
            None => Table::new(),
            Some(_) => {
                self.problem(place, "it has to be a table");
                Table::new()
            }
        }
    }

    fn user(&mut self, layout: &mut Layout, name: &str, value: Toml) {
        let place = format!("users.{}", quoted(name));
        let mut table = self.table(&place, Some(value));
        let mut user = WishedUser {
            password: self
                .secret(&place, &mut table, "password")
                .map(SecretString::from),
            profile: JsonMap::new(),
        };
        for (key, value) in table {
            if !PROFILE_KEYS.contains(&key.as_str()) {
                self.problem(
                    &format!("{place}.{key}"),
                    "a user has no such key: there are `password` (also `password_file`, `password_env`), \
                     `email`, `title`, `description` and `custom_data`",
                );
                continue;
            }
            if let Some(value) = self.json(&format!("{place}.{key}"), value) {
                user.profile.insert(key, value);
            }
        }
        match UserName::parse(name) {
            Ok(name) => {
                layout.users.insert(name, user);
            }
            Err(error) => self.problem(&place, error.to_string()),
        }
    }

    fn index(&mut self, layout: &mut Layout, name: &str, value: Toml) {
        let place = format!("indexes.{}", quoted(name));
        let mut table = self.table(&place, Some(value));
        let mut written = JsonMap::new();
        for key in shown::SECRET_KEYS {
            if let Some(secret) = self.secret(&place, &mut table, key) {
                written.insert(key.to_owned(), secret.into());
            }
        }
        for (key, value) in table {
            if let Some(value) = self.json(&format!("{place}.{key}"), value) {
                written.insert(key, value);
            }
        }
        let name = match IndexName::parse(name) {
            Ok(parsed) if parsed.to_string() == name => parsed,
            Ok(parsed) => return self.problem(&place, format!("write it as \"{parsed}\"")),
            Err(error) => return self.problem(&place, error.to_string()),
        };
        let config = match IndexConfig::create(&name.user, &written, &|_| true) {
            Ok(config) => config,
            Err(errors) => {
                for error in errors.errors() {
                    self.problem(&place, without_values(error));
                }
                return;
            }
        };
        let shown = config.to_json();
        let meaningless: Vec<String> = written
            .keys()
            .filter(|key| {
                !shown.contains_key(*key) && !KEYS_WITHOUT_DEFAULT.contains(&key.as_str())
            })
            .cloned()
            .collect();
        for key in meaningless {
            let text = format!(
                "an index of the type {} has no such key",
                super::type_of(&shown)
            );
            self.problem(&format!("{place}.{key}"), text);
        }
        let kept = match config.to_stored() {
            Value::Object(kept) => kept,
            _ => JsonMap::new(),
        };
        let bases = bases_of(&kept);
        layout.indexes.insert(
            name,
            WishedIndex {
                written,
                kept,
                shown,
                bases,
            },
        );
    }

    /// A secret: spelled out, or in a file or variable that is named. Takes all three out of the table.
    fn secret(&mut self, place: &str, table: &mut Table, key: &str) -> Option<String> {
        let [given, file, variable] = ["", "_file", "_env"].map(|suffix| {
            let name = format!("{key}{suffix}");
            let value = table.remove(&name)?;
            Some((format!("{place}.{name}"), value))
        });
        let written = [&given, &file, &variable].into_iter().flatten();
        let mut texts = Vec::new();
        for (place, value) in written {
            match value {
                Toml::String(text) => texts.push(text.clone()),
                _ => self.problem(place, "it has to be a text"),
            }
        }
        if [&given, &file, &variable].into_iter().flatten().count() > 1 {
            self.problem(
                place,
                format!("`{key}`, `{key}_file` and `{key}_env` exclude each other"),
            );
            return None;
        }
        let text = texts.pop()?;
        let (source, place) = match (given, file, variable) {
            (_, Some((place, _)), _) => (SecretSource::File(PathBuf::from(text)), place),
            (_, _, Some((place, _))) => (SecretSource::Variable(text), place),
            _ => return Some(text),
        };
        match (self.secrets)(&source) {
            Ok(secret) => Some(secret.expose_secret().to_owned()),
            Err(reason) => {
                self.problem(&place, reason);
                None
            }
        }
    }

    fn json(&mut self, place: &str, value: Toml) -> Option<Value> {
        let json = to_json(value);
        if json.is_none() {
            self.problem(place, "JSON, which servers speak, has no such number");
        }
        json
    }
}

/// Dates become texts, since JSON has none. `None` for numbers that are none.
fn to_json(value: Toml) -> Option<Value> {
    Some(match value {
        Toml::String(text) => text.into(),
        Toml::Integer(number) => number.into(),
        Toml::Float(number) => Value::Number(serde_json::Number::from_f64(number)?),
        Toml::Boolean(flag) => flag.into(),
        Toml::Datetime(time) => time.to_string().into(),
        Toml::Array(items) => items
            .into_iter()
            .map(to_json)
            .collect::<Option<Vec<_>>>()?
            .into(),
        Toml::Table(table) => table
            .into_iter()
            .map(|(key, value)| Some((key, to_json(value)?)))
            .collect::<Option<JsonMap>>()?
            .into(),
    })
}

/// What is wrong, without values of keys that nobody knows: the value may be a secret under a mistyped key.
fn without_values(error: &ConfigError) -> String {
    match error {
        ConfigError::UnexpectedKeys(keys) => {
            let names: Vec<_> = keys
                .iter()
                .map(|key| format!("`{}`", key.split('=').next().unwrap_or_default()))
                .collect();
            format!("an index of this type has no key {}", names.join(", "))
        }
        other => other.to_string(),
    }
}

/// A name as it stands in a TOML key.
fn quoted(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        format!("{name:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with_secrets(text: &str) -> Result<Layout, Problems> {
        read(text, &mut |source| match source {
            SecretSource::Variable(name) if name == "PW" => Ok("from-variable".into()),
            SecretSource::Variable(name) => Err(format!("the variable {name} is not set")),
            SecretSource::File(path) => Ok(format!("from-{}", path.display()).into()),
        })
    }

    #[test]
    fn a_layout_names_users_and_indexes() {
        let layout = read_with_secrets(
            r#"
            version = 1
            [users.bob]
            password_env = "PW"
            title = "Bob"
            custom_data = { since = 2026-01-02, level = 3 }
            [users.eve]
            password_file = "eve.txt"
            [users.new]
            [indexes."bob/dev"]
            bases = ["/root/pypi/"]
            volatile = true
            acl_upload = [":anonymous:"]
            [indexes."root/up"]
            type = "mirror"
            mirror_url_file = "url"
            "#
            .replace(
                "mirror_url_file = \"url\"",
                "mirror_url = \"https://u:p@up.test/simple\"",
            )
            .as_str(),
        )
        .unwrap();
        let passwords: Vec<_> = layout
            .passwords()
            .map(|(name, password)| (name.as_str(), password.expose_secret()))
            .collect();
        assert_eq!(
            passwords,
            [("bob", "from-variable"), ("eve", "from-eve.txt")]
        );
        let bob = &layout.users["bob"];
        assert_eq!(
            Value::from(bob.profile.clone()),
            serde_json::json!({"title": "Bob", "custom_data": {"since": "2026-01-02", "level": 3}})
        );
        let dev = &layout.indexes[&IndexName::parse("bob/dev").unwrap()];
        assert_eq!(dev.bases, [IndexName::parse("root/pypi").unwrap()]);
        assert_eq!(dev.kept["acl_upload"], serde_json::json!([":ANONYMOUS:"]));
        let debug = format!("{layout:?}");
        assert!(
            !debug.contains("u:p") && !debug.contains("from-"),
            "{debug}"
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_by_its_place() {
        for (text, expected) in [
            ("", "version: it is missing: write `version = 1`"),
            (
                "version = 2",
                "version: 2 is newer than this program, which knows 1",
            ),
            ("version = \"1\"", "version: it has to be 1"),
            (
                "version = 1\n[groups.qa]",
                "groups: this version of the format has no such table: there are `version`, `users` and `indexes`",
            ),
            (
                "version = 1\nusers = 3\n[policies]",
                "users: it has to be a table\n\
                 policies: this version of the format has no such table: there are `version`, `users` and `indexes`",
            ),
            (
                "version = 1\n[users]\nbob = 1",
                "users.bob: it has to be a table",
            ),
            (
                "version = 1\n[users.\"a b\"]",
                "users.\"a b\": username 'a b' contains characters that aren't allowed. Any ascii symbol besides -.@_ is blocked.",
            ),
            (
                "version = 1\n[users.bob]\npwhash = \"geheim\"",
                "users.bob.pwhash: a user has no such key: there are `password` (also `password_file`, \
                 `password_env`), `email`, `title`, `description` and `custom_data`",
            ),
            (
                "version = 1\n[users.bob]\npassword = \"geheim\"\npassword_env = \"PW\"",
                "users.bob: `password`, `password_file` and `password_env` exclude each other",
            ),
            (
                "version = 1\n[users.bob]\npassword = 1",
                "users.bob.password: it has to be a text",
            ),
            (
                "version = 1\n[users.bob]\npassword_env = \"NONE\"",
                "users.bob.password_env: the variable NONE is not set",
            ),
            (
                "version = 1\n[users.bob]\ncustom_data = nan",
                "users.bob.custom_data: JSON, which servers speak, has no such number",
            ),
            (
                "version = 1\n[indexes.bob]",
                "indexes.bob: index name 'bob' is not in the form user/index",
            ),
            (
                "version = 1\n[indexes.\"/bob/dev\"]",
                "indexes.\"/bob/dev\": write it as \"bob/dev\"",
            ),
            (
                "version = 1\n[indexes.\"bob/dev\"]\nvolatil = \"geheim=1\"\nbase = []\nvolatile = 1",
                "indexes.\"bob/dev\": Unknown boolean value '1'.\n\
                 indexes.\"bob/dev\": an index of this type has no key `base`, `volatil`",
            ),
            (
                "version = 1\n[indexes.\"bob/dev\"]\ntype = \"pr\"",
                "indexes.\"bob/dev\": unknown index type 'pr'",
            ),
            (
                "version = 1\n[indexes.\"bob/up\"]\ntype = \"mirror\"\nbases = [\"a/b\"]",
                "indexes.\"bob/up\".bases: an index of the type mirror has no such key",
            ),
            (
                "version = 1\n[indexes.\"bob/up\"]\ntype = \"mirror\"\nmirror_url = \"geheim\"",
                "indexes.\"bob/up\": 'mirror_url' option must be a URL.",
            ),
        ] {
            let problems = read_with_secrets(text).unwrap_err().to_string();
            assert_eq!(problems, expected, "{text}");
            assert!(!problems.contains("geheim"), "{problems}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_not_shown() {
        let problems =
            read_with_secrets("version = 1\n[users.bob]\npassword = geheim\n").unwrap_err();
        assert_eq!(problems.list()[0].place, "line 3");
        assert!(!problems.to_string().contains("geheim"), "{problems}");
    }
}
