//! Doing what a page says, on a machine of its own.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cheeseshop_test_support::{
    Answer, CertificateAuthority, Receiver, Sdist, TlsFront, Upstream, Wheel, postgres,
    python_client, python_packages,
};

use super::compare::differs;
use super::page::{Action, Page, Run, Step};

/// The home of whoever reads the page.
const HOME: &str = "/home/bob";
/// Scripts and outputs.
const RUN: &str = "/srv/manual";
/// Files to upload.
const SAMPLES: &str = "/srv/samples";
/// Programs that the reader has.
const TOOLS: &str = "/opt/tools";

/// Names of our server on the pages. TLS ends in front of it.
const OUR_NAMES: &[&str] = &[
    "packages.example",
    "pypi.corp.example",
    "shop.example",
    "shop.our.example",
];
/// A stranger's server that takes uploads.
const PARTNER: &str = "packages.partner.example";
/// A build server that lets nobody in.
const JENKINS: &str = "jenkins.our.example";

/// The word by which a page asks for a PostgreSQL server.
const POSTGRES: &str = "devpi_in_postgresql";

/// Programs, and the client that brings each.
const PROGRAMS: &[(&str, &str)] = &[
    ("twine", "twine"),
    ("uv", "uv"),
    ("poetry", "poetry"),
    ("pdm", "pdm"),
    ("flit", "flit"),
    ("tox", "tox"),
    ("sphinx-build", "sphinx"),
    ("devpi-export", "devpi-web"),
    ("pipx", "pipx"),
];

/// Everything that the reader has installed; what is missing comes from the network.
pub(super) fn install(page: &Page) -> Vec<(&'static str, PathBuf)> {
    let words: BTreeSet<&str> = page.words().collect();
    PROGRAMS
        .iter()
        .filter(|(program, _)| words.contains(program))
        .map(|(program, client)| (*program, python_client(client).with_file_name(program)))
        .collect()
}

/// The virtual environment that is active: pip, and what a build needs.
pub(super) fn environment() -> PathBuf {
    python_packages(
        "manual",
        &["pip==26.2", "build==1.6.1", "setuptools", "wheel", "pytest"],
    )
}

/// Does what the page says; gives what went otherwise.
pub(super) async fn run(page: &Page) -> Vec<String> {
    for folder in [HOME, RUN, SAMPLES, TOOLS] {
        std::fs::create_dir_all(folder).unwrap();
    }
    forget_this_machine();
    let authority = CertificateAuthority::new();
    trust(&authority);
    let (chain, key) = authority.issue(OUR_NAMES);
    let ours = TlsFront::start_at("127.0.0.1:443", &chain, &key, None);
    ours.pass_to("127.0.0.1:3141");
    let receiver = Receiver::start().await;
    let (chain, key) = authority.issue(&[PARTNER]);
    let theirs = TlsFront::start_at("127.0.0.2:443", &chain, &key, None);
    theirs.pass_to(&receiver.host());
    let jenkins = Receiver::start().await;
    for _ in 0..9 {
        jenkins.next(Answer::status(403));
    }
    let (chain, key) = authority.issue(&[JENKINS]);
    let builds = TlsFront::start_at("127.0.0.3:443", &chain, &key, None);
    builds.pass_to(&jenkins.host());
    let pypi = pypi().await;
    let postgres = if page.words().any(|word| word == POSTGRES) {
        Some(postgres().await)
    } else {
        None
    };
    samples();
    programs(page);
    std::fs::write(at("page.sh"), script(page)).unwrap();
    let postgres = postgres.as_ref().map(|database| database.url.as_str());
    let status = bash(&pypi.url(), postgres);
    drop((ours, theirs, builds));
    judge(page, status)
}

fn at(name: &str) -> PathBuf {
    Path::new(RUN).join(name)
}

/// Takes away the settings of the machine that this one is a copy of, and says where names lead.
fn forget_this_machine() {
    for path in [
        "/etc/pip.conf",
        "/etc/xdg/pip/pip.conf",
        "/etc/uv/uv.toml",
        "/etc/gitconfig",
    ] {
        let _ = std::fs::remove_file(path);
    }
    let _ = std::fs::remove_dir_all("/etc/cheeseshop");
    let hosts = format!(
        "127.0.0.1 localhost db.example devpi.example {}\n127.0.0.2 {PARTNER}\n127.0.0.3 {JENKINS}\n",
        OUR_NAMES.join(" ")
    );
    std::fs::write("/etc/hosts", hosts).unwrap();
    // A refusal is a failure, and there is no progress on what is no terminal.
    let curl = "fail-with-body\nsilent\nshow-error\n";
    std::fs::write(Path::new(HOME).join(".curlrc"), curl).unwrap();
}

/// Makes the machine trust an authority, as `update-ca-certificates` does.
fn trust(authority: &CertificateAuthority) {
    let certificates = Path::new("/etc/ssl/certs");
    let bundle = certificates.join("ca-certificates.crt");
    let mut all = std::fs::read_to_string(&bundle).unwrap_or_default();
    all.push_str(authority.pem());
    std::fs::create_dir_all(certificates).unwrap();
    std::fs::write(bundle, all).unwrap();
    let file = authority.write_pem(certificates);
    let hash = Command::new("openssl")
        .args(["x509", "-hash", "-noout", "-in"])
        .arg(&file)
        .output()
        .unwrap();
    let hash = String::from_utf8(hash.stdout).unwrap();
    symlink(file, certificates.join(format!("{}.0", hash.trim()))).unwrap();
}

/// What PyPI has, on these pages.
async fn pypi() -> Upstream {
    let upstream = Upstream::start().await;
    for (name, version) in [
        ("click", "8.1.7"),
        ("click", "8.2.1"),
        ("blinker", "1.9.0"),
        ("werkzeug", "3.1.3"),
        ("NAME", "1.0"),
    ] {
        upstream.publish(&Wheel::named(name).version(version).build());
    }
    let flask = Wheel::named("flask").version("3.1.3");
    let flask = flask.requires_dist("blinker").requires_dist("click");
    upstream.publish(&flask.build());
    for name in ["good", "hello-shop"] {
        upstream.publish(&Sdist::named(name).build());
    }
    let backend = "def build_wheel(*_):\n    pass\n\n\ndef get_requires_for_build_wheel(_=None):\n    \
                   raise RuntimeError\n";
    let broken = Sdist::named("broken").file("backend/in_tree_backend.py", backend);
    upstream.publish(&broken.build());
    upstream
}

/// The releases of `hello-shop`, to be uploaded.
fn samples() {
    let folder = Path::new(SAMPLES);
    Wheel::named("our-project").build().write_to(folder);
    let patched = Wheel::named("click").version("8.1.8+shop1");
    patched.build().write_to(folder);
    for number in 1..6 {
        let version = format!("2.0.dev{number}");
        let (wheel, sdist) = (Wheel::named("hello-shop"), Sdist::named("hello-shop"));
        wheel.version(&version).build().write_to(folder);
        sdist.version(&version).build().write_to(folder);
    }
    for version in ["0.7", "0.8", "0.9", "1.0", "1.1"] {
        Wheel::named("hello-shop")
            .version(version)
            .build()
            .write_to(folder);
        Sdist::named("hello-shop")
            .version(version)
            .build()
            .write_to(folder);
    }
}

/// Puts programs where the reader's shell finds them.
fn programs(page: &Page) {
    let tools = Path::new(TOOLS);
    let ours = Path::new(env!("CARGO_BIN_EXE_cheeseshop"));
    for name in ["cheeseshop", "devpi"] {
        symlink(ours, tools.join(name)).unwrap();
    }
    for (name, program) in install(page) {
        symlink(program, tools.join(name)).unwrap();
    }
}

fn script(page: &Page) -> String {
    let prelude = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/manual/prelude.sh");
    let mut script = format!(
        "set -e\nPRELUDE={0}\n. \"$PRELUDE\"\ntrap 'echo \"$? $CURRENT\" > \"$RUN/ended\"' EXIT\n",
        prelude.display()
    );
    for Step { line, action } in &page.steps {
        let _ = writeln!(script, "CURRENT={line}");
        let nothing = PathBuf::from("/dev/null");
        match action {
            Action::Prepare(code) => group(&mut script, *line, code, &nothing),
            Action::Write {
                path,
                text,
                is_more,
            } => {
                let into = if *is_more { ">>" } else { ">" };
                let source = at(&format!("{line}.file"));
                std::fs::write(&source, text).unwrap();
                let source = source.display();
                let code = format!("mkdir -p \"$(dirname {path})\"\ncat {source} {into} {path}");
                group(&mut script, *line, &code, &nothing);
            }
            Action::Run(run) => {
                let typed = at(&format!("{line}.in"));
                std::fs::write(&typed, &run.typed).unwrap();
                command(&mut script, *line, run, &typed);
            }
        }
    }
    script.push_str("CURRENT=0\n");
    script
}

fn command(script: &mut String, line: usize, run: &Run, input: &Path) {
    if let Some(ready) = &run.serves {
        let out = at(&format!("{line}.out"));
        // The last command takes the place of its shell, so that signals reach it.
        let (before, last) = run.code.rsplit_once('\n').unwrap_or(("", &run.code));
        let _ = writeln!(
            script,
            "(\n{before}\nexec {last}\n) </dev/null >{out} 2>&1 &\nSHOP_PID=$!\nSAID={out}\nwait_for {out} '{ready}'",
            out = out.display(),
        );
    } else if run.exit == 0 {
        group(script, line, &run.code, input);
    } else {
        script.push_str("set +e\n");
        group(script, line, &run.code, input);
        let _ = writeln!(script, "STATUS=$?\nset -e\n[ $STATUS = {} ]", run.exit);
    }
}

fn group(script: &mut String, line: usize, code: &str, input: &Path) {
    let _ = writeln!(
        script,
        "{{\n{code}\n}} <{} >{} 2>&1",
        input.display(),
        at(&format!("{line}.out")).display()
    );
}

/// Runs the script as somebody without a terminal.
fn bash(pypi: &str, postgres: Option<&str>) -> std::process::ExitStatus {
    let environment = environment();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let checkout = checkout.canonicalize().unwrap().display().to_string();
    let old_devpi = python_client("devpi-web");
    let old_devpi = old_devpi.parent().unwrap().display().to_string();
    let path = format!(
        "{}/bin:{TOOLS}:/usr/local/bin:/usr/bin:/bin",
        environment.display()
    );
    Command::new("setsid")
        // A command that waits for somebody is named, and not the test as a whole.
        .args(["--wait", "timeout", "--kill-after=9", "300", "bash"])
        .arg(at("page.sh"))
        .current_dir(HOME)
        .env_clear()
        .envs([
            ("HOME", HOME),
            ("USER", "bob"),
            ("RUN", RUN),
            ("SAMPLES", SAMPLES),
            ("CHECKOUT", &checkout),
            ("OLD_DEVPI", &old_devpi),
            ("PATH", &path),
            ("LANG", "C.UTF-8"),
            ("CHEESESHOP_MIRROR__ROOT_PYPI_URL", pypi),
            ("POSTGRES", postgres.unwrap_or_default()),
            // As on the reader's terminal.
            ("CHEESESHOP_AUTH__PRINT_ROOT_PASSWORD", "always"),
            // Hashes that cost nothing.
            ("CHEESESHOP_AUTH__ARGON2__MEMORY_KIB", "64"),
            ("CHEESESHOP_AUTH__ARGON2__ITERATIONS", "1"),
            ("CHEESESHOP_AUTH__ARGON2__PARALLELISM", "1"),
            // What programs say when they are out of date, asked by root, or without a terminal.
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
            ("PIP_ROOT_USER_ACTION", "ignore"),
            ("PDM_CHECK_UPDATE", "0"),
            ("UV_PYTHON_DOWNLOADS", "never"),
            ("PYTHONWARNINGS", "ignore"),
            ("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring"),
        ])
        .env("VIRTUAL_ENV", &environment)
        .stdin(Stdio::null())
        .status()
        .unwrap()
}

/// What a command prints without its log, which comes between on a terminal.
fn without_log(found: &str) -> String {
    found
        .lines()
        .filter(|line| {
            !["Z  INFO ", "Z  WARN "]
                .iter()
                .any(|level| line.contains(level))
        })
        .fold(String::new(), |all, line| all + line + "\n")
}

/// Compares what was printed with what the page shows.
fn judge(page: &Page, status: std::process::ExitStatus) -> Vec<String> {
    let read = |name: &str| {
        let bytes = std::fs::read(at(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace("Warning: Password input may be echoed.\n", "")
    };
    let ended = read("ended");
    let last: usize = ended
        .trim()
        .rsplit(' ')
        .next()
        .and_then(|line| line.parse().ok())
        .unwrap_or_default();
    let mut wrong = Vec::new();
    for Step { line, action } in &page.steps {
        if *line == last {
            let (out, log) = (read(&format!("{line}.out")), read("shop.log"));
            let tail: Vec<&str> = log.lines().rev().take(15).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            wrong.push(format!(
                "line {line}: {status}\n{out}--- the server said last\n{}",
                tail.join("\n")
            ));
            break;
        }
        let Action::Run(run) = action else { continue };
        if run.varies || run.output.is_empty() {
            continue;
        }
        let mut found = read(&format!("{line}.out"));
        let mut expected = run.output.clone();
        if !expected.iter().any(|line| line.contains("INFO ")) {
            found = without_log(&found);
        }
        if let Some(ready) = &run.serves
            && expected.last().is_some_and(|last| last.contains(ready))
        {
            // What comes later is no part of it.
            let end = found.find(ready).unwrap_or_default();
            let line = found[end..].find('\n').unwrap_or_default();
            found.truncate(end + line);
        }
        if let Some(typed) = run.typed.lines().next() {
            // Nobody sees what is typed where there is no terminal, so the line of a question goes on.
            found = found.replace("(yes/no)? ", &format!("(yes/no)? {typed}\n"));
            expected[0].insert(0, '…');
        }
        if let Some(difference) = differs(&expected, &found) {
            wrong.push(format!("line {line}: `{}`\n{difference}", run.code));
        }
    }
    if last == 0 && !status.success() {
        wrong.push(format!("the shell ended with {status}: {ended}"));
    }
    wrong
}
