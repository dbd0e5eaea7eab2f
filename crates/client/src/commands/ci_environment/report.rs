//! What is said beside the variables.

use std::collections::BTreeSet;

use super::setting::{Setting, Value};
use super::spelling::{FileFormat, Format};
use super::variables::{Plan, host_without_certificate};
use crate::commands::Session;
use crate::commands::connection::with_credentials;

/// More variables of a report GitLab does not take, unless its administrator says so.
const GITLAB_LIMIT: usize = 20;

/// Has GitHub hide what is secret before it shows the variables of each following step.
pub(super) fn hide_from_logs(
    session: &mut Session,
    plan: &Plan<'_>,
    format: Format,
    settings: &[Setting],
) {
    let is_runner = session.environment.get("GITHUB_ACTIONS") == Some("true");
    if !is_runner || format != Format::File(FileFormat::Github) {
        return;
    }
    for value in masked(plan, settings) {
        // The runner takes this line away, and never shows the value. It reads `%` as an escape.
        let value = value.replace('%', "%25");
        session.output.talk(&format!("::add-mask::{value}"));
    }
}

/// What must not be shown: the values, and what is secret in them by itself, since tools print other URLs
/// of the index with the same password.
fn masked(plan: &Plan<'_>, settings: &[Setting]) -> BTreeSet<String> {
    let values = settings.iter().filter(|setting| setting.is_secret());
    let mut masked: BTreeSet<String> = values
        .filter_map(|setting| setting.exposed())
        .map(str::to_owned)
        .collect();
    for credentials in [plan.install_as, plan.upload_as].into_iter().flatten() {
        masked.insert(credentials.secret().to_owned());
        let url = with_credentials(plan.address.root.clone(), credentials);
        masked.extend(url.password().map(str::to_owned));
    }
    masked
}

/// Says what was decided and why, without secrets.
pub(super) fn tell(session: &mut Session, plan: &Plan<'_>, format: Format, settings: &[Setting]) {
    let Plan {
        address, workspace, ..
    } = plan;
    let output = &mut session.output;
    output.talk(&format!(
        "index {} at {} (named by {})",
        address.index, address.root, address.named_by
    ));
    let why = match workspace.named_by {
        Some(name) => format!("the workspace is named by {name}"),
        None => {
            "no workspace is named: this directory is temporary, and yours to remove".to_owned()
        }
    };
    output.talk(&format!("state in {} ({why})", workspace.state().display()));
    if let Some(host) = host_without_certificate(&address.root) {
        output.talk(&format!(
            "warning: {host} is asked without encryption: whoever is on the way can change what is installed"
        ));
    }
    let names = |is_wanted: fn(&Value) -> bool| {
        settings
            .iter()
            .filter(|setting| is_wanted(&setting.value))
            .map(|setting| setting.name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    output.talk(&format!(
        "sets {}",
        names(|value| matches!(value, Value::Text(_)))
    ));
    let secret = names(|value| matches!(value, Value::Secret(_)));
    if !secret.is_empty() {
        output.talk(&format!("sets with a secret {secret}"));
    }
    let unset = names(|value| matches!(value, Value::Unset));
    if !unset.is_empty() {
        output.talk(&format!("unsets {unset}, which would let other indexes in"));
    }
    if format == Format::File(FileFormat::Gitlab) && settings.len() > GITLAB_LIMIT {
        output.talk(&format!(
            "warning: these are {} variables, and GitLab takes {GITLAB_LIMIT} of a report unless its \
             administrator allows more: leave some out with --keep-caches",
            settings.len()
        ));
    }
}
