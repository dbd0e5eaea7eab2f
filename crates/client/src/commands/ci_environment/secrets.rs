//! Shell code whose secrets are in a file.

use std::io::Write as _;
use std::path::Path;

use super::setting::Setting;
use super::spelling::Shell;
use super::variables::Plan;
use super::workspace::could_not;
use crate::Credentials;
use crate::commands::Failure;
use crate::state::of_file;

/// Shell code. Secrets go by a file that only its owner can read: `sh -x`, which Jenkins uses, would
/// print them.
pub(super) fn shell_code(
    shell: Shell,
    settings: &[Setting],
    plan: &Plan<'_>,
) -> Result<String, Failure> {
    let (secret, open): (Vec<_>, Vec<_>) = settings.iter().cloned().partition(Setting::is_secret);
    let mut text = shell.statements(&open);
    if !secret.is_empty() {
        let path = plan.workspace.state().join(secrets_name(shell, plan));
        write_secrets(&path, &shell.statements(&secret))
            .map_err(|error| could_not(&of_file(&path, error)))?;
        text.push_str(&shell.run_unseen(&path));
    }
    Ok(text)
}

/// One file for each purpose: steps of a job that run at once may each have their own. In characters
/// that no file system minds.
fn secrets_name(shell: Shell, plan: &Plan<'_>) -> String {
    let encoded = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
            .to_string()
            .replace('%', "_")
    };
    let who = |credentials: Option<&Credentials>| {
        credentials.map_or_else(String::new, |credentials| encoded(&credentials.user))
    };
    format!(
        "secrets-{}-{}-{}-{}.{}",
        encoded(plan.address.index.user.as_str()),
        encoded(&plan.address.index.index),
        who(plan.install_as),
        who(plan.upload_as),
        shell.extension()
    )
}

fn write_secrets(path: &Path, text: &str) -> std::io::Result<()> {
    // Only the owner can read a temporary file.
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".secrets")
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
