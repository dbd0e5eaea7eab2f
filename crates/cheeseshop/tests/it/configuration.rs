//! `cheeseshop config`: looking at the settings.

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
