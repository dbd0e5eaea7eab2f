//! A server under test, and users who ask it.

mod answer;
mod form;
mod server;
mod user;

pub(crate) use self::answer::Answer;
pub(crate) use self::form::{FORM_TYPE, Form};
pub(crate) use self::server::Server;
pub(crate) use self::user::{User, file_path};

/// Bytes that do not compress.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect()
}

/// The digest of bytes in hexadecimal.
pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> String {
    use sha2::Digest as _;
    cheeseshop_packaging::Sha256(sha2::Sha256::digest(bytes).into()).to_string()
}
