//! The tests that devpi's client brings along, against our server.
//!
//! They come with the client's source distribution and are run as they are, with our program on
//! `PATH` under the names of devpi-server's: their fixtures start it with devpi's options. It takes some minutes.

use std::process::Command;

use cheeseshop_test_support::{client_environment, python_packages, python_source};

use crate::support::Home;

const CLIENT: &str = "devpi-client==7.3.0";

/// What the tests need, pinned: they must not change under us.
const NEEDED: &[&str] = &[
    CLIENT,
    "devpi-common==4.1.1",
    "flit_core==3.9.0",
    "mercurial==7.2.4",
    "mock==5.2.0",
    "pypitoken==7.1.1",
    "pytest==9.2.0",
    "pytest-timeout==2.4.0",
    "setuptools==69.2.0",
    "sphinx==9.0.4",
    "tox==4.67.15",
    "virtualenv==21.15.8",
    "webtest==3.0.7",
    "wheel==0.45.1",
];

/// Tests that do not pass, and why.
const NOT_PASSING: &[(&str, &str)] = &[
    (
        "testing/test_functional.py::TestMirrorIndexThings::test_releases_urlquoting_hash",
        "the upstream announces a SHA-256 of four digits: no digest, so the file is listed below `+e`",
    ),
    (
        "testing/test_upload.py::TestUploadFunctional::test_only_docs_with_path[foo-1.0.doc.zip]",
        "uploads an empty file as documentation, which is no ZIP",
    ),
    (
        "testing/test_upload.py::TestUploadFunctional::test_only_docs_with_path[foo-1.0.docs.zip]",
        "the same",
    ),
];

/// The names under which the fixtures look for a server.
const NAMES: &[&str] = &["devpi-server", "devpi-init"];

#[test]
fn the_tests_of_devpis_client_pass_against_us() {
    let environment = python_packages("devpi-client-tests", NEEDED);
    let source = python_source(CLIENT);
    let home = Home::new();
    let names = home.path().join("names");
    std::fs::create_dir(&names).unwrap();
    for name in NAMES {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cheeseshop"), names.join(name)).unwrap();
    }
    // A build in isolation must not get a newer backend than the tests were written for.
    let constraints = home.write("constraints.txt", "flit_core==3.9.0\n");
    let programs = environment.join("bin");
    let path = &client_environment(home.path())["PATH"];
    let path = std::env::join_paths(
        [names, programs.clone()]
            .into_iter()
            .chain(std::env::split_paths(path)),
    )
    .unwrap();
    let output = Command::new(programs.join("python"))
        .args(["-m", "pytest", "-q", "-r", "fEX", "--timeout", "300"])
        .args(["-p", "no:cacheprovider", "--basetemp"])
        .arg(home.path().join("pytest"))
        .arg("testing")
        .current_dir(source)
        // Some tests build with pip, which finds packages as this machine has it set up.
        .env("HOME", home.path())
        .env("PATH", path)
        .env("VIRTUAL_ENV", environment)
        .env("PIP_CONSTRAINT", constraints)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("PYTHONPATH")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let failed = failures(&printed);
    println!("{printed}");
    assert!(
        printed.contains(" passed"),
        "the tests did not run: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let expected: Vec<&str> = NOT_PASSING.iter().map(|(name, _)| *name).collect();
    assert_eq!(failed, expected, "failures of devpi's client's own tests");
}

/// The names in pytest's summary of failures.
fn failures(printed: &str) -> Vec<&str> {
    let mut names: Vec<&str> = printed
        .lines()
        .filter_map(|line| {
            let rest = line
                .strip_prefix("FAILED ")
                .or_else(|| line.strip_prefix("ERROR "))?;
            // pip has lines like these as well.
            rest.starts_with("testing/")
                .then(|| rest.split(" - ").next().unwrap_or(rest))
        })
        .collect();
    names.sort_unstable();
    names
}
