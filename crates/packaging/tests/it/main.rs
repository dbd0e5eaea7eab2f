//! Archives and Simple API documents, as other crates use them.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]
#![allow(
    clippy::cast_possible_truncation,
    reason = "the archives made here are small"
)]

#[cfg(test)]
mod documentation;
#[cfg(test)]
mod ranged;
#[cfg(test)]
mod sdist;
#[cfg(test)]
mod simple_list;
#[cfg(test)]
mod simple_page_read;
#[cfg(test)]
mod simple_page_write;
#[cfg(test)]
mod support;
#[cfg(test)]
mod wheel;
