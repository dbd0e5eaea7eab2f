//! Suffixes: which are uploadable, and what each announces.

use super::FileKind;

/// What devpi accepts for release files, whatever the case.
const UPLOADABLE: [&str; 11] = [
    ".exe", ".tar.gz", ".bz2", ".rpm", ".deb", ".zip", ".tgz", ".egg", ".dmg", ".msi", ".whl",
];

const SDIST: [&str; 5] = [".tar.gz", ".zip", ".tgz", ".tar.bz2", ".bz2"];

/// All that is cut off before a name is read; longer ones before their tails.
const KNOWN: [&str; 17] = [
    ".doc.zip", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.z", ".tar", ".tgz", ".zip",
    ".bz2", ".egg", ".exe", ".msi", ".dmg", ".deb", ".rpm", ".whl",
];

/// Whether a name has a suffix, whatever the case, and something before it.
pub(super) fn ends_with(name: &str, suffix: &str) -> bool {
    strip(name, suffix).is_some()
}

/// Cuts a suffix off, whatever its case. `None` when nothing would be left.
pub(super) fn strip<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    let at = name.len().checked_sub(suffix.len()).filter(|at| *at > 0)?;
    let (start, end) = name.split_at_checked(at)?;
    end.eq_ignore_ascii_case(suffix).then_some(start)
}

/// Cuts off whichever known suffix a name has.
pub(super) fn strip_any(name: &str) -> &str {
    KNOWN
        .iter()
        .find_map(|suffix| strip(name, suffix))
        .unwrap_or(name)
}

/// Whether devpi takes uploads of such files.
pub(super) fn is_uploadable(name: &str) -> bool {
    UPLOADABLE.iter().any(|suffix| ends_with(name, suffix))
}

/// Sorts a name by its suffix.
pub(super) fn kind(name: &str) -> FileKind {
    if ends_with(name, ".whl") {
        FileKind::Wheel
    } else if SDIST.iter().any(|suffix| ends_with(name, suffix)) {
        FileKind::Sdist
    } else {
        FileKind::Other
    }
}

/// The `filetype` of the legacy upload form.
pub(super) fn packagetype(name: &str) -> &'static str {
    const TYPES: [(&str, &str); 7] = [
        (".whl", "bdist_wheel"),
        (".egg", "bdist_egg"),
        (".exe", "bdist_wininst"),
        (".msi", "bdist_msi"),
        (".dmg", "bdist_dmg"),
        (".rpm", "bdist_rpm"),
        (".deb", "bdist_dumb"),
    ];
    TYPES
        .iter()
        .find(|(suffix, _)| ends_with(name, suffix))
        .map_or("sdist", |(_, packagetype)| packagetype)
}

/// The media type devpi gives such files. Packed archives get the type of
/// what is inside only because devpi's clients never look; no content
/// encoding may go with it.
pub(super) fn content_type(name: &str) -> &'static str {
    const TYPES: [(&str, &str); 4] = [
        (".tar.gz", "application/x-tar"),
        (".tgz", "application/x-tar"),
        (".tar.bz2", "application/x-tar"),
        (".zip", "application/zip"),
    ];
    TYPES
        .iter()
        .find(|(suffix, _)| ends_with(name, suffix))
        .map_or("application/octet-stream", |(_, content_type)| content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_judged_whatever_their_case() {
        for (name, uploadable, expected) in [
            ("a-1.whl", true, FileKind::Wheel),
            ("a-1.WHL", true, FileKind::Wheel),
            ("a-1.tar.gz", true, FileKind::Sdist),
            ("a-1.TAR.GZ", true, FileKind::Sdist),
            ("a-1.tgz", true, FileKind::Sdist),
            ("a-1.zip", true, FileKind::Sdist),
            ("a-1.tar.bz2", true, FileKind::Sdist),
            ("a-1.bz2", true, FileKind::Sdist),
            ("a-1.egg", true, FileKind::Other),
            ("a-1.exe", true, FileKind::Other),
            ("a-1.rpm", true, FileKind::Other),
            ("a-1.deb", true, FileKind::Other),
            ("a-1.dmg", true, FileKind::Other),
            ("a-1.msi", true, FileKind::Other),
            ("a-1.tar", false, FileKind::Other),
            ("a-1.tar.xz", false, FileKind::Other),
            ("a-1.tar.Z", false, FileKind::Other),
            ("a-1", false, FileKind::Other),
            (".whl", false, FileKind::Other),
            ("", false, FileKind::Other),
            ("ü.wh", false, FileKind::Other),
        ] {
            assert_eq!(is_uploadable(name), uploadable, "{name}");
            assert_eq!(kind(name), expected, "{name}");
        }
    }

    #[test]
    fn every_file_has_a_type_for_forms_and_one_for_http() {
        for (name, form, http) in [
            ("a-1.whl", "bdist_wheel", "application/octet-stream"),
            ("a-1.tar.gz", "sdist", "application/x-tar"),
            ("a-1.zip", "sdist", "application/zip"),
            ("a-1.egg", "bdist_egg", "application/octet-stream"),
            ("a-1.exe", "bdist_wininst", "application/octet-stream"),
            ("a-1.msi", "bdist_msi", "application/octet-stream"),
        ] {
            assert_eq!(packagetype(name), form);
            assert_eq!(content_type(name), http);
        }
    }

    #[test]
    fn the_longest_known_suffix_is_cut_off() {
        for (name, stem) in [
            ("a-1.tar.gz", "a-1"),
            ("a-1.doc.zip", "a-1"),
            ("a-1.tar.bz2", "a-1"),
            ("a-1", "a-1"),
            ("ü.zip", "ü"),
            (".zip", ".zip"),
        ] {
            assert_eq!(strip_any(name), stem);
        }
    }
}
