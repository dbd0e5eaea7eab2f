//! `devpi list --json`.

use cheeseshop_domain::{TestEnvironment, TestPhase, TestReport};
use serde_json::{Map, Value, json};
use url::Url;

use super::shown::{self, Listed, Seen};
use super::{Results, is_report};
use crate::commands::project::Spec;
use crate::projects::{Link, Release};

/// A project with its releases and their files.
pub(super) async fn of_project(
    spec: &Spec,
    listed: &Listed<'_>,
    index: &Url,
    results: Option<Results<'_>>,
) -> Value {
    let mut releases = Vec::new();
    for release in &listed.releases {
        let mut files = Vec::new();
        for (release, is_shadowed) in shown::with_shadowed(release) {
            for file in shown::files(release) {
                files.push(of_file(release, file, is_shadowed, index, results).await);
            }
        }
        releases.push(json!({"version": release.version.as_str(), "files": files}));
    }
    json!({"name": spec.requirement.project().normalized(), "releases": releases})
}

async fn of_file(
    release: &Release,
    file: &Link,
    is_shadowed: bool,
    index: &Url,
    results: Option<Results<'_>>,
) -> Value {
    let hashes: Map<String, Value> = file
        .hashes
        .iter()
        .map(|(algorithm, digest)| (algorithm.as_str().to_owned(), Value::from(digest)))
        .collect();
    let mut document = json!({
        "url": file.url.as_str(),
        "hashes": hashes,
        "inherited": !shown::is_own(file, index),
        "shadowed": is_shadowed,
    });
    if let Some(results) = results {
        let mut found = Vec::new();
        let mut seen = Seen::default();
        for link in release.test_results_of(&file.url) {
            let report = results.server.test_result(&link.url).await;
            match report.ok().filter(is_report) {
                Some(report) => found.extend(of_report(&report, link, &mut seen, results)),
                None => found.push(json!({"url": link.url.as_str(), "corrupt": true})),
            }
        }
        document["test_results"] = found.into();
    }
    document
}

fn of_report(
    report: &TestReport,
    link: &Link,
    seen: &mut Seen,
    results: Results<'_>,
) -> Vec<Value> {
    let mut found = Vec::new();
    for environment in &report.environments {
        if seen.add(report, &environment.name) {
            let mut document = json!({
                "url": link.url.as_str(),
                "host": report.host,
                "platform": report.platform,
                "environment": environment.name,
                "python": environment.python_version,
                "outcome": environment.outcome().as_str(),
            });
            if results.with_commands {
                document["failed"] = of_failures(environment).into();
            }
            found.push(document);
        }
    }
    found
}

fn of_failures(environment: &TestEnvironment) -> Vec<Value> {
    let of_phase = |phase: &TestPhase| {
        let failed = phase.commands.iter().filter(|command| command.failed);
        let documents =
            failed.map(|command| json!({"command": command.command, "output": command.output}));
        documents.collect::<Vec<_>>()
    };
    let mut found = of_phase(&environment.setup);
    found.extend(of_phase(&environment.test));
    found
}
