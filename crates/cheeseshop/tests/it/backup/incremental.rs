//! A second backup adds what is new and shares the rest; old ones go.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::{create, files_below, json_of, path_of, restore, stocked, target, verify, wheel};
use crate::support::{Home, Server};

/// Wheels before the first backup. Each is two blobs: itself, and its core metadata.
const WHEELS: usize = 3;

#[tokio::test]
async fn a_second_backup_shares_what_the_first_has() {
    let home = Home::new();
    let (server, bob, _) = stocked(&home, &[], WHEELS).await;
    // Copies, so that the second can only share with the first and not with the store.
    let first = create(&home, &["--copy"]);
    assert_eq!(first["manifest"]["blobs"]["new"], 2 * WHEELS);
    let another = wheel(99);
    bob.upload("bob/dev", &another).await;
    let second = create(&home, &["--copy"]);
    let blobs = &second["manifest"]["blobs"];
    assert_eq!(blobs["count"], 2 * WHEELS + 2);
    assert_eq!(blobs["new"], 2);
    assert_eq!(
        blobs["new_bytes"],
        another.bytes.len() + another.metadata.len()
    );

    let (first, second) = (path_of(&first), path_of(&second));
    let mut shared = 0;
    for file in files_below(&first.join("blobs")) {
        let twin = second.join(file.strip_prefix(&first).unwrap());
        assert_eq!(inode(&file), inode(&twin), "{}", file.display());
        let stored = home.data_dir().join(file.strip_prefix(&first).unwrap());
        assert_ne!(
            inode(&file),
            inode(&stored),
            "--copy shares nothing with the store"
        );
        shared += 1;
    }
    assert_eq!(shared, 2 * WHEELS);

    // Each is whole without the other.
    std::fs::remove_dir_all(&first).unwrap();
    verify(&home, &second);
    server.stop();
}

#[tokio::test]
async fn a_backup_on_the_same_file_system_takes_no_room_for_files() {
    let home = Home::new();
    let (server, _bob, files) = stocked(&home, &[], WHEELS).await;
    let backup = path_of(&create(&home, &[]));
    for file in files_below(&backup.join("blobs")) {
        let stored = home.data_dir().join(file.strip_prefix(&backup).unwrap());
        assert_eq!(inode(&file), inode(&stored));
    }
    // What the store loses the backup keeps.
    server.stop();
    std::fs::remove_dir_all(home.data_dir()).unwrap();
    restore(&home, &backup);
    let server = Server::start(&home, &[]);
    super::assert_served(&server.anonymous(), &files).await;
    server.stop();
}

#[tokio::test]
async fn backups_are_for_their_owner_alone() {
    let home = Home::new();
    let (server, ..) = stocked(&home, &[], 1).await;
    let backup = path_of(&create(&home, &["--copy"]));
    server.stop();
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for directory in [target(&home), backup.clone(), backup.join("blobs")] {
        assert_eq!(mode(&directory), 0o700, "{}", directory.display());
    }
    for file in files_below(&backup) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn old_backups_go_and_the_newest_stays() {
    let home = Home::new();
    let (server, ..) = stocked(&home, &[], 1).await;
    let target = target(&home);
    let target = target.to_str().unwrap();
    let made: Vec<_> = (0..3).map(|_| path_of(&create(&home, &[]))).collect();
    let there = || -> Vec<bool> { made.iter().map(|path| path.exists()).collect() };

    let output = home.run(&["backup", "prune", target]);
    assert_eq!(output.code, Some(2), "no rule, no removal: {output:?}");
    let output = home.run(&["backup", "prune", target, "--keep", "2", "--dry-run"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(
        output.stdout.trim(),
        format!("would remove {}", made[0].display())
    );
    assert_eq!(there(), [true, true, true]);
    let output = home.run(&["backup", "prune", target, "--keep", "2"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(there(), [false, true, true]);
    // Young ones stay whatever their number.
    let output = home.run(&["backup", "prune", target, "--keep", "1", "--keep-days", "1"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(there(), [false, true, true]);

    // The settings say the same, and `create` obeys.
    let config = home.write(
        "cheeseshop.toml",
        &format!("[backup]\ndirectory = \"{target}\"\nkeep = 1\n"),
    );
    let output = home.run(&["--config", config.to_str().unwrap(), "backup", "create"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let newest = output.stdout.trim().to_owned();
    let output = home.run(&["--config", config.to_str().unwrap(), "backup", "list"]);
    assert!(output.stdout.starts_with(&newest), "{output:?}");
    assert_eq!(output.stdout.lines().count(), 1, "{output:?}");
    server.stop();
}

#[tokio::test]
async fn what_is_no_backup_of_ours_is_left_alone() {
    let home = Home::new();
    let (server, ..) = stocked(&home, &[], 1).await;
    server.stop();
    let target = target(&home);
    let made: Vec<_> = (0..3).map(|_| path_of(&create(&home, &[]))).collect();
    let renamed = target.join("before the great clean-up");
    std::fs::rename(&made[0], &renamed).unwrap();
    let write = |name: &str, text: &str| {
        let path = target.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut stays = vec![
        renamed,
        write("a file", ""),
        write("new\nline/text", ""),
        write("other/manifest.json", "{\"format\": 99}"),
        write("text/manifest.json", "no JSON"),
        write("large/manifest.json", &" ".repeat(2 << 20)),
        write(".incomplete-download", ""),
    ];
    // Whoever opened this one to read would wait for ever.
    let pipe = target.join("pipe/manifest.json");
    std::fs::create_dir(pipe.parent().unwrap()).unwrap();
    let made_pipe = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made_pipe.unwrap().success());
    let link = target.join("link");
    std::os::unix::fs::symlink(&made[1], &link).unwrap();
    let secret = home.write("elsewhere/text", "");
    let leads_away = target.join(".removing-20261122T234927Z");
    std::os::unix::fs::symlink(secret.parent().unwrap(), &leads_away).unwrap();
    stays.extend([pipe, secret]);

    let output = home.run(&["backup", "prune", target.to_str().unwrap(), "--keep", "1"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(!made[1].exists());
    for path in &stays {
        assert!(path.exists(), "{}", path.display());
    }
    assert!(link.symlink_metadata().is_ok());
    assert!(
        leads_away.symlink_metadata().is_err(),
        "the link alone went"
    );
    verify(&home, &made[2]);
    verify(&home, &stays[0]);
}

#[tokio::test]
async fn a_backup_is_told_also_when_older_ones_cannot_be_removed() {
    let home = Home::new();
    let (server, ..) = stocked(&home, &[], 1).await;
    let target = target(&home);
    let first = path_of(&create(&home, &[]));
    // Where the first would go on its way out; as a leftover it cannot be removed either.
    let name = first.file_name().unwrap().to_str().unwrap();
    std::fs::write(target.join(format!(".removing-{name}")), "").unwrap();

    let target = target.to_str().unwrap();
    let output = home.run(&["backup", "create", "--json", target, "--keep", "1"]);
    let second = path_of(&json_of(&output, 1));
    assert!(
        output.stderr.contains("older ones cannot be removed"),
        "{output:?}"
    );
    assert!(first.exists());
    verify(&home, &second);
    server.stop();
}

fn inode(path: &std::path::Path) -> u64 {
    std::fs::metadata(path).unwrap().ino()
}
