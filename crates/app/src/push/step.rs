//! What became of each step of a push to another server.

use cheeseshop_domain::api::ActionLogEntry;
use http::StatusCode;
use serde_json::json;

use crate::outbound::Reply;

/// One step of a push to another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideStep {
    /// The other server's status; -1 when it gave none.
    pub status: i32,
    /// What was sent.
    pub sent: Sent,
    /// Why it failed, in the other server's words or ours; empty on success.
    pub text: String,
}

/// What a step of a push to another server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The metadata alone.
    Metadata {
        /// The project as written.
        project: String,
        /// The version.
        version: String,
    },
    /// A file.
    File {
        /// Where it is here: `user/index/+f/…`.
        path: String,
    },
    /// Documentation.
    Documentation {
        /// The project as written.
        project: String,
    },
}

impl OutsideStep {
    /// Whether the other server took it.
    pub fn succeeded(&self) -> bool {
        matches!(self.status, 200 | 201)
    }

    /// Whether files may follow: servers that know no registration say that it is gone.
    pub(super) fn lets_go_on(&self) -> bool {
        matches!(self.status, 200 | 201 | 410)
    }

    /// devpi's line. Where devpi leaves the reason of a failure out, it is one item more.
    pub(super) fn into_log_entry(self) -> ActionLogEntry {
        let Self { status, sent, text } = self;
        let mut rest = match sent {
            Sent::File { path } => return ActionLogEntry::Upload { status, path, text },
            Sent::Metadata { project, version } => {
                vec![json!("register"), json!(project), json!(version)]
            }
            Sent::Documentation { project } => vec![json!("docfile"), json!(project)],
        };
        if !text.is_empty() {
            rest.push(json!(text));
        }
        ActionLogEntry::Other { status, rest }
    }

    pub(super) fn of(sent: Sent, answer: Result<Reply, String>) -> Self {
        let (status, text) = match answer {
            Ok(reply) => (i32::from(reply.status.as_u16()), reason(reply)),
            Err(text) => (-1, text),
        };
        Self { status, sent, text }
    }
}

/// Why the other server did not take it.
fn reason(reply: Reply) -> String {
    match (reply.status, reply.location) {
        (StatusCode::OK | StatusCode::CREATED, _) => String::new(),
        // To follow would mean to hand the password to whomever the answer names.
        (_, Some(location)) => {
            format!("the server redirects to {location}; push there if that is where it should go")
        }
        (status, None) if reply.text.is_empty() => {
            status.canonical_reason().unwrap_or_default().to_owned()
        }
        (_, None) => reply.text,
    }
}
