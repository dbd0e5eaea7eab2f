//! Settings as `cheeseshop config show` prints them: every value with its origin, no secret.

use super::layers::Resolved;
use super::setting::{SETTINGS, Shown};
use super::value::{Kind, Value};

/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// One line a setting, as TOML with the origin in a comment; settings without a value are left out.
pub(crate) fn show(resolved: &Resolved) -> Vec<String> {
    let mut lines = Vec::new();
    let mut section = "";
    for setting in SETTINGS {
        let Some((value, origin)) = resolved.get(setting.key) else {
            continue;
        };
        let (this_section, name) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
        if this_section != section {
            if !section.is_empty() {
                lines.push(String::new());
            }
            lines.push(format!("[{this_section}]"));
            section = this_section;
        }
        let text = spelled(setting.kind, setting.shown, value);
        lines.push(format!("{name} = {text}  # {origin}"));
    }
    lines
}

fn spelled(kind: Kind, shown: Shown, value: &Value) -> String {
    match (shown, value) {
        (Shown::Hidden, _) => quoted(HIDDEN),
        (Shown::WithoutPassword, Value::Text(text)) => quoted(&without_password(text)),
        (_, Value::Flag(flag)) => flag.to_string(),
        (_, Value::Text(text)) => quoted(text),
        (_, Value::Number(number)) => match kind {
            Kind::Duration => format!("\"{number}s\""),
            _ => number.to_string(),
        },
        (_, Value::List(items)) => {
            let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

/// Whether a value of this setting has something in it that is not shown.
pub(crate) fn holds_secret(key: &str, text: &str) -> bool {
    let setting = SETTINGS.iter().find(|setting| setting.key == key);
    setting.is_some_and(|setting| match setting.shown {
        Shown::Open => false,
        Shown::WithoutPassword => without_password(text).contains(HIDDEN),
        Shown::Hidden => true,
    })
}

fn without_password(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else {
        // A word such as `none` hides nothing; of anything else we cannot tell.
        let word = text.bytes().all(|byte| byte.is_ascii_alphabetic());
        return if word { text } else { HIDDEN }.to_owned();
    };
    // A URL that cannot hold a password holds none.
    if url.password().is_some() {
        let _ = url.set_password(Some(HIDDEN));
    } else if !url.username().is_empty() && !url.scheme().starts_with("postgres") {
        // Without a password the name may well be a token.
        let _ = url.set_username(HIDDEN);
    }
    // PostgreSQL takes passwords among the parameters as well.
    if url.query_pairs().any(|(name, _)| name == "password") {
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| {
                let value = if name == "password" {
                    HIDDEN.into()
                } else {
                    value
                };
                (name.into_owned(), value.into_owned())
            })
            .collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    url.to_string()
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::layers::{Sources, resolve};
    use super::*;

    #[test]
    fn values_come_with_origin_and_without_secrets() {
        let (resolved, problems) = resolve(&Sources {
            variables: vec![("CHEESESHOP_BLOBS__SECRET_KEY".into(), "hunter2".into())],
            flags: vec![(
                "--database-url".into(),
                "database.url".into(),
                "postgres://shop:hunter2@db.test/shop?password=hunter2".into(),
            )],
            ..Sources::default()
        });
        assert_eq!(problems, []);
        let text = show(&resolved).join("\n");
        assert!(!text.contains("hunter2"), "{text}");
        for line in [
            "url = \"postgres://shop:***@db.test/shop?password=***\"  # flag --database-url",
            "secret_key = \"***\"  # environment variable CHEESESHOP_BLOBS__SECRET_KEY",
            "listen = [\"127.0.0.1:3141\"]  # default",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        toml::from_str::<toml::Table>(&text).unwrap();
    }
}
