//! From options to settings: the rows of the table applied, and the few options that only make
//! sense together.

use std::path::{Path, PathBuf};

use super::addresses::{self, DEFAULT_HOST, DEFAULT_PORT};
use super::option::{Meaning, Takes};
use super::program::Program;
use super::reading::{Given, Options};
use super::secret;
use super::stop::Stop;
use crate::cli::SettingArgs;
use crate::config::{self, Origin, Surroundings};
use crate::failure::Failure;

/// What devpi's names change in our defaults.
pub(super) const DEFAULTS: &[(&str, &str)] = &[
    ("auth.self_registration", "true"),
    ("auth.allow_empty_password", "true"),
    ("server.listen", "localhost:3141"),
    // devpi-server ends at once.
    ("server.stop_grace", "5s"),
];

/// The directory below the home, unless another one is named.
pub(super) const DEFAULT_SERVERDIR: &str = ".devpi/server";

/// The settings of a run, and what has to be said about them, a line each.
pub(super) fn settings(options: &Options) -> Result<(SettingArgs, Vec<String>), Stop> {
    let mut translation = Translation {
        options,
        given: Vec::new(),
        lines: options.warnings.clone(),
    };
    translation.defaults();
    for given in options.given() {
        translation.option(given)?;
    }
    translation.role()?;
    translation.listen()?;
    translation.serverdir();
    translation.secret_file()?;
    let Translation { given, lines, .. } = translation;
    let settings = SettingArgs {
        data_dir: None,
        config: options
            .surroundings
            .get("CHEESESHOP_CONFIG")
            .map(PathBuf::from)
            .into_iter()
            .collect(),
        set: options.set.clone(),
        database_url: None,
        log_format: None,
        log: None,
        given,
    };
    let program = options.program.name();
    let lines = lines
        .into_iter()
        .map(|line| format!("{program}: {line}"))
        .collect();
    Ok((settings, lines))
}

/// A path with `~` replaced by the home.
pub(super) fn expanded(path: &str, surroundings: &Surroundings) -> PathBuf {
    match (path.strip_prefix('~'), surroundings.get("HOME")) {
        (Some(""), Some(home)) => PathBuf::from(home),
        (Some(rest), Some(home)) if rest.starts_with('/') => {
            Path::new(home).join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(path),
    }
}

struct Translation<'a> {
    options: &'a Options,
    given: Vec<config::Given>,
    lines: Vec<String>,
}

impl Translation<'_> {
    fn set(&mut self, origin: Origin, key: &'static str, value: impl Into<String>) {
        self.given.push(config::Given {
            origin,
            key,
            value: value.into(),
        });
    }

    fn defaults(&mut self) {
        let name = self.options.program.name();
        for (key, value) in DEFAULTS {
            self.set(Origin::Name(name), key, *value);
        }
        if let Some(home) = self.options.surroundings.get("HOME") {
            let path = Path::new(home).join(DEFAULT_SERVERDIR);
            let path = path.display().to_string();
            self.set(Origin::Name(name), "server.data_dir", path);
        }
    }

    /// What the row of an option says.
    fn option(&mut self, given: &Given) -> Result<(), Stop> {
        let option = given.option;
        let is_off = option.takes == Takes::Nothing && given.written.text == "false";
        match option.meaning {
            // Where data lie is looked at below, with what else names it.
            Meaning::Sets { .. } if option.name == "serverdir" => {}
            Meaning::Sets { key, translate } => {
                let value = translate(&given.written).map_err(|message| {
                    Stop::fatal(format!(
                        "configuration error in {}: {}: {message}",
                        option.flag(),
                        given.origin
                    ))
                })?;
                if let Some(value) = value {
                    self.set(given.origin.clone(), key, value);
                }
            }
            Meaning::Does(_) => {}
            Meaning::Nothing(_) | Meaning::Refused { .. } if is_off => {}
            Meaning::Nothing(reason) => {
                let place = match &given.origin {
                    Origin::Flag(_) => String::new(),
                    origin => format!(" ({origin})"),
                };
                self.lines
                    .push(format!("{}{place} has no effect: {reason}", option.flag()));
            }
            Meaning::Refused { reason, way_out } => {
                let failure = Failure::answer_is_no(format!("{}: {reason}", option.flag()));
                return Err(failure.with_hint(way_out).into());
            }
        }
        Ok(())
    }

    fn role(&mut self) -> Result<(), Stop> {
        match self.options.text("role") {
            Some("replica") => {
                let failure = Failure::answer_is_no("this version cannot run as a replica");
                let way_out = "several servers can share one PostgreSQL database and one S3 \
                               bucket instead (docs/manual/operations.md)";
                Err(failure.with_hint(way_out).into())
            }
            Some(role @ ("primary" | "master")) => {
                self.lines.push(format!(
                    "--role {role} is the same as standalone: there are no replicas yet"
                ));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// `--host` and `--port`, or `--listen`, and `--unix-socket` beside or in place of them, as in
    /// devpi.
    fn listen(&mut self) -> Result<(), Stop> {
        let host = self.options.text("host").unwrap_or(DEFAULT_HOST);
        let port = self.options.text("port").unwrap_or(DEFAULT_PORT);
        let is_default = (host, port) == (DEFAULT_HOST, DEFAULT_PORT);
        let listen = self.options.find("listen");
        if listen.is_some() && !is_default {
            return Err(Stop::fatal(
                "You can use either --listen or --host/--port, not both together.",
            ));
        }
        let socket = self
            .options
            .find("unix-socket")
            .filter(|given| !given.written.text.is_empty());
        let tcp = match listen {
            // Its row has told the addresses.
            Some(given) => addresses::listen(&given.written).ok().flatten(),
            None if is_default && socket.is_some() => None,
            None => Some(addresses::of_host_and_port(host, port)),
        };
        let socket_address = socket.map(|given| {
            let path = expanded(&given.written.text, &self.options.surroundings);
            // Fails only without a working directory.
            let path = std::path::absolute(&path).unwrap_or(path);
            format!("unix:{}", path.display())
        });
        let written = socket
            .or(listen)
            .or(self.options.find("port"))
            .or(self.options.find("host"));
        if let Some(given) = written {
            let origin = given.origin.clone();
            let addresses: Vec<String> = socket_address.into_iter().chain(tcp).collect();
            self.set(origin, "server.listen", addresses.join(","));
        }
        Ok(())
    }

    /// `--serverdir`, else the variable that names the directory for `cheeseshop`.
    fn serverdir(&mut self) {
        const OURS: &str = "CHEESESHOP_DATA_DIR";
        let surroundings = &self.options.surroundings;
        let (origin, path) = match self.options.find("serverdir") {
            Some(given) => (given.origin.clone(), given.written.text.as_str()),
            None => match surroundings.get(OURS) {
                Some(path) => (Origin::Variable(OURS.to_owned()), path),
                None => return,
            },
        };
        let path = expanded(path, surroundings).display().to_string();
        self.set(origin, "server.data_dir", path);
    }

    /// A server looks at its secret file as devpi's does, and then has no use for it.
    fn secret_file(&mut self) -> Result<(), Stop> {
        if self.options.program != Program::Server {
            return Ok(());
        }
        if let Some(path) = self
            .options
            .text("secretfile")
            .filter(|path| !path.is_empty())
        {
            secret::check(&expanded(path, &self.options.surroundings))?;
            self.lines.push(
                "--secretfile is fine and has no effect: the key of logins is kept in the \
                 database, and logins outlive a restart"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn translated(line: &[&str]) -> Result<(SettingArgs, Vec<String>), Stop> {
        let arguments = line.iter().map(OsString::from);
        let surroundings = Surroundings::of(&[("HOME", "/home/of/nobody")]);
        let options = Options::read(Program::Server, arguments, surroundings).unwrap();
        settings(&options)
    }

    fn value(settings: &SettingArgs, key: &str) -> String {
        let given = settings.given.iter().rfind(|given| given.key == key);
        let given = given.unwrap_or_else(|| panic!("no {key}"));
        format!("{} ({})", given.value, given.origin)
    }

    #[test]
    fn options_become_settings_and_keep_their_origin() {
        for (line, key, expected) in [
            (
                &[][..],
                "server.data_dir",
                "/home/of/nobody/.devpi/server (default of devpi-server)",
            ),
            (
                &[],
                "auth.self_registration",
                "true (default of devpi-server)",
            ),
            (
                &["--serverdir", "~/x"],
                "server.data_dir",
                "/home/of/nobody/x (flag --serverdir)",
            ),
            (
                &["--port", "1"],
                "server.listen",
                "localhost:1 (flag --port)",
            ),
            (
                &["--host", "127.9.9.9"],
                "server.listen",
                "127.9.9.9:3141 (flag --host)",
            ),
            (
                &["--listen", "a.test:1", "--listen", "*:2"],
                "server.listen",
                "a.test:1,0.0.0.0:2,[::]:2 (flag --listen)",
            ),
            (
                &["--unix-socket", "/x"],
                "server.listen",
                "unix:/x (flag --unix-socket)",
            ),
            (
                &["--unix-socket", "/x", "--port=1"],
                "server.listen",
                "unix:/x,localhost:1 (flag --unix-socket)",
            ),
            (
                &["--unix-socket", "/x", "--listen=a.test:1"],
                "server.listen",
                "unix:/x,a.test:1 (flag --unix-socket)",
            ),
            (&["--debug"], "log.filter", "debug (flag --debug)"),
            (&["--theme", "/t"], "web.theme", "/t (flag --theme)"),
            (
                &["--offline-mode"],
                "mirror.offline",
                "true (flag --offline-mode)",
            ),
            (
                &["--request-timeout=7"],
                "mirror.request_timeout",
                "7 (flag --request-timeout)",
            ),
            (
                &["--storage=pg8000:host=db.test,user=me"],
                "database.url",
                "postgres://me@db.test/devpi (flag --storage)",
            ),
        ] {
            let (settings, lines) = translated(line).unwrap();
            assert_eq!(value(&settings, key), expected, "{line:?}");
            assert_eq!(lines, [] as [&str; 0], "{line:?}");
        }
    }

    #[test]
    fn options_without_a_meaning_are_told_in_one_line_each() {
        let (_, lines) =
            translated(&["--threads", "3", "--debug-macros", "--role=primary"]).unwrap();
        assert_eq!(
            lines,
            [
                "devpi-server: --threads has no effect: no request holds a thread",
                "devpi-server: --debug-macros has no effect: the pages are our own; devpi-web's \
                 templates do not fit them",
                "devpi-server: --role primary is the same as standalone: there are no replicas \
                 yet",
            ]
        );
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_a_way_out() {
        for (line, part) in [
            (
                &["--role", "replica"][..],
                "cannot run as a replica\nhint: several servers",
            ),
            (
                &["--primary-url", "http://a.test"],
                "--primary-url: this version cannot",
            ),
            (
                &["--listen", "a.test:1", "--port", "2"],
                "not both together",
            ),
            (
                &["--storage", "mysql"],
                "flag --storage: the backend 'mysql' can't be found",
            ),
            (
                &["--secretfile", "/no/such"],
                "The given secret file doesn't exist.",
            ),
        ] {
            let stop = translated(line).unwrap_err();
            assert_eq!(stop.code(), 1, "{line:?}");
            assert!(stop.to_string().starts_with("fatal: "), "{stop}");
            assert!(stop.to_string().contains(part), "{line:?}: {stop}");
        }
    }
}
