//! The faces of the product: Simple API, legacy upload, devpi's JSON, files, health and
//! metrics. They spell; [`cheeseshop_app::App`] decides.
//!
//! A request walks like this: [`Service`] takes its id, its client and its path apart, answers
//! a hot simple page or a small hot file from memory ([`hot`]), and hands everything else to the
//! routes, which stand on one page ([`routes`]). A handler unwraps ([`ask`]), calls one use-case
//! and wraps the answer; an error travels unspelled to the end, where the face that it belongs
//! to spells it ([`failure`]). On the way out every answer gets its common headers, its log
//! line and its place in the metrics.
//!
//! Here is no SQL, no rule of an index, and no decision about permission.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod ask;
mod body;
mod channel;
mod conditional;
mod credentials;
mod devpi;
mod documentation;
mod drain;
mod failure;
mod files;
mod front;
mod health;
mod hot;
mod json_body;
mod lockdown;
mod metrics;
mod negotiate;
mod outside;
mod pace;
mod plain;
mod request_context;
mod request_log;
mod response_headers;
mod routes;
mod settings;
mod simple;
mod upload;
mod web;
mod xml_rpc;

use std::net::SocketAddr;

use cheeseshop_app::App;

pub use crate::body::ReplyBody;
pub use crate::channel::{Channel, ClientCertificate, PlainPolicy, TlsFacts};
pub use crate::front::{Reply, Service};
pub use crate::settings::{BackupNote, HttpSettings, Note, RevocationsNote};
pub use crate::web::look::{Appearance, Look, WebLink, WebSettings, theme};

/// The version of devpi-server whose protocol we speak, as `X-DEVPI-SERVER-VERSION` says it:
/// clients choose features by it.
pub const DEVPI_SERVER_VERSION: &str = "6.20.3";

/// The address of the connection's other end; the acceptor puts it into the extensions of
/// each request. Without it no proxy header is believed and no client address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// Builds the service that answers all requests; clone it per connection.
pub fn service(app: App, settings: HttpSettings) -> Service {
    Service::new(app, settings)
}
