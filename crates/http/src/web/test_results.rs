//! Test results for people: one table for a file, one report for a run. Both are made of the
//! documents that programs get, and show what they show.

use axum::response::Response;
use cheeseshop_domain::api::{TestCommandDocument, TestEnvironmentDocument, TestRunDocument};

use super::html::Html;
use super::shop::Page;

/// The results of a file. Each run is told with the address of its own page.
pub(crate) fn list_page(
    page: &Page<'_>,
    title: &str,
    runs: &[(TestRunDocument, String)],
) -> Response {
    let mut body = Html::new();
    if runs.is_empty() {
        body.markup("<p>No test results.</p>\n");
        return page.show(title, &body);
    }
    body.begin_table(
        "Test results",
        &[
            "Uploaded",
            "Host",
            "Platform",
            "Environment",
            "Python",
            "Tests",
        ],
    );
    for (run, address) in runs {
        list_run(&mut body, run, address);
    }
    body.end_table();
    page.show(title, &body)
}

/// One run with its commands and what they wrote.
pub(crate) fn run_page(page: &Page<'_>, title: &str, run: &TestRunDocument) -> Response {
    let mut raw = Html::new();
    raw.markup("<p>")
        .link(&run.href, "As it was uploaded")
        .markup(", ")
        .text(&run.uploaded)
        .markup("</p>\n");
    let mut body = Html::new();
    let Some(told) = &run.report else {
        body.part(&raw).markup(NOT_UNDERSTOOD);
        return page.show(title, &body);
    };
    body.markup("<p>")
        .text(&told.host)
        .markup(" on ")
        .text(&told.platform);
    if let Some(version) = &told.toxversion {
        body.markup(", tox ").text(version);
    }
    body.markup(": <strong")
        .markup(class(&told.outcome))
        .markup(">")
        .text(&told.outcome)
        .markup("</strong></p>\n")
        .part(&raw);
    for environment in &told.testenvs {
        for (part, anchor, commands) in [
            (" setup", Part::Setup, &environment.setup),
            (" tests", Part::Test, &environment.test),
        ] {
            body.markup("<h2 id=\"")
                .text(&anchor.of(&told.host, &told.platform, environment))
                .markup("\">")
                .text(&environment.name)
                .markup(part)
                .markup("</h2>\n");
            write_commands(&mut body, commands.as_deref().unwrap_or_default());
        }
    }
    page.show(title, &body)
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

fn list_run(rows: &mut Html, run: &TestRunDocument, address: &str) {
    let Some(told) = &run.report else {
        rows.markup("<tr><td>")
            .text(&run.uploaded)
            .markup("</td><td colspan=\"4\"></td><td>")
            .link(address, "not understood")
            .markup("</td></tr>\n");
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
        rows.markup("<tr>");
        for cell in [
            run.uploaded.as_str(),
            &told.host,
            &told.platform,
            &environment.name,
            environment.python.as_deref().unwrap_or_default(),
        ] {
            rows.markup("<td>").text(cell).markup("</td>");
        }
        rows.markup("<td><a href=\"")
            .text(&format!("{address}#{anchor}"))
            .markup("\"")
            .markup(class(&environment.outcome))
            .markup(">")
            .text(said)
            .markup("</a></td></tr>\n");
    }
}

fn write_commands(body: &mut Html, commands: &[TestCommandDocument]) {
    if commands.is_empty() {
        body.markup("<p>Nothing was run.</p>\n");
    }
    for command in commands {
        let failed = if command.failed { "failed" } else { "passed" };
        body.markup("<p><code>")
            .text(&command.command)
            .markup("</code> <span")
            .markup(class(failed))
            .markup(">")
            .markup(failed)
            .markup("</span></p>\n<pre>")
            .lines(&command.output)
            .markup("</pre>\n");
    }
}

fn class(outcome: &str) -> &'static str {
    if outcome == "failed" {
        " class=\"failed\""
    } else {
        ""
    }
}
