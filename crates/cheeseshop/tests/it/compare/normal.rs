//! What differs between any two servers, also two of devpi: addresses, times, tokens, identities.
//! It is replaced by words before anything is compared.

use serde_json::Value;

/// Makes texts of one server comparable.
pub(super) struct Normal {
    /// `127.0.0.1:PORT`
    address: String,
}

impl Normal {
    pub(super) fn of(address: &str) -> Self {
        Self {
            address: address.to_owned(),
        }
    }

    /// A text without the server's address, and without addresses in memory.
    pub(super) fn text(&self, text: &str) -> String {
        let text = text.replace(&self.address, "SERVER");
        results_without_time(&without_memory(&text))
    }

    /// A document, with times, tokens and identities as words.
    pub(super) fn document(&self, document: Value) -> Value {
        self.value("", document)
    }

    fn value(&self, key: &str, value: Value) -> Value {
        match value {
            Value::Object(members) => Value::Object(
                members
                    .into_iter()
                    .map(|(key, value)| {
                        let value = self.value(&key, value);
                        (self.text(&key), value)
                    })
                    .collect(),
            ),
            Value::Array(items) if is_time(&items) => Value::from("TIME"),
            Value::Array(mut items) => {
                // Pages, projects and links of a version have no order that means anything.
                items.sort_by_key(in_order_of);
                Value::Array(
                    items
                        .into_iter()
                        .map(|item| self.value(key, item))
                        .collect(),
                )
            }
            Value::String(text) => match key {
                "created" | "modified" | "last_modified" | "upload-time" => Value::from("TIME"),
                "uuid" => Value::from("UUID"),
                // The token of a login.
                "password" => Value::from("TOKEN"),
                _ => Value::from(self.text(&text)),
            },
            Value::Number(_)
                if key.ends_with("serial")
                    || key.ends_with("timestamp")
                    || key.ends_with("in-sync-at") =>
            {
                Value::from("NUMBER")
            }
            other => other,
        }
    }
}

/// The name of a file or a project on a page, the address of a link; nothing for other items.
fn in_order_of(item: &Value) -> String {
    ["filename", "name", "href"]
        .iter()
        .find_map(|key| item.get(key)?.as_str())
        .map(|text| text.rsplit('/').next().unwrap_or(text).to_owned())
        .unwrap_or_default()
}

/// `[2026, 11, 22, 11, 38, 57]`
fn is_time(items: &[Value]) -> bool {
    items.len() == 6
        && items.iter().all(Value::is_u64)
        && items[0].as_u64().is_some_and(|year| year > 2000)
}

/// `<object at 0x7f…>` without the number.
fn without_memory(text: &str) -> String {
    match text.split_once(" at 0x") {
        None => text.to_owned(),
        Some((before, after)) => {
            let rest = after.trim_start_matches(|digit: char| digit.is_ascii_hexdigit());
            format!("{before} at 0x…{}", without_memory(rest))
        }
    }
}

/// `….toxresult-20261122114006-0` without the time of the upload.
fn results_without_time(text: &str) -> String {
    const MARK: &str = ".toxresult-";
    match text.split_once(MARK) {
        None => text.to_owned(),
        Some((before, after)) => {
            let rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
            format!("{before}{MARK}TIME{}", results_without_time(rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_by_nature_becomes_a_word() {
        let normal = Normal::of("127.0.0.1:4000");
        let document = json!({
            "result": {
                "login": "http://127.0.0.1:4000/+login",
                "created": "2026-11-22T11:37:51Z",
                "log": [{"when": [2026, 11, 22, 11, 38, 57], "who": null}],
                "path": "a/b.whl.toxresult-20261122114006-0",
                "numbers": [1, 2, 3, 4, 5, 6],
            },
            "message": "user <User at 0x7f00aa> and <User at 0x7f00bb>",
        });
        assert_eq!(
            normal.document(document),
            json!({
                "result": {
                    "login": "http://SERVER/+login",
                    "created": "TIME",
                    "log": [{"when": "TIME", "who": null}],
                    "path": "a/b.whl.toxresult-TIME-0",
                    "numbers": [1, 2, 3, 4, 5, 6],
                },
                "message": "user <User at 0x…> and <User at 0x…>",
            })
        );
    }
}
