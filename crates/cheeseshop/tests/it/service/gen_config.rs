//! `cheeseshop gen-config` for what keeps a server running.

use std::process::Command;

use crate::support::{CHEAP_HASH, Home, Output, Server};

/// What a kind writes, with settings that need quoting.
fn written(home: &Home, kind: &str) -> String {
    let output = made(home, kind, "root,a$b%c'd");
    assert_eq!(output.code, Some(0), "{output:?}");
    output.stdout
}

/// What a kind makes of a word that comes from the command line.
fn made(home: &Home, kind: &str, word: &str) -> Output {
    let file = home.write("my settings/shop & co.toml", "[log]\nfilter = \"warn\"\n");
    let file = file.display().to_string();
    let set = format!("--set=auth.restrict_modify={word}");
    let arguments = [
        CHEAP_HASH,
        &[
            "--config",
            &file,
            "--set=server.listen=127.0.0.1:0",
            &set,
            "gen-config",
            kind,
            "--user=shop",
        ],
    ]
    .concat();
    home.run(&arguments)
}

fn python(script: &str, file: &std::path::Path) -> Vec<String> {
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
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
    let script = "import configparser, json, shlex, sys\n\
                  parser = configparser.RawConfigParser(inline_comment_prefixes=(';', '#'))\n\
                  parser.read(sys.argv[1])\n\
                  section = dict(parser['program:cheeseshop'])\n\
                  assert section['user'] == 'shop' and section['stopsignal'] == 'TERM'\n\
                  print(json.dumps(shlex.split(section['command'] % {})))";
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
    let script = "import json, plistlib, sys\n\
                  document = plistlib.load(open(sys.argv[1], 'rb'))\n\
                  assert document['Label'] == 'local.cheeseshop'\n\
                  print(json.dumps(document['ProgramArguments']))";
    starts_the_same_server(&home, &python(script, &file));
    let odd = "a\tb\r\nc & <d> \"e\" 'f' ]]>";
    let text = made(&home, "launchd", odd).succeeded("gen-config").stdout;
    let words = python(script, &home.write("odd.plist", &text));
    assert!(
        words.contains(&format!("auth.restrict_modify={odd}")),
        "{words:?}"
    );
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
fn a_word_that_a_format_cannot_say_is_refused_and_what_was_there_stays() {
    let home = Home::new();
    let file = home.write("there", "as before");
    for (kind, word) in [
        ("supervisord", "a\nb"),
        ("supervisord", "a\rb"),
        ("launchd", "a\x07b"),
        ("windows-service", "a\nb"),
        ("windows-service", "a\"b"),
        ("windows-service", "a & b"),
        ("windows-service", "%PATH%"),
    ] {
        let output = format!("--output={}", file.display());
        let set = format!("--set=auth.restrict_modify={word}");
        let output = home.run(&[&set, "gen-config", kind, &output]);
        assert_eq!(output.code, Some(2), "{kind} {word:?}: {output:?}");
        assert!(output.stderr.contains("cannot stand in"), "{output:?}");
        assert_eq!(output.stderr.lines().count(), 2, "{output:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "as before");
    }
}

#[test]
fn a_path_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;

    let home = Home::new();
    let folder = home.path().join(std::ffi::OsStr::from_bytes(b"d\xffta"));
    for kind in ["systemd", "supervisord", "launchd", "windows-service"] {
        let mut command = home.bare_cheeseshop(&["gen-config", kind]);
        command.env("CHEESESHOP_CONFIG", folder.join("shop.toml"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("shop.toml"), "").unwrap();
        let output = crate::support::finish(command, "");
        assert_eq!(output.code, Some(2), "{output:?}");
    }
}

#[test]
fn a_task_that_is_too_long_for_windows_is_told() {
    let home = Home::new();
    let output = home.run(&["gen-config", "windows-service"]);
    let told = output.succeeded("gen-config").stderr;
    assert!(!told.contains("261"), "{told}");
    let set = format!("--set=auth.restrict_modify={}", "a".repeat(200));
    let output = home.run(&[&set, "gen-config", "windows-service"]);
    let told = output.succeeded("gen-config").stderr;
    assert!(told.contains("261 characters"), "{told}");
}

#[test]
fn windows_is_told_of_wsl() {
    let home = Home::new();
    let settings = home.write("my settings.toml", "").display().to_string();
    let arguments = [
        "--config",
        &settings,
        "gen-config",
        "windows-service",
        "--user=shop",
    ];
    let text = home.run(&arguments).succeeded("gen-config").stdout;
    assert!(text.contains("wsl.exe -u shop --exec "), "{text}");
    assert!(
        text.contains(&format!(r#"--config \"{settings}\""#)),
        "{text}"
    );
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
