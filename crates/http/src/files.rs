//! Files and their core metadata, for all faces: ranges, validators, caching for ever.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cheeseshop_app::file_handle::FileHandle;
use cheeseshop_app::files::Purpose;
use cheeseshop_app::{App, Error};
use cheeseshop_domain::{Caller, FilePath};
use cheeseshop_packaging::FileName;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, LOCATION, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::ask::Ask;
use crate::conditional::{self, Part};
use crate::devpi;
use crate::failure::FileError;
use crate::front::Shared;
use crate::response_headers::VARY_BY_CALLER;

/// A path names its bytes, so they never change. devpi's value, which uv documents as PyPI's.
const PUBLIC: HeaderValue = HeaderValue::from_static("max-age=365000000, immutable, public");
/// As above, for nobody but the caller.
const PRIVATE: HeaderValue = HeaderValue::from_static("max-age=365000000, immutable, private");

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");
/// By which a proxy says that it understands [`ACCEL_REDIRECT`]; so does Rack's.
const SENDFILE_TYPE: HeaderName = HeaderName::from_static("x-sendfile-type");

/// `GET`, `HEAD` on `/{user}/{index}/+f/{first}/{second}/{name}[.metadata]` and
/// `/{user}/{index}/+e/{directory}/{name}[.metadata]`.
pub(crate) async fn download(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, FileError> {
    let index = ask.index()?;
    let caller = ask.caller(&shared.app).await?;
    let app = &shared.app;
    let handle = match Wanted::of(&ask)? {
        Wanted::CoreMetadata(path) => app.open_core_metadata(&caller, &index, &path).await?,
        Wanted::File(path) if ask.context.asks_for_json => {
            let description = app.describe_file(&caller, &index, &path).await?;
            return Ok(devpi::documents::file(&description));
        }
        Wanted::File(path) => {
            let purpose = if ask.is_head() {
                Purpose::Describe
            } else {
                Purpose::Read
            };
            app.open_file(&caller, &index, &path, purpose).await?
        }
    };
    let is_public = is_public(app, index.user.as_str(), &index.index);
    let location = shared.settings.accel_location.as_deref();
    Ok(response(&ask, &handle, is_public, location))
}

/// What a file URL means.
enum Wanted {
    File(FilePath),
    CoreMetadata(FilePath),
}

impl Wanted {
    /// Core metadata has the file's URL with `.metadata` behind it (PEP 658).
    fn of(ask: &Ask) -> Result<Self, Error> {
        let name = ask.segment("name")?;
        match name.strip_suffix(".metadata") {
            Some(file) => path_of(ask, file).map(Self::CoreMetadata),
            None => path_of(ask, name).map(Self::File),
        }
    }
}

/// The file that a URL names; a path that no file can have is a file that does not exist.
pub(crate) fn path(ask: &Ask) -> Result<FilePath, Error> {
    path_of(ask, ask.segment("name")?)
}

fn path_of(ask: &Ask, name: &str) -> Result<FilePath, Error> {
    let directory = ask.segment("directory")?;
    let parsed = if directory.is_empty() {
        FilePath::parse_hashed(ask.segment("first")?, ask.segment("second")?, name)
    } else {
        FilePath::parse_external(directory, name)
    };
    parsed.map_err(|_| Error::NotFound("no such file".to_owned()))
}

/// Whether caches may give an index's files to anybody: everybody may read the index and all
/// that it inherits, from where the file may come.
pub(crate) fn is_public(app: &App, user: &str, index: &str) -> bool {
    let directory = app.directory();
    let anonymous = Caller::anonymous();
    directory.index(user, index).is_some_and(|index| {
        directory.readable(&anonymous, index.id) && !directory.hides_something(&anonymous, index.id)
    })
}

/// Everything of an answer but its body.
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The bytes that belong into the body; `None` for an answer without one, and `0..MAX` for
    /// a file of unknown size.
    pub(crate) part: Option<Range<u64>>,
}

/// Decides between 200, 206, 304 and 416.
pub(crate) fn head(request: &HeaderMap, file: &FileHandle, is_public: bool) -> Head {
    let etag = file.sha256.map(|digest| format!("\"{digest}\""));
    let modified = SystemTime::from(file.modified);
    let mut headers = HeaderMap::with_capacity(24);
    headers.insert(CACHE_CONTROL, if is_public { PUBLIC } else { PRIVATE });
    if !is_public {
        headers.insert(VARY, VARY_BY_CALLER);
    }
    if let Some(Ok(etag)) = etag.as_deref().map(HeaderValue::from_str) {
        headers.insert(ETAG, etag);
    }
    if let Some(Ok(date)) = conditional::http_date(modified).map(HeaderValue::try_from) {
        headers.insert(LAST_MODIFIED, date);
    }
    if conditional::is_file_held(request, etag.as_deref(), modified) {
        return Head {
            status: StatusCode::NOT_MODIFIED,
            headers,
            part: None,
        };
    }
    headers.insert(CONTENT_TYPE, content_type(&file.name));
    let Some(size) = file.size else {
        return Head {
            status: StatusCode::OK,
            headers,
            part: Some(0..u64::MAX),
        };
    };
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    match conditional::wanted_part(request, size, etag.as_deref(), modified) {
        Part::Whole => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
            Head {
                status: StatusCode::OK,
                headers,
                part: Some(0..size),
            }
        }
        Part::Bytes(part) => {
            let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            headers.insert(
                CONTENT_RANGE,
                HeaderValue::from_str(&range).expect("digits and punctuation"),
            );
            headers.insert(CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
            Head {
                status: StatusCode::PARTIAL_CONTENT,
                headers,
                part: Some(part),
            }
        }
        Part::Unsatisfiable => {
            headers.remove(CONTENT_TYPE);
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(
                CONTENT_RANGE,
                HeaderValue::from_str(&format!("bytes */{size}")).expect("digits and punctuation"),
            );
            Head {
                status: StatusCode::RANGE_NOT_SATISFIABLE,
                headers,
                part: None,
            }
        }
    }
}

/// Whether a proxy offers to send files itself, when told where they lie.
pub(crate) fn asks_for_place(request: &HeaderMap) -> bool {
    request
        .get(SENDFILE_TYPE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"x-accel-redirect"))
}

fn response(ask: &Ask, file: &FileHandle, is_public: bool, accel: Option<&str>) -> Response {
    if let Some(url) = file.redirect_url() {
        return redirect(url);
    }
    let head = head(&ask.headers, file, is_public);
    if let Some(location) = accel
        && ask.context.sends_files_itself
        && let Some(place) = accelerated(ask, &head, file, location)
    {
        return sent_by_proxy(head, &place);
    }
    let body = match head.part {
        Some(part) if !ask.is_head() => Body::from_stream(file.read(part)),
        _ => Body::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    if !file.is_held() {
        // nginx would otherwise collect what a client could already be reading.
        response
            .headers_mut()
            .insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    }
    response
}

/// Where nginx finds the file, if it is to send it. Which part of it is nginx's business, which knows
/// ranges; the conditions that it would judge by its own idea of the file are ours.
fn accelerated(ask: &Ask, head: &Head, file: &FileHandle, location: &str) -> Option<String> {
    let has_conditions = [IF_MATCH, IF_UNMODIFIED_SINCE]
        .iter()
        .any(|name| ask.headers.contains_key(name));
    if ask.is_head() || head.part.is_none() || has_conditions {
        return None;
    }
    file.place_on_disk()
        .map(|place| format!("{location}{place}"))
}

/// The answer to a proxy that sends the bytes: headers without them.
fn sent_by_proxy(head: Head, place: &str) -> Response {
    let Ok(place) = HeaderValue::from_str(place) else {
        return FileError(Error::internal("the location is no header value")).into_response();
    };
    let mut headers = head.headers;
    for name in [ACCEPT_RANGES, CONTENT_RANGE, CONTENT_LENGTH] {
        headers.remove(name);
    }
    headers.insert(ACCEL_REDIRECT, place);
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = headers;
    response
}

/// The bytes stay at the upstream (`mirror_use_external_urls`).
fn redirect(url: &str) -> Response {
    match HeaderValue::from_str(url) {
        Ok(location) => (StatusCode::FOUND, [(LOCATION, location)]).into_response(),
        Err(_) => FileError(Error::internal("the upstream URL is no header value")).into_response(),
    }
}

fn content_type(name: &str) -> HeaderValue {
    if name.ends_with(".metadata") {
        return HeaderValue::from_static("text/plain; charset=utf-8");
    }
    FileName::parse(name).map_or(OCTETS, |name| HeaderValue::from_static(name.content_type()))
}
