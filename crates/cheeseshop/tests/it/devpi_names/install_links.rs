//! `cheeseshop install-links`.

use std::os::unix::fs::symlink;

use super::NAMES;
use crate::support::{Home, Output};

fn install(home: &Home, more: &[&str]) -> Output {
    home.run(&[&["install-links", "bin"], more].concat())
}

#[test]
fn the_links_are_made_once_and_are_the_programs() {
    let home = Home::new();
    let output = install(&home, &[]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(
        output.stderr.contains("bin is not a directory"),
        "{output:?}"
    );

    std::fs::create_dir(home.path().join("bin")).unwrap();
    let program = std::fs::canonicalize(env!("CARGO_BIN_EXE_cheeseshop")).unwrap();
    for _ in 0..2 {
        let output = install(&home, &[]);
        assert_eq!(output.code, Some(0), "{output:?}");
        let mut found: Vec<_> = std::fs::read_dir(home.path().join("bin"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        let mut expected = [NAMES, &["devpi"]].concat();
        expected.sort_unstable();
        assert_eq!(found, expected);
        for name in &expected {
            let link = home.path().join("bin").join(name);
            assert_eq!(std::fs::read_link(link).unwrap(), program);
        }
    }
    let version = std::process::Command::new(home.path().join("bin/devpi-server"))
        .arg("--version")
        .output()
        .unwrap();
    assert_eq!(version.stdout, b"6.20.3\n");
}

#[test]
fn what_is_not_ours_is_left_alone_unless_forced() {
    let home = Home::new();
    let theirs = home.write("bin/devpi-server", "#!/bin/sh\n");
    let link = home.path().join("bin/devpi-init");
    symlink("/opt/venv/bin/devpi-init", &link).unwrap();
    let output = install(&home, &[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    for path in [&theirs, &link] {
        let path = path
            .strip_prefix(home.path())
            .unwrap()
            .display()
            .to_string();
        assert!(output.stderr.contains(&path), "{output:?}");
    }
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "#!/bin/sh\n");
    assert!(
        !home.path().join("bin/devpi-fsck").exists(),
        "all or nothing"
    );

    let output = install(&home, &["--force"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(std::fs::read_link(&theirs).is_ok());
}

#[test]
fn links_of_an_older_place_are_moved() {
    let home = Home::new();
    std::fs::create_dir(home.path().join("bin")).unwrap();
    let link = home.path().join("bin/devpi-server");
    symlink("/opt/cheeseshop-0.1/bin/cheeseshop", &link).unwrap();
    let output = install(&home, &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let program = std::fs::canonicalize(env!("CARGO_BIN_EXE_cheeseshop")).unwrap();
    assert_eq!(std::fs::read_link(link).unwrap(), program);
}
