//! `cheeseshop fsck`: whether the bytes of all files are there and whole.
//!
//! Works beside a running server. The lines are those of devpi-fsck, which scripts read.

use std::time::{Duration, Instant};

use cheeseshop_app::consistency::{Damage, Remark, Thoroughness};

use crate::cli::{FsckArgs, SettingArgs};
use crate::config::Config;
use crate::failure::Failure;
use crate::node::Node;
use crate::{logging, output};

/// How often it is told how far the check is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Checks and prints what is wrong.
pub(crate) async fn run(settings: &SettingArgs, arguments: &FsckArgs) -> Result<(), Failure> {
    let config = Config::load(settings, &[])?;
    logging::start(&config.log)?;
    let node = Node::open_existing(&config).await?;
    let thoroughness = if arguments.no_checksum {
        Thoroughness::Presence
    } else {
        Thoroughness::Digests
    };
    let result = check(&node, thoroughness).await;
    node.close().await;
    result
}

/// Checks an open installation; anything that is lost or wrong makes it fail.
pub(crate) async fn check(node: &Node, thoroughness: Thoroughness) -> Result<(), Failure> {
    let mut last_told = Instant::now();
    let mut tell = |remark| match remark {
        Remark::Wrong(finding) => output::data(&match finding.damage {
            Damage::Missing => format!("Missing file {}", finding.path),
            Damage::Size { got, expected } => {
                format!(
                    "{} - size mismatch, got {got}, expected {expected}",
                    finding.path
                )
            }
            Damage::Digest { got, expected } => {
                format!(
                    "{} - sha256 mismatch, got {got}, expected {expected}",
                    finding.path
                )
            }
            Damage::Unreadable(reason) => {
                format!("{} - cannot be read: {reason}", finding.path)
            }
        }),
        Remark::Progress { blobs } if last_told.elapsed() >= PROGRESS_INTERVAL => {
            last_told = Instant::now();
            output::talk(&format!("Processed a total of {blobs} blobs so far."));
        }
        Remark::Progress { .. } => {}
    };
    let report = node
        .app
        .check_consistency(thoroughness, &mut tell)
        .await
        .map_err(|error| Failure::caused_by("files cannot be checked", &error))?;
    output::data(&format!("Finished with a total of {} files.", report.files));
    if report.missing_on_mirrors > 0 {
        output::data(&format!(
            "A total of {} files are missing in mirrors.",
            report.missing_on_mirrors
        ));
    }
    if report.missing > 0 {
        output::data(&format!("A total of {} files are missing.", report.missing));
    }
    if report.unreadable > 0 {
        output::data(&format!(
            "A total of {} files cannot be read.",
            report.unreadable
        ));
    }
    if report.is_consistent() {
        Ok(())
    } else {
        Err(
            Failure::answer_is_no("There have been errors during consistency check.").with_hint(
                "nothing was changed; files of a backup's `blobs` directory can be copied back \
                 while the server runs",
            ),
        )
    }
}
