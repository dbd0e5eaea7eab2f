//! `devpi list`: the projects of an index, or the files of a project.

mod document;
mod shown;

use cheeseshop_domain::TestReport;
use clap::Args;
use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use self::shown::Listed;
use crate::Server;
use crate::commands::project::Spec;
use crate::commands::refresh::refuse_path;
use crate::commands::session::{is_url, no_answer};
use crate::commands::{Connection, Failure, OnError, Session, names};
use crate::projects::{Link, Project, Release, url_below};

/// Projects that are asked for at once.
const AT_ONCE: usize = 8;

/// Arguments of `devpi list`.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub struct ListArgs {
    /// Show what failed in tests and their set-up; implies -t.
    #[arg(short, long)]
    failures: bool,

    /// Show all versions instead of just the newest.
    #[arg(long)]
    all: bool,

    /// Show test results of the files.
    #[arg(short, long)]
    toxresults: bool,

    /// Index to look at [default: the one in use].
    #[arg(long)]
    index: Option<String>,

    /// Leave out what is inherited from bases.
    #[arg(long)]
    ignore_bases: bool,

    /// Print a JSON document; of a project with all versions.
    #[arg(long)]
    json: bool,

    /// Projects, perhaps with versions, such as 'pytest>=2.3.5' (the quotes are for the shell); `-`:
    /// those on standard input, one a line. Without any the names of all projects that the index
    /// itself has.
    #[arg(value_name = "SPEC")]
    specs: Vec<String>,
}

impl ListArgs {
    fn shows_results(&self) -> bool {
        self.toxresults || self.failures
    }
}

pub(super) async fn run(session: &mut Session, arguments: &ListArgs) -> Result<(), Failure> {
    if arguments.json {
        session.output.be_quiet();
    }
    let given = arguments.index.as_deref();
    let mut connection = session.connection(given).await?;
    let index = connection.index_url()?;
    if arguments.specs.is_empty() {
        if !given.is_some_and(is_url) {
            refuse_path(given)?;
        }
        return list_index(session, &mut connection, &index, arguments).await;
    }
    let specs = names::given_lines(&arguments.specs)?;
    let specs = specs
        .iter()
        .map(|spec| Spec::parse(spec))
        .collect::<Result<Vec<_>, _>>()?;
    let mut documents = Vec::new();
    let mut is_complete = true;
    for spec in &specs {
        let url = spec.url(&index);
        // A document that lacks something says so by not being there.
        let on_error = if arguments.json {
            OnError::Stop
        } else {
            OnError::Tell
        };
        let project = session
            .project(&mut connection, url, !arguments.ignore_bases, on_error)
            .await?;
        let Some(project) = project else {
            is_complete = false;
            continue;
        };
        let listed = Listed::of(&project, spec, arguments.all || arguments.json);
        if arguments.json {
            let server = connection.server()?;
            let results = arguments.shows_results().then_some(Results {
                server: &server,
                with_commands: arguments.failures,
            });
            documents.push(document::of_project(spec, &listed, &index, results).await);
        } else {
            show(session, &mut connection, &listed, &index, arguments).await?;
        }
    }
    if arguments.json {
        print(session, &index, &documents);
    }
    if is_complete {
        Ok(())
    } else {
        Err(Failure::told())
    }
}

/// Shows a project's files, newest version first.
async fn show(
    session: &mut Session,
    connection: &mut Connection,
    listed: &Listed<'_>,
    index: &Url,
    arguments: &ListArgs,
) -> Result<(), Failure> {
    for release in &listed.releases {
        for (release, is_shadowed) in shown::with_shadowed(release) {
            for file in shown::files(release) {
                let (style, line) = shown::file_line(release, file, is_shadowed, index);
                session.output.styled(style, &line);
                if arguments.shows_results() {
                    show_results(session, connection, release, file, arguments).await?;
                }
            }
        }
    }
    if listed.hidden > 0 {
        session.output.info(&format!(
            "{} older versions not shown, use --all to see",
            listed.hidden
        ));
    }
    Ok(())
}

/// Shows what the newest run on each machine said of a file.
async fn show_results(
    session: &mut Session,
    connection: &mut Connection,
    release: &Release,
    file: &Link,
    arguments: &ListArgs,
) -> Result<(), Failure> {
    let mut seen = shown::Seen::default();
    for result in release.test_results_of(&file.url) {
        let report = connection.server()?.test_result(&result.url).await;
        let Some(report) = report.ok().filter(is_report) else {
            let text = format!("corrupt toxresult, skipping: {}", result.url);
            session.output.error(&text);
            continue;
        };
        for (style, line) in shown::report_lines(&report, &mut seen, arguments.failures) {
            session.output.styled(style, &line);
        }
    }
    Ok(())
}

/// Whether a JSON object says what every report says.
fn is_report(report: &TestReport) -> bool {
    !report.host.is_empty() && !report.platform.is_empty()
}

/// How test results get into a JSON document.
#[derive(Clone, Copy)]
struct Results<'a> {
    server: &'a Server,
    with_commands: bool,
}

/// Lists the projects that the index itself has.
async fn list_index(
    session: &mut Session,
    connection: &mut Connection,
    index: &Url,
    arguments: &ListArgs,
) -> Result<(), Failure> {
    // As devpi-client asks: without the slash.
    let mut url = index.clone();
    url.set_path(index.path().trim_end_matches('/'));
    let settings = session.get(connection, url, "indexconfig").await?;
    let mut projects: Vec<&str> = settings
        .get("projects")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    projects.sort_unstable();
    if session.options.verbose == 0 {
        if arguments.json {
            let documents: Vec<_> = projects.iter().map(|name| json!({"name": name})).collect();
            print(session, index, &documents);
        } else {
            for project in projects {
                session.output.info(project);
            }
        }
        return Ok(());
    }
    let documents = list_versions(session, connection, index, &projects, arguments).await?;
    if arguments.json {
        print(session, index, &documents);
    }
    Ok(())
}

/// Lists the projects with their versions.
async fn list_versions(
    session: &mut Session,
    connection: &mut Connection,
    index: &Url,
    projects: &[&str],
    arguments: &ListArgs,
) -> Result<Vec<Value>, Failure> {
    let server = connection.server()?;
    let ask = |name: &str| {
        let mut url = url_below(index, name, None);
        if arguments.ignore_bases {
            url.set_query(Some("ignore_bases="));
        }
        let name = name.to_owned();
        let server = server.clone();
        async move {
            let answer = server.request_url(Method::GET, url.clone()).send().await;
            (name, url, answer)
        }
    };
    let asked: Vec<_> = projects.iter().map(|name| ask(name)).collect();
    let mut answers = futures_util::stream::iter(asked).buffered(AT_ONCE);
    let mut documents = Vec::new();
    while let Some((project, url, answer)) = answers.next().await {
        let answer = answer.map_err(|error| no_answer(url.as_str(), &error))?;
        let answer = session.heed(connection, answer, OnError::Stop)?;
        if answer.kind() != Some("projectconfig") {
            return Err(Failure::fatal(format!(
                "{url}: got result type '{}', expected 'projectconfig'",
                answer.kind().unwrap_or("None")
            )));
        }
        let mut releases = Project::read(answer.result(), &answer.url)?.releases;
        if !arguments.all {
            releases.truncate(1);
        }
        if arguments.json {
            let versions = releases.iter().map(|release| release.version.as_str());
            documents.push(json!({
                "name": project,
                "releases": versions.map(|version| json!({"version": version})).collect::<Vec<_>>(),
            }));
            continue;
        }
        for release in releases.iter().rev() {
            let name = Some(release.name.as_str()).filter(|name| !name.is_empty());
            let line = format!("{}=={}", name.unwrap_or(&project), release.version);
            session.output.info(&line);
        }
    }
    Ok(documents)
}

fn print(session: &mut Session, index: &Url, projects: &[Value]) {
    let index = index.as_str().trim_end_matches('/');
    let document = json!({"index": index, "projects": projects});
    session.output.json(&format!("{document:#}"));
}
