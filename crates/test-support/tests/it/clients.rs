//! The clients run, and what the builders make can be installed.

use std::path::Path;
use std::process::Output;

use cheeseshop_test_support::{BuiltFile, Sdist, Upstream, Wheel, client_command, python_client};

fn pip_install(home: &Path, arguments: &[&str]) -> Output {
    let target = home.join("site");
    client_command(&python_client("pip"), home)
        .args(["install", "--no-cache-dir", "--target"])
        .arg(target)
        .args(arguments)
        .output()
        .unwrap()
}

fn assert_installs(file: &BuiltFile) {
    let home = tempfile::tempdir().unwrap();
    let path = file.write_to(home.path());
    let output = pip_install(home.path(), &["--no-index", path.to_str().unwrap()]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let module = std::fs::read_to_string(home.path().join("site/foo_bar.py")).unwrap();
    assert_eq!(module, "__version__ = \"2.5\"\n");
}

#[test]
fn pip_installs_a_built_wheel() {
    assert_installs(&Wheel::named("foo.bar").version("2.5").build());
}

#[test]
fn pip_builds_and_installs_a_built_sdist_without_network() {
    assert_installs(&Sdist::named("foo.bar").version("2.5").build());
    assert_installs(&Sdist::named("foo.bar").version("2.5").zip().build());
}

#[tokio::test]
async fn pip_installs_with_dependencies_from_the_upstream() {
    let upstream = Upstream::start().await;
    let wheel = Wheel::named("foo.bar")
        .version("2.5")
        .requires_dist("base>=1")
        .build();
    upstream.publish(&wheel);
    upstream.publish(&Wheel::named("base").version("1.1").build());
    let home = tempfile::tempdir().unwrap();
    let output = pip_install(home.path(), &["--index-url", &upstream.url(), "foo-bar"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(home.path().join("site/base.py").exists());
    assert_eq!(upstream.count(&upstream.metadata_path(&wheel)), 1);
}

#[test]
fn an_unknown_package_is_not_found_on_the_machine_either() {
    let home = tempfile::tempdir().unwrap();
    let output = pip_install(home.path(), &["--no-index", "setuptools"]);
    assert!(!output.status.success());
}

#[test]
fn every_client_tells_its_version() {
    let home = tempfile::tempdir().unwrap();
    for (name, version) in [
        ("twine", "7.0.0"),
        ("uv", "0.13.9"),
        ("poetry", "2.5.1"),
        ("pdm", "2.29.3"),
        ("flit", "4.2.0"),
        ("devpi-client", "7.3.0"),
        ("devpi-server", "6.20.3"),
        ("build", "1.6.1"),
    ] {
        let output = client_command(&python_client(name), home.path())
            .arg("--version")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(version), "{name}: {text}");
    }
}
