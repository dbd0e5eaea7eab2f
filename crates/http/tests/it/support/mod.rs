//! A server under test, and users who ask it.

mod answer;
mod server;
mod user;

pub(crate) use cheeseshop_test_support::noise;

pub(crate) use self::answer::Answer;
pub(crate) use self::server::Server;
pub(crate) use self::user::{User, file_path};
pub(crate) use cheeseshop_test_support::{FORM_TYPE, Form};

/// The digest of bytes in hexadecimal.
pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> String {
    use sha2::Digest as _;
    cheeseshop_packaging::Sha256(sha2::Sha256::digest(bytes).into()).to_string()
}
