//! Whether the bytes of everything that is listed are there, and are the right ones.

use bytes::Bytes;
use cheeseshop_app::consistency::{ConsistencyReport, Damage, Finding, Remark, Thoroughness};
use cheeseshop_packaging::Sha256;
use cheeseshop_test_support::{BuiltFile, Sdist, Wheel};
use serde_json::json;

use crate::support::{TestApp, root};

async fn check(test: &TestApp, thoroughness: Thoroughness) -> (ConsistencyReport, Vec<Finding>) {
    let mut findings = Vec::new();
    let report = test
        .app
        .check_consistency(thoroughness, &mut |remark| match remark {
            Remark::Wrong(finding) => findings.push(finding),
            Remark::Progress { blobs } => assert!(blobs > 0),
        })
        .await
        .unwrap();
    findings.sort_by(|one, other| one.path.cmp(&other.path));
    (report, findings)
}

fn digest(file: &BuiltFile) -> Sha256 {
    file.sha256.parse().unwrap()
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

fn finding(path: String, damage: Damage) -> Finding {
    Finding {
        path,
        is_mirrored: false,
        damage,
    }
}

#[tokio::test]
async fn missing_and_changed_bytes_are_found_wherever_they_are_listed() {
    let test = TestApp::start().await;
    let wheel = Wheel::named("both").build();
    let sdist = Sdist::named("one").build();
    for name in ["root/one", "root/two"] {
        let target = test.index(name, json!({})).await;
        test.upload(&root(), &target, &wheel).await.unwrap();
    }
    let one = crate::support::index("root/one");
    test.upload(&root(), &one, &sdist).await.unwrap();
    // What nothing refers to is not the business of this check.
    test.blobs.put(Bytes::from_static(b"orphan")).await.unwrap();

    let (report, findings) = check(&test, Thoroughness::Digests).await;
    assert_eq!(findings, []);
    let whole = ConsistencyReport {
        files: 3,
        blobs: 3,
        ..ConsistencyReport::default()
    };
    assert_eq!(report, whole);
    assert!(report.is_consistent());

    let changed = test.blob_path(&digest(&sdist));
    let mut bytes = std::fs::read(&changed).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&changed, &bytes).unwrap();
    assert!(test.blobs.remove(&digest(&wheel)).await.unwrap());

    let missing = |index| finding(path(index, &wheel), Damage::Missing);
    let (report, findings) = check(&test, Thoroughness::Presence).await;
    assert_eq!(findings, [missing("root/one"), missing("root/two")]);
    assert_eq!(
        report,
        ConsistencyReport {
            missing: 2,
            ..whole
        }
    );
    assert!(!report.is_consistent());

    let (report, findings) = check(&test, Thoroughness::Digests).await;
    assert_eq!((report.missing, report.damaged), (2, 1));
    let wrong = findings
        .iter()
        .find(|found| found.damage != Damage::Missing)
        .unwrap();
    assert_eq!(wrong.path, path("root/one", &sdist));
    assert!(
        matches!(wrong.damage, Damage::Digest { expected, got }
            if expected == digest(&sdist) && got != expected),
        "{wrong:?}"
    );

    bytes.pop();
    std::fs::write(&changed, &bytes).unwrap();
    let (_, findings) = check(&test, Thoroughness::Presence).await;
    let size = Damage::Size {
        got: bytes.len() as u64,
        expected: bytes.len() as u64 + 1,
    };
    assert!(
        findings.contains(&finding(path("root/one", &sdist), size)),
        "{findings:?}"
    );
}

#[tokio::test]
async fn a_blob_that_cannot_be_read_does_not_end_the_check() {
    let test = TestApp::start().await;
    let one = test.index("root/one", json!({})).await;
    let files: Vec<BuiltFile> = ["1", "2", "3"]
        .into_iter()
        .map(|version| Sdist::named("pkg").version(version).build())
        .collect();
    for file in &files {
        test.upload(&root(), &one, file).await.unwrap();
    }
    for file in &files[..2] {
        let blob = test.blob_path(&digest(file));
        std::fs::remove_file(&blob).unwrap();
        // A circle: nobody can open it, whoever they are.
        std::os::unix::fs::symlink(&blob, &blob).unwrap();
    }
    assert!(test.blobs.remove(&digest(&files[2])).await.unwrap());
    for thoroughness in [Thoroughness::Presence, Thoroughness::Digests] {
        let (report, findings) = check(&test, thoroughness).await;
        assert_eq!((report.unreadable, report.missing), (2, 1));
        assert!(!report.is_consistent());
        let unreadable = findings
            .iter()
            .filter(|found| matches!(&found.damage, Damage::Unreadable(why) if !why.is_empty()));
        assert_eq!(unreadable.count(), 2, "{findings:?}");
    }
}
