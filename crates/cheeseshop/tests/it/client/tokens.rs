//! Tokens, beside the plugin devpi-tokens.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use cheeseshop_test_support::{Sdist, client_command, python_packages};

use super::Twins;
use crate::clients::tokens::NEEDED;

/// Logs in, and makes a token for uploads of `hello-shop` to `root/dev`, in `ci.token`.
fn prepare(twins: &Twins) {
    twins.login();
    twins.both(&["index", "-c", "dev", "bases="]).same();
    twins.both(&["use", "root/dev"]).same();
    twins.ours_says(
        &[
            "token-create",
            "-i",
            "root/dev",
            "-p",
            "hello-shop",
            "-a",
            "upload,pkg_read",
            "-e",
            "90 days",
            "-o",
            "ci.token",
        ],
        "",
    );
}

/// What the plugin says to a command in our client's home.
fn plugin_says(twins: &Twins, arguments: &[&str]) -> String {
    let devpi = python_packages("devpi-tokens-tests", NEEDED).join("bin/devpi");
    let mut command: Command = client_command(&devpi, twins.ours.home.path());
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines without the times in words, which the plugin tells in the zone of the machine.
fn without_times(text: &str) -> Vec<&str> {
    let line = |line| str::split_once(line, " (").map_or(line, |(front, _)| front);
    text.lines().map(line).collect()
}

#[test]
fn the_plugin_reads_our_tokens_and_we_read_its() {
    let twins = Twins::of_our_servers();
    prepare(&twins);
    let home = twins.ours.home.path();
    let mode = home
        .join("ci.token")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let inspect = |file: &str| {
        let ours = twins.ours_says(&["token-inspect", "-f", file], "");
        let plugins = plugin_says(&twins, &["token-inspect", "-f", file]);
        assert_eq!(without_times(&ours), without_times(&plugins));
        ours
    };
    let told = inspect("ci.token");
    assert!(told.contains("    user       : root\n"), "{told}");
    assert!(
        told.contains("    restriction: allowed=pkg_read,upload\n"),
        "{told}"
    );

    let derive = [
        "token-derive",
        "-f",
        "ci.token",
        "-a",
        "pkg_read",
        "-e",
        "1 hour",
        "-o",
    ];
    twins.ours_says(&[&derive[..], &["ours.token"]].concat(), "");
    plugin_says(&twins, &[&derive[..], &["plugins.token"]].concat());
    let told = inspect("ours.token");
    assert!(told.contains("restriction: allowed=pkg_read\n"), "{told}");
    inspect("plugins.token");

    let list = twins.ours_says(&["token-list"], "");
    assert_eq!(list, plugin_says(&twins, &["token-list"]));
    let id = list.lines().nth(1).unwrap().trim();
    let told = twins.ours_says(&["token-delete", id], "");
    assert_eq!(told, format!("token {id} deleted\n"));
    assert_eq!(
        twins.ours_says(&["token-list"], ""),
        "No tokens for 'root'\n"
    );
}

#[test]
fn uploads_with_a_token_send_one_for_the_project_alone() {
    let twins = Twins::of_our_servers();
    prepare(&twins);
    for name in ["hello-shop", "other"] {
        let sdist = Sdist::named(name).build();
        twins.write(&sdist.name, &sdist.bytes);
    }
    twins.ours_says(&["token-login", "-f", "ci.token"], "");
    let told = twins.ours_says(&["upload", "hello_shop-1.0.tar.gz"], "");
    assert_eq!(
        told.lines().next(),
        Some(
            "Derived a unique Devpi token valid for 60 seconds for upload to the 'hello-shop' \
             project."
        )
    );
    assert!(told.ends_with("file_upload of hello_shop-1.0.tar.gz to http://SERVER/root/dev/\n"));
    let both = twins.both(&["upload", "other-1.0.tar.gz"]);
    assert_eq!(both.ours.code, Some(1), "{both:?}");
    assert!(both.ours.stdout.contains("403 FAIL"), "{both:?}");
    assert!(
        both.ours
            .stdout
            .contains("Token denied access to project 'other'"),
        "{both:?}"
    );
}

#[test]
fn a_token_that_does_not_hold_is_no_login() {
    let twins = Twins::of_our_servers();
    prepare(&twins);
    let list = twins.ours_says(&["token-list"], "");
    let id = list.lines().nth(1).unwrap().trim();
    twins.ours_says(&["token-delete", "-"], id);
    let both = twins.both(&["token-login", "-f", "ci.token"]);
    assert_eq!(both.ours.code, Some(1), "{both:?}");
    assert!(both.ours.stdout.contains("doesn't exist"), "{both:?}");
    // The login of before is still there.
    let told = twins.ours_says(&["use"], "");
    assert!(told.contains("(logged in as root)"), "{told}");
    let nonsense = twins.both(&["token-inspect", "--token", "devpi-nonsense"]);
    assert_eq!(nonsense.ours.code, Some(1));
    assert!(!nonsense.ours.stdout.contains("nonsense"), "{nonsense:?}");
}
