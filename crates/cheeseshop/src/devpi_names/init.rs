//! `devpi-init`: makes a server directory.

use cheeseshop_app::auth::FirstStart;
use secrecy::{ExposeSecret as _, SecretString};

use super::directory;
use super::reading::Options;
use super::stop::Stop;
use crate::cli::SettingArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::node::Node;
use crate::{logging, output};

/// Makes the directory, the database, `root` and, unless told otherwise, `root/pypi`.
pub(super) async fn run(options: &Options, settings: &SettingArgs) -> Result<(), Stop> {
    let config = Config::load(settings, &[])?;
    directory::must_not_be_devpis(&config)?;
    logging::start(&config.log)?;
    let node = Node::open_exclusively(&config, "devpi-init").await?;
    let first = make_root(options, &node).await;
    node.close().await;
    if first? == FirstStart::AlreadyThere {
        return Err(directory::with_data(&config.data_dir));
    }
    output::data(&format!("initialised {}", config.data_dir.display()));
    Ok(())
}

/// Makes what a first start makes, by the options that say how, and tells about it. Never tells a
/// password.
pub(super) async fn make_root(options: &Options, node: &Node) -> Result<FirstStart, Failure> {
    let upstream = &node.default_upstream().url;
    let wants_mirror = !options.flag("no-root-pypi");
    let mirrored = wants_mirror.then(|| upstream.expose());
    let password = match options.text("root-passwd") {
        Some(password) => SecretString::from(password),
        // Only where it is needed: the file may be gone by now.
        None if node.is_initialised() => SecretString::default(),
        None => node.given_root_password()?.unwrap_or_default(),
    };
    // The hash goes first, as in devpi.
    let hash = options
        .text("root-passwd-hash")
        .filter(|hash| !hash.is_empty())
        .map(SecretString::from);
    let first = match &hash {
        Some(hash) => node.app.ensure_root_with_hash(hash, mirrored).await,
        None => node.app.ensure_root(&password, mirrored).await,
    };
    let first = first.map_err(|error| {
        Failure::caused_by("the user 'root' cannot be made", &error)
            .with_hint("give another --root-passwd or --root-passwd-hash, and run it again")
    })?;
    if first == FirstStart::Created {
        let kind = if hash.is_some() || !password.expose_secret().is_empty() {
            "the given password"
        } else {
            "the empty password"
        };
        output::data(&format!("created user 'root' with {kind}"));
        if wants_mirror {
            output::data(&format!(
                "created index root/pypi, a mirror of {}",
                upstream.redacted()
            ));
        }
    }
    Ok(first)
}
