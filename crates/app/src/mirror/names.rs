//! Very many project names in little memory.

use std::sync::Arc;

use jiff::Timestamp;

/// The names of all projects of an upstream, as far as known.
#[derive(Clone, Debug)]
pub struct ProjectNames {
    names: NameList,
    /// When the upstream is due for another look.
    pub fresh_until: Timestamp,
    /// The upstream did not answer: this is an older list, or only the held projects.
    pub stale: bool,
}

impl ProjectNames {
    pub(super) fn new(names: NameList, fresh_until: Timestamp, stale: bool) -> Self {
        Self {
            names,
            fresh_until,
            stale,
        }
    }

    pub(super) fn list(&self) -> &NameList {
        &self.names
    }

    /// The names, normalised and in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.len() == 0
    }

    /// Whether a normalised name is among them. No proof of anything: projects newer than the
    /// list exist too.
    pub fn contains(&self, normalized: &str) -> bool {
        self.names.contains(normalized)
    }
}

/// Sorted texts in one allocation, with 4 bytes per text on top: 600,000 names of PyPI take
/// about 12 MB.
#[derive(Clone, Debug, Default)]
pub(super) struct NameList(Arc<Packed>);

#[derive(Debug, Default)]
struct Packed {
    /// All names, each followed by a line break; this is also how they are stored.
    text: String,
    /// Where each name begins.
    starts: Vec<u32>,
}

impl NameList {
    /// Packs names; sorts them and removes duplicates. Names that do not fit any more (4 GiB)
    /// or hold a line break are left out.
    pub(super) fn pack<S: AsRef<str> + Ord>(mut names: Vec<S>) -> Self {
        names.sort_unstable();
        let mut packed = Packed {
            text: String::with_capacity(names.iter().map(|name| name.as_ref().len() + 1).sum()),
            starts: Vec::with_capacity(names.len()),
        };
        let mut last: Option<&str> = None;
        for name in &names {
            let name = name.as_ref();
            let Ok(start) = u32::try_from(packed.text.len()) else {
                break;
            };
            if last == Some(name) || name.is_empty() || name.contains('\n') {
                continue;
            }
            packed.starts.push(start);
            packed.text.push_str(name);
            packed.text.push('\n');
            last = Some(name);
        }
        Self(Arc::new(packed))
    }

    /// The stored form: one name a line.
    pub(super) fn as_text(&self) -> &str {
        &self.0.text
    }

    /// Reads the stored form.
    pub(super) fn from_text(text: &str) -> Self {
        Self::pack(text.lines().collect())
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.0.starts.len()).map(|position| self.at(position))
    }

    pub(super) fn len(&self) -> usize {
        self.0.starts.len()
    }

    fn contains(&self, name: &str) -> bool {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.at(middle).cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return true,
            }
        }
        false
    }

    fn at(&self, position: usize) -> &str {
        let starts = &self.0.starts;
        let start = starts[position] as usize;
        let end = starts
            .get(position + 1)
            .map_or(self.0.text.len(), |next| *next as usize);
        &self.0.text[start..end - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_sorted_and_once() {
        let names = NameList::pack(vec!["flask", "attrs", "zope", "flask", "", "a\nb", "é"]);
        let listed: Vec<&str> = names.iter().collect();
        assert_eq!(listed, ["attrs", "flask", "zope", "é"]);
        assert_eq!(names.len(), 4);
        for (name, expected) in [("attrs", true), ("é", true), ("flas", false), ("zz", false)] {
            assert_eq!(names.contains(name), expected, "{name}");
        }
    }

    #[test]
    fn the_stored_form_reads_back() {
        let names = NameList::pack(vec!["b", "a"]);
        assert_eq!(names.as_text(), "a\nb\n");
        let back = NameList::from_text(names.as_text());
        assert_eq!(back.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(NameList::default().len(), 0);
        assert!(!NameList::default().contains("a"));
    }
}
