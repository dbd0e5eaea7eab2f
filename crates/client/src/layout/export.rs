//! The way back: what a server has, as a layout file.

use std::fmt::Write as _;

use cheeseshop_domain::{IndexConfig, IndexName, JsonMap, UserName};
use serde_json::Value;
use toml::{Table, Value as Toml};

use super::read::PROFILE_KEYS;
use super::{Present, VERSION, shown};

/// The text of a layout that names everything that a server has, or what the named users have.
///
/// Secrets are left out, with a comment in their place: servers do not give them.
pub fn export(present: &Present, users: &[String]) -> String {
    let mut text = format!("version = {VERSION}\n");
    let chosen = || {
        let all = present.users.iter();
        all.filter(|(user, _)| users.is_empty() || users.contains(user))
    };
    for (user, settings) in chosen() {
        let Ok(name) = UserName::parse(user) else {
            comment(&mut text, &format!("left out: a user of the name {user:?}"));
            continue;
        };
        let profile = settings
            .iter()
            .filter(|(key, _)| PROFILE_KEYS.contains(&key.as_str()));
        let entry = Entry::of(profile);
        entry.write(&mut text, "users", name.as_str());
        if !name.is_root() {
            text.push_str(
                "# password_env = \"…\", or a new one is made up where there is no such user\n",
            );
        }
    }
    for (user, settings) in chosen() {
        let indexes = settings.get("indexes").and_then(Value::as_object);
        for (index, settings) in indexes.into_iter().flatten() {
            let (Ok(name), Some(settings)) = (IndexName::new(user, index), settings.as_object())
            else {
                comment(
                    &mut text,
                    &format!("left out: an index of the name {user:?}/{index:?}"),
                );
                continue;
            };
            let entry = Entry::of_index(&name, settings);
            entry.write(&mut text, "indexes", &name.to_string());
        }
    }
    text
}

/// A table and the keys that are not in it.
#[derive(Default)]
struct Entry {
    table: Table,
    comments: Vec<String>,
}

impl Entry {
    fn of<'a>(settings: impl Iterator<Item = (&'a String, &'a Value)>) -> Self {
        let mut entry = Self::default();
        for (key, value) in settings {
            match to_toml(value) {
                Some(value) => {
                    entry.table.insert(key.clone(), value);
                }
                None => entry
                    .comments
                    .push(format!("left out: {key}, which TOML has no word for")),
            }
        }
        entry
    }

    fn of_index(name: &IndexName, settings: &JsonMap) -> Self {
        let kind = super::type_of(settings);
        let mut comments = Vec::new();
        let mut kept = JsonMap::new();
        for (key, value) in settings {
            let single = JsonMap::from_iter([
                ("type".to_owned(), kind.into()),
                (key.clone(), value.clone()),
            ]);
            let is_known = IndexConfig::create(&name.user, &single, &|_| true)
                .is_ok_and(|config| config.to_json().contains_key(key));
            if shown::SECRET_KEYS.contains(&key.as_str()) && shown::shown(key, value) != *value
                || shown::is_hidden(key, value)
            {
                let shown = shown::shown(key, value);
                let shown = shown.as_str().unwrap_or_default();
                comments.push(format!(
                    "{key} = \"{shown}\", with credentials that are not told"
                ));
            } else if is_known {
                kept.insert(key.clone(), value.clone());
            } else if key != "projects" {
                comments.push(format!("left out: {key}, which is a plugin's"));
            }
        }
        let mut entry = Self::of(kept.iter());
        entry.comments.extend(comments);
        entry
    }

    fn write(self, text: &mut String, section: &str, name: &str) {
        let entry = Table::from_iter([(name.to_owned(), Toml::Table(self.table))]);
        let whole = Table::from_iter([(section.to_owned(), Toml::Table(entry))]);
        // Fails for values that TOML has no word for, and those are left out before.
        let written = visible(whole).unwrap_or_default();
        // A table of tables would get a heading of its own, which may stand in a file once only.
        let own = written.trim_start();
        let heading = format!("[{section}]\n");
        let own = own.strip_prefix(&heading).unwrap_or(own).trim_start();
        let _ = write!(text, "\n{own}");
        for line in &self.comments {
            comment(text, line);
        }
    }
}

/// A table as text. TOML allows the control characters from U+0080 to U+009F in its strings, where
/// terminals obey them; here they are escaped.
fn visible(table: Table) -> Result<String, toml::ser::Error> {
    let text = toml::to_string(&table)?;
    if !text.contains(is_c1) {
        return Ok(text);
    }
    let Some(mark) = ('\u{f0000}'..'\u{ffffe}').find(|&mark| !text.contains(mark)) else {
        return Ok(text.chars().filter(|&c| !is_c1(c)).collect());
    };
    let text = toml::to_string(&marked_table(table, mark))?;
    Ok(text.replace(&format!("\\u007F{mark}"), "\\u00"))
}

fn is_c1(character: char) -> bool {
    matches!(character, '\u{80}'..='\u{9f}')
}

/// DEL, for which TOML has no other way than an escape in a string that allows escapes; the mark, which
/// is nowhere else; and the last two digits of the escape that takes the place of all three.
fn marked(text: &str, mark: char) -> String {
    let mut marked = String::with_capacity(text.len());
    for character in text.chars() {
        if is_c1(character) {
            // Writing to a string cannot fail.
            let _ = write!(marked, "\u{7f}{mark}{:02X}", u32::from(character));
        } else {
            marked.push(character);
        }
    }
    marked
}

fn marked_table(table: Table, mark: char) -> Table {
    table
        .into_iter()
        .map(|(key, value)| (marked(&key, mark), marked_value(value, mark)))
        .collect()
}

fn marked_value(value: Toml, mark: char) -> Toml {
    match value {
        Toml::String(text) => Toml::String(marked(&text, mark)),
        Toml::Array(items) => items
            .into_iter()
            .map(|item| marked_value(item, mark))
            .collect::<Vec<_>>()
            .into(),
        Toml::Table(table) => Toml::Table(marked_table(table, mark)),
        other => other,
    }
}

/// A line that no reader of TOML takes for anything else.
fn comment(text: &mut String, line: &str) {
    let line: String = line
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    let _ = writeln!(text, "# {line}");
}

fn to_toml(value: &Value) -> Option<Toml> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => Toml::Boolean(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Toml::Integer(number),
            None if number.is_f64() => Toml::Float(number.as_f64()?),
            // Larger than a number of TOML may be.
            None => return None,
        },
        Value::String(text) => Toml::String(text.clone()),
        Value::Array(items) => Toml::Array(items.iter().map(to_toml).collect::<Option<_>>()?),
        Value::Object(map) => Toml::Table(
            map.iter()
                .map(|(key, value)| Some((key.clone(), to_toml(value)?)))
                .collect::<Option<_>>()?,
        ),
    })
}
