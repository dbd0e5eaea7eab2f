//! `devpi push`: a release to another index, or by the server to another server.

use cheeseshop_packaging::{Requirement, pypi};
use clap::Args;
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use url::Url;

use crate::commands::upload::{for_project, now};
use crate::commands::{Connection, Failure, OnError, Session, Style, names};
use crate::{Credentials, Repository};

/// How long a token holds that is derived for a push, in seconds: the server sends all files of
/// the release with it, and may have to fetch them first.
const TOKEN_SECONDS: i64 = 900;

/// Arguments of `devpi push`.
#[derive(Args, Debug)]
pub struct PushArgs {
    /// Index to push from [default: the index in use].
    #[arg(long)]
    index: Option<String>,

    /// Push no documentation, only release files. Needs devpi-server 6.14.
    #[arg(long)]
    no_docs: bool,

    /// Push the documentation only. Needs devpi-server 6.14.
    #[arg(long)]
    only_docs: bool,

    /// File with other servers [default: ~/.pypirc].
    #[arg(long, value_name = "PATH")]
    pypirc: Option<String>,

    /// Register the project at the other server first. Needs devpi-server 6.14.
    #[arg(long)]
    register_project: bool,

    /// The release: `name==version`. Several are pushed one after the other; `-` reads them from
    /// standard input.
    #[arg(value_name = "PKGSPEC", required = true)]
    releases: Vec<String>,

    /// Where to: an index as `USER/NAME`, or `pypi:NAME` with the name of a section of `.pypirc`.
    #[arg(value_name = "TARGETSPEC")]
    target: String,
}

/// Where a release goes.
enum Target {
    Index(String),
    Elsewhere { url: String, login: Credentials },
}

pub(super) async fn run(session: &mut Session, arguments: &PushArgs) -> Result<(), Failure> {
    let mut connection = session.connection(arguments.index.as_deref()).await?;
    let index = connection.index_url()?;
    let target = target(session, arguments)?;
    let releases = names::given(&arguments.releases)?;
    let releases: Vec<_> = releases
        .iter()
        .map(|text| release(session, text))
        .collect::<Result<_, _>>()?;
    let options = options(&connection, arguments)?;
    let mut failures = Vec::new();
    for (name, version) in &releases {
        let mut document = options.clone();
        document.insert("name".to_owned(), json!(name));
        document.insert("version".to_owned(), json!(version));
        let document = document_for(session, &connection, arguments, &target, document)?;
        let is_inside = matches!(target, Target::Index(_));
        if let Err(failure) = push(
            session,
            &mut connection,
            index.clone(),
            &document,
            is_inside,
        )
        .await
        {
            failures.push(failure);
        }
    }
    // One after the other, as each would have been told on its own.
    let last = failures.pop();
    for failure in &failures {
        session.output.error(&failure.message);
    }
    last.map_or(Ok(()), Err)
}

/// What is asked for, with where the release goes.
fn document_for(
    session: &mut Session,
    connection: &Connection,
    arguments: &PushArgs,
    target: &Target,
    mut document: Map<String, Value>,
) -> Result<Value, Failure> {
    match target {
        Target::Index(index) => {
            document.insert("targetindex".to_owned(), json!(index));
        }
        Target::Elsewhere { url, login } => {
            let name = document["name"].as_str().unwrap_or_default();
            let login = for_project(session, login.clone(), name, now(), TOKEN_SECONDS);
            document.insert("posturl".to_owned(), json!(url));
            document.insert("username".to_owned(), json!(login.user));
            document.insert("password".to_owned(), json!(login.secret()));
            if arguments.register_project {
                check_feature(connection, "--register-project", "push-register-project")?;
                document.insert("register_project".to_owned(), json!(true));
            }
        }
    }
    Ok(document.into())
}

async fn push(
    session: &mut Session,
    connection: &mut Connection,
    index: Url,
    document: &Value,
    is_inside: bool,
) -> Result<(), Failure> {
    let on_error = if is_inside {
        OnError::Stop
    } else {
        OnError::Tell
    };
    let server = connection.server()?;
    // devpi's own method; the address has no slash at its end, as devpi-client asks.
    let method = Method::from_bytes(b"PUSH").unwrap_or(Method::POST);
    let mut url = index;
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    let request = server.request_url(method, url).json(document);
    session.output.passing("pushing");
    let answer = session.call(connection, request, on_error).await;
    session.output.passing("");
    let answer = answer?;
    let mut has_failed = !matches!(answer.status.as_u16(), 200 | 201);
    if answer.kind() == Some("actionlog") {
        for action in answer.result().as_array().into_iter().flatten() {
            let is_bad = !matches!(status_of(action), Some(200 | 201 | 410));
            has_failed |= is_bad;
            let style = if is_bad { Style::Red } else { Style::Plain };
            for line in fields_of(action).split('\n') {
                session.output.styled(style, &format!("   {line}"));
            }
        }
    }
    if has_failed {
        return Err(Failure::fatal("Failure during upload"));
    }
    Ok(())
}

/// The status that an entry of the log begins with.
fn status_of(action: &Value) -> Option<i64> {
    match action.get(0)? {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    }
}

/// An entry of the log in one text.
fn fields_of(action: &Value) -> String {
    let texts: Vec<_> = action
        .as_array()
        .into_iter()
        .flatten()
        .map(|field| match field {
            Value::String(text) => text.clone(),
            // As Python writes it.
            Value::Null => "None".to_owned(),
            other => other.to_string(),
        })
        .collect();
    texts.join(" ")
}

fn target(session: &mut Session, arguments: &PushArgs) -> Result<Target, Failure> {
    let target = &arguments.target;
    if let Some(name) = target.strip_prefix("pypi:") {
        return elsewhere(session, arguments.pypirc.as_deref(), name);
    }
    if target.matches('/').count() != 1 {
        return Err(Failure::fatal(format!(
            "target '{target}' not of form USER/NAME or pypi:REPONAME"
        )));
    }
    if let Some(index) = &arguments.index
        && index.matches('/').count() > 1
    {
        return Err(Failure::fatal(format!(
            "index '{index}' not of form USER/NAME or NAME"
        )));
    }
    Ok(Target::Index(target.clone()))
}

fn elsewhere(session: &mut Session, pypirc: Option<&str>, name: &str) -> Result<Target, Failure> {
    let path = session.environment.expand(pypirc.unwrap_or("~/.pypirc"));
    // As it was given, where it was.
    let shown = pypirc.map_or_else(|| path.display().to_string(), str::to_owned);
    if !path.is_file() {
        return Err(Failure::fatal(format!("no pypirc file found at: {shown}")));
    }
    session.output.info(&format!("using pypirc {shown}"));
    let repository = Repository::read(&path, name).map_err(|error| {
        Failure::fatal(format!(
            "Error while trying to read section '{name}': {error}"
        ))
    })?;
    let url = match repository.url {
        Some(url) => url,
        None if name == "pypi" => pypi::UPLOAD_URL.to_owned(),
        // Of a company's own section that is not finished yet nothing shall go to the public.
        None => {
            return Err(Failure::fatal(format!(
                "section '{name}' of {} says no repository: write the address that takes uploads as \
                 `repository = ADDRESS`; only a section `pypi` does without",
                path.display()
            )));
        }
    };
    let password = match repository.password {
        Some(password) => password,
        None => SecretString::from(session.output.ask_password(&format!(
            "password for user {} at {url}: ",
            repository.username
        ))?),
    };
    Ok(Target::Elsewhere {
        url,
        login: Credentials::new(repository.username, password.expose_secret()),
    })
}

/// The options that a server has to know.
fn options(connection: &Connection, arguments: &PushArgs) -> Result<Map<String, Value>, Failure> {
    let mut options = Map::new();
    match (arguments.no_docs, arguments.only_docs) {
        (true, true) => {
            return Err(Failure::fatal(
                "Can't use '--no-docs' and '--only-docs' together.",
            ));
        }
        (true, false) => {
            check_feature(connection, "--no-docs", "push-no-docs")?;
            options.insert("no_docs".to_owned(), json!(true));
        }
        (false, true) => {
            check_feature(connection, "--only-docs", "push-only-docs")?;
            options.insert("only_docs".to_owned(), json!(true));
        }
        (false, false) => {}
    }
    Ok(options)
}

fn check_feature(connection: &Connection, option: &str, feature: &str) -> Result<(), Failure> {
    let features = connection.current.features.as_deref().unwrap_or_default();
    if features.iter().any(|known| known == feature) {
        return Ok(());
    }
    Err(Failure::fatal(format!(
        "The server doesn't support the '{option}' option, 6.14.0 or newer required."
    )))
}

/// Name and version of `name==version`, or of devpi's older `name-version`.
fn release(session: &mut Session, text: &str) -> Result<(String, String), Failure> {
    if !text.contains("==")
        && let Some((name, version)) = old_release(text)
    {
        session.output.warn(
            "Old style package specification is deprecated, use this form: \
             your-pkg-name==your.version.specifier",
        );
        return Ok((name.to_owned(), version.to_owned()));
    }
    new_release(text).ok_or_else(|| {
        Failure::fatal("The release specification needs to be of this form: name==version")
    })
}

fn new_release(text: &str) -> Option<(String, String)> {
    let requirement = Requirement::parse(text).ok()?;
    let (_, behind) = text.split(';').next()?.split_once("==")?;
    let version = behind.trim().trim_end_matches(')').trim_end();
    // One version, and no other operator (`===`, `>=1,==2`).
    let is_one = !version.is_empty()
        && !version.starts_with('=')
        && !version.contains([',', '*', '<', '>', '=', '!', '~'])
        && !text.split("==").next()?.contains([',', '<', '>', '!', '~']);
    is_one.then(|| {
        let name = requirement.project().written().to_owned();
        (name, version.to_owned())
    })
}

/// The shortest name that leaves a version.
fn old_release(text: &str) -> Option<(&str, &str)> {
    let is_version = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    text.match_indices('-')
        .map(|(position, _)| (&text[..position], &text[position + 1..]))
        .find(|(name, version)| !name.is_empty() && is_version(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_a_name_and_one_version() {
        for (text, expected) in [
            ("a==1.0", Some(("a", "1.0"))),
            ("My.Pkg == 1.0rc1", Some(("My.Pkg", "1.0rc1"))),
            (
                "a[x]==1.0+local ; python_version > '3'",
                Some(("a", "1.0+local")),
            ),
            ("a", None),
            ("a>=1", None),
            ("a===1", None),
            ("a==1,==2", None),
            ("a>=1,==2", None),
            ("a==1.*", None),
            ("==1", None),
        ] {
            let expected = expected.map(|(name, version)| (name.to_owned(), version.to_owned()));
            assert_eq!(new_release(text), expected, "{text}");
        }
    }

    #[test]
    fn older_spellings_are_still_read() {
        assert_eq!(old_release("a-1.0"), Some(("a", "1.0")));
        assert_eq!(old_release("a-b-2.0-1"), Some(("a-b", "2.0-1")));
        assert_eq!(old_release("a-b"), None);
    }

    #[test]
    fn entries_of_the_log_are_shown_field_by_field() {
        let entry = json!([200, "register", "p", "1.0", "->", "bob/prod"]);
        assert_eq!(fields_of(&entry), "200 register p 1.0 -> bob/prod");
        assert_eq!(status_of(&entry), Some(200));
        assert_eq!(status_of(&json!(["410"])), Some(410));
        assert_eq!(status_of(&json!({})), None);
    }
}
