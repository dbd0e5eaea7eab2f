//! Where a restore goes, and to whom: everything belongs to the server's user afterwards, and nothing that lies
//! about is taken for part of it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use super::{create, path_of, restore, stocked};
use crate::support::{Home, finish};

/// The numbers of a server's user that is not the one who restores.
const SERVER: u32 = 4711;

/// Everything below a directory, and itself.
fn all_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![directory.to_owned()];
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(all_below(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_root_restores_belongs_to_the_servers_user_wherever_it_lies() {
    assert!(
        rustix::process::geteuid().is_root(),
        "only root can restore for others; run the tests as root"
    );
    let home = Home::new();
    let (server, ..) = stocked(&home, &[], 2).await;
    let backup = path_of(&create(&home, &[]));
    server.stop();

    for more in [&[][..], &["--hard-links"]] {
        let fresh = Home::new();
        std::fs::set_permissions(fresh.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(fresh.data_dir()).unwrap();
        chown(fresh.data_dir(), Some(SERVER), Some(SERVER)).unwrap();
        // Neither directory is there.
        let (database, blobs) = (fresh.path().join("sql/deep"), fresh.path().join("files"));
        let places = [
            format!("--database-url=sqlite://{}/shop.db", database.display()),
            format!("--set=blobs.path={}", blobs.display()),
        ];
        let mut arguments = vec!["backup", "restore", backup.to_str().unwrap()];
        arguments.extend(places.iter().map(String::as_str));
        arguments.extend(more);
        let mut command = fresh.cheeseshop(&arguments);
        // What root's shell may say must not keep the web server from the files.
        let shell = format!(
            "umask 077 && exec {} \"$@\"",
            env!("CARGO_BIN_EXE_cheeseshop")
        );
        let surroundings: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        command = std::process::Command::new("/bin/sh");
        command
            .args(["-c", &shell, "sh"])
            .args(&arguments)
            .env_clear();
        command.envs(surroundings).current_dir(fresh.path());
        command.stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::piped());
        let output = finish(command, "");
        assert_eq!(output.code, Some(0), "{output:?}");
        for directory in [&fresh.data_dir(), &fresh.path().join("sql"), &blobs] {
            for path in all_below(directory) {
                let metadata = std::fs::symlink_metadata(&path).unwrap();
                let owner = (metadata.uid(), metadata.gid());
                assert_eq!(owner, (SERVER, SERVER), "{}", path.display());
                if path.starts_with(&blobs) && !path.starts_with(blobs.join("tmp")) {
                    let bits = metadata.mode() & 0o777;
                    let expected = if metadata.is_dir() { 0o750 } else { 0o640 };
                    assert_eq!(bits, expected, "{} {bits:o}", path.display());
                }
            }
        }
        // The backup stays its maker's.
        for path in all_below(&backup) {
            assert_eq!(std::fs::symlink_metadata(&path).unwrap().uid(), 0);
        }
        // The server's user can work with all of it.
        let mut serve = vec!["init"];
        serve.extend(places.iter().map(String::as_str));
        let mut command = fresh.cheeseshop(&serve);
        command.uid(SERVER).gid(SERVER);
        let output = finish(command, "");
        assert_eq!(output.code, Some(0), "{output:?}");
        let mut fsck = vec!["fsck"];
        fsck.extend(places.iter().map(String::as_str));
        let mut command = fresh.cheeseshop(&fsck);
        command.uid(SERVER).gid(SERVER);
        let output = finish(command, "");
        assert_eq!(output.code, Some(0), "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_another_database_is_refused_and_never_applied() {
    let home = Home::new();
    let (server, ..) = stocked(&home, &[], 1).await;
    let backup = path_of(&create(&home, &[]));
    server.stop();
    for suffix in ["-wal", "-shm", "-journal"] {
        let fresh = Home::new();
        let database = fresh.path().join("elsewhere.db");
        let left = fresh.write(&format!("elsewhere.db{suffix}"), "of another database");
        let address = format!("--database-url=sqlite://{}", database.display());
        let arguments = ["backup", "restore", backup.to_str().unwrap(), &address];
        let output = fresh.run(&arguments);
        assert_eq!(output.code, Some(2), "{output:?}");
        let expected = format!("is not empty (it has `elsewhere.db{suffix}`)");
        assert!(output.stderr.contains(&expected), "{output:?}");
        assert!(left.exists());
        assert!(!database.exists());
        std::fs::remove_file(&left).unwrap();
        let output = fresh.run(&arguments);
        assert_eq!(output.code, Some(0), "{output:?}");
    }
    // In the data directory it is in the way like anything else.
    let fresh = Home::new();
    fresh.write("data/cheeseshop.db-wal", "");
    let output = fresh.run(&["backup", "restore", backup.to_str().unwrap()]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("`cheeseshop.db-wal`"), "{output:?}");
    std::fs::remove_file(fresh.data_dir().join("cheeseshop.db-wal")).unwrap();
    restore(&fresh, &backup);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_root_backs_up_belongs_to_whoever_owns_the_directory() {
    let home = Home::new();
    let (server, ..) = stocked(&home, &[], 2).await;
    server.stop();
    let target = super::target(&home);
    // One that is root's is there already, and must stay root's.
    let roots = path_of(&create(&home, &[]));
    chown(&target, Some(SERVER), Some(SERVER)).unwrap();
    let made = path_of(&create(&home, &[]));
    let uid = |path: &Path| std::fs::symlink_metadata(path).unwrap().uid();
    for path in all_below(&made) {
        assert_eq!(uid(&path), SERVER, "{}", path.display());
    }
    for path in all_below(&roots).iter().chain(&all_below(&home.data_dir())) {
        assert_eq!(uid(path), 0, "{}", path.display());
    }
    super::verify(&home, &made);
    // The next one shares what is the server's own.
    let next = create(&home, &[]);
    assert_eq!(next["manifest"]["blobs"]["new"], 0);
    let next = path_of(&next);
    for path in super::files_below(&next.join("blobs")) {
        assert_eq!(std::fs::metadata(&path).unwrap().nlink(), 2);
    }
}
