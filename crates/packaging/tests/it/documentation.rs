//! Archives of documentation: what is refused, and pages out of what is not.

use std::io::Cursor;

use cheeseshop_packaging::archive::documentation::{
    DirectoryReader, DocumentationPages, Page, PageReader, RangedDirectory, inspect,
};
use cheeseshop_packaging::{ArchiveError, ArchiveLimits};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use crate::support::{Descriptor, RawEntry, pack, pack_raw, with_zip64_end};

fn files() -> Vec<(String, Vec<u8>)> {
    let long: Vec<u8> = (0..200_000_u32)
        .flat_map(|n| n.to_string().into_bytes())
        .collect();
    vec![
        ("index.html".into(), b"<h1>Hello</h1>".to_vec()),
        ("api/".into(), Vec::new()),
        ("api/module.html".into(), b"module".repeat(1000)),
        ("_static/empty.css".into(), Vec::new()),
        ("searchindex.js".into(), long),
    ]
}

fn archive(method: CompressionMethod) -> Vec<u8> {
    let files: Vec<_> = files()
        .into_iter()
        .filter(|(name, _)| !name.ends_with('/'))
        .collect();
    pack(
        &files,
        SimpleFileOptions::default().compression_method(method),
    )
}

fn judge(archive: &[u8], limits: &ArchiveLimits) -> Result<DocumentationPages, ArchiveError> {
    inspect(Cursor::new(archive), limits)
}

fn refusal(archive: &[u8]) -> String {
    judge(archive, &ArchiveLimits::default())
        .expect_err("refused")
        .to_string()
}

/// Reads the directory in ranges; also tells how many there were.
fn directory(archive: &[u8]) -> Result<(DocumentationPages, usize), ArchiveError> {
    let limits = ArchiveLimits::default();
    let (mut reader, mut range) = DirectoryReader::begin(archive.len() as u64, &limits);
    for count in 1.. {
        let part = &archive[range.start as usize..range.end as usize];
        match reader.feed(part)? {
            RangedDirectory::Need(next) => range = next,
            RangedDirectory::Done(pages) => return Ok((pages, count)),
        }
    }
    unreachable!("the loop has no end")
}

/// Unpacks a page with inputs and outputs of some sizes.
fn unpack(
    archive: &[u8],
    page: &Page,
    input: usize,
    output: usize,
) -> Result<Vec<u8>, ArchiveError> {
    let range = page.range();
    let mut reader = PageReader::new(page);
    let mut content = Vec::new();
    let mut buffer = vec![0; output];
    for chunk in archive[range.start as usize..range.end as usize].chunks(input) {
        let mut rest = chunk;
        loop {
            let done = reader.unpack(rest, &mut buffer)?;
            content.extend_from_slice(&buffer[..done.produced]);
            rest = &rest[done.consumed..];
            if reader.is_finished() || (rest.is_empty() && done.produced == 0) {
                break;
            }
        }
    }
    assert!(reader.is_finished());
    Ok(content)
}

#[test]
fn pages_are_unpacked_whatever_the_size_of_the_pieces() {
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let archive = archive(method);
        let pages = judge(&archive, &ArchiveLimits::default()).unwrap();
        assert_eq!(
            pages.names().collect::<Vec<_>>(),
            [
                "_static/empty.css",
                "api/module.html",
                "index.html",
                "searchindex.js"
            ]
        );
        let (read, _) = directory(&archive).unwrap();
        assert_eq!(read, pages, "what serves sees what was checked");
        for (name, content) in files().iter().filter(|(name, _)| !name.ends_with('/')) {
            let page = pages.find(name).unwrap();
            assert_eq!(page.size(), content.len() as u64);
            for (input, output) in [(1, 64), (7, 1), (4096, 65_536), (1 << 20, 1 << 20)] {
                if content.len() > 100_000 && input.min(output) < 64 {
                    continue;
                }
                let unpacked = unpack(&archive, page, input, output).unwrap();
                assert!(unpacked == *content, "{name} {input} {output}");
            }
        }
        for absent in ["", "/index.html", "api", "api/", "index.htm", "Index.html"] {
            assert_eq!(pages.find(absent), None, "{absent}");
        }
    }
}

#[test]
fn twenty_thousand_pages_are_within_the_default_limits() {
    let entries: Vec<RawEntry> = (0..20_000)
        .map(|number| RawEntry::new(&format!("api/generated/module_{number}.html"), b"<p>"))
        .collect();
    let archive = pack_raw(&entries);
    let pages = judge(&archive, &ArchiveLimits::default()).unwrap();
    assert_eq!(pages.names().len(), 20_000);
    assert!(
        (1_000_000..4_000_000).contains(&pages.weight()),
        "{}",
        pages.weight()
    );
    let (read, requests) = directory(&archive).unwrap();
    assert_eq!(read, pages);
    assert_eq!(requests, 2);

    let limits = ArchiveLimits {
        max_entries: 19_999,
        ..ArchiveLimits::default()
    };
    assert_eq!(
        judge(&archive, &limits).unwrap_err().to_string(),
        "the archive exceeds a limit: it has 20000 entries, 19999 are allowed"
    );
}

#[test]
fn what_is_not_safe_is_refused_with_a_reason() {
    let good = || RawEntry::new("index.html", b"<h1>Hello</h1>");
    let changed = |change: &dyn Fn(&mut RawEntry)| {
        let mut entry = good();
        change(&mut entry);
        pack_raw(&[entry])
    };
    let named = |name: &str| pack_raw(&[good(), RawEntry::new(name, b"x")]);
    let link = |mode: u32| changed(&move |entry| entry.external = mode << 16);
    assert!(judge(&pack_raw(&[good()]), &ArchiveLimits::default()).is_ok());
    for (archive, reason) in [
        (b"no archive".to_vec(), "does not end as a ZIP file does"),
        (Vec::new(), "does not end as a ZIP file does"),
        (pack_raw(&[good()])[..60].to_vec(), "does not end as a ZIP"),
        (named("../evil.html"), "unsafe entry `../evil.html`"),
        (named("a/../../evil.html"), "unsafe entry"),
        (named("/etc/passwd"), "unsafe entry `/etc/passwd`"),
        (named("C:/evil.html"), "unsafe entry"),
        (named("..\\evil.html"), "unsafe entry"),
        (named("a\0b.html"), "unsafe entry"),
        (named("index.html"), "two entries `index.html`"),
        (named("index.html/"), "two entries `index.html`"),
        (link(0o120_777), "unsafe entry `index.html`"),
        (link(0o020_666), "unsafe entry `index.html`"),
        (changed(&|entry| entry.flags = 1), "is encrypted"),
        (
            changed(&|entry| entry.crc = Some(1)),
            "`index.html`: its content differs",
        ),
        (
            changed(&|entry| entry.claimed_size = Some(5)),
            "`index.html`: it is larger than the directory says",
        ),
        (
            changed(&|entry| entry.claimed_size = Some(500)),
            "`index.html`: its content differs",
        ),
        (changed(&|entry| entry.gap_before = 3), "a gap"),
        (
            changed(&|entry| entry.descriptor = Some(Descriptor::Wrong)),
            "the sizes behind `index.html` are wrong",
        ),
        (
            changed(&|entry| entry.local_name = Some(b"other.html".to_vec())),
            "differs from the directory",
        ),
    ] {
        let told = refusal(&archive);
        assert!(told.contains(reason), "{told:?} lacks {reason:?}");
    }
    for fine in [
        changed(&|entry| entry.descriptor = Some(Descriptor::Signed)),
        changed(&|entry| entry.external = 0o100_644 << 16),
        with_zip64_end(pack_raw(&[good()])),
        pack_raw(&[]),
    ] {
        judge(&fine, &ArchiveLimits::default()).unwrap();
    }
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    let zeros = RawEntry::new("zeros.html", &vec![0; 70 << 20]);
    let archive = pack_raw(std::slice::from_ref(&zeros));
    assert_eq!(
        refusal(&archive),
        "the archive exceeds a limit: it unpacks to more than 50 times its size"
    );
    let limits = ArchiveLimits {
        max_unpacked_bytes: 1 << 20,
        ..ArchiveLimits::default()
    };
    assert_eq!(
        judge(&archive, &limits).unwrap_err().to_string(),
        "the archive exceeds a limit: it unpacks to more than 1048576 bytes"
    );
    // One that lies about its size gets no further than it said.
    let mut liar = zeros;
    liar.claimed_size = Some(10);
    let archive = pack_raw(&[liar]);
    assert!(refusal(&archive).contains("larger than the directory says"));
    let (pages, _) = directory(&archive).unwrap();
    let page = pages.find("zeros.html").unwrap();
    let error = unpack(&archive, page, 4096, 4096).unwrap_err().to_string();
    assert!(error.contains("larger than the directory says"), "{error}");
}

#[test]
fn of_an_archive_that_was_never_checked_only_safe_pages_are_seen() {
    let mut encrypted = RawEntry::new("secret.html", b"x");
    encrypted.flags = 1;
    let archive = pack_raw(&[
        RawEntry::new("index.html", b"first"),
        RawEntry::new("../evil.html", b"x"),
        RawEntry::new("index.html", b"second"),
        encrypted,
    ]);
    let (pages, _) = directory(&archive).unwrap();
    assert_eq!(pages.names().collect::<Vec<_>>(), ["index.html"]);
    let page = pages.find("index.html").unwrap();
    assert_eq!(unpack(&archive, page, 100, 100).unwrap(), b"first");

    // The directory points into the middle of nowhere.
    let mut broken = archive.clone();
    broken[..4].fill(0);
    let error = unpack(&broken, page, 100, 100).unwrap_err().to_string();
    assert!(error.contains("header"), "{error}");
    for cut in [1, 10, 40] {
        assert!(directory(&archive[..archive.len() - cut]).is_err());
    }
}
