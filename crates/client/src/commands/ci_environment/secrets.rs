//! Shell code whose secrets are in a file.

use std::io::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

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

/// One file for each server and purpose: steps of a job that run at once may each have their own, and the
/// password for one server must not go to another. In characters that no file system minds.
fn secrets_name(shell: Shell, plan: &Plan<'_>) -> String {
    let encoded = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
            .to_string()
            .replace('%', "_")
    };
    let who = |credentials: Option<&Credentials>| {
        credentials.map_or_else(String::new, |credentials| encoded(&credentials.user))
    };
    let digest = Sha256::digest(plan.address.root.as_str());
    let server = u32::from_be_bytes(digest.first_chunk().copied().unwrap_or_default());
    format!(
        "secrets-{server:08x}-{}-{}-{}-{}.{}",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::ci_environment::address::Address;
    use crate::commands::ci_environment::variables::Caches;
    use crate::commands::ci_environment::workspace::Workspace;

    #[test]
    fn each_server_and_purpose_has_a_file_of_its_own() {
        let workspace = Workspace {
            path: "/ws".into(),
            named_by: None,
        };
        let bob = Credentials::new("bob", "pw");
        let mut names = std::collections::BTreeSet::new();
        for root in ["https://shop.test/", "https://shop.test/devpi/"] {
            for (install_as, upload_as) in [(None, Some(&bob)), (Some(&bob), None)] {
                let address = Address {
                    root: root.parse().unwrap(),
                    basic: None,
                    named_by: String::new(),
                    index: cheeseshop_domain::IndexName::parse("a/b").unwrap(),
                };
                let plan = Plan {
                    address: &address,
                    workspace: &workspace,
                    user: None,
                    install_as,
                    upload_as,
                    ca_bundle: None,
                    caches: Caches::Untouched,
                };
                names.insert(secrets_name(Shell::Sh, &plan));
            }
        }
        assert_eq!(names.len(), 4, "{names:?}");
    }
}
