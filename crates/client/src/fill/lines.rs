//! The lines of a file of requirements, and the options among them, as pip takes them apart.

/// The lines of a file without comments, those that go on put together; each with its number.
pub(super) fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut begun: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let is_comment = line.trim_start().starts_with('#');
        let (number, mut whole) = begun.take().unwrap_or((index + 1, String::new()));
        match line.strip_suffix('\\').filter(|_| !is_comment) {
            Some(part) => {
                whole.push_str(part);
                begun = Some((number, whole));
            }
            None if is_comment && !whole.is_empty() => {
                // A comment behind a line that goes on ends it.
                whole.push(' ');
                whole.push_str(line);
                lines.push((number, whole));
            }
            None => {
                whole.push_str(line);
                lines.push((number, whole));
            }
        }
    }
    lines.extend(begun);
    lines
        .into_iter()
        .map(|(number, line)| (number, without_comment(&line).trim().to_owned()))
        .filter(|(_, line)| !line.is_empty())
        .collect()
}

/// Comments begin a line or stand behind a blank: addresses have `#` in them.
fn without_comment(line: &str) -> &str {
    if line.starts_with('#') {
        return "";
    }
    line.match_indices('#')
        .find(|(position, _)| line[..*position].ends_with([' ', '\t']))
        .map_or(line, |(position, _)| &line[..position])
}

/// An option and its value: `-r x`, `-rx`, `--requirement x`, `--requirement=x`.
pub(super) fn option(line: &str) -> (String, String) {
    let (name, value) = if line.starts_with("--") {
        line.split_once(['=', ' ', '\t']).unwrap_or((line, ""))
    } else {
        line.split_at(line.char_indices().nth(2).map_or(line.len(), |(at, _)| at))
    };
    let value = value.trim();
    let unquoted = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value);
    (name.to_owned(), unquoted.to_owned())
}

/// A value of an option as pip reads it, which splits like a shell.
pub(super) fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\"'\"'"))
}
