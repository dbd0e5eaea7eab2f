//! `debian/copyright` in its machine-readable form: ours, and one paragraph for each crate whose code is
//! in the program, with the holders that its own licence files name.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::shell::{cargo, output_of, workspace_root};

/// Licences whose text every Debian has.
const IN_DEBIAN: &[&str] = &["Apache-2.0", "CC0-1.0", "MPL-2.0"];

/// The checkout's own file of the licence whose text many crates share with us.
const MIT: &str = "LICENSE-MIT";

/// A crate that is linked in.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    /// As Debian spells it.
    license: String,
    holders: Vec<String>,
}

/// The whole file: `template` with the crates in the place of `@CRATES@`, then the texts of the folder
/// `licenses`.
pub(super) fn file(template: &str, licenses: &Path) -> Result<String> {
    let metadata = output_of(cargo().args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        &format!("{}-unknown-linux-gnu", std::env::consts::ARCH),
    ]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let crates = linked(&metadata)?;
    render(template, &crates, licenses)
}

fn render(template: &str, crates: &[Crate], licenses: &Path) -> Result<String> {
    let mut used: BTreeSet<String> = names("MIT or Apache-2.0").collect();
    let mut paragraphs = Vec::new();
    for one in crates {
        used.extend(names(&one.license));
        paragraphs.push(format!(
            "Files: vendor/{}-{}/*\nCopyright: {}\nLicense: {}\n",
            one.name,
            one.version,
            one.holders.join("\n           "),
            one.license
        ));
    }
    let mut text = template.replace("@CRATES@\n", &paragraphs.join("\n"));
    for license in used {
        let body = if IN_DEBIAN.contains(&license.as_str()) {
            format!("On Debian systems the text is in /usr/share/common-licenses/{license}.")
        } else if license == "MIT" {
            permission(&std::fs::read_to_string(workspace_root().join(MIT)).context(MIT)?)?
        } else {
            let path = licenses.join(license.replace(' ', "-"));
            std::fs::read_to_string(&path).with_context(|| {
                format!("no text for the licence `{license}`: {}", path.display())
            })?
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "\nLicense: {license}\n{}", folded(&body));
    }
    Ok(text)
}

/// The text of a licence without its title and our own notice, which the crates do not bear.
fn permission(file: &str) -> Result<String> {
    let start = file
        .find("Permission is hereby granted")
        .with_context(|| format!("{MIT} grants nothing"))?;
    Ok(file[start..].to_owned())
}

/// What is linked into the program, by name and version: dependencies of dependencies, but neither what
/// only builds nor what only tests.
fn linked(metadata: &Value) -> Result<Vec<Crate>> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages: HashMap<String, Value> = list(&metadata["packages"])
        .into_iter()
        .map(|package| (text(&package["id"]), package))
        .collect();
    let mut edges: HashMap<String, Vec<String>> = HashMap::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        let needed = list(&node["deps"])
            .iter()
            .filter(|dependency| {
                list(&dependency["dep_kinds"])
                    .iter()
                    .any(|kind| kind["kind"].is_null())
            })
            .map(|dependency| text(&dependency["pkg"]))
            .collect();
        edges.insert(text(&node["id"]), needed);
    }
    let Some(root) = packages
        .iter()
        .find(|(_, package)| package["name"] == "cheeseshop" && package["source"].is_null())
        .map(|(id, _)| id.clone())
    else {
        bail!("no package `cheeseshop`");
    };
    let mut seen: HashSet<String> = HashSet::from([root.clone()]);
    let mut waiting = vec![root];
    while let Some(id) = waiting.pop() {
        for next in edges.get(&id).into_iter().flatten() {
            if seen.insert(next.clone()) {
                waiting.push(next.clone());
            }
        }
    }
    let mut crates = Vec::new();
    for id in &seen {
        let Some(package) = packages.get(id) else {
            bail!("cargo metadata does not describe `{id}`");
        };
        // Our own crates are the file's first paragraph.
        if package["source"].is_null() {
            continue;
        }
        let name = text(&package["name"]);
        let folder = Path::new(package["manifest_path"].as_str().unwrap_or_default())
            .parent()
            .unwrap_or(Path::new(""));
        let mut holders = named_holders(folder);
        if holders.is_empty() {
            holders = list(&package["authors"]).iter().map(text).collect();
        }
        if holders.is_empty() {
            holders.push(format!("the developers of {name}"));
        }
        let license = text(&package["license"]);
        if license.is_empty() {
            bail!("`{name}` does not say its licence as an expression");
        }
        crates.push(Crate {
            version: text(&package["version"]),
            license: debian_expression(&license),
            name,
            holders,
        });
    }
    crates.sort();
    Ok(crates)
}

/// Whom the licence files of a crate name.
fn named_holders(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if ["LICEN", "COPYING", "COPYRIGHT", "NOTICE"]
            .iter()
            .any(|beginning| name.starts_with(beginning))
            && let Ok(text) = std::fs::read_to_string(entry.path())
        {
            files.insert(name, text);
        }
    }
    let mut holders = Vec::new();
    for line in files.values().flat_map(|text| text.lines()) {
        if let Some(holder) = holder(line)
            && !holders.contains(&holder)
        {
            holders.push(holder);
        }
    }
    holders
}

/// `2016-2024 Somebody` of a line `Copyright (c) 2016-2024 Somebody.`
fn holder(line: &str) -> Option<String> {
    let line = line.trim_matches(|letter: char| letter.is_whitespace() || "/*#".contains(letter));
    let (word, mut rest) = line.split_at_checked("copyright".len())?;
    if !word.eq_ignore_ascii_case("copyright") {
        return None;
    }
    loop {
        rest = rest.trim_start_matches([':', ' ', ',']);
        let Some(shorter) = ["(c)", "(C)", "©"]
            .iter()
            .find_map(|sign| rest.strip_prefix(sign))
        else {
            break;
        };
        rest = shorter;
    }
    let rest = rest.trim_end_matches([' ', '.', '*', '/']);
    // A notice names a year or begins with a name; the licences' own sentences do neither, but for the
    // blanks of their appendices.
    let first = rest.chars().next()?;
    let is_notice = first.is_ascii_digit() || first.is_uppercase();
    let is_blank = rest.contains("[yyyy]") || rest.contains("{yyyy}");
    let is_heading = rest.starts_with("AND PERMISSION");
    (is_notice && !is_blank && !is_heading).then(|| rest.to_owned())
}

/// `MIT/Apache-2.0` and `MIT OR Apache-2.0` as Debian writes it: `MIT or Apache-2.0`.
fn debian_expression(spdx: &str) -> String {
    // Debian has no parentheses: `and` binds less tightly than `or` only behind a comma.
    let and = if spdx.contains('(') {
        ", and "
    } else {
        " and "
    };
    let spaced = spdx.replace('/', " OR ").replace(['(', ')'], "");
    let spaced = spaced.replace(" AND ", and);
    spaced
        .split_whitespace()
        .map(|word| match word {
            "OR" => "or",
            "WITH" => "with",
            "LLVM-exception" => "LLVM exception",
            word => word,
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The licences that an expression of Debian's names.
fn names(expression: &str) -> impl Iterator<Item = String> {
    let expression = expression
        .replace(", and ", " or ")
        .replace(" and ", " or ");
    let names: Vec<String> = expression
        .split(" or ")
        .map(|name| name.trim().to_owned())
        .collect();
    names.into_iter()
}

/// A text as the continuation of a field.
fn folded(text: &str) -> String {
    text.trim_end()
        .lines()
        .map(|line| match line.trim_end() {
            "" => " .\n".to_owned(),
            line => format!(" {line}\n"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_told_from_the_words_of_a_licence() {
        for (line, expected) in [
            ("Copyright (c) 2016 The Shop", Some("2016 The Shop")),
            (
                "// Copyright 2015-2016 Brian Example.",
                Some("2015-2016 Brian Example"),
            ),
            (
                "   Copyright © 1991-2023 Unicode, Inc.",
                Some("1991-2023 Unicode, Inc"),
            ),
            ("Copyright: (C) Someone", Some("Someone")),
            ("   Copyright [yyyy] [name of copyright owner]", None),
            ("copyright notice and this permission notice appear", None),
            ("copyright license to reproduce", None),
            ("COPYRIGHT AND PERMISSION NOTICE", None),
            ("MIT License", None),
        ] {
            assert_eq!(holder(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn expressions_become_debians() {
        for (spdx, debian, licenses) in [
            ("MIT/Apache-2.0", "MIT or Apache-2.0", "Apache-2.0 MIT"),
            (
                "(MIT OR Apache-2.0) AND Unicode-3.0",
                "MIT or Apache-2.0, and Unicode-3.0",
                "Apache-2.0 MIT Unicode-3.0",
            ),
            (
                "ISC AND (Apache-2.0 OR ISC)",
                "ISC, and Apache-2.0 or ISC",
                "Apache-2.0 ISC",
            ),
            (
                "Apache-2.0 WITH LLVM-exception OR MIT",
                "Apache-2.0 with LLVM exception or MIT",
                "Apache-2.0 with LLVM exception MIT",
            ),
        ] {
            assert_eq!(debian_expression(spdx), debian);
            let found: BTreeSet<String> = names(debian).collect();
            assert_eq!(found.into_iter().collect::<Vec<_>>().join(" "), licenses);
        }
    }

    #[test]
    fn only_what_is_linked_is_named() {
        let metadata = serde_json::json!({
            "packages": [
                {"id": "us", "name": "cheeseshop", "version": "1", "source": null, "license": "MIT"},
                {"id": "a", "name": "a", "version": "1", "source": "s", "license": "MIT", "authors": ["A"]},
                {"id": "b", "name": "b", "version": "2", "source": "s", "license": "ISC", "authors": []},
                {"id": "t", "name": "t", "version": "3", "source": "s", "license": "ISC", "authors": []},
            ],
            "resolve": {"nodes": [
                {"id": "us", "deps": [
                    {"pkg": "a", "dep_kinds": [{"kind": null}]},
                    {"pkg": "t", "dep_kinds": [{"kind": "dev"}, {"kind": "build"}]},
                ]},
                {"id": "a", "deps": [{"pkg": "b", "dep_kinds": [{"kind": null}]}]},
                {"id": "b", "deps": []},
                {"id": "t", "deps": []},
            ]},
        });
        let crates = linked(&metadata).unwrap();
        let told: Vec<String> = crates
            .iter()
            .map(|one| format!("{}-{} {:?}", one.name, one.version, one.holders))
            .collect();
        assert_eq!(told, ["a-1 [\"A\"]", "b-2 [\"the developers of b\"]"]);
    }

    #[test]
    fn our_own_notice_is_no_part_of_a_licence_that_others_share() {
        let text =
            permission("MIT License\n\nCopyright (c) We\n\nPermission is hereby granted, free\n");
        assert_eq!(text.unwrap(), "Permission is hereby granted, free\n");
        assert!(permission("MIT License\n").is_err());
    }

    #[test]
    fn a_licence_without_a_text_is_an_error() {
        let one = Crate {
            name: "a".to_owned(),
            version: "1".to_owned(),
            license: "Strange-1.0".to_owned(),
            holders: vec!["A".to_owned()],
        };
        let licenses = super::super::deploy_folder().join("debian/licenses");
        let error = render("Format: x", &[one], &licenses)
            .unwrap_err()
            .to_string();
        assert!(error.contains("Strange-1.0"), "{error}");
    }
}
