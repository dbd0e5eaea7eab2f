//! Tools know where to upload to, as whom, and where to install from, by variables alone; and what
//! they keep is in the workspace.

use cheeseshop_test_support::{CertificateAuthority, TlsFront, Wheel};

use super::{Ci, PASSWORD, ended, installed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twine_uv_poetry_and_pdm_upload_without_being_told_more() {
    let ci = Ci::open().await;
    for (tool, upload) in [
        ("twine", "twine upload --non-interactive dist/*"),
        ("uv", "uv publish dist/*"),
        (
            "poetry",
            "poetry publish --no-interaction --repository cheeseshop",
        ),
        ("pdm", "pdm publish --no-build"),
    ] {
        ci.install_client(tool).await;
        let workspace = ci.workspace(tool);
        let name = format!("by-{tool}");
        std::fs::create_dir(workspace.join("dist")).unwrap();
        Wheel::named(&name)
            .version("1.0")
            .summary("for a test")
            .build()
            .write_to(&workspace.join("dist"));
        let project = format!(
            "[project]\nname = \"{name}\"\nversion = \"1.0\"\ndescription = \"x\"\n\
             requires-python = \">=3.9\"\n"
        );
        std::fs::write(workspace.join("pyproject.toml"), project).unwrap();
        let script =
            format!("eval \"$(cheeseshop env bob/one --login --credentials upload)\"\n{upload}");
        let mut command = ci.script(&["bash", "-eu"], Some(&workspace), &script);
        command
            .env("CHEESESHOP_USER", "bob")
            .env("CHEESESHOP_PASSWORD", PASSWORD);
        let output = ended(command).await;
        assert_eq!(output.code, Some(0), "{tool} {output:?}");
        assert_eq!(ci.root.files("bob/one", &name).await.len(), 1, "{tool}");
        assert!(ci.home().is_empty(), "{tool} {:?}", ci.home());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pdm_installs_from_the_index() {
    let ci = Ci::open().await;
    ci.install_client("pdm").await;
    let workspace = ci.workspace("job");
    std::fs::write(
        workspace.join("pyproject.toml"),
        "[project]\nname = \"consumer\"\nversion = \"0\"\nrequires-python = \">=3.11\"\n\
         dependencies = [\"app\"]\n\n[tool.pdm]\ndistribution = false\n",
    )
    .unwrap();
    let script = "eval \"$(cheeseshop env bob/two)\"; pdm install --no-self; \
                  .venv/bin/python -c 'import importlib.metadata as m; print(m.version(\"app\"))'";
    let output = ended(ci.script(&["bash", "-eu"], Some(&workspace), script)).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stdout.ends_with("2.0\n"), "{output:?}");
    assert!(ci.home().is_empty(), "{:?}", ci.home());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tox_installs_from_the_index() {
    let ci = Ci::open().await;
    ci.install_client("tox").await;
    let workspace = ci.workspace("job");
    let settings = "[tox]\nno_package = true\n[testenv]\ndeps = app\ncommands = pip freeze\n";
    std::fs::write(workspace.join("tox.ini"), settings).unwrap();
    let script = "eval \"$(cheeseshop env bob/two)\"; tox -e py";
    let output = ended(ci.script(&["bash", "-eu"], Some(&workspace), script)).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stdout.contains("app==2.0\n"), "{output:?}");
    assert!(ci.home().is_empty(), "{:?}", ci.home());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pip_and_uv_trust_the_bundle_that_was_given() {
    let ci = Ci::open().await;
    ci.install_client("pip").await;
    ci.install_client("uv").await;
    let authority = CertificateAuthority::new();
    let (certificate, key) = authority.issue(&["localhost"]);
    let front = TlsFront::start(&certificate, &key, None);
    front.pass_to(ci.server.url.trim_start_matches("http://"));
    let workspace = ci.workspace("job");
    let bundle = authority.write_pem(&workspace);
    let name = bundle.file_name().unwrap().to_str().unwrap();
    let script = format!(
        "eval \"$(cheeseshop env bob/one --server {} --ca-bundle {name})\"\n\
         [ \"$PIP_CERT\" = \"$WORKSPACE/{name}\" ]\n\
         pip install --target by-pip app\nuv pip install --target by-uv app",
        front.url()
    );
    let output = ended(ci.script(&["bash", "-eu"], Some(&workspace), &script)).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(installed(&workspace.join("by-pip")), ["1.0"]);
    assert_eq!(installed(&workspace.join("by-uv")), ["1.0"]);
    // Over TLS pip keeps what it has downloaded.
    assert!(workspace.join(".devpi/cache/pip").is_dir());
    assert!(ci.home().is_empty(), "{:?}", ci.home());
    // Without the bundle the server is not believed.
    let mut command = ci.command("cheeseshop", Some(&workspace));
    command.args(["env", "bob/one", "--server", &front.url()]);
    let output = ended(command).await;
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("not trusted here"), "{output:?}");
}
