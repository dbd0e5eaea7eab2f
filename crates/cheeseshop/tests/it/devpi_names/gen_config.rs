//! `devpi-gen-config`: what it writes, and what those who read it say.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use super::run;
use crate::support::Home;

const FILES: &[&str] = &[
    "crontab",
    "devpi.service",
    "launchd-macos.txt",
    "net.devpi.plist",
    "nginx-devpi-caching.conf",
    "nginx-devpi-lockdown.conf",
    "nginx-devpi.conf",
    "supervisor-devpi.conf",
    "supervisord.conf",
    "windows-service.txt",
];

fn generate(home: &Home, arguments: &[&str]) -> String {
    let output = run(home, "devpi-gen-config", arguments);
    assert_eq!(output.code, Some(0), "{output:?}");
    for file in FILES {
        let line = format!("wrote gen-config/{file}\n");
        assert!(output.stdout.contains(&line), "{output:?}");
    }
    output.stderr
}

fn file(home: &Home, name: &str) -> PathBuf {
    home.path().join("gen-config").join(name)
}

fn text(home: &Home, name: &str) -> String {
    std::fs::read_to_string(file(home, name)).unwrap()
}

#[test]
fn all_files_are_written_without_a_server_directory_and_again() {
    let home = Home::new();
    for _ in 0..2 {
        let talk = generate(&home, &[]);
        assert!(talk.contains("--configfile"), "{talk}");
    }
    let mut found: Vec<_> = std::fs::read_dir(home.path().join("gen-config"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, FILES);
    assert!(!home.path().join(".devpi").exists());
}

#[test]
fn paths_in_command_lines_are_absolute_and_name_the_link() {
    let home = Home::new();
    home.write("devpi.yml", "devpi-server:\n  port: 4000\n");
    let talk = generate(
        &home,
        &["-c", "devpi.yml", "--serverdir", "srv", "--offline-mode"],
    );
    assert!(talk.contains("devpi-server, which is not there yet: `cheeseshop install-links`"));
    let here = home.path().display();
    let command = format!(
        "{here}/names/devpi-server --configfile {here}/devpi.yml --serverdir {here}/srv \
         --offline-mode"
    );
    for name in ["devpi.service", "supervisor-devpi.conf", "crontab"] {
        let text = text(&home, name);
        assert!(text.contains(&command), "{name}: {command}\n{text}");
    }
    let plist = text(&home, "net.devpi.plist");
    for word in command.split(' ') {
        assert!(
            plist.contains(&format!("<string>{word}</string>")),
            "{word}\n{plist}"
        );
    }
    assert!(text(&home, "nginx-devpi.conf").contains("server 127.0.0.1:4000;"));
}

#[test]
fn the_variable_of_the_directory_reaches_the_command_lines() {
    let home = Home::new();
    let mut command = home.devpi("devpi-gen-config", &[]);
    command.env("DEVPISERVER_SERVERDIR", "by-variable");
    let output = crate::support::finish(command, "");
    assert_eq!(output.code, Some(0), "{output:?}");
    let expected = format!("--serverdir {}/by-variable", home.path().display());
    assert!(text(&home, "devpi.service").contains(&expected));
}

#[test]
fn a_password_on_the_command_line_makes_the_files_private() {
    let home = Home::new();
    let mode = |home: &Home| {
        let metadata = std::fs::metadata(file(home, "devpi.service")).unwrap();
        metadata.permissions().mode() & 0o777
    };
    generate(&home, &[]);
    assert_eq!(mode(&home) & 0o077, 0o044 & mode(&home));
    for arguments in [
        ["--storage", "pg8000:user=me,password=hunter2"],
        ["--set", "mirror.proxy=http://me:hunter2@proxy.test:3128"],
        ["--set", "blobs.secret_key=hunter2"],
    ] {
        generate(&home, &["--set", "mirror.proxy=http://proxy.test:3128"]);
        assert_eq!(mode(&home) & 0o077, 0o044 & mode(&home));
        let talk = generate(&home, &arguments);
        assert_eq!(mode(&home), 0o600, "{arguments:?}");
        assert!(
            talk.contains("hold a password") && !talk.contains("hunter2"),
            "{talk}"
        );
    }
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let home = Home::new();
    // The link has to exist, or systemd says so, rightly.
    home.devpi("devpi-server", &[]);
    generate(
        &home,
        &["--serverdir", "my data", "--restrict-modify", "root,a$b%c"],
    );
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(file(&home, "devpi.service"))
        .output()
        .unwrap_or_else(|error| panic!("systemd-analyze: {error}; apt-get install systemd"));
    let talk = String::from_utf8_lossy(&output.stderr);
    let about_ours: Vec<&str> = talk.lines().filter(|line| line.contains("devpi")).collect();
    assert!(about_ours.is_empty() && output.status.success(), "{talk}");
}

#[test]
fn the_property_list_is_one_that_python_takes() {
    let home = Home::new();
    // Not a word that could be told to Windows; the other files are there.
    let output = run(&home, "devpi-gen-config", &["--serverdir", "a & b <c>"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(
        output
            .stderr
            .contains("no gen-config/windows-service.txt: ")
            && output.stderr.contains("1 of 10 files cannot be written"),
        "{output:?}"
    );
    assert!(!file(&home, "windows-service.txt").exists());
    let script = "import plistlib, sys; print(plistlib.load(open(sys.argv[1], 'rb'))\
                  ['ProgramArguments'][2])";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(file(&home, "net.devpi.plist"))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let expected = format!("{}/a & b <c>", home.path().display());
    assert_eq!(printed.trim(), expected, "{output:?}");
}

#[test]
fn supervisor_reads_the_command_back() {
    let home = Home::new();
    generate(
        &home,
        &["--serverdir", "my 100%", "--restrict-modify", "it's"],
    );
    // What supervisord does with the line: interpolation, then shell words.
    let script = "import configparser, shlex, sys\n\
                  p = configparser.RawConfigParser(inline_comment_prefixes=(';', '#'))\n\
                  p.read(sys.argv[1])\n\
                  c = p['program:devpi-server']['command'] % {}\n\
                  print(shlex.split(c)[2:])";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(file(&home, "supervisor-devpi.conf"))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let expected = format!(
        "['{}/my 100%', \"--restrict-modify=it's\"]",
        home.path().display()
    );
    assert_eq!(printed.trim(), expected, "{output:?}");
}

#[test]
fn the_options_of_a_server_are_the_only_ones() {
    let home = Home::new();
    let output = run(&home, "devpi-gen-config", &["--root-passwd=x"]);
    assert_eq!(output.code, Some(2), "{output:?}");
    let output = run(&home, "devpi-gen-config", &["--role=replica"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(!home.path().join("gen-config").exists());
}
