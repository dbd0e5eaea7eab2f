//! The table of options on `docs/manual/devpi-commands.md`, written from the table that the
//! programs go by; the test below writes and compares it. The text around it is written by hand.

use std::fmt::Write as _;

use super::option::DevpiOption;
use super::program::Program;
use super::table::OPTIONS;
use super::translate::DEFAULTS;

/// Where the page's generated part begins and ends.
const BEGIN: &str = "<!-- options: written by `UPDATE_REFERENCE=1 cargo nextest run -p cheeseshop commands_page` -->";
const END: &str = "<!-- end of options -->";

/// The part of the page between its marks.
fn reference() -> String {
    let mut text = String::from("\n| option | of | here |\n|---|---|---|\n");
    for option in OPTIONS {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} |",
            option.flag(),
            programs(option),
            option.meaning
        );
    }
    text.push_str(
        "\nWhat the names change in our own defaults:\n\n| setting | value |\n|---|---|\n",
    );
    for (key, value) in DEFAULTS {
        let _ = writeln!(text, "| `{key}` | `{value}` |");
    }
    text.push_str("| `server.data_dir` | `~/.devpi/server` |\n");
    text
}

fn programs(option: &DevpiOption) -> String {
    let names = |are_of: bool| {
        Program::ALL
            .iter()
            .filter(|program| option.is_of(**program) == are_of)
            .map(|program| program.name().trim_start_matches("devpi-"))
            .collect::<Vec<_>>()
    };
    match &names(false)[..] {
        [] => "all".to_owned(),
        [other] => format!("all but {other}"),
        _ => names(true).join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch for the developer who changes the table"
    )]
    fn commands_page_is_up_to_date() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/manual/devpi-commands.md"
        );
        let page = std::fs::read_to_string(path).unwrap();
        let (head, rest) = page.split_once(BEGIN).unwrap();
        let (table, tail) = rest.split_once(END).unwrap();
        let wanted = format!("\n{}\n", reference());
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            let page = format!("{head}{BEGIN}{wanted}{END}{tail}");
            std::fs::write(path, page).unwrap();
        } else {
            assert!(
                table == wanted,
                "docs/manual/devpi-commands.md is out of date: run \
                 `UPDATE_REFERENCE=1 cargo nextest run -p cheeseshop commands_page`"
            );
        }
    }
}
