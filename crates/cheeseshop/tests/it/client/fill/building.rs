//! Code of others that runs while wheels are built, and programs that end early or run at once.

use std::path::Path;
use std::process::Command;

use cheeseshop_test_support::{Sdist, Wheel, python_client};
use serde_json::json;

use super::{fill, make_indexes, nothing_remains, wait_for};
use crate::client::stand::{PASSWORD, Stand, is_running, python};
use crate::support::{Api, finish};

#[tokio::test]
async fn code_that_is_built_does_not_bring_the_login_to_light() {
    let stand = Stand::at_our_server().await;
    stand
        .index("bob/private", json!({"acl_read": ["bob"]}))
        .await;
    let spy = "import os\nprint('seen:', os.environ['PIP_INDEX_URL'])\nraise SystemExit(1)\n";
    let spy = Sdist::named("spy").file("backend/in_tree_backend.py", spy);
    stand.upload("bob/private", &spy.build()).await;
    stand
        .upload("bob/private", &Sdist::named("good").build())
        .await;
    stand.write("all.txt", "spy\ngood\n");
    let token = stand.token();
    for more in [
        &["--json"] as &[&str],
        &["-v"],
        &["--junit-xml", "report.xml"],
    ] {
        let output = fill(&stand, &[&["all.txt", "bob/private"], more].concat());
        assert_eq!(output.code, Some(1), "{output:?}");
        let mut all = format!("{}{}", output.stdout, output.stderr);
        all += &std::fs::read_to_string(stand.home.path().join("report.xml")).unwrap_or_default();
        assert!(all.contains("seen: http://bob:****@"), "{all}");
        for secret in [token.as_str(), PASSWORD] {
            assert!(!all.contains(secret), "{all}");
        }
    }
    assert_eq!(
        stand.files("bob/private", "good").await,
        ["good-1.0-py3-none-any.whl", "good-1.0.tar.gz"]
    );
}

#[tokio::test]
async fn of_a_token_code_that_is_built_gets_one_that_can_only_read() {
    let stand = Stand::at_our_server().await;
    stand
        .index("bob/private", json!({"acl_read": ["bob"]}))
        .await;
    let created = stand.done(&[
        "token-create",
        "-a",
        "upload",
        "-a",
        "pkg_read",
        "-a",
        "index_modify",
    ]);
    let token = created
        .stdout
        .split_whitespace()
        .find(|word| word.starts_with("devpi-"))
        .unwrap_or_else(|| panic!("{created:?}"));
    stand.write("token", token);
    stand.done(&["token-login", "-f", "token"]);
    let seen = stand.home.path().join("seen");
    let backend = include_str!("../../../../../test-support/src/sdist_backend.py");
    let spy = format!(
        "import os\nwith open({:?}, 'w') as file:\n    file.write(os.environ['PIP_INDEX_URL'])\n{backend}",
        seen.to_str().unwrap()
    );
    let spy = Sdist::named("spy").file("backend/in_tree_backend.py", spy);
    stand.upload("bob/private", &spy.build()).await;
    stand.write("all.txt", "spy\n");
    let output = fill(&stand, &["all.txt", "bob/private"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(
        stand.files("bob/private", "spy").await,
        ["spy-1.0-py3-none-any.whl", "spy-1.0.tar.gz"]
    );
    let url: reqwest::Url = std::fs::read_to_string(seen).unwrap().parse().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let page = client.get(url.join("spy/").unwrap()).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let form = Api::anonymous(&stand.url)
        .upload_request("bob/private", &Wheel::named("evil").build())
        .basic_auth(url.username(), url.password());
    let refused = form.send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(stand.files("bob/private", "evil").await, [""; 0]);
}

#[tokio::test]
async fn a_python_without_pip_is_served_by_another_ones() {
    let stand = Stand::at_our_server().await;
    stand.index("bob/dev", json!({})).await;
    stand
        .upload("bob/dev", &Sdist::named("lonely").build())
        .await;
    stand.write("all.txt", "lonely\n");
    let bare = stand.home.path().join("bare");
    let made = Command::new(python())
        .args(["-m", "venv", "--without-pip"])
        .arg(&bare)
        .status()
        .unwrap();
    assert!(made.success());
    let with_path = |path: &Path| {
        let python = bare.join("bin/python");
        let arguments = ["fill", "-p", python.to_str().unwrap(), "all.txt", "bob/dev"];
        let mut command = stand.command(&arguments);
        command.env("PATH", path);
        finish(command, "")
    };
    let output = with_path(Path::new("/nowhere"));
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("has no pip"), "{output:?}");
    let output = with_path(python_client("pip").parent().unwrap());
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(
        stand.files("bob/dev", "lonely").await,
        ["lonely-1.0-py3-none-any.whl", "lonely-1.0.tar.gz"]
    );
}

#[tokio::test]
async fn two_jobs_fill_one_index_at_once() {
    let stand = Stand::at_our_server().await;
    make_indexes(&stand, json!({"volatile": false})).await;
    let names = ["one", "two", "three"];
    for name in names {
        stand
            .upload("bob/sources", &Sdist::named(name).build())
            .await;
    }
    stand.write("all.txt", &names.join("\n"));
    let python = python();
    let start = || {
        let mut command = stand.command(&["fill", "-p", &python, "all.txt", "bob/dev"]);
        command.spawn().unwrap()
    };
    let jobs = [start(), start()];
    for job in jobs {
        let output = job.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    for name in names {
        let wheel = format!("{name}-1.0-py3-none-any.whl");
        assert_eq!(stand.files("bob/dev", name).await, [wheel]);
    }
    nothing_remains(&stand);
}

#[tokio::test]
async fn an_interrupt_leaves_neither_programs_nor_files() {
    let stand = Stand::at_our_server().await;
    stand.index("bob/dev", json!({})).await;
    let marker = stand.home.path().join("marker");
    let endless = format!(
        "import os, signal\nwith open({:?}, 'w') as file:\n    print(os.getpid(), file=file)\n\
         signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True:\n    signal.pause()\n",
        marker.to_str().unwrap()
    );
    let endless = Sdist::named("endless").file("backend/in_tree_backend.py", endless);
    stand.upload("bob/dev", &endless.build()).await;
    stand.write("all.txt", "endless\n");
    let python = python();
    let child = stand
        .command(&["fill", "-p", &python, "all.txt", "bob/dev"])
        .spawn()
        .unwrap();
    let backend = wait_for(|| {
        let text = std::fs::read_to_string(&marker).ok()?;
        text.strip_suffix('\n').map(str::to_owned)
    });
    assert!(is_running(&backend));
    let status = Command::new("kill")
        .args(["-s", "INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(output.stdout, b"");
    assert!(!is_running(&backend));
    nothing_remains(&stand);
}
