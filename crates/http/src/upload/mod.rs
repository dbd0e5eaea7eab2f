//! twine's face: the legacy upload form (multipart, or urlencoded without a file).

pub(crate) mod error;
mod incoming;
mod legacy;
mod misdirected;

pub(crate) use self::legacy::receive;
pub(crate) use self::misdirected::refuse;
