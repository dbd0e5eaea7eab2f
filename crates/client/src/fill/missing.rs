//! Whether a release needs a wheel.

use cheeseshop_packaging::{FileKind, FileName, ProjectName, Requirement, Version};

use crate::fill::Tags;

/// The names of a project's files at an index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing(pub(crate) Vec<String>);

/// What a release needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: it is on the list of what is never uploaded.
    Unwanted,
    /// Nothing: this wheel is there.
    Present(String),
    /// A wheel.
    Wheel,
}

impl Listing {
    /// The wheel of a version that a Python with these tags can use.
    pub(crate) fn wheel(
        &self,
        project: &ProjectName,
        version: &Version,
        tags: &Tags,
    ) -> Option<&str> {
        let is_of_version = |name: &str| {
            FileName::parse(name).is_ok_and(|name| {
                name.kind() == FileKind::Wheel
                    && name
                        .version_for(project)
                        .is_some_and(|found| found.is_equivalent(version))
            })
        };
        self.0
            .iter()
            .map(String::as_str)
            .find(|name| is_of_version(name) && tags.fit(name))
    }

    /// Whether there is a file of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }
}

/// What a release needs, by the lists of all indexes that may have it.
pub(crate) fn judge(
    (project, version): (&ProjectName, &Version),
    blacklist: &[Requirement],
    listings: &[&Listing],
    tags: &Tags,
) -> Need {
    let is_unwanted = blacklist
        .iter()
        .any(|requirement| requirement.project() == project && requirement.admits(version));
    if is_unwanted {
        return Need::Unwanted;
    }
    listings
        .iter()
        .find_map(|listing| listing.wheel(project, version, tags))
        .map_or(Need::Wheel, |name| Need::Present(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_index_has_needs_a_wheel() {
        let tags =
            Tags::read("Compatible tags: 2\n  py3-none-any\n  cp311-cp311-linux_x86_64\n").unwrap();
        let listing = |names: &[&str]| Listing(names.iter().map(|&name| name.to_owned()).collect());
        let first = listing(&[
            "foo_bar-1.0.tar.gz",
            "foo_bar-1.0-cp310-cp310-linux_x86_64.whl",
            "foo_bar-2.0-cp311-cp311-linux_x86_64.whl",
            "foo-1.5-py3-none-any.whl",
            "../evil",
        ]);
        let pure = listing(&["foo_bar-3.0-py3-none-any.whl"]);
        let blacklist = ["foo.bar<1", "other"].map(|text| Requirement::parse(text).unwrap());
        let present = |name: &str| Need::Present(name.to_owned());
        for (project, version, expected) in [
            ("Foo.Bar", "1.0", Need::Wheel),
            ("foo-bar", "1.5", Need::Wheel),
            (
                "foo-bar",
                "2",
                present("foo_bar-2.0-cp311-cp311-linux_x86_64.whl"),
            ),
            ("foo-bar", "3.0", present("foo_bar-3.0-py3-none-any.whl")),
            ("foo-bar", "0.9", Need::Unwanted),
            ("other", "7", Need::Unwanted),
        ] {
            let project = ProjectName::parse(project).unwrap();
            let version = Version::parse(version).unwrap();
            let need = judge((&project, &version), &blacklist, &[&first, &pure], &tags);
            assert_eq!(need, expected, "{project:?} {version}");
        }
        assert!(first.has("foo_bar-1.0.tar.gz") && !first.has("foo_bar-2.0.tar.gz"));
    }
}
