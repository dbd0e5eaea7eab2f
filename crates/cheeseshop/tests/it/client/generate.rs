//! Completions and manual pages, tried in the shells and by the programs that read them; and the help of
//! every command under both names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Home, finish};

/// The names with a command line of their own.
const NAMES: [&str; 2] = ["cheeseshop", "devpi"];

/// Writes the completions of a name for a shell into a file.
fn completions(home: &Home, shell: &str, name: &str) -> PathBuf {
    let output = home.run(&["generate", "completions", shell, "--name", name]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(output.stderr, "");
    home.write(&format!("{name}.{shell}"), &output.stdout)
}

/// What a shell says that may not complain.
#[track_caller]
fn says(home: &Home, shell: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(shell);
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", "/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .env("TERM", "dumb")
        .current_dir(home.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let output = finish(command, "");
    assert_eq!(output.code, Some(0), "{arguments:?}: {output:?}");
    assert_eq!(output.stderr, "", "{arguments:?}");
    output.stdout
}

#[test]
fn bash_completes_commands_and_options() {
    let home = Home::new();
    for name in NAMES {
        let file = completions(&home, "bash", name);
        let complete = |words: &[&str]| {
            let script = format!(
                "source {file}\nCOMP_WORDS=({name} {words})\nCOMP_CWORD={count}\n\
                 function=$(complete -p {name} | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n\
                 $function {name} \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"\n\
                 echo \"${{COMPREPLY[@]}}\"",
                file = file.display(),
                words = words.join(" "),
                count = words.len(),
            );
            says(&home, "bash", &["--norc", "-c", &script])
        };
        assert_eq!(complete(&["uplo"]), "upload\n");
        assert_eq!(complete(&["upload", "--only-l"]), "--only-latest\n");
        assert_eq!(complete(&["layout", "ex"]), "export\n");
    }
}

#[test]
fn fish_completes_commands_and_options() {
    let home = Home::new();
    for name in NAMES {
        let file = completions(&home, "fish", name);
        let complete = |line: &str| {
            let script = format!("source {}; complete -C '{name} {line}'", file.display());
            says(&home, "fish", &["--no-config", "-c", &script])
        };
        assert!(
            complete("uplo").starts_with("upload\t"),
            "{}",
            complete("uplo")
        );
        let option = complete("upload --only-l");
        assert!(option.starts_with("--only-latest\t"), "{option}");
        // What belongs to a server is not offered to who speaks to one.
        assert_eq!(complete("list --data-d"), "");
    }
}

#[test]
fn zsh_completes_commands() {
    let home = Home::new();
    for name in NAMES {
        let file = completions(&home, "zsh", name);
        says(&home, "zsh", &["-f", "-n", file.to_str().unwrap()]);
        // A key can be pressed only where there is a terminal.
        let script = format!(
            "zmodload zsh/zpty\nzpty shell zsh -f -i\n\
             zpty -w shell 'PS1=; autoload -U compinit; compinit -u -D; source {}'\n\
             zpty -n -w shell $'{name} uplo\\t'\n\
             zpty -r -m shell seen '*{name} upload *' && print completed\nzpty -d shell",
            file.display()
        );
        assert_eq!(
            says(&home, "timeout", &["60", "zsh", "-f", "-c", &script]),
            "completed\n"
        );
    }
}

/// The pages of manual, by their names.
fn pages(home: &Home) -> BTreeSet<String> {
    let folder = home.path().join("share/man1");
    let output = home.run(&["generate", "man", folder.to_str().unwrap()]);
    assert_eq!(output.code, Some(0), "{output:?}");
    folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The commands that a help text lists, wherever it lists them.
fn listed(help: &str) -> Vec<String> {
    help.lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .filter_map(|line| line.split_once("  "))
        .map(|(name, _)| name.to_owned())
        .filter(|name| name != "help")
        .collect()
}

/// Every command with all that leads to it, by the help texts.
fn every_command(home: &Home, name: &str, path: &[String], found: &mut Vec<Vec<String>>) {
    let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
    let command = match name {
        "devpi" => home.devpi("devpi", &words),
        _ => home.bare_cheeseshop(&words),
    };
    let output = finish(command, "");
    assert_eq!(output.code, Some(0), "{name} {path:?}: {output:?}");
    assert_eq!(output.stderr, "", "{name} {path:?}");
    let first = output.stdout.lines().next().unwrap_or_default();
    assert!(
        first.len() > 10 && !first.starts_with("Usage"),
        "{name} {path:?}: {first}"
    );
    let usage = [&[name.to_owned()], path].concat().join(" ");
    let usage = format!("\nUsage: {usage}");
    assert!(output.stdout.contains(&usage), "{usage}: {output:?}");
    // Whoever reads this sits before a terminal.
    let widest = output.stdout.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(110), "{name} {path:?}: {output:?}");
    found.push(path.to_vec());
    for command in listed(&output.stdout) {
        every_command(home, name, &[path, &[command]].concat(), found);
    }
}

#[test]
fn every_command_has_a_help_text_and_a_manual_page() {
    let home = Home::new();
    let mut expected = BTreeSet::new();
    for name in NAMES {
        let mut commands = Vec::new();
        every_command(&home, name, &[], &mut commands);
        for wanted in [
            &["upload"] as &[&str],
            &["layout", "export"],
            &["certs", "bundle"],
        ] {
            assert!(commands.iter().any(|path| path == wanted), "{commands:?}");
        }
        for path in commands {
            let words = [&[name.to_owned()], path.as_slice()].concat();
            expected.insert(format!("{}.1", words.join("-")));
        }
    }
    let pages = pages(&home);
    assert_eq!(pages, expected);
    for page in &pages {
        let text = std::fs::read_to_string(home.path().join("share/man1").join(page)).unwrap();
        for section in [
            ".TH ",
            ".SH NAME",
            ".SH SYNOPSIS",
            ".SH DESCRIPTION",
            ".SH OPTIONS",
        ] {
            assert!(text.contains(section), "{page}: {section}");
        }
    }
    // Everywhere but in the smallest containers.
    if Path::new("/usr/bin/groff").exists() {
        for page in &pages {
            let path = home.path().join("share/man1").join(page);
            let shown = says(
                &home,
                "groff",
                &["-k", "-man", "-Tutf8", "-ww", path.to_str().unwrap()],
            );
            assert!(
                shown.contains("SYNOPSIS") || shown.contains("S\u{8}SY"),
                "{page}: {shown}"
            );
        }
    }
}

#[test]
fn commands_stand_under_headings() {
    let home = Home::new();
    let ours = home.run(&["help"]).stdout;
    let place = |text: &str, part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("no {part:?} in {text}"))
    };
    let order = [
        "Usage: cheeseshop [OPTIONS] <COMMAND>",
        "\nServer:\n",
        "\n  serve ",
        "\nClient, as devpi has it:\n",
        "\n  upload ",
        "\nClient, beyond devpi:\n",
        "\n  doctor ",
        "\nOptions:\n",
        "\nSettings:\n",
    ];
    assert!(order.is_sorted_by_key(|part| place(&ours, part)), "{ours}");
    let devpi = finish(home.devpi("devpi", &[]), "");
    assert_eq!(devpi.code, Some(0), "{devpi:?}");
    let order = [
        "\nCommands of devpi-client:\n",
        "\n  passwd ",
        "\nMore commands:\n",
        "\n  doctor ",
        "\nGeneric options:\n",
    ];
    let text = &devpi.stdout;
    assert!(order.is_sorted_by_key(|part| place(text, part)), "{text}");
}
