//! `test`: tox is run for real, and its results are on the server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use cheeseshop_test_support::{Sdist, Wheel, python_client};

use super::twins::{Both, ROOT_PASSWORD};
use super::{Twins, scenario};
use crate::support::{Output, finish};

scenario!(sdists_and_universal_wheels_are_tested_and_results_uploaded);
scenario!(failing_tests_fail_the_command);
scenario!(files_are_selected);
scenario!(configurations_are_found);
scenario!(many_releases_are_tested_at_once);
scenario!(secrets_stay_secret);
scenario!(trouble_before_tox_is_told);

const TOX_INI: &str = "[tox]\nenv_list = first, second\n\n[testenv]\n\
    commands = python -c \"import hello_shop; print('tested', hello_shop.__version__)\"\n";

const FAILING_INI: &str = "[tox]\nenv_list = first\n\n[testenv]\n\
    commands = python -c \"print('well'); import sys; sys.exit('broken on purpose')\"\n";

/// Logs in and uploads files to `root/dev`, which is in use.
fn prepare(twins: &Twins, files: &[cheeseshop_test_support::BuiltFile]) {
    twins.login();
    twins
        .both(&["index", "-c", "dev", "bases=", "volatile=True"])
        .same();
    twins.both(&["use", "root/dev"]).same();
    twins.write("tmp/here", b"");
    for file in files {
        twins.write(&file.name, &file.bytes);
        twins.both(&["upload", &file.name]).same_code();
    }
}

fn sdist(tox_ini: &str) -> Sdist {
    Sdist::named("hello-shop").file("tox.ini", tox_ini)
}

fn tox() -> String {
    let tox = python_client("tox");
    let path = std::env::var("PATH").unwrap();
    format!("{}:{path}", tox.parent().unwrap().display())
}

/// Gives both `test` with tox within reach.
fn test_both(twins: &Twins, arguments: &[&str]) -> Both {
    let command: Vec<_> = std::iter::once("test")
        .chain(arguments.iter().copied())
        .collect();
    twins.both_with(&command, &[("PATH", &tox()), ("TMPDIR", "{home}/tmp")], "")
}

fn test_ours(twins: &Twins, arguments: &[&str], input: &str) -> Output {
    let command: Vec<_> = std::iter::once("test")
        .chain(arguments.iter().copied())
        .collect();
    twins.ours.run(
        &command,
        &[("PATH", &tox()), ("TMPDIR", "{home}/tmp")],
        input,
    )
}

/// What our client has left in its folder of temporary files, tox's own caches aside.
fn left_over(twins: &Twins) -> Vec<String> {
    let folder = twins.ours.home.path().join("tmp");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
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

/// The lines that are the client's own, and alike for equal work.
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
        "no tox",
    ];
    output
        .stdout
        .lines()
        .filter(|line| STARTS.iter().any(|start| line.starts_with(start)))
        .collect()
}

#[track_caller]
fn same_own_lines(both: &Both) {
    both.same_code();
    assert_eq!(own_lines(&both.ours), own_lines(&both.released), "{both:?}");
}

fn sdists_and_universal_wheels_are_tested_and_results_uploaded(twins: &Twins) {
    let sdist = sdist(TOX_INI).build();
    let universal = Wheel::named("hello-shop").tag("py2.py3-none-any").build();
    let pure = Wheel::named("hello-shop").build();
    prepare(twins, &[sdist, universal, pure]);
    twins.both(&["list", "-t", "hello-shop"]).same();

    let listed = test_both(twins, &["--list", "hello-shop"]);
    let would_test = |output: &Output| {
        let (_, list) = output.stdout.split_once("would test:").unwrap();
        list.to_owned()
    };
    assert_eq!(would_test(&listed.ours), would_test(&listed.released));
    assert!(would_test(&listed.ours).contains("hello_shop-1.0.tar.gz"));

    let both = test_both(twins, &["hello-shop"]);
    assert_eq!(both.ours.code, Some(0), "{both:?}");
    same_own_lines(&both);
    let lines = own_lines(&both.ours).join("\n");
    assert!(
        lines.contains("only universal wheels supported, found hello_shop-1.0-py3"),
        "{lines}"
    );
    assert!(
        lines.contains("received http://root:****@SERVER/root/dev/+f/"),
        "{lines}"
    );
    assert_eq!(
        lines.matches("posting tox result data").count(),
        2,
        "{lines}"
    );
    assert_eq!(
        both.ours.stdout.matches("tested 1.0").count(),
        4,
        "{both:?}"
    );
    // The results, as either client reads them.
    let both = twins.both(&["list", "-t", "hello-shop"]);
    assert_eq!(
        both.ours.stdout.matches("tests passed").count(),
        4,
        "{both:?}"
    );
    both.same();
    // Nothing is left lying about.
    assert_eq!(left_over(twins), ["here"]);
}

fn failing_tests_fail_the_command(twins: &Twins) {
    prepare(twins, &[sdist(FAILING_INI).build()]);
    let both = test_both(twins, &["hello-shop"]);
    assert_eq!(both.ours.code, Some(1), "{both:?}");
    same_own_lines(&both);
    assert!(
        own_lines(&both.ours).contains(&"tox command failed 1"),
        "{both:?}"
    );
    twins.both(&["list", "-t", "hello-shop"]).same();
    let both = twins.both(&["list", "-f", "hello-shop"]);
    both.same_code();
    for line in ["tests failed", "    FAIL: python -c ", "    well"] {
        assert!(both.ours.stdout.contains(line), "{line}: {both:?}");
        assert!(both.released.stdout.contains(line), "{line}: {both:?}");
    }
    assert!(both.ours.stdout.contains("broken on purpose"), "{both:?}");
    let read = twins
        .ours
        .run(&["list", "-f", "--json", "hello-shop"], &[], "");
    let document: serde_json::Value = serde_json::from_str(&read.stdout).unwrap();
    let result = &document["projects"][0]["releases"][0]["files"][0]["test_results"][0];
    assert_eq!(result["outcome"], "failed");
    assert_eq!(result["environment"], "first");
    let told = result["failed"][0]["output"].as_str().unwrap();
    assert!(told.contains("broken on purpose"), "{told}");

    // A second run that goes well stands for the environment from then on.
    let ini = "[tox]\nenv_list = first\n[testenv]\ncommands = python -c \"print('well')\"\n";
    twins.write("well.ini", ini.as_bytes());
    let both = test_both(twins, &["-c", "{home}/well.ini", "hello-shop"]);
    assert_eq!(both.ours.code, Some(0), "{both:?}");
    same_own_lines(&both);
    let both = twins.both(&["list", "-t", "hello-shop"]);
    assert!(both.ours.stdout.contains("tests passed"), "{both:?}");
    both.same();
}

fn files_are_selected(twins: &Twins) {
    let sdist = sdist(TOX_INI).build();
    let pure = Wheel::named("hello-shop").build();
    let foreign = Wheel::named("hello-shop").tag("cp27-cp27m-win32").build();
    prepare(twins, &[sdist, pure, foreign]);
    let both = test_both(
        twins,
        &["-s", "py3-none", "-e", "first", "--no-upload", "hello-shop"],
    );
    assert_eq!(both.ours.code, Some(0), "{both:?}");
    same_own_lines(&both);
    for output in [&both.ours, &both.released] {
        assert_eq!(output.stdout.matches("tested 1.0").count(), 1, "{both:?}");
        assert!(!output.stdout.contains("posting"), "{both:?}");
    }
    let both = twins.both(&["list", "-t", "hello-shop"]);
    assert!(!both.ours.stdout.contains("tests passed"), "{both:?}");
    both.same();

    let refused = test_ours(twins, &["-s", "(", "hello-shop"], "");
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let nothing = test_both(twins, &["-s", "nothing-at-all", "hello-shop"]);
    assert_eq!(nothing.ours.code, Some(0), "{nothing:?}");
    nothing.same_code();
}

fn configurations_are_found(twins: &Twins) {
    let other =
        "[tox]\nenv_list = other\n[testenv]\ncommands = python -c \"print('by another')\"\n";
    let pyproject = "[build-system]\nrequires = []\nbuild-backend = \"in_tree_backend\"\n\
         backend-path = [\"backend\"]\n[tool.tox]\nenv_list = [\"other\"]\n[tool.tox.env_run_base]\n\
         commands = [[\"python\", \"-c\", \"print('by pyproject')\"]]\n";
    let bare = Sdist::named("hello-shop")
        .version("1")
        .file("inside/other.ini", other);
    let own = Sdist::named("hello-shop")
        .version("2")
        .file("pyproject.toml", pyproject);
    prepare(twins, &[bare.build(), own.build()]);
    twins.write("outside.ini", other.as_bytes());

    let both = test_both(twins, &["--no-upload", "hello-shop==1"]);
    assert_eq!(both.ours.code, Some(1), "{both:?}");
    for output in [&both.same_code().ours, &both.released] {
        let told = "no tox.ini/pyproject.toml/setup.cfg file found in";
        assert!(output.stdout.contains(told), "{output:?}");
    }
    for (arguments, said) in [
        (
            &["--fallback-ini", "inside/other.ini", "hello-shop==1"] as &[&str],
            "by another",
        ),
        (
            &["--fallback-ini", "{home}/outside.ini", "hello-shop==1"],
            "by another",
        ),
        (
            &["--fallback-ini", "{home}/outside.ini", "hello-shop"],
            "by pyproject",
        ),
        (&["-c", "{home}/outside.ini", "hello-shop"], "by another"),
    ] {
        let mut all = vec!["--no-upload"];
        all.extend(arguments);
        let both = test_both(twins, &all);
        assert_eq!(both.ours.code, Some(0), "{both:?}");
        same_own_lines(&both);
        for output in [&both.ours, &both.released] {
            assert!(output.stdout.contains(said), "{arguments:?}: {both:?}");
        }
    }
    // Beside the working directory, where devpi-client has tox look below the release.
    let relative = test_ours(
        twins,
        &["--no-upload", "-c", "outside.ini", "hello-shop"],
        "",
    );
    assert_eq!(relative.code, Some(0), "{relative:?}");
    for missing in [
        &["-c", "none.ini", "hello-shop"] as &[&str],
        &["--fallback-ini", "none.ini", "hello-shop==1"],
    ] {
        let both = test_both(twins, missing);
        assert_eq!(both.ours.code, Some(1), "{both:?}");
        both.same_code();
        assert!(
            both.ours.stdout.contains("file does not exist: "),
            "{both:?}"
        );
    }
}

fn many_releases_are_tested_at_once(twins: &Twins) {
    let well = sdist(TOX_INI).version("1").build();
    let bad = sdist(FAILING_INI).version("2").build();
    prepare(twins, &[well, bad]);
    let output = test_ours(
        twins,
        &["--parallel=2", "-", "hello-shop<2"],
        "hello-shop == 2\nmissing # not there\n",
    );
    // devpi-client looks at the last one only.
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(
        output.stdout.matches("posting tox result").count(),
        2,
        "{output:?}"
    );
    assert!(
        output
            .stdout
            .contains("could not find/receive links for missing"),
        "{output:?}"
    );
    let listed = twins
        .ours
        .run(&["list", "-t", "hello-shop"], &[], "")
        .stdout;
    assert_eq!(listed.matches("tests passed").count(), 2, "{listed}");
    assert_eq!(listed.matches("tests failed").count(), 1, "{listed}");

    let chosen = test_ours(
        twins,
        &[
            "-e",
            "first,second",
            "--tox-args",
            "-p 2 -v",
            "hello-shop==1",
        ],
        "",
    );
    assert_eq!(chosen.code, Some(0), "{chosen:?}");
    assert!(chosen.stdout.contains("-efirst,second -c "), "{chosen:?}");
}

fn secrets_stay_secret(twins: &Twins) {
    let ini = "[tox]\nenv_list = first\n[testenv]\npass_env = PIP_INDEX_URL, UV_*\ncommands = \
               python -c \"import os; print('index', os.environ['PIP_INDEX_URL'], \
               os.environ['UV_INDEX_URL'])\"\n";
    prepare(twins, &[sdist(ini).build()]);
    twins
        .both(&["index", "root/dev", "acl_read=root"])
        .same_code();
    // What may be read after a login only is downloaded with it, and so is what tox installs.
    let mut command = twins.ours.command(&["test", "-v", "--debug", "hello-shop"]);
    command.env("PATH", tox());
    let output = finish(command, "");
    assert_eq!(output.code, Some(0), "{output:?}");
    let login = std::fs::read_to_string(twins.ours.home.path().join(".devpi/client/auth.json"));
    let document: serde_json::Value = serde_json::from_str(&login.unwrap()).unwrap();
    let logins = document["auth"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap();
    let token = logins[0][1].as_str().unwrap();
    // tox itself says what the tests print; of our own lines none does.
    for line in output
        .stdout
        .lines()
        .filter(|line| !line.starts_with("index "))
    {
        assert!(!line.contains(token), "{line}");
        assert!(!line.contains(ROOT_PASSWORD), "{line}");
    }
    let printed = output
        .stdout
        .lines()
        .find(|line| line.starts_with("index "));
    let printed = printed.unwrap();
    assert!(printed.contains(&format!("root:{token}@")), "{printed}");
    // Everybody who may read the index may read the result.
    twins
        .both(&["index", "root/dev", "acl_read=:ANONYMOUS:"])
        .same_code();
    let listed = finish(twins.ours.command(&["getjson", "hello-shop/1.0"]), "").stdout;
    let document: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let links = document["result"]["+links"].as_array().unwrap();
    let result = links
        .iter()
        .find(|link| link["rel"] == "toxresult")
        .unwrap();
    let text = fetch(result["href"].as_str().unwrap());
    assert!(text.contains("root:****@"), "{text}");
    assert!(!text.contains(token), "{text}");
}

fn trouble_before_tox_is_told(twins: &Twins) {
    let wheel = Wheel::named("hello-shop").tag("py2.py3-none-any").build();
    prepare(twins, &[wheel]);
    for spec in ["hello-shop", "hello-shop>2", "none"] {
        let both = test_both(twins, &[spec]);
        assert_eq!(both.ours.code, Some(1), "{both:?}");
        same_own_lines(&both);
    }
    let sdist = sdist(TOX_INI).build();
    twins.write(&sdist.name, &sdist.bytes);
    twins.both(&["upload", &sdist.name]).same_code();
    let nowhere = [("PATH", "/nowhere")];
    let output = twins.ours.run(&["test", "hello-shop"], &nowhere, "");
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stdout.contains("no tox binary found"), "{output:?}");
    let refused = test_both(twins, &["--index", "a/b/c", "hello-shop"]);
    assert_eq!(refused.ours.code, Some(1), "{refused:?}");
    refused.same_code();
}
