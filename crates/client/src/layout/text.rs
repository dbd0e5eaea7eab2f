//! The text of a layout.

use std::io::{Error, ErrorKind, Read, Result};

/// Far more than any layout needs.
const LARGEST_LAYOUT_BYTES: u64 = 16 << 20;

/// Reads the text of a layout.
///
/// # Errors
/// It cannot be read, is no text in UTF-8, or is larger than 16 MiB.
pub fn text_of(file: impl Read) -> Result<String> {
    let mut text = String::new();
    file.take(LARGEST_LAYOUT_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_LAYOUT_BYTES {
        return Err(Error::new(ErrorKind::FileTooLarge, "it is too large"));
    }
    Ok(text)
}
