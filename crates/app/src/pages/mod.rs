//! Simple API pages: made once, compressed once, answered from memory.
//!
//! Walk of a hot request: [`App::cached_project_page`] finds the index in the directory, the
//! visible part of its resolution order, and the kept page; no database, no rendering, no
//! compression. Everything else goes through [`App::project_page`].

mod page;
mod parts;
mod project_list;
mod project_page;
mod turn;

pub use self::page::{CachePolicy, Encoding, Page, PageOptions, Representation};
pub(crate) use self::parts::mirror_file_path;
pub use self::turn::LONGEST_PROMISE;

use bytes::Bytes;

/// A body in an encoding, compressed on the calling thread.
pub fn encoded(body: &Bytes, encoding: Encoding) -> Bytes {
    match encoding {
        Encoding::Identity => body.clone(),
        Encoding::Gzip => crate::page_cache::gzip(body),
        Encoding::Zstd => crate::page_cache::zstd(body),
    }
}
