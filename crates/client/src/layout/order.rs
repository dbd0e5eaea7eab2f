//! The order of indexes in which bases come before their heirs.

use std::collections::{BTreeMap, BTreeSet};

use cheeseshop_domain::IndexName;

/// Indexes with their bases.
pub(super) type Bases = BTreeMap<IndexName, Vec<IndexName>>;

/// All indexes that `bases` has entries for, each behind its bases; by name where that leaves a choice.
///
/// # Errors
/// The circles, each as the names on it, the first one once more at its end.
pub(super) fn order(bases: &Bases) -> Result<Vec<IndexName>, Vec<Vec<IndexName>>> {
    let mut walk = Walk {
        bases,
        done: BTreeSet::new(),
        ordered: Vec::new(),
        circles: Vec::new(),
    };
    for name in bases.keys() {
        walk.visit(name);
    }
    if walk.circles.is_empty() {
        Ok(walk.ordered)
    } else {
        Err(walk.circles)
    }
}

struct Walk<'a> {
    bases: &'a Bases,
    done: BTreeSet<&'a IndexName>,
    ordered: Vec<IndexName>,
    circles: Vec<Vec<IndexName>>,
}

impl<'a> Walk<'a> {
    /// Puts an index behind its bases. The way there is kept by hand: chains may be longer than the
    /// stack of a thread.
    fn visit(&mut self, from: &'a IndexName) {
        let mut path: Vec<(&IndexName, std::slice::Iter<'a, IndexName>)> = Vec::new();
        let mut on_path = BTreeSet::new();
        let mut next = Some(from);
        loop {
            if let Some(name) = next.take()
                && !self.done.contains(name)
                && let Some(bases) = self.bases.get(name)
            {
                if on_path.insert(name) {
                    path.push((name, bases.iter()));
                } else {
                    let names = path.iter().map(|(name, _)| *name);
                    let circle = names.skip_while(|on_path| *on_path != name);
                    self.circles.push(circle.chain([name]).cloned().collect());
                }
            }
            let Some((name, bases)) = path.last_mut() else {
                return;
            };
            if let Some(base) = bases.next() {
                next = Some(base);
            } else {
                self.done.insert(name);
                self.ordered.push(name.clone());
                path.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bases(entries: &[(&str, &[&str])]) -> Bases {
        let name = |text: &str| IndexName::parse(text).unwrap();
        entries
            .iter()
            .map(|(index, bases)| (name(index), bases.iter().map(|base| name(base)).collect()))
            .collect()
    }

    fn ordered(entries: &[(&str, &[&str])]) -> Result<Vec<String>, Vec<String>> {
        let shown = |names: &[IndexName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        order(&bases(entries))
            .map(|names| shown(&names))
            .map_err(|circles| {
                circles
                    .iter()
                    .map(|circle| shown(circle).join(" "))
                    .collect()
            })
    }

    #[test]
    fn bases_come_before_their_heirs() {
        for (entries, expected) in [
            (&[][..], &[][..]),
            (&[("a/a", &["a/b"][..]), ("a/b", &[])], &["a/b", "a/a"]),
            (
                &[
                    ("a/a", &["a/c", "a/b"]),
                    ("a/b", &["a/d"]),
                    ("a/c", &["a/d"]),
                    ("a/d", &[]),
                ],
                &["a/d", "a/c", "a/b", "a/a"],
            ),
            // What is not ours to make is there already.
            (&[("a/a", &["root/pypi"])], &["a/a"]),
        ] {
            assert_eq!(ordered(entries).unwrap(), expected);
        }
    }

    #[test]
    fn circles_are_told_once_each() {
        for (entries, expected) in [
            (&[("a/a", &["a/a"][..])][..], &["a/a a/a"][..]),
            (
                &[
                    ("a/a", &["a/b"]),
                    ("a/b", &["a/c"]),
                    ("a/c", &["a/b"]),
                    ("b/b", &["a/a"]),
                ],
                &["a/b a/c a/b"],
            ),
            (
                &[("a/a", &["a/a"]), ("b/b", &["b/b"])],
                &["a/a a/a", "b/b b/b"],
            ),
        ] {
            assert_eq!(ordered(entries).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_long_chain_is_no_danger() {
        let name = |number: usize| IndexName::parse(&format!("a/{number:06}")).unwrap();
        let chain: Bases = (0..100_000)
            .map(|number| (name(number), vec![name(number + 1)]))
            .collect();
        assert_eq!(order(&chain).map(|names| names.len()), Ok(100_000));
    }
}
