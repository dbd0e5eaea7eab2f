//! Jobs as build servers run them.

use super::{Ci, ended, installed, succeed};

/// What both jobs do in each round: choose the index, install with pip and uv, and ask as devpi.
const JOB: &str = r#"
. "$DEVPI_USE"
round=0
while [ "$round" -lt 20 ]; do
    round=$((round + 1))
    devpi_use "$INDEX"
    rm -rf by-pip by-uv
    pip install --quiet --target by-pip app
    uv pip install --quiet --target by-uv app
    for tool in pip uv; do
        if ! [ -d "by-$tool/app-$VERSION.dist-info" ]; then
            echo "round $round: $tool has installed" by-"$tool"/app-*
            exit 3
        fi
    done
    in_use=$(devpi use)
    case $in_use in
        *"current devpi index: $CHEESESHOP_URL/$INDEX (not logged in)"*) ;;
        *) echo "round $round: $in_use"; exit 4 ;;
    esac
done
echo "$round rounds"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_jobs_in_one_home_never_mix() {
    let ci = Ci::open().await;
    ci.install_client("pip").await;
    ci.install_client("uv").await;
    // An ordinary home: somebody works there as well.
    let state = ci.path("home/.devpi/client");
    std::fs::create_dir_all(&state).unwrap();
    let somebodys = r#"{"index": "http://127.0.0.1:9/x/y", "login": "http://127.0.0.1:9/+login"}"#;
    std::fs::write(state.join("current.json"), somebodys).unwrap();
    let before = ci.home();
    let job = |name: &str, shell: &[&str], index: &str, version: &str| {
        let workspace = ci.workspace(name);
        let other = if name == "one" { "bob/two" } else { "bob/one" };
        let mut command = ci.script(shell, Some(&workspace), JOB);
        command
            .env("INDEX", index)
            .env("VERSION", version)
            // Would bring the other's version, were it not unset.
            .env(
                "PIP_EXTRA_INDEX_URL",
                ci.server.at(&format!("{other}/+simple/")),
            )
            .env(
                "UV_EXTRA_INDEX_URL",
                ci.server.at(&format!("{other}/+simple/")),
            );
        command
    };
    let (one, two) = tokio::join!(
        // As Jenkins runs a build step.
        ended(job("one", &["bash", "-xeu"], "bob/one", "1.0")),
        ended(job("two", &["zsh", "-eu"], "bob/two", "2.0")),
    );
    for output in [one, two] {
        assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
        assert_eq!(output.stdout, "20 rounds\n");
    }
    assert_eq!(ci.home(), before);
    for (name, version) in [("one", "1.0"), ("two", "2.0")] {
        let workspace = ci.workspace(name);
        assert_eq!(installed(&workspace.join("by-pip")), [version]);
        assert!(workspace.join(".devpi/cache/uv").is_dir());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eval_is_all_that_a_job_needs() {
    let ci = Ci::open().await;
    ci.install_client("pip").await;
    for (shell, version) in [("bash", "1.0"), ("dash", "2.0"), ("zsh", "1.0")] {
        let workspace = ci.workspace(shell);
        let index = if version == "1.0" { "one" } else { "two" };
        let script = format!(
            "eval \"$(cheeseshop env bob/{index})\"\npip install --quiet --target there app\n\
             [ \"$(pip cache dir)\" = \"$WORKSPACE/.devpi/cache/pip\" ]"
        );
        succeed(ci.script(&[shell, "-eu"], Some(&workspace), &script));
        assert_eq!(installed(&workspace.join("there")), [version], "{shell}");
    }
    let workspace = ci.workspace("fish");
    let script = "cheeseshop env bob/two | source; and pip install --quiet --target there app";
    succeed(ci.script(&["fish"], Some(&workspace), script));
    assert_eq!(installed(&workspace.join("there")), ["2.0"]);
    assert!(!ci.path("home/.cache").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_of_one_job_may_use_an_index_each_at_once() {
    let ci = Ci::open().await;
    ci.install_client("pip").await;
    let workspace = ci.workspace("job");
    let step = |index: &str| {
        let script = format!(
            "eval \"$(cheeseshop env bob/{index})\"\npip install --quiet --target {index} app\n\
             devpi use | grep -q \"index: $CHEESESHOP_URL/bob/{index} \""
        );
        ci.script(&["bash", "-eu"], Some(&workspace), &script)
    };
    for _ in 0..3 {
        let (one, two) = tokio::join!(ended(step("one")), ended(step("two")));
        assert_eq!((one.code, two.code), (Some(0), Some(0)), "{one:?}\n{two:?}");
    }
    assert_eq!(installed(&workspace.join("one")), ["1.0"]);
    assert_eq!(installed(&workspace.join("two")), ["2.0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_ends_the_job_before_it_uses_another_index() {
    let ci = Ci::open().await;
    let workspace = ci.workspace("job");
    for shell in ["bash", "dash", "zsh"] {
        for wrong in [
            "bob/none",
            "bob",
            "bob/$(touch-x)",
            "",
            "--ca-bundle=/none bob/one",
        ] {
            for script in [
                format!("eval \"$(cheeseshop env {wrong})\"; echo went on"),
                format!(". \"$DEVPI_USE\"; devpi_use {wrong}; echo went on"),
            ] {
                let output = ended(ci.script(&[shell, "-eu"], Some(&workspace), &script)).await;
                assert_ne!(output.code, Some(0), "{shell} {script}");
                assert_eq!(output.stdout, "", "{shell} {script}");
                assert!(
                    output.stderr.contains("error: "),
                    "{shell} {script}: {output:?}"
                );
            }
        }
        let script = "eval \"$(cheeseshop env bob/none)\" || exit 7";
        let output = ended(ci.script(&[shell], Some(&workspace), script)).await;
        assert_eq!(output.code, Some(7), "{shell}");
    }
    let script = "cheeseshop env bob/none | source; or exit 7";
    let output = ended(ci.script(&["fish"], Some(&workspace), script)).await;
    assert_eq!(output.code, Some(7));
    // The answer is no, and: could not try.
    for (server, code) in [(ci.server.url.as_str(), 1), ("http://127.0.0.1:1", 2)] {
        let mut command = ci.command("cheeseshop", Some(&workspace));
        command.args(["env", "bob/none", "--server", server]);
        assert_eq!(ended(command).await.code, Some(code), "{server}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_function_devpi_keeps_out_of_what_jobs_share() {
    let ci = Ci::open().await;
    let workspace = ci.workspace("job");
    for shell in ["bash", "dash", "zsh"] {
        let run = |script: &str| {
            let script = format!(". \"$DEVPI_USE\"\n{script}");
            ended(ci.script(&[shell, "-u"], Some(&workspace), &script))
        };
        let early = run("devpi use").await;
        assert_eq!(early.code, Some(2), "{shell} {early:?}");
        for option in [
            "--set-cfg",
            "--set-c",
            "--always-set-cfg=yes",
            "--clientdir=/x",
        ] {
            let refused = run(&format!("devpi_use bob/one; devpi use {option}")).await;
            assert_eq!(refused.code, Some(2), "{shell} {option} {refused:?}");
        }
        // Without a program of that name it is the cheeseshop's.
        let other = run(
            "devpi_use bob/one; mv \"$TMPDIR/../bin/devpi\" \"$TMPDIR/devpi\"; devpi use; \
                         code=$?; mv \"$TMPDIR/devpi\" \"$TMPDIR/../bin/devpi\"; exit $code",
        )
        .await;
        assert_eq!(other.code, Some(0), "{shell} {other:?}");
        assert!(other.stdout.contains("/bob/one"), "{shell} {other:?}");
    }
    assert!(ci.home().is_empty(), "{:?}", ci.home());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pipeline_step_gets_lines_for_with_env() {
    let ci = Ci::open().await;
    let workspace = ci.workspace("it's $HOME `here`");
    let script = super::deployed("jenkins/resources/withDevpi.sh");
    let mut command = ci.command("sh", Some(&workspace));
    command
        .arg(&script)
        .env("WITH_DEVPI_INDEX", "bob/two")
        .env("PIP_EXTRA_INDEX_URL", "http://127.0.0.1:9/simple/");
    let output = succeed(command);
    let lines: std::collections::BTreeMap<_, _> = output
        .stdout
        .lines()
        .map(|line| line.split_once('=').unwrap())
        // As `withEnv` reads a value: what else follows a `$` is the name of a variable.
        .map(|(name, value)| (name, value.replace("$$", "$")))
        .collect();
    let index = format!("{}/bob/two", ci.server.url);
    assert!(output.stdout.contains("it's $$HOME `here`"), "{output:?}");
    assert_eq!(lines["PIP_INDEX_URL"], format!("{index}/+simple/"));
    assert_eq!(
        lines["DEVPI_CLIENTDIR"],
        workspace.join(".devpi").to_str().unwrap()
    );
    assert_eq!(lines["PIP_EXTRA_INDEX_URL"], "");
    // What the block then runs.
    let mut devpi = ci.command("devpi", Some(&workspace));
    devpi.arg("use").envs(&lines);
    assert!(succeed(devpi).stdout.contains(&index));

    let mut login = ci.command("sh", Some(&workspace));
    login
        .arg(&script)
        .env("WITH_DEVPI_INDEX", "bob/closed")
        .env("WITH_DEVPI_SERVER", &ci.server.url)
        .env("WITH_DEVPI_LOGIN", "yes")
        .env("CHEESESHOP_USER", "bob")
        .env("CHEESESHOP_PASSWORD", super::PASSWORD);
    let output = succeed(login);
    assert!(output.stdout.contains("DEVPI_USER=bob\n"), "{output:?}");
    let mut hostile = ci.command("sh", Some(&workspace));
    hostile
        .arg(&script)
        .env("WITH_DEVPI_INDEX", "--workspace=/ $(touch x)");
    let output = ended(hostile).await;
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(!workspace.join("x").exists());
}
