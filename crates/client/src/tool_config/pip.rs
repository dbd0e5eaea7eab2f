//! `pip.conf`.

use std::path::PathBuf;

use super::IndexSettings;
use super::ini::Ini;
use crate::Environment;

/// pip takes both spellings of an option.
const INDEX_NAMES: &[&str] = &["index_url", "index-url"];
const TRUSTED_NAMES: &[&str] = &["trusted-host", "trusted_host"];

/// Where pip looks for the user's settings, and they are.
pub(super) fn location(environment: &Environment) -> Option<PathBuf> {
    environment
        .path("PIP_CONFIG_FILE")
        .or_else(|| oldest_location(environment).filter(|path| path.exists()))
        .or_else(|| usual_location(environment))
}

pub(super) fn oldest_location(environment: &Environment) -> Option<PathBuf> {
    Some(environment.home()?.join(".pip/pip.conf"))
}

pub(super) fn usual_location(environment: &Environment) -> Option<PathBuf> {
    if cfg!(target_os = "macos") {
        let folder = environment.home()?.join("Library/Application Support/pip");
        if folder.is_dir() {
            return Some(folder.join("pip.conf"));
        }
    }
    Some(environment.config_home()?.join("pip/pip.conf"))
}

pub(super) fn index(text: &str) -> Option<String> {
    let ini = Ini::parse(text);
    let place = *ini.find(None, INDEX_NAMES).first()?;
    // The value may stand on the next line.
    let index = ini.words(place).into_iter().next()?;
    Some(index)
}

pub(super) fn edited(text: &str, settings: &IndexSettings) -> String {
    let mut ini = Ini::parse(text);
    let simple = settings.simple.as_str();
    // A section of a single command would win over [global].
    let places = ini.find(None, INDEX_NAMES);
    if places.is_empty() {
        ini.add_first("global", "index_url", simple);
    }
    for place in places.into_iter().rev() {
        ini.set(place, simple);
    }
    let search = settings.search.as_str();
    let places = ini.find(Some("search"), &["index"]);
    if places.is_empty() {
        ini.add_first("search", "index", search);
    }
    for place in places.into_iter().rev() {
        ini.set(place, search);
    }
    let host = settings.simple.host_str().unwrap_or_default();
    if settings.is_host_trusted {
        trust(&mut ini, host);
    } else {
        trust_no_longer(&mut ini, host);
    }
    ini.into_text()
}

/// pip refuses a file that has an option twice, so hosts stand on one line.
fn trust(ini: &mut Ini, host: &str) {
    let Some(place) = ini.find(Some("global"), TRUSTED_NAMES).first().copied() else {
        ini.add_last("global", "trusted-host", host);
        return;
    };
    let mut hosts = ini.words(place);
    if !hosts.iter().any(|one| one == host) {
        hosts.push(host.to_owned());
        ini.set(place, &hosts.join(" "));
    }
}

fn trust_no_longer(ini: &mut Ini, host: &str) {
    for place in ini.find(None, TRUSTED_NAMES).into_iter().rev() {
        let mut hosts = ini.words(place);
        let count = hosts.len();
        hosts.retain(|one| one != host);
        if hosts.is_empty() && count > 0 {
            ini.remove(place);
        } else if hosts.len() < count {
            ini.set(place, &hosts.join(" "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str, is_host_trusted: bool) -> String {
        edited(
            text,
            &IndexSettings {
                simple: "http://shop.test/b/d/+simple/".parse().unwrap(),
                search: "http://shop.test/b/d/".parse().unwrap(),
                is_host_trusted,
            },
        )
    }

    const SEARCH: &str = "[search]\nindex = http://shop.test/b/d/\n";

    #[test]
    fn a_new_file_holds_index_search_and_trust() {
        assert_eq!(
            edit("", true),
            format!(
                "[global]\nindex_url = http://shop.test/b/d/+simple/\ntrusted-host = shop.test\n{SEARCH}"
            )
        );
        assert_eq!(edit(&edit("", true), false), edit("", false));
        assert_eq!(edit(&edit("", true), true), edit("", true));
    }

    #[test]
    fn what_stands_there_stays_with_its_spelling() {
        let text = "# mine\n[install]\nno-deps = yes\n[global]\nindex-url=http://old.test/\n\
                    extra-index-url = http://extra.test/\n";
        assert_eq!(
            edit(text, false),
            format!(
                "# mine\n[install]\nno-deps = yes\n[global]\nindex-url = http://shop.test/b/d/+simple/\n\
                 extra-index-url = http://extra.test/\n{SEARCH}"
            )
        );
    }

    #[test]
    fn trusting_a_host_makes_no_second_option() {
        let text = format!(
            "{SEARCH}[global]\nindex_url = x\ntrusted-host =\n  other.test\n  third.test\n"
        );
        let trusted = edit(&text, true);
        assert!(
            trusted.ends_with("trusted-host = other.test third.test shop.test\n"),
            "{trusted}"
        );
        let not = edit(&trusted, false);
        assert!(
            not.ends_with("trusted-host = other.test third.test\n"),
            "{not}"
        );
        let other = "[global]\nindex_url = x\ntrusted-host = shop.test.example\n";
        assert!(edit(other, false).contains("trusted-host = shop.test.example\n"));
    }

    #[test]
    fn a_value_on_the_next_line_is_read_and_replaced() {
        let text = "[global]\nindex-url =\n    http://old.test/\n";
        assert_eq!(index(text).unwrap(), "http://old.test/");
        assert_eq!(
            edit(text, false),
            format!("[global]\nindex-url = http://shop.test/b/d/+simple/\n{SEARCH}")
        );
    }

    #[test]
    fn the_oldest_place_counts_while_a_file_is_there() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::of(
            &[("HOME", home.path().to_str().unwrap())],
            std::path::Path::new("/"),
        );
        assert_eq!(location(&environment), usual_location(&environment));
        std::fs::create_dir(home.path().join(".pip")).unwrap();
        std::fs::write(home.path().join(".pip/pip.conf"), "").unwrap();
        assert_eq!(location(&environment), oldest_location(&environment));
    }
}
