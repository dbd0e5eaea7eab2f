//! Documentation of releases: `+doc` gives its files, `+d` shows them in a frame.
//!
//! Whoever may upload decides what these pages are, scripts included. So browsers are told to give
//! them an origin of their own: they can neither read nor do anything here in the name of the
//! person who looks at them, while whatever pages of documentation need (scripts, forms that
//! search, links that open windows) works.

mod content_type;
mod frame;

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cheeseshop_app::Error;
use cheeseshop_app::documentation::{
    DocumentationPage, DocumentationPath, FoundDocumentation, WantedVersion,
};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, LAST_MODIFIED, REFERRER_POLICY, VARY, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::ask::Ask;
use crate::conditional;
use crate::failure::FileError;
use crate::files;
use crate::front::Shared;
use crate::response_headers::VARY_BY_CALLER;
use crate::simple::page::redirect;

/// What uploaded pages may do. Not `allow-same-origin`: that would make them part of this site.
const SANDBOX: HeaderValue = HeaderValue::from_static(
    "sandbox allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox \
     allow-downloads; frame-ancestors 'self'",
);

/// devpi's value: documentation of a version may be replaced, and `latest` moves on.
const PUBLIC: HeaderValue = HeaderValue::from_static("max-age=60");
const PRIVATE: HeaderValue = HeaderValue::from_static("max-age=60, private");

/// What stands plainly in a path.
const SEGMENTS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'+');

/// `GET /{user}/{index}/{project}/{version}/+doc/{path}`: a file of the documentation.
pub(crate) async fn raw(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, FileError> {
    let asked = match Asked::read(&ask, "+doc")? {
        Ok(asked) => asked,
        Err(redirect) => return Ok(redirect),
    };
    let found = asked.find(&shared, &ask).await?;
    let headers = headers(&shared, &ask, &found)?;
    let etag = format!("\"{}\"", found.sha256);
    if conditional::is_held(&ask.headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    match shared.app.open_documentation(&found, asked.path).await? {
        DocumentationPath::Folder => Ok(into_folder(&asked)),
        DocumentationPath::Page(page) => Ok(send(&ask, headers, &page)),
    }
}

/// `GET /{user}/{index}/{project}/{version}/+d/{path}`: the same with navigation around it.
pub(crate) async fn framed(
    State(shared): State<Arc<Shared>>,
    ask: Ask,
) -> Result<Response, FileError> {
    let asked = match Asked::read(&ask, "+d")? {
        Ok(asked) => asked,
        Err(redirect) => return Ok(redirect),
    };
    let found = asked.find(&shared, &ask).await?;
    if let DocumentationPath::Folder = shared.app.open_documentation(&found, asked.path).await? {
        return Ok(into_folder(&asked));
    }
    let caller = ask.caller(&shared.app).await?;
    let versions = shared
        .app
        .documented_versions(&caller, &asked.index, &asked.project)
        .await?;
    Ok(frame::page(&ask.context, &found, &versions, asked.path))
}

/// What a URL of documentation names.
struct Asked<'a> {
    index: cheeseshop_domain::IndexName,
    project: cheeseshop_packaging::ProjectName,
    version: WantedVersion,
    /// Never empty, decoded.
    path: &'a str,
}

impl<'a> Asked<'a> {
    /// Reads the URL; or says where to go instead.
    fn read(ask: &'a Ask, area: &str) -> Result<Result<Self, Response>, Error> {
        let (index, project) = (ask.index()?, ask.project()?);
        let (version, path) = (ask.segment("version")?, ask.segment("path")?);
        if !project.is_normalized() {
            let name = project.normalized();
            let path = format!("{index}/{name}/{version}/{area}/{path}");
            let location = format!("{}/{}", ask.context.base_url, encode(&path));
            return Ok(Err(redirect(StatusCode::FOUND, &location, "Accept")));
        }
        if path.is_empty() {
            let location = if ask.context.path.ends_with('/') {
                "index.html".to_owned()
            } else {
                format!("{area}/index.html")
            };
            return Ok(Err(redirect(StatusCode::FOUND, &location, "Accept")));
        }
        Ok(Ok(Self {
            index,
            project,
            version: WantedVersion::parse(version),
            path,
        }))
    }

    async fn find(&self, shared: &Shared, ask: &Ask) -> Result<FoundDocumentation, Error> {
        let caller = ask.caller(&shared.app).await?;
        shared
            .app
            .documentation(&caller, &self.index, &self.project, &self.version)
            .await
    }
}

/// Links in the page of a folder are relative to it, so its URL ends in a slash.
fn into_folder(asked: &Asked<'_>) -> Response {
    let last = asked.path.rsplit('/').next().unwrap_or_default();
    // With the dot no first segment is taken for a scheme.
    let location = format!("./{}/", encode(last));
    redirect(StatusCode::FOUND, &location, "Accept")
}

/// The headers of all of a documentation's files.
fn headers(shared: &Shared, ask: &Ask, found: &FoundDocumentation) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    let etag = format!("\"{}\"", found.sha256);
    headers.insert(ETAG, HeaderValue::from_str(&etag).map_err(Error::internal)?);
    let index = ask.index()?;
    if files::is_public(&shared.app, index.user.as_str(), &index.index) {
        headers.insert(CACHE_CONTROL, PUBLIC);
    } else {
        headers.insert(CACHE_CONTROL, PRIVATE);
        headers.insert(VARY, VARY_BY_CALLER);
    }
    if let Some(Ok(date)) = conditional::http_date(found.uploaded.into()).map(HeaderValue::try_from)
    {
        headers.insert(LAST_MODIFIED, date);
    }
    headers.insert(CONTENT_SECURITY_POLICY, SANDBOX);
    // For browsers that do not know `frame-ancestors`, which goes before it.
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(headers)
}

fn send(ask: &Ask, mut headers: HeaderMap, page: &DocumentationPage) -> Response {
    let content_type = content_type::of(&page.name);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(page.size));
    if content_type.starts_with("font/") {
        // Browsers ask for fonts as one site asks another, and the pages are none of ours.
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    let body = if ask.is_head() {
        Body::empty()
    } else {
        Body::from_stream(page.read())
    };
    (StatusCode::OK, headers, body).into_response()
}

fn encode(path: &str) -> Cow<'_, str> {
    utf8_percent_encode(path, SEGMENTS).into()
}
