//! Files of several indexes in one list.

use std::collections::HashMap;

use cheeseshop_packaging::simple::PageFile;

use crate::{File, IndexId};

/// Something listed under a file name.
pub trait HasFileName {
    /// The base name, as listed.
    fn file_name(&self) -> &str;
}

impl HasFileName for File {
    fn file_name(&self) -> &str {
        self.name.as_str()
    }
}

impl HasFileName for PageFile {
    fn file_name(&self) -> &str {
        &self.filename
    }
}

impl<F: HasFileName + ?Sized> HasFileName for &F {
    fn file_name(&self) -> &str {
        (**self).file_name()
    }
}

impl<F: HasFileName + ?Sized> HasFileName for std::sync::Arc<F> {
    fn file_name(&self) -> &str {
        (**self).file_name()
    }
}

/// A file that is not listed because an index further ahead has one of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadowed<F> {
    /// The index that holds the hidden file.
    pub index: IndexId,
    /// The hidden file.
    pub file: F,
    /// The index whose file of this name is listed.
    pub by: IndexId,
}

/// Joins the files of the contributing indexes, given in resolution order. The first file of a name wins;
/// the order stays as it is.
pub fn merge<F: HasFileName>(lists: Vec<(IndexId, Vec<F>)>) -> Vec<(IndexId, F)> {
    merge_with_shadowed(lists).0
}

/// The same, together with the files that lost, for those who ask why a file is not listed.
pub fn merge_with_shadowed<F: HasFileName>(
    lists: Vec<(IndexId, Vec<F>)>,
) -> (Vec<(IndexId, F)>, Vec<Shadowed<F>>) {
    // Names are borrowed while winners are found, files moved afterwards: a page may list thousands.
    let count = lists.iter().map(|(_, files)| files.len()).sum();
    let mut holders: HashMap<&str, IndexId> = HashMap::with_capacity(count);
    let mut shadowed_by = Vec::with_capacity(count);
    for (index, files) in &lists {
        for file in files {
            let mut winner = None;
            holders
                .entry(file.file_name())
                .and_modify(|holder| winner = Some(*holder))
                .or_insert(*index);
            shadowed_by.push(winner);
        }
    }
    let mut listed = Vec::with_capacity(holders.len());
    let mut shadowed = Vec::new();
    let files = lists
        .into_iter()
        .flat_map(|(index, files)| files.into_iter().map(move |file| (index, file)));
    for ((index, file), by) in files.zip(shadowed_by) {
        match by {
            None => listed.push((index, file)),
            Some(by) => shadowed.push(Shadowed { index, file, by }),
        }
    }
    (listed, shadowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl HasFileName for str {
        fn file_name(&self) -> &str {
            self
        }
    }

    const A: IndexId = IndexId(1);
    const B: IndexId = IndexId(2);
    const C: IndexId = IndexId(3);

    #[test]
    fn the_first_file_of_a_name_wins_and_the_order_stays() {
        let lists = vec![
            (A, vec!["p-2.whl", "p-1.whl"]),
            (B, vec!["p-1.whl", "p-3.whl", "P-2.whl"]),
            (C, vec!["p-3.whl", "p-1.whl", "p-0.whl"]),
        ];
        let (listed, shadowed) = merge_with_shadowed(lists.clone());
        assert_eq!(
            listed,
            [
                (A, "p-2.whl"),
                (A, "p-1.whl"),
                (B, "p-3.whl"),
                (B, "P-2.whl"),
                (C, "p-0.whl")
            ]
        );
        assert_eq!(
            shadowed,
            [
                Shadowed {
                    index: B,
                    file: "p-1.whl",
                    by: A
                },
                Shadowed {
                    index: C,
                    file: "p-3.whl",
                    by: B
                },
                Shadowed {
                    index: C,
                    file: "p-1.whl",
                    by: A
                },
            ]
        );
        assert_eq!(merge(lists), listed);
    }

    #[test]
    fn a_name_twice_on_one_index_is_listed_once() {
        let (listed, shadowed) = merge_with_shadowed(vec![(A, vec!["x", "x", "y"])]);
        assert_eq!(listed, [(A, "x"), (A, "y")]);
        assert_eq!(shadowed.len(), 1);
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(merge::<&str>(vec![]).is_empty());
        assert!(merge::<&str>(vec![(A, vec![]), (B, vec![])]).is_empty());
    }
}
