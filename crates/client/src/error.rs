//! Why a call gave no answer.

use std::path::PathBuf;

use cheeseshop_domain::error_chain;

use crate::trust::Rejection;

/// Why a call to a server gave no usable answer. No text here holds a password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one that a server can have.
    #[error("`{url}` is not the address of a server: {reason}")]
    Address {
        /// The address without credentials.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file of certificates cannot be used.
    #[error("the certificates in {} (named by {named_by}) cannot be used: {reason}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// The option or variable that names it.
        named_by: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The server could not prove who it is.
    #[error("{0}")]
    Untrusted(Box<Rejection>),
    /// No connection that is safe came about, for another reason than the server's certificate.
    #[error("{0}")]
    Handshake(String),
    /// No connection, a broken one, or silence for too long.
    #[error("no answer")]
    Transport(#[source] reqwest::Error),
    /// The server is there, and says nothing.
    #[error("no answer: the server said nothing for {} seconds", .0.as_secs())]
    Silence(std::time::Duration),
    /// The server points elsewhere, and what was to be sent does not go there.
    #[error("the server says that this is now at {0}: use that address")]
    Redirected(url::Url),
    /// The server answered with an error.
    #[error("the server answered {status}{}", message.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The `message` of the server's answer, when it has one.
        message: Option<String>,
    },
    /// The answer is not what the protocol says. Probably something else answers there.
    #[error("the answer is not that of a devpi-compatible server: {0}")]
    Unexpected(String),
    /// A file here cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

impl Error {
    /// Whether the server could not prove who it is.
    pub fn is_certificate(&self) -> bool {
        matches!(self, Self::Untrusted(_))
    }

    /// The error and all that caused it, in one line.
    pub fn chain(&self) -> String {
        error_chain(self)
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        if let Some(rejection) = crate::trust::rejection(&error) {
            return Self::Untrusted(Box::new(rejection.clone()));
        }
        // The URL may carry credentials.
        Self::Transport(error.without_url())
    }
}
