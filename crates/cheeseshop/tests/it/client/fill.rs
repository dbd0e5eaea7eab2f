//! `cheeseshop fill`: wheels of what files of requirements ask for, built by a real pip.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use cheeseshop_test_support::{Sdist, Wheel, client_command, python_client};
use serde_json::{Value, json};

use super::stand::{PASSWORD, Stand, at_both_servers, python};
use crate::support::{Api, DEADLINE, Output, digest, finish};

at_both_servers!(what_has_no_wheel_is_built_and_nothing_else);
at_both_servers!(each_release_that_fails_is_told_and_the_others_are_uploaded);
at_both_servers!(wheels_go_where_they_belong);

/// A backend that cannot build.
const BROKEN_BACKEND: &str = "raise RuntimeError('there is no compiler')\n";

fn fill(stand: &Stand, arguments: &[&str]) -> Output {
    let python = python();
    let mut all = vec!["fill"];
    if !arguments.contains(&"-p") {
        all.extend(["-p", &python]);
    }
    all.extend(arguments);
    stand.run(&all)
}

/// What `--json` says of each package: its name and status.
fn statuses(output: &Output) -> Vec<(String, String)> {
    let document: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    document["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let name = format!(
                "{} {}",
                text(&package["project"]),
                text(&package["version"])
            );
            (name, text(&package["status"]))
        })
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, status): &(&str, &str)| ((*name).to_owned(), (*status).to_owned());
    expected.iter().map(owned).collect()
}

fn nothing_remains(stand: &Stand) {
    let left: Vec<_> = std::fs::read_dir(stand.scratch())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

async fn what_has_no_wheel_is_built_and_nothing_else(stand: Stand) {
    stand.index("bob/sources", json!({})).await;
    stand
        .index(
            "bob/dev",
            json!({"bases": ["bob/sources"], "volatile": false}),
        )
        .await;
    let app = Wheel::named("app")
        .requires_dist("lonely")
        .requires_dist("ready>=1");
    for file in [
        app.build(),
        Wheel::named("ready").build(),
        Sdist::named("ready").build(),
        Sdist::named("lonely").build(),
        Sdist::named("Fresh.One").version("2.0").build(),
    ] {
        stand.upload("bob/sources", &file).await;
    }
    stand.write("main.txt", "# what we ship\n-r sub/more.txt\napp==1.0\n");
    stand.write(
        "sub/more.txt",
        "fresh-one>1 \\\n  # but not too new\n  \nabsent-elsewhere ; python_version < '3'\n-c limits.txt\n",
    );
    stand.write("sub/limits.txt", "lonely<2\n");

    let output = fill(&stand, &["main.txt", "bob/dev"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let url = format!("{}/bob/dev/", stand.url);
    assert_eq!(
        output.stdout,
        format!(
            "uploaded fresh_one-2.0-py3-none-any.whl to {url}\n\
             uploaded lonely-1.0-py3-none-any.whl to {url}\n"
        )
    );
    assert_eq!(output.stderr, "2 uploaded, 2 there already\n");
    assert_eq!(
        stand.files("bob/dev", "lonely").await,
        ["lonely-1.0-py3-none-any.whl"]
    );
    assert_eq!(stand.files("bob/dev", "app").await, [""; 0]);
    assert_eq!(stand.files("bob/dev", "ready").await, [""; 0]);
    nothing_remains(&stand);

    // All of it can be installed now without building.
    let mut install = client_command(&python_client("pip"), stand.home.path());
    install.args([
        "install",
        "--only-binary",
        ":all:",
        "--target",
        "installed",
        "-r",
        "main.txt",
    ]);
    install.args(["--index-url", &format!("{url}+simple/")]);
    install
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let installed = finish(install, "");
    assert_eq!(installed.code, Some(0), "{installed:?}");

    let again = fill(&stand, &["main.txt", "bob/dev"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(again.stdout, "");
    assert_eq!(again.stderr, "4 there already\n");
}

async fn each_release_that_fails_is_told_and_the_others_are_uploaded(stand: Stand) {
    stand.index("bob/sources", json!({})).await;
    stand
        .index("bob/dev", json!({"bases": ["bob/sources"]}))
        .await;
    let broken = Sdist::named("broken").file("backend/in_tree_backend.py", BROKEN_BACKEND);
    // Its build needs what the index does not have (yet).
    let needy = Sdist::named("needy").file(
        "pyproject.toml",
        "[build-system]\nrequires = [\"build-tool\"]\nbuild-backend = \"in_tree_backend\"\n\
         backend-path = [\"backend\"]\n",
    );
    for file in [broken.build(), needy.build(), Sdist::named("good").build()] {
        stand.upload("bob/sources", &file).await;
    }
    stand.write("all.txt", "good\nbroken==1.0\nneedy\nnobody-has-this==3\n");
    let output = fill(
        &stand,
        &[
            "all.txt",
            "bob/dev",
            "--json",
            "--junit-xml",
            "report.xml",
            "--run-id",
            "nightly",
        ],
    );
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(
        statuses(&output),
        pairs(&[
            ("broken ", "failed"),
            ("good 1.0", "uploaded"),
            ("needy ", "failed"),
            ("nobody-has-this ", "failed"),
        ])
    );
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    let log = document["packages"][0]["log"].as_str().unwrap();
    assert!(log.contains("there is no compiler"), "{log}");
    let reason = document["packages"][3]["reason"].as_str().unwrap();
    assert!(reason.contains("nobody-has-this==3"), "{reason}");
    let junit = std::fs::read_to_string(stand.home.path().join("report.xml")).unwrap();
    assert!(
        junit.contains("tests=\"4\" failures=\"3\" errors=\"0\" skipped=\"0\""),
        "{junit}"
    );
    assert!(
        junit.contains("name=\"good 1.0 (nightly)\"></testcase>"),
        "{junit}"
    );
    assert_eq!(stand.files("bob/dev", "broken").await, [""; 0]);
    nothing_remains(&stand);

    // What builds need comes from the index, and from nowhere else.
    stand
        .upload("bob/sources", &Wheel::named("build-tool").build())
        .await;
    let output = fill(&stand, &["all.txt", "bob/dev"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{output:?}");
    assert!(lines[0].starts_with("failed broken==1.0: "), "{output:?}");
    let needy = format!(
        "uploaded needy-1.0-py3-none-any.whl to {}/bob/dev/",
        stand.url
    );
    assert_eq!(lines[1], needy);
    assert!(
        lines[2].starts_with("failed nobody-has-this==3: "),
        "{output:?}"
    );
    assert!(
        output
            .stderr
            .ends_with("1 uploaded, 1 there already, 2 failed\n"),
        "{output:?}"
    );
}

async fn wheels_go_where_they_belong(stand: Stand) {
    for index in ["bob/sources", "bob/native", "bob/pure"] {
        stand.index(index, json!({})).await;
    }
    let tag = format!("py3-none-linux_{}", std::env::consts::ARCH);
    let native = Wheel::named("native").tag(&tag).build();
    for file in [
        native.clone(),
        Wheel::named("easy").build(),
        Sdist::named("lonely").version("1.0").build(),
        Sdist::named("lonely").version("2.0").build(),
        Sdist::named("secret-sauce").build(),
    ] {
        stand.upload("bob/sources", &file).await;
    }
    stand.write("never.txt", "secret.sauce<2\n");
    let requirements = "native\neasy\nlonely==1.0\nlonely==2.0\nsecret-sauce\n";
    stand.write("all.txt", requirements);
    let to_pure = &[
        "--from",
        "bob/sources",
        "--pure-index",
        "bob/pure",
        "--blacklist",
        "never.txt",
        "--json",
    ];
    let expected = |status| {
        pairs(&[
            ("easy 1.0", status),
            ("lonely 1.0", status),
            ("lonely 2.0", status),
            ("native 1.0", status),
            ("secret-sauce 1.0", "blacklisted"),
        ])
    };
    let run = |more: &[&str], input: &str| {
        let python = python();
        let mut arguments = vec!["fill", "-p", &python, "-j", "2"];
        arguments.extend(more);
        arguments.extend(to_pure);
        finish(stand.command(&arguments), input)
    };
    stand.write("few.txt", "lonely==2.0\nsecret-sauce\n");
    let output = run(&["few.txt", "bob/native", "--dry-run"], "");
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(
        statuses(&output),
        pairs(&[
            ("lonely 2.0", "would-upload"),
            ("secret-sauce 1.0", "blacklisted")
        ])
    );
    assert_eq!(stand.files("bob/native", "lonely").await, [""; 0]);
    assert_eq!(stand.files("bob/pure", "lonely").await, [""; 0]);

    // From standard input, and named by URL.
    let output = run(&["-", &format!("{}/bob/native", stand.url)], requirements);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(statuses(&output), expected("uploaded"));
    assert_eq!(
        stand.files("bob/native", "native").await,
        [native.name.as_str()]
    );
    assert_eq!(stand.files("bob/native", "easy").await, [""; 0]);
    assert_eq!(stand.files("bob/pure", "native").await, [""; 0]);
    assert_eq!(
        stand.files("bob/pure", "lonely").await,
        ["lonely-1.0-py3-none-any.whl", "lonely-2.0-py3-none-any.whl"]
    );
    assert_eq!(stand.files("bob/pure", "secret-sauce").await, [""; 0]);
    assert_eq!(stand.files("bob/native", "secret-sauce").await, [""; 0]);

    let output = run(&["all.txt", "bob/native"], "");
    assert_eq!(statuses(&output), expected("present"));
    assert_eq!(output.code, Some(0), "{output:?}");
}

#[tokio::test]
async fn digests_addresses_and_left_out_dependencies_are_pips_to_see_to() {
    let stand = Stand::at_our_server().await;
    stand.index("bob/sources", json!({})).await;
    stand
        .index("bob/dev", json!({"bases": ["bob/sources"]}))
        .await;
    let lonely = Sdist::named("lonely").build();
    let needing = Sdist::named("needing").requires_dist("lonely").build();
    for file in [&lonely, &needing] {
        stand.upload("bob/sources", file).await;
    }
    let wrong = digest(b"something else");
    let with_digests = format!(
        "lonely==1.0 \\\n    --hash=sha256:{}\nneeding==1.0 --hash=sha256:{wrong}\n",
        lonely.sha256
    );
    stand.write("digests.txt", &with_digests);
    let output = fill(&stand, &["digests.txt", "bob/dev", "--json"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(
        statuses(&output),
        pairs(&[("lonely 1.0", "uploaded"), ("needing 1.0", "failed")])
    );

    // A file here, beside one by name; nothing of what they need.
    let here = Sdist::named("here")
        .requires_dist("nobody-has-this")
        .build();
    std::fs::write(stand.home.path().join(&here.name), &here.bytes).unwrap();
    stand.write("mixed.txt", &format!("./{}\nneeding\n", here.name));
    let output = fill(&stand, &["mixed.txt", "bob/dev", "--no-deps", "--json"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(
        statuses(&output),
        pairs(&[("here 1.0", "uploaded"), ("needing 1.0", "uploaded")])
    );
    let output = fill(&stand, &["mixed.txt", "bob/dev", "--no-deps", "--json"]);
    assert_eq!(
        statuses(&output),
        pairs(&[("here 1.0", "present"), ("needing 1.0", "present")])
    );
    // What only a base has can be counted as missing.
    stand.index("bob/own", json!({"bases": ["bob/dev"]})).await;
    stand.write("lonely.txt", "lonely\n");
    let output = fill(&stand, &["lonely.txt", "bob/own"]);
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (Some(0), ""),
        "{output:?}"
    );
    let output = fill(&stand, &["lonely.txt", "bob/own", "--ignore-bases"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(
        stand.files("bob/own", "lonely").await,
        ["lonely-1.0-py3-none-any.whl"]
    );
}

#[tokio::test]
async fn the_index_is_asked_once_a_project() {
    let stand = Stand::at_our_server().await;
    stand.index("bob/dev", json!({})).await;
    for (name, version) in [("lonely", "1.0"), ("lonely", "2.0"), ("other", "1.0")] {
        let wheel = Wheel::named(name).version(version).build();
        stand.upload("bob/dev", &wheel).await;
    }
    stand.write("all.txt", "lonely==1.0\nlonely==2.0\nother==1.0\n");
    let output = fill(&stand, &["all.txt", "bob/dev", "--no-deps"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(output.stderr, "3 there already\n");
    // What pip asks would be here too.
    stand.done(&["getjson", "/bob/dev?no_projects="]);
    let log = wait_for(|| Some(stand.log()).filter(|log| log.contains("GET /bob/dev 200")));
    assert_eq!(log.matches("+simple/").count(), 2, "{log}");
}

#[tokio::test]
async fn what_cannot_be_tried_is_said_before_anything_is_built() {
    let stand = Stand::at_our_server().await;
    stand.index("bob/dev", json!({})).await;
    stand
        .index(
            "bob/mirror",
            json!({"type": "mirror", "mirror_url": "http://127.0.0.1:9/"}),
        )
        .await;
    stand.write("all.txt", "lonely\n");
    stand.write("loop.txt", "-r loop.txt\n");
    stand.write("odd.txt", "./here\n");
    // What it asks for is in its last line.
    stand.write("large.txt", &format!("{}\nlonely\n", "#".repeat(16 << 20)));
    for (arguments, expected) in [
        (&["none.txt", "bob/dev"] as &[&str], "none.txt"),
        (&["loop.txt", "bob/dev"], "includes itself"),
        (&["large.txt", "bob/dev"], "larger than 16 MiB"),
        (&["all.txt", "bob/none"], "404"),
        (&["all.txt", "bob/mirror"], "does not support upload"),
        (
            &["all.txt", "bob/dev", "--pure-index", "bob/mirror"],
            "does not support upload",
        ),
        (
            &["all.txt", "bob/dev", "--blacklist", "odd.txt"],
            "odd.txt:1",
        ),
        (
            &["all.txt", "bob/dev", "-p", "no-such-python"],
            "no-such-python",
        ),
        (
            &["all.txt", "bob/dev", "-p", "/bin/true"],
            "which wheels its Python can use",
        ),
        (&["all.txt"], "INDEX"),
    ] {
        let output = fill(&stand, arguments);
        assert_eq!(output.code, Some(2), "{arguments:?}: {output:?}");
        assert!(
            output.stderr.contains(expected),
            "{arguments:?}: {output:?}"
        );
        assert_eq!(output.stdout, "", "{arguments:?}");
    }
    stand.done(&["logoff"]);
    let output = fill(&stand, &["all.txt", "bob/dev"]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("log in first"), "{output:?}");
    nothing_remains(&stand);
}

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
    let backend = include_str!("../../../../test-support/src/sdist_backend.py");
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
    stand.index("bob/sources", json!({})).await;
    stand
        .index(
            "bob/dev",
            json!({"bases": ["bob/sources"], "volatile": false}),
        )
        .await;
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

fn is_running(id: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // Whoever waits for nobody any more is not running.
    !status.is_empty() && !status.contains(") Z ")
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not happen in time");
        std::thread::yield_now();
    }
}
