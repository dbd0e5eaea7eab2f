use std::io::{Cursor, Write};

use cheeseshop_packaging::archive::sdist;
use cheeseshop_packaging::{ArchiveError, ArchiveLimits};
use tar::{Builder, EntryType, Header};
use zip::write::SimpleFileOptions;

use crate::support::{METADATA, RawEntry, file_name, gzip, pack, pack_raw};

const NAME: &str = "sample-1.0.tar.gz";

fn inspect_as(bytes: &[u8], name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
    let limits = ArchiveLimits::default();
    sdist::inspect(Cursor::new(bytes), &file_name(name), &limits).map(|contents| contents.metadata)
}

fn inspect(bytes: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
    inspect_as(bytes, NAME)
}

/// An entry without the checks of the `tar` crate's builder.
fn entry(path: &str, kind: EntryType, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(path: &str, content: &[u8]) -> Vec<u8> {
    entry(path, EntryType::Regular, "", content)
}

fn tarball(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.extend([0; 1024]);
    gzip(&bytes)
}

fn pkg_info() -> Vec<u8> {
    file("sample-1.0/PKG-INFO", METADATA.as_bytes())
}

#[test]
fn metadata_is_found_in_the_top_folder() {
    let metadata = Some(METADATA.as_bytes().to_vec());
    let nested = file("sample-1.0/sample.egg-info/PKG-INFO", b"nested");
    let folder = entry("sample-1.0/", EntryType::Directory, "", b"");
    for (entries, expected) in [
        (vec![pkg_info()], &metadata),
        (vec![folder, nested.clone(), pkg_info()], &metadata),
        (
            vec![
                entry("./", EntryType::Directory, "", b""),
                file("./sample-1.0/PKG-INFO", METADATA.as_bytes()),
            ],
            &metadata,
        ),
        (
            vec![file("Sample-1.0/PKG-INFO", METADATA.as_bytes())],
            &metadata,
        ),
        (vec![file("other-2/PKG-INFO", b"x"), pkg_info()], &metadata),
        (
            vec![
                file("other-2/PKG-INFO", b"x"),
                file("third-1/PKG-INFO", b"x"),
            ],
            &None,
        ),
        (vec![nested], &None),
        (vec![file("PKG-INFO", b"x")], &None),
        (vec![], &None),
    ] {
        let bytes = tarball(&entries);
        assert_eq!(&inspect(&bytes).unwrap(), expected);
        assert_eq!(&inspect_as(&bytes, "sample-1.0.TGZ").unwrap(), expected);
    }
}

#[test]
fn archives_of_the_ordinary_tools_are_read() {
    let long = format!("sample-1.0/{}/x", "folder".repeat(40));
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    builder.append_data(&mut header, &long, &b"x"[..]).unwrap();
    header.set_size(METADATA.len() as u64);
    builder
        .append_data(&mut header, "sample-1.0/PKG-INFO", METADATA.as_bytes())
        .unwrap();
    let bytes = gzip(&builder.into_inner().unwrap());
    assert_eq!(inspect(&bytes).unwrap().unwrap(), METADATA.as_bytes());

    // Python's tarfile writes PAX headers.
    let pax = entry(
        "x",
        EntryType::XHeader,
        "",
        b"28 path=sample-1.0/PKG-INFO\n",
    );
    let global = entry("x", EntryType::XGlobalHeader, "", b"16 comment=abcd\n");
    let bytes = tarball(&[global, pax, file("short", METADATA.as_bytes())]);
    assert_eq!(inspect(&bytes).unwrap().unwrap(), METADATA.as_bytes());
}

#[test]
fn zip_sdists_are_read_too() {
    let files = vec![
        ("sample-1.0/setup.py".to_owned(), b"x".to_vec()),
        (
            "sample-1.0/PKG-INFO".to_owned(),
            METADATA.as_bytes().to_vec(),
        ),
    ];
    let bytes = pack(&files, SimpleFileOptions::default());
    let found = inspect_as(&bytes, "sample-1.0.zip").unwrap();
    assert_eq!(found.unwrap(), METADATA.as_bytes());

    let mut link = RawEntry::new("sample-1.0/link", b"/etc/passwd");
    link.external = 0o120_777 << 16;
    let bytes = pack_raw(&[link]);
    let error = inspect_as(&bytes, "sample-1.0.zip");
    assert!(matches!(error, Err(ArchiveError::UnsafeEntry(_))));

    let bytes = pack_raw(&[RawEntry::new("../evil", b"x")]);
    let error = inspect_as(&bytes, "sample-1.0.zip");
    assert!(matches!(error, Err(ArchiveError::UnsafeEntry(_))));
}

#[test]
fn kinds_that_cannot_be_read_give_no_metadata() {
    for name in ["sample-1.0.tar.bz2", "sample-1.0.egg", "sample-1.0.exe"] {
        assert_eq!(inspect_as(b"whatever", name).unwrap(), None);
    }
}

#[test]
fn entries_that_leave_the_folder_are_refused() {
    let symlink = |path: &str, to: &str| entry(path, EntryType::Symlink, to, b"");
    for entries in [
        vec![file("../evil", b"x")],
        vec![file("/etc/passwd", b"x")],
        vec![file("a/../../evil", b"x")],
        vec![file("", b"x")],
        vec![symlink("a/b", "/etc/passwd")],
        vec![symlink("a/b", "../../x")],
        vec![entry("a/b", EntryType::Link, "../x", b"")],
        vec![entry("a/b", EntryType::Link, "/etc/passwd", b"")],
        vec![entry("a/b", EntryType::Fifo, "", b"")],
        vec![entry("a/b", EntryType::Char, "", b"")],
        vec![entry("a/b", EntryType::Block, "", b"")],
        vec![entry("a/b", EntryType::GNUSparse, "", b"")],
        // Through a link that is harmless by itself.
        vec![symlink("a/x", "."), file("a/x/y", b"x")],
        vec![symlink("a/x", "."), symlink("a/y", "x/../..")],
        vec![
            symlink("a/x", "b"),
            entry("a/y", EntryType::Link, "a/x/z", b""),
        ],
        // In an extension header.
        vec![
            entry("x", EntryType::XHeader, "", b"16 path=../evil\n"),
            file("good", b"x"),
        ],
        vec![
            entry("x", EntryType::GNULongName, "", b"../evil\0"),
            file("good", b"x"),
        ],
        vec![
            entry("x", EntryType::GNULongLink, "", b"/etc/passwd\0"),
            symlink("a/b", "good"),
        ],
    ] {
        let error = inspect(&tarball(&entries)).unwrap_err();
        assert!(matches!(error, ArchiveError::UnsafeEntry(_)), "{error}");
    }
}

/// With a look at every folder's whole path this takes minutes, for a few kB of archive.
#[test]
fn long_paths_behind_a_link_cost_no_more_than_others() {
    let long = "a/".repeat(1 << 18);
    let named = |path: &str, entry: Vec<u8>| {
        let name = format!("{path}\0");
        [
            self::entry("x", EntryType::GNULongName, "", name.as_bytes()),
            entry,
        ]
    };
    let mut entries = vec![
        pkg_info(),
        entry("sample-1.0/link", EntryType::Symlink, "PKG-INFO", b""),
    ];
    for number in 0..8 {
        entries.extend(named(&format!("{long}{number}"), file("short", b"")));
    }
    assert!(inspect(&tarball(&entries)).unwrap().is_some());
    let link = entry("short", EntryType::Symlink, "b", b"");
    entries.extend(named(&format!("{long}link"), link));
    entries.extend(named(&format!("{long}link/x"), file("short", b"")));
    let refused = inspect(&tarball(&entries)).unwrap_err();
    assert!(matches!(refused, ArchiveError::UnsafeEntry(_)), "{refused}");
}

#[test]
fn links_that_stay_inside_are_accepted() {
    let entries = [
        pkg_info(),
        entry("sample-1.0/a", EntryType::Symlink, "PKG-INFO", b""),
        entry("sample-1.0/d/b", EntryType::Symlink, "../PKG-INFO", b""),
        entry("sample-1.0/c", EntryType::Link, "sample-1.0/PKG-INFO", b""),
    ];
    assert!(inspect(&tarball(&entries)).unwrap().is_some());
}

#[test]
fn damaged_archives_are_refused() {
    let good = tarball(&[pkg_info()]);
    let mut trailing = good.clone();
    trailing.extend(b"garbage");
    let mut checksum = good.clone();
    let at = checksum.len() - 6;
    checksum[at] ^= 1;
    let mut header = pkg_info();
    header[3] ^= 1;
    let sized = [
        entry("x", EntryType::XHeader, "", b"10 size=1\n"),
        file("good", b"xx"),
    ];
    let twice = [pkg_info(), pkg_info()];
    let sparse = [
        entry("x", EntryType::XHeader, "", b"28 GNU.sparse.name=../../x\n"),
        file("good", b"x"),
    ];
    let renamed = [
        entry("x", EntryType::XGlobalHeader, "", b"16 path=../evil\n"),
        file("good", b"x"),
    ];
    for bytes in [
        good[..good.len() - 4].to_vec(),
        good[..20].to_vec(),
        trailing,
        checksum,
        tarball(&[header]),
        tarball(&sized),
        tarball(&twice),
        tarball(&sparse),
        tarball(&renamed),
        b"not gzip".to_vec(),
        vec![],
    ] {
        let error = inspect(&bytes).unwrap_err();
        assert!(matches!(error, ArchiveError::Malformed(_)), "{error}");
    }
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    let limited = |bytes: &[u8], limits: ArchiveLimits| {
        sdist::inspect(Cursor::new(bytes), &file_name(NAME), &limits).unwrap_err()
    };
    let default = ArchiveLimits::default();
    let many = tarball(&[pkg_info(), file("a", b""), file("b", b"")]);
    let zeros = |length: usize, kind| {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[0] = b'z';
        header.set_entry_type(kind);
        header.set_size(length as u64);
        header.set_cksum();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(header.as_bytes()).unwrap();
        encoder.write_all(&vec![0; length]).unwrap();
        encoder.finish().unwrap()
    };
    let folders: Vec<Vec<u8>> = (0..20)
        .map(|number| file(&format!("f{number}/PKG-INFO"), b"x"))
        .collect();
    for (bytes, limits) in [
        (
            &many,
            ArchiveLimits {
                max_entries: 2,
                ..default
            },
        ),
        (
            &many,
            ArchiveLimits {
                max_metadata_bytes: 10,
                ..default
            },
        ),
        (
            &many,
            ArchiveLimits {
                max_unpacked_bytes: 1000,
                ..default
            },
        ),
        (&zeros(70 << 20, EntryType::Regular), default),
        (&zeros(8 << 20, EntryType::GNULongName), default),
        (&zeros(8 << 20, EntryType::XHeader), default),
        (&tarball(&folders), default),
    ] {
        let error = limited(bytes, limits);
        assert!(matches!(error, ArchiveError::LimitExceeded(_)), "{error}");
    }
}

#[test]
fn no_damage_makes_it_panic() {
    let pax = entry(
        "x",
        EntryType::XHeader,
        "",
        b"28 path=sample-1.0/PKG-INFO\n",
    );
    let plain = [pax, file("short", METADATA.as_bytes()), vec![0; 1024]].concat();
    for at in 0..1200 {
        for value in [0, 1, b'9', 0xff] {
            let mut bytes = plain.clone();
            bytes[at] = value;
            let _ = inspect(&gzip(&bytes));
        }
    }
}
