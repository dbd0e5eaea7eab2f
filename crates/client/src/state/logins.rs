//! `auth.json`: who is logged in where, and what else proves who we are.

use std::path::PathBuf;

use serde_json::{Map, Value, json};
use url::Url;

use crate::Credentials;

/// Logins, Basic authentication and client certificates, by the URL of the server they are for.
/// Prints without them.
#[derive(Clone, Default)]
pub(crate) struct Logins(Map<String, Value>);

impl std::fmt::Debug for Logins {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Logins").finish_non_exhaustive()
    }
}

impl Logins {
    pub(super) fn from_document(document: Map<String, Value>) -> Self {
        Self(document)
    }

    pub(super) fn into_document(self) -> Map<String, Value> {
        let mut document = self.0;
        document.sort_keys();
        document
    }

    /// Everybody who is logged in at a server (or where a path of it is asked), the latest first.
    pub(crate) fn of(&self, url: &Url) -> Vec<Credentials> {
        let Some(Value::Array(logins)) = self.nearest("auth", url.clone()) else {
            return Vec::new();
        };
        logins
            .iter()
            .filter_map(|login| {
                Some(Credentials::new(
                    login.get(0)?.as_str()?,
                    login.get(1)?.as_str()?,
                ))
            })
            .collect()
    }

    /// The login of one user.
    pub(crate) fn of_user(&self, url: &Url, user: &str) -> Option<Credentials> {
        self.of(url).into_iter().find(|login| login.user == user)
    }

    /// Remembers a login at a server as its latest.
    pub(crate) fn add(&mut self, root: &Url, login: &Credentials) {
        let mut others = self.of(root);
        others.retain(|other| other.user != login.user);
        others.sort_by(|one, other| one.user.cmp(&other.user));
        others.insert(0, login.clone());
        self.set(root, &others);
    }

    /// Forgets a login. `false`: there was none.
    pub(crate) fn remove(&mut self, root: &Url, user: &str) -> bool {
        let mut others = self.of(root);
        let count = others.len();
        others.retain(|other| other.user != user);
        if others.len() == count {
            return false;
        }
        others.sort_by(|one, other| one.user.cmp(&other.user));
        self.set(root, &others);
        true
    }

    /// The Basic authentication that a front server wants.
    pub(crate) fn basic(&self, url: &Url) -> Option<Credentials> {
        let pair = self.nearest_with_port("basic_auth", url)?;
        Some(Credentials::new(
            pair.get(0)?.as_str()?,
            pair.get(1)?.as_str()?,
        ))
    }

    /// Remembers a Basic authentication.
    pub(crate) fn set_basic(&mut self, root: &Url, basic: &Credentials) {
        let pair = json!([basic.user, basic.secret()]);
        self.table("basic_auth").insert(with_port(root), pair);
    }

    /// The file with certificate and key that a server wants.
    pub(crate) fn client_certificate(&self, url: &Url) -> Option<PathBuf> {
        self.nearest_with_port("client_cert", url)?
            .as_str()
            .map(PathBuf::from)
    }

    /// Remembers (or with `None` forgets) a client certificate.
    pub(crate) fn set_client_certificate(&mut self, root: &Url, path: Option<&str>) {
        let table = self.table("client_cert");
        match path {
            Some(path) => table.insert(with_port(root), json!(path)),
            None => table.remove(&with_port(root)),
        };
    }

    fn set(&mut self, root: &Url, logins: &[Credentials]) {
        let pairs: Vec<_> = logins
            .iter()
            .map(|login| json!([login.user, login.secret()]))
            .collect();
        self.table("auth")
            .insert(root.as_str().to_owned(), json!(pairs));
    }

    fn table(&mut self, name: &str) -> &mut Map<String, Value> {
        let value = self.0.entry(name).or_insert_with(|| json!({}));
        if !value.is_object() {
            *value = json!({});
        }
        match value {
            Value::Object(table) => table,
            // It was made one above.
            _ => unreachable!("a table of logins"),
        }
    }

    /// The entry of the longest key that the URL is below.
    fn nearest(&self, table: &str, mut url: Url) -> Option<&Value> {
        url.set_query(None);
        url.set_fragment(None);
        self.walk_up(table, url, |url| url.as_str().to_owned())
    }

    fn nearest_with_port(&self, table: &str, url: &Url) -> Option<&Value> {
        let mut url = url.clone();
        url.set_query(None);
        url.set_fragment(None);
        self.walk_up(table, url, with_port)
    }

    fn walk_up(&self, table: &str, mut url: Url, key: impl Fn(&Url) -> String) -> Option<&Value> {
        let table = self.0.get(table)?.as_object()?;
        let _ = url.set_username("");
        let _ = url.set_password(None);
        loop {
            let name = key(&url);
            if let Some(found) = table
                .get(&name)
                .or_else(|| table.get(name.trim_end_matches('/')))
            {
                return Some(found);
            }
            if url.path() == "/" {
                return None;
            }
            let shorter = match url.path().trim_end_matches('/').rsplit_once('/') {
                Some((front, _)) => format!("{front}/"),
                None => "/".to_owned(),
            };
            url.set_path(&shorter);
        }
    }
}

/// A URL whose port is always spelled, as devpi-client keeps them.
fn with_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}://{host}:{port}{}", url.scheme(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn the_latest_login_is_first_and_the_others_are_sorted() {
        let mut logins = Logins::default();
        let root = url("http://shop.test/");
        for user in ["bob", "zoe", "amy"] {
            logins.add(&root, &Credentials::new(user, format!("{user}-token")));
        }
        let users = |logins: &Logins| -> Vec<String> {
            logins
                .of(&root)
                .into_iter()
                .map(|login| login.user)
                .collect()
        };
        assert_eq!(users(&logins), ["amy", "bob", "zoe"]);
        logins.add(&root, &Credentials::new("zoe", "new"));
        assert_eq!(users(&logins), ["zoe", "amy", "bob"]);
        assert!(logins.remove(&root, "amy"));
        assert!(!logins.remove(&root, "amy"));
        assert_eq!(logins.of_user(&root, "zoe").unwrap().secret(), "new");
        assert!(!format!("{logins:?}").contains("new"));
        assert_eq!(
            Value::Object(logins.into_document()),
            json!({"auth": {"http://shop.test/": [["bob", "bob-token"], ["zoe", "new"]]}})
        );
    }

    #[test]
    fn a_login_holds_below_its_servers_path_and_nowhere_else() {
        let mut logins = Logins::default();
        logins.add(
            &url("http://shop.test/devpi/"),
            &Credentials::new("bob", "t"),
        );
        for (asked, found) in [
            ("http://shop.test/devpi/bob/dev/+simple/?x=1", 1),
            ("http://shop.test/devpi/", 1),
            ("http://shop.test/", 0),
            ("http://shop.test/devpi2/", 0),
            ("http://shop.test:81/devpi/", 0),
        ] {
            assert_eq!(logins.of(&url(asked)).len(), found, "{asked}");
        }
    }

    #[test]
    fn front_servers_are_kept_with_their_port() {
        let mut logins = Logins::default();
        logins.set_basic(&url("https://shop.test/"), &Credentials::new("u", "p"));
        logins.set_client_certificate(&url("https://shop.test/"), Some("/c.pem"));
        assert_eq!(
            logins.basic(&url("https://shop.test/a/b/")).unwrap().user,
            "u"
        );
        assert_eq!(
            logins.client_certificate(&url("https://shop.test:443/a")),
            Some(PathBuf::from("/c.pem"))
        );
        let document = Value::Object(logins.into_document());
        assert_eq!(
            document,
            json!({
                "basic_auth": {"https://shop.test:443/": ["u", "p"]},
                "client_cert": {"https://shop.test:443/": "/c.pem"},
            })
        );
    }
}
