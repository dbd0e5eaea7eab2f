//! What the released devpi client attaches to a release: documentation that Sphinx made, and what
//! tox said.

use std::path::Path;
use std::process::Command;

use cheeseshop_test_support::{Sdist, python_client};
use reqwest::StatusCode;
use serde_json::Value;

use super::devpi::Devpi;
use super::shop::{PASSWORD, Shop, run, succeed};

/// A build backend that needs nothing but itself.
const BACKEND: &str = r#"
import io, os, tarfile, zipfile

METADATA = "Metadata-Version: 2.1\nName: documented\nVersion: 1.0\n"

def build_sdist(directory, settings=None):
    name = "documented-1.0.tar.gz"
    with tarfile.open(os.path.join(directory, name), "w:gz") as archive:
        for path in ("PKG-INFO", "pyproject.toml"):
            data = METADATA.encode() if path == "PKG-INFO" else open(path, "rb").read()
            entry = tarfile.TarInfo("documented-1.0/" + path)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return name

def build_wheel(directory, settings=None, metadata=None):
    name = "documented-1.0-py3-none-any.whl"
    info = "documented-1.0.dist-info/"
    files = {
        "documented.py": "",
        info + "METADATA": METADATA,
        info + "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[info + "RECORD"] = "".join(path + ",,\n" for path in [*files, info + "RECORD"])
    with zipfile.ZipFile(os.path.join(directory, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return name
"#;

const PYPROJECT: &str = r#"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "documented"
version = "1.0"
"#;

/// Writes files below a directory.
fn write(directory: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// Puts a client's programs at the front of another one's path.
async fn with_client(mut command: Command, name: &'static str) -> Command {
    let program = tokio::task::spawn_blocking(move || python_client(name))
        .await
        .unwrap();
    let path = command
        .get_envs()
        .find_map(|(key, value)| (key == "PATH").then_some(value).flatten())
        .unwrap_or_default();
    let bin = program.parent().unwrap().to_path_buf();
    let paths = std::iter::once(bin).chain(std::env::split_paths(path));
    let joined = std::env::join_paths(paths).unwrap();
    command.env("PATH", joined);
    command
}

#[tokio::test]
async fn documentation_is_built_uploaded_read_and_pushed() {
    let shop = Shop::open().await;
    let devpi = Devpi::new(&shop, "bob");
    devpi.login("bob", PASSWORD).await;
    devpi.succeed(&["use", "bob/dev"]).await;
    devpi
        .succeed(&["index", "-c", "prod", "bases=", "volatile=False"])
        .await;
    let project = devpi.folder.join("project");
    write(
        &project,
        &[
            ("pyproject.toml", PYPROJECT),
            ("backend.py", BACKEND),
            ("docs/conf.py", "project = 'documented'\n"),
            (
                "docs/index.rst",
                "Documented\n==========\n\nRead me well.\n\n.. toctree::\n\n   more\n",
            ),
            ("docs/more.rst", "More\n====\n\nThere is more.\n"),
        ],
    );
    let arguments = [
        "upload",
        "--no-vcs",
        "--no-isolation",
        "--sdist",
        "--with-docs",
    ];
    let mut command = devpi.command(&arguments).await;
    command.current_dir(&project);
    let talk = succeed(with_client(command, "sphinx").await).await;
    for step in [
        "file_upload of documented-1.0.tar.gz",
        "doc_upload of documented-1.0.doc.zip",
    ] {
        assert!(talk.contains(step), "{talk}");
    }

    for (index, version) in [
        ("bob/dev", "1.0"),
        ("bob/dev", "latest"),
        ("bob/prod", "stable"),
    ] {
        if index == "bob/prod" {
            let talk = devpi
                .succeed(&["push", "documented==1.0", "bob/prod"])
                .await;
            assert!(
                talk.contains("200 store_doczip documented 1.0 -> bob/prod"),
                "{talk}"
            );
        }
        let page = |path: &str| format!("{index}/documented/{version}/{path}");
        let answer = shop.root.get(&page("+doc/index.html")).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.text().await.unwrap().contains("Read me well."));
        let answer = shop.root.get(&page("+doc/more.html")).await;
        assert!(answer.text().await.unwrap().contains("There is more."));
        let answer = shop.root.get(&page("+doc/_static/basic.css")).await;
        assert_eq!(answer.headers()["content-type"], "text/css; charset=utf-8");
        let answer = shop.root.get(&page("+d/index.html")).await;
        assert!(
            answer
                .text()
                .await
                .unwrap()
                .contains("documented-1.0 Documentation")
        );
    }
    let talk = devpi.succeed(&["list", "documented"]).await;
    assert!(talk.contains("documented-1.0.tar.gz"), "{talk}");
}

#[tokio::test]
async fn tox_tests_a_release_and_its_word_is_listed() {
    let shop = Shop::open().await;
    let devpi = Devpi::new(&shop, "bob");
    devpi.login("bob", PASSWORD).await;
    devpi.succeed(&["use", "bob/dev"]).await;
    for (version, check, code, outcome) in [
        ("1.0", "import tested", 0, "passed"),
        ("2.0", "raise SystemExit(3)", 1, "failed"),
    ] {
        let ini =
            format!("[tox]\nenv_list = sample\n\n[testenv]\ncommands = python -c \"{check}\"\n");
        let sdist = Sdist::named("tested")
            .version(version)
            .file("tox.ini", ini)
            .build();
        let files = Shop::dist(&devpi.folder, &[&sdist]);
        devpi.succeed(&["upload", &files[0]]).await;
        let spec = format!("tested=={version}");
        let command = devpi.command(&["test", &spec]).await;
        let output = run(with_client(command, "tox").await).await;
        let talk = format!("{}{}", output.stdout, output.stderr);
        assert_eq!(output.code, Some(code), "{talk}");
        assert!(talk.contains("posting tox result data to"), "{talk}");
        assert!(!talk.contains("could not post"), "{talk}");

        let talk = devpi.succeed(&["list", "-t", &spec]).await;
        assert!(talk.contains(&format!("tests {outcome}")), "{talk}");
        assert!(talk.contains("sample"), "{talk}");
        let shown = shop
            .root
            .document(&format!(
                "bob/dev/tested/{version}/+toxresults/{}",
                sdist.name
            ))
            .await;
        let run = &shown["result"][0];
        assert_eq!(run["report"]["outcome"], outcome, "{shown}");
        let environments = run["report"]["testenvs"].as_array().unwrap();
        let sample = |environment: &&Value| environment["name"] == "sample";
        let sample = environments.iter().find(sample).unwrap();
        assert_eq!(sample["test_failed"], code != 0);
        assert_eq!(run["log"][0]["who"], Value::from("bob"));
    }
}
