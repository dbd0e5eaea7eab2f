//! Which wheels a Python can use (PEP 425), by the tags that its pip lists.

use std::collections::HashSet;

/// The tags of wheels that a Python can use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tags(HashSet<String>);

impl Tags {
    /// Reads them out of what `pip debug --verbose` says. `None`: it says nothing of them.
    pub(crate) fn read(words: &str) -> Option<Self> {
        let (_, list) = words.split_once("Compatible tags:")?;
        let tags: HashSet<String> = list
            .lines()
            .skip(1)
            .map_while(|line| line.strip_prefix("  "))
            .map(|tag| tag.trim().to_owned())
            .filter(|tag| tag.split('-').count() == 3)
            .collect();
        (!tags.is_empty()).then_some(Self(tags))
    }

    /// Whether a wheel of this name can be used.
    pub(crate) fn fit(&self, name: &str) -> bool {
        let Some([python, abi, platform]) = tags_of(name) else {
            return false;
        };
        python.split('.').any(|python| {
            abi.split('.').any(|abi| {
                platform
                    .split('.')
                    .any(|platform| self.0.contains(&format!("{python}-{abi}-{platform}")))
            })
        })
    }
}

/// Whether a wheel of this name is for every platform and every kind of Python 3.
pub(crate) fn is_pure(name: &str) -> bool {
    tags_of(name).is_some_and(|[python, abi, platform]| {
        python.split('.').any(|tag| tag == "py3") && abi == "none" && platform == "any"
    })
}

/// The three tags at the end of a wheel's name.
fn tags_of(name: &str) -> Option<[&str; 3]> {
    let stem = name.strip_suffix(".whl")?;
    let mut parts = stem.rsplitn(4, '-');
    let (platform, abi, python) = (parts.next()?, parts.next()?, parts.next()?);
    // What is left is the project with its version.
    parts.next().filter(|rest| rest.contains('-'))?;
    Some([python, abi, platform])
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "pip version: pip 26.2\n  something: else-not-this\nCompatible tags: 3\n  \
                         cp311-cp311-linux_x86_64\n  py3-none-any\n  cp311-abi3-manylinux_2_17_x86_64\n\
                         \nfoot\n  x-y-z\n";

    #[test]
    fn a_wheel_fits_by_any_of_its_tags() {
        let tags = Tags::read(WORDS).unwrap();
        for (name, expected) in [
            ("a-1.0-py3-none-any.whl", true),
            ("a-1.0-py2.py3-none-any.whl", true),
            ("a-1.0-1-py3-none-any.whl", true),
            ("a-1.0-cp311-cp311-linux_x86_64.whl", true),
            (
                "a-1.0-cp311-abi3-manylinux1_x86_64.manylinux_2_17_x86_64.whl",
                true,
            ),
            ("a-1.0-cp310-cp310-linux_x86_64.whl", false),
            ("a-1.0-cp311-cp311-win_amd64.whl", false),
            ("a-1.0-x-y-z.whl", false),
            ("a-1.0.tar.gz", false),
            ("py3-none-any.whl", false),
        ] {
            assert_eq!(tags.fit(name), expected, "{name}");
        }
    }

    #[test]
    fn words_without_tags_are_no_list() {
        for words in [
            "",
            "pip 1.0\n",
            "Compatible tags: 0\n",
            "Compatible tags: 1\nrubbish\n",
        ] {
            assert!(Tags::read(words).is_none(), "{words:?}");
        }
    }

    #[test]
    fn pure_is_what_every_python_3_can_use() {
        for (name, expected) in [
            ("a-1.0-py3-none-any.whl", true),
            ("a-1.0-py2.py3-none-any.whl", true),
            ("a-1.0-py2-none-any.whl", false),
            ("a-1.0-cp311-none-any.whl", false),
            ("a-1.0-py3-none-linux_x86_64.whl", false),
            ("a-1.0-cp311-cp311-linux_x86_64.whl", false),
            ("a-1.0.tar.gz", false),
        ] {
            assert_eq!(is_pure(name), expected, "{name}");
        }
    }
}
