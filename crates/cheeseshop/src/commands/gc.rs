//! `cheeseshop gc`: removes the bytes that no file refers to.
//!
//! Works beside a running server: bytes younger than a grace period are left alone, because an
//! upload may be about to refer to them.

use std::time::Duration;

use cheeseshop_app::Error;
use cheeseshop_app::garbage::GarbageOptions;

use crate::cli::{GcArgs, SettingArgs};
use crate::config::{Config, parse_duration};
use crate::failure::Failure;
use crate::node::Node;
use crate::{logging, output};

/// Collects garbage and prints what was found.
pub(crate) async fn run(settings: &SettingArgs, arguments: &GcArgs) -> Result<(), Failure> {
    let config = Config::load(settings, &[])?;
    logging::start(&config.log)?;
    let grace: Duration = parse_duration(&arguments.older_than)
        .map_err(|message| Failure::could_not_try(format!("--older-than: {message}")))?;
    let wait: Duration = parse_duration(&arguments.wait)
        .map_err(|message| Failure::could_not_try(format!("--wait: {message}")))?;
    let node = Node::open_existing(&config).await?;
    let options = GarbageOptions {
        dry_run: arguments.dry_run,
        grace,
        wait,
        ..GarbageOptions::default()
    };
    let result = node.app.collect_garbage(options).await;
    node.close().await;
    let report = result.map_err(|error| {
        let failure = Failure::caused_by("garbage cannot be collected", &error);
        match error {
            Error::Conflict(_) => failure.with_hint(
                "start it again when that has ended, or wait for longer with --wait SECONDS",
            ),
            _ => failure,
        }
    })?;
    let removed = if arguments.dry_run {
        "would be removed"
    } else {
        "removed"
    };
    output::data(&format!(
        "{} blobs examined, {} {removed} ({} bytes), {} too young to tell",
        report.examined, report.removed, report.removed_bytes, report.spared
    ));
    Ok(())
}
