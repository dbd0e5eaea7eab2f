//! How a request came to us: over TLS that ends here, or in the clear beside an address that speaks TLS.
//!
//! The acceptor knows and says so; nothing that a client sends takes part in it.

use std::sync::Arc;

/// The kind of connection; the acceptor puts it into the extensions of each request. Without it
/// nothing is known, and nothing is assumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Channel {
    /// Plain HTTP, and nothing better is offered; or a proxy on this machine.
    #[default]
    Plain,
    /// Plain HTTP on a server that has an HTTPS address as well.
    BesideTls {
        /// What is done about it.
        policy: PlainPolicy,
        /// The port of the HTTPS address; `None`: nobody has told us, for something stands in front.
        https_port: Option<u16>,
    },
    /// TLS ends here.
    Tls(Arc<TlsFacts>),
}

/// What is done for clients that speak plain HTTP although they could speak TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainPolicy {
    /// As over TLS.
    Serve,
    /// Whoever reads without saying who they are is answered; the rest is refused.
    ReadOnly,
    /// Readers are sent to the HTTPS address; the rest is refused.
    #[default]
    Redirect,
}

/// What is known of a connection with TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// Whose certificate the client has shown.
    pub client: ClientCertificate,
    /// For how many seconds browsers are to insist on TLS; 0 says nothing.
    pub hsts_seconds: u64,
}

/// What the client's certificate says, after TLS has proved it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    /// There is none, or nobody asks whose it is.
    #[default]
    Nobody,
    /// It stands for this user, if there is one of this name.
    User(Arc<str>),
    /// It does not say for which user it stands. Other credentials may.
    Unclear(Arc<str>),
    /// It was good when the connection was made and is no longer: nothing is answered.
    Refused(Arc<str>),
}

impl Channel {
    /// Whether what is said here stays between the two ends.
    pub(crate) fn is_secure(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// What the client's certificate says.
    pub(crate) fn client(&self) -> &ClientCertificate {
        match self {
            Self::Tls(facts) => &facts.client,
            Self::Plain | Self::BesideTls { .. } => &ClientCertificate::Nobody,
        }
    }

    /// For how many seconds browsers are to insist on TLS.
    pub(crate) fn hsts_seconds(&self) -> u64 {
        match self {
            Self::Tls(facts) => facts.hsts_seconds,
            Self::Plain | Self::BesideTls { .. } => 0,
        }
    }
}
