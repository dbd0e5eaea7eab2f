//! Who a request comes from.

use secrecy::{ExposeSecret as _, SecretString};

/// A name with a secret: of a login, or of what stands before a server. Prints without the secret.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// A password, a login's token or a token.
    pub secret: SecretString,
}

impl Credentials {
    /// A name with its secret.
    pub fn new(user: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            secret: SecretString::from(secret.into()),
        }
    }

    /// The secret itself, for those who have to send or store it.
    pub fn secret(&self) -> &str {
        self.secret.expose_secret()
    }
}
