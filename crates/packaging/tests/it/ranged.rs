use std::ops::Range;

use cheeseshop_packaging::archive::ranged::{RangedMetadata, RangedReader};
use cheeseshop_packaging::{ArchiveError, ArchiveLimits};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use crate::support::{
    Descriptor, METADATA, RawEntry, WHEEL_NAME, file_name, good_wheel, pack, pack_raw,
    raw_wheel_entries, wheel_files, with_zip64_end,
};

/// Serves ranges of a file and counts them.
fn read(bytes: &[u8], limits: &ArchiveLimits) -> (Result<Vec<u8>, ArchiveError>, Vec<Range<u64>>) {
    let mut asked = Vec::new();
    let name = file_name(WHEEL_NAME);
    let (mut reader, mut range) = match RangedReader::begin(bytes.len() as u64, &name, limits) {
        Ok(begun) => begun,
        Err(error) => return (Err(error), asked),
    };
    loop {
        asked.push(range.clone());
        assert!(asked.len() <= 5, "too many requests: {asked:?}");
        assert!(range.start < range.end && range.end <= bytes.len() as u64);
        let part = &bytes[range.start as usize..range.end as usize];
        match reader.feed(part) {
            Ok(RangedMetadata::Need(next)) => range = next,
            Ok(RangedMetadata::Done(metadata)) => return (Ok(metadata), asked),
            Err(error) => return (Err(error), asked),
        }
    }
}

fn big_content() -> Vec<u8> {
    // Does not compress, so that the wheel is as big as this.
    let mut state = 1_u32;
    (0..300_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

fn big_wheel(options: SimpleFileOptions) -> Vec<u8> {
    let mut files = wheel_files();
    files.insert(0, ("sample/big.so".into(), big_content()));
    pack(&files, options)
}

#[test]
fn a_small_wheel_takes_one_request() {
    let bytes = good_wheel();
    let (metadata, asked) = read(&bytes, &ArchiveLimits::default());
    assert_eq!(metadata.unwrap(), METADATA.as_bytes());
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0], 0..bytes.len() as u64);
}

#[test]
fn a_big_wheel_takes_one_request_when_its_metadata_is_last() {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for options in [
        SimpleFileOptions::default(),
        SimpleFileOptions::default().large_file(true),
        stored,
    ] {
        let bytes = with_zip64_end(big_wheel(options));
        let (metadata, asked) = read(&bytes, &ArchiveLimits::default());
        assert_eq!(metadata.unwrap(), METADATA.as_bytes());
        assert_eq!(asked.len(), 1);
    }
}

#[test]
fn metadata_at_the_front_takes_a_second_small_request() {
    let mut files = wheel_files();
    files.push(("sample/big.so".into(), big_content()));
    files.rotate_left(3);
    let bytes = pack(&files, SimpleFileOptions::default());
    let (metadata, asked) = read(&bytes, &ArchiveLimits::default());
    assert_eq!(metadata.unwrap(), METADATA.as_bytes());
    assert_eq!(asked.len(), 2);
    assert!(asked[1].end - asked[1].start < 300, "{asked:?}");
}

#[test]
fn a_large_directory_takes_another_request() {
    let mut files: Vec<_> = (0..1000)
        .map(|number| {
            (
                format!("sample/some/long/folder/file_{number}.py"),
                vec![b'x'],
            )
        })
        .collect();
    files.splice(0..0, wheel_files());
    let bytes = pack(&files, SimpleFileOptions::default());
    let (metadata, asked) = read(&bytes, &ArchiveLimits::default());
    assert_eq!(metadata.unwrap(), METADATA.as_bytes());
    assert_eq!(asked.len(), 3);
}

#[test]
fn a_long_comment_is_looked_behind() {
    let mut bytes = big_wheel(SimpleFileOptions::default());
    let end = bytes.len();
    bytes[end - 2..].copy_from_slice(&60_000_u16.to_le_bytes());
    bytes.resize(end + 60_000, b'c');
    let (metadata, asked) = read(&bytes, &ArchiveLimits::default());
    assert_eq!(metadata.unwrap(), METADATA.as_bytes());
    assert_eq!(asked.len(), 2);
}

#[test]
fn sizes_behind_the_content_are_no_hindrance() {
    let mut entries = raw_wheel_entries();
    entries[3].descriptor = Some(Descriptor::Signed);
    let (metadata, _) = read(&pack_raw(&entries), &ArchiveLimits::default());
    assert_eq!(metadata.unwrap(), METADATA.as_bytes());
}

#[test]
fn the_announced_folder_is_preferred() {
    let mut entries = raw_wheel_entries();
    entries.insert(0, RawEntry::new("other-2.dist-info/METADATA", b"other"));
    entries.push(RawEntry::new(
        "sample/_vendor/x-1.dist-info/METADATA",
        b"vendored",
    ));
    let (metadata, _) = read(&pack_raw(&entries), &ArchiveLimits::default());
    assert_eq!(metadata.unwrap(), METADATA.as_bytes());

    let only = [RawEntry::new("odd-2.dist-info/METADATA", b"odd")];
    let (metadata, _) = read(&pack_raw(&only), &ArchiveLimits::default());
    assert_eq!(metadata.unwrap(), b"odd");

    let neither = [
        RawEntry::new("odd-2.dist-info/METADATA", b"odd"),
        RawEntry::new("odd-3.dist-info/METADATA", b"odd"),
    ];
    let (metadata, _) = read(&pack_raw(&neither), &ArchiveLimits::default());
    assert!(matches!(metadata, Err(ArchiveError::NoMetadata(_))));
}

#[test]
fn limits_hold() {
    let default = ArchiveLimits::default();
    let bytes = good_wheel();
    for limits in [
        ArchiveLimits {
            max_entries: 4,
            ..default
        },
        ArchiveLimits {
            max_metadata_bytes: 10,
            ..default
        },
    ] {
        let (metadata, _) = read(&bytes, &limits);
        assert!(matches!(metadata, Err(ArchiveError::LimitExceeded(_))));
    }
    let mut entries = raw_wheel_entries();
    entries[3].claimed_size = Some(u32::MAX - 1);
    let (metadata, _) = read(&pack_raw(&entries), &default);
    assert!(matches!(metadata, Err(ArchiveError::LimitExceeded(_))));
}

#[test]
fn wrong_answers_are_noticed() {
    let bytes = good_wheel();
    let total = bytes.len() as u64;
    let limits = ArchiveLimits::default();
    let begin = || {
        RangedReader::begin(total, &file_name(WHEEL_NAME), &limits)
            .unwrap()
            .0
    };
    assert!(begin().feed(&bytes[1..]).is_err());
    assert!(begin().feed(&[]).is_err());
    let mut reader = begin();
    assert!(matches!(reader.feed(&bytes), Ok(RangedMetadata::Done(_))));
    assert!(reader.feed(&bytes).is_err());
    assert!(RangedReader::begin(0, &file_name(WHEEL_NAME), &limits).is_err());
}

#[test]
fn no_damage_makes_it_panic_or_ask_for_what_is_not_there() {
    let limits = ArchiveLimits::default();
    let options = SimpleFileOptions::default().large_file(true);
    let good = with_zip64_end(pack(&wheel_files(), options));
    for at in 0..good.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let _ = read(&bytes, &limits);
        }
        let _ = read(&good[..at], &limits);
        let _ = read(&good[at..], &limits);
    }
    let big = with_zip64_end(big_wheel(options));
    for at in big.len() - 800..big.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = big.clone();
            bytes[at] = value;
            let _ = read(&bytes, &limits);
        }
    }
}
