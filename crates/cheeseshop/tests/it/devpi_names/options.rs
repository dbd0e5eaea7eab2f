//! Options, the YAML file and the environment, on the real programs.

use super::{NAMES, initialised, run, serve};
use crate::support::Home;

#[test]
fn every_name_has_a_help_and_refuses_what_it_does_not_know() {
    let home = Home::new();
    for name in NAMES {
        let output = run(&home, name, &["--help"]);
        assert_eq!(output.code, Some(0), "{output:?}");
        let usage = format!("Usage: {name}");
        assert!(output.stdout.contains(&usage), "{output:?}");
        assert!(output.stdout.contains("--configfile"), "{output:?}");

        let output = run(&home, name, &["--nonsense"]);
        assert_eq!(output.code, Some(2), "{output:?}");
        let expected = format!("{name}: error: unrecognized arguments: --nonsense\n");
        assert!(output.stderr.starts_with(&expected), "{output:?}");
        assert_eq!(output.stdout, "");
    }
    assert!(!home.path().join(".devpi").exists());
}

#[test]
fn the_version_is_alone_on_the_last_line() {
    let home = Home::new();
    let output = run(&home, "devpi-server", &["--version"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(output.stdout.lines().last(), Some("6.20.3"));
}

#[test]
fn options_of_the_past_are_accepted_with_a_line_each() {
    let home = initialised();
    let server = serve(
        &home,
        &[
            "--threads",
            "3",
            "--role=standalone",
            "--keyfs-cache-size=1",
        ],
    );
    let log = server.stop();
    for line in [
        "devpi-server: --threads has no effect: ",
        "devpi-server: --keyfs-cache-size has no effect: ",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    }
    assert!(!log.contains("--role"), "{log}");
}

#[test]
fn what_cannot_be_honoured_is_refused_with_a_way_out() {
    let home = initialised();
    for (arguments, part) in [
        (
            &["--role", "replica"][..],
            "cannot run as a replica\nhint: ",
        ),
        (
            &["--primary-url=http://a.test/"],
            "cannot run as a replica\nhint: ",
        ),
        (&["--storage", "mysql"], "'mysql' can't be found"),
    ] {
        let output = run(&home, "devpi-server", arguments);
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.stderr.starts_with("fatal: "), "{output:?}");
        assert!(output.stderr.contains(part), "{output:?}");
    }
}

#[test]
fn the_directory_comes_from_the_command_line_the_environment_or_the_file() {
    let home = Home::new();
    let initialise = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = home.devpi("devpi-init", arguments);
        command.envs(variables.iter().copied());
        let output = crate::support::finish(command, "");
        assert_eq!(output.code, Some(0), "{output:?}");
    };
    let file = home.write("devpi.yml", "devpi-server:\n  serverdir: by-file\n");
    let file = file.to_str().unwrap();
    let by_variable = [("DEVPISERVER_SERVERDIR", "by-variable")];
    let deprecated = [by_variable[0], ("DEVPI_SERVERDIR", "by-old-variable")];
    initialise(&["-c", file], &[]);
    initialise(&["-c", file], &by_variable);
    initialise(&["-c", file], &deprecated);
    initialise(&["-c", file, "--serverdir=by-flag"], &deprecated);
    initialise(&["--no-root-pypi"], &[]);
    for place in [
        "by-file",
        "by-variable",
        "by-old-variable",
        "by-flag",
        ".devpi/server",
    ] {
        let database = home.path().join(place).join("cheeseshop.db");
        assert!(database.is_file(), "{place}");
    }
}

#[tokio::test]
async fn a_file_of_devpis_configures_the_server() {
    let home = initialised();
    home.write(
        ".config/devpi-server/devpi-server.yml",
        "devpi-server:\n  host: 127.8.8.8\n  outside-url: https://shop.example\n  \
         restrict-modify: root\n  trheads: 5\n",
    );
    let server = serve(&home, &[]);
    assert!(
        server.url.starts_with("http://127.8.8.8:"),
        "{}",
        server.url
    );
    let api = server.anonymous().document("+api").await;
    assert_eq!(api["result"]["login"], "https://shop.example/+login");
    let log = server.stop();
    assert!(
        log.contains("devpi-server: Unknown devpi-server option 'trheads' in "),
        "{log}"
    );
}

#[test]
fn a_list_for_a_file_ends_with_its_own_code() {
    let home = initialised();
    home.write("list.yml", "- devpi-server\n");
    let output = run(&home, "devpi-server", &["-c", "list.yml"]);
    assert_eq!(output.code, Some(4), "{output:?}");
    assert!(output.stderr.contains("must be a mapping"), "{output:?}");
}
