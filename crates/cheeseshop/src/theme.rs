//! The theme of the pages: a directory, read as a whole.
//!
//! What a theme may hold is said by [`cheeseshop_http::theme`]; here is how its files are found and
//! read: plain files of one directory, by names of their own, never more than may be kept. Links
//! are followed inside the directory only (a mounted Kubernetes ConfigMap consists of them).

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use cheeseshop_http::theme::{FileType, MAX_BYTES, MAX_FILES, STYLE, Theme, ThemeFile};
use cheeseshop_http::{Look, WebSettings};
use rustix::fs::{Mode, OFlags};

use crate::failure::Failure;

/// Where devpi-web's themes have what templates name, and the style sheet in there.
const DEVPI_FOLDER: &str = "static";
const DEVPI_STYLE: &str = "style.css";

/// What tells that a directory is one of devpi-web's themes.
const DEVPI_SIGNS: &[&str] = &[DEVPI_FOLDER, "templates", "theme.toml"];

/// More entries than anybody has in a theme, whatever they are.
const MAX_ENTRIES: usize = 1000;

/// What lies beside the files of a theme and is not served: who made it, under which licence.
const NOTES: &[&str] = &["txt", "md"];
const PLAIN_NOTES: &[&str] = &["README", "LICENSE", "LICENCE", "COPYING", "NOTICE", "OFL"];

/// Reads the theme that the settings name, and makes the look of the pages. With it come remarks on
/// what of the directory has no effect.
pub(crate) fn read(settings: &WebSettings) -> Result<(Look, Vec<String>), Failure> {
    let Some(directory) = &settings.theme else {
        return Ok((Look::new(settings, None), Vec::new()));
    };
    match Directory::open(directory).and_then(Directory::read) {
        Ok((theme, remarks)) => {
            let told = |remark| format!("theme {}: {remark}", directory.display());
            Ok((
                Look::new(settings, Some(theme)),
                remarks.into_iter().map(told).collect(),
            ))
        }
        Err(problems) => {
            let shown = directory.display();
            let text = format!(
                "the theme {shown} cannot be used:\n  {}",
                problems.join("\n  ")
            );
            Err(Failure::could_not_try(text).with_hint(
                "docs/manual/web-pages.md tells what a theme may hold; `web.theme` names it",
            ))
        }
    }
}

/// As [`read`], with the remarks in the log.
pub(crate) fn read_and_tell(settings: &WebSettings) -> Result<Look, Failure> {
    let (look, remarks) = read(settings)?;
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    Ok(look)
}

/// The directory and the files that a server reads for the theme that the settings name.
pub(crate) fn places(settings: &WebSettings) -> Vec<PathBuf> {
    let Some(path) = &settings.theme else {
        return Vec::new();
    };
    let mut places = vec![path.clone()];
    if let Ok(directory) = Directory::open(path) {
        let names = directory.names().unwrap_or_default();
        let served = names.iter().filter(|name| FileType::of(name).is_ok());
        places.extend(served.map(|name| directory.files.join(name)));
    }
    places
}

/// A directory with the files of a theme.
struct Directory {
    /// Without links, as is everything that is read.
    root: PathBuf,
    /// The directory that has the files.
    files: PathBuf,
    is_devpis: bool,
    /// Things that have no effect.
    ignored: Vec<String>,
}

impl Directory {
    fn open(path: &Path) -> Result<Self, Vec<String>> {
        let root = path.canonicalize().map_err(|error| vec![told(&error)])?;
        if !root.is_dir() {
            return Err(vec!["it is not a directory".to_owned()]);
        }
        let has = |name: &&&str| root.join(**name).exists();
        let signs: Vec<&str> = DEVPI_SIGNS.iter().filter(has).copied().collect();
        let is_devpis = !signs.is_empty() && !root.join(STYLE).exists();
        let ignored = |name: &&&str| is_devpis && **name != DEVPI_FOLDER;
        let mut directory = Self {
            files: root.clone(),
            is_devpis,
            ignored: signs
                .iter()
                .filter(ignored)
                .map(|name| (*name).to_owned())
                .collect(),
            root,
        };
        if is_devpis && signs.contains(&DEVPI_FOLDER) {
            let files = directory.inside(&directory.root.join(DEVPI_FOLDER));
            directory.files = files.map_err(|problem| vec![problem])?;
        }
        Ok(directory)
    }

    /// Where a path leads, if that is inside the theme.
    fn inside(&self, path: &Path) -> Result<PathBuf, String> {
        let name = path.file_name().unwrap_or_default().display().to_string();
        match path.canonicalize() {
            Ok(target) if target.starts_with(&self.root) => Ok(target),
            Ok(_) => Err(format!("{name}: is a link that leads out of the theme")),
            Err(error) => Err(format!("{name}: {}", told(&error))),
        }
    }

    fn read(mut self) -> Result<(Theme, Vec<String>), Vec<String>> {
        let names = match (self.is_devpis, self.files == self.root) {
            // Templates alone: there is nothing to take.
            (true, true) => Vec::new(),
            _ => self.names().map_err(|problem| vec![problem])?,
        };
        let mut files = Vec::new();
        let mut problems = Vec::new();
        let mut left = MAX_BYTES;
        for name in names {
            let file_type = match FileType::of(&name) {
                Ok(file_type) => file_type,
                Err(_) if self.is_devpis => {
                    self.ignored.push(format!("{DEVPI_FOLDER}/{name}"));
                    continue;
                }
                Err(rule) => {
                    problems.push(format!("{name}: {rule}"));
                    continue;
                }
            };
            // One file over the number, and one byte over the sizes, are read for the rules to see.
            if files.len() > MAX_FILES {
                break;
            }
            match self.read_file(&name, file_type.max_bytes.min(left) + 1) {
                Ok(Some(bytes)) => {
                    let after = left.checked_sub(bytes.len() as u64);
                    files.push(ThemeFile { name, bytes });
                    match after {
                        Some(after) => left = after,
                        None => break,
                    }
                }
                Ok(None) => self.ignored.push(format!("{DEVPI_FOLDER}/{name}/")),
                Err(problem) => problems.push(problem),
            }
        }
        let style = if self.is_devpis { DEVPI_STYLE } else { STYLE };
        match Theme::new(files, style) {
            Ok(theme) if problems.is_empty() => Ok((theme, self.remarks())),
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    }

    /// The names of what may be served, in order.
    fn names(&self) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        let entries = std::fs::read_dir(&self.files).map_err(|error| told(&error))?;
        for (number, entry) in entries.enumerate() {
            if number == MAX_ENTRIES {
                return Err(format!("it has more than {MAX_ENTRIES} entries"));
            }
            let name = entry.map_err(|error| told(&error))?.file_name();
            // What cannot be shown as it is breaks the rule for names in any case.
            let name = name.to_string_lossy().into_owned();
            if !name.starts_with('.') && !is_note(&name) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// At most so many bytes of a file; `None` for a folder that has no effect.
    fn read_file(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, String> {
        let path = self.inside(&self.files.join(name))?;
        let wrong = |error: std::io::Error| format!("{name}: {}", told(&error));
        // Not again through a link, and without waiting for whoever writes into a pipe.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file =
            rustix::fs::open(&path, flags, Mode::empty()).map_err(|error| wrong(error.into()))?;
        let file = File::from(file);
        let metadata = file.metadata().map_err(wrong)?;
        if metadata.is_dir() && self.is_devpis {
            return Ok(None);
        }
        if !metadata.is_file() {
            return Err(format!("{name}: is not a plain file"));
        }
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map_err(wrong)?;
        Ok(Some(bytes))
    }

    fn remarks(&self) -> Vec<String> {
        if !self.is_devpis {
            return Vec::new();
        }
        let taken = if self.files == self.root {
            format!("it has no {DEVPI_FOLDER}/, so nothing is taken")
        } else {
            format!("the style sheet, logo, icon, images and fonts of {DEVPI_FOLDER}/ are taken")
        };
        let ignored = if self.ignored.is_empty() {
            String::new()
        } else {
            format!("; no effect have {}", self.ignored.join(", "))
        };
        vec![format!("made for devpi-web: {taken}{ignored}")]
    }
}

/// What went wrong, with the way out of the commonest trouble.
fn told(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            "the user that the server runs as may not read it".to_owned()
        }
        _ => error.to_string(),
    }
}

fn is_note(name: &str) -> bool {
    PLAIN_NOTES.contains(&name)
        || name
            .rsplit_once('.')
            .is_some_and(|(_, extension)| NOTES.contains(&extension))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

    fn theme(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn of(folder: &Path) -> Result<Vec<String>, String> {
        let settings = WebSettings {
            theme: Some(folder.to_owned()),
            ..WebSettings::default()
        };
        let shown = folder.display().to_string();
        match read(&settings) {
            Ok((_, remarks)) => Ok(remarks
                .iter()
                .map(|remark| remark.replace(&shown, "T"))
                .collect()),
            Err(failure) => {
                let text = failure.to_string().replace(&shown, "T");
                let (head, _) = text.split_once("\nhint: ").unwrap();
                Err(head.to_owned())
            }
        }
    }

    #[test]
    fn plain_files_are_taken_and_notes_and_hidden_ones_left_alone() {
        let folder = theme(&[
            ("theme.css", b"body{}"),
            ("logo.png", PNG),
            ("OFL.txt", b""),
            ("README", b""),
            (".theme.css.swp", b"\xff"),
            (".git/config", b""),
        ]);
        assert_eq!(of(folder.path()), Ok(vec![]));
        // As Kubernetes mounts a ConfigMap.
        let mounted = theme(&[("..2026/theme.css", b""), ("..2026/logo.png", PNG)]);
        symlink("..2026", mounted.path().join("..data")).unwrap();
        for name in ["theme.css", "logo.png"] {
            symlink(format!("..data/{name}"), mounted.path().join(name)).unwrap();
        }
        assert_eq!(of(mounted.path()), Ok(vec![]));
    }

    #[test]
    fn every_file_that_breaks_a_rule_is_named() {
        let folder = theme(&[
            ("theme.css", b"\xff"),
            ("script.js", b""),
            ("index.html", b""),
            ("theme.css~", b""),
            ("fonts/a.woff2", b"wOF2"),
            ("big.css", &vec![b' '; (256 << 10) + 2]),
        ]);
        std::fs::create_dir(folder.path().join("a.css")).unwrap();
        symlink("/etc/passwd", folder.path().join("leak.css")).unwrap();
        symlink("gone", folder.path().join("gone.svg")).unwrap();
        let pipe = rustix::fs::CWD;
        rustix::fs::mknodat(
            pipe,
            folder.path().join("pipe.png"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        let told = of(folder.path()).unwrap_err();
        let lines: Vec<&str> = told.lines().map(str::trim_start).collect();
        let begins = [
            "error: the theme T cannot be used:",
            "a.css: is not a plain file",
            "fonts: a theme may hold these types only: css, svg, png",
            "gone.svg: No such file",
            "index.html: a theme may hold these types only",
            "leak.css: is a link that leads out of the theme",
            "pipe.png: is not a plain file",
            "script.js: a theme may hold these types only",
            "theme.css~: a name must begin with",
            "big.css: is larger than 256 KiB",
            "theme.css: is not UTF-8 text",
        ];
        assert_eq!(lines.len(), begins.len(), "{told}");
        for (line, begin) in lines.iter().zip(begins) {
            assert!(line.starts_with(begin), "{begin}\n{told}");
        }
    }

    #[test]
    fn what_is_no_directory_is_told() {
        let folder = theme(&[("file", b"")]);
        let told = of(&folder.path().join("file")).unwrap_err();
        assert!(told.ends_with("it is not a directory"), "{told}");
        let told = of(&folder.path().join("none")).unwrap_err();
        assert!(told.contains("No such file or directory"), "{told}");
        assert_eq!(of(theme(&[]).path()), Ok(vec![]), "an empty theme is one");
    }

    #[test]
    fn too_much_is_not_read() {
        let mut image = b"GIF89a".to_vec();
        image.resize(2 << 20, 0);
        let names: Vec<String> = (0..9).map(|number| format!("{number}.gif")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&name[..], &image[..])).collect();
        let told = of(theme(&files).path()).unwrap_err();
        // Nothing is said of a file that was read in part.
        let lines: Vec<&str> = told.lines().skip(1).collect();
        let line = "  its files have more than 8388608 bytes together, the most that is taken";
        assert_eq!(lines, [line]);
        let names: Vec<String> = (0..70).map(|number| format!("{number}.css")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&name[..], &b""[..])).collect();
        let told = of(theme(&files).path()).unwrap_err();
        assert!(told.contains("at most 64 are taken"), "{told}");
        let names: Vec<String> = (0..1001).map(|number| format!(".{number}")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&name[..], &b""[..])).collect();
        let told = of(theme(&files).path()).unwrap_err();
        assert!(told.contains("more than 1000 entries"), "{told}");
    }

    #[test]
    fn of_a_theme_of_devpi_web_what_fits_is_taken_and_the_rest_is_told() {
        let folder = theme(&[
            ("templates/root.pt", b""),
            ("theme.toml", b""),
            ("static/style.css", b"h1{}"),
            ("static/common.js", b""),
            ("static/logo.png", PNG),
            ("static/img/x.png", PNG),
        ]);
        assert_eq!(
            of(folder.path()),
            Ok(vec![
                "theme T: made for devpi-web: the style sheet, logo, icon, images and fonts of \
                 static/ are taken; no effect have templates, theme.toml, static/common.js, \
                 static/img"
                    .to_owned()
            ])
        );
        let templates = theme(&[("templates/root.pt", b"")]);
        assert_eq!(
            of(templates.path()),
            Ok(vec![
                "theme T: made for devpi-web: it has no static/, so nothing is taken; no effect \
                 have templates"
                    .to_owned()
            ])
        );
        // The rules of sizes and links are no others.
        symlink("/etc/passwd", folder.path().join("static/leak.css")).unwrap();
        let told = of(folder.path()).unwrap_err();
        assert!(told.contains("leak.css: is a link that leads"), "{told}");
        let linked = theme(&[("templates/root.pt", b"")]);
        symlink("/etc", linked.path().join("static")).unwrap();
        let told = of(linked.path()).unwrap_err();
        assert!(told.contains("static: is a link that leads"), "{told}");
    }
}
