//! The page of all settings, `docs/manual/configuration.md`, written from the same table that the
//! settings are checked against.

use std::fmt::Write as _;

use super::setting::{SECTIONS, SETTINGS, Shown};
use super::value::Kind;

/// The page as Markdown.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "a test writes and compares the page")
)]
pub(crate) fn reference() -> String {
    let mut page = HEAD.to_owned();
    for (section, meaning) in SECTIONS {
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## [{section}]\n\n{meaning}\n\n");
        page.push_str("| key | default | what it may be | meaning |\n|---|---|---|---|\n");
        for setting in SETTINGS {
            let Some((in_section, name)) = setting.key.rsplit_once('.') else {
                continue;
            };
            if in_section != *section {
                continue;
            }
            let default = match setting.default {
                "" => String::new(),
                default => format!("`{default}`"),
            };
            let twin = match setting.shown {
                Shown::Open => String::new(),
                Shown::Hidden | Shown::WithoutPassword => {
                    format!(" Secret: `{name}_file` names a file with it.")
                }
            };
            let kind = short(setting.kind);
            let _ = writeln!(
                page,
                "| `{name}` | {default} | {kind} | {}{twin} |",
                setting.meaning
            );
        }
    }
    page
}

/// The kind in a word; the head of the page explains the words.
fn short(kind: Kind) -> String {
    match kind {
        Kind::Flag => "true or false".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::Url => "URL".to_owned(),
        Kind::Choice(words) => words.join(" or "),
        Kind::Number(least, most) => format!("{least} … {most}"),
        Kind::Size => "size".to_owned(),
        Kind::Duration => "time".to_owned(),
        Kind::List => "list".to_owned(),
        Kind::Paths => "path or list".to_owned(),
    }
}

const HEAD: &str = r#"# Settings

<!-- Written from crates/cheeseshop/src/config/setting.rs; after a change there run
     `UPDATE_REFERENCE=1 cargo nextest run -p cheeseshop settings_page`. -->

Every setting has a built-in default; `cheeseshop serve` needs none. Values are laid over each
other in this order, the later one wins:

1. the defaults below;
2. files: each `--config FILE`, followed by `conf.d/*.toml` beside it in the order of their names.
   Without `--config` (or the variable `CHEESESHOP_CONFIG`) the first of
   `$XDG_CONFIG_HOME/cheeseshop/cheeseshop.toml` (`~/.config/…`) and
   `/etc/cheeseshop/cheeseshop.toml` that exists is read;
3. environment variables `CHEESESHOP_SECTION__KEY`: `CHEESESHOP_SERVER__OUTSIDE_URL`,
   `CHEESESHOP_AUTH__ARGON2__MEMORY_KIB`. Items of a list are parted by commas;
4. flags: the ones with a name of their own (`--listen`, `--offline` …) and
   `--set section.key=value` for everything else.

A key that does not exist, a value that does not fit and a file that cannot be read are errors, all
reported at once with the place where they are written. `cheeseshop config check` only looks;
`cheeseshop config show` prints every value with its origin and with secrets hidden.

A *size* is a number of bytes: `1048576`, `"1 MiB"`, `"2 GB"`. A *time* is a number of seconds or has
a unit: `30`, `"30s"`, `"10m"`, `"1h"`, `"2d"`; `36500d` is the most. A *list* is `["a", "b"]` in a file and `a,b` in a
variable or flag.

A setting that names a file, those of secrets (`url_file`) among them, may be `credential:NAME`: the
credential that the service manager passes, see [service.md](service.md#secrets).
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch for the developer who changes the table"
    )]
    fn settings_page_is_up_to_date() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/manual/configuration.md"
        );
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == reference(),
            "docs/manual/configuration.md is out of date: run \
             `UPDATE_REFERENCE=1 cargo nextest run -p cheeseshop settings_page`"
        );
    }

    #[test]
    fn every_setting_is_on_the_page() {
        let page = reference();
        for setting in SETTINGS {
            let name = setting.key.rsplit_once('.').unwrap().1;
            assert!(page.contains(&format!("| `{name}` |")), "{}", setting.key);
        }
    }
}
