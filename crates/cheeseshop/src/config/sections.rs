//! The settings as the crates read them: plain structs, made from the resolved values.
//!
//! Each section struct lives beside its reader and reads itself (serde). A value that its reader
//! refuses is a problem of its key, found by reading one key at a time before all together.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cheeseshop_app::Settings;
use cheeseshop_app::auth::AuthSettings;
use cheeseshop_app::settings::{
    CacheSettings, MirrorSettings, PublishLimits, PushSettings, TriggerSettings,
};
use cheeseshop_http::{HttpSettings, WebSettings};
use cheeseshop_storage::{BlobConfig, DatabaseConfig, S3BlobConfig};

use super::beside_tls::complain_of_outside_url;
use super::credentials::{Credentials, NoPath, Passed};
use super::layers::{Origin, Resolved, Sources, resolve};
use super::problem::{Problem, listing};
use super::section::{complain, complain_of, number, section, text};
use super::surroundings::Surroundings;
use super::value::Value;
use crate::cli::SettingArgs;
use crate::failure::Failure;
use crate::server::ConnectionSettings;
use crate::tls::TlsSettings;
use crate::{listeners, logging};

/// The embedded database in the data directory.
const DATABASE_FILE: &str = "cheeseshop.db";

/// The local blobs in the data directory.
const BLOB_FOLDER: &str = "blobs";

/// Where uploads to an S3 store are collected in the data directory.
const SPOOL_FOLDER: &str = "spool";

/// How long a client may be waited for, in seconds: with none nobody is served, without an end
/// connections are held for ever.
const PATIENCE: RangeInclusive<u64> = 1..=3600;

/// All settings of a run.
#[derive(Debug)]
pub(crate) struct Config {
    /// The data directory, not yet made.
    pub(crate) data_dir: PathBuf,
    /// Addresses to listen on as written.
    pub(crate) listen: Vec<String>,
    /// The mode of sockets of the file system.
    pub(crate) socket_mode: u32,
    pub(crate) connections: ConnectionSettings,
    /// How long running requests may go on after a signal to stop.
    pub(crate) stop_grace: Duration,
    pub(crate) http: HttpSettings,
    pub(crate) tls: TlsSettings,
    pub(crate) web: WebSettings,
    pub(crate) database: DatabaseConfig,
    pub(crate) blobs: BlobConfig,
    pub(crate) app: Settings,
    /// The configured upstream of `root/pypi`.
    pub(crate) root_pypi_url: Option<String>,
    pub(crate) print_root_password: PrintRootPassword,
    pub(crate) backup: BackupConfig,
    pub(crate) log: LogConfig,
    /// The files that were read.
    pub(crate) files: Vec<PathBuf>,
    /// Every value with its origin, for showing.
    pub(crate) resolved: Resolved,
    /// What of the environment is no setting of ours and yet read.
    pub(crate) surroundings: Surroundings,
}

/// Where backups go and which stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BackupConfig {
    /// The directory, when none is named.
    pub(crate) directory: Option<PathBuf>,
    /// So many of the newest stay.
    pub(crate) keep: Option<u64>,
    /// Those stay that are not older.
    pub(crate) keep_days: Option<u64>,
}

/// Where a made-up password of `root` is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrintRootPassword {
    /// Where somebody reads who is there only now.
    OnTerminal,
    Always,
    Never,
}

/// How log lines are written and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogConfig {
    pub(crate) format: LogFormat,
    /// A filter of `tracing-subscriber`'s kind.
    pub(crate) filter: String,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Config {
    /// Reads everything that may hold settings. `flags` are those of the command at hand:
    /// what the user wrote, the key it sets, the value.
    pub(crate) fn load(
        arguments: &SettingArgs,
        flags: &[(&str, &str, String)],
    ) -> Result<Self, Failure> {
        let surroundings = Surroundings::of_this_process();
        let files = surroundings.settings_files(&arguments.config);
        Self::load_from(arguments, flags, surroundings, files, Credentials::Needed)
    }

    /// As [`Config::load`], for somebody who only looks: credentials that the service alone gets are
    /// noted in [`Resolved::out_of_reach`].
    pub(crate) fn load_to_look(arguments: &SettingArgs) -> Result<Self, Failure> {
        let surroundings = Surroundings::of_this_process();
        let files = surroundings.settings_files(&arguments.config);
        let credentials = Credentials::MayBeOutOfReach;
        Self::load_from(arguments, &[], surroundings, files, credentials)
    }

    /// As [`Config::load`], without what this machine and user have set: the command line counts, and the
    /// files that it names.
    pub(crate) fn load_apart(
        arguments: &SettingArgs,
        flags: &[(&str, &str, String)],
    ) -> Result<Self, Failure> {
        let surroundings = Surroundings::of_this_process().without_settings();
        let files = match arguments.config.as_slice() {
            [] => Vec::new(),
            named => surroundings.settings_files(named),
        };
        Self::load_from(arguments, flags, surroundings, files, Credentials::Needed)
    }

    /// The file of the embedded database; `None` when a database server is used.
    pub(crate) fn embedded_database(&self) -> Option<&Path> {
        let url = self.database.url.as_ref()?.expose();
        let file = url
            .strip_prefix("sqlite://")
            .or_else(|| url.strip_prefix("sqlite:"))?;
        Some(Path::new(file))
    }

    /// The path of a setting whose file is looked for only when it is needed; `None` when it is not set.
    pub(crate) fn late_path(&self, key: &str) -> Result<Option<PathBuf>, Failure> {
        let Some((Value::Text(written), origin)) = self.resolved.get(key) else {
            return Ok(None);
        };
        match Passed::to_this_process(self.surroundings.variables()).path(written) {
            Ok(path) => Ok(Some(absolute(&path))),
            Err(NoPath::OutOfReach(message) | NoPath::Wrong(message)) => {
                let (origin, key) = (origin.clone(), key.to_owned());
                let problem = Problem {
                    origin,
                    key,
                    message,
                };
                Err(Failure::could_not_try(listing(&[problem])))
            }
        }
    }

    fn load_from(
        arguments: &SettingArgs,
        flags: &[(&str, &str, String)],
        surroundings: Surroundings,
        files: Vec<PathBuf>,
        credentials: Credentials,
    ) -> Result<Self, Failure> {
        let mut sources = Sources {
            credentials,
            files,
            variables: surroundings.variables().to_vec(),
            flags: Vec::new(),
            given: arguments.given.clone(),
        };
        let mut problems = Vec::new();
        for written in &arguments.set {
            match written.split_once('=') {
                Some((key, value)) => sources.flags.push((
                    "--set".to_owned(),
                    key.trim().to_owned(),
                    value.to_owned(),
                )),
                None => problems.push(Problem {
                    origin: Origin::Flag("--set".to_owned()),
                    key: written.clone(),
                    message: "write it as section.key=value".to_owned(),
                }),
            }
        }
        let named = [
            (
                "--data-dir",
                "server.data_dir",
                arguments
                    .data_dir
                    .as_ref()
                    .map(|path| path.display().to_string()),
            ),
            (
                "--database-url",
                "database.url",
                arguments.database_url.clone(),
            ),
            ("--log-format", "log.format", arguments.log_format.clone()),
            ("--log", "log.filter", arguments.log.clone()),
        ];
        for (flag, key, value) in named {
            if let Some(value) = value {
                sources.flags.push((flag.to_owned(), key.to_owned(), value));
            }
        }
        for (flag, key, value) in flags {
            let flag = ((*flag).to_owned(), (*key).to_owned(), value.clone());
            sources.flags.push(flag);
        }

        let (resolved, more) = resolve(&sources);
        problems.extend(more);
        Self::build(resolved, sources.files, surroundings, problems)
    }

    fn build(
        mut resolved: Resolved,
        files: Vec<PathBuf>,
        surroundings: Surroundings,
        mut problems: Vec<Problem>,
    ) -> Result<Self, Failure> {
        if resolved.get("server.data_dir").is_none() {
            match surroundings.data_folder() {
                Some(folder) => {
                    let path = folder.display().to_string();
                    resolved.set_default("server.data_dir", Value::Text(path));
                }
                None => problems.push(Problem {
                    origin: Origin::Default,
                    key: "server.data_dir".to_owned(),
                    message: "there is no home directory to put it in; give --data-dir".to_owned(),
                }),
            }
        }
        let data_dir = absolute(&text(&resolved, "server.data_dir").unwrap_or_default());
        let in_data_dir = |name: &str| data_dir.join(name).display().to_string();
        resolved.set_default(
            "database.url",
            Value::Text(format!("sqlite://{}", in_data_dir(DATABASE_FILE))),
        );
        let s3 = text(&resolved, "blobs.kind").as_deref() == Some("s3");
        if s3 {
            resolved.set_default("blobs.spool_dir", Value::Text(in_data_dir(SPOOL_FOLDER)));
        } else {
            resolved.set_default("blobs.path", Value::Text(in_data_dir(BLOB_FOLDER)));
        }

        let http: HttpSettings = section(&resolved, "server", &mut problems);
        complain(&resolved, "server", http.problems(), &mut problems);
        let tls: TlsSettings = section(&resolved, "tls", &mut problems);
        complain(&resolved, "tls", tls.problems(), &mut problems);
        let web: WebSettings = section(&resolved, "web", &mut problems);
        complain(&resolved, "web", web.problems(), &mut problems);
        let database: DatabaseConfig = section(&resolved, "database", &mut problems);
        complain(&resolved, "database", database.problems(), &mut problems);
        let blobs = blobs(&resolved, s3, &mut problems);
        let app = Settings {
            auth: section::<AuthSettings>(&resolved, "auth", &mut problems),
            publish: section::<PublishLimits>(&resolved, "upload", &mut problems),
            mirror: section::<MirrorSettings>(&resolved, "mirror", &mut problems),
            push: section::<PushSettings>(&resolved, "push", &mut problems),
            trigger: section::<TriggerSettings>(&resolved, "trigger", &mut problems),
            cache: section::<CacheSettings>(&resolved, "cache", &mut problems),
        };
        complain(&resolved, "mirror", app.mirror.problems(), &mut problems);
        let log_filter = text(&resolved, "log.filter").unwrap_or_default();
        if let Err(message) = logging::filter(&log_filter) {
            complain_of(&resolved, "log.filter", message, &mut problems);
        }
        let listen = match resolved.get("server.listen") {
            Some((Value::List(addresses), _)) => addresses.clone(),
            _ => Vec::new(),
        };
        for message in listeners::problems(&listen) {
            complain_of(&resolved, "server.listen", message, &mut problems);
        }
        if listeners::speak_tls(&listen) {
            if !tls.is_on() {
                let message = "an https address needs `tls.certificate`".to_owned();
                complain_of(&resolved, "server.listen", message, &mut problems);
            }
            complain_of_outside_url(&resolved, &http, &tls, &mut problems);
        }
        for key in ["server.header_read_timeout", "server.write_timeout"] {
            if !PATIENCE.contains(&number(&resolved, key)) {
                let message = "must be from 1s to 1h".to_owned();
                complain_of(&resolved, key, message, &mut problems);
            }
        }
        let socket_mode = text(&resolved, "server.socket_mode").unwrap_or_default();
        let socket_mode = listeners::parse_mode(&socket_mode).unwrap_or_else(|message| {
            complain_of(&resolved, "server.socket_mode", message, &mut problems);
            0
        });
        if !problems.is_empty() {
            return Err(Failure::could_not_try(listing(&problems)).with_hint(
                "every setting is described in docs/manual/configuration.md; \
                 `cheeseshop config show` prints the ones in force",
            ));
        }

        let seconds = |key| Duration::from_secs(number(&resolved, key));
        let format = match text(&resolved, "log.format").as_deref() {
            Some("json") => LogFormat::Json,
            _ => LogFormat::Text,
        };
        Ok(Self {
            listen,
            socket_mode,
            connections: ConnectionSettings {
                max_connections: usize::try_from(number(&resolved, "server.max_connections"))
                    .unwrap_or(usize::MAX),
                header_read_timeout: seconds("server.header_read_timeout"),
                write_timeout: seconds("server.write_timeout"),
                proxies: http.trusted_proxies.clone(),
            },
            stop_grace: seconds("server.stop_grace"),
            root_pypi_url: text(&resolved, "mirror.root_pypi_url"),
            print_root_password: match text(&resolved, "auth.print_root_password").as_deref() {
                Some("always") => PrintRootPassword::Always,
                Some("never") => PrintRootPassword::Never,
                _ => PrintRootPassword::OnTerminal,
            },
            backup: BackupConfig {
                directory: text(&resolved, "backup.directory").map(|path| absolute(&path)),
                keep: resolved
                    .get("backup.keep")
                    .map(|_| number(&resolved, "backup.keep")),
                keep_days: resolved
                    .get("backup.keep_days")
                    .map(|_| number(&resolved, "backup.keep_days")),
            },
            log: LogConfig {
                format,
                filter: log_filter,
            },
            data_dir,
            http,
            tls,
            web,
            database,
            blobs,
            app,
            files,
            resolved,
            surroundings,
        })
    }
}

fn absolute(path: &str) -> PathBuf {
    // Fails only for an empty path and without a working directory.
    std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path))
}

fn blobs(resolved: &Resolved, s3: bool, problems: &mut Vec<Problem>) -> BlobConfig {
    // A setting of the other kind would do nothing, and its writer thinks that it does.
    for (key, _) in resolved.iter() {
        let Some(name) = key.strip_prefix("blobs.") else {
            continue;
        };
        if name == "kind" || (name == "path") != s3 {
            continue;
        }
        let (kind, other) = if s3 { ("s3", "local") } else { ("local", "s3") };
        let message = format!("belongs to `blobs.kind = \"{other}\"`, which is \"{kind}\"");
        complain_of(resolved, key, message, problems);
    }
    if s3 {
        let config: S3BlobConfig = section(resolved, "blobs", problems);
        complain(resolved, "blobs", config.problems(), problems);
        BlobConfig::S3(Box::new(config))
    } else {
        BlobConfig::local(text(resolved, "blobs.path").unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Debug;

    use cheeseshop_app::auth::{Argon2Cost, ThrottleSettings};
    use serde::de::DeserializeOwned;

    use super::super::setting::{Reader, SETTINGS};
    use super::*;

    fn arguments() -> SettingArgs {
        SettingArgs {
            data_dir: None,
            config: Vec::new(),
            set: Vec::new(),
            database_url: None,
            log_format: None,
            log: None,
            given: Vec::new(),
        }
    }

    fn home() -> Surroundings {
        Surroundings::of(&[("HOME", "/home/of/nobody")])
    }

    fn set(settings: &[&str]) -> Result<Config, Failure> {
        let arguments = SettingArgs {
            set: settings.iter().map(|text| (*text).to_owned()).collect(),
            ..arguments()
        };
        Config::load_from(&arguments, &[], home(), Vec::new(), Credentials::Needed)
    }

    #[test]
    fn the_defaults_of_the_table_are_those_of_the_readers() {
        fn same<T: Debug>(ours: &T, theirs: &T) {
            assert_eq!(format!("{ours:#?}"), format!("{theirs:#?}"));
        }
        let config = set(&[]).unwrap();
        let data_dir = Path::new("/home/of/nobody/.local/share/cheeseshop");
        assert_eq!(config.data_dir, data_dir);
        same(&config.http, &HttpSettings::default());
        same(&config.tls, &TlsSettings::default());
        same(&config.web, &WebSettings::default());
        same(
            &config.database,
            &DatabaseConfig::sqlite(&data_dir.join(DATABASE_FILE)),
        );
        same(
            &config.blobs,
            &BlobConfig::local(data_dir.join(BLOB_FOLDER)),
        );
        same(&config.app.auth, &AuthSettings::default());
        same(&config.app.publish, &PublishLimits::default());
        same(&config.app.mirror, &MirrorSettings::default());
        same(&config.app.push, &PushSettings::default());
        same(&config.app.trigger, &TriggerSettings::default());
        same(&config.app.cache, &CacheSettings::default());

        let config = set(&["blobs.kind=s3", "blobs.bucket=b", "blobs.machine_role=true"]).unwrap();
        let s3 = S3BlobConfig {
            bucket: "b".to_owned(),
            machine_role: true,
            spool_dir: Some(data_dir.join(SPOOL_FOLDER)),
            ..S3BlobConfig::default()
        };
        same(&config.blobs, &BlobConfig::S3(Box::new(s3)));
    }

    #[test]
    fn every_field_of_a_reader_is_a_setting() {
        fn fields<T: DeserializeOwned + Debug>() -> BTreeSet<String> {
            let mut unknown = toml::Table::new();
            unknown.insert("no such field".to_owned(), toml::Value::Boolean(true));
            let error = toml::Value::Table(unknown).try_into::<T>().unwrap_err();
            // serde: "unknown field `x`, expected one of `a`, `b`"
            let message = error.message();
            assert!(message.starts_with("unknown field"), "{message}");
            message
                .split('`')
                .skip(3)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        }
        fn in_table(section: &str) -> BTreeSet<String> {
            SETTINGS
                .iter()
                .filter(|setting| setting.reader == Reader::Crate)
                .filter_map(|setting| {
                    let (in_section, name) = setting.key.rsplit_once('.')?;
                    (in_section == section).then(|| setting.field.unwrap_or(name).to_owned())
                })
                .collect()
        }
        fn check<T: DeserializeOwned + Debug>(section: &str, otherwise: &[&str]) {
            let mut known = in_table(section);
            known.extend(otherwise.iter().map(|name| (*name).to_owned()));
            assert_eq!(fields::<T>(), known, "{section}");
        }
        check::<HttpSettings>("server", &[]);
        check::<TlsSettings>("tls", &[]);
        check::<WebSettings>("web", &[]);
        // The binary reads files of secrets itself, the same way for all.
        check::<DatabaseConfig>("database", &["url_file"]);
        let mut s3 = fields::<S3BlobConfig>();
        s3.insert("path".to_owned());
        s3.remove("secret_key_file");
        assert_eq!(s3, in_table("blobs"));
        check::<MirrorSettings>("mirror", &[]);
        check::<PushSettings>("push", &[]);
        check::<TriggerSettings>("trigger", &[]);
        check::<AuthSettings>("auth", &["argon2", "throttle"]);
        check::<Argon2Cost>("auth.argon2", &[]);
        check::<ThrottleSettings>("auth.throttle", &[]);
        check::<PublishLimits>("upload", &[]);
        check::<CacheSettings>("cache", &[]);
    }

    #[test]
    fn what_a_reader_refuses_is_a_problem_of_the_key() {
        let failure = set(&[
            "server.trusted_proxies=nginx",
            "server.outside_url=ftp://x.test/",
            "database.url=mysql://me:hunter2@x.test/",
            "blobs.path=/x",
            "blobs.kind=s3",
            "nothing",
        ])
        .unwrap_err()
        .to_string();
        assert!(!failure.contains("hunter2"), "{failure}");
        for expected in [
            "flag --set: `server.trusted_proxies`: `nginx` is neither an address nor a network",
            "flag --set: `server.outside_url`: must be an http or https URL",
            "flag --set: `database.url`: ",
            "flag --set: `blobs.path`: belongs to `blobs.kind = \"local\"`, which is \"s3\"",
            "default: `blobs.bucket`: is needed for `blobs.kind = \"s3\"`",
            "flag --set: `nothing`: write it as section.key=value",
        ] {
            assert!(failure.contains(expected), "{expected}\n--\n{failure}");
        }
    }

    #[test]
    fn times_with_units_reach_their_readers() {
        let config = set(&[
            "auth.login_lifetime=2h",
            "mirror.request_timeout=10s",
            "server.stop_grace=5m",
            "server.body_idle_timeout=90",
        ])
        .unwrap();
        assert_eq!(config.app.auth.login_lifetime_seconds, 7200);
        assert_eq!(config.app.mirror.request_timeout, Duration::from_secs(10));
        assert_eq!(config.stop_grace, Duration::from_mins(5));
        assert_eq!(config.http.body_idle_seconds, 90);
    }

    #[test]
    fn without_a_home_the_data_directory_must_be_named() {
        let failure = Config::load_from(
            &arguments(),
            &[],
            Surroundings::of(&[]),
            Vec::new(),
            Credentials::Needed,
        )
        .unwrap_err();
        assert!(
            failure
                .to_string()
                .contains("`server.data_dir`: there is no home directory"),
            "{failure}"
        );
    }
}
