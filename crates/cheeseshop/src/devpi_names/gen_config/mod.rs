//! `devpi-gen-config`: configuration files for web servers and process managers.
//!
//! Works without a server directory, and writes only into `gen-config/` of the working directory.
//! The texts are in `templates/`; what they are filled with is put together here.

mod command_line;

use std::path::Path;

use minijinja::{Value, context};
use url::Url;

use self::command_line::CommandLine;
use super::addresses::{self, DEFAULT_HOST, DEFAULT_PORT};
use super::reading::Options;
use super::stop::Stop;
use super::translate::{self, expanded};
use crate::commands::gen_config::service::{self, Service};
use crate::commands::gen_config::{Format, crontab_word, filled, replace};
use crate::config::{Origin, holds_secret};
use crate::failure::Failure;
use crate::output;

/// Where the files go.
const FOLDER: &str = "gen-config";

/// The seconds after which devpi's caching configuration forgets a page.
const DEFAULT_EXPIRY: &str = "1800";

/// A file and what it is made of.
struct Template {
    file: &'static str,
    text: &'static str,
    filled: Filled,
}

/// What a template is filled with.
#[derive(Clone, Copy)]
enum Filled {
    /// How the server is started.
    Service(Format),
    /// Where it is, for a kind of nginx's file.
    Nginx(&'static str),
}

const TEMPLATES: &[Template] = &[
    Template {
        file: "crontab",
        text: include_str!("templates/crontab.j2"),
        filled: Filled::Service(Format::Crontab),
    },
    Template {
        file: "net.devpi.plist",
        text: service::LAUNCHD.1,
        filled: Filled::Service(Format::Launchd),
    },
    Template {
        file: "launchd-macos.txt",
        text: include_str!("templates/launchd-macos.txt.j2"),
        filled: Filled::Service(Format::Launchd),
    },
    Template {
        file: "nginx-devpi.conf",
        text: include_str!("templates/nginx.conf.j2"),
        filled: Filled::Nginx("plain"),
    },
    Template {
        file: "nginx-devpi-caching.conf",
        text: include_str!("templates/nginx.conf.j2"),
        filled: Filled::Nginx("caching"),
    },
    Template {
        file: "nginx-devpi-lockdown.conf",
        text: include_str!("templates/nginx.conf.j2"),
        filled: Filled::Nginx("lockdown"),
    },
    Template {
        file: "supervisor-devpi.conf",
        text: service::SUPERVISOR.1,
        filled: Filled::Service(Format::Supervisor),
    },
    Template {
        file: "supervisord.conf",
        text: include_str!("templates/supervisord.conf.j2"),
        filled: Filled::Service(Format::Supervisor),
    },
    Template {
        file: "devpi.service",
        text: service::SYSTEMD.1,
        filled: Filled::Service(Format::Systemd),
    },
    Template {
        file: "windows-service.txt",
        text: service::WINDOWS.1,
        filled: Filled::Service(Format::Windows),
    },
];

/// Writes all files.
pub(super) fn write(options: &Options) -> Result<(), Stop> {
    // The same refusals, and the same remarks, as when the server is started so.
    let (_, lines) = translate::settings(options)?;
    for line in lines {
        output::talk(&line);
    }
    if options.config_file.is_none() {
        output::talk(
            "It is highly recommended to use a configuration file for devpi-server, see \
             --configfile option.",
        );
    }
    let working_directory = std::env::current_dir()
        .map_err(|error| Failure::caused_by("there is no working directory", &error))?;
    let command = CommandLine::of(options, &working_directory);
    let files = files(options, &command);
    let folder = working_directory.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
    let mode = if has_secret(options) { 0o600 } else { 0o644 };
    let mut refused = 0;
    for (name, text) in files {
        let path = folder.join(name);
        match text {
            Ok(text) => {
                replace(&path, &text, mode)?;
                output::data(&format!("wrote {FOLDER}/{name}"));
            }
            // One that was right before is not right any more.
            Err(failure) => {
                refused += 1;
                let _ = std::fs::remove_file(&path);
                output::talk(&failure.titled(&format!("no {FOLDER}/{name}")));
            }
        }
    }
    if !command.words().program().exists() {
        output::talk(&format!(
            "The files name {}, which is not there yet: `cheeseshop install-links` makes it.",
            command.words().program().display()
        ));
    }
    if mode == 0o600 {
        output::talk(
            "The command lines hold a password (of --storage or --set), so only you can read the \
             files; a configuration file is the better place for it.",
        );
    }
    if refused > 0 {
        let total = TEMPLATES.len();
        return Err(Stop::fatal(format!(
            "{refused} of {total} files cannot be written"
        )));
    }
    Ok(())
}

/// Names and texts of all files, as far as they can be written.
fn files(options: &Options, command: &CommandLine) -> Vec<(&'static str, Result<String, Failure>)> {
    let text = |template: &Template| {
        let values = match template.filled {
            Filled::Service(format) => service_values(options, command, format)?,
            Filled::Nginx(variant) => nginx_values(options, command, variant)?,
        };
        filled(template.file, template.text, values)
    };
    let files = TEMPLATES.iter();
    files
        .map(|template| (template.file, text(template)))
        .collect()
}

fn service_values(
    options: &Options,
    command: &CommandLine,
    format: Format,
) -> Result<Value, Failure> {
    let surroundings = &options.surroundings;
    let user = service::user_of(surroundings);
    let service = Service {
        title: "devpi-server, which here is Cheeseshop",
        name: "devpi-server",
        unit: "devpi",
        label: "net.devpi",
        task: "Devpi-Server",
        linux: "devpi.service lies beside this file",
        user: &user,
        words: command.words(),
    };
    let log = expanded("~/devpi-server.log", surroundings);
    let log = match format {
        Format::Crontab => crontab_word(&log.display().to_string())?,
        _ => String::new(),
    };
    Ok(context! { service => service.values(format)?, log })
}

fn nginx_values(options: &Options, command: &CommandLine, variant: &str) -> Result<Value, Failure> {
    let refused = |what: &str| Failure::answer_is_no(format!("{what} cannot stand in its file"));
    let outside = options
        .text("outside-url")
        .filter(|url| !url.is_empty())
        .map(|url| {
            Url::parse(url)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
                // A quote or a blank in it would end the word in nginx's file.
                .filter(|url| {
                    !url.as_str()
                        .contains([';', '{', '}', '"', '\'', '$', '\\', '#'])
                })
                .ok_or_else(|| refused(&format!("--outside-url: '{}'", url.escape_debug())))
        })
        .transpose()?;
    let host = outside.as_ref().and_then(Url::host_str);
    // As devpi: TLS ends elsewhere unless somebody says otherwise.
    let port = outside.as_ref().and_then(Url::port).unwrap_or(80);
    let is_tls = outside.as_ref().is_some_and(|url| url.scheme() == "https");
    let outside_url = outside
        .as_ref()
        .map(|url| url.as_str().trim_end_matches('/'));
    let address = server_address(options, command.working_directory());
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.:[]/+".contains(letter);
    if !address.chars().all(is_plain) {
        return Err(refused(&format!(
            "the address '{}'",
            address.escape_debug()
        )));
    }
    Ok(context! {
        variant,
        upstream => "devpi_server",
        address,
        host => host.unwrap_or("localhost"),
        port,
        tls_port => outside.as_ref().and_then(Url::port_or_known_default),
        is_tls,
        outside_url,
        cache_expiry => options.text("mirror-cache-expiry").unwrap_or(DEFAULT_EXPIRY),
        cache_path => "/var/cache/nginx/devpi",
    })
}

/// Where nginx finds the server: its socket, else its first address, on this machine.
fn server_address(options: &Options, working_directory: &Path) -> String {
    if let Some(path) = options.text("unix-socket").filter(|path| !path.is_empty()) {
        let path = working_directory.join(expanded(path, &options.surroundings));
        return format!("unix:{}", path.display());
    }
    let host = options.text("host").unwrap_or(DEFAULT_HOST);
    let port = options.text("port").unwrap_or(DEFAULT_PORT);
    let listen = options.find("listen").map(|given| &given.written);
    let written = listen
        .and_then(|written| addresses::listen(written).ok().flatten())
        .unwrap_or_else(|| addresses::of_host_and_port(host, port));
    let first = written.split(',').next().unwrap_or_default();
    match first.rsplit_once(':') {
        Some(("0.0.0.0" | "localhost", port)) => format!("127.0.0.1:{port}"),
        Some(("[::]", port)) => format!("[::1]:{port}"),
        _ => first.to_owned(),
    }
}

/// Whether the command line that is written down holds a password.
fn has_secret(options: &Options) -> bool {
    options.find("storage").is_some_and(|given| {
        matches!(given.origin, Origin::Flag(_)) && given.written.text.contains("password=")
    }) || options.set.iter().any(|set| {
        set.split_once('=')
            .is_some_and(|(key, text)| holds_secret(key.trim(), text))
    })
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::answer_is_no(format!("{} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::program::Program;
    use super::*;
    use crate::config::Surroundings;

    fn written(line: &[&str]) -> Vec<(&'static str, String)> {
        let surroundings = Surroundings::of(&[("HOME", "/home/me"), ("USER", "me")]);
        let arguments = line.iter().map(OsString::from);
        let options = Options::read(Program::GenConfig, arguments, surroundings).unwrap();
        let files = files(&options, &CommandLine::of(&options, Path::new("/here")));
        let texts = files.into_iter();
        texts.map(|(name, text)| (name, text.unwrap())).collect()
    }

    fn file(line: &[&str], name: &str) -> String {
        let mut files = written(line);
        let place = files.iter().position(|(file, _)| *file == name).unwrap();
        files.swap_remove(place).1
    }

    #[test]
    fn all_files_are_made_and_nothing_is_left_open() {
        let files = written(&["--serverdir", "srv"]);
        assert_eq!(files.len(), 10);
        for (name, text) in files {
            assert!(text.ends_with('\n'), "{name}");
            assert!(
                !text.contains("{{") && !text.contains("{%"),
                "{name}: {text}"
            );
            assert!(!text.contains("\n\n\n"), "{name}: {text}");
        }
    }

    #[test]
    fn nginx_finds_the_server_and_users_find_nginx() {
        for (line, expected) in [
            (&[][..], "server 127.0.0.1:3141;"),
            (
                &["--host", "127.3.2.1", "--port", "4"],
                "server 127.3.2.1:4;",
            ),
            (&["--host", "*"], "server 127.0.0.1:3141;"),
            (&["--listen", "[::]:5"], "server [::1]:5;"),
            (&["--unix-socket", "run/s"], "server unix:/here/run/s;"),
            (&[], "listen 80;"),
            (&["--outside-url", "http://shop.test:8080"], "listen 8080;"),
            (
                &["--outside-url", "https://shop.test/"],
                "server_name shop.test ",
            ),
            (
                &["--outside-url", "https://shop.test/"],
                "# listen 443 ssl;",
            ),
            (
                &["--outside-url", "https://shop.test/pypi/"],
                "X-Outside-Url https://shop.test/pypi;",
            ),
        ] {
            let text = file(line, "nginx-devpi.conf");
            assert!(text.contains(expected), "{line:?}: {expected}\n{text}");
        }
    }

    #[test]
    fn what_would_break_out_of_a_file_is_refused_and_the_others_are_made() {
        for (line, expected) in [
            (["--outside-url", "http://a.test/;}"], 3),
            (["--unix-socket", "run/s;}"], 3),
            // supervisord's own file says nothing of the server, and stands with the other.
            (["--serverdir", "a\nb"], 4),
        ] {
            let arguments = line.iter().map(OsString::from);
            let surroundings = Surroundings::of(&[("HOME", "/home/me")]);
            let options = Options::read(Program::GenConfig, arguments, surroundings).unwrap();
            let command = CommandLine::of(&options, Path::new("/here"));
            let files = files(&options, &command);
            let refused: Vec<_> = files
                .iter()
                .filter_map(|(name, text)| text.is_err().then_some(name))
                .collect();
            assert_eq!(refused.len(), expected, "{line:?}: {refused:?}");
        }
    }
}
