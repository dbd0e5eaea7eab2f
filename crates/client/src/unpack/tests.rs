use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use tar::EntryType;

use super::*;

/// An entry of a tar archive: what it is, its path, its content or target, its mode.
type Entry<'a> = (EntryType, &'a str, &'a str, u32);

fn tar_of(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (kind, path, content, mode) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_mtime(1_500_000_000);
        // Not by the library's own function, which refuses what is tested here.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        let content = if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
            ""
        } else {
            content
        };
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append(&header, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn zip_of(entries: &[(&str, &str, u32)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (path, content, mode) in entries {
        let options = zip::write::SimpleFileOptions::default().unix_permissions(*mode);
        if mode & 0o170_000 == 0o120_000 {
            archive.add_symlink(*path, *content, options).unwrap();
        } else {
            archive.start_file(*path, options).unwrap();
            archive.write_all(content.as_bytes()).unwrap();
        }
    }
    archive.finish().unwrap().into_inner()
}

struct Unpacked {
    folder: tempfile::TempDir,
    outcome: Result<(), String>,
}

impl Unpacked {
    fn of(bytes: &[u8]) -> Self {
        Self::within(bytes, &default_limits())
    }

    fn within(bytes: &[u8], limits: &ArchiveLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("archive");
        std::fs::write(&archive, bytes).unwrap();
        let outcome = unpack(&archive, &folder.path().join("in/side"), limits)
            .map_err(|error| error.to_string());
        Self { folder, outcome }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("in/side").join(path)
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    /// What is beside the folder that was unpacked in.
    fn outside(&self) -> Vec<String> {
        let mut names: Vec<String> = ["", "in"]
            .iter()
            .flat_map(|part| std::fs::read_dir(self.folder.path().join(part)).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn files_folders_modes_times_and_links_are_unpacked() {
    let long = format!("a-1/{}end.txt", "deep/".repeat(40));
    let mut archive = tar::Builder::new(tar_of(&[
        (EntryType::Directory, "a-1/", "", 0o755),
        (EntryType::Regular, "a-1/run.sh", "#!/bin/sh\n", 0o755),
        (EntryType::Regular, "a-1/src/a.py", "a = 1\n", 0o640),
        (EntryType::Regular, "./a-1/src/twice", "first", 0o644),
        (EntryType::Regular, "a-1/src/twice", "second", 0o644),
        (EntryType::Link, "a-1/same.py", "a-1/src/a.py", 0o644),
        (EntryType::Symlink, "a-1/src/up", "../run.sh", 0o777),
        (EntryType::Regular, "a-1/old-style/", "", 0o755),
    ]));
    // The builder writes behind what is there; the end marks of the first part go.
    let end = archive.get_ref().len() - 1024;
    archive.get_mut().truncate(end);
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o644);
    archive
        .append_data(&mut header, &long, &b"long"[..])
        .unwrap();
    let plain = archive.into_inner().unwrap();
    for bytes in [&plain, &gzip(&plain)] {
        let unpacked = Unpacked::of(bytes);
        assert_eq!(unpacked.outcome, Ok(()));
        assert_eq!(unpacked.text("a-1/src/a.py"), "a = 1\n");
        assert_eq!(unpacked.text("a-1/src/twice"), "second");
        assert_eq!(unpacked.text("a-1/same.py"), "a = 1\n");
        assert_eq!(unpacked.text("a-1/src/up"), "#!/bin/sh\n");
        assert_eq!(unpacked.text(&long), "long");
        assert!(unpacked.path("a-1/old-style").is_dir());
        let executable = unpacked.path("a-1/run.sh").metadata().unwrap();
        assert_eq!(executable.permissions().mode() & 0o700, 0o700);
        assert_eq!(executable.mtime(), 1_500_000_000);
        let file = unpacked.path("a-1/src/a.py").metadata().unwrap();
        assert_eq!(file.permissions().mode() & 0o700, 0o600);
        assert_eq!(unpacked.outside(), ["archive", "in", "side"]);
    }
}

#[test]
fn zip_files_are_unpacked() {
    let unpacked = Unpacked::of(&zip_of(&[
        ("a-1/run.sh", "#!/bin/sh\n", 0o755),
        ("a-1/src/a.py", "a = 1\n", 0o644),
    ]));
    assert_eq!(unpacked.outcome, Ok(()));
    assert_eq!(unpacked.text("a-1/src/a.py"), "a = 1\n");
    let mode = unpacked.path("a-1/run.sh").metadata().unwrap().mode();
    assert_eq!(mode & 0o700, 0o700);
}

#[test]
fn nothing_leaves_the_folder() {
    let file = |path| vec![(EntryType::Regular, path, "x", 0o644)];
    let link = |path, to| (EntryType::Symlink, path, to, 0o777);
    let through = |link| vec![link, (EntryType::Regular, "a/x", "x", 0o644)];
    for entries in [
        file("../x"),
        file("/x"),
        file("a/../../../x"),
        file("a//x"),
        vec![link("a", "..")],
        vec![link("a", "/etc")],
        vec![link("a/b", "c/../../..")],
        through(link("a", "b")),
        vec![
            link("a/b", ".."),
            (EntryType::Link, "c", "../archive", 0o644),
        ],
        vec![link("a/b", "."), (EntryType::Link, "c", "a/b/../x", 0o644)],
        vec![(EntryType::Char, "null", "", 0o644)],
        vec![(EntryType::Fifo, "pipe", "", 0o644)],
    ] {
        let unpacked = Unpacked::of(&gzip(&tar_of(&entries)));
        let error = unpacked.outcome.clone().unwrap_err();
        assert!(error.contains("unsafe entry"), "{entries:?}: {error}");
        assert_eq!(unpacked.outside(), ["archive", "in", "side"], "{entries:?}");
    }
    for entries in [
        &[("../x", "x", 0o644)][..],
        &[("/x", "x", 0o644)],
        &[("a/../../x", "x", 0o644)],
        &[("a", "..", 0o120_777)],
    ] {
        let unpacked = Unpacked::of(&zip_of(entries));
        let error = unpacked.outcome.clone().unwrap_err();
        assert!(error.contains("unsafe entry"), "{entries:?}: {error}");
        assert_eq!(unpacked.outside(), ["archive", "in", "side"], "{entries:?}");
    }
}

#[test]
fn a_link_that_comes_late_takes_no_place() {
    // Whoever unpacks in order writes into the folder; the link must not replace it afterwards.
    let entries = [
        (EntryType::Regular, "a/x", "x", 0o644),
        (EntryType::Symlink, "a", "b", 0o777),
    ];
    let error = Unpacked::of(&tar_of(&entries)).outcome.unwrap_err();
    assert!(error.contains("at once"), "{error}");
    let entries = [
        (EntryType::Regular, "a", "x", 0o644),
        (EntryType::Regular, "a/x", "x", 0o644),
    ];
    let error = Unpacked::of(&tar_of(&entries)).outcome.unwrap_err();
    assert!(error.contains("at once"), "{error}");
    let entries = [(EntryType::Link, "a", "b", 0o644)];
    let error = Unpacked::of(&tar_of(&entries)).outcome.unwrap_err();
    assert!(error.contains("not there"), "{error}");
}

#[test]
fn bombs_are_stopped() {
    let zeros = "\0".repeat(70 << 20);
    let entries = [(EntryType::Regular, "zeros", zeros.as_str(), 0o644)];
    let many: Vec<_> = (0..20)
        .map(|_| (EntryType::Regular, "a", "", 0o644))
        .collect();
    let few = ArchiveLimits {
        max_entries: 10,
        max_unpacked_bytes: 30_000,
        ..default_limits()
    };
    for (bytes, limits, reason) in [
        (
            gzip(&tar_of(&entries)),
            &default_limits(),
            "50 times its size",
        ),
        (
            zip_of(&[("zeros", &zeros, 0o644)]),
            &default_limits(),
            "more than is allowed",
        ),
        (tar_of(&many), &few, "more than 10 entries"),
        (
            tar_of(&[(EntryType::Regular, "a", &zeros[..40_000], 0o644)]),
            &few,
            "more than 30000 bytes",
        ),
        (
            zip_of(&[("a", &zeros[..40_000], 0o644)]),
            &few,
            "more than is allowed",
        ),
    ] {
        let unpacked = Unpacked::within(&bytes, limits);
        let error = unpacked.outcome.clone().unwrap_err();
        assert!(error.contains(reason), "{error} for {reason}");
    }
}

#[test]
fn what_is_damaged_or_no_archive_is_told() {
    let whole = gzip(&tar_of(&[(
        EntryType::Regular,
        "a",
        &"text".repeat(9000),
        0o644,
    )]));
    let zip = zip_of(&[("a", "some text that is stored", 0o644)]);
    for bytes in [
        &whole[..whole.len() - 5],
        &whole[..whole.len() / 2],
        &zip[..zip.len() - 10],
        b"",
        b"<html>not found</html>",
        b"BZh91AY",
    ] {
        let error = Unpacked::of(bytes).outcome.unwrap_err();
        assert!(error.contains("damaged or ambiguous"), "{error}");
    }
}
