//! `--storage`: devpi's storage backends as database URLs.
//!
//! Not the same database: devpi's tables are read by an import only. What is taken over is where
//! the database server is and who we are there.

use std::path::Path;

use url::Url;

use super::option::{Written, is_true};

/// The backend of a server directory.
const SQLITE: &str = "sqlite";

/// The backend of devpi-postgresql.
const POSTGRESQL: &str = "pg8000";

/// `NAME[:key=value,…]` as a value of `database.url`; `None` for the embedded database.
pub(super) fn database_url(written: &Written) -> Result<Option<String>, String> {
    let text = written.text.as_str();
    let (name, settings) = text.split_once(':').unwrap_or((text, ""));
    match name {
        SQLITE => Ok(None),
        POSTGRESQL => {
            let mut settings = settings
                .split(',')
                .filter(|item| !item.is_empty())
                .map(|item| {
                    item.split_once('=')
                        // The item may be (a part of) a password.
                        .ok_or_else(|| "settings are written as name:key=value,…".to_owned())
                })
                .collect::<Result<Vec<_>, _>>()?;
            let of_mapping = written.settings.iter();
            settings.extend(of_mapping.map(|(key, value)| (key.as_str(), value.as_str())));
            postgresql(&settings).map(Some)
        }
        other => Err(format!(
            "the backend '{other}' can't be found; there are {SQLITE} and {POSTGRESQL}"
        )),
    }
}

fn postgresql(settings: &[(&str, &str)]) -> Result<String, String> {
    let mut url = Url::parse("postgres://localhost/devpi").map_err(|error| error.to_string())?;
    let mut parameters: Vec<(&str, String)> = Vec::new();
    let mut is_encrypted = false;
    let mut authorities = None;
    let mut checks_name = true;
    for (key, value) in settings {
        let wrong = || format!("the value of '{key}' cannot be used");
        match *key {
            "host" => url.set_host(Some(value)).map_err(|_| wrong())?,
            "port" => {
                let port = value.parse().map_err(|_| wrong())?;
                url.set_port(Some(port)).map_err(|()| wrong())?;
            }
            "database" => url.set_path(value),
            "user" => url.set_username(value).map_err(|()| wrong())?,
            "password" => url.set_password(Some(value)).map_err(|()| wrong())?,
            "unix_sock" => {
                let (folder, port) = socket(value).ok_or_else(wrong)?;
                parameters.push(("host", folder));
                if let Some(port) = port {
                    url.set_port(Some(port)).map_err(|()| wrong())?;
                }
            }
            "ssl_check_hostname" => {
                is_encrypted = true;
                checks_name = is_true(value).ok_or_else(wrong)?;
            }
            "ssl_ca_certs" => {
                is_encrypted = true;
                authorities = Some((*value).to_owned());
            }
            "ssl_certfile" => {
                is_encrypted = true;
                parameters.push(("sslcert", (*value).to_owned()));
            }
            "ssl_keyfile" => {
                is_encrypted = true;
                parameters.push(("sslkey", (*value).to_owned()));
            }
            // How devpi writes file contents into its tables.
            "use_copy" => {}
            _ => return Err(format!("there is no setting '{key}' of {POSTGRESQL}")),
        }
    }
    if is_encrypted {
        let mode = match (&authorities, checks_name) {
            (Some(_), true) => "verify-full",
            (Some(_), false) => "verify-ca",
            (None, _) => "require",
        };
        parameters.push(("sslmode", mode.to_owned()));
    }
    if let Some(file) = authorities {
        parameters.push(("sslrootcert", file));
    }
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    Ok(url.into())
}

/// Folder and port of a PostgreSQL socket: `/run/postgresql/.s.PGSQL.5432`, or the folder alone.
fn socket(path: &str) -> Option<(String, Option<u16>)> {
    let path = Path::new(path);
    let name = path.file_name()?.to_str()?;
    match name.strip_prefix(".s.PGSQL.") {
        Some(port) => Some((
            path.parent()?.to_str()?.to_owned(),
            Some(port.parse().ok()?),
        )),
        None => Some((path.to_str()?.to_owned(), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Written {
        Written {
            text: text.to_owned(),
            ..Written::default()
        }
    }

    #[test]
    fn backends_become_urls() {
        for (text, expected) in [
            ("sqlite", None),
            ("sqlite:fsbackend=hash_hl", None),
            ("pg8000", Some("postgres://localhost/devpi")),
            (
                "pg8000:host=db.test,port=6432,database=shop,user=me,password=p@ss/word",
                Some("postgres://me:p%40ss%2Fword@db.test:6432/shop"),
            ),
            (
                "pg8000:unix_sock=/run/postgresql/.s.PGSQL.5433,user=me,use_copy=no",
                Some("postgres://me@localhost:5433/devpi?host=%2Frun%2Fpostgresql"),
            ),
            (
                "pg8000:ssl_ca_certs=/ca.pem,ssl_check_hostname=no",
                Some("postgres://localhost/devpi?sslmode=verify-ca&sslrootcert=%2Fca.pem"),
            ),
            (
                "pg8000:ssl_certfile=/c.pem,ssl_keyfile=/k.pem",
                Some("postgres://localhost/devpi?sslcert=%2Fc.pem&sslkey=%2Fk.pem&sslmode=require"),
            ),
        ] {
            let expected = Ok(expected.map(str::to_owned));
            assert_eq!(database_url(&written(text)), expected, "{text}");
        }
        let of_yaml = Written {
            settings: vec![
                ("user".to_owned(), "me".to_owned()),
                ("password".to_owned(), "a,b=c".to_owned()),
            ],
            ..written("pg8000")
        };
        let expected = "postgres://me:a,b%3Dc@localhost/devpi".to_owned();
        assert_eq!(database_url(&of_yaml), Ok(Some(expected)));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_password() {
        for (text, part) in [
            ("mysql", "'mysql' can't be found"),
            ("pg8000:port=x,password=hunter2", "'port'"),
            ("pg8000:password=hunter2,speed=high", "'speed'"),
            ("pg8000:hunter2", "key=value"),
        ] {
            let message = database_url(&written(text)).unwrap_err();
            assert!(message.contains(part), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
