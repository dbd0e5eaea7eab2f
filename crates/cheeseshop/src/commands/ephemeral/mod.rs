//! `cheeseshop serve --ephemeral`: a server for tests, with users and indexes, that leaves nothing behind.
//!
//! Its data is in a temporary directory. It reads no settings of this machine, knows no upstream that the
//! layout does not name, and ends with the process that has started it, however that one ends.

mod directory;
mod parent;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cheeseshop_client::layout::{
    Layout, Outcome, PlanOptions, Present, Subject, generate_password, text_of,
};
use cheeseshop_client::{Credentials, Environment, Trust};
use cheeseshop_storage::BlobConfig;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};

use self::directory::ThrowawayDirectory;
use self::parent::Parent;
use super::serve::{self, Server};
use crate::cli::{ServeArgs, SettingArgs};
use crate::config::{Config, Given, Origin};
use crate::failure::Failure;
use crate::{logging, output};

/// Where the settings of a throwaway server come from.
const NAME: Origin = Origin::Name("serve --ephemeral");

/// What is another default here: passwords cost nothing, guessing is not slowed down, and whoever stops the
/// server does not wait.
const DEFAULTS: &[(&str, &str)] = &[
    ("server.listen", "127.0.0.1:0"),
    ("server.stop_grace", "2s"),
    ("auth.argon2.memory_kib", "64"),
    ("auth.argon2.iterations", "1"),
    ("auth.argon2.parallelism", "1"),
    ("auth.throttle.failures_per_user", "0"),
    ("auth.throttle.failures_per_address", "0"),
    ("log.filter", "warn"),
];

/// The mirror that every server has from the start; here it follows nothing.
const ROOT_MIRROR: &str = "root/pypi";

/// Serves until a signal, or until the parent has ended.
pub(crate) async fn run(settings: &SettingArgs, arguments: &ServeArgs) -> Result<(), Failure> {
    // The first of all: whoever started us may be gone soon.
    let parent = Parent::of_this_process();
    let layout = match &arguments.layout {
        Some(file) => read_layout(file)?,
        None => Layout::default(),
    };
    if settings.database_url.is_some() {
        return Err(Failure::could_not_try(
            "a throwaway server has a database of its own: leave --database-url out",
        ));
    }
    let directory = ThrowawayDirectory::make()?;
    let settings = SettingArgs {
        data_dir: Some(directory.data()),
        config: settings.config.clone(),
        set: settings.set.clone(),
        database_url: None,
        log_format: settings.log_format.clone(),
        log: settings.log.clone(),
        given: defaults(),
    };
    let config = Config::load_apart(&settings, &serve::flags(arguments))?;
    refuse_other_data(&config, &directory.data())?;
    logging::start(&config.log)?;
    let mut hang_up = signal(SignalKind::hangup())
        .map_err(|error| Failure::caused_by("cannot listen for signals", &error))?;
    let server = Server::open(config, "cheeseshop serve --ephemeral").await?;
    let url = own_url(&server)?;
    let root_password = match root_password_of(&layout) {
        Some(password) => password,
        None => match server.node().given_root_password()? {
            Some(password) => password,
            None => new_password()?,
        },
    };
    let app = &server.node().app;
    app.ensure_root(&root_password, None)
        .await
        .map_err(|error| Failure::caused_by("the user `root` cannot be made", &error))?;
    let reason = async {
        tokio::select! {
            () = parent.gone() => "the end of the parent",
            _ = hang_up.recv() => "SIGHUP",
        }
    };
    let ready = async || {
        let contents = furnish(&url, root_password, &layout).await?;
        output::data(&contents.document(&url).to_string());
        Ok(())
    };
    let result = server.serve_until(reason, ready, None).await;
    // Also when serving has failed; what is left is found by the next one.
    directory.remove();
    result
}

fn defaults() -> Vec<Given> {
    DEFAULTS
        .iter()
        .map(|&(key, value)| Given {
            origin: NAME,
            key,
            value: value.to_owned(),
        })
        .collect()
}

fn read_layout(file: &Path) -> Result<Layout, Failure> {
    let environment = Environment::of_this_process();
    let text = std::fs::File::open(file)
        .and_then(text_of)
        .map_err(|error| Failure::caused_by(&file.display().to_string(), &error))?;
    let folder: PathBuf = environment
        .directory()
        .join(file)
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default();
    Layout::read(&text, &mut |source| source.read(&folder, &environment)).map_err(|problems| {
        Failure::could_not_try(format!("{} is no layout:\n{problems}", file.display()))
            .with_hint("docs/manual/layout.md describes the format")
    })
}

/// Whatever files of settings and `--set` say: with data of another server, users would be made there, with
/// cheap hashes, and files removed that are none of ours.
fn refuse_other_data(config: &Config, data: &Path) -> Result<(), Failure> {
    let is_inside = |path: &Path| path.starts_with(data);
    let is_own_database = config.embedded_database().is_some_and(is_inside);
    let are_own_blobs = matches!(&config.blobs, BlobConfig::Local { path } if is_inside(path));
    let key = match (is_own_database, are_own_blobs) {
        (false, _) => "database.url",
        (_, false) => "blobs",
        (true, true) => return Ok(()),
    };
    Err(Failure::could_not_try(format!(
        "a throwaway server keeps its data in a directory of its own: leave the setting {key} out"
    )))
}

/// Clients connect to this; the first address counts.
fn own_url(server: &Server) -> Result<String, Failure> {
    let url = server.urls().into_iter().next();
    url.filter(|url| url.starts_with("http://")).ok_or_else(|| {
        Failure::could_not_try("a throwaway server listens on a port, and so needs HOST:PORT")
    })
}

fn root_password_of(layout: &Layout) -> Option<SecretString> {
    layout
        .passwords()
        .find(|(name, _)| name.is_root())
        .map(|(_, password)| password.clone())
}

fn new_password() -> Result<SecretString, Failure> {
    generate_password().map_err(|error| Failure::caused_by("cannot make up a password", &error))
}

/// What a test has to know.
struct Contents {
    passwords: BTreeMap<String, SecretString>,
    indexes: Vec<String>,
}

/// Makes what the layout names, over the wire as everybody else would.
async fn furnish(
    url: &str,
    root_password: SecretString,
    layout: &Layout,
) -> Result<Contents, Failure> {
    let failed = |error: cheeseshop_client::Error| {
        Failure::could_not_try(format!("the layout cannot be made: {}", error.chain()))
    };
    let address = url
        .parse()
        .map_err(|error| Failure::caused_by("the server's own address", &error))?;
    // A proxy of the machine has no way to this server.
    let trust = Trust::system().without_proxy();
    let root = Credentials {
        user: "root".to_owned(),
        secret: root_password.clone(),
    };
    let server = cheeseshop_client::Server::with_trust(address, &trust)
        .map_err(failed)?
        .with_login(Some(root));
    let mirror = json!({"type": "mirror", "volatile": false, "title": "PyPI"});
    server
        .create_index(ROOT_MIRROR, &mirror)
        .await
        .map_err(failed)?;
    let present = server.users().await.map(Present::new).map_err(failed)?;
    let options = PlanOptions {
        allow_empty_mirrors: true,
        ..PlanOptions::default()
    };
    let plan = layout.plan(&present, &options).map_err(|problems| {
        Failure::could_not_try(format!("the layout cannot be made:\n{problems}"))
    })?;
    let mut passwords: BTreeMap<String, SecretString> = layout
        .passwords()
        .map(|(name, password)| (name.to_string(), password.clone()))
        .collect();
    passwords.insert("root".to_owned(), root_password);
    let mut troubles = Vec::new();
    let not_done = plan
        .apply(&server, |step, outcome| match (&step.subject, outcome) {
            (
                Subject::User(name),
                Outcome::Done {
                    generated_password: Some(password),
                },
            ) => {
                passwords.insert(name.to_string(), password);
            }
            (subject, Outcome::Failed(error)) => {
                troubles.push(format!("{subject}: {}", error.chain()));
            }
            _ => {}
        })
        .await;
    if not_done > 0 {
        return Err(Failure::could_not_try(format!(
            "the layout cannot be made:\n{}",
            troubles.join("\n")
        )));
    }
    let mut indexes: Vec<String> = layout.indexes().map(ToString::to_string).collect();
    if !indexes.iter().any(|index| index == ROOT_MIRROR) {
        indexes.push(ROOT_MIRROR.to_owned());
    }
    Ok(Contents { passwords, indexes })
}

impl Contents {
    fn document(&self, url: &str) -> Value {
        let users: Map<_, _> = self
            .passwords
            .iter()
            .map(|(name, password)| {
                let password = password.expose_secret();
                (name.clone(), json!({"password": password}))
            })
            .collect();
        let indexes: Map<_, _> = self
            .indexes
            .iter()
            .map(|name| {
                let index = format!("{url}/{name}/");
                let urls = json!({"url": index, "simple": format!("{index}+simple/")});
                (name.clone(), urls)
            })
            .collect();
        json!({
            "url": url,
            "pid": std::process::id(),
            "users": users,
            "indexes": indexes,
        })
    }
}
