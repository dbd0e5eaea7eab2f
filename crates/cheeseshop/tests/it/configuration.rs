//! `cheeseshop config`: looking at the settings.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::{Home, finish};

#[test]
fn show_prints_values_with_origin_and_hides_secrets() {
    let home = Home::new();
    let secret = home.write("s3-secret", "hunter2\n");
    let file = home.write(
        "shop.toml",
        &format!(
            "[blobs]\nkind = \"s3\"\nbucket = \"cheese\"\naccess_key = \"key\"\n\
             secret_key_file = \"{}\"\n",
            secret.display()
        ),
    );
    home.write("conf.d/10-log.toml", "[log]\nfilter = \"warn\"\n");
    let file = file.to_str().unwrap();
    let mut command = home.cheeseshop(&[
        "config",
        "show",
        "--config",
        file,
        "--database-url",
        "postgres://shop:hunter2@db.test/shop",
    ]);
    command.env("CHEESESHOP_MIRROR__OFFLINE", "true");
    let output = finish(command, "");
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(!output.stdout.contains("hunter2"), "{}", output.stdout);
    let fragment = home.path().join("conf.d/10-log.toml");
    for line in [
        "url = \"postgres://shop:***@db.test/shop\"  # flag --database-url".to_owned(),
        format!("secret_key = \"***\"  # {file}:5"),
        format!("filter = \"warn\"  # {}:2", fragment.display()),
        "offline = true  # environment variable CHEESESHOP_MIRROR__OFFLINE".to_owned(),
        "max_file_bytes = 1073741824  # default".to_owned(),
    ] {
        assert!(
            output.stdout.lines().any(|found| found == line),
            "{line}\n--\n{}",
            output.stdout
        );
    }
    // What is printed can be used as a settings file, secrets apart.
    assert!(!home.data_dir().exists(), "looking makes nothing");
}

/// Nobody of this machine, as the server's user in a container.
const SERVER: u32 = 31_415;

#[test]
fn root_checks_with_the_eyes_of_the_servers_user_and_is_told_what_mends_it() {
    assert!(
        rustix::process::geteuid().is_root(),
        "only root can make files of others; run the tests as root"
    );
    let home = Home::new();
    let mode = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    mode(home.path(), 0o755);
    std::fs::create_dir(home.data_dir()).unwrap();
    let style = home.write("web/theme.css", "body { color: black }\n");
    let proxy = home.write("secrets/proxy", "http://proxy.test:8080\n");
    let secrets = proxy.parent().unwrap();
    let settings = [
        format!("--set=web.theme={}", style.parent().unwrap().display()),
        format!("--set=mirror.proxy_file={}", proxy.display()),
    ];
    let check = || home.run(&["config", "check", &settings[0], &settings[1]]);
    for (path, bits) in [
        (style.parent().unwrap(), 0o755),
        (secrets, 0o700),
        (&style, 0o600),
        (&proxy, 0o600),
    ] {
        mode(path, bits);
    }
    // As long as the data is root's, so is the server.
    assert_eq!(check().code, Some(0));

    std::os::unix::fs::chown(home.data_dir(), Some(SERVER), Some(SERVER)).unwrap();
    for told in [
        [
            (secrets, "entered", "0700", "chgrp 31415 {} && chmod g+x {}"),
            (&style, "read", "0600", "chmod o+r {}"),
        ]
        .as_slice(),
        // Behind the directory.
        &[(&proxy, "read", "0600", "chgrp 31415 {} && chmod g+r {}")],
    ] {
        let output = check();
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(
            output
                .stderr
                .starts_with("error: the server runs as the user `31415`, to whom "),
            "{output:?}"
        );
        for (path, what, bits, mend) in told {
            let path = path.to_str().unwrap();
            let mend = mend.replace("{}", path);
            let line =
                format!("{path} cannot be {what} by `31415` (mode {bits} of root:root): {mend}\n");
            assert!(output.stderr.contains(&line), "{line}{output:?}");
            let shell = std::process::Command::new("sh")
                .args(["-c", &mend])
                .status();
            assert!(shell.unwrap().success(), "{mend}");
        }
    }
    let output = check();
    assert_eq!(output.code, Some(0), "{output:?}");

    // A group that only the unit may give.
    std::os::unix::fs::chown(&proxy, Some(0), Some(SERVER + 1)).unwrap();
    let output = check();
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output
            .stderr
            .contains("unless the unit says SupplementaryGroups=31416: usermod"),
        "{output:?}"
    );
}

#[test]
fn check_answers_with_its_exit_code() {
    let home = Home::new();
    let output = home.run(&["config", "check"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(
        output.stderr.trim(),
        "the settings are fine (read no settings file)"
    );

    home.write(".config/cheeseshop/cheeseshop.toml", "[sever]\n");
    let output = home.run(&["config", "check"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(
        output.stderr.contains(
            "cheeseshop.toml:1: `sever`: there is no such section; did you mean `server`?"
        ),
        "{output:?}"
    );
}

#[test]
fn show_prints_the_default_proxy_plainly_and_hides_only_userinfo() {
    let home = Home::new();
    for (set, expected) in [
        (
            "log.filter=info",
            "proxy = \"environment\"  # default".to_owned(),
        ),
        (
            "mirror.proxy=none",
            "proxy = \"none\"  # flag --set".to_owned(),
        ),
        (
            "mirror.proxy=http://proxy.test:3128/",
            "proxy = \"http://proxy.test:3128/\"  # flag --set".to_owned(),
        ),
        (
            "mirror.proxy=http://me:hunter2@proxy.test:3128/",
            "proxy = \"http://me:***@proxy.test:3128/\"  # flag --set".to_owned(),
        ),
        (
            "mirror.proxy=http://hunter2@proxy.test:3128/",
            "proxy = \"http://***@proxy.test:3128/\"  # flag --set".to_owned(),
        ),
    ] {
        let output = home.run(&["config", "show", "--set", set]);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert!(
            output.stdout.lines().any(|found| found == expected),
            "{expected}\n--\n{}",
            output.stdout
        );
        assert!(!output.stdout.contains("hunter2"), "{}", output.stdout);
    }
}
