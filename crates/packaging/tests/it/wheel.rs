use std::io::{self, Cursor, Read, Seek, SeekFrom};

use cheeseshop_packaging::archive::wheel;
use cheeseshop_packaging::{ArchiveError, ArchiveLimits};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use crate::support::{
    Descriptor, METADATA, RawEntry, WHEEL_NAME, file_name, good_wheel, pack, pack_raw,
    raw_wheel_entries, record_of, wheel_files, with_zip64_end,
};

fn inspect(bytes: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    let limits = ArchiveLimits::default();
    wheel::inspect(Cursor::new(bytes), &file_name(WHEEL_NAME), &limits)
        .map(|contents| contents.metadata)
}

fn refusal(bytes: &[u8]) -> String {
    inspect(bytes).unwrap_err().to_string()
}

/// A wheel whose raw entries were tampered with.
fn tampered(change: impl FnOnce(&mut Vec<RawEntry>)) -> Vec<u8> {
    let mut entries = raw_wheel_entries();
    change(&mut entries);
    pack_raw(&entries)
}

/// A wheel with other files but a `RECORD` that lists them.
fn with_files(change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> Vec<u8> {
    let mut files = wheel_files();
    files.pop();
    change(&mut files);
    let record = record_of(&files, "sample-1.0.dist-info/RECORD");
    files.push(("sample-1.0.dist-info/RECORD".into(), record));
    pack(&files, SimpleFileOptions::default())
}

#[test]
fn metadata_is_taken_out_of_good_wheels_however_they_are_packed() {
    let files = wheel_files();
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for bytes in [
        good_wheel(),
        pack(&files, stored),
        pack(&files, deflated),
        pack(&files, deflated.large_file(true)),
        pack_raw(&raw_wheel_entries()),
        tampered(|entries| entries[3].descriptor = Some(Descriptor::Signed)),
        tampered(|entries| entries[4].descriptor = Some(Descriptor::Unsigned)),
        tampered(|entries| entries[0].extra = vec![0; 3]),
        with_zip64_end(good_wheel()),
    ] {
        assert_eq!(inspect(&bytes).unwrap(), METADATA.as_bytes());
    }
}

#[test]
fn folders_signatures_and_comments_do_no_harm() {
    let mut files = wheel_files();
    for name in ["RECORD.jws", "RECORD.p7s"] {
        files.push((
            format!("sample-1.0.dist-info/{name}"),
            b"signature".to_vec(),
        ));
    }
    let mut bytes = pack(&files, SimpleFileOptions::default());
    assert!(inspect(&bytes).is_ok());
    // A comment that is announced belongs to the file.
    let end = bytes.len();
    bytes[end - 2] = 5;
    bytes.extend(b"hello");
    assert!(inspect(&bytes).is_ok());

    let mut entries = raw_wheel_entries();
    entries.insert(0, RawEntry::new("sample/", b""));
    assert!(inspect(&pack_raw(&entries)).is_ok());
}

#[test]
fn other_spellings_of_the_folder_are_the_same_project() {
    for (name, folder) in [
        ("My.Pkg-1.0-py3-none-any.whl", "my_pkg-1.0"),
        ("my_pkg-1.0-py3-none-any.whl", "My.Pkg-1.0.0"),
        ("my_pkg-1.0+a.b-py3-none-any.whl", "my_pkg-1.0+a.b"),
        ("my-pkg-1.0-py3-none-any.whl", "my_pkg-1.0"),
        ("a-1.0_1-py3-none-any.whl", "a-1.0.post1"),
    ] {
        let mut files = vec![(format!("{folder}.dist-info/METADATA"), b"m".to_vec())];
        let own = format!("{folder}.dist-info/RECORD");
        let record = record_of(&files, &own);
        files.push((own, record));
        let bytes = pack(&files, SimpleFileOptions::default());
        let limits = ArchiveLimits::default();
        let found = wheel::inspect(Cursor::new(bytes), &file_name(name), &limits);
        assert_eq!(found.unwrap().metadata, b"m", "{name}");
    }
}

#[test]
fn the_folder_must_be_the_one_that_the_name_announces() {
    for (name, reason) in [
        ("other-1.0-py3-none-any.whl", "does not belong to other 1.0"),
        (
            "sample-1.1-py3-none-any.whl",
            "does not belong to sample 1.1",
        ),
        ("sample.whl", "does not name a project"),
    ] {
        let limits = ArchiveLimits::default();
        let error = wheel::inspect(Cursor::new(good_wheel()), &file_name(name), &limits);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn record_and_entries_must_name_the_same_files() {
    let unlisted = {
        let mut files = wheel_files();
        files.push(("sample/extra.py".into(), b"evil".to_vec()));
        pack(&files, SimpleFileOptions::default())
    };
    let missing = {
        let mut files = wheel_files();
        files.remove(0);
        pack(&files, SimpleFileOptions::default())
    };
    let resized = {
        let mut files = wheel_files();
        files[0].1.push(b'!');
        pack(&files, SimpleFileOptions::default())
    };
    let garbled = {
        let mut files = wheel_files();
        files[4].1 = b"just a line\n".to_vec();
        pack(&files, SimpleFileOptions::default())
    };
    for (bytes, reason) in [
        (unlisted, "`sample/extra.py` is not listed"),
        (missing, "`sample/__init__.py` is listed but missing"),
        (resized, "`sample/__init__.py` has another size"),
        (garbled, "not a table"),
    ] {
        let error = inspect(&bytes).unwrap_err();
        assert!(matches!(error, ArchiveError::RecordMismatch(_)));
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn metadata_and_record_must_be_there() {
    for (left_out, reason) in [
        (3, "there is no `sample-1.0.dist-info/METADATA`"),
        (4, "there is no `sample-1.0.dist-info/RECORD`"),
    ] {
        let mut files = wheel_files();
        files.remove(left_out);
        let error = refusal(&pack(&files, SimpleFileOptions::default()));
        assert!(error.contains(reason), "{error}");
    }
    let two = with_files(|files| files.push(("other-1.dist-info/METADATA".into(), vec![])));
    assert!(refusal(&two).contains("several `.dist-info` folders"));
    let none = pack(&[("a".into(), vec![])], SimpleFileOptions::default());
    assert!(refusal(&none).contains("no `.dist-info` folder"));
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    for name in [
        "../evil",
        "/etc/passwd",
        "a/../../b",
        "a//b",
        "./a",
        "a\\..\\b",
        "C:/x",
        "a\nb",
        "..",
    ] {
        let bytes = tampered(|entries| entries.push(RawEntry::new(name, b"x")));
        let error = inspect(&bytes).unwrap_err();
        assert!(
            matches!(error, ArchiveError::UnsafeEntry(_)),
            "{name}: {error}"
        );
    }
    // Not clear what the name is: neither ASCII nor said to be UTF-8.
    let bytes = tampered(|entries| entries.push(RawEntry::new("ü", b"x")));
    assert!(matches!(inspect(&bytes), Err(ArchiveError::UnsafeEntry(_))));
}

#[test]
fn utf_8_names_are_accepted_when_they_say_so() {
    let bytes = with_files(|files| files.push(("sample/ünï.py".into(), b"x".to_vec())));
    assert!(inspect(&bytes).is_ok());
}

#[test]
fn files_that_are_two_archives_at_once_are_refused() {
    let good = good_wheel();
    let mut trailing = good.clone();
    trailing.extend(b"more");
    let mut leading = b"#!/bin/sh\n".to_vec();
    leading.extend(&good);
    let mut twice = good.clone();
    twice.extend(&good);
    let duplicate = tampered(|entries| entries.push(entries[3].clone()));
    let folder_and_file =
        tampered(|entries| entries.push(RawEntry::new("sample/__init__.py/", b"")));
    let gap = tampered(|entries| entries[2].gap_before = 7);
    let last_gap = {
        // An entry that the directory does not list any more.
        let mut bytes = pack_raw(&raw_wheel_entries());
        let end = bytes.len() - 22;
        let start = u32::from_le_bytes(bytes[end + 16..end + 20].try_into().unwrap()) as usize;
        bytes.splice(start..start, *b"hidden");
        let end = bytes.len() - 22;
        bytes[end + 16..end + 20].copy_from_slice(&((start + 6) as u32).to_le_bytes());
        bytes
    };
    let other_local_name = tampered(|entries| {
        entries[0].local_name = Some(b"sample/__main__.py".to_vec());
    });
    let other_local_method = tampered(|entries| entries[0].local_method = Some(0));
    let other_local_numbers = tampered(|entries| entries[0].local_numbers = Some([0, 0, 0]));
    let neither_open_nor_equal = tampered(|entries| {
        entries[0].descriptor = Some(Descriptor::Signed);
        entries[0].local_numbers = Some([1, 0, 0]);
    });
    let wrong_descriptor = tampered(|entries| entries[0].descriptor = Some(Descriptor::Wrong));
    let two_names = tampered(|entries| {
        // Info-ZIP's Unicode path field with another name.
        entries[0].extra = [&[0x75, 0x70, 9, 0, 1, 0, 0, 0, 0][..], b"evil"].concat();
    });
    let encrypted = tampered(|entries| entries[0].flags = 1);
    let too_few = {
        let mut bytes = good.clone();
        let end = bytes.len() - 22;
        bytes[end + 8] -= 1;
        bytes[end + 10] -= 1;
        bytes
    };
    let part_of_a_set = {
        let mut bytes = good.clone();
        let end = bytes.len() - 22;
        bytes[end + 4] = 1;
        bytes
    };
    for (bytes, reason) in [
        (trailing, "does not end as a ZIP file does"),
        (leading, "not where the end record says"),
        (twice, "not where the end record says"),
        (duplicate, "two entries `sample-1.0.dist-info/METADATA`"),
        (folder_and_file, "two entries `sample/__init__.py`"),
        (
            gap,
            "a gap or an overlap before `sample-1.0.dist-info/WHEEL`",
        ),
        (last_gap, "unclaimed bytes"),
        (other_local_name, "header of `sample/__init__.py` differs"),
        (other_local_method, "header of `sample/__init__.py` differs"),
        (
            other_local_numbers,
            "header of `sample/__init__.py` differs",
        ),
        (
            neither_open_nor_equal,
            "header of `sample/__init__.py` differs",
        ),
        (wrong_descriptor, "sizes behind `sample/__init__.py`"),
        (two_names, "has two names"),
        (encrypted, "encrypted"),
        (too_few, "another number of entries"),
        (part_of_a_set, "part of a set"),
        (vec![], "does not end"),
        (b"not a zip".to_vec(), "does not end"),
    ] {
        let error = refusal(&bytes);
        assert!(error.contains(reason), "{reason}: {error}");
    }
}

#[test]
fn zip64_end_records_must_agree() {
    let good = with_zip64_end(good_wheel());
    let end = good.len() - 22;
    let [record, locator] = [end - 76, end - 20];
    for (at, reason) in [
        (record, "not where it belongs"),
        (record + 4, "not where it belongs"),
        (record + 16, "part of a set"),
        (record + 32, "part of a set"),
        (record + 40, "not where the end record says"),
        (record + 48, "not where the end record says"),
        (locator + 4, "part of a set"),
        (locator + 8, "not where it belongs"),
        (end + 8, "part of a set"),
        (end + 12, "its two end records differ"),
        (end + 16, "its two end records differ"),
    ] {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        let error = refusal(&bytes);
        assert!(error.contains(reason), "{at}: {error}");
    }
    assert!(refusal(&good[record..]).contains("not where it belongs"));
    assert!(refusal(&good[locator..]).contains("is missing"));
}

#[test]
fn two_end_records_are_ambiguous() {
    // The second record is the comment of the first.
    let mut bytes = good_wheel();
    let end = bytes.len() - 22;
    let record = bytes[end..].to_vec();
    bytes[end + 20] = 22;
    bytes.extend(record);
    assert!(refusal(&bytes).contains("two end records"));
}

#[test]
fn content_that_is_not_as_promised_is_refused() {
    for change in [
        (|entry: &mut RawEntry| entry.crc = Some(1)) as fn(&mut RawEntry),
        |entry| entry.claimed_size = Some(3),
        |entry| entry.claimed_size = Some(1000),
    ] {
        let bytes = tampered(|entries| change(&mut entries[3]));
        assert!(refusal(&bytes).contains("content of `sample-1.0.dist-info/METADATA`"));
    }
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    let limited = |bytes: &[u8], limits: ArchiveLimits| {
        wheel::inspect(Cursor::new(bytes), &file_name(WHEEL_NAME), &limits)
            .unwrap_err()
            .to_string()
    };
    let default = ArchiveLimits::default();
    let good = good_wheel();
    let entries = ArchiveLimits {
        max_entries: 4,
        ..default
    };
    assert!(limited(&good, entries).contains("5 entries, 4 are allowed"));
    let metadata = ArchiveLimits {
        max_metadata_bytes: 10,
        ..default
    };
    assert!(limited(&good, metadata).contains("10 are allowed"));
    let unpacked = ArchiveLimits {
        max_unpacked_bytes: 50,
        ..default
    };
    assert!(limited(&good, unpacked).contains("more than 50 bytes"));

    let bomb = with_files(|files| files.push(("sample/bomb".into(), vec![0; 65 << 20])));
    assert!(bomb.len() < 1 << 20);
    assert!(limited(&bomb, default).contains("more than 50 times its size"));

    // A small entry that claims to be huge must not cost its claim.
    let claim = tampered(|entries| entries[3].claimed_size = Some(u32::MAX - 1));
    assert!(matches!(
        inspect(&claim),
        Err(ArchiveError::LimitExceeded(_))
    ));
}

#[test]
fn no_damage_makes_it_panic() {
    let options = SimpleFileOptions::default().large_file(true);
    let good = with_zip64_end(pack(&wheel_files(), options));
    for at in 0..good.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let _ = inspect(&bytes);
        }
        let _ = inspect(&good[..at]);
        let _ = inspect(&good[at..]);
    }
}

#[test]
fn a_disk_that_fails_is_not_the_uploaders_fault() {
    struct Failing(Cursor<Vec<u8>>);
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk on fire"))
        }
    }
    impl Seek for Failing {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }
    let reader = Failing(Cursor::new(good_wheel()));
    let limits = ArchiveLimits::default();
    let error = wheel::inspect(reader, &file_name(WHEEL_NAME), &limits).unwrap_err();
    assert!(matches!(error, ArchiveError::Io(_)));
}

#[test]
fn published_wheels_are_read_though_they_are_not_perfect() {
    let limits = ArchiveLimits::default();
    let read = |bytes: Vec<u8>, name: &str| {
        wheel::read_metadata(Cursor::new(bytes), &file_name(name), &limits)
    };
    let mut trailing = good_wheel();
    trailing.extend(b"more");
    let unlisted = {
        let mut files = wheel_files();
        files.push(("../evil".into(), b"x".to_vec()));
        pack(&files, SimpleFileOptions::default())
    };
    let gap = tampered(|entries| entries[2].gap_before = 7);
    for bytes in [good_wheel(), trailing, unlisted, gap] {
        assert_eq!(read(bytes, WHEEL_NAME).unwrap(), METADATA.as_bytes());
    }
    assert!(read(vec![], WHEEL_NAME).is_err());
    assert!(read(good_wheel()[..40].to_vec(), WHEEL_NAME).is_err());
}
