//! Reading bytes to their end, hashing.

use std::io::{self, Read};

use cheeseshop_packaging::hash::Sha256;
use sha2::Digest as _;

/// Bytes that are read at once.
const CHUNK: usize = 256 * 1024;

/// Reads to the end, handing on what was read; digest and number of the bytes.
pub(crate) fn read_through(
    mut file: impl Read,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(Sha256, u64)> {
    let mut hasher = sha2::Sha256::new();
    let mut size = 0;
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&chunk[..read]);
        each(&chunk[..read])?;
        size += read as u64;
    }
    Ok((Sha256(hasher.finalize().into()), size))
}
