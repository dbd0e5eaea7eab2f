//! `uv.toml`: `index-url` at its top level, edited line by line and read back as TOML.

const NAME: &str = "index-url";

pub(super) fn index(text: &str) -> Option<String> {
    match text.parse::<toml::Table>() {
        Ok(table) => Some(table.get(NAME)?.as_str()?.to_owned()),
        Err(_) => None,
    }
}

/// # Errors
/// Why the file cannot be edited.
pub(super) fn edited(text: &str, index: &str) -> Result<String, String> {
    let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    let mut expected = table.clone();
    expected.insert(NAME.to_owned(), toml::Value::String(index.to_owned()));
    let line = format!("{NAME} = {}\n", toml::Value::String(index.to_owned()));
    // Lines are no syntax: what they became has to be what was meant.
    let is_meant = |text: &String| {
        text.parse::<toml::Table>()
            .is_ok_and(|table| table == expected)
    };
    let tries = if table.contains_key(NAME) {
        vec![replaced(text, &line)]
    } else {
        vec![added(text, &line), format!("{line}{text}")]
    };
    tries
        .into_iter()
        .find(is_meant)
        .ok_or_else(|| format!("`{NAME}` is spelled in a way that is not understood here"))
}

fn replaced(text: &str, line: &str) -> String {
    let mut is_done = false;
    text.split_inclusive('\n')
        .map(|old| {
            let is_it = !is_done && name_of(old) == Some(NAME);
            is_done |= is_it;
            if is_it { line } else { old }
        })
        .collect()
}

/// The line behind all that stands before the first table.
fn added(text: &str, line: &str) -> String {
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let Some(mut place) = lines.iter().position(|line| line.starts_with('[')) else {
        let end = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        return format!("{text}{end}{line}");
    };
    // Comments right above a table are the table's.
    while place > 0 && is_beside(lines[place - 1]) {
        place -= 1;
    }
    format!(
        "{}{line}{}",
        lines[..place].concat(),
        lines[place..].concat()
    )
}

fn name_of(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('=')?;
    Some(name.trim().trim_matches(['"', '\'']))
}

fn is_beside(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://shop.test/b/d/+simple/";
    const LINE: &str = "index-url = \"http://shop.test/b/d/+simple/\"\n";

    #[test]
    fn the_option_is_set_at_the_top_level() {
        for (before, after) in [
            ("", LINE.to_owned()),
            ("offline = true", format!("offline = true\n{LINE}")),
            (
                "index-url = \"http://old.test/\"\nx = 1\n",
                format!("{LINE}x = 1\n"),
            ),
            (
                "x = 1\n\n# pip's\n[pip]\nindex-url = \"http://old.test/\"\n",
                format!("x = 1\n{LINE}\n# pip's\n[pip]\nindex-url = \"http://old.test/\"\n"),
            ),
            ("x = [\n  [1],\n]\n", format!("x = [\n  [1],\n]\n{LINE}")),
        ] {
            match edited(before, URL) {
                Ok(edited) => {
                    assert_eq!(edited, after);
                    assert_eq!(index(&edited).unwrap(), URL);
                }
                Err(error) => panic!("{before}: {error}"),
            }
        }
    }

    #[test]
    fn brackets_in_a_text_are_no_table() {
        let text = "x = \"\"\"\n[a]\n\"\"\"\n";
        assert_eq!(edited(text, URL).unwrap(), format!("{LINE}{text}"));
    }

    #[test]
    fn what_is_no_toml_is_left_alone() {
        assert!(edited("x = [", URL).is_err());
    }
}
