//! `devpi remove`: projects, releases or single files of an index.

use clap::Args;
use url::Url;

use crate::commands::project::Spec;
use crate::commands::refresh::refuse_path;
use crate::commands::session::is_url;
use crate::commands::{Connection, Failure, OnError, Session, names};
use crate::projects::{Link, Release, forced, url_below};
use crate::server::without_credentials;

/// Arguments of `devpi remove`.
#[derive(Args, Debug)]
pub struct RemoveArgs {
    /// Index to remove from [default: the one in use].
    #[arg(long)]
    index: Option<String>,

    /// Remove also where files are there to stay (index that is not volatile).
    #[arg(short, long)]
    force: bool,

    /// Projects (all of it), versions such as 'pytest<2' (the quotes are for the shell), or URLs of files;
    /// `-`: those on standard input, one a line.
    #[arg(value_name = "SPEC_OR_URL", required = true)]
    specs: Vec<String>,
}

/// What a spec removes.
struct Doomed {
    spec: Spec,
    /// Oldest first.
    releases: Vec<Release>,
}

pub(super) async fn run(session: &mut Session, arguments: &RemoveArgs) -> Result<(), Failure> {
    let given = arguments.index.as_deref();
    let mut connection = session.connection(given).await?;
    let index = connection.index_url()?;
    if !given.is_some_and(is_url) {
        refuse_path(given)?;
    }
    let mut files = Vec::new();
    let mut specs = Vec::new();
    for text in names::given_lines(&arguments.specs)? {
        if is_url(&text) {
            files.push(file_url(&text, arguments.force)?);
        } else {
            specs.push(Spec::parse(&text)?);
        }
    }
    let is_alone = specs.len() == 1;
    let (doomed, all_found) = doomed(session, &mut connection, &index, specs).await?;
    if !files.is_empty() {
        remove_files(session, &mut connection, &files).await?;
    }
    if !doomed.is_empty() {
        tell(session, &doomed, &index, is_alone);
        if session
            .output
            .confirm("Are you sure", session.options.yes)?
        {
            for doomed in &doomed {
                remove(session, &mut connection, doomed, &index, arguments.force).await?;
            }
        } else {
            session.output.error("not deleting anything");
        }
    }
    if all_found {
        Ok(())
    } else {
        Err(Failure::told())
    }
}

/// The URL of a file to remove, without what does not go to a server.
fn file_url(text: &str, force: bool) -> Result<Url, Failure> {
    let url: Url = text.parse().map_err(|_| {
        Failure::fatal(format!(
            "invalid URL: {}",
            crate::tool_config::without_password(text)
        ))
    })?;
    let mut url = without_credentials(&url);
    url.set_fragment(None);
    Ok(if force { forced(url) } else { url })
}

async fn remove_files(
    session: &mut Session,
    connection: &mut Connection,
    files: &[Url],
) -> Result<(), Failure> {
    session.output.info(if files.len() == 1 {
        "About to remove the following file:"
    } else {
        "About to remove the following files:"
    });
    for url in files {
        session.output.info(url.as_str());
    }
    if session
        .output
        .confirm("Are you sure", session.options.yes)?
    {
        for url in files {
            session.delete(connection, url.clone()).await?;
        }
    }
    Ok(())
}

/// What the specs remove, and whether all of them found something.
async fn doomed(
    session: &mut Session,
    connection: &mut Connection,
    index: &Url,
    specs: Vec<Spec>,
) -> Result<(Vec<Doomed>, bool), Failure> {
    let mut found = Vec::new();
    let mut all_found = true;
    for spec in specs {
        let url = spec.url(index);
        let project = session
            .project(connection, url, false, OnError::Tell)
            .await?;
        let Some(project) = project else {
            all_found = false;
            continue;
        };
        let mut releases: Vec<_> = project
            .releases
            .into_iter()
            .filter(|release| spec.requirement.admits(&release.version))
            .filter(|release| !links_on(release, index).is_empty())
            .collect();
        releases.reverse();
        if releases.is_empty() {
            all_found = false;
            session.output.error(&format!(
                "No releases or distributions found matching '{}'.",
                spec.text
            ));
            continue;
        }
        found.push(Doomed { spec, releases });
    }
    Ok((found, all_found))
}

/// What a release has on the index itself, by name.
fn links_on<'a>(release: &'a Release, index: &Url) -> Vec<&'a Link> {
    let mut links: Vec<_> = release
        .links
        .iter()
        .filter(|link| link.url.as_str().starts_with(index.as_str()))
        .collect();
    links.sort_by(|one, two| one.base_name().cmp(two.base_name()));
    links
}

fn tell(session: &mut Session, doomed: &[Doomed], index: &Url, is_alone: bool) {
    session
        .output
        .info("About to remove the following releases and distributions");
    for doomed in doomed {
        if !is_alone {
            let text = format!("project: {}", doomed.spec.name());
            session.output.info(&text);
        }
        for release in &doomed.releases {
            let text = format!("version: {}", release.version);
            session.output.info(&text);
            for link in links_on(release, index) {
                session.output.info(&format!("  - {}", link.url));
            }
        }
    }
}

async fn remove(
    session: &mut Session,
    connection: &mut Connection,
    doomed: &Doomed,
    index: &Url,
    force: bool,
) -> Result<(), Failure> {
    let with_force = |url: Url| if force { forced(url) } else { url };
    let name = doomed.spec.name();
    if doomed.spec.requirement.is_open() {
        let url = with_force(url_below(index, name, None));
        return session.delete(connection, url).await;
    }
    for release in &doomed.releases {
        let text = format!("deleting release {} of {name}", release.version);
        session.output.info(&text);
        let url = with_force(url_below(index, name, Some(&release.version)));
        session.delete(connection, url).await?;
    }
    Ok(())
}
