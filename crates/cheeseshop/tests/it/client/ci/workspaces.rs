//! Nothing is written outside the workspace.

use super::{Ci, ended, succeed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_workspace_there_is_a_temporary_one() {
    let ci = Ci::open().await;
    for shell in ["bash", "dash", "zsh"] {
        let script = ". \"$DEVPI_USE\"; devpi_use bob/one; first=$DEVPI_CLIENTDIR\n\
                      devpi_use bob/two; [ \"$first\" = \"$DEVPI_CLIENTDIR\" ]\n\
                      devpi use >&2; printf '%s' \"$first\"";
        let output = succeed(ci.script(&[shell, "-eu"], None, script));
        let state = std::path::Path::new(&output.stdout);
        assert!(state.starts_with(ci.path("tmp")), "{shell}: {output:?}");
        assert!(
            output.stderr.contains("this directory is temporary"),
            "{output:?}"
        );
        assert!(
            output.stderr.contains("/bob/two (not logged in)"),
            "{output:?}"
        );
        assert!(state.is_dir());
    }
    // What failed leaves nothing behind.
    let count = || std::fs::read_dir(ci.path("tmp")).unwrap().count();
    let before = count();
    let mut command = ci.command("cheeseshop", None);
    command.args(["env", "bob/none"]);
    assert_eq!(ended(command).await.code, Some(1));
    assert_eq!(count(), before);
    assert!(ci.home().is_empty(), "{:?}", ci.home());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_out_of_the_workspace_is_refused() {
    let ci = Ci::open().await;
    let workspace = ci.workspace("job");
    let elsewhere = ci.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, workspace.join(".devpi")).unwrap();
    for more in [&[] as &[&str], &["--login"]] {
        let mut command = ci.command("cheeseshop", Some(&workspace));
        command
            .args(["env", "bob/one"])
            .args(more)
            .env("CHEESESHOP_USER", "bob")
            .env("CHEESESHOP_PASSWORD", super::PASSWORD);
        let output = ended(command).await;
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.stderr.contains("is a link"), "{output:?}");
    }
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
    // Nor does the option for other commands lead out.
    let workspace = ci.workspace("other");
    let mut command = ci.command("cheeseshop", Some(&workspace));
    command
        .args(["env", "bob/one", "--clientdir"])
        .arg(&elsewhere);
    assert_eq!(ended(command).await.code, Some(2));
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn git_overlooks_the_state() {
    let ci = Ci::open().await;
    let workspace = ci.workspace("checkout");
    let script =
        "git init --quiet; eval \"$(cheeseshop env bob/one -q --login)\"; git status --porcelain";
    let mut command = ci.script(&["bash", "-eu"], Some(&workspace), script);
    command
        .env("CHEESESHOP_USER", "bob")
        .env("CHEESESHOP_PASSWORD", super::PASSWORD);
    assert_eq!(succeed(command).stdout, "");
    assert!(workspace.join(".devpi/auth.json").is_file());
}
