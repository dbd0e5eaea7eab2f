//! `test`: tox is run for real where that matters, and its results are on the server.

use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use cheeseshop_test_support::{BuiltFile, Sdist, Wheel, client_environment, python_client};
use serde_json::Value;

use super::twins::{Both, ROOT_PASSWORD};
use super::{Twins, scenario};
use crate::support::{BETWEEN_LOOKS, DEADLINE, Output, finish};

scenario!(sdists_and_universal_wheels_are_tested_and_results_uploaded);
scenario!(failing_tests_fail_the_command);
scenario!(files_are_selected);
scenario!(configurations_are_found);
scenario!(trouble_before_tox_is_told);

const TOX_INI: &str = "[tox]\nenv_list = first\n\n[testenv]\n\
    commands = python -c \"import hello_shop; print('tested', hello_shop.__version__)\"\n";

const FAILING_INI: &str = "[tox]\nenv_list = first\n\n[testenv]\n\
    commands = python -c \"print('well'); import sys; sys.exit('broken on purpose')\"\n";

/// Stands in for tox where only the way to it is looked at: says what it was given, ends as its
/// configuration says (`# exit N`), and leaves a report that tells all that it knows.
const STAND_IN: &str = r#"#!/bin/sh
echo "arguments: $*"
echo "index: $PIP_INDEX_URL $UV_INDEX_URL $UV_DEFAULT_INDEX"
echo "works in: $(basename "$PWD")"
while [ $# -gt 0 ]; do
    case "$1" in
        --installpkg) echo "tests: $(basename "$2")" ;;
        --result-json) result=$2 ;;
        -c) configuration=$2 ;;
    esac
    shift
done
echo "configured by: $(head -n 1 "$configuration")"
code=$(sed -n 's/^# exit //p' "$configuration")
test "$code" = none && exit 3
cat > "$result" <<END
{"host": "box", "platform": "linux", "testenvs": {"fake": {"python": {"version": "3.11.7 (x)"},
 "setup": [{"command": ["pip"], "output": "from $PIP_INDEX_URL", "retcode": 0}],
 "test": [{"command": ["pytest"], "output": "", "retcode": ${code:-0}}]}}}
END
exit "${code:-0}"
"#;

/// Logs in and uploads files to `root/dev`, which is in use.
fn prepare(twins: &Twins, files: &[BuiltFile]) {
    twins.login();
    twins
        .both(&["index", "-c", "dev", "bases=", "volatile=True"])
        .same();
    twins.both(&["use", "root/dev"]).same();
    for file in files {
        twins.write(&file.name, &file.bytes);
        twins.both(&["upload", &file.name]).same_code();
    }
    twins.write("tmp/here", b"");
    twins.write("bin/tox", STAND_IN.as_bytes());
    for side in [&twins.released, &twins.ours] {
        let tox = side.home.path().join("bin/tox");
        std::fs::set_permissions(tox, Permissions::from_mode(0o755)).unwrap();
    }
}

fn sdist(tox_ini: &str) -> Sdist {
    Sdist::named("hello-shop").file("tox.ini", tox_ini)
}

fn path_with(folder: &str) -> String {
    let environment = client_environment(Path::new(folder));
    format!("{folder}:{}", environment["PATH"].to_str().unwrap())
}

fn tox() -> String {
    let tox = python_client("tox");
    path_with(tox.parent().unwrap().to_str().unwrap())
}

fn stand_in() -> String {
    path_with("{home}/bin")
}

/// Gives both `test` with a tox within reach.
fn test_both(twins: &Twins, path: &str, arguments: &[&str]) -> Both {
    let command: Vec<_> = std::iter::once("test")
        .chain(arguments.iter().copied())
        .collect();
    twins.both_with(&command, &[("PATH", path), ("TMPDIR", "{home}/tmp")], "")
}

fn test_ours(twins: &Twins, path: &str, arguments: &[&str], input: &str) -> Output {
    let command: Vec<_> = std::iter::once("test")
        .chain(arguments.iter().copied())
        .collect();
    twins
        .ours
        .run(&command, &[("PATH", path), ("TMPDIR", "{home}/tmp")], input)
}

/// What our client has left in its folder of temporary files.
fn left_over(twins: &Twins) -> Vec<String> {
    let folder = twins.ours.home.path().join("tmp");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("devpi-test-"))
        .collect()
}

/// A file of the server, as anybody gets it.
fn fetch(url: &str) -> String {
    let (host, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The lines that are the clients' own, and alike for equal work.
fn own_lines(output: &Output) -> Vec<&str> {
    const STARTS: &[&str] = &[
        "received ",
        "posting ",
        "success",
        "tox command failed",
        "command failed",
        "only universal",
        "would test",
        "   http",
        "could not",
        "need at least",
        "tests: ",
        "configured by: ",
        "works in: ",
    ];
    output
        .stdout
        .lines()
        .filter(|line| STARTS.iter().any(|start| line.starts_with(start)))
        .collect()
}

#[track_caller]
fn same_own_lines(both: &Both, code: i32) {
    assert_eq!(both.ours.code, Some(code), "{both:?}");
    both.same_code();
    // Downloads come one after the other, or each when its turn comes.
    let (mut ours, mut released) = (own_lines(&both.ours), own_lines(&both.released));
    ours.sort_by_key(|line| !line.starts_with("received "));
    released.sort_by_key(|line| !line.starts_with("received "));
    assert_eq!(ours, released, "{both:?}");
}

fn sdists_and_universal_wheels_are_tested_and_results_uploaded(twins: &Twins) {
    let sdist = sdist(TOX_INI).build();
    let universal = Wheel::named("hello-shop").tag("py2.py3-none-any").build();
    let pure = Wheel::named("hello-shop").build();
    prepare(twins, &[sdist, universal, pure]);
    twins.both(&["list", "-t", "hello-shop"]).same();

    let listed = test_both(twins, &tox(), &["--list", "hello-shop"]);
    let would_test = |output: &Output| {
        let (_, list) = output.stdout.split_once("would test:").unwrap();
        list.to_owned()
    };
    assert_eq!(would_test(&listed.ours), would_test(&listed.released));
    assert!(would_test(&listed.ours).contains("hello_shop-1.0.tar.gz"));

    let both = test_both(twins, &tox(), &["hello-shop"]);
    same_own_lines(&both, 0);
    let lines = own_lines(&both.ours).join("\n");
    for line in [
        "only universal wheels supported, found hello_shop-1.0-py3",
        "received http://root:****@SERVER/root/dev/+f/",
    ] {
        assert!(lines.contains(line), "{lines}");
    }
    assert_eq!(
        lines.matches("posting tox result data").count(),
        2,
        "{lines}"
    );
    assert_eq!(
        both.ours.stdout.matches("tested 1.0").count(),
        2,
        "{both:?}"
    );
    // The results, as either client reads them.
    let both = twins.both(&["list", "-t", "hello-shop"]);
    assert_eq!(
        both.ours.stdout.matches("tests passed").count(),
        2,
        "{both:?}"
    );
    both.same();
    assert_eq!(left_over(twins), Vec::<String>::new());
}

fn failing_tests_fail_the_command(twins: &Twins) {
    prepare(twins, &[sdist(FAILING_INI).build()]);
    let both = test_both(twins, &tox(), &["hello-shop"]);
    same_own_lines(&both, 1);
    assert!(
        own_lines(&both.ours).contains(&"tox command failed 1"),
        "{both:?}"
    );
    twins.both(&["list", "-t", "hello-shop"]).same();
    let both = twins.both(&["list", "-f", "hello-shop"]);
    both.same_code();
    for line in ["tests failed", "    FAIL: ", "    well"] {
        assert!(both.ours.stdout.contains(line), "{line}: {both:?}");
        assert!(both.released.stdout.contains(line), "{line}: {both:?}");
    }
    // Here devpi-client keeps to itself what went to standard error.
    assert!(
        both.ours.stdout.contains("    broken on purpose"),
        "{both:?}"
    );
    let read = twins.ours_says(&["list", "-f", "--json", "hello-shop"], "");
    let document: Value = serde_json::from_str(&read).unwrap();
    let results = &document["projects"][0]["releases"][0]["files"][0]["test_results"];
    let result = results
        .as_array()
        .unwrap()
        .iter()
        .find(|result| result["environment"] == "first");
    let result = result.unwrap();
    assert_eq!(result["outcome"], "failed");
    let told = result["failed"][0]["output"].as_str().unwrap();
    assert!(told.contains("broken on purpose"), "{told}");
}

fn files_are_selected(twins: &Twins) {
    let sdist = sdist("# its own\n");
    let files = [
        sdist.clone().build(),
        sdist.zip().build(),
        Wheel::named("hello-shop").build(),
        Wheel::named("hello-shop").tag("cp27-cp27m-win32").build(),
    ];
    prepare(twins, &files);
    for (arguments, count) in [
        (&["hello-shop"] as &[&str], 2),
        (&["-s", "py3-none", "hello-shop"], 1),
        (&["--select", r"\.whl$", "hello-shop"], 2),
        (&["-s", r"(zip|win32\.whl)$", "hello-shop==1.0"], 2),
        (&["-s", "nothing-at-all", "hello-shop"], 0),
    ] {
        let mut all = vec!["--no-upload", "-e", "a,b", "--tox-args", "-x 'y z'"];
        all.extend(arguments);
        let both = test_both(twins, &stand_in(), &all);
        assert_eq!(both.ours.code, Some(0), "{both:?}");
        both.same_code();
        let tests = |output: &Output| {
            let lines = output
                .stdout
                .lines()
                .filter(|line| line.starts_with("tests: "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(tests(&both.ours), tests(&both.released), "{arguments:?}");
        assert_eq!(tests(&both.ours).len(), count, "{arguments:?}");
        let told = both.ours.stdout.matches(" -ea,b -c ").count();
        assert_eq!(told, 2 * count, "said by both us and tox: {both:?}");
        assert!(!both.ours.stdout.contains("posting"), "{both:?}");
    }
    let refused = test_ours(twins, &stand_in(), &["-s", "(", "hello-shop"], "");
    assert_eq!(refused.code, Some(2), "{refused:?}");
}

fn configurations_are_found(twins: &Twins) {
    let versions = [
        ("1", "inside/other.ini", "# inside\n"),
        ("2", "setup.cfg", "# setup.cfg\n[tox:tox]\n"),
        (
            "3",
            "pyproject.toml",
            "# pyproject\n[tool.tox]\nenv_list = []\n",
        ),
        ("4", "tox.ini", "# exit 1\n"),
        ("5", "tox.ini", "# exit 2\n"),
    ];
    let files = versions.map(|(version, path, text)| {
        let sdist = Sdist::named("hello-shop").version(version);
        sdist.file(path, text).build()
    });
    prepare(twins, &files);
    twins.write("outside.ini", b"# outside\n");
    for (arguments, said, code) in [
        (
            &["--fallback-ini", "inside/other.ini", "hello-shop==1"] as &[&str],
            "# inside",
            0,
        ),
        (
            &["--fallback-ini", "{home}/outside.ini", "hello-shop==1"],
            "# outside",
            0,
        ),
        (
            &["--fallback-ini", "{home}/outside.ini", "hello-shop==2"],
            "# setup.cfg",
            0,
        ),
        (&["hello-shop<4"], "# pyproject", 0),
        (&["hello-shop<5"], "# exit 1", 1),
        (&["hello-shop"], "# exit 2", 1),
        (&["-c", "{home}/outside.ini", "hello-shop"], "# outside", 0),
    ] {
        let both = test_both(twins, &stand_in(), arguments);
        same_own_lines(&both, code);
        let said = format!("configured by: {said}\n");
        assert!(both.ours.stdout.contains(&said), "{arguments:?}: {both:?}");
        // Of a run that was none there is nothing to say.
        let is_posted = both.ours.stdout.contains("posting tox result data");
        assert_eq!(is_posted, !said.contains("exit 2"), "{both:?}");
    }
    twins.both(&["list", "-t", "hello-shop", "--all"]).same();

    for (arguments, told) in [
        (
            &["hello-shop==1"] as &[&str],
            "no tox.ini/pyproject.toml/setup.cfg file found in",
        ),
        (&["-c", "none.ini", "hello-shop"], "file does not exist: "),
        (&["-c", "{home}", "hello-shop"], "is not a file: "),
        (
            &["--fallback-ini", "none.ini", "hello-shop==1"],
            "file does not exist: ",
        ),
    ] {
        let both = test_both(twins, &stand_in(), arguments);
        assert_eq!(both.ours.code, Some(1), "{both:?}");
        for output in [&both.same_code().ours, &both.released] {
            assert!(output.stdout.contains(told), "{output:?}");
        }
    }
    // Beside the working directory, where devpi-client has tox look below the release.
    let relative = test_ours(twins, &stand_in(), &["-c", "outside.ini", "hello-shop"], "");
    assert_eq!(relative.code, Some(0), "{relative:?}");
    assert!(
        relative.stdout.contains("configured by: # outside"),
        "{relative:?}"
    );
}

#[test]
fn many_releases_are_tested_and_one_that_fails_counts() {
    let twins = Twins::of_our_servers();
    let files = [
        ("1", "# exit 1\n"),
        ("2", "# fine\n"),
        ("3", "# exit none\n"),
    ]
    .map(|(version, ini)| sdist(ini).version(version).build());
    prepare(&twins, &files);
    let specs = ["--parallel=2", "-", "hello-shop<3"];
    let input = "hello-shop == 1\nhello-shop==3\nmissing # not there\n";
    let output = test_ours(&twins, &stand_in(), &specs, input);
    // devpi-client looks at the last one only.
    assert_eq!(output.code, Some(1), "{output:?}");
    for told in [
        "configured by: # exit 1",
        "tox command failed 1\n",
        "configured by: # fine",
        "tox command failed 3\n",
        "tox has left no report",
        "could not find/receive links for missing",
        " --parallel 2 -c ",
    ] {
        assert!(output.stdout.contains(told), "{told}: {output:?}");
    }
    let listed = twins.ours_says(&["list", "-t", "hello-shop"], "");
    assert_eq!(listed.matches("tests passed").count(), 1, "{listed}");
    assert_eq!(listed.matches("tests failed").count(), 1, "{listed}");
    let fine = test_ours(&twins, &stand_in(), &["hello-shop==2", "hello-shop==2"], "");
    assert_eq!(fine.code, Some(0), "{fine:?}");
    assert_eq!(left_over(&twins), Vec::<String>::new());
}

#[test]
fn environments_run_at_once() {
    let twins = Twins::of_our_servers();
    let ini = TOX_INI.replace("first", "first, second");
    prepare(&twins, &[sdist(&ini).build()]);
    let arguments = ["--parallel", "-e", "first,second", "hello-shop"];
    let output = test_ours(&twins, &tox(), &arguments, "");
    assert_eq!(output.code, Some(0), "{output:?}");
    let listed = twins.ours_says(&["list", "-t", "hello-shop"], "");
    assert_eq!(listed.matches("tests passed").count(), 2, "{listed}");
}

#[test]
fn secrets_go_by_the_environment_and_come_back_nowhere() {
    let twins = Twins::of_our_servers();
    prepare(&twins, &[sdist("# fine\n").build()]);
    // What may be read after a login only is downloaded with it, and so is what tox installs.
    twins.ours_says(&["index", "root/dev", "acl_read=root"], "");
    let mut command = twins.ours.command(&["test", "-v", "--debug", "hello-shop"]);
    let home = twins.ours.home.path().to_str().unwrap();
    command.env("PATH", stand_in().replace("{home}", home));
    let output = finish(command, "");
    assert_eq!(output.code, Some(0), "{output:?}");
    let logins = std::fs::read_to_string(twins.ours.home.path().join(".devpi/client/auth.json"));
    let document: Value = serde_json::from_str(&logins.unwrap()).unwrap();
    let logins = document["auth"].as_object().unwrap().values().next();
    let token = logins.unwrap()[0][1].as_str().unwrap();
    // tox says what it likes; of our own lines none tells, and neither do its arguments.
    let (tox_says, others): (Vec<_>, Vec<_>) = output
        .stdout
        .lines()
        .partition(|line| line.starts_with("index: "));
    assert_eq!(tox_says.len(), 1, "{output:?}");
    assert_eq!(
        tox_says[0].matches(&format!("://root:{token}@")).count(),
        3,
        "{tox_says:?}"
    );
    for line in others {
        assert!(!line.contains(token), "{line}");
        assert!(!line.contains(ROOT_PASSWORD), "{line}");
    }
    // Everybody who may read the index may read the result.
    twins.ours_says(&["index", "root/dev", "acl_read=:ANONYMOUS:"], "");
    let document = finish(twins.ours.command(&["getjson", "hello-shop/1.0"]), "").stdout;
    let document: Value = serde_json::from_str(&document).unwrap();
    let links = document["result"]["+links"].as_array().unwrap();
    let result = links
        .iter()
        .find(|link| link["rel"] == "toxresult")
        .unwrap();
    let text = fetch(result["href"].as_str().unwrap());
    assert!(text.contains("from http://root:****@"), "{text}");
    assert!(!text.contains(token), "{text}");
}

#[test]
fn whoever_ends_the_command_ends_tox_and_nothing_is_left() {
    let twins = Twins::of_our_servers();
    prepare(&twins, &[sdist("# fine\n").build()]);
    let home = twins.ours.home.path();
    let script = "#!/bin/sh\ntail -f /dev/null & waited=$!\n\
                  trap 'kill $waited; echo ended >> \"$HOME/said\"; exit 1' TERM\n\
                  echo started >> \"$HOME/said\"\nwait\n";
    std::fs::write(home.join("bin/tox"), script).unwrap();
    let mut command = twins.ours.command(&["test", "hello-shop"]);
    command.env("PATH", stand_in().replace("{home}", home.to_str().unwrap()));
    command.env("TMPDIR", home.join("tmp"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let said = || std::fs::read_to_string(home.join("said")).unwrap_or_default();
    let deadline = std::time::Instant::now() + DEADLINE;
    while said() != "started\n" {
        assert!(std::time::Instant::now() < deadline, "tox was not started");
        std::thread::sleep(BETWEEN_LOOKS);
    }
    assert!(!left_over(&twins).is_empty());
    let id = child.id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(said(), "started\nended\n");
    assert_eq!(left_over(&twins), Vec::<String>::new());
}

fn trouble_before_tox_is_told(twins: &Twins) {
    let wheel = Wheel::named("hello-shop").tag("py2.py3-none-any").build();
    prepare(twins, &[wheel]);
    for spec in ["hello-shop", "hello-shop>2", "none"] {
        same_own_lines(&test_both(twins, &stand_in(), &[spec]), 1);
    }
    let refused = test_both(twins, &stand_in(), &["--index", "a/b/c", "hello-shop"]);
    assert_eq!(refused.ours.code, Some(1), "{refused:?}");
    refused.same_code();
    let sdist = sdist("# fine\n").build();
    twins.write(&sdist.name, &sdist.bytes);
    twins.both(&["upload", &sdist.name]).same_code();
    let mut command = twins.ours.command(&["test", "hello-shop"]);
    command.env("PATH", "/nowhere");
    let output = finish(command, "");
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stdout.contains("no tox binary found"), "{output:?}");
}
