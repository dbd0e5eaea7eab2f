//! What the machine must have: looked for first, installed only when it is missing.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::shell::{self, cargo, find_program, program, say, succeeds};

/// The oldest Python whose clients the tests use.
const OLDEST_PYTHON: (u32, u32) = (3, 11);

/// Something that the tests start, and the Debian package that has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    /// What it is needed for.
    name: &'static str,
    package: &'static str,
    is_there: fn() -> bool,
}

const PYTHON: Tool = Tool {
    name: "Python with venv",
    package: "python3-venv",
    is_there: has_python,
};

const NGINX: Tool = Tool {
    name: "nginx",
    package: "nginx-light",
    // Not on the search path of an ordinary user.
    is_there: || find_program("nginx").is_some() || Path::new("/usr/sbin/nginx").is_file(),
};

/// What `cargo xtask test` needs.
pub(crate) const FOR_TESTS: &[Tool] = &[
    Tool {
        name: "PostgreSQL server",
        package: "postgresql",
        is_there: has_postgresql,
    },
    PYTHON,
    Tool {
        name: "curl",
        package: "curl",
        is_there: || find_program("curl").is_some(),
    },
    NGINX,
    Tool {
        name: "setfacl",
        package: "acl",
        is_there: || find_program("setfacl").is_some(),
    },
    Tool {
        name: "haproxy",
        package: "haproxy",
        is_there: || find_program("haproxy").is_some() || Path::new("/usr/sbin/haproxy").is_file(),
    },
    Tool {
        name: "systemd-analyze",
        package: "systemd",
        is_there: || find_program("systemd-analyze").is_some(),
    },
    // Shells that `cheeseshop env` prints code for.
    Tool {
        name: "zsh",
        package: "zsh",
        is_there: || find_program("zsh").is_some(),
    },
    Tool {
        name: "fish",
        package: "fish",
        is_there: || find_program("fish").is_some(),
    },
    // For the pages: a browser, and letters for it.
    Tool {
        name: "Chromium",
        package: "chromium-headless-shell",
        is_there: || find_program("chromium-headless-shell").is_some(),
    },
    Tool {
        name: "DejaVu",
        package: "fonts-dejavu-core",
        is_there: || Path::new("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf").is_file(),
    },
    // What the manual uses, and what its machine is made with.
    Tool {
        name: "jq",
        package: "jq",
        is_there: || find_program("jq").is_some(),
    },
    Tool {
        name: "zip",
        package: "zip",
        is_there: || find_program("zip").is_some(),
    },
    Tool {
        name: "openssl",
        package: "openssl",
        is_there: || find_program("openssl").is_some(),
    },
    // The step for pipelines of Jenkins.
    Tool {
        name: "Java for groovy",
        package: "default-jre-headless",
        is_there: || Path::new("/usr/lib/jvm/default-java/bin/java").is_file(),
    },
    Tool {
        name: "groovy",
        package: "groovy",
        is_there: || find_program("groovy").is_some(),
    },
    Tool {
        name: "git",
        package: "git",
        is_there: || find_program("git").is_some(),
    },
    // What the rules of alerts are checked and tried with.
    Tool {
        name: "promtool",
        package: "prometheus",
        is_there: || find_program("promtool").is_some(),
    },
    Tool {
        name: "ip",
        package: "iproute2",
        is_there: || find_program("ip").is_some(),
    },
];

/// What `cargo xtask wheel` needs.
pub(crate) const FOR_WHEEL: &[Tool] = &[PYTHON];

const DEBHELPER: Tool = Tool {
    name: "debhelper",
    package: "debhelper",
    is_there: || find_program("dh").is_some(),
};

const DPKG_DEV: Tool = Tool {
    name: "dpkg-buildpackage",
    package: "dpkg-dev",
    is_there: || find_program("dpkg-buildpackage").is_some(),
};

const LINTIAN: Tool = Tool {
    name: "lintian",
    package: "lintian",
    is_there: || find_program("lintian").is_some(),
};

const APT_UTILS: Tool = Tool {
    name: "apt-ftparchive",
    package: "apt-utils",
    is_there: || find_program("apt-ftparchive").is_some(),
};

const GNUPG: Tool = Tool {
    name: "gpg",
    package: "gnupg",
    is_there: || find_program("gpg").is_some() && find_program("gpgconf").is_some(),
};

/// What `cargo xtask deb` needs.
pub(crate) const FOR_DEB: &[Tool] = &[DEBHELPER, DPKG_DEV, LINTIAN];

/// What `cargo xtask deb --repository` needs beside it.
pub(crate) const FOR_APT_REPOSITORY: &[Tool] = &[APT_UTILS, GNUPG];

/// What `cargo xtask deb --check` needs, which `cargo xtask test` does as well.
pub(crate) const FOR_DEB_CHECK: &[Tool] = &[
    DEBHELPER,
    DPKG_DEV,
    LINTIAN,
    APT_UTILS,
    GNUPG,
    Tool {
        name: "piuparts",
        package: "piuparts",
        is_there: || find_program("piuparts").is_some(),
    },
    Tool {
        name: "debootstrap",
        package: "debootstrap",
        is_there: || find_program("debootstrap").is_some(),
    },
    Tool {
        name: "systemd-nspawn",
        package: "systemd-container",
        is_there: || find_program("systemd-nspawn").is_some(),
    },
    Tool {
        name: "nsenter",
        package: "util-linux",
        is_there: || find_program("nsenter").is_some(),
    },
];

/// What `cargo xtask container --check` needs beside it, which `cargo xtask test` does as well.
pub(crate) const FOR_CONTAINER: &[Tool] = &[
    Tool {
        name: "buildah",
        package: "buildah",
        is_there: || find_program("buildah").is_some(),
    },
    Tool {
        name: "podman",
        package: "podman",
        is_there: || find_program("podman").is_some(),
    },
    Tool {
        name: "crun",
        package: "crun",
        is_there: || find_program("crun").is_some(),
    },
];

/// What `cargo xtask bench` needs.
pub(crate) const FOR_BENCHMARK: &[Tool] = &[
    NGINX,
    Tool {
        name: "wrk",
        package: "wrk",
        is_there: || find_program("wrk").is_some(),
    },
    PYTHON,
];

/// Installs whatever of `tools` is missing.
pub(crate) fn ensure(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !(tool.is_there)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|tool| tool.name).collect();
    say(&format!("missing here: {}", names.join(", ")));
    if find_program("apt-get").is_none() {
        let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
        bail!(
            "this is no Debian; install what Debian calls {} and run this again",
            packages.join(", ")
        );
    }
    apt(&["update", "-q"])?;
    let mut install = vec![
        "install",
        "-q",
        "-y",
        "--no-install-recommends",
        "-o",
        "DPkg::Lock::Timeout=300",
    ];
    install.extend(missing.iter().map(|tool| tool.package));
    apt(&install)?;
    for tool in missing {
        if !(tool.is_there)() {
            bail!(
                "{} is still missing after installing {}",
                tool.name,
                tool.package
            );
        }
    }
    Ok(())
}

/// A subcommand of cargo, and the version that is built where there is none: the newest may want a newer Rust.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CargoTool {
    subcommand: &'static str,
    version: &'static str,
}

/// Looks at licences, bans and sources.
pub(crate) const DENY: CargoTool = CargoTool {
    subcommand: "deny",
    version: "0.20.2",
};

/// Runs the tests.
pub(crate) const NEXTEST: CargoTool = CargoTool {
    subcommand: "nextest",
    version: "0.9.143",
};

/// Makes sure that a cargo subcommand is there; says whether it is.
pub(crate) fn ensure_cargo_tool(tool: CargoTool) -> bool {
    let CargoTool {
        subcommand,
        version,
    } = tool;
    if succeeds(cargo().args([subcommand, "--version"])) {
        return true;
    }
    let package = format!("cargo-{subcommand}@{version}");
    say(&format!(
        "missing here: {package}; building it takes some minutes"
    ));
    let mut install = cargo();
    install
        .args(["install", "--locked", "--quiet", &package])
        // In a directory of its own: what the workspace has built must not be built anew for other features.
        .env_remove("CARGO_TARGET_DIR");
    if let Err(error) = shell::run(&mut install) {
        say(&format!("{package} cannot be installed: {error:#}"));
        return false;
    }
    succeeds(cargo().args([subcommand, "--version"]))
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = if is_root()? {
        program("apt-get")
    } else if find_program("sudo").is_some() {
        let mut command = program("sudo");
        command.args(["--preserve-env=DEBIAN_FRONTEND", "apt-get"]);
        command
    } else {
        bail!("installing packages needs root, and there is no sudo");
    };
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    // Standard output is for the test runner alone.
    command.stdout(std::io::stderr());
    shell::run(&mut command)
}

/// Whether everything may be done here.
pub(crate) fn is_root() -> Result<bool> {
    let user = shell::output_of(program("id").arg("-u")).context("who am I?")?;
    Ok(user.trim() == "0")
}

fn has_postgresql() -> bool {
    if find_program("initdb").is_some() {
        return true;
    }
    // Debian keeps the server's programs off the search path, one folder a version.
    std::fs::read_dir("/usr/lib/postgresql").is_ok_and(|versions| {
        versions
            .filter_map(Result::ok)
            .any(|version| Path::new(&version.path()).join("bin/initdb").is_file())
    })
}

fn has_python() -> bool {
    let (major, minor) = OLDEST_PYTHON;
    let code =
        format!("import sys, venv, ensurepip; sys.exit(sys.version_info < ({major}, {minor}))");
    succeeds(program("python3").args(["-c", &code]))
}
