//! What the pages say of the sources: files that they name are there, and so are types, functions and modules.

use std::collections::BTreeSet;

use super::{files_below, pages, root};

/// What stands before a name where it is made.
const DEFINITIONS: &[&str] = &[
    "fn ",
    "struct ",
    "enum ",
    "trait ",
    "type ",
    "mod ",
    "const ",
    "static ",
    "macro_rules! ",
];

/// Folders whose files are named as one finds them from the top of the checkout.
const FOLDERS: &[&str] = &["crates/", "deploy/", "docs/", "xtask/", "changes/", ".ci/"];

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Everything that the sources give a name to, variants and crates among it.
fn names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap();
        names.insert(name.replace('-', "_"));
        for file in files_below(&folder.join("src"), "rs") {
            for line in std::fs::read_to_string(file).unwrap().lines() {
                let line = line.trim_start();
                let defined = DEFINITIONS
                    .iter()
                    .find_map(|word| Some(line.split_once(word)?.1))
                    .unwrap_or(line);
                let end = defined.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                names.insert(defined[..end.unwrap_or(defined.len())].to_owned());
            }
        }
    }
    names
}

/// Pages that name parts of the sources.
const ABOUT_SOURCES: &[&str] = &["docs/architecture.md", "docs/database.md"];

#[test]
fn names_of_the_sources_on_the_pages_exist() {
    let names = names();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in pages() {
        if !ABOUT_SOURCES.contains(&&*page.name()) {
            continue;
        }
        for code in page.inline_code() {
            let parts: Vec<&str> = code.trim_end_matches("()").split("::").collect();
            if parts.len() < 2 || !parts.iter().all(|part| is_name(part)) {
                continue;
            }
            seen += 1;
            if let Some(part) = parts.iter().find(|part| !names.contains(**part)) {
                wrong.push(format!("{}: {code}: no {part}", page.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 30, "{seen} names");
}

#[test]
fn files_of_the_checkout_on_the_pages_exist() {
    let mut wrong = Vec::new();
    for page in pages() {
        for code in page.inline_code() {
            let is_path = FOLDERS.iter().any(|folder| code.starts_with(folder))
                && code
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
            if is_path && !root().join(code).exists() {
                wrong.push(format!("{}: {code}", page.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_page_of_the_manual_is_in_its_contents() {
    let contents = std::fs::read_to_string(root().join("docs/manual/README.md")).unwrap();
    for page in files_below(&root().join("docs/manual"), "md") {
        let name = page.file_name().unwrap().to_str().unwrap();
        let link = format!("({name})");
        assert!(
            name == "README.md" || contents.contains(&link),
            "{name} is not in the contents"
        );
    }
}
