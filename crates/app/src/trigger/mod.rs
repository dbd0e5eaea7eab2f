//! Calls to other servers after a file has come to an index.
//!
//! Whoever is to be called puts together a [`Call`]; [`App::call`] makes it: after COMMIT only, bounded in time and
//! number, within what the operator allows, and to its end even when the uploader goes away. A call that fails takes
//! nothing back; the uploader is told. Today there is one kind, the job of a Jenkins server; another one is another
//! function beside [`jenkins::call`] that makes a [`Call`] of an [`Arrival`].

mod jenkins;

use std::time::Duration;

use cheeseshop_domain::{Index, UrlCredentials};
use cheeseshop_packaging::{ProjectName, Version};
use http::StatusCode;
use secrecy::ExposeSecret;
use url::Url;

use crate::App;
use crate::outbound::{Outgoing, Post, Reply, host_of};

/// A file that has come to an index.
pub(crate) struct Arrival<'a> {
    pub(crate) index: &'a Index,
    pub(crate) project: &'a ProjectName,
    pub(crate) version: &'a Version,
    /// The address of this server as the uploader knows it, without a slash at the end.
    pub(crate) base_url: &'a str,
}

/// A request that is to be made.
pub(crate) struct Call {
    /// Who is called, for people: `Jenkins`.
    name: &'static str,
    url: Url,
    credentials: Option<UrlCredentials>,
    content_type: String,
    body: Vec<u8>,
    /// Whether an answer means that the call was understood.
    is_success: fn(&Reply) -> bool,
}

impl App {
    /// Calls whoever wants to know of the arrival. Waits no longer than `trigger.timeout`.
    ///
    /// # Errors
    /// A sentence for the uploader, without secrets.
    pub(crate) async fn announce(&self, arrival: &Arrival<'_>) -> Result<(), String> {
        match jenkins::call(arrival) {
            Ok(Some(call)) => self.call(call).await,
            Ok(None) => Ok(()),
            Err(reason) => Err(reason),
        }
    }

    async fn call(&self, call: Call) -> Result<(), String> {
        let (name, host) = (call.name, host_of(&call.url));
        let settings = &self.settings().trigger;
        if !settings.allowed_hosts.admit(&call.url) {
            return Err(format!(
                "this server does not call {host} (trigger.allowed_hosts)"
            ));
        }
        let Some(slot) = self.outgoing().call_slot() else {
            return Err(format!(
                "{name} at {host} was not called: too many calls are under way"
            ));
        };
        let (app, timeout) = (self.clone(), settings.timeout);
        let made = self
            .outgoing()
            .run(async move {
                let _slot = slot;
                make(call, app.outgoing(), timeout).await
            })
            .await;
        let result = made.unwrap_or_else(|_| Err(format!("{name} at {host} was not called")));
        match &result {
            Ok(()) => tracing::info!(target.host = host, "called {name} after an upload"),
            Err(reason) => {
                tracing::warn!(target.host = host, reason, "a call after an upload failed");
            }
        }
        result
    }
}

async fn make(call: Call, outgoing: &Outgoing, timeout: Duration) -> Result<(), String> {
    let Call {
        name,
        url,
        credentials,
        content_type,
        body,
        is_success,
    } = call;
    let host = host_of(&url);
    let mut post = Post::whole(url, &content_type, body);
    if let Some(UrlCredentials { username, password }) = credentials {
        post = post.by(username.expose_secret(), &password);
    }
    let answer = outgoing
        .send(post, timeout)
        .await
        .map_err(|error| format!("{name}: {error}"))?;
    if is_success(&answer) {
        Ok(())
    } else {
        Err(format!("{name} at {host} answered {}", told(&answer)))
    }
}

/// What was answered, in a few words for a reason phrase: the body is a page for people.
fn told(answer: &Reply) -> String {
    let status = answer.status;
    let words = status.canonical_reason().unwrap_or_default();
    let told = format!("{} {words}", status.as_u16());
    match &answer.location {
        Some(location) => format!("{} and redirects to {location}", told.trim_end()),
        None => told.trim_end().to_owned(),
    }
}

/// Statuses with which a server that takes forms says that it took one.
fn is_accepted(status: StatusCode) -> bool {
    status.is_success() || matches!(status, StatusCode::FOUND | StatusCode::SEE_OTHER)
}
