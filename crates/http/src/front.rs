//! The service in front of the routes.
//!
//! Every request passes these steps, in this order:
//!
//! 1. *Who is speaking*: is the peer a trusted proxy, and which outside URL does that give?
//! 2. *Path*: prefix off, `%2B` and double slashes spelled plainly.
//! 3. *Hot path*: a page or a small file that is in memory is answered here and now, unless the next
//!    steps have something against the request.
//! 4. *Request id*, so that all that follows can be found again.
//! 5. *Doubt*: a second `Host` is refused; plain HTTP beside TLS is led there or refused ([`plain`]), and
//!    so is a client certificate that no longer holds.
//! 6. *Other sites* may not make a browser change anything.
//! 7. *The door*, where nobody reads anything without a login (`lockdown`).
//! 8. *Routes*, with a guard that turns a panic into a 500. Body limits and pauses are watched
//!    where bodies are read, for they differ by route.
//! 9. *Errors* are spelled by the face that they belong to.
//! 10. *Common headers*: devpi's identity, request id, security, a default `Cache-Control`.
//! 11. *Log line and metrics*, when the last byte is gone or the client is.
//!
//! One explicit function instead of a stack of layers: the order is visible, the hot path
//! passes the same steps without a future, and compile time stays low.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use cheeseshop_app::{App, Error};
use futures_util::FutureExt;
use http::header::{CONTENT_LENGTH, HOST, STRICT_TRANSPORT_SECURITY};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body::Body as _;
use tower::Service as _;

use crate::body::ReplyBody;
use crate::channel::{Channel, ClientCertificate};
use crate::failure::{DevpiError, Failure, SimpleError};
use crate::request_context::{RequestContext, RequestIds};
use crate::request_log::{Line, Pending};
use crate::response_headers::CommonHeaders;
use crate::settings::HttpSettings;
use crate::{
    PeerAddress, failure, files, health, hot, lockdown, metrics, negotiate, outside, plain, routes,
};

/// What handlers share.
pub(crate) struct Shared {
    pub(crate) app: App,
    pub(crate) settings: HttpSettings,
}

/// Answers all requests: a [`tower::Service`] to be cloned per connection.
#[derive(Clone)]
pub struct Service {
    shared: Arc<Shared>,
    own: Arc<Own>,
    router: axum::Router,
}

/// What only the front needs.
struct Own {
    outside_url: Option<String>,
    ids: RequestIds,
    common_headers: CommonHeaders,
}

/// An answer that is there already or on its way.
pub struct Reply(State);

enum State {
    Ready(Option<Response<ReplyBody>>),
    Coming(Pin<Box<dyn Future<Output = Response<ReplyBody>> + Send>>),
}

impl Service {
    pub(crate) fn new(app: App, settings: HttpSettings) -> Self {
        metrics::describe();
        let own = Own {
            outside_url: settings
                .outside_url
                .as_ref()
                .map(|url| url.as_str().trim_end_matches('/').to_owned()),
            ids: RequestIds::new(),
            common_headers: CommonHeaders::new(&app),
        };
        let shared = Arc::new(Shared { app, settings });
        Self {
            router: routes::router(Arc::clone(&shared)),
            own: Arc::new(own),
            shared,
        }
    }

    fn route(&self, mut request: Request<Body>, context: Arc<RequestContext>) -> Reply {
        request.extensions_mut().insert(Arc::clone(&context));
        let this = self.clone();
        let guarded = self.shared.app.settings().auth.login_required
            && !lockdown::is_open(request.uri().path());
        if guarded {
            return Reply(State::Coming(Box::pin(async move {
                match lockdown::admit(&this.shared, &context, request.headers()).await {
                    Ok(()) => this.handle(request, context).await,
                    Err(error) => {
                        let (parts, body) = request.into_parts();
                        let response =
                            lockdown::refuse(&this.shared, &context, &parts, body, error);
                        this.finish(spelled(response, &context), context)
                    }
                }
            })));
        }
        Reply(State::Coming(Box::pin(this.handle(request, context))))
    }

    fn handle(
        &self,
        request: Request<Body>,
        context: Arc<RequestContext>,
    ) -> impl Future<Output = Response<ReplyBody>> + Send + use<> {
        let handled = self.router.clone().call(request);
        let this = self.clone();
        async move {
            let response = AssertUnwindSafe(handled)
                .catch_unwind()
                .await
                .unwrap_or_else(|_| {
                    // The panic hook has told the log where; this tells the client that.
                    Ok(SimpleError(Error::internal("a handler panicked")).into_response())
                });
            this.finish(spelled(into_inner(response), &context), context)
        }
    }

    /// The answer to a request that gets no further than this.
    fn answer_now(&self, response: Response<Body>, context: Arc<RequestContext>) -> Reply {
        let response = self.finish(spelled(response, &context), context);
        Reply(State::Ready(Some(response)))
    }

    fn finish(
        &self,
        response: Response<Body>,
        context: Arc<RequestContext>,
    ) -> Response<ReplyBody> {
        let (mut parts, body) = response.into_parts();
        self.own
            .common_headers
            .add(&mut parts.headers, &context.id, &self.shared.app);
        insist_on_tls(&mut parts.headers, context.channel.hsts_seconds());
        let expected = promised_bytes(&parts.headers, &context.method);
        let pending = Pending::new(context, parts.status, expected);
        Response::from_parts(parts, ReplyBody::streamed(body, pending))
    }

    fn finish_hot(
        &self,
        answer: hot::Answer,
        request: &http::request::Parts,
        started: Instant,
        trusted: bool,
    ) -> Response<ReplyBody> {
        let id = self.own.ids.id_of(&request.headers, trusted);
        let mut response = Response::new(ReplyBody::whole(answer.body));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        self.own
            .common_headers
            .add(response.headers_mut(), &id, &self.shared.app);
        let channel = request.extensions.get::<Channel>();
        let hsts_seconds = channel.map_or(0, Channel::hsts_seconds);
        insist_on_tls(response.headers_mut(), hsts_seconds);
        answer.route.count(answer.status, started.elapsed());
        if tracing::enabled!(target: "cheeseshop_http::request", tracing::Level::INFO) {
            Line {
                id: &id,
                method: &request.method,
                path: request.uri.path(),
                status: answer.status,
                started,
                size_bytes: response.body().size_hint().exact().unwrap_or_default(),
                user: answer.user.as_deref(),
                client: outside::client_address(
                    &self.shared.settings,
                    &request.headers,
                    peer(request),
                ),
                torn_off: None,
            }
            .write();
        }
        response
    }
}

impl<B> tower::Service<Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = Reply;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Reply {
        let started = Instant::now();
        let (mut parts, body) = request.into_parts();
        let settings = &self.shared.settings;
        let trusted = outside::is_trusted(settings, peer(&parts));
        let outside_url =
            outside::outside_url(&parts.headers, trusted, self.own.outside_url.as_deref());
        let prefix = outside_url.map_or("", outside::prefix);
        let path = outside::inner_path(parts.uri.path(), prefix);

        let channel = parts
            .extensions
            .get::<Channel>()
            .cloned()
            .unwrap_or_default();
        let verdict = plain::verdict(&channel, &parts, &path, trusted, outside_url);
        // Who is in front of us may have looked at another one than we would.
        let is_ambiguous = parts.headers.get_all(HOST).iter().nth(1).is_some();
        if verdict == plain::Verdict::Answer
            && !is_ambiguous
            && let Some(answer) = hot::answer(&self.shared, &parts, &path)
        {
            let response = self.finish_hot(answer, &parts, started, trusted);
            return Reply(State::Ready(Some(response)));
        }

        let secure = channel.is_secure();
        let base_url = outside::base_url(&parts.headers, &parts.uri, trusted, outside_url, secure);
        let context = Arc::new(RequestContext {
            started,
            id: self.own.ids.id_of(&parts.headers, trusted),
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            client: outside::client_address(settings, &parts.headers, peer(&parts)),
            channel,
            base_url,
            absolute_links: settings.absolute_urls
                || parts.headers.contains_key("x-devpi-absolute-urls"),
            accepts_json: negotiate::accepts_json(&parts.headers),
            asks_for_json: negotiate::asks_for_json(&parts.headers),
            asks_for_html: negotiate::asks_for_html(&parts.headers),
            sends_files_itself: trusted && files::asks_for_place(&parts.headers),
            caller: OnceLock::new(),
            rejected: OnceLock::new(),
            refused_token: OnceLock::new(),
            look: settings.appearance.now(),
            route: OnceLock::new(),
        });
        if is_ambiguous {
            let error = Error::Invalid("the request has more than one Host header".to_owned());
            return self.answer_now(SimpleError(error).into_response(), context);
        }
        let refused = match verdict {
            plain::Verdict::Lead(target) => return self.answer_now(plain::lead(&target), context),
            plain::Verdict::Refuse(reason) => Some(reason),
            plain::Verdict::Answer => match context.channel.client() {
                ClientCertificate::Refused(reason) if !health::is_asked(&path) => {
                    Some(reason.to_string())
                }
                _ => None,
            },
        };
        if let Some(reason) = refused {
            let body = Body::new(body);
            let response = failure::refuse(
                &self.shared,
                &context,
                &parts.headers,
                body,
                Error::Forbidden(reason),
            );
            return self.answer_now(response, context);
        }
        if !parts.method.is_safe() && outside::is_of_another_site(&parts.headers, &context.base_url)
        {
            let error = SimpleError(Error::Forbidden(
                "a page of another site may not change anything here".to_owned(),
            ));
            return self.answer_now(error.into_response(), context);
        }
        let inner_uri = (path != parts.uri.path()).then(|| with_path(&parts.uri, &path));
        match inner_uri {
            None => {}
            Some(Some(uri)) => parts.uri = uri,
            Some(None) => {
                let error = SimpleError(Error::Invalid("the URL is not valid".to_owned()));
                return self.answer_now(error.into_response(), context);
            }
        }
        self.route(Request::from_parts(parts, Body::new(body)), context)
    }
}

impl Future for Reply {
    type Output = Result<Response<ReplyBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(response) => Poll::Ready(Ok(response
                .take()
                .expect("a future is not polled after it is ready"))),
            State::Coming(future) => future.as_mut().poll(context).map(Ok),
        }
    }
}

fn peer(parts: &http::request::Parts) -> Option<std::net::SocketAddr> {
    parts.extensions.get::<PeerAddress>().map(|peer| peer.0)
}

/// Makes browsers come over TLS from now on (RFC 6797), if the operator wants that.
fn insist_on_tls(headers: &mut HeaderMap, seconds: u64) {
    if seconds > 0
        && let Ok(value) = HeaderValue::from_str(&format!("max-age={seconds}"))
    {
        headers.insert(STRICT_TRANSPORT_SECURITY, value);
    }
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// How many bytes the client will wait for, if it was told.
fn promised_bytes(headers: &HeaderMap, method: &Method) -> Option<u64> {
    if method == Method::HEAD {
        return None;
    }
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The response itself, or the words of the face whose error it carries.
fn spelled(mut response: Response<Body>, context: &RequestContext) -> Response<Body> {
    match response.extensions_mut().remove::<Failure>() {
        Some(failure) => {
            let mut response = failure.spell(context);
            if context.method == Method::HEAD {
                *response.body_mut() = Body::empty();
            }
            response
        }
        None => response,
    }
}

fn into_inner<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

/// What nobody has a route for.
pub(crate) async fn no_route() -> DevpiError {
    DevpiError(failure::nothing_here())
}
