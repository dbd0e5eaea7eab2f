//! What is printed, as it is read by those it is printed for.

use std::path::Path;

use cheeseshop_test_support::python_packages;
use serde_json::Value;

use super::{Ci, ended, succeed};

/// Directory names that are understood by nobody who reads them as code.
const HOSTILE: &[&str] = &[
    "plain",
    "with blanks  and\ttab-free",
    "it's",
    "''",
    "say \"hello\"",
    "$HOME ${HOME} $(id) `id`",
    "back\\slash \\' \\\\",
    "a;b&c|d<e>f",
    "*?[a-z]~#!",
    "-n",
    "%s%n",
    "ünï \u{2019}çödé\u{2018}",
];

fn shown(shell: &str) -> &'static str {
    match shell {
        "fish" => "cheeseshop env bob/one --offline -q | source\nprintf '%s' $DEVPI_CLIENTDIR",
        "pwsh" => {
            "cheeseshop env bob/one --offline -q | Out-String | Invoke-Expression\n\
             [Console]::Out.Write($env:DEVPI_CLIENTDIR)"
        }
        _ => "eval \"$(cheeseshop env bob/one --offline -q)\"\nprintf '%s' \"$DEVPI_CLIENTDIR\"",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_shells_read_what_was_meant() {
    let ci = Ci::open().await;
    let mut shells = vec!["bash", "dash", "zsh", "fish"];
    // Debian has no package of it.
    if Path::new("/usr/bin/pwsh").is_file() {
        shells.push("pwsh");
    }
    for shell in shells {
        for name in HOSTILE {
            let name = name.replace('\t', " ");
            let workspace = ci.workspace(&name);
            let output = succeed(ci.script(&[shell], Some(&workspace), shown(shell)));
            assert_eq!(
                output.stdout,
                workspace.join(".devpi").to_str().unwrap(),
                "{shell}"
            );
            assert_eq!(output.stderr, "", "{shell} {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_one_line_is_refused() {
    let ci = Ci::open().await;
    for name in [
        "two\nlines",
        "bell\u{7}",
        "carriage\rreturn",
        "line\u{2028}separator",
    ] {
        let workspace = ci.workspace(name);
        for format in [
            &["--shell", "sh"] as &[&str],
            &["--shell", "fish"],
            &["--format", "github"],
        ] {
            let mut command = ci.command("cheeseshop", Some(&workspace));
            command.args(["env", "bob/one", "--offline"]).args(format);
            let output = ended(command).await;
            assert_eq!(output.code, Some(2), "{name:?} {output:?}");
            assert!(!output.stdout.contains("DEVPI_CLIENTDIR"), "{output:?}");
        }
    }
}

fn print(ci: &Ci, workspace: &Path, format: &str) -> String {
    let mut command = ci.command("cheeseshop", Some(workspace));
    command.args(["env", "bob/one", "--offline", "-q", "--format", format]);
    succeed(command).stdout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_and_objects_hold_the_values_as_they_are() {
    let ci = Ci::open().await;
    for name in HOSTILE {
        let workspace = ci.workspace(&name.replace('\t', " "));
        let expected = workspace.join(".devpi");
        let expected = expected.to_str().unwrap();
        let json: Value = serde_json::from_str(&print(&ci, &workspace, "json")).unwrap();
        assert_eq!(json["DEVPI_CLIENTDIR"], expected);
        for format in ["github", "gitlab", "jenkins"] {
            let text = print(&ci, &workspace, format);
            // `withEnv` expands variables, and reads `$$` as `$`.
            let is_expanded = format == "jenkins";
            let value = expected.replace('$', if is_expanded { "$$" } else { "$" });
            let line = format!("DEVPI_CLIENTDIR={value}");
            assert!(text.lines().any(|found| found == line), "{format}: {text}");
            assert!(
                text.lines().all(|line| line.contains('=')),
                "{format}: {text}"
            );
        }
    }
}

/// python-dotenv and a shell; readers in other languages follow them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dotenv_files_mean_the_same_to_all_readers_or_are_refused() {
    let ci = Ci::open().await;
    let python = tokio::task::spawn_blocking(|| {
        python_packages("python-dotenv", &["python-dotenv==1.1.1"]).join("bin/python")
    })
    .await
    .unwrap();
    let mut count = 0;
    for name in HOSTILE {
        let workspace = ci.workspace(&name.replace('\t', " "));
        let expected = workspace.join(".devpi");
        let mut command = ci.command("cheeseshop", Some(&workspace));
        command.args(["env", "bob/one", "--offline", "-q", "--format", "dotenv"]);
        let output = ended(command).await;
        let is_spelled_apart = name.contains(['\'', '\\']) || name.contains("${");
        if is_spelled_apart {
            assert_eq!(
                (output.code, output.stdout.as_str()),
                (Some(2), ""),
                "{name}"
            );
            continue;
        }
        count += 1;
        assert_eq!(output.code, Some(0), "{name} {output:?}");
        std::fs::write(workspace.join("job.env"), &output.stdout).unwrap();
        let script = "set -a; . ./job.env; printf '%s' \"$DEVPI_CLIENTDIR\"";
        let by_shell = succeed(ci.script(&["dash", "-eu"], Some(&workspace), script));
        assert_eq!(by_shell.stdout, expected.to_str().unwrap());
        let mut by_python = ci.command(python.to_str().unwrap(), Some(&workspace));
        by_python.args([
            "-c",
            "import dotenv; print(dotenv.dotenv_values('job.env')['DEVPI_CLIENTDIR'], end='')",
        ]);
        assert_eq!(succeed(by_python).stdout, expected.to_str().unwrap());
    }
    assert!(count > 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_time_changes_nothing() {
    let ci = Ci::open().await;
    let workspace = ci.workspace("job");
    let script = "eval \"$(cheeseshop env bob/one)\"; env | sort > first\n\
                  eval \"$(cheeseshop env bob/one)\"; env | sort > second\n\
                  cmp first second";
    succeed(ci.script(&["bash", "-eu"], Some(&workspace), script));
    // Another index of the same server, which is known from the first time.
    let script = "server=$CHEESESHOP_URL; unset CHEESESHOP_URL\n\
                  eval \"$(cheeseshop env bob/one --server \"$server\")\"\n\
                  eval \"$(cheeseshop env bob/two)\"; printf '%s' \"$PIP_INDEX_URL\"";
    let output = succeed(ci.script(&["bash", "-eu"], Some(&workspace), script));
    assert_eq!(output.stdout, format!("{}/bob/two/+simple/", ci.server.url));
}
