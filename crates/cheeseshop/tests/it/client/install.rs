//! `install` and `refresh`.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use cheeseshop_test_support::{Wheel, python_client};

use super::{Twins, scenario};

scenario!(pip_installs_from_the_index_in_use);
scenario!(mirrors_are_asked_anew);

fn pip_installs_from_the_index_in_use(twins: &Twins) {
    let wheel = Wheel::named("hello-shop").build();
    let pip = python_client("pip");
    for side in [&twins.released, &twins.ours] {
        wheel.write_to(side.home.path());
        let venv = side.home.path().join("venv");
        let output = Command::new(pip.with_file_name("python"))
            .args(["-m", "venv", "--without-pip"])
            .arg(&venv)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        // Installing a pip of its own takes much longer than all that is tested here.
        let script = format!(
            "#!/bin/sh\nexec '{}' --python '{}' \"$@\"\n",
            pip.display(),
            venv.join("bin/python").display()
        );
        write_program(&venv.join("bin/pip"), &script);
    }
    let active = [("VIRTUAL_ENV", "{home}/venv")];
    twins.both(&["install", "hello-shop"]).same();
    twins.login();
    twins.both(&["index", "-c", "dev", "bases="]).same();
    twins.both(&["use", "dev"]).same();
    let file = format!("./{}", wheel.name);
    twins.write("requirements.txt", file.as_bytes());
    for arguments in [
        &["install", &file] as &[&str],
        &["install", "-l"],
        &["install"],
        &["install", "-r", "requirements.txt"],
        &["install", "--index", "root/dev", &file],
        &["install", "--index", "a/b/c", &file],
        &["install", "-e", ".", &file],
    ] {
        let both = twins.both_with(arguments, &active, "");
        assert_eq!(
            both.same_code().ours.stdout,
            both.released.stdout,
            "{arguments:?}"
        );
    }
    // Where pip looks, and that the login's token is in nobody's output.
    let both = twins.both_with(&["install", "not-there"], &active, "");
    assert_eq!(both.same_code().ours.stdout, both.released.stdout);
    assert!(
        both.ours
            .stdout
            .contains("Looking in indexes: http://root:****@SERVER/root/dev/+simple/"),
        "{both:?}"
    );
    let login = std::fs::read_to_string(twins.ours.home.path().join(".devpi/client/auth.json"));
    let login: serde_json::Value = serde_json::from_str(&login.unwrap()).unwrap();
    let server = format!("{}/", twins.ours.url);
    let token = login["auth"][server][0][1].as_str().unwrap();
    assert!(!both.ours.stdout.contains(token), "{both:?}");
    // The environment is remembered.
    twins
        .both(&["install", "--venv", "{home}/venv", "-l"])
        .same();
    twins.same_file(".devpi/client/current.json");
    twins.both(&["install", "-l"]).same();
    twins.both(&["install", "--venv", "none", "x"]).same();
}

fn write_program(path: &std::path::Path, script: &str) {
    std::fs::write(path, script).unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, mode).unwrap();
}

fn mirrors_are_asked_anew(twins: &Twins) {
    twins.both(&["refresh", "x"]).same();
    twins.login();
    twins.both(&["index", "-c", "dev", "bases="]).same();
    twins.both(&["use", "dev"]).same();
    for command in [
        &["refresh", "--index", "a/b/c", "x"] as &[&str],
        &["refresh", "--index", "root/none", "x"],
    ] {
        twins.both(command).same_code();
    }
    let both = twins.both(&["refresh", "x", "y"]);
    both.same_code();
    for output in [&both.ours, &both.released] {
        assert!(output.stdout.contains("Refreshed x\n"), "{both:?}");
        assert!(output.stdout.ends_with("Refreshed y\n"), "{both:?}");
    }
    let said = twins.ours_says(&["refresh", "-"], "a b\n");
    assert!(said.contains("Refreshed a\n"), "{said}");
    assert!(said.ends_with("Refreshed b\n"), "{said}");
}
