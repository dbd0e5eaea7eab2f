//! The server and index that a command works with, and as whom.

mod configure;

use serde_json::Value;
use url::Url;

use crate::commands::Failure;
use crate::commands::session::is_url;
use crate::state::{ClientDirectory, Current, Logins};
use crate::tool_config::without_password;
use crate::trust::Trust;
use crate::{Credentials, Environment, Error, Server};

/// The server and index that a command works with, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// What is in use.
    pub(crate) current: Current,
    /// Who is logged in where.
    pub(crate) logins: Logins,
    /// Whether what is in use holds for this run only (`--index`, `DEVPI_INDEX`).
    pub(crate) is_temporary: bool,
    /// Whether it is only looked at (`use --list URL`): nothing of it is kept, logins neither.
    pub(in crate::commands) is_look: bool,
    /// Whether the server could not prove who it is: nothing secret goes there.
    pub(in crate::commands) is_unverified: bool,
    /// Who asks in place of whoever has logged in; nothing of it is kept.
    pub(in crate::commands) stand_in: Option<Credentials>,
    trust: Trust,
    /// Made when it is first asked.
    server: Option<Server>,
}

impl Connection {
    pub(in crate::commands) fn read(
        directory: &ClientDirectory,
        trust: Trust,
    ) -> Result<Self, Error> {
        Ok(Self {
            current: directory.current()?,
            logins: directory.logins()?,
            is_temporary: false,
            is_look: false,
            is_unverified: false,
            stand_in: None,
            trust,
            server: None,
        })
    }

    /// The server's own URL, when one is in use.
    pub(crate) fn root(&self) -> Option<Url> {
        self.current.root()
    }

    /// The server's own URL.
    ///
    /// # Errors
    /// When no server is in use.
    pub(crate) fn required_root(&self) -> Result<Url, Failure> {
        self.root()
            .ok_or_else(|| Failure::fatal("not connected to a server, see 'devpi use'"))
    }

    /// The URL of the index, with a slash at its end.
    ///
    /// # Errors
    /// When no index is in use.
    pub(crate) fn index_url(&self) -> Result<Url, Failure> {
        self.current
            .index_url()
            .ok_or_else(|| Failure::fatal("not connected to an index, see 'devpi use'"))
    }

    /// The URL of an index by its name (`index` of the user logged in, `user/index`), path or URL;
    /// with a slash at its end.
    ///
    /// # Errors
    /// When no server is in use, nobody is logged in, or it makes no URL.
    pub(crate) fn url_of_index(
        &self,
        name: &str,
        environment: &Environment,
    ) -> Result<Url, Failure> {
        let name = name.trim();
        let shown = without_password(name);
        let invalid = |_| Failure::fatal(format!("invalid URL: {shown}"));
        if is_url(name) {
            let url: Url = name.parse().map_err(invalid)?;
            return Ok(with_slash(url));
        }
        let path = if name.contains('/') {
            name.trim_start_matches('/').to_owned()
        } else {
            let user = self
                .user(environment)
                .ok_or_else(|| Failure::fatal("no current authenticated user"))?;
            format!("{user}/{name}")
        };
        let unknown = || Failure::fatal(format!("invalid URL: {}/", shown.trim_end_matches('/')));
        if path.contains("://") {
            return Err(unknown());
        }
        Ok(with_slash(
            self.root()
                .ok_or_else(unknown)?
                .join(&format!("./{path}"))
                .map_err(invalid)?,
        ))
    }

    /// The URL of the index beside the one in use that a name without a user means in `DEVPI_INDEX`, or
    /// together with it.
    pub(in crate::commands) fn sibling(&self, name: &str) -> Option<String> {
        if name.contains('/') {
            return None;
        }
        let index = self.current.index.as_deref()?.trim_end_matches('/');
        let (user, _) = index.rsplit_once('/')?;
        Some(format!("{user}/{name}"))
    }

    /// The server, asked as whoever is logged in.
    ///
    /// # Errors
    /// When no server is in use, or its certificates cannot be used.
    pub(crate) fn server(&mut self) -> Result<Server, Failure> {
        let root = self.required_root()?;
        let login = self.login(&root);
        let basic = self.logins.basic(&root);
        let server = if let Some(server) = self.server.take() {
            server.moved_to(root)
        } else {
            let certificate = self.logins.client_certificate(&root);
            let trust = self.trust.clone().with_client_certificate(certificate);
            Server::with_trust(root, &trust)?
        };
        let server = server.with_login(login).with_basic(basic);
        self.server = Some(server.clone());
        Ok(server)
    }

    /// The login to send to a URL: that of the user in use, by name, unless somebody stands in.
    pub(crate) fn login(&self, url: &Url) -> Option<Credentials> {
        if self.stand_in.is_some() {
            return self.stand_in.clone();
        }
        self.logins.of_user(url, self.current.username.as_deref()?)
    }

    /// Who is logged in: `DEVPI_USER`, else the user in use, else the latest login.
    pub(crate) fn user(&self, environment: &Environment) -> Option<String> {
        self.user_as(environment, None)
    }

    /// As [`Connection::user`], with a name that wins over the user in use.
    pub(in crate::commands) fn user_as(
        &self,
        environment: &Environment,
        name: Option<&str>,
    ) -> Option<String> {
        let root = self.root()?;
        let name = environment
            .get("DEVPI_USER")
            .or(name)
            .map(str::to_owned)
            .or_else(|| self.current.username.clone())
            .or_else(|| Some(self.logins.of(&root).into_iter().next()?.user))?;
        self.logins.of_user(&root, &name).map(|login| login.user)
    }

    /// Who is logged in.
    ///
    /// # Errors
    /// When nobody is.
    pub(crate) fn required_user(&self, environment: &Environment) -> Result<String, Failure> {
        self.user(environment)
            .ok_or_else(|| Failure::fatal("you need to be logged in (use 'devpi login USER')"))
    }

    /// A URL as other programs take it: with the Basic authentication of a front server, if there is one.
    pub(crate) fn with_basic(&self, url: Url) -> Url {
        match self.logins.basic(&url) {
            Some(basic) => with_credentials(url, &basic),
            None => url,
        }
    }

    /// A URL as other programs take it: with the login, else with the Basic authentication.
    pub(crate) fn with_login(&self, url: Url) -> Url {
        match self.login(&url) {
            Some(login) => with_credentials(url, &login),
            None => self.with_basic(url),
        }
    }

    /// Forgets the login of the user in use. `false`: there was none, or it was not the one in question.
    pub(in crate::commands) fn forget_login(
        &mut self,
        directory: &ClientDirectory,
    ) -> Result<bool, Failure> {
        if self.stand_in.is_some() {
            return Ok(false);
        }
        let (Some(root), Some(user)) = (self.root(), self.current.username.clone()) else {
            return Ok(false);
        };
        self.change_logins(directory, |logins| logins.remove(&root, &user))
    }

    /// Changes the logins, in their file unless this is a look.
    fn change_logins<T>(
        &mut self,
        directory: &ClientDirectory,
        change: impl FnOnce(&mut Logins) -> T,
    ) -> Result<T, Failure> {
        if self.is_look {
            return Ok(change(&mut self.logins));
        }
        let given = directory.change_logins(change)?;
        self.logins = directory.logins()?;
        Ok(given)
    }

    /// Takes over what a server says of itself and of the index: `asked` is the URL that was meant,
    /// `url` the one that answered.
    fn take(&mut self, api: &Value, url: &Url, asked: &Url) -> Result<(), Failure> {
        let addresses = ["index", "login", "pypisubmit", "simpleindex"]
            .map(|name| url.join(api.get(name)?.as_str()?).ok());
        // The next password goes to the address to log in at. Whoever cannot prove who they are does
        // not send it elsewhere.
        if self.is_unverified
            && addresses
                .iter()
                .flatten()
                .any(|address| address.origin() != asked.origin())
        {
            return Err(Failure::fatal(format!(
                "{asked} could not prove who it is, and names another server: not used"
            )));
        }
        let [index, login, pypisubmit, simpleindex] =
            addresses.map(|address| address.map(String::from));
        self.current.index = index;
        self.current.login = login;
        self.current.pypisubmit = pypisubmit;
        self.current.simpleindex = simpleindex;
        self.current.features = api.get("features").and_then(|features| {
            let names = features.as_array()?.iter();
            names.map(|name| Some(name.as_str()?.to_owned())).collect()
        });
        Ok(())
    }

    /// Writes what is in use, unless it holds for this run only.
    pub(in crate::commands) fn store(
        &mut self,
        directory: &ClientDirectory,
    ) -> Result<(), Failure> {
        if self.is_temporary || self.is_look {
            return Ok(());
        }
        let found = self.current.clone();
        self.current = directory.change_current(|current| {
            current.index = found.index;
            current.login = found.login;
            current.pypisubmit = found.pypisubmit;
            current.simpleindex = found.simpleindex;
            current.features = found.features;
        })?;
        Ok(())
    }
}

/// A URL with a user and a password in it, percent-encoded.
pub(crate) fn with_credentials(mut url: Url, credentials: &Credentials) -> Url {
    // Both fail only for URLs that cannot have credentials.
    let _ = url.set_username(&encoded(&credentials.user));
    let _ = url.set_password(Some(&encoded(credentials.secret())));
    url
}

/// A text as it is written in a URL. `Url` leaves a percent sign as it is, which would then mean something
/// else.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, NOT_UNRESERVED).to_string()
}

/// All but what means the same everywhere in a URL.
const NOT_UNRESERVED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn with_slash(mut url: Url) -> Url {
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn connection() -> Connection {
        let home = tempfile::tempdir().unwrap();
        let directory = ClientDirectory::new(home.path().to_owned(), None);
        let root: Url = "https://shop.test/devpi/".parse().unwrap();
        directory
            .change_current(|current| {
                current.login = Some(format!("{root}+login"));
                current.index = Some(format!("{root}bob/dev"));
                current.username = Some("bob".to_owned());
            })
            .unwrap();
        directory
            .change_logins(|logins| logins.add(&root, &Credentials::new("bob", "t")))
            .unwrap();
        Connection::read(&directory, Trust::system()).unwrap()
    }

    #[test]
    fn an_index_is_named_in_many_ways() {
        let connection = connection();
        let environment = Environment::of(&[], Path::new("/"));
        for (name, url) in [
            ("prod", "https://shop.test/devpi/bob/prod/"),
            ("eve/dev", "https://shop.test/devpi/eve/dev/"),
            ("/eve/dev", "https://shop.test/devpi/eve/dev/"),
            ("/", "https://shop.test/devpi/"),
            ("http://other.test/x?y#z", "http://other.test/x/"),
        ] {
            let found = connection.url_of_index(name, &environment).unwrap();
            assert_eq!(found.as_str(), url, "{name}");
        }
        let failure = connection
            .url_of_index("ftp://u:secret@x.test/y", &environment)
            .unwrap_err();
        assert_eq!(failure.message, "invalid URL: ftp://u:****@x.test/y/");
        let other = environment.with("DEVPI_USER", "eve");
        assert!(connection.url_of_index("prod", &other).is_err());
        assert_eq!(
            connection.sibling("prod").unwrap(),
            "https://shop.test/devpi/bob/prod"
        );
    }

    #[test]
    fn whoever_cannot_prove_who_they_are_names_no_other_host() {
        let asked: Url = "https://shop.test/devpi/bob/dev/+api".parse().unwrap();
        let elsewhere: Url = "http://evil.test/+api".parse().unwrap();
        for (login, answered, is_taken) in [
            ("https://shop.test/devpi/+login", &asked, true),
            ("/devpi/+login", &asked, true),
            ("https://evil.test/+login", &asked, false),
            ("http://shop.test/devpi/+login", &asked, false),
            ("/devpi/+login", &elsewhere, false),
        ] {
            let mut connection = connection();
            connection.is_unverified = true;
            let result = connection.take(&json!({"login": login}), answered, &asked);
            assert_eq!(result.is_ok(), is_taken, "{login}");
            connection.is_unverified = false;
            connection
                .take(&json!({"login": login}), answered, &asked)
                .unwrap();
        }
    }

    #[test]
    fn credentials_in_a_url_mean_what_they_are() {
        let url: Url = "http://shop.test/x/".parse().unwrap();
        for secret in ["p%41:@/?#[] w", "it's", "ü"] {
            let url = with_credentials(url.clone(), &Credentials::new("a@b", secret));
            let found = crate::server::credentials_of(&url).unwrap();
            assert_eq!((found.user.as_str(), found.secret()), ("a@b", secret));
            assert_eq!(url.host_str(), Some("shop.test"));
        }
    }
}
