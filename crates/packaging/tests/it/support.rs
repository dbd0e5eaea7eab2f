//! Archives, good and bad, made in memory.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use cheeseshop_packaging::FileName;
use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Crc};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

pub(crate) const METADATA: &str = "Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n";
pub(crate) const WHEEL_NAME: &str = "sample-1.0-py3-none-any.whl";

pub(crate) fn file_name(name: &str) -> FileName {
    FileName::parse(name).unwrap()
}

/// The files of a good wheel, `RECORD` last.
pub(crate) fn wheel_files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = [
        ("sample/__init__.py", "x = 1\n"),
        ("sample/data, more.txt", "data"),
        ("sample-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n"),
        ("sample-1.0.dist-info/METADATA", METADATA),
    ]
    .map(|(name, content)| (name.to_owned(), content.as_bytes().to_vec()))
    .into();
    let record = record_of(&files, "sample-1.0.dist-info/RECORD");
    files.push(("sample-1.0.dist-info/RECORD".into(), record));
    files
}

pub(crate) fn record_of(files: &[(String, Vec<u8>)], own: &str) -> Vec<u8> {
    let mut record = String::new();
    for (name, content) in files {
        writeln!(record, "\"{name}\",sha256=AAAA,{}", content.len()).unwrap();
    }
    writeln!(record, "{own},,").unwrap();
    record.into_bytes()
}

/// Packs with the `zip` crate.
pub(crate) fn pack(files: &[(String, Vec<u8>)], options: SimpleFileOptions) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(name.as_str(), options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub(crate) fn good_wheel() -> Vec<u8> {
    pack(&wheel_files(), SimpleFileOptions::default())
}

/// An entry of which every part can be made to lie.
#[derive(Clone)]
pub(crate) struct RawEntry {
    pub(crate) name: Vec<u8>,
    pub(crate) local_name: Option<Vec<u8>>,
    pub(crate) content: Vec<u8>,
    pub(crate) flags: u16,
    pub(crate) local_method: Option<u16>,
    /// Checksum, packed and unpacked size.
    pub(crate) local_numbers: Option<[u32; 3]>,
    pub(crate) claimed_size: Option<u32>,
    pub(crate) crc: Option<u32>,
    pub(crate) descriptor: Option<Descriptor>,
    pub(crate) extra: Vec<u8>,
    pub(crate) gap_before: usize,
    pub(crate) external: u32,
}

#[derive(Clone, Copy)]
pub(crate) enum Descriptor {
    Signed,
    Unsigned,
    Wrong,
}

impl RawEntry {
    pub(crate) fn new(name: &str, content: &[u8]) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            local_name: None,
            content: content.to_vec(),
            flags: 0,
            local_method: None,
            local_numbers: None,
            claimed_size: None,
            crc: None,
            descriptor: None,
            extra: Vec::new(),
            gap_before: 0,
            external: 0,
        }
    }
}

pub(crate) fn raw_wheel_entries() -> Vec<RawEntry> {
    wheel_files()
        .iter()
        .map(|(name, content)| RawEntry::new(name, content))
        .collect()
}

/// Packs without any check.
pub(crate) fn pack_raw(entries: &[RawEntry]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        file.resize(file.len() + entry.gap_before, 0);
        let offset = file.len() as u32;
        let packed = deflate(&entry.content);
        let mut crc = Crc::new();
        crc.update(&entry.content);
        let crc = entry.crc.unwrap_or(crc.sum());
        let size = entry.claimed_size.unwrap_or(entry.content.len() as u32);
        let flags = entry.flags | u16::from(entry.descriptor.is_some()) << 3;
        let local_name = entry.local_name.as_ref().unwrap_or(&entry.name);

        file.extend(b"PK\x03\x04\x14\0");
        file.extend(flags.to_le_bytes());
        file.extend(entry.local_method.unwrap_or(8).to_le_bytes());
        file.extend([0; 4]);
        let sizes = match entry.descriptor {
            None => [crc, packed.len() as u32, size],
            Some(_) => [0; 3],
        };
        for number in entry.local_numbers.unwrap_or(sizes) {
            file.extend(number.to_le_bytes());
        }
        file.extend((local_name.len() as u16).to_le_bytes());
        file.extend(0_u16.to_le_bytes());
        file.extend(local_name);
        file.extend(&packed);
        if let Some(descriptor) = entry.descriptor {
            if !matches!(descriptor, Descriptor::Unsigned) {
                file.extend(b"PK\x07\x08");
            }
            let wrong = u32::from(matches!(descriptor, Descriptor::Wrong));
            for number in [crc ^ wrong, packed.len() as u32, size] {
                file.extend(number.to_le_bytes());
            }
        }

        directory.extend(b"PK\x01\x02\x14\x03\x14\0");
        directory.extend(flags.to_le_bytes());
        directory.extend(8_u16.to_le_bytes());
        directory.extend([0; 4]);
        for number in [crc, packed.len() as u32, size] {
            directory.extend(number.to_le_bytes());
        }
        directory.extend((entry.name.len() as u16).to_le_bytes());
        directory.extend((entry.extra.len() as u16).to_le_bytes());
        directory.extend([0; 6]);
        directory.extend(entry.external.to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(&entry.name);
        directory.extend(&entry.extra);
    }
    let start = file.len() as u32;
    file.extend(&directory);
    let count = entries.len() as u16;
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count.to_le_bytes());
    file.extend(count.to_le_bytes());
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0; 2]);
    file
}

/// Puts ZIP64 end records before the end record and makes that one defer to
/// them.
pub(crate) fn with_zip64_end(mut file: Vec<u8>) -> Vec<u8> {
    let mut end = file.split_off(file.len() - 22);
    let start = file.len() as u64;
    let number = |at: usize| u64::from(u32::from_le_bytes(end[at..at + 4].try_into().unwrap()));
    let count = u64::from(end[10]);
    let (size, offset) = (number(12), number(16));
    file.extend(b"PK\x06\x06");
    file.extend(44_u64.to_le_bytes());
    file.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for number in [count, count, size, offset] {
        file.extend(number.to_le_bytes());
    }
    file.extend(b"PK\x06\x07\0\0\0\0");
    file.extend(start.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    end[8..20].fill(0xff);
    file.extend(end);
    file
}

pub(crate) fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}
