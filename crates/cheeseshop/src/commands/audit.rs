//! `cheeseshop audit verify`: proves that the log of changes is whole.
//!
//! Each recorded change carries the hash of the one before it, so an edited, removed or inserted
//! row breaks the chain at its place. Reads only, and works beside a running server.

use cheeseshop_storage::database::change_log;

use crate::cli::SettingArgs;
use crate::config::Config;
use crate::failure::Failure;
use crate::{logging, node, output};

/// Walks the whole log. A broken chain is an answer: exit code 1.
pub(crate) async fn verify(settings: &SettingArgs) -> Result<(), Failure> {
    let config = Config::load(settings, &[])?;
    logging::start(&config.log)?;
    node::existing(&config)?;
    let db = node::open_database(&config, false).await?;
    let result = change_log::verify(&db).await;
    db.close().await;
    let report =
        result.map_err(|error| Failure::caused_by("the log of changes cannot be read", &error))?;
    match report.broken {
        None => {
            // Who keeps the last line elsewhere can prove later that nothing was cut off the end.
            output::data(&format!(
                "{} changes verified, the newest is {} with hash {}",
                report.verified, report.head, report.head_hash
            ));
            Ok(())
        }
        Some(found) => Err(Failure::answer_is_no(format!(
            "the log of changes is broken at serial {}: {}",
            found.serial, found.reason
        ))
        .with_hint(format!(
            "the {} changes before it are as they were recorded; compare with a backup",
            report.verified
        ))),
    }
}
