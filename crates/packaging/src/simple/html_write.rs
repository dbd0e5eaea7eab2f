//! Writing HTML pages and lists, straight into bytes. The form is devpi's
//! with the attributes of Simple API 1.4; PEP 833 froze it there. PEP 700's
//! demands are JSON's only, so that a page without sizes is 1.4 as well.

use super::API_VERSION;
use super::project_page::{CoreMetadataMark, PageFile, ProjectPage, Yanked};
use crate::hash::Hashes;

/// Writes a project page.
pub(super) fn page(page: &ProjectPage, title: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + page.files.len() * 700);
    open_head(&mut out);
    if let Some(status) = &page.status {
        attribute_tag(&mut out, "pypi:project-status", status.status.as_str());
        if let Some(reason) = &status.reason {
            attribute_tag(&mut out, "pypi:project-status-reason", reason);
        }
    }
    close_head(&mut out, title);
    for entry in &page.files {
        file(&mut out, entry);
    }
    out.extend_from_slice(b"</body></html>\n");
    out
}

/// Writes a project list. Addresses are relative to the list's own.
pub(super) fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>, title: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + names.len() * 64);
    open_head(&mut out);
    close_head(&mut out, title);
    for name in names {
        out.extend_from_slice(b"<a href=\"");
        escape(&mut out, name);
        out.extend_from_slice(b"/\">");
        escape(&mut out, name);
        out.extend_from_slice(b"</a><br>\n");
    }
    out.extend_from_slice(b"</body></html>\n");
    out
}

/// Writes the beginning of a list of links to files, for `--find-links`.
pub(super) fn open_links(out: &mut Vec<u8>, title: &str) {
    out.extend_from_slice(b"<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    close_head(out, title);
}

/// Writes the end of such a list.
pub(super) fn close_links(out: &mut Vec<u8>, is_empty: bool) {
    if is_empty {
        out.extend_from_slice(b"<p>No releases.</p>\n");
    }
    out.extend_from_slice(b"</body></html>\n");
}

fn open_head(out: &mut Vec<u8>) {
    out.extend_from_slice(b"<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    attribute_tag(out, "pypi:repository-version", API_VERSION);
}

fn attribute_tag(out: &mut Vec<u8>, name: &str, content: &str) {
    out.extend_from_slice(b"<meta name=\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\" content=\"");
    escape(out, content);
    out.extend_from_slice(b"\">");
}

fn close_head(out: &mut Vec<u8>, title: &str) {
    out.extend_from_slice(b"<title>");
    escape(out, title);
    out.extend_from_slice(b"</title></head><body><h1>");
    escape(out, title);
    out.extend_from_slice(b"</h1>\n");
}

/// Writes one link, with everything that an installer wants to know before it fetches.
pub(super) fn file(out: &mut Vec<u8>, file: &PageFile) {
    if let Some(origin) = &file.origin {
        escape(out, origin);
        out.push(b' ');
    }
    out.extend_from_slice(b"<a href=\"");
    escape(out, &file.url);
    if let Some((algorithm, digest)) = file.hashes.best() {
        out.push(b'#');
        digest_pair(out, algorithm.as_str(), digest);
    }
    out.push(b'"');
    if let CoreMetadataMark::Available(digests) = &file.core_metadata {
        // The old spelling is for clients from before PEP 714.
        for name in ["data-dist-info-metadata", "data-core-metadata"] {
            open_attribute(out, name);
            mark(out, digests);
            out.push(b'"');
        }
    }
    if let Some(requires_python) = &file.requires_python {
        attribute(out, "data-requires-python", requires_python);
    }
    match &file.yanked {
        Yanked::No => {}
        Yanked::Yes(reason) => attribute(out, "data-yanked", reason.as_deref().unwrap_or("")),
    }
    if let Some(gpg_sig) = file.gpg_sig {
        attribute(out, "data-gpg-sig", if gpg_sig { "true" } else { "false" });
    }
    if let Some(provenance) = file.secure_provenance() {
        attribute(out, "data-provenance", provenance);
    }
    out.push(b'>');
    escape(out, &file.filename);
    out.extend_from_slice(b"</a><br>\n");
}

fn mark(out: &mut Vec<u8>, digests: &Hashes) {
    match digests.best() {
        Some((algorithm, digest)) => digest_pair(out, algorithm.as_str(), digest),
        None => out.extend_from_slice(b"true"),
    }
}

fn digest_pair(out: &mut Vec<u8>, algorithm: &str, digest: &str) {
    out.extend_from_slice(algorithm.as_bytes());
    out.push(b'=');
    out.extend_from_slice(digest.as_bytes());
}

fn open_attribute(out: &mut Vec<u8>, name: &str) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
}

fn attribute(out: &mut Vec<u8>, name: &str, value: &str) {
    open_attribute(out, name);
    escape(out, value);
    out.push(b'"');
}

/// Escapes text for element content and quoted attributes alike.
fn escape(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut start = 0;
    for (position, byte) in bytes.iter().enumerate() {
        let escaped: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"&quot;",
            b'\'' => b"&#x27;",
            _ => continue,
        };
        out.extend_from_slice(&bytes[start..position]);
        out.extend_from_slice(escaped);
        start = position + 1;
    }
    out.extend_from_slice(&bytes[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_place() {
        for (text, expected) in [
            ("plain", "plain"),
            (">=3.7,<4", "&gt;=3.7,&lt;4"),
            (
                "\"><script>'&amp;",
                "&quot;&gt;&lt;script&gt;&#x27;&amp;amp;",
            ),
            ("ünï", "ünï"),
        ] {
            let mut out = Vec::new();
            escape(&mut out, text);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
