//! Why a call gave no answer.

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
    /// No connection, a broken one, or silence for too long.
    #[error("no answer")]
    Transport(#[source] reqwest::Error),
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
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        // The URL may carry credentials.
        Self::Transport(error.without_url())
    }
}
