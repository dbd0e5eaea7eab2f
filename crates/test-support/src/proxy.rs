//! A forward HTTP proxy that tells what went through it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::serve::{Body, Dropped, Server, full, serve};

/// A forward proxy on loopback: `CONNECT` for `https`, absolute URLs for `http`.
///
/// Host names can be mapped to test servers, so that a product behind it can be pointed to
/// `pypi.test`, which exists nowhere.
#[derive(Clone, Debug)]
pub struct ForwardProxy {
    state: Arc<State>,
    server: Arc<Server>,
}

/// One request that a proxy was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyRequest {
    /// `CONNECT`, `GET` and so on.
    pub method: String,
    /// `host:port` for `CONNECT`, the whole URL otherwise.
    pub target: String,
}

#[derive(Debug, Default)]
struct State {
    names: Mutex<HashMap<String, String>>,
    credentials: Mutex<Option<String>>,
    requests: Mutex<Vec<ProxyRequest>>,
}

impl ForwardProxy {
    /// Starts a proxy that lets everybody through.
    #[expect(clippy::unused_async, reason = "like the other servers")]
    pub async fn start() -> Self {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let server = serve(None, move |request| answer(Arc::clone(&shared), request));
        Self {
            state,
            server: Arc::new(server),
        }
    }

    /// The proxy's URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Sends whoever asks for this host (without port) to `address` (`127.0.0.1:1234`).
    pub fn map_host(&self, host: &str, address: &str) {
        lock(&self.state.names).insert(host.to_owned(), address.to_owned());
    }

    /// Demands these credentials from now on.
    pub fn require_basic(&self, user: &str, password: &str) {
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        *lock(&self.state.credentials) = Some(format!("Basic {encoded}"));
    }

    /// Everything that was let through, in order of arrival.
    pub fn requests(&self) -> Vec<ProxyRequest> {
        lock(&self.state.requests).clone()
    }

    /// How many tunnels were opened.
    pub fn connects(&self) -> usize {
        self.count("CONNECT")
    }

    /// How many requests of this method were let through.
    pub fn count(&self, method: &str) -> usize {
        self.requests()
            .iter()
            .filter(|request| request.method == method)
            .count()
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
    let expected = lock(&state.credentials).clone();
    if let Some(expected) = expected {
        let given = request.headers().get(PROXY_AUTHORIZATION);
        if given.is_none_or(|given| given.as_bytes() != expected.as_bytes()) {
            let response = Response::builder()
                .status(StatusCode::PROXY_AUTHENTICATION_REQUIRED)
                .header(PROXY_AUTHENTICATE, "Basic realm=\"proxy\"")
                .body(full("who are you?"));
            return Ok(response.unwrap());
        }
    }
    let target = if request.method() == Method::CONNECT {
        request.uri().authority().map(ToString::to_string)
    } else {
        Some(request.uri().to_string())
    };
    let Some(authority) = request.uri().authority().cloned() else {
        return Ok(failed("this is a proxy; ask for whole URLs"));
    };
    lock(&state.requests).push(ProxyRequest {
        method: request.method().to_string(),
        target: target.unwrap_or_default(),
    });
    let address = lock(&state.names).get(authority.host()).cloned();
    let address = address.unwrap_or_else(|| {
        format!(
            "{}:{}",
            authority.host(),
            authority.port_u16().unwrap_or(80)
        )
    });
    let Ok(stream) = TcpStream::connect(&address).await else {
        return Ok(failed("the host does not answer"));
    };
    if request.method() == Method::CONNECT {
        tokio::spawn(async move {
            if let Ok(upgraded) = hyper::upgrade::on(request).await {
                let mut stream = stream;
                let mut upgraded = TokioIo::new(upgraded);
                // Either side may cut the tunnel whenever it likes.
                let _ = tokio::io::copy_bidirectional(&mut upgraded, &mut stream).await;
            }
        });
        return Ok(Response::new(full("")));
    }
    forward(stream, request).await
}

async fn forward(stream: TcpStream, request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| Dropped)?;
    tokio::spawn(connection);
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if let Some(authority) = parts.uri.authority() {
        let host = authority.as_str().parse().map_err(|_| Dropped)?;
        parts.headers.insert(HOST, host);
    }
    parts.headers.remove(PROXY_AUTHORIZATION);
    parts.uri = path.parse::<Uri>().map_err(|_| Dropped)?;
    let answer = sender.send_request(Request::from_parts(parts, body)).await;
    let (parts, body) = answer.map_err(|_| Dropped)?.into_parts();
    let body = body.map_err(std::io::Error::other).boxed_unsync();
    Ok(Response::from_parts(parts, body))
}

fn failed(text: &'static str) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
