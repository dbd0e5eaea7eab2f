//! devpi's change log: entries, and the byte code that they are written in.
//!
//! Every commit of a devpi-server is one [`Entry`]: the keys that it wrote, with their new
//! values. The same bytes lie in the database and go over the wire to replicas (protocol
//! reference §20.3, §22). They come from elsewhere, so [`decode`] believes nothing: depth, number
//! and size of everything are bounded by [`Limits`] and by the input's own length.

mod decode;
mod encode;
mod entry;
mod frame;
mod key;
mod op;
mod value;

#[cfg(test)]
mod tests;

pub use self::decode::{DecodeError, Limits, decode};
pub use self::encode::encode;
pub use self::entry::{Change, Entry, EntryError};
pub use self::frame::FrameReader;
pub use self::key::Key;
pub use self::value::Value;
