//! `cheeseshop gen-config` for what keeps a server running.

use std::process::Command;

use crate::support::{CHEAP_HASH, Home, Server};

/// What a kind writes, with settings that need quoting.
fn written(home: &Home, kind: &str) -> String {
    let file = home.write("my settings/shop & co.toml", "[log]\nfilter = \"warn\"\n");
    let file = file.display().to_string();
    let arguments = [
        CHEAP_HASH,
        &[
            "--config",
            &file,
            "--set=server.listen=127.0.0.1:0",
            "--set=auth.restrict_modify=root,a$b%c'd",
            "gen-config",
            kind,
            "--user=shop",
        ],
    ]
    .concat();
    let output = home.run(&arguments);
    assert_eq!(output.code, Some(0), "{output:?}");
    output.stdout
}

fn python(script: &str, file: &std::path::Path) -> Vec<String> {
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Starts a server by the words, as nobody in particular; it has to be the one that was meant.
fn starts_the_same_server(home: &Home, words: &[String]) {
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir("/")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped());
    Server::spawn(home, command).stop();
    assert!(home.data_dir().join("cheeseshop.db").is_file());
}

#[test]
fn supervisord_starts_the_server_that_was_meant() {
    let home = Home::new();
    let file = home.write("supervisor.conf", &written(&home, "supervisord"));
    // What supervisord does with the line: interpolation, then shell words.
    let script = "import configparser, shlex, sys\n\
                  parser = configparser.RawConfigParser(inline_comment_prefixes=(';', '#'))\n\
                  parser.read(sys.argv[1])\n\
                  section = dict(parser['program:cheeseshop'])\n\
                  assert section['user'] == 'shop' and section['stopsignal'] == 'TERM'\n\
                  print('\\n'.join(shlex.split(section['command'] % {})))";
    let words = python(script, &file);
    assert!(
        words.contains(&"auth.restrict_modify=root,a$b%c'd".to_owned()),
        "{words:?}"
    );
    starts_the_same_server(&home, &words);
}

#[test]
fn launchd_starts_the_server_that_was_meant() {
    let home = Home::new();
    let file = home.write("cheeseshop.plist", &written(&home, "launchd"));
    let script = "import plistlib, sys\n\
                  document = plistlib.load(open(sys.argv[1], 'rb'))\n\
                  assert document['Label'] == 'local.cheeseshop'\n\
                  print('\\n'.join(document['ProgramArguments']))";
    starts_the_same_server(&home, &python(script, &file));
}

#[test]
fn systemd_takes_the_unit_and_finds_it_shut_in() {
    let home = Home::new();
    let unit = home.write("cheeseshop.service", &written(&home, "systemd"));
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&unit)
        .output()
        .unwrap_or_else(|error| panic!("systemd-analyze: {error}; apt-get install systemd"));
    let talk = String::from_utf8_lossy(&verify.stderr);
    let about_ours: Vec<&str> = talk
        .lines()
        .filter(|line| line.contains("cheeseshop"))
        .collect();
    assert!(about_ours.is_empty() && verify.status.success(), "{talk}");
    let text = std::fs::read_to_string(unit).unwrap();
    for line in [
        "User=shop",
        "Type=notify",
        "ExecReload=/bin/kill -HUP $MAINPID",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(
        text.contains("\"auth.restrict_modify=root,a$$b%%c'd\""),
        "{text}"
    );
}

#[test]
fn windows_is_told_of_wsl() {
    let home = Home::new();
    let text = written(&home, "windows-service");
    assert!(text.contains("wsl.exe -u shop --exec "), "{text}");
}

#[test]
fn no_secret_gets_into_a_command_line() {
    let home = Home::new();
    for set in [
        "--database-url=postgres://me:hunter2@db.test/shop",
        "--set=mirror.proxy=http://me:hunter2@proxy.test:1",
    ] {
        let output = home.run(&[set, "gen-config", "systemd"]);
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.stderr.contains("_file"), "{output:?}");
        assert!(!format!("{output:?}").contains("hunter2"), "{output:?}");
    }
}

#[test]
fn what_would_break_out_of_the_file_is_refused_and_what_is_left_out_is_told() {
    let home = Home::new();
    let output = home.run(&["gen-config", "supervisord", "--user=me\nautostart=false"]);
    assert_eq!(output.code, Some(2), "{output:?}");
    let mut command = home.cheeseshop(&["gen-config", "systemd"]);
    command.env("CHEESESHOP_LOG__FILTER", "debug");
    let output = crate::support::finish(command, "");
    assert!(
        output.stderr.contains("CHEESESHOP_LOG__FILTER"),
        "{output:?}"
    );
    assert_eq!(output.code, Some(0), "{output:?}");
}
