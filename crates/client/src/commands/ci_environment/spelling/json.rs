//! A JSON object.

use serde_json::{Map, Value};

use crate::commands::ci_environment::setting::Setting;

pub(super) fn text(settings: &[Setting]) -> String {
    let object: Map<String, Value> = settings
        .iter()
        .map(|setting| {
            let value = setting.exposed().map_or(Value::Null, Value::from);
            (setting.name.to_owned(), value)
        })
        .collect();
    format!("{:#}\n", Value::Object(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_unset_is_null() {
        let settings = [Setting::text("A", "\"x\""), Setting::unset("B")];
        let read: Value = serde_json::from_str(&text(&settings)).unwrap();
        assert_eq!(read, serde_json::json!({"A": "\"x\"", "B": null}));
    }
}
