//! `/+authcheck`: may this caller have that URL? For nginx's `auth_request`, where nginx sends
//! files itself.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cheeseshop_app::{App, Error};
use cheeseshop_domain::{Caller, FilePath, IndexName};
use cheeseshop_packaging::ProjectName;
use http::StatusCode;
use percent_encoding::percent_decode_str;

use crate::ask::Ask;
use crate::failure::DevpiError;
use crate::front::Shared;
use crate::{lockdown, outside};

const X_ORIGINAL_URI: &str = "x-original-uri";

/// 200 or the reason why not. A URL below an index needs the right to read the index and the
/// project that it is about; what is not there counts as unreadable (403), for `auth_request` knows
/// no 404.
pub(crate) async fn check(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, DevpiError> {
    let original = original(&ask)?;
    if matches!(original, Original::Open) {
        return Ok(StatusCode::OK.into_response());
    }
    if shared.app.settings().auth.login_required {
        lockdown::admit(&shared, &ask.context, &ask.headers).await?;
    }
    let Original::Index(index, part) = original else {
        return Ok(StatusCode::OK.into_response());
    };
    let caller = ask.caller(&shared.app).await?;
    match may_read(&shared.app, &caller, &index, &part).await {
        Ok(()) => Ok(StatusCode::OK.into_response()),
        Err(Error::Unauthenticated(text)) if !lockdown::is_devpi_client(&ask.headers) => {
            Err(DevpiError(Error::Unauthenticated(text)))
        }
        Err(Error::Unauthenticated(text) | Error::NotFound(text) | Error::Gone(text)) => {
            Err(DevpiError(Error::Forbidden(text)))
        }
        Err(error) => Err(DevpiError(error)),
    }
}

/// Whose file a path means costs a look into the database, and matters for tokens that are limited
/// to some projects only.
async fn may_read(app: &App, caller: &Caller, index: &IndexName, part: &Part) -> Result<(), Error> {
    match part {
        Part::Project(project) => {
            let caller = &*caller.about(project.normalized());
            app.index(caller, index).await.map(drop)
        }
        Part::File(path) if !caller.sees_all_projects() => {
            app.describe_file(caller, index, path).await.map(drop)
        }
        Part::Unknown if !caller.sees_all_projects() => Err(no_route()),
        Part::Whole | Part::File(_) | Part::Unknown => app.index(caller, index).await.map(drop),
    }
}

/// What the original URL is about.
enum Original {
    /// How clients find out how to log in, and how they do it.
    Open,
    /// No index: users, the state of the server.
    Server,
    /// An index and whatever lies below it.
    Index(IndexName, Part),
}

/// What of an index a URL is about.
enum Part {
    /// The index itself, or a list of its projects, which leaves out those that a token does not
    /// cover.
    Whole,
    Project(ProjectName),
    /// A file, or its core metadata.
    File(FilePath),
    /// Nothing that we have a route for.
    Unknown,
}

impl Part {
    /// Reads the decoded segments behind the index.
    fn of(segments: &[&str]) -> Self {
        let file = |name: &str| name.strip_suffix(".metadata").unwrap_or(name).to_owned();
        let part = match segments {
            [] | ["+simple" | "+findlinks"] => Some(Self::Whole),
            ["+f", first, second, name] => FilePath::parse_hashed(first, second, &file(name))
                .ok()
                .map(Self::File),
            ["+e", directory, name] => FilePath::parse_external(directory, &file(name))
                .ok()
                .map(Self::File),
            ["+simple", project, ..] | [project, ..] => {
                ProjectName::parse(project).ok().map(Self::Project)
            }
        };
        part.unwrap_or(Self::Unknown)
    }
}

fn original(ask: &Ask) -> Result<Original, Error> {
    let uri = ask
        .headers
        .get(X_ORIGINAL_URI)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(no_route)?;
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let path = outside::inner_path(path, outside::prefix(&ask.context.base_url));
    let segments: Vec<Cow<'_, str>> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8())
        .collect::<Result<_, _>>()
        .map_err(|_| no_route())?;
    // nginx decodes the path and takes the dots out of it before it looks for a file; we would
    // judge by another index than the one that it then serves.
    if segments.iter().any(|segment| leads_elsewhere(segment)) {
        return Err(no_route());
    }
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    match &segments[..] {
        _ if lockdown::is_open(&format!("/{}", segments.join("/"))) => Ok(Original::Open),
        [] | [_] | [_, "+tokens" | "+token-create", ..] => Ok(Original::Server),
        [user, index, below @ ..] => IndexName::new(user, index)
            .map(|index| Original::Index(index, Part::of(below)))
            .map_err(|_| no_route()),
    }
}

fn no_route() -> Error {
    Error::Forbidden("there is nothing at this URL".to_owned())
}

fn leads_elsewhere(segment: &str) -> bool {
    let is_odd = |character: char| matches!(character, '/' | '\\') || character.is_control();
    matches!(segment, "." | "..") || segment.contains(is_odd)
}
