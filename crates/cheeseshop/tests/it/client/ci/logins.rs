//! Logins of jobs, and that nobody sees them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Ci, PASSWORD, ended, installed, succeed};
use crate::support::finish;

/// Arguments, variables and standard input of a login.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

/// The secret that the job's login has got.
fn login_token(workspace: &Path) -> String {
    let text = std::fs::read_to_string(workspace.join(".devpi/auth.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let logins = document["auth"].as_object().unwrap();
    let (_, logins) = logins.iter().next().unwrap();
    logins[0][1].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_the_jobs_and_in_no_log() {
    let ci = Ci::open().await;
    ci.install_client("pip").await;
    for shell in ["bash", "dash", "zsh"] {
        let workspace = ci.workspace(shell);
        // -x is what Jenkins runs build steps with; -v is what people add to it.
        let script = "eval \"$(cheeseshop env bob/closed --login --credentials install,upload)\"\n\
                      devpi use\n\
                      pip install --target there app\n\
                      [ -n \"$TWINE_USERNAME\" ]\n\
                      printenv TWINE_PASSWORD > password";
        let mut command = ci.script(&[shell, "-xveu"], Some(&workspace), script);
        command
            .env("CHEESESHOP_USER", "bob")
            .env("CHEESESHOP_PASSWORD", PASSWORD);
        let output = succeed(command);
        assert_eq!(installed(&workspace.join("there")), ["3.0"], "{shell}");
        assert!(
            output.stdout.contains("/bob/closed (logged in as bob)"),
            "{output:?}"
        );
        // The trace is on before and after.
        assert!(output.stderr.contains("+ devpi use") || output.stderr.contains("> devpi use"));
        let token = login_token(&workspace);
        let given = std::fs::read_to_string(workspace.join("password")).unwrap();
        assert_eq!(given.trim_end(), token, "{shell}");
        for secret in [token.as_str(), PASSWORD] {
            assert!(
                !output.stdout.contains(secret),
                "{shell}: {}",
                output.stdout
            );
            assert!(
                !output.stderr.contains(secret),
                "{shell}: {}",
                output.stderr
            );
        }
        for entry in std::fs::read_dir(workspace.join(".devpi")).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            let is_secret = std::fs::read_to_string(entry.path())
                .is_ok_and(|text| text.contains(token.as_str()));
            assert!(!is_secret || mode & 0o777 == 0o600, "{entry:?} {mode:o}");
        }
    }
    assert!(ci.home().is_empty(), "{:?}", ci.home());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_being_asked_tools_are_given_no_credentials() {
    let ci = Ci::open().await;
    let workspace = ci.workspace("job");
    let mut command = ci.command("cheeseshop", Some(&workspace));
    command
        .args(["env", "bob/closed", "--login", "--format", "json"])
        .env("CHEESESHOP_USER", "bob")
        .env("CHEESESHOP_PASSWORD", PASSWORD);
    let output = succeed(command);
    let token = login_token(&workspace);
    assert!(!output.stdout.contains(&token));
    assert!(!output.stdout.contains("PASSWORD"), "{output:?}");
    assert!(
        output.stderr.contains("add `--credentials install`"),
        "{output:?}"
    );
    // The login of the workspace is there for the next time.
    let mut command = ci.command("cheeseshop", Some(&workspace));
    command.args([
        "env",
        "bob/closed",
        "--credentials=install",
        "--format=json",
    ]);
    let output = succeed(command);
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    let url = document["PIP_INDEX_URL"].as_str().unwrap();
    assert!(url.starts_with("http://bob:"), "{url}");
    assert!(!output.stderr.contains("warning"), "{output:?}");
    // What others can read is given none.
    for format in ["gitlab", "jenkins"] {
        let mut command = ci.command("cheeseshop", Some(&workspace));
        command.args([
            "env",
            "bob/closed",
            "--credentials=upload",
            "--format",
            format,
        ]);
        let output = ended(command).await;
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
        assert!(!output.stderr.contains(&token));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_and_tokens_come_from_files_variables_and_standard_input() {
    let ci = Ci::open().await;
    let answer = ci
        .bob
        .send(
            Method::POST,
            "bob/+token-create",
            &json!({"allowed": ["pkg_read"]}),
        )
        .await;
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let token = answer["result"]["token"].as_str().unwrap();
    let write = |name: &str, text: &str| {
        let path = ci.path(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let password_file = write("password", &format!("{PASSWORD}\n"));
    let token_file = write("token", &format!("{token}\r\n"));
    let user: &[(&str, &str)] = &[("CHEESESHOP_USER", "bob")];
    let cases: [Case<'_>; 9] = [
        (
            &["--user", "bob", "--password-file", &password_file],
            &[],
            "",
        ),
        (&["--password-file", &password_file], user, ""),
        (&["--password-file", "-"], user, PASSWORD),
        (&["--login"], user, PASSWORD),
        (
            &["--login"],
            &[("DEVPI_USER", "bob"), ("CHEESESHOP_PASSWORD", PASSWORD)],
            "",
        ),
        // A token names its user.
        (&["--token-file", &token_file], &[], ""),
        (&["--token-file", "-"], &[], token),
        (&["--login"], &[("CHEESESHOP_TOKEN", token)], ""),
        (
            &["--login"],
            &[("CHEESESHOP_USER", "bob"), ("CHEESESHOP_PASSWORD", token)],
            "",
        ),
    ];
    for (number, (arguments, variables, input)) in cases.into_iter().enumerate() {
        let workspace = ci.workspace(&format!("job-{number}"));
        let mut command = ci.command("cheeseshop", Some(&workspace));
        command
            .args(["env", "bob/closed", "--credentials=install"])
            .args(["--format", "github"])
            .args(arguments)
            .envs(variables.iter().copied());
        let output = finish(command, input);
        assert_eq!(output.code, Some(0), "{arguments:?} {output:?}");
        let url = output
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("PIP_INDEX_URL="))
            .unwrap();
        // It lets pip in.
        let status = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .get(format!("{url}app/"))
            .send()
            .await
            .unwrap()
            .status();
        assert_eq!(status, 200, "{arguments:?}");
        let lines = output.stderr;
        assert!(
            !lines.contains(PASSWORD) && !lines.contains(token),
            "{lines}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_and_missing_passwords_are_told_without_the_secret() {
    let ci = Ci::open().await;
    let workspace = ci.workspace("job");
    for (variables, code, words) in [
        (
            &[
                ("CHEESESHOP_USER", "bob"),
                ("CHEESESHOP_PASSWORD", "hunter2"),
            ][..],
            1,
            "bob cannot log in",
        ),
        (&[("CHEESESHOP_PASSWORD", "hunter2")][..], 2, "who logs in"),
        (
            &[("CHEESESHOP_USER", "bob")][..],
            2,
            "nothing to log in with",
        ),
    ] {
        let mut command = ci.command("cheeseshop", Some(&workspace));
        command
            .args(["env", "bob/one", "--login"])
            .envs(variables.iter().copied());
        let output = ended(command).await;
        assert_eq!(output.code, Some(code), "{output:?}");
        assert!(output.stderr.contains(words), "{output:?}");
        assert!(!output.stderr.contains("hunter2"), "{output:?}");
        assert_eq!(output.stdout, "false;\n");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn github_hides_what_its_logs_would_show() {
    let ci = Ci::open().await;
    for (is_runner, masks) in [("true", true), ("", false)] {
        let workspace = ci.workspace(&format!("job{is_runner}"));
        let mut command = ci.command("cheeseshop", Some(&workspace));
        command
            .args(["env", "bob/closed", "--login", "--credentials=upload"])
            .args(["--format", "github", "-q"])
            .env("GITHUB_ACTIONS", is_runner)
            .env("CHEESESHOP_USER", "bob")
            .env("CHEESESHOP_PASSWORD", PASSWORD);
        let output = succeed(command);
        let token = login_token(&workspace);
        assert!(output.stdout.contains(&format!("TWINE_PASSWORD={token}\n")));
        let mask = format!("::add-mask::{token}\n");
        assert_eq!(output.stderr.contains(&mask), masks, "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn github_hides_a_password_in_whichever_way_it_is_printed() {
    let ci = Ci::open().await;
    let workspace = ci.workspace("job");
    let file = workspace.join("token");
    std::fs::write(&file, "per%cent@\n").unwrap();
    let mut command = ci.command("cheeseshop", Some(&workspace));
    command
        .args(["env", "bob/one", "--offline", "-q", "--user", "bob"])
        .args(["--credentials=install", "--format=github", "--token-file"])
        .arg(&file)
        .env("GITHUB_ACTIONS", "true");
    let output = succeed(command);
    let masks: Vec<_> = output
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("::add-mask::"))
        // As the runner reads it.
        .map(|mask| mask.replace("%25", "%"))
        .collect();
    assert!(
        output.stdout.contains("://bob:per%25cent%40@"),
        "{output:?}"
    );
    for secret in ["per%cent@", "per%25cent%40"] {
        assert!(masks.iter().any(|mask| mask == secret), "{output:?}");
    }
    assert!(
        masks
            .iter()
            .any(|mask| mask.contains("://bob:per%25cent%40@")),
        "{output:?}"
    );
}
