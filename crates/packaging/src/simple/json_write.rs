//! Writing JSON pages and lists, straight into bytes.

use std::io::Write;

use jiff::Timestamp;
use jiff::fmt::StdIoWrite;
use jiff::fmt::temporal::DateTimePrinter;

use super::project_page::{CoreMetadataMark, PageFile, ProjectPage, ProjectStatus, Yanked};
use super::{API_VERSION, API_VERSION_WITHOUT_SIZES};
use crate::hash::Hashes;

const INTO_MEMORY: &str = "writing into memory cannot fail";

/// PEP 700 allows six digits at most, and Python before 3.11 reads no other
/// number of digits but three and six.
const WITH_MICROSECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
const WITHOUT_FRACTION: DateTimePrinter = DateTimePrinter::new().precision(Some(0));

/// Bytes of a file's entry besides its texts.
const FILE_OVERHEAD: usize = 600;

/// Writes a project page. `versions` are the page's, completed.
pub(super) fn page<'a>(page: &ProjectPage, versions: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + page.files.len() * FILE_OVERHEAD);
    let has_sizes = page.files.iter().all(|file| file.size.is_some());
    let version = if has_sizes {
        API_VERSION
    } else {
        API_VERSION_WITHOUT_SIZES
    };
    meta(&mut out, version, page.last_serial);
    out.extend_from_slice(b",\"name\":");
    string(&mut out, &page.name);
    if let Some(status) = &page.status {
        project_status(&mut out, status);
    }
    out.extend_from_slice(b",\"versions\":[");
    for (position, version) in versions.enumerate() {
        separate(&mut out, position);
        string(&mut out, version);
    }
    out.extend_from_slice(b"],\"files\":[");
    for (position, entry) in page.files.iter().enumerate() {
        separate(&mut out, position);
        file(&mut out, entry);
    }
    out.extend_from_slice(b"]}");
    out
}

/// Writes a project list.
pub(super) fn list<'a>(
    names: impl ExactSizeIterator<Item = &'a str>,
    last_serial: Option<u64>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + names.len() * 32);
    meta(&mut out, API_VERSION, last_serial);
    out.extend_from_slice(b",\"projects\":[");
    for (position, name) in names.enumerate() {
        separate(&mut out, position);
        out.extend_from_slice(b"{\"name\":");
        string(&mut out, name);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

fn meta(out: &mut Vec<u8>, version: &str, last_serial: Option<u64>) {
    out.extend_from_slice(b"{\"meta\":{\"api-version\":\"");
    out.extend_from_slice(version.as_bytes());
    out.push(b'"');
    if let Some(serial) = last_serial {
        // Keys that start with an underscore are the server's own (PEP 700).
        write!(out, ",\"_last-serial\":{serial}").expect(INTO_MEMORY);
    }
    out.push(b'}');
}

fn project_status(out: &mut Vec<u8>, status: &ProjectStatus) {
    out.extend_from_slice(b",\"project-status\":{\"status\":");
    string(out, status.status.as_str());
    if let Some(reason) = &status.reason {
        out.extend_from_slice(b",\"reason\":");
        string(out, reason);
    }
    out.push(b'}');
}

fn file(out: &mut Vec<u8>, file: &PageFile) {
    out.extend_from_slice(b"{\"filename\":");
    string(out, &file.filename);
    out.extend_from_slice(b",\"url\":");
    string(out, &file.url);
    out.extend_from_slice(b",\"hashes\":");
    hashes(out, &file.hashes);
    if let Some(requires_python) = &file.requires_python {
        out.extend_from_slice(b",\"requires-python\":");
        string(out, requires_python);
    }
    if let Some(size) = file.size {
        write!(out, ",\"size\":{size}").expect(INTO_MEMORY);
    }
    if let Some(time) = file.upload_time {
        out.extend_from_slice(b",\"upload-time\":\"");
        timestamp(out, time);
        out.push(b'"');
    }
    match &file.yanked {
        Yanked::No => out.extend_from_slice(b",\"yanked\":false"),
        Yanked::Yes(None) => out.extend_from_slice(b",\"yanked\":true"),
        Yanked::Yes(Some(reason)) => {
            out.extend_from_slice(b",\"yanked\":");
            string(out, reason);
        }
    }
    if let CoreMetadataMark::Available(digests) = &file.core_metadata {
        // Not under the old spelling as well: pip before 23.2, which is that of Debian 12, stumbles over it
        // in JSON, and PEP 714 renamed it for this.
        out.extend_from_slice(b",\"core-metadata\":");
        if digests.is_empty() {
            out.extend_from_slice(b"true");
        } else {
            hashes(out, digests);
        }
    }
    if let Some(gpg_sig) = file.gpg_sig {
        write!(out, ",\"gpg-sig\":{gpg_sig}").expect(INTO_MEMORY);
    }
    if let Some(provenance) = file.secure_provenance() {
        out.extend_from_slice(b",\"provenance\":");
        string(out, provenance);
    }
    out.push(b'}');
}

fn hashes(out: &mut Vec<u8>, hashes: &Hashes) {
    out.push(b'{');
    for (position, (algorithm, digest)) in hashes.iter().enumerate() {
        separate(out, position);
        out.push(b'"');
        out.extend_from_slice(algorithm.as_str().as_bytes());
        out.extend_from_slice(b"\":\"");
        out.extend_from_slice(digest.as_bytes());
        out.push(b'"');
    }
    out.push(b'}');
}

fn timestamp(out: &mut Vec<u8>, time: Timestamp) {
    let printer = if time.subsec_nanosecond() / 1000 == 0 {
        &WITHOUT_FRACTION
    } else {
        &WITH_MICROSECONDS
    };
    printer
        .print_timestamp(&time, StdIoWrite(out))
        .expect(INTO_MEMORY);
}

fn separate(out: &mut Vec<u8>, position: usize) {
    if position > 0 {
        out.push(b',');
    }
}

/// Writes a JSON string. Runs that need no escape are copied whole.
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    for (position, byte) in bytes.iter().enumerate() {
        if !matches!(byte, 0..0x20 | b'"' | b'\\' | 0x7f) {
            continue;
        }
        out.extend_from_slice(&bytes[start..position]);
        start = position + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => write!(out, "\\u{other:04x}").expect(INTO_MEMORY),
        }
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_so_that_any_reader_gets_them_back() {
        for text in [
            "",
            "plain",
            "ünï 🧀",
            "quote \" and \\ slash",
            "\0\u{1}\u{1f}\u{7f}\n\r\t",
            "</script>",
            "\u{2028}",
        ] {
            let mut out = Vec::new();
            string(&mut out, text);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn times_have_six_digits_or_none() {
        for (time, expected) in [
            ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05.5Z", "2024-01-02T03:04:05.500000Z"),
            ("2024-01-02T03:04:05.123456Z", "2024-01-02T03:04:05.123456Z"),
            (
                "2024-01-02T03:04:05.123456789Z",
                "2024-01-02T03:04:05.123456Z",
            ),
            ("2024-01-02T03:04:05.000000009Z", "2024-01-02T03:04:05Z"),
            ("2024-01-02T03:04:05+02:00", "2024-01-02T01:04:05Z"),
        ] {
            let mut out = Vec::new();
            timestamp(&mut out, time.parse().unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
