//! A theme: a few files that change how the pages look, and the rules for them.
//!
//! What could act or bring markup has no place in it, so a page's policy need not be relaxed for
//! one. Nothing here reads files: whoever does asks [`FileType::of`] first and hands the bytes on.

use super::asset::Asset;

/// So many files at most.
pub const MAX_FILES: usize = 64;

/// All files together, in bytes.
pub const MAX_BYTES: u64 = 8 << 20;

/// The longest name of a file.
const MAX_NAME: usize = 100;

/// The style sheet that comes after ours.
pub const STYLE: &str = "theme.css";

/// Names that mean something, the better one first.
const LOGOS: &[&str] = &["logo.svg", "logo.png", "logo.webp"];
const FAVICONS: &[&str] = &["favicon.svg", "favicon.png", "favicon.ico"];

/// A kind of file that a theme may hold.
#[derive(Debug, PartialEq, Eq)]
pub struct FileType {
    extension: &'static str,
    pub(super) content_type: &'static str,
    /// The largest one, in bytes.
    pub max_bytes: u64,
    /// How one begins, at this offset; empty for text.
    magic: &'static [(usize, &'static [u8])],
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

#[rustfmt::skip]
const TYPES: &[FileType] = &[
    FileType { extension: "css", content_type: "text/css; charset=utf-8", max_bytes: 256 * KIB, magic: &[] },
    FileType { extension: "svg", content_type: "image/svg+xml", max_bytes: 512 * KIB, magic: &[] },
    FileType { extension: "png", content_type: "image/png", max_bytes: 2 * MIB, magic: &[(0, b"\x89PNG\r\n\x1a\n")] },
    FileType { extension: "jpg", content_type: "image/jpeg", max_bytes: 2 * MIB, magic: &[(0, b"\xff\xd8\xff")] },
    FileType { extension: "jpeg", content_type: "image/jpeg", max_bytes: 2 * MIB, magic: &[(0, b"\xff\xd8\xff")] },
    FileType { extension: "gif", content_type: "image/gif", max_bytes: 2 * MIB, magic: &[(0, b"GIF8")] },
    FileType { extension: "webp", content_type: "image/webp", max_bytes: 2 * MIB, magic: &[(0, b"RIFF"), (8, b"WEBP")] },
    FileType { extension: "avif", content_type: "image/avif", max_bytes: 2 * MIB, magic: &[(4, b"ftyp")] },
    FileType { extension: "ico", content_type: "image/x-icon", max_bytes: 512 * KIB, magic: &[(0, b"\0\0\x01\0")] },
    FileType { extension: "woff2", content_type: "font/woff2", max_bytes: 2 * MIB, magic: &[(0, b"wOF2")] },
    FileType { extension: "woff", content_type: "font/woff", max_bytes: 2 * MIB, magic: &[(0, b"wOFF")] },
    FileType { extension: "ttf", content_type: "font/ttf", max_bytes: 2 * MIB, magic: &[(0, b"\0\x01\0\0")] },
    FileType { extension: "otf", content_type: "font/otf", max_bytes: 2 * MIB, magic: &[(0, b"OTTO")] },
];

impl FileType {
    /// The type of a file of this name.
    ///
    /// # Errors
    /// Why a theme may not hold such a file.
    pub fn of(name: &str) -> Result<&'static Self, String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.len() > MAX_NAME
            || !name.bytes().all(is_plain)
            || !name.starts_with(|first: char| first.is_ascii_alphanumeric())
        {
            return Err(format!(
                "a name must begin with a letter or digit, have letters, digits, `-`, `_` and `.` \
                 only, and at most {MAX_NAME} of them"
            ));
        }
        if name == super::OWN_STYLE {
            return Err(format!(
                "that name is taken by the product's own style sheet; yours is `{STYLE}`"
            ));
        }
        let extension = name
            .rsplit_once('.')
            .map_or("", |(_, extension)| extension)
            .to_ascii_lowercase();
        TYPES
            .iter()
            .find(|known| known.extension == extension)
            .ok_or_else(|| {
                let known: Vec<&str> = TYPES.iter().map(|known| known.extension).collect();
                format!("a theme may hold these types only: {}", known.join(", "))
            })
    }

    /// Texts are worth compressing; images and fonts of the web are so already.
    pub(super) fn is_text(&self) -> bool {
        self.magic.is_empty()
    }

    fn trouble(&self, bytes: &[u8]) -> Option<String> {
        if bytes.len() as u64 > self.max_bytes {
            return Some(format!(
                "is larger than {} KiB, the most for .{}",
                self.max_bytes / KIB,
                self.extension
            ));
        }
        if self.is_text() {
            let Ok(text) = std::str::from_utf8(bytes) else {
                return Some("is not UTF-8 text".to_owned());
            };
            if self.extension == "svg" && !text.contains("<svg") {
                return Some("has no <svg> element".to_owned());
            }
            return None;
        }
        let begins = |(offset, expected): &(usize, &[u8])| {
            bytes
                .get(*offset..)
                .is_some_and(|rest| rest.starts_with(expected))
        };
        (!self.magic.iter().all(begins))
            .then(|| format!("its bytes are not those of .{}", self.extension))
    }
}

/// A file as it was read.
#[derive(Debug, Clone)]
pub struct ThemeFile {
    /// Its plain name.
    pub name: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// A theme whose files keep the rules.
#[derive(Debug)]
pub struct Theme {
    pub(super) assets: Vec<Asset>,
    pub(super) style: Option<String>,
    pub(super) logo: Option<String>,
    pub(super) favicon: Option<String>,
}

impl Theme {
    /// Makes a theme of files. `style` is the name of the one that pages link to, if it is there.
    ///
    /// # Errors
    /// All broken rules, each with the file that breaks it.
    pub fn new(mut files: Vec<ThemeFile>, style: &str) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        files.sort_by(|one, other| one.name.cmp(&other.name));
        if files.len() > MAX_FILES {
            problems.push(format!(
                "it has {} files; at most {MAX_FILES} are taken",
                files.len()
            ));
        }
        let bytes: u64 = files.iter().map(|file| file.bytes.len() as u64).sum();
        if bytes > MAX_BYTES {
            problems.push(format!(
                "its files have more than {MAX_BYTES} bytes together, the most that is taken"
            ));
            // Whoever reads them stops there, so there may be parts of files among them.
            return Err(problems);
        }
        for names in [LOGOS, FAVICONS] {
            let there: Vec<&str> = names
                .iter()
                .copied()
                .filter(|name| files.iter().any(|file| file.name == *name))
                .collect();
            if there.len() > 1 {
                problems.push(format!("{}: keep one of them", there.join(", ")));
            }
        }
        let mut assets = Vec::new();
        for file in files {
            match FileType::of(&file.name) {
                Ok(file_type) => match file_type.trouble(&file.bytes) {
                    Some(trouble) => problems.push(format!("{}: {trouble}", file.name)),
                    None if problems.is_empty() => {
                        assets.push(Asset::new(file.name, file_type, file.bytes));
                    }
                    None => {}
                },
                Err(rule) => problems.push(format!("{}: {rule}", file.name)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let named = |names: &[&str]| {
            let found = names
                .iter()
                .find(|name| assets.iter().any(|asset| asset.name == **name));
            found.map(|name| (*name).to_owned())
        };
        Ok(Self {
            style: named(&[style]),
            logo: named(LOGOS),
            favicon: named(FAVICONS),
            assets,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: &[u8]) -> ThemeFile {
        ThemeFile {
            name: name.to_owned(),
            bytes: bytes.to_vec(),
        }
    }

    fn problems(files: &[(&str, &[u8])]) -> Vec<String> {
        let files = files.iter().map(|(name, bytes)| file(name, bytes));
        Theme::new(files.collect(), STYLE).unwrap_err()
    }

    #[test]
    fn names_are_plain_and_of_known_types() {
        for name in ["theme.css", "Sans-1.2_b.woff2", "a.SVG", "0.png"] {
            assert!(FileType::of(name).is_ok(), "{name}");
        }
        for name in [
            "",
            ".theme.css",
            "-a.css",
            "a b.css",
            "../a.css",
            "a/b.css",
            "a%2fb.css",
            "ä.css",
            "theme.css~",
            "theme.css\n",
            "theme.js",
            "index.html",
            "x.svgz",
            "x.xml",
            "css",
            "cheeseshop.css",
        ] {
            assert!(FileType::of(name).is_err(), "{name}");
        }
        let long = format!("{}.css", "a".repeat(97));
        assert!(FileType::of(&long).is_err());
    }

    #[test]
    fn all_broken_rules_are_told_with_the_file() {
        let big = vec![b' '; 256 * 1024 + 1];
        assert_eq!(
            problems(&[
                ("theme.css", &big),
                ("logo.png", b"<svg>"),
                ("logo.svg", b"<html>"),
                ("bad.css", b"\xff"),
                ("font.woff2", b"wOFF"),
                ("x.js", b""),
            ])
            .iter()
            .map(|problem| problem.split(" only").next().unwrap())
            .collect::<Vec<_>>(),
            [
                "logo.svg, logo.png: keep one of them",
                "bad.css: is not UTF-8 text",
                "font.woff2: its bytes are not those of .woff2",
                "logo.png: its bytes are not those of .png",
                "logo.svg: has no <svg> element",
                "theme.css: is larger than 256 KiB, the most for .css",
                "x.js: a theme may hold these types",
            ]
        );
    }

    #[test]
    fn number_and_size_of_all_files_are_bounded() {
        let many = (0..65).map(|number| file(&format!("{number}.css"), b""));
        let found = Theme::new(many.collect(), STYLE).unwrap_err();
        assert_eq!(found, ["it has 65 files; at most 64 are taken"]);
        let mut image = b"GIF89a".to_vec();
        image.resize(2 << 20, 0);
        let large = (0..5).map(|number| file(&format!("{number}.gif"), &image));
        let found = Theme::new(large.collect(), STYLE).unwrap_err();
        assert_eq!(
            found,
            ["its files have more than 8388608 bytes together, the most that is taken"]
        );
    }

    #[test]
    fn what_a_page_shows_is_found_by_name() {
        let files = vec![
            file("theme.css", b""),
            file("style.css", b""),
            file("logo.webp", b"RIFF\0\0\0\0WEBP"),
            file("favicon.ico", b"\0\0\x01\0"),
        ];
        let theme = Theme::new(files.clone(), STYLE).unwrap();
        assert_eq!(theme.style.as_deref(), Some("theme.css"));
        assert_eq!(theme.logo.as_deref(), Some("logo.webp"));
        assert_eq!(theme.favicon.as_deref(), Some("favicon.ico"));
        let theme = Theme::new(files, "style.css").unwrap();
        assert_eq!(theme.style.as_deref(), Some("style.css"));
    }
}
