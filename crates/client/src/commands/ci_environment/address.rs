//! Which index at which server: found where the job, its environment or its home says so.

use cheeseshop_domain::IndexName;
use url::Url;

use crate::commands::session::is_url;
use crate::commands::{Failure, Session};
use crate::server::{credentials_of, without_credentials};
use crate::tool_config::{Told, Tool, ToolConfig};
use crate::{Credentials, Environment};

/// An index at a server.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// The server's own URL, with a slash at its end and without credentials.
    pub(super) root: Url,
    /// What a front server wants.
    pub(super) basic: Option<Credentials>,
    /// What said where the server is.
    pub(super) named_by: String,
    pub(super) index: IndexName,
}

impl Address {
    /// The index that is asked for: `user/index`, the name of an index of `user`, or a URL.
    ///
    /// # Errors
    /// A text that names no index, and a server that nothing names.
    pub(super) fn find(
        asked: &str,
        server: Option<&str>,
        user: Option<&str>,
        session: &Session,
    ) -> Result<Self, Failure> {
        if is_url(asked) {
            let url = parsed(asked, "the index")?;
            let (root, index) = split(&url).ok_or_else(|| {
                Failure::usage(format!(
                    "{} is not the address of an index: it ends with /USER/INDEX",
                    without_credentials(&url)
                ))
            })?;
            return Ok(Self::new(&root, "the index", index));
        }
        let index = match (asked.trim_matches('/').contains('/'), user) {
            (false, Some(user)) => IndexName::new(user, asked.trim_matches('/')),
            _ => IndexName::parse(asked),
        }
        .map_err(|error| Failure::usage(error.to_string()))?;
        let (root, named_by) = root(server, session)?.ok_or_else(|| {
            Failure::usage(
                "no server is known: give --server URL or set CHEESESHOP_URL \
                 (also looked at: DEVPI_URL, DEVPI_INDEX, the devpi client's state, pip's settings)",
            )
        })?;
        let mut address = Self::new(&root, &named_by, index);
        if address.basic.is_none() {
            let logins = session.directory().logins().unwrap_or_default();
            address.basic = logins.basic(&address.root);
        }
        Ok(address)
    }

    fn new(root: &Url, named_by: &str, index: IndexName) -> Self {
        Self {
            basic: credentials_of(root),
            root: without_credentials(root),
            named_by: named_by.to_owned(),
            index,
        }
    }

    /// The index itself, where files are uploaded to; with a slash at its end.
    pub(super) fn index_url(&self) -> Url {
        self.below("")
    }

    /// The index for installers.
    pub(super) fn simple_url(&self) -> Url {
        self.below("+simple/")
    }

    fn below(&self, rest: &str) -> Url {
        let mut url = self.root.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            let IndexName { user, index, .. } = &self.index;
            segments.pop_if_empty().push(user.as_str()).push(index);
            segments.push("");
        }
        url.join(rest).unwrap_or(url)
    }
}

/// The server's URL, and what says so. The first of the places wins.
fn root(server: Option<&str>, session: &Session) -> Result<Option<(Url, String)>, Failure> {
    let environment = &session.environment;
    if let Some(server) = server {
        return Ok(Some((folder(server, "--server")?, "--server".to_owned())));
    }
    for name in ["CHEESESHOP_URL", "DEVPI_URL"] {
        if let Some(value) = environment.get(name) {
            return Ok(Some((folder(value, name)?, name.to_owned())));
        }
    }
    let in_use = environment
        .get("DEVPI_INDEX")
        .filter(|value| is_url(value))
        .and_then(|value| split(&value.parse().ok()?));
    if let Some((root, _)) = in_use {
        return Ok(Some((root, "DEVPI_INDEX".to_owned())));
    }
    let directory = session.directory();
    // A file that cannot be read is somebody else's trouble when another place names the server.
    let current = directory.current().ok();
    if let Some(root) = current.and_then(|current| current.root()) {
        return Ok(Some((root, directory.current_path().display().to_string())));
    }
    Ok(of_pip(environment))
}

/// What pip's settings say, when they name an index of a server like ours.
fn of_pip(environment: &Environment) -> Option<(Url, String)> {
    if let Some(root) = environment.get("PIP_INDEX_URL").and_then(root_of_simple) {
        return Some((root, "PIP_INDEX_URL".to_owned()));
    }
    // With this file pip reads no other either.
    if environment.get("PIP_CONFIG_FILE") == Some("/dev/null") {
        return None;
    }
    let venv = environment.path("VIRTUAL_ENV");
    let usual = environment
        .config_home()
        .map(|home| home.join("pip/pip.conf"));
    let of_file = |path| ToolConfig {
        tool: Tool::Pip,
        path,
    };
    [
        venv.and_then(|venv| ToolConfig::of(Tool::Pip, environment, Some(&venv))),
        ToolConfig::of(Tool::Pip, environment, None),
        usual.map(of_file),
        Some(of_file("/etc/pip.conf".into())),
    ]
    .into_iter()
    .flatten()
    .find_map(|config| match config.told() {
        Ok(Told::Index(url)) => Some((root_of_simple(&url)?, config.path.display().to_string())),
        _ => None,
    })
}

fn root_of_simple(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    if !url.path().trim_end_matches('/').ends_with("/+simple") {
        return None;
    }
    Some(split(&url)?.0)
}

/// The server and the index that a URL of an index is made of, be it the one for installers.
fn split(url: &Url) -> Option<(Url, IndexName)> {
    let decoded = |segment: &str| {
        percent_encoding::percent_decode_str(segment)
            .decode_utf8()
            .ok()
            .map(String::from)
    };
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/+simple").unwrap_or(path);
    let (path, index) = path.rsplit_once('/')?;
    let (path, user) = path.rsplit_once('/')?;
    let name = IndexName::new(&decoded(user)?, &decoded(index)?).ok()?;
    let mut root = url.clone();
    root.set_path(&format!("{path}/"));
    root.set_query(None);
    root.set_fragment(None);
    Some((root, name))
}

fn folder(text: &str, what: &str) -> Result<Url, Failure> {
    let mut url = parsed(text, what)?;
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn parsed(text: &str, what: &str) -> Result<Url, Failure> {
    // The parser would leave line ends out, and mean another address than was written.
    if text.chars().any(char::is_control) {
        return Err(Failure::usage(format!(
            "the URL of {what} holds a control character"
        )));
    }
    let url: Option<Url> = text.trim().parse().ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| {
            Failure::usage(format!(
                "{what} is not the address of a server: it begins with http:// or https:// and a host"
            ))
        })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::commands::{GenericArgs, Output};

    fn session(home: &Path, variables: &[(&str, &str)]) -> Session {
        let environment = variables.iter().fold(
            Environment::of(&[("HOME", home.to_str().unwrap())], home),
            |environment, (name, value)| environment.with(name, value),
        );
        let output = Output::to(Box::new(std::io::sink()), Box::new(std::io::sink()));
        Session::new(environment, output, GenericArgs::default()).unwrap()
    }

    fn found(home: &Path, variables: &[(&str, &str)], asked: &str) -> (String, String) {
        let address = Address::find(asked, None, None, &session(home, variables)).unwrap();
        (address.simple_url().into(), address.named_by)
    }

    #[test]
    fn the_server_is_found_in_the_nearest_place() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let mut variables = Vec::new();
        let pip = home.join(".config/pip/pip.conf");
        std::fs::create_dir_all(pip.parent().unwrap()).unwrap();
        std::fs::write(
            &pip,
            "[global]\nindex-url = http://conf.test/devpi/root/pypi/+simple/\n",
        )
        .unwrap();
        let mut seen = vec![found(home, &variables, "a/b")];
        variables.push(("PIP_INDEX_URL", "http://pip.test/x/y/+simple"));
        seen.push(found(home, &variables, "a/b"));
        let state = session(home, &[]).directory().clone();
        state
            .change_current(|current| current.login = Some("http://state.test/+login".to_owned()))
            .unwrap();
        seen.push(found(home, &variables, "a/b"));
        for variable in [
            ("DEVPI_INDEX", "http://index.test/x/y"),
            ("DEVPI_URL", "http://devpi.test"),
            ("CHEESESHOP_URL", "http://shop.test/shop"),
        ] {
            variables.push(variable);
            seen.push(found(home, &variables, "a/b"));
        }
        seen.push(found(home, &variables, "https://asked.test/a/b/+simple/"));
        let expected = [
            ("http://conf.test/devpi/a/b/+simple/", pip.to_str().unwrap()),
            ("http://pip.test/a/b/+simple/", "PIP_INDEX_URL"),
            (
                "http://state.test/a/b/+simple/",
                state.current_path().to_str().unwrap(),
            ),
            ("http://index.test/a/b/+simple/", "DEVPI_INDEX"),
            ("http://devpi.test/a/b/+simple/", "DEVPI_URL"),
            ("http://shop.test/shop/a/b/+simple/", "CHEESESHOP_URL"),
            ("https://asked.test/a/b/+simple/", "the index"),
        ]
        .map(|(url, by)| (url.to_owned(), by.to_owned()));
        assert_eq!(seen, expected);
    }

    #[test]
    fn an_index_of_another_kind_of_server_names_no_server() {
        let home = tempfile::tempdir().unwrap();
        for url in [
            "https://pypi.test/simple/",
            "https://pypi.test/+simple/",
            "x",
        ] {
            let session = session(home.path(), &[("PIP_INDEX_URL", url)]);
            // Whatever this machine's own file says is no index of ours either.
            if let Ok(address) = Address::find("a/b", None, None, &session) {
                assert_ne!(address.named_by, "PIP_INDEX_URL", "{url}");
            }
        }
    }

    #[test]
    fn hostile_names_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let session = session(home.path(), &[("CHEESESHOP_URL", "http://shop.test")]);
        for name in [
            "a",
            "a/b/c",
            "a/b'",
            "a/$(id)",
            "a/\"b",
            "a/b\nc",
            "a/`b`",
            "a/..",
            "a/b;c",
            "a/b c",
            "http://shop.test/",
            "http://shop.test/a",
            "http://shop.test/a/b\n",
            "http:///a/b",
            "http://shop.test/a/b%0Ac",
            "http://shop.test/a/b%27",
        ] {
            let failure = Address::find(name, None, None, &session).unwrap_err();
            assert_eq!(failure.code, 2, "{name}");
        }
        let server = "http://shop.test/\nx";
        assert!(Address::find("a/b", Some(server), None, &session).is_err());
        assert!(Address::find("a/b", Some("ftp://bob:pw@shop.test"), None, &session).is_err());
    }

    #[test]
    fn credentials_of_a_url_are_kept_apart() {
        let home = tempfile::tempdir().unwrap();
        let session = session(home.path(), &[]);
        let address = Address::find(
            "dev",
            Some("https://u:p%20w@shop.test"),
            Some("bob"),
            &session,
        )
        .unwrap();
        assert_eq!(address.root.as_str(), "https://shop.test/");
        assert_eq!(address.basic.unwrap().secret(), "p w");
        assert_eq!(address.index.to_string(), "bob/dev");
    }
}
