//! `devpi-fsck` and `cheeseshop fsck`.

use cheeseshop_test_support::{BuiltFile, Sdist, Wheel};
use serde_json::json;

use super::{initialised, run, serve};
use crate::support::{Api, Home};

const INDEXES: &[&str] = &["root/dev", "root/prod"];

/// A home whose indexes both list the files.
async fn with_files(files: &[&BuiltFile]) -> Home {
    let home = initialised();
    let server = serve(&home, &[]);
    let root = Api::login(&server.url, "root", "").await;
    for index in INDEXES {
        let config = json!({"bases": [], "acl_upload": ["root"]});
        root.create_index(index, &config).await;
        for file in files {
            root.upload(index, file).await;
        }
    }
    server.stop();
    home
}

fn blob(home: &Home, file: &BuiltFile) -> std::path::PathBuf {
    home.path()
        .join(".devpi/server/blobs")
        .join(&file.sha256[..2])
        .join(&file.sha256)
}

fn path(index: &str, file: &BuiltFile) -> String {
    let sha256 = &file.sha256;
    format!(
        "{index}/+f/{}/{}/{}",
        &sha256[..3],
        &sha256[3..16],
        file.name
    )
}

#[tokio::test]
async fn whole_files_pass_and_lost_and_changed_ones_are_named() {
    let wheel = Wheel::named("mypkg").build();
    let sdist = Sdist::named("mypkg").build();
    let home = with_files(&[&wheel, &sdist]).await;
    let output = run(&home, "devpi-fsck", &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(output.stdout, "Finished with a total of 4 files.\n");

    let changed = blob(&home, &sdist);
    let mut bytes = std::fs::read(&changed).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&changed, &bytes).unwrap();
    let output = run(&home, "devpi-fsck", &["--no-checksum"]);
    assert_eq!(output.code, Some(0), "{output:?}");

    std::fs::remove_file(blob(&home, &wheel)).unwrap();
    // Works beside a running server.
    let server = serve(&home, &[]);
    let data = home.path().join(".devpi/server");
    let as_cheeseshop = home.bare_cheeseshop(&["fsck", "--data-dir", data.to_str().unwrap()]);
    for output in [
        run(&home, "devpi-fsck", &["--checksum"]),
        crate::support::finish(as_cheeseshop, ""),
    ] {
        assert_eq!(output.code, Some(1), "{output:?}");
        let mut lines: Vec<&str> = output.stdout.lines().collect();
        assert_eq!(lines.pop(), Some("A total of 2 files are missing."));
        assert_eq!(lines.pop(), Some("Finished with a total of 4 files."));
        let mut expected: Vec<String> = Vec::new();
        for index in INDEXES {
            expected.push(format!("Missing file {}", path(index, &wheel)));
            let damaged = path(index, &sdist);
            let line = lines
                .iter()
                .find(|line| line.starts_with(&damaged))
                .unwrap();
            let end = format!(", expected {}", sdist.sha256);
            assert!(
                line.contains(" - sha256 mismatch, got ") && line.ends_with(&end),
                "{line}"
            );
            expected.push((*line).to_owned());
        }
        lines.sort_unstable();
        expected.sort_unstable();
        assert_eq!(lines, expected);
        assert!(
            output
                .stderr
                .contains(": There have been errors during consistency check.\n"),
            "{output:?}"
        );
    }
    server.stop();

    bytes.truncate(100);
    std::fs::write(&changed, &bytes).unwrap();
    let output = run(&home, "devpi-fsck", &["--no-checksum"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let expected = format!(
        "{} - size mismatch, got 100, expected {}",
        path("root/dev", &sdist),
        sdist.bytes.len()
    );
    assert!(
        output.stdout.lines().any(|line| line == expected),
        "{output:?}"
    );
}
