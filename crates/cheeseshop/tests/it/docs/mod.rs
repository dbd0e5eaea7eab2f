//! The pages for people: what they link to, and the commands, settings, metrics and keys that they
//! name, exist; and what exists is named.

mod messages;
mod sources;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::Home;

/// One page, and its lines with whether they stand in a code block.
struct Page {
    path: PathBuf,
    lines: Vec<(bool, String)>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Files below a directory with this extension.
fn files_below(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn pages() -> Vec<Page> {
    let root = root();
    let mut paths = vec![root.join("README.md")];
    paths.extend(files_below(&root.join("docs"), "md"));
    paths.extend(files_below(&root.join("changes"), "md"));
    paths.iter().map(|path| Page::read(path)).collect()
}

impl Page {
    fn read(path: &Path) -> Self {
        let mut is_code = false;
        let lines = std::fs::read_to_string(path)
            .unwrap()
            .lines()
            .map(|line| {
                let is_fence = line.trim_start().starts_with("```");
                is_code ^= is_fence;
                (is_code || is_fence, line.to_owned())
            })
            .collect();
        Self {
            path: path.to_owned(),
            lines,
        }
    }

    fn name(&self) -> String {
        self.path
            .strip_prefix(root())
            .unwrap()
            .display()
            .to_string()
    }

    /// Anchors of the headings, as code hosts make them.
    fn anchors(&self) -> BTreeSet<String> {
        self.lines
            .iter()
            .filter(|(is_code, line)| !is_code && line.starts_with('#'))
            .map(|(_, line)| {
                line.trim_start_matches('#')
                    .trim()
                    .to_lowercase()
                    .chars()
                    .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                    .map(|c| if c == ' ' { '-' } else { c })
                    .collect()
            })
            .collect()
    }

    fn links(&self) -> Vec<String> {
        let mut links = Vec::new();
        for (is_code, line) in &self.lines {
            if *is_code {
                continue;
            }
            let mut rest = line.as_str();
            while let Some((_, after)) = rest.split_once("](") {
                let (target, after) = after.split_once(')').unwrap_or((after, ""));
                links.push(target.to_owned());
                rest = after;
            }
        }
        links
    }

    /// What stands between backticks outside of code blocks.
    fn inline_code(&self) -> Vec<&str> {
        self.lines
            .iter()
            .filter(|(is_code, _)| !is_code)
            .flat_map(|(_, line)| line.split('`').skip(1).step_by(2))
            .collect()
    }

    /// Lines of code blocks, without prompts.
    fn block_lines(&self) -> impl Iterator<Item = &str> {
        self.lines
            .iter()
            .filter(|(is_code, _)| *is_code)
            .map(|(_, line)| line.trim_start_matches("$ ").trim())
    }

    /// Calls of the program: words behind its name.
    fn commands(&self) -> Vec<Vec<&str>> {
        self.inline_code()
            .into_iter()
            .chain(self.block_lines())
            .filter_map(|text| text.strip_prefix("cheeseshop "))
            .map(|text| text.split('#').next().unwrap_or_default())
            .map(|text| text.split_whitespace().collect())
            .collect()
    }
}

/// Words of a text that are made of these characters and begin with a prefix.
fn words<'t>(text: &'t str, prefix: &str) -> Vec<&'t str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with(prefix) && word.len() > prefix.len())
        .collect()
}

/// `section.key` of every setting, from the page that the program writes.
fn settings() -> BTreeSet<String> {
    let page = Page::read(&root().join("docs/manual/configuration.md"));
    let mut section = String::new();
    let mut found = BTreeSet::new();
    for (_, line) in &page.lines {
        if let Some(heading) = line.strip_prefix("## [") {
            heading.trim_end_matches(']').clone_into(&mut section);
        } else if let Some(row) = line.strip_prefix("| `") {
            let key = row.split('`').next().unwrap_or_default();
            found.insert(format!("{section}.{key}"));
        }
    }
    assert!(found.contains("auth.throttle.first_wait"), "{found:?}");
    found
}

/// The source files that name metrics.
fn sources_with_metrics() -> String {
    std::fs::read_dir(root().join("crates"))
        .unwrap()
        .flat_map(|entry| files_below(&entry.unwrap().path().join("src"), "rs"))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .filter(|text| text.contains("metrics::") || text.contains("StatusMetric"))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut dead = Vec::new();
    for page in pages() {
        for link in page.links() {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => page.path.clone(),
                file => page.path.parent().unwrap().join(file),
            };
            let is_alive = target.exists()
                && (anchor.is_empty() || Page::read(&target).anchors().contains(anchor));
            if !is_alive {
                dead.push(format!("{}: {link}", page.name()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn every_command_and_flag_on_the_pages_exists() {
    let home = Home::new();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for page in pages() {
        for words in page.commands() {
            let is_name = |word: &&&str| {
                !word.starts_with('-')
                    && word
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || matches!(c, '|' | '-'))
            };
            let names: Vec<&str> = words.iter().take_while(is_name).copied().collect();
            if names.first().is_none_or(|name| *name == "help") {
                continue;
            }
            let flags: Vec<&str> = words
                .iter()
                .map(|word| word.trim_matches(['[', ']']))
                .filter(|word| word.starts_with("--"))
                .map(|word| word.split('=').next().unwrap_or_default())
                .collect();
            // `config check|show` is two commands.
            let (last, first) = names.split_last().unwrap();
            for last in last.split('|') {
                let mut call = first.to_vec();
                call.extend([last, "--help"]);
                let help = home.run(&call);
                if help.code != Some(0) {
                    wrong.push(format!("{}: cheeseshop {}", page.name(), words.join(" ")));
                    continue;
                }
                let known: BTreeSet<&str> = help
                    .stdout
                    .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
                    .collect();
                for flag in &flags {
                    if !known.contains(flag) {
                        wrong.push(format!("{}: {} {flag}", page.name(), call.join(" ")));
                    }
                }
                seen.insert(first.first().copied().unwrap_or(last).to_owned());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // What the client has under devpi's name too may be told under that.
    for page in pages() {
        let codes = page.inline_code().into_iter().chain(page.block_lines());
        let commands = codes.filter_map(|text| text.strip_prefix("devpi "));
        seen.extend(commands.filter_map(|text| Some(text.split_whitespace().next()?.to_owned())));
    }
    let help = home.run(&["help"]).stdout;
    let commands: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.contains(&"serve") && commands.contains(&"upload"));
    for command in commands {
        assert!(seen.contains(command), "`{command}` is on no page");
    }
}

#[test]
fn every_setting_on_the_pages_exists() {
    let settings = settings();
    let sections: BTreeSet<&str> = settings
        .iter()
        .map(|key| key.split('.').next().unwrap())
        .collect();
    let exists = |key: &str| {
        settings.contains(key)
            || key
                .strip_suffix("_file")
                .is_some_and(|key| settings.contains(key))
    };
    let mut wrong = Vec::new();
    for page in pages() {
        for code in page.inline_code() {
            let key = code.split([' ', '=']).next().unwrap_or_default();
            let section = key.split_once('.').map_or("", |(section, _)| section);
            let is_file = Path::new(key).extension().is_some_and(|extension| {
                ["rs", "db", "json", "list", "dump"]
                    .iter()
                    .any(|one| extension == *one)
            });
            let is_section = settings
                .iter()
                .any(|known| known.starts_with(&format!("{key}.")));
            if sections.contains(section) && !is_file && !is_section && !exists(key) {
                wrong.push(format!("{}: {code}", page.name()));
            }
        }
        // Examples of settings files; sections of other programs are left alone.
        let mut section = "";
        for line in page.block_lines() {
            if let Some(heading) = line.strip_prefix('[') {
                section = heading.trim_matches(['[', ']']);
            } else if line.starts_with("```") {
                section = "";
            } else if let Some((key, _)) = line.split_once(" = ")
                && sections.contains(section)
                && !exists(&format!("{section}.{key}"))
            {
                wrong.push(format!("{}: [{section}] {line}", page.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn metrics_on_the_pages_are_those_of_the_program() {
    let crates: BTreeSet<String> = std::fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            format!("cheeseshop_{}", name.replace('-', "_"))
        })
        .collect();
    let sources = sources_with_metrics();
    let exported: BTreeSet<&str> = sources
        .split('"')
        .filter(|text| words(text, "cheeseshop_") == [*text] && !crates.contains(*text))
        .collect();
    let pages = pages();
    // What Puppet calls resources.
    let types = root().join("deploy/puppet/cheeseshop/lib/puppet/type");
    let named: BTreeSet<&str> = pages
        .iter()
        .flat_map(Page::inline_code)
        .filter(|text| words(text, "cheeseshop_") == [*text] && !crates.contains(*text))
        .filter(|text| !types.join(format!("{text}.rb")).exists())
        .collect();
    assert!(exported.contains("cheeseshop_http_requests_total"));
    assert_eq!(named, exported);
}

#[test]
fn mirror_keys_on_the_pages_are_those_of_the_program() {
    let folder = root().join("crates/domain/src/index");
    let keys: BTreeSet<String> = ["mirror.rs", "hosted.rs"]
        .iter()
        .map(|name| std::fs::read_to_string(folder.join(name)).unwrap())
        .flat_map(|source| {
            source
                .split('"')
                .filter(|text| words(text, "mirror_") == [*text])
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let named: BTreeSet<String> = pages()
        .iter()
        .flat_map(Page::inline_code)
        .flat_map(|text| words(text, "mirror_"))
        .map(str::to_owned)
        .collect();
    assert!(keys.contains("mirror_url"));
    assert_eq!(named, keys);
}
