//! `RECORD`: the list of a wheel's files that installers go by.

use std::collections::HashMap;

use super::ArchiveError;
use super::zip::Entry;

/// Checks that a wheel's `RECORD` and its entries name the same files.
///
/// Every file must be listed and every line must have its file; where a line
/// tells the size it must be right. `RECORD` itself and its signatures (which
/// PEP 815 deprecates) need no line. Digests are not computed: an installer
/// does that, and the bytes as a whole have theirs.
pub(super) fn check(record: &[u8], path: &str, entries: &[Entry]) -> Result<(), ArchiveError> {
    let text = str::from_utf8(record).map_err(|_| mismatch("it is not UTF-8"))?;
    let is_exempt = |name: &str| {
        name.strip_prefix(path)
            .is_some_and(|rest| matches!(rest, "" | ".jws" | ".p7s"))
    };
    let mut unlisted: HashMap<&str, u64> = entries
        .iter()
        .filter(|entry| !entry.is_folder())
        .map(|entry| (entry.name.as_str(), entry.size))
        .collect();
    let files = unlisted.clone();
    for row in Rows(text) {
        let row = row.ok_or_else(|| mismatch("it is not a table of three columns"))?;
        let Some(size) = files.get(row.path.as_str()) else {
            if is_exempt(&row.path) {
                continue;
            }
            return Err(mismatch(format!("`{}` is listed but missing", row.path)));
        };
        if !row.size.is_empty() && row.size.parse() != Ok(*size) {
            return Err(mismatch(format!("`{}` has another size", row.path)));
        }
        unlisted.remove(row.path.as_str());
    }
    match unlisted.keys().filter(|name| !is_exempt(name)).min() {
        None => Ok(()),
        Some(name) => Err(mismatch(format!("`{name}` is not listed"))),
    }
}

fn mismatch(reason: impl Into<String>) -> ArchiveError {
    ArchiveError::RecordMismatch(reason.into())
}

struct Row {
    path: String,
    size: String,
}

/// The rows of a CSV table in Python's default dialect. An item is `None`
/// where the text is no such table; that ends the rows.
struct Rows<'a>(&'a str);

impl Iterator for Rows<'_> {
    type Item = Option<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0 = self.0.trim_start_matches(['\r', '\n']);
        if self.0.is_empty() {
            return None;
        }
        let row = self.read_row();
        if row.is_none() {
            self.0 = "";
        }
        Some(row)
    }
}

impl Rows<'_> {
    fn read_row(&mut self) -> Option<Row> {
        let path = self.read_field()?;
        self.0 = self.0.strip_prefix(',')?;
        self.read_field()?;
        self.0 = self.0.strip_prefix(',')?;
        let size = self.read_field()?;
        let ends = self.0.is_empty() || self.0.starts_with(['\r', '\n']);
        ends.then_some(Row { path, size })
    }

    fn read_field(&mut self) -> Option<String> {
        if !self.0.starts_with('"') {
            let end = self.0.find([',', '\r', '\n']).unwrap_or(self.0.len());
            let (field, rest) = self.0.split_at(end);
            self.0 = rest;
            return Some(field.to_owned());
        }
        let mut field = String::new();
        loop {
            let inside = &self.0[1..];
            let end = inside.find('"')?;
            field.push_str(&inside[..end]);
            self.0 = &inside[end + 1..];
            if !self.0.starts_with('"') {
                return Some(field);
            }
            // Two quotes stand for one.
            field.push('"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_as_python_reads_them() {
        for (text, expected) in [
            ("", Some(vec![])),
            ("a.py,sha256=x,1\n", Some(vec![("a.py", "1")])),
            ("a.py,,\r\nb.py,,2", Some(vec![("a.py", ""), ("b.py", "2")])),
            ("\"a,b.py\",x,1\n\n", Some(vec![("a,b.py", "1")])),
            ("\"a\"\"b\",\"x\",\"1\"", Some(vec![("a\"b", "1")])),
            ("a.py\n", None),
            ("a.py,x\n", None),
            ("a.py,x,1,2\n", None),
            ("\"a.py,x,1\n", None),
            ("\"a\"b,x,1\n", None),
        ] {
            let rows: Option<Vec<Row>> = Rows(text).collect();
            let found: Option<Vec<(&str, &str)>> = rows
                .as_ref()
                .map(|rows| rows.iter().map(|row| (&*row.path, &*row.size)).collect());
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
