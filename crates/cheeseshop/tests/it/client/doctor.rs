//! `cheeseshop doctor`: what it finds well, and what it wants to be mended.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cheeseshop_test_support::{DevpiServer, python_client};
use serde_json::Value;

use super::shop::{PASSWORD, Shop, document, run};
use super::twins::Side;

/// The findings of a check, as `level: text`, and whether there is something to do with each that is
/// not `ok`.
fn findings(told: &Value, check: &str) -> Vec<String> {
    told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["check"] == check)
        .map(|finding| {
            let level = finding["level"].as_str().unwrap();
            assert_eq!(finding["advice"].is_null(), level == "ok", "{finding}");
            format!("{level}: {}", finding["text"].as_str().unwrap())
        })
        .collect()
}

#[track_caller]
fn assert_one(told: &Value, check: &str, level: &str, part: &str) {
    let found = findings(told, check);
    assert!(
        found
            .iter()
            .any(|one| one.starts_with(level) && one.contains(part)),
        "no `{level}` with `{part}` in {found:#?}"
    );
}

#[tokio::test]
async fn a_sound_machine_is_found_sound_and_each_fault_is_found() {
    let shop = Shop::open().await;
    let home = shop.client.home.path();
    let bundle = shop.authority.write_pem(home);
    let bundle = bundle.to_str().unwrap();
    let variables = [
        ("PIP_CERT", bundle),
        ("REQUESTS_CA_BUNDLE", bundle),
        ("SSL_CERT_FILE", bundle),
    ];
    let index = shop.at("bob/dev");
    for arguments in [
        &["use", "--set-cfg", &index] as &[&str],
        &["login", "bob", "--password", PASSWORD],
    ] {
        let output = shop.run(arguments, &variables);
        assert_eq!(output.code, Some(0), "{output:?}");
    }

    let output = shop.run(&["doctor"], &variables);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output.stdout.contains("ok    login: as bob until "),
        "{output:?}"
    );
    let output = shop.run(&["doctor", "--json"], &variables);
    let told = document(&output);
    assert_eq!(told["ok"], true);
    for (check, part) in [
        ("certificates", "1 are trusted"),
        ("proxy", "none"),
        ("server", "name resolved in"),
        (
            "certificate",
            "CN=Cheeseshop test server is valid until 4096-01-01",
        ),
        ("clock", "agree"),
        ("version", "server "),
        ("login", "as bob until "),
        ("index", "can be read"),
        ("pip", &format!("installs from {index}/+simple/")),
        ("uv", &format!("installs from {index}/+simple/")),
        ("permissions", "nobody else"),
        ("space", "MiB free"),
    ] {
        assert_one(&told, check, "ok", part);
    }

    // Faults, one after the other.
    let doctor = |variables: &[(&str, &str)]| {
        let output = shop.run(&["doctor", "--json"], variables);
        assert_eq!(output.code, Some(1), "{output:?}");
        let told = document(&output);
        assert_eq!(told["ok"], false);
        told
    };
    let told = doctor(&[]);
    assert_one(
        &told,
        "certificate",
        "fix",
        "an issuer that is not trusted here",
    );
    assert_one(
        &told,
        "certificate",
        "fix",
        "issued by: CN=Cheeseshop test authority",
    );

    let extra = (
        "PIP_EXTRA_INDEX_URL",
        "https://me:secret@elsewhere.example/simple/",
    );
    let host = ("UV_INSECURE_HOST", "localhost");
    let told = doctor(&[&variables[..], &[extra, host]].concat());
    assert_one(&told, "pip", "fix", "takes the best version of all");
    assert_one(
        &told,
        "uv",
        "fix",
        "believes localhost without a certificate (UV_INSECURE_HOST)",
    );
    assert!(!told.to_string().contains("secret"));

    let told = doctor(&[("SSL_CERT_FILE", "/no/such")]);
    assert_one(&told, "certificates", "fix", "SSL_CERT_FILE");

    let logins = home.join(".devpi/client/auth.json");
    let open = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&logins, permissions).unwrap();
    };
    open(0o644);
    let told = doctor(&variables);
    assert_one(
        &told,
        "permissions",
        "fix",
        "auth.json may be read by others (mode 0644)",
    );
    open(0o600);

    let text = std::fs::read_to_string(&logins).unwrap();
    std::fs::write(&logins, text.replace("csl1_", "csl1_AAAA")).unwrap();
    let told = doctor(&variables);
    assert_one(&told, "login", "fix", "does not accept the login of bob");
    std::fs::write(&logins, text).unwrap();

    let output = shop.run(&["doctor", "--json", &shop.at("bob/none")], &variables);
    assert_eq!(output.code, Some(1), "{output:?}");
}

#[test]
fn a_released_devpi_server_is_understood() {
    let client = Side::ours_alone();
    let folder = client.home.path().join("server");
    let server = DevpiServer::start(&folder, PASSWORD, &[]);
    for arguments in [
        &["use", &server.url()] as &[&str],
        &["login", "root", "--password", PASSWORD],
    ] {
        let output = run(&client, arguments, &[]);
        assert_eq!(output.code, Some(0), "{output:?}");
    }
    let output = run(&client, &["doctor", "--json"], &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let told = document(&output);
    assert_one(&told, "version", "ok", "server devpi-server 6.20.3");
    // The end of a login is read from devpi-server's own tokens: ten hours from now.
    assert_one(&told, "login", "ok", "as root until ");
    let minutes: i64 = findings(&told, "login")[0]
        .rsplit_once('(')
        .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
        .unwrap();
    assert!((590..=600).contains(&minutes), "{minutes}");
}

#[test]
fn a_server_that_is_not_there_is_to_be_fixed_and_no_server_is_none() {
    let client = Side::ours_alone();
    let output = run(&client, &["doctor", "--json", "http://127.0.0.1:1/"], &[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_one(
        &document(&output),
        "server",
        "fix",
        "cannot connect to 127.0.0.1 port 1",
    );
    let output = run(
        &client,
        &["doctor", "--json", "http://no-such-host.test/"],
        &[],
    );
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_one(
        &document(&output),
        "server",
        "fix",
        "the name no-such-host.test has no address",
    );
    let output = run(&client, &["doctor", "--json"], &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_one(&document(&output), "server", "warn", "none is in use");
    let output = run(&client, &["doctor", "bob/dev"], &[]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("URL is no URL"), "{output:?}");
}

#[test]
fn a_clock_that_is_wrong_and_a_server_that_is_another_are_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let Ok(count) = stream.read(&mut request) else {
                continue;
            };
            let request = String::from_utf8_lossy(&request[..count]).into_owned();
            let body = format!(
                "{{\"type\": \"apiconfig\", \"result\": {{\"login\": \"http://{address}/+login\", \
                 \"authstatus\": [\"noauth\", \"\", []]}}}}"
            );
            let body = if request.starts_with("GET /+api ") {
                body
            } else {
                "hello".to_owned()
            };
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    let client = Side::ours_alone();
    let output = run(
        &client,
        &["doctor", "--json", &format!("http://{address}/")],
        &[],
    );
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_one(&document(&output), "clock", "fix", "ahead of the server's");
    let other = format!("http://{address}/other/");
    let output = run(&client, &["doctor", "--json", &other], &[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_one(
        &document(&output),
        "server",
        "fix",
        "not as a devpi-compatible server",
    );
}

/// What pip or uv says when it looks for a project where nobody listens.
fn tried(client: &Side, program: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = cheeseshop_test_support::client_command(program, client.home.path());
    command.env_remove("PIP_CONFIG_FILE");
    command.env_remove("UV_NO_CONFIG");
    let output = command
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// An index where nobody listens.
fn nowhere(name: &str) -> String {
    format!("http://127.0.0.1:1/{name}/")
}

#[test]
fn what_is_told_of_pip_and_uv_is_what_they_do() {
    let client = Side::ours_alone();
    let home = client.home.path();
    let write = |name: &str, text: &str| {
        let path = home.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let pip_conf =
        |section: &str, name: &str| format!("[{section}]\nindex-url = {}\n", nowhere(name));
    let uv_toml = |name: &str| format!("index-url = \"{}\"\n", nowhere(name));
    write("machine/pip/pip.conf", &pip_conf("install", "machine"));
    write("old/.pip/pip.conf", &pip_conf("global", "old"));
    write(".config/pip/pip.conf", &pip_conf("global", "user"));
    write("named.conf", &pip_conf("global", "named"));
    write(".config/uv/uv.toml", &uv_toml("user"));
    write("machine/uv/uv.toml", &uv_toml("machine"));
    write("named.toml", &uv_toml("named"));
    let (variable, default) = (nowhere("variable"), nowhere("default"));
    let none = home.join("none");
    let machine = home.join("machine");
    let old = home.join("old");
    let none = none.to_str().unwrap();
    let machine = machine.to_str().unwrap();
    let apart = ("XDG_CONFIG_DIRS", none);
    let pips: &[(&[(&str, &str)], &str)] = &[
        (&[apart], "user"),
        (&[("XDG_CONFIG_DIRS", machine)], "machine"),
        (&[apart, ("PIP_CONFIG_FILE", "named.conf")], "named"),
        (&[apart, ("PIP_CONFIG_FILE", "missing.conf")], "user"),
        (&[apart, ("PIP_INDEX_URL", &variable)], "variable"),
        (
            &[
                apart,
                ("HOME", old.to_str().unwrap()),
                ("XDG_CONFIG_HOME", none),
            ],
            "old",
        ),
    ];
    let uvs: &[(&[(&str, &str)], &str)] = &[
        (&[apart], "user"),
        (
            &[("XDG_CONFIG_DIRS", machine), ("XDG_CONFIG_HOME", none)],
            "machine",
        ),
        (&[apart, ("UV_CONFIG_FILE", "named.toml")], "named"),
        (&[apart, ("UV_INDEX_URL", &variable)], "variable"),
        (
            &[
                apart,
                ("UV_INDEX_URL", &variable),
                ("UV_DEFAULT_INDEX", &default),
            ],
            "default",
        ),
    ];
    let pip = python_client("pip");
    let pip_arguments = [
        "install",
        "--dry-run",
        "--no-deps",
        "--retries",
        "0",
        "--target",
        "there",
        "pkg",
    ];
    let uv = python_client("uv");
    let uv_arguments = ["pip", "install", "--no-deps", "--target", "there", "pkg"];
    for (tool, program, arguments, cases) in [
        ("pip", &pip, &pip_arguments as &[&str], pips),
        ("uv", &uv, &uv_arguments, uvs),
    ] {
        for (variables, name) in cases {
            let told = document(&run(&client, &["doctor", "--json"], variables));
            assert_one(
                &told,
                tool,
                "ok",
                &format!("installs from {}", nowhere(name)),
            );
            let mut variables = variables.to_vec();
            variables.push(("UV_HTTP_RETRIES", "0"));
            let said = tried(&client, program, arguments, &variables);
            assert!(said.contains(&nowhere(name)), "{tool} {name}: {said}");
        }
    }
}
