//! Which files of a release are tested.

use regex_lite::Regex;

use crate::commands::Output;
use crate::projects::Link;

/// Wheels that are tested unasked end so: they run everywhere.
const UNIVERSAL_WHEEL: &str = "py2.py3-none-any.whl";

/// The files that are tested, and the sdist whose tests are run.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    pub(super) sdist: &'a Link,
    /// Sdists first.
    pub(super) files: Vec<&'a Link>,
}

impl<'a> Selection<'a> {
    /// Chooses; says which wheels are left out unasked. `None`: there is no sdist, which is said too.
    #[expect(
        clippy::case_sensitive_file_extension_comparisons,
        reason = "as devpi-client compares"
    )]
    pub(super) fn of(
        links: &[&'a Link],
        select: Option<&Regex>,
        output: &mut Output,
    ) -> Option<Self> {
        let mut files: Vec<&Link> = Vec::new();
        let mut wheels = Vec::new();
        for link in links {
            let name = link.base_name();
            if name.ends_with(".tar.gz") {
                files.insert(0, link);
            } else if name.ends_with(".zip") {
                files.push(link);
            } else if is_wheel(link) {
                if select.is_none() && !name.ends_with(UNIVERSAL_WHEEL) {
                    output.warn(&format!("only universal wheels supported, found {name}"));
                } else {
                    wheels.push(*link);
                }
            }
        }
        let Some(sdist) = files.first().copied() else {
            output.error("need at least one sdist distribution");
            return None;
        };
        files.extend(wheels);
        if let Some(select) = select {
            files.retain(|link| select.is_match(link.base_name()));
            if files.is_empty() {
                output.warn(&format!("no file of the release matches {select}"));
            }
        }
        Some(Self { sdist, files })
    }
}

#[expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "as devpi-client compares"
)]
pub(super) fn is_wheel(link: &Link) -> bool {
    link.base_name().ends_with(".whl")
}

#[cfg(test)]
mod tests {
    use cheeseshop_packaging::Hashes;

    use super::*;
    use crate::projects::LinkKind;

    const ZIP: &str = "a-1.zip";
    const SDIST: &str = "a-1.tar.gz";
    const UNIVERSAL: &str = "a-1-py2.py3-none-any.whl";
    const PURE: &str = "a-1-py3-none-any.whl";
    const EGG: &str = "a-1-py3.6.egg";

    fn selected(names: &[&str], select: Option<&str>) -> Option<(String, Vec<String>)> {
        let links: Vec<_> = names
            .iter()
            .map(|name| Link {
                kind: LinkKind::File,
                url: format!("http://shop.test/bob/dev/+f/{name}")
                    .parse()
                    .unwrap(),
                of_url: None,
                hashes: Hashes::new(),
                uploaded: None,
            })
            .collect();
        let links: Vec<_> = links.iter().collect();
        let select = select.map(|pattern| Regex::new(pattern).unwrap());
        let mut output = Output::to(Box::new(std::io::sink()), Box::new(std::io::sink()));
        let selection = Selection::of(&links, select.as_ref(), &mut output)?;
        let files = selection.files.iter();
        Some((
            selection.sdist.base_name().to_owned(),
            files.map(|file| file.base_name().to_owned()).collect(),
        ))
    }

    #[test]
    fn sdists_and_universal_wheels_are_tested() {
        let (sdist, files) = selected(&[PURE, UNIVERSAL, ZIP, EGG, SDIST], None).unwrap();
        assert_eq!(sdist, SDIST);
        assert_eq!(files, [SDIST, ZIP, UNIVERSAL]);
        assert_eq!(selected(&[ZIP], None).unwrap().0, ZIP);
        assert!(
            selected(&[UNIVERSAL, PURE], None).is_none(),
            "tests come from a sdist"
        );
    }

    #[test]
    fn what_is_selected_is_tested_with_the_tests_of_a_sdist() {
        let (sdist, files) = selected(&[SDIST, PURE, UNIVERSAL], Some("py3-none-any")).unwrap();
        assert_eq!(sdist, SDIST);
        assert_eq!(files, [PURE, UNIVERSAL]);
        assert_eq!(selected(&[SDIST, PURE], Some(r"\.whl$")).unwrap().1, [PURE]);
        assert!(selected(&[SDIST], Some("none")).unwrap().1.is_empty());
    }
}
