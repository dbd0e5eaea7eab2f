//! `devpi-gen-secret`, and the server's look at a secret file.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;

use super::{initialised, run, serve};
use crate::support::Home;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_new_secret_is_random_and_for_its_owner_only() {
    let home = Home::new();
    let mut secrets = Vec::new();
    for name in ["one", "two"] {
        let output = run(&home, "devpi-gen-secret", &["--secretfile", name]);
        assert_eq!(output.code, Some(0), "{output:?}");
        let path = home.path().join(name);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let secret = std::fs::read(&path).unwrap();
        assert_eq!(secret.len(), 44);
        let bytes = base64::engine::general_purpose::STANDARD.decode(&secret);
        assert_eq!(bytes.unwrap().len(), 32);
        // It is checked the second time, and left as it is.
        let output = run(&home, "devpi-gen-secret", &["--secretfile", name]);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_eq!(std::fs::read(&path).unwrap(), secret);
        secrets.push(secret);
    }
    assert_ne!(secrets[0], secrets[1]);
    let output = run(&home, "devpi-gen-secret", &[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let expected = "fatal: You need to provide a location for the secret file.\n";
    assert_eq!(output.stderr, expected);
}

#[test]
fn weak_and_open_secrets_are_refused_by_generator_and_server() {
    let home = initialised();
    let good = "0123456789abcdef0123456789abcdef";
    for (name, text, mode, folder_mode, part) in [
        ("short", "0123456789abcdef", 0o600, 0o700, "too short"),
        (
            "weak",
            "abcdeabcdeabcdeabcdeabcdeabcdeabcde",
            0o600,
            0o700,
            "too weak",
        ),
        ("world", good, 0o604, 0o700, "world accessible"),
        ("group", good, 0o640, 0o700, "group accessible"),
        ("in-open-folder", good, 0o600, 0o702, "world writable"),
        ("in-group-folder", good, 0o600, 0o720, "group writable"),
    ] {
        let path = home.write(&format!("{name}/secret"), text);
        set_mode(&path, mode);
        set_mode(path.parent().unwrap(), folder_mode);
        for program in ["devpi-gen-secret", "devpi-server"] {
            let output = run(&home, program, &["--secretfile", path.to_str().unwrap()]);
            assert_eq!(output.code, Some(1), "{name}: {output:?}");
            assert!(output.stderr.starts_with("fatal: "), "{name}: {output:?}");
            assert!(output.stderr.contains(part), "{name}: {output:?}");
        }
    }
    let output = run(&home, "devpi-server", &["--secretfile", "absent"]);
    assert_eq!(
        output.stderr,
        "fatal: The given secret file doesn't exist.\n"
    );

    run(&home, "devpi-gen-secret", &["--secretfile", "good"]);
    let log = serve(&home, &["--secretfile", "good"]).stop();
    assert!(
        log.contains("--secretfile is fine and has no effect"),
        "{log}"
    );
}
