//! Which index each tool really uses, and from which file or variable it has that. Files are read as
//! the tools read them, in their order; none of the tools is run.

mod projects;
mod uv;

use std::path::{Path, PathBuf};

use self::projects::{pdm, poetry, tox, twine};
use self::uv::uv;
use super::ini::Ini;
use crate::Environment;

/// Files of settings are smaller.
const LARGEST_FILE_BYTES: u64 = 1 << 20;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The value as written, credentials included.
    pub(crate) value: String,
    /// The variable, or the file with its section.
    pub(crate) source: String,
}

/// What a tool makes of its files and of the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ToolUse {
    /// The tool.
    pub(crate) tool: &'static str,
    /// The index it asks; `None`: nothing names one, so it is PyPI.
    pub(crate) index: Option<Setting>,
    /// Further indexes that it asks too.
    pub(crate) extra: Vec<Setting>,
    /// Whether it takes the best version of all indexes, and not that of the first one that has the project.
    pub(crate) mixes_indexes: bool,
    /// Hosts that it believes without a certificate (`*`: all of an index).
    pub(crate) unverified: Vec<Setting>,
}

impl ToolUse {
    fn of(tool: &'static str) -> Self {
        Self {
            tool,
            ..Self::default()
        }
    }
}

/// Every tool that is installed, or that the project in the working directory has settings for.
pub(crate) fn tools(environment: &Environment) -> Vec<ToolUse> {
    let pip = pip(environment);
    let tox = tox(environment, &pip);
    [
        Some(pip),
        Some(uv(environment)),
        poetry(environment),
        pdm(environment),
        tox,
        Some(twine(environment)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What `pip install` uses.
fn pip(environment: &Environment) -> ToolUse {
    let files: Vec<_> = pip_files(environment)
        .into_iter()
        .filter_map(|path| Some((Ini::parse(&read(&path)?), path)))
        .collect();
    // The last one wins: first the section of all commands in all files, then that of `install`.
    let find = |names: &[&str], variable: &str| -> Vec<Setting> {
        if let Some(value) = environment.get(variable) {
            return words(value, variable);
        }
        let mut found = Vec::new();
        for section in ["global", "install"] {
            for (ini, path) in &files {
                if let Some(place) = ini.find(Some(section), names).last() {
                    let source = format!("{} [{section}]", path.display());
                    found = ini
                        .words(*place)
                        .into_iter()
                        .map(|value| Setting {
                            value,
                            source: source.clone(),
                        })
                        .collect();
                }
            }
        }
        found
    };
    ToolUse {
        index: find(&["index-url", "index_url"], "PIP_INDEX_URL")
            .into_iter()
            .next(),
        extra: find(
            &["extra-index-url", "extra_index_url"],
            "PIP_EXTRA_INDEX_URL",
        ),
        mixes_indexes: true,
        unverified: find(&["trusted-host", "trusted_host"], "PIP_TRUSTED_HOST"),
        ..ToolUse::of("pip")
    }
}

/// pip's files, those that win last: the machine's, the user's, the virtual environment's, and the one
/// that a variable names, which replaces the user's.
pub(crate) fn pip_files(environment: &Environment) -> Vec<PathBuf> {
    let named = environment.path("PIP_CONFIG_FILE");
    if named.as_deref() == Some(Path::new("/dev/null")) {
        return Vec::new();
    }
    let mut files: Vec<PathBuf> = configuration_folders(environment)
        .into_iter()
        .map(|folder| folder.join("pip/pip.conf"))
        .collect();
    files.push(PathBuf::from("/etc/pip.conf"));
    if !named.as_ref().is_some_and(|path| path.exists()) {
        files.extend(super::pip::oldest_location(environment));
        files.extend(super::pip::usual_location(environment));
    }
    let prefix = environment.path("VIRTUAL_ENV").or_else(|| {
        let program = environment.find_program("pip")?;
        Some(program.parent()?.parent()?.to_owned())
    });
    files.extend(prefix.map(|prefix| prefix.join("pip.conf")));
    files.extend(named);
    files
}

fn configuration_folders(environment: &Environment) -> Vec<PathBuf> {
    environment
        .get("XDG_CONFIG_DIRS")
        .unwrap_or("/etc/xdg")
        .split(':')
        .filter(|folder| folder.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

fn read(path: &Path) -> Option<String> {
    let metadata = path.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > LARGEST_FILE_BYTES {
        return None;
    }
    std::fs::read_to_string(path).ok()
}

fn toml_file(path: &Path) -> Option<toml::Table> {
    read(path)?.parse().ok()
}

fn text<'table>(table: &'table toml::Table, name: &str) -> Option<&'table str> {
    table.get(name)?.as_str()
}

fn texts<'table>(table: &'table toml::Table, name: &str) -> Vec<&'table str> {
    let values = table.get(name).and_then(toml::Value::as_array);
    values
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_str)
        .collect()
}

fn tables<'table>(
    table: &'table toml::Table,
    name: &str,
) -> impl Iterator<Item = &'table toml::Table> {
    let values = table.get(name).and_then(toml::Value::as_array);
    values
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_table)
}

fn setting(value: &str, source: &str) -> Setting {
    Setting {
        value: value.to_owned(),
        source: source.to_owned(),
    }
}

fn words(value: &str, source: &str) -> Vec<Setting> {
    value
        .split_whitespace()
        .map(|value| setting(value, source))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new(files: &[(&str, &str)]) -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            for (name, text) in files {
                let path = place.path(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            place
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// The home is `home`, the working directory `work/deep`, the machine's settings in `etc`.
        fn environment(&self, variables: &[(&str, &str)]) -> Environment {
            std::fs::create_dir_all(self.path("work/deep")).unwrap();
            let mut environment = Environment::of(variables, &self.path("work/deep"))
                .with("HOME", self.path("home").to_str().unwrap())
                .with("XDG_CONFIG_DIRS", self.path("etc").to_str().unwrap());
            for name in ["PIP_CONFIG_FILE", "VIRTUAL_ENV", "UV_CONFIG_FILE"] {
                if let Some(value) = environment.get(name) {
                    let path = self.path(value).to_str().unwrap().to_owned();
                    environment = environment.with(name, &path);
                }
            }
            environment
        }
    }

    fn index(found: &ToolUse) -> &str {
        found
            .index
            .as_ref()
            .map_or("", |setting| setting.value.as_str())
    }

    #[test]
    fn pips_files_win_in_pips_order() {
        let place = Place::new(&[
            ("etc/pip/pip.conf", "[global]\nindex-url = machine\n"),
            ("home/.pip/pip.conf", "[global]\nindex_url = old\n"),
            (
                "home/.config/pip/pip.conf",
                "[global]\nindex-url = user\nextra-index-url =\n  one\n  two\ntrusted-host = h\n",
            ),
            ("venv/pip.conf", "[global]\nindex-url = venv\n"),
            ("named.conf", "[global]\nindex-url = named\n"),
        ]);
        for (variables, expected) in [
            (&[] as &[(&str, &str)], "user"),
            (&[("VIRTUAL_ENV", "venv")], "venv"),
            (
                &[("VIRTUAL_ENV", "venv"), ("PIP_CONFIG_FILE", "named.conf")],
                "named",
            ),
            (&[("PIP_CONFIG_FILE", "missing.conf")], "user"),
            (&[("PIP_INDEX_URL", "variable")], "variable"),
        ] {
            let found = pip(&place.environment(variables));
            assert_eq!(index(&found), expected, "{variables:?}");
        }
        let found = pip(&place.environment(&[]));
        let extra: Vec<_> = found.extra.iter().map(|one| one.value.as_str()).collect();
        assert_eq!(extra, ["one", "two"]);
        assert_eq!(found.unverified[0].value, "h");
        assert!(found.unverified[0].source.ends_with("pip.conf [global]"));
        let environment = place.environment(&[]).with("PIP_CONFIG_FILE", "/dev/null");
        assert_eq!(pip(&environment).index, None);
    }

    #[test]
    fn the_section_of_install_wins_over_that_of_all_commands() {
        let place = Place::new(&[
            ("etc/pip/pip.conf", "[install]\nindex-url = machine\n"),
            ("home/.config/pip/pip.conf", "[global]\nindex-url = user\n"),
        ]);
        assert_eq!(index(&pip(&place.environment(&[]))), "machine");
    }

    #[test]
    fn uv_asks_its_project_then_the_user_then_the_machine() {
        let files = [
            ("etc/uv/uv.toml", "index-url = \"machine\"\n"),
            (
                "home/.config/uv/uv.toml",
                "index-url = \"user\"\nindex-strategy = \"unsafe-best-match\"\n",
            ),
            (
                "work/pyproject.toml",
                "[[tool.uv.index]]\nurl = \"project\"\ndefault = true\n[[tool.uv.index]]\n\
                 url = \"more\"\n[[tool.uv.index]]\nurl = \"some\"\nexplicit = true\n",
            ),
            ("named.toml", "index-url = \"named\"\n"),
        ];
        let place = Place::new(&files);
        let found = uv(&place.environment(&[]));
        assert_eq!(index(&found), "project");
        assert_eq!(found.extra.len(), 1);
        assert!(found.mixes_indexes);
        assert_eq!(
            index(&uv(&Place::new(&files[..2]).environment(&[]))),
            "user"
        );
        assert_eq!(
            index(&uv(&Place::new(&files[..1]).environment(&[]))),
            "machine"
        );
        for (variables, expected) in [
            (&[("UV_NO_CONFIG", "1")] as &[(&str, &str)], ""),
            (&[("UV_CONFIG_FILE", "named.toml")], "named"),
            (
                &[("UV_DEFAULT_INDEX", "shop=https://shop.test/")],
                "https://shop.test/",
            ),
            (
                &[("UV_INDEX_URL", "https://shop.test/?a=b")],
                "https://shop.test/?a=b",
            ),
        ] {
            assert_eq!(index(&uv(&place.environment(variables))), expected);
        }
    }

    #[test]
    fn projects_of_poetry_pdm_and_tox_say_their_own() {
        let place = Place::new(&[
            (
                "work/deep/pyproject.toml",
                "[[tool.poetry.source]]\nname = \"a\"\nurl = \"poetrys\"\n\
                 [[tool.poetry.source]]\nname = \"b\"\nurl = \"other\"\npriority = \"supplemental\"\n\
                 [[tool.pdm.source]]\nname = \"pypi\"\nurl = \"pdms\"\nverify_ssl = false\n",
            ),
            (
                "work/deep/tox.ini",
                "[testenv]\n# PIP_INDEX_URL = no\nsetenv =\n    PIP_INDEX_URL = toxs\n",
            ),
            (
                "home/.config/pypoetry/config.toml",
                "[certificates.a]\ncert = false\n",
            ),
            (
                "home/.pypirc",
                "[pypi]\nrepository: twines\n[other]\nrepository = x\n",
            ),
        ]);
        let environment = place.environment(&[]);
        let all = tools(&environment);
        let found: Vec<_> = all.iter().map(|one| (one.tool, index(one))).collect();
        assert_eq!(
            found,
            [
                ("pip", ""),
                ("uv", ""),
                ("poetry", "poetrys"),
                ("pdm", "pdms"),
                ("tox", "toxs"),
                ("twine", "twines"),
            ]
        );
        assert_eq!(all[2].extra[0].value, "other");
        assert_eq!(all[2].unverified.len(), 1);
        assert_eq!(all[3].unverified.len(), 1);
        let environment = environment.with("TWINE_REPOSITORY", "other");
        assert_eq!(index(&twine(&environment)), "x");
    }
}
