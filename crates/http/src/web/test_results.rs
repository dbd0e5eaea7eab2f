//! Test results for people: one table for a file, one report for a run. Both are made of the
//! documents that programs get, and show what they show.

use std::fmt::Write as _;

use axum::response::Response;
use cheeseshop_domain::api::{TestCommandDocument, TestEnvironmentDocument, TestRunDocument};

use super::page::{escaped, report};

/// The results of a file. Each run is told with the address of its own page.
pub(crate) fn list_page(title: &str, runs: &[(TestRunDocument, String)]) -> Response {
    if runs.is_empty() {
        return report(title, "<p>No test results.</p>\n");
    }
    let mut rows = String::new();
    for (run, address) in runs {
        list_run(&mut rows, run, address);
    }
    let body = format!(
        "<table>\n<thead><tr><th>Uploaded</th><th>Host</th><th>Platform</th><th>Environment</th>\
         <th>Python</th><th>Tests</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    );
    report(title, &body)
}

/// One run with its commands and what they wrote.
pub(crate) fn run_page(title: &str, run: &TestRunDocument) -> Response {
    let raw = format!(
        "<p><a href=\"{}\">As it was uploaded</a>, {} UTC</p>\n",
        escaped(&run.href),
        escaped(&run.uploaded)
    );
    let Some(told) = &run.report else {
        return report(title, &format!("{raw}{NOT_UNDERSTOOD}"));
    };
    let mut body = format!(
        "<p>{} on {}{}: <strong{}>{}</strong></p>\n{raw}",
        escaped(&told.host),
        escaped(&told.platform),
        told.toxversion
            .as_deref()
            .map_or_else(String::new, |version| format!(", tox {}", escaped(version))),
        class(&told.outcome),
        escaped(&told.outcome),
    );
    for environment in &told.testenvs {
        for (part, anchor, commands) in [
            ("setup", Part::Setup, &environment.setup),
            ("tests", Part::Test, &environment.test),
        ] {
            let _ = writeln!(
                body,
                "<h2 id=\"{}\">{} {part}</h2>",
                escaped(&anchor.of(&told.host, &told.platform, environment)),
                escaped(&environment.name),
            );
            write_commands(&mut body, commands.as_deref().unwrap_or_default());
        }
    }
    report(title, &body)
}

const NOT_UNDERSTOOD: &str = "<p>Not a report of tox, or one of too many to be read.</p>\n";

/// The parts of an environment's page, with devpi-web's anchors.
#[derive(Clone, Copy)]
enum Part {
    Setup,
    Test,
}

impl Part {
    fn of(self, host: &str, platform: &str, environment: &TestEnvironmentDocument) -> String {
        let part = match self {
            Self::Setup => "setup",
            Self::Test => "test",
        };
        format!("{host}-{platform}-{}-{part}", environment.name)
    }
}

fn list_run(rows: &mut String, run: &TestRunDocument, address: &str) {
    let uploaded = escaped(&run.uploaded);
    let Some(told) = &run.report else {
        let _ = writeln!(
            rows,
            "<tr><td>{uploaded}</td><td colspan=\"4\"></td>\
             <td><a href=\"{}\">not understood</a></td></tr>",
            escaped(address)
        );
        return;
    };
    for environment in &told.testenvs {
        let part = if environment.setup_failed {
            Part::Setup
        } else {
            Part::Test
        };
        let anchor = part.of(&told.host, &told.platform, environment);
        let said = if environment.setup_failed {
            "setup failed"
        } else {
            &environment.outcome
        };
        let _ = writeln!(
            rows,
            "<tr><td>{uploaded}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td><a href=\"{}#{}\"{}>{}</a></td></tr>",
            escaped(&told.host),
            escaped(&told.platform),
            escaped(&environment.name),
            escaped(environment.python.as_deref().unwrap_or_default()),
            escaped(address),
            escaped(&anchor),
            class(&environment.outcome),
            escaped(said),
        );
    }
}

fn write_commands(body: &mut String, commands: &[TestCommandDocument]) {
    if commands.is_empty() {
        body.push_str("<p>Nothing was run.</p>\n");
    }
    for command in commands {
        let failed = if command.failed { "failed" } else { "passed" };
        let _ = writeln!(
            body,
            "<p><code>{}</code> <span{}>{failed}</span></p>\n<pre>{}</pre>",
            escaped(&command.command),
            class(failed),
            lines(&command.output),
        );
    }
}

fn class(outcome: &str) -> &'static str {
    if outcome == "failed" {
        " class=\"failed\""
    } else {
        ""
    }
}

/// What a program wrote, line by line: escaping alone would replace the ends of lines, too.
fn lines(output: &str) -> String {
    let lines: Vec<String> = output
        .lines()
        .map(|line| escaped(&line.replace('\t', "    ")))
        .collect();
    lines.join("\n")
}
