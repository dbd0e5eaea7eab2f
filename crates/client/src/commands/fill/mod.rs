//! `cheeseshop fill`: wheels of what files of requirements ask for, in an index.
//!
//! pip resolves and builds, with the index as its index, so that it builds only what has no wheel;
//! what an index has is asked for once a project.

mod build;
mod outcome;
mod pip;
mod resolve;
mod work;

use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use cheeseshop_packaging::Requirement;
use clap::Args;
use url::Url;

use self::outcome::Report;
use self::pip::Pip;
use self::work::{Target, Work};
use crate::commands::interrupt::unless_ended;
use crate::commands::session::is_url;
use crate::commands::upload::ServerClock;
use crate::commands::{Connection, Failure, Session};
use crate::fill::Requirements;
use crate::programs::Programs;
use crate::tool_config::without_password;
use crate::{Credentials, Server, Token};

/// The largest file of requirements.
const LARGEST_REQUIREMENTS_BYTES: u64 = 16 << 20;

/// Arguments of `cheeseshop fill`.
#[expect(clippy::struct_excessive_bools, reason = "options of a command line")]
#[derive(Args, Debug)]
pub struct FillArgs {
    /// Files of requirements, as pip reads them; `-` is standard input.
    #[arg(value_name = "REQUIREMENTS", required = true, num_args = 1..)]
    requirements: Vec<String>,

    /// The index to fill: NAME, USER/NAME or a URL.
    #[arg(value_name = "INDEX", required = true)]
    index: String,

    /// Versions that dependencies have to agree with; may be repeated.
    #[arg(short, long = "constraint", value_name = "FILE")]
    constraints: Vec<String>,

    /// The Python to build for and with, which has pip [default: of the active environment, else python3].
    #[arg(short, long, value_name = "PYTHON")]
    python: Option<String>,

    /// The index for wheels that every Python 3 can use; what it has is not built either.
    #[arg(long, value_name = "INDEX")]
    pure_index: Option<String>,

    /// Where sources and wheels come from: USER/NAME, or the URL of an index as pip takes it [default:
    /// the index to fill].
    #[arg(long = "from", value_name = "INDEX")]
    source: Option<String>,

    /// Count wheels as missing that only bases of the index have.
    #[arg(long)]
    ignore_bases: bool,

    /// Leave out dependencies: only what the files name.
    #[arg(long)]
    no_deps: bool,

    /// A file of requirements that are neither built nor uploaded; may be repeated.
    #[arg(long, value_name = "FILE")]
    blacklist: Vec<String>,

    /// Build what is missing, but upload nothing.
    #[arg(long)]
    dry_run: bool,

    /// How many wheels are built at once [default: one a processor].
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Write the report as JSON.
    #[arg(long)]
    json: bool,

    /// Also write the report to a file in JUnit's format.
    #[arg(long, value_name = "FILE")]
    junit_xml: Option<PathBuf>,

    /// A text behind every name in the JUnit report, to tell runs apart.
    #[arg(long, value_name = "TEXT")]
    run_id: Option<String>,
}

pub(super) async fn run(session: &mut Session, arguments: &FillArgs) -> Result<(), Failure> {
    if arguments.json {
        session.output.be_quiet();
    }
    let folder = tempfile::Builder::new()
        .prefix("cheeseshop-fill-")
        .tempdir()
        .map_err(|error| could_not_try(format!("there is no temporary directory: {error}")))?;
    let programs = Programs::default();
    let work =
        async |session: &mut Session| fill(session, arguments, folder.path(), &programs).await;
    let result = unless_ended(session, work).await;
    session.output.passing("");
    programs.end().await;
    let report = result.map_err(|_| Failure {
        message: "interrupted: what was uploaded so far is there, nothing else remains".to_owned(),
        code: 130,
    })??;
    report.tell(session, arguments.json);
    if let Some(path) = &arguments.junit_xml {
        let path = session.environment.directory().join(path);
        let text = report.junit(arguments.run_id.as_deref());
        std::fs::write(&path, text)
            .map_err(|error| Failure::fatal(format!("{}: {error}", path.display())))?;
    }
    if report.has_failed() {
        return Err(Failure::told());
    }
    Ok(())
}

async fn fill(
    session: &mut Session,
    arguments: &FillArgs,
    folder: &Path,
    programs: &Programs,
) -> Result<Report, Failure> {
    let requirements = read_requirements(session, arguments)?;
    let blacklist = read_blacklist(session, arguments)?;
    let mut connection = session
        .connection(Some(&arguments.index))
        .await
        .map_err(not_tried)?;
    let server = connection.server().map_err(not_tried)?;
    let url = connection.index_url().map_err(not_tried)?;
    let index = Target::new(&connection, &url);
    let pure = match &arguments.pure_index {
        Some(name) => Some(Target::new(
            &connection,
            &connection
                .url_of_index(name, &session.environment)
                .map_err(not_tried)?,
        )),
        None => None,
    };
    for target in [Some(&index), pure.as_ref()].into_iter().flatten() {
        check_target(&server, target, arguments.dry_run).await?;
    }
    let source = match &arguments.source {
        Some(source) if is_url(source) => source
            .parse()
            .map_err(|_| could_not_try(format!("invalid URL: {}", without_password(source))))?,
        Some(source) => Target::new(
            &connection,
            &connection
                .url_of_index(source, &session.environment)
                .map_err(not_tried)?,
        )
        .simple(),
        None => index.simple(),
    };
    let source = readable(&connection, source);
    let python = arguments.python.as_deref();
    let (pip, tags) = Pip::find(session, python, &source, folder, programs).await?;
    let jobs = arguments
        .jobs
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get);
    let work = Work {
        server,
        clock: ServerClock::default(),
        pip,
        folder,
        index,
        pure,
        tags,
        blacklist,
        jobs,
        ignores_bases: arguments.ignore_bases,
        // With digests everything that is needed has to be listed.
        leaves_out_dependencies: arguments.no_deps || requirements.has_hashes(),
        requirements,
        is_dry_run: arguments.dry_run,
    };
    Ok(work.run(&mut session.output).await)
}

fn read_requirements(session: &Session, arguments: &FillArgs) -> Result<Requirements, Failure> {
    let mut requirements = Requirements::default();
    let directory = session.environment.directory();
    for path in &arguments.constraints {
        requirements.constrain(directory, path);
    }
    for name in &arguments.requirements {
        read_file(session, name, &mut requirements)?;
    }
    Ok(requirements)
}

fn read_blacklist(session: &Session, arguments: &FillArgs) -> Result<Vec<Requirement>, Failure> {
    let mut blacklist = Requirements::default();
    for name in &arguments.blacklist {
        read_file(session, name, &mut blacklist)?;
    }
    blacklist
        .names()
        .map_err(|error| could_not_try(error.to_string()))
}

fn read_file(session: &Session, name: &str, into: &mut Requirements) -> Result<(), Failure> {
    let path = match name {
        // Beside it is where the process works.
        "-" => session.environment.directory().join("-"),
        name => session.environment.expand(name),
    };
    let is_input = |path: &Path| name == "-" && path.ends_with("-");
    let read = |path: &Path| {
        if is_input(path) {
            whole_text(std::io::stdin())
        } else {
            whole_text(std::fs::File::open(path)?)
        }
    };
    into.read(&path, &read)
        .map_err(|error| could_not_try(error.to_string()))
}

/// A part of it would be a fill that is told as if it were whole.
fn whole_text(reader: impl std::io::Read) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    reader
        .take(LARGEST_REQUIREMENTS_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_REQUIREMENTS_BYTES {
        let limit = LARGEST_REQUIREMENTS_BYTES >> 20;
        return Err(std::io::Error::other(format!(
            "larger than {limit} MiB, which is the limit"
        )));
    }
    String::from_utf8(bytes)
        .map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "no UTF-8"))
}

/// Looks whether an index can be filled before much time is spent on wheels for it.
async fn check_target(server: &Server, target: &Target, is_dry_run: bool) -> Result<(), Failure> {
    let url = &target.url;
    let mut asked = url.clone();
    asked.set_query(Some("no_projects="));
    let answer = server
        .request_url(reqwest::Method::GET, asked)
        .send()
        .await
        .and_then(|answer| answer.expect("indexconfig"))
        .map_err(|error| could_not_try(format!("{url}: {}", error.chain())))?;
    let kind = answer.get("type").and_then(|kind| kind.as_str());
    if matches!(kind, Some("mirror" | "constrained")) {
        return Err(could_not_try(format!("{url} does not support upload")));
    }
    let takes_anybodys = answer
        .get("acl_upload")
        .and_then(|names| names.as_array())
        .is_some_and(|names| names.iter().any(|name| name == ":ANONYMOUS:"));
    if !is_dry_run && !takes_anybodys && target.login.is_none() {
        return Err(could_not_try(format!(
            "nobody is logged in, and {url} takes uploads from its users only: log in first, by `devpi login`"
        )));
    }
    Ok(())
}

/// The index as pip is given it: with the login, which the code that is built gets to see; so of a
/// token one that cannot upload.
fn readable(connection: &Connection, url: Url) -> Url {
    let is_ours = connection
        .root()
        .is_some_and(|root| root.origin() == url.origin() && url.path().starts_with(root.path()));
    if !is_ours || !url.username().is_empty() {
        return url;
    }
    let narrower = connection.login(&url).and_then(|login| {
        Token::kind_of(login.secret()).filter(|kind| *kind == "Devpi")?;
        let secret = Token::parse(login.secret())?
            .restricted("allowed=pkg_read")
            .secret();
        Some(Credentials {
            secret,
            user: login.user,
        })
    });
    match narrower {
        Some(login) => super::connection::with_credentials(url, &login),
        None => connection.with_login(url),
    }
}

/// It could not even be tried.
fn could_not_try(message: impl Into<String>) -> Failure {
    Failure::usage(message)
}

fn not_tried(failure: Failure) -> Failure {
    Failure { code: 2, ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let large = |count| whole_text(std::io::repeat(b'#').take(count));
        let limit = LARGEST_REQUIREMENTS_BYTES;
        assert_eq!(large(limit).unwrap().len() as u64, limit);
        let error = large(limit + 1).unwrap_err().to_string();
        assert!(error.contains("16 MiB"), "{error}");
        assert!(whole_text(&b"\xff"[..]).is_err());
    }
}
