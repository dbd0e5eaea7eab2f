//! What a handler is given: the parts of the URL, the query, the headers, and who asks.
//!
//! One extractor for all faces. It never refuses; its methods do, with an [`Error`] that the
//! handler's own error type then spells. Raw axum `Path`, `Query` and `Json` would answer in
//! axum's words, so nobody uses them.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams};
use cheeseshop_app::{App, Error};
use cheeseshop_domain::{Caller, IndexName};
use cheeseshop_packaging::ProjectName;
use http::request::Parts;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use crate::channel::ClientCertificate;
use crate::credentials::{self, Decisive};
use crate::request_context::RequestContext;

/// A request without its body.
pub(crate) struct Ask {
    pub(crate) headers: HeaderMap,
    pub(crate) method: Method,
    pub(crate) context: Arc<RequestContext>,
    query: String,
    params: Vec<(String, String)>,
    undecodable: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Ask {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let context = parts
            .extensions
            .get::<Arc<RequestContext>>()
            .cloned()
            .expect("the front puts the context into every request");
        if let Some(route) = parts.extensions.get::<MatchedPath>() {
            // Only the log and the metrics look at it; the first one stands.
            let _ = context.route.set(route.clone());
        }
        let (params, undecodable) = match RawPathParams::from_request_parts(parts, state).await {
            Ok(params) => (
                params
                    .iter()
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .collect(),
                false,
            ),
            Err(_) => (Vec::new(), true),
        };
        Ok(Self {
            headers: parts.headers.clone(),
            method: parts.method.clone(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            context,
            params,
            undecodable,
        })
    }
}

/// As [`Ask::caller`], for the front.
pub(crate) async fn caller(
    app: &App,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Result<Caller, Error> {
    if let Some(caller) = context.caller.get() {
        return Ok(caller.clone());
    }
    let certificate = context.channel.client();
    let caller = match credentials::decisive(&context.method, headers, certificate) {
        Decisive::Certificate => of_certificate(app, context).await?,
        Decisive::Cookie(credentials) => {
            let caller = app.authenticate(Some(&credentials), context.client);
            let caller = caller.await?;
            if !caller.is_anonymous() {
                caller
            } else if *certificate == ClientCertificate::Nobody {
                let _ = context.rejected.set(());
                caller
            } else {
                of_certificate(app, context).await?
            }
        }
        Decisive::Sent(credentials) => {
            let caller = app.authenticate(credentials.as_ref(), context.client);
            let caller = caller.await.inspect_err(|error| {
                if matches!(error, Error::Forbidden(_)) {
                    let _ = context.refused_token.set(());
                }
            })?;
            if caller.is_anonymous() && credentials.is_some() {
                let _ = context.rejected.set(());
            }
            caller
        }
    };
    Ok(context.caller.get_or_init(|| caller).clone())
}

/// Who asks without credentials: whoever the client's certificate stands for.
async fn of_certificate(app: &App, context: &RequestContext) -> Result<Caller, Error> {
    match context.channel.client() {
        ClientCertificate::Nobody => app.authenticate(None, context.client).await,
        ClientCertificate::User(name) => app.vouched_for(name, context.client).await,
        ClientCertificate::Unclear(reason) | ClientCertificate::Refused(reason) => {
            Err(Error::Forbidden(reason.to_string()))
        }
    }
}

impl Ask {
    /// Who asks. Wrong credentials make an anonymous caller; only a guesser gets an error.
    pub(crate) async fn caller(&self, app: &App) -> Result<Caller, Error> {
        caller(app, &self.context, &self.headers).await
    }

    /// A segment of the path by the name that the route gives it, percent-decoded once.
    ///
    /// # Errors
    /// [`Error::Invalid`] for segments that are not UTF-8 or hold control characters.
    pub(crate) fn segment(&self, name: &str) -> Result<&str, Error> {
        if self.undecodable {
            return Err(Error::Invalid("the URL is not valid UTF-8".to_owned()));
        }
        let value = self
            .params
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str());
        if value.chars().any(char::is_control) {
            return Err(Error::Invalid(
                "the URL contains control characters".to_owned(),
            ));
        }
        Ok(value)
    }

    /// The index of the path. A name that no index can have is an index that does not exist.
    pub(crate) fn index(&self) -> Result<IndexName, Error> {
        let (user, index) = (self.segment("user")?, self.segment("index")?);
        IndexName::new(user, index)
            .map_err(|_| Error::NotFound(format!("The stage {user}/{index} could not be found.")))
    }

    /// As [`Ask::index`] for an index that is to be made: devpi says what is wrong with a name.
    pub(crate) fn new_index(&self) -> Result<IndexName, Error> {
        IndexName::new(self.segment("user")?, self.segment("index")?)
            .map_err(|error| Error::Invalid(error.to_string()))
    }

    /// The project of the path. A name that no project can have is a project that does not
    /// exist, except that devpi refuses other alphabets.
    pub(crate) fn project(&self) -> Result<ProjectName, Error> {
        let project = self.segment("project")?;
        ProjectName::parse(project).map_err(|_| {
            if project.is_ascii() {
                Error::NotFound(format!("The project {project} does not exist."))
            } else {
                Error::Invalid("unicode project names not allowed".to_owned())
            }
        })
    }

    /// devpi's JSON documents exist for those who accept JSON; for others there is nothing.
    pub(crate) fn json_only(&self) -> Result<(), Error> {
        if self.context.accepts_json {
            Ok(())
        } else {
            Err(Error::NotFound(
                "this URL only has application/json".to_owned(),
            ))
        }
    }

    /// Pages for people have no document for programs, as in devpi.
    pub(crate) fn html_only(&self) -> Result<(), Error> {
        if self.context.asks_for_html {
            Ok(())
        } else {
            Err(Error::NotFound("this URL only has text/html".to_owned()))
        }
    }

    /// The query as sent, without its question mark.
    pub(crate) fn query(&self) -> &str {
        &self.query
    }

    /// Whether the query has this key, with whatever value: devpi's flags.
    pub(crate) fn has_flag(&self, name: &str) -> bool {
        self.query
            .split('&')
            .map(|pair| pair.split('=').next().unwrap_or_default())
            .any(|key| percent_decode_str(key).eq(name.bytes()))
    }

    /// The first value that the query has for this key, decoded.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// The query as sent, with its question mark, or nothing.
    pub(crate) fn query_suffix(&self) -> String {
        if self.query.is_empty() {
            String::new()
        } else {
            format!("?{}", self.query)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
    use std::time::Instant;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use cheeseshop_app::Settings;
    use cheeseshop_app::auth::AuthSettings;
    use cheeseshop_domain::{Clock, FixedClock};
    use cheeseshop_storage::{BlobConfig, BlobStore, Database, DatabaseConfig};
    use http::HeaderValue;
    use http::header::AUTHORIZATION;
    use jiff::SignedDuration;
    use secrecy::{ExposeSecret, SecretString};

    use super::*;
    use crate::channel::Channel;

    async fn open(directory: &tempfile::TempDir, clock: Arc<dyn Clock>) -> App {
        // The first one to install a provider wins; all tests install the same.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let path = directory.path();
        let database = DatabaseConfig::sqlite(&path.join("db.sqlite"));
        let database = Database::open(&database, Arc::clone(&clock)).await.unwrap();
        let path = path.join("blobs");
        let blobs = BlobStore::open(&BlobConfig::Local { path }).await.unwrap();
        let settings = Settings {
            auth: AuthSettings::for_testing(),
            ..Settings::default()
        };
        App::open(database, blobs, clock, settings).await.unwrap()
    }

    fn context() -> RequestContext {
        RequestContext {
            started: Instant::now(),
            id: HeaderValue::from_static("1"),
            method: Method::GET,
            path: "/".to_owned(),
            client: None,
            channel: Channel::Plain,
            base_url: "http://localhost".to_owned(),
            absolute_links: false,
            accepts_json: false,
            asks_for_json: false,
            asks_for_html: false,
            sends_files_itself: false,
            caller: OnceLock::new(),
            rejected: OnceLock::new(),
            refused_token: OnceLock::new(),
            look: crate::Appearance::default().now(),
            route: OnceLock::new(),
        }
    }

    #[tokio::test]
    async fn who_asks_is_found_out_once_per_request() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new("2026-09-01T12:00:00Z".parse().unwrap()));
        let app = open(&directory, Arc::clone(&clock) as Arc<dyn Clock>).await;
        let password = SecretString::from("root-secret");
        app.ensure_root(&password, None).await.unwrap();
        let login = app.login("root", &password, None).await.unwrap();
        let basic = STANDARD.encode(format!("root:{}", login.token.expose_secret()));
        let mut headers = HeaderMap::new();
        let basic = format!("Basic {basic}").parse().unwrap();
        headers.insert(AUTHORIZATION, basic);

        let request = context();
        let at_the_door = caller(&app, &request, &headers).await.unwrap();
        assert!(at_the_door.is_root());
        let lifetime = SignedDuration::try_from(login.expires_in).unwrap();
        clock.advance(lifetime);
        let behind_it = caller(&app, &request, &headers).await.unwrap();
        assert_eq!(behind_it, at_the_door);
        let next_request = caller(&app, &context(), &headers).await.unwrap();
        assert!(next_request.is_anonymous());
    }
}
