//! Very many project names in little memory.

use std::sync::Arc;

/// Names, sorted and each once, in one allocation with 4 bytes per name on top: 600,000 names of
/// PyPI take about 12 MB. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameList(Arc<Packed>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Packed {
    /// All names, each followed by a line break.
    text: String,
    /// Where each name begins.
    starts: Vec<u32>,
}

/// Collects the names of a [`NameList`] without an allocation for each.
#[derive(Debug)]
pub(super) struct NamePacker {
    packed: Packed,
    /// Whether the names came in order so far, as nearly all lists have them.
    is_sorted: bool,
}

impl NameList {
    /// Reads the form of [`Self::as_text`].
    pub fn from_text(text: &str) -> Self {
        let mut packer = NamePacker::with_capacity(text.len());
        for name in text.lines() {
            packer.push(name);
        }
        packer.finish()
    }

    /// All names, each followed by a line break.
    pub fn as_text(&self) -> &str {
        &self.0.text
    }

    /// The names in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|position| self.0.at(position))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.starts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.starts.is_empty()
    }

    /// Whether a name is among them.
    pub fn contains(&self, name: &str) -> bool {
        let starts = &self.0.starts;
        starts
            .binary_search_by(|start| name_at(&self.0.text, *start).cmp(name))
            .is_ok()
    }
}

/// Packs names. Empty ones, those with a line break and those that do not fit any more (4 GiB)
/// are left out.
impl<S: AsRef<str>> FromIterator<S> for NameList {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let mut packer = NamePacker::with_capacity(0);
        for name in names {
            packer.push(name.as_ref());
        }
        packer.finish()
    }
}

impl Packed {
    fn push(&mut self, name: &str) {
        let Ok(start) = u32::try_from(self.text.len()) else {
            return;
        };
        self.starts.push(start);
        self.text.push_str(name);
        self.text.push('\n');
    }

    fn at(&self, position: usize) -> &str {
        name_at(&self.text, self.starts[position])
    }
}

impl NamePacker {
    /// Expects names of so many bytes, line breaks included.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            packed: Packed {
                text: String::with_capacity(bytes),
                starts: Vec::new(),
            },
            is_sorted: true,
        }
    }

    pub(super) fn push(&mut self, name: &str) {
        if name.is_empty() || name.contains('\n') {
            return;
        }
        if self.is_sorted
            && let Some(last) = self.packed.starts.last()
        {
            match name_at(&self.packed.text, *last).cmp(name) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return,
                std::cmp::Ordering::Greater => self.is_sorted = false,
            }
        }
        self.packed.push(name);
    }

    pub(super) fn finish(self) -> NameList {
        let mut packed = self.packed;
        if !self.is_sorted {
            packed = sorted(packed);
        }
        packed.text.shrink_to_fit();
        packed.starts.shrink_to_fit();
        NameList(Arc::new(packed))
    }
}

fn sorted(mut packed: Packed) -> Packed {
    let text = &packed.text;
    packed
        .starts
        .sort_unstable_by(|left, right| name_at(text, *left).cmp(name_at(text, *right)));
    packed
        .starts
        .dedup_by(|left, right| name_at(text, *left) == name_at(text, *right));
    let mut result = Packed {
        text: String::with_capacity(text.len()),
        starts: Vec::with_capacity(packed.starts.len()),
    };
    for start in &packed.starts {
        result.push(name_at(text, *start));
    }
    result
}

fn name_at(text: &str, start: u32) -> &str {
    let rest = &text[start as usize..];
    rest.split_once('\n').map_or(rest, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &NameList) -> Vec<&str> {
        list.iter().collect()
    }

    #[test]
    fn names_come_back_sorted_and_once() {
        for given in [
            &["attrs", "flask", "flask", "", "zope", "a\nb", "é"][..],
            &["flask", "attrs", "zope", "flask", "", "a\nb", "é"],
            &["é", "zope", "flask", "attrs", "attrs"],
        ] {
            let list = NameList::from_iter(given);
            assert_eq!(names(&list), ["attrs", "flask", "zope", "é"], "{given:?}");
            assert_eq!(list.len(), 4);
            for (name, expected) in [("attrs", true), ("é", true), ("flas", false), ("zz", false)]
            {
                assert_eq!(list.contains(name), expected, "{name}");
            }
        }
    }

    #[test]
    fn a_name_that_begins_like_another_comes_before_it() {
        let list = NameList::from_iter(["a-b", "ab", "a"]);
        assert_eq!(names(&list), ["a", "a-b", "ab"]);
        assert!(list.contains("a") && list.contains("a-b") && !list.contains("a-"));
    }

    #[test]
    fn the_text_reads_back() {
        let list = NameList::from_iter(["b", "a"]);
        assert_eq!(list.as_text(), "a\nb\n");
        assert_eq!(NameList::from_text(list.as_text()), list);
        assert_eq!(names(&NameList::from_text("b\na\nb")), ["a", "b"]);
        assert!(NameList::default().is_empty());
        assert!(!NameList::default().contains("a"));
    }
}
