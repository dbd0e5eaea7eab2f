//! Writes ZIP files, including ones that no well-meaning library would write.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// A ZIP file in the making. Deterministic: every entry dates from 1980.
#[derive(Default)]
pub(crate) struct ZipFile {
    local: Vec<u8>,
    central: Vec<u8>,
    entries: u16,
}

/// How an entry's local header lies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LocalHeader {
    /// It agrees with the central directory.
    Honest,
    /// It carries another name of the same length.
    OtherName,
}

impl ZipFile {
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) {
        self.add_from(name, &mut &bytes[..], LocalHeader::Honest);
    }

    /// Adds an entry whose content is too big to be held.
    pub(crate) fn add_from(&mut self, name: &str, content: &mut dyn Read, header: LocalHeader) {
        let mut crc = flate2::Crc::new();
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        let mut buffer = vec![0; 64 * 1024];
        let mut size = 0_u64;
        loop {
            let read = content.read(&mut buffer).unwrap();
            if read == 0 {
                break;
            }
            crc.update(&buffer[..read]);
            encoder.write_all(&buffer[..read]).unwrap();
            size += read as u64;
        }
        let packed = encoder.finish().unwrap();
        let size = u32::try_from(size).expect("no Zip64 in test wheels");
        let packed_size = u32::try_from(packed.len()).expect("no Zip64 in test wheels");
        let offset = u32::try_from(self.local.len()).expect("no Zip64 in test wheels");

        let mut common = Vec::new();
        for number in [20_u16, 0x0800, 8, 0, 0x21] {
            // Version needed, flags (names are UTF-8), deflate, time, date (1980-01-01).
            common.extend(number.to_le_bytes());
        }
        for number in [crc.sum(), packed_size, size] {
            common.extend(number.to_le_bytes());
        }
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend(0_u16.to_le_bytes());

        let local_name = match header {
            LocalHeader::Honest => name.to_owned(),
            LocalHeader::OtherName => "x".repeat(name.len()),
        };
        self.local.extend(b"PK\x03\x04");
        self.local.extend(&common);
        self.local.extend(local_name.as_bytes());
        self.local.extend(&packed);

        self.central.extend(b"PK\x01\x02");
        // Made by Unix, so that installers take the mode from the attributes.
        self.central.extend(0x0314_u16.to_le_bytes());
        self.central.extend(&common);
        for number in [0_u16, 0, 0] {
            // Comment length, disk, internal attributes.
            self.central.extend(number.to_le_bytes());
        }
        self.central.extend((0o100_644_u32 << 16).to_le_bytes());
        self.central.extend(offset.to_le_bytes());
        self.central.extend(name.as_bytes());
        self.entries += 1;
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let mut whole = self.local;
        let offset = u32::try_from(whole.len()).unwrap();
        let size = u32::try_from(self.central.len()).unwrap();
        whole.extend(self.central);
        whole.extend(b"PK\x05\x06");
        for number in [0_u16, 0, self.entries, self.entries] {
            whole.extend(number.to_le_bytes());
        }
        whole.extend(size.to_le_bytes());
        whole.extend(offset.to_le_bytes());
        whole.extend(0_u16.to_le_bytes());
        whole
    }
}
