//! `cheeseshop certs`, its bundles, and the programs that use them.

use std::path::Path;
use std::process::Command;

use cheeseshop_test_support::{CertificateAuthority, client_command, python_client};

use super::assert_says;
use crate::client::shop::{Shop, document, run};
use crate::client::twins::Side;
use crate::support::{Output, finish};

#[tokio::test]
async fn certs_tells_what_is_trusted_and_from_where() {
    let client = Side::ours_alone();
    let home = client.home.path();
    let authority = CertificateAuthority::new();
    let (expired, _) = authority.issue_for(&["old.test"], 2020..2021);
    let bundle = home.join("bundle.pem");
    std::fs::write(&bundle, format!("{}{expired}", authority.pem())).unwrap();
    let bundle = bundle.to_str().unwrap();
    let variables = [("REQUESTS_CA_BUNDLE", bundle)];

    let output = run(&client, &["certs"], &variables);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_says(
        &output.stdout,
        &[
            "2 trusted certificates of\n",
            &format!("  {bundle} (named by REQUESTS_CA_BUNDLE)\n"),
            "expired       2021-01-01 CN=Cheeseshop test server\n",
        ],
    );
    assert!(!output.stdout.contains("CN=Cheeseshop test authority"));
    let output = run(&client, &["certs", "--all"], &variables);
    assert_says(
        &output.stdout,
        &["valid         4096-01-01 CN=Cheeseshop test authority"],
    );
    let output = run(&client, &["certs", "--json"], &variables);
    let told = document(&output);
    assert_eq!(told["source"], "named");
    assert_eq!(told["count"], 2);
    assert_eq!(told["places"][0]["named_by"], "REQUESTS_CA_BUNDLE");
    assert_eq!(told["certificates"][0]["state"], "expired");
    assert_eq!(told["certificates"].as_array().unwrap().len(), 1);

    let output = run(&client, &["certs"], &[("PIP_CERT", "/no/such")]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert_says(&output.stderr, &["error: ", "PIP_CERT", "/no/such"]);
    assert_eq!(output.stdout, "");
}

#[tokio::test]
async fn a_bundle_is_made_once_and_keeps_what_was_added() {
    let client = Side::ours_alone();
    let home = client.home.path();
    let authority = CertificateAuthority::new();
    let company = authority.write_pem(home);
    let company = company.to_str().unwrap();
    let (server, key) = authority.issue(&["shop.test"]);
    std::fs::write(home.join("server.pem"), format!("{server}{key}")).unwrap();
    std::fs::write(home.join("junk.pem"), "junk").unwrap();

    let first = run(
        &client,
        &["certs", "bundle", "--add", company, company],
        &[],
    );
    assert_eq!(first.code, Some(0), "{first:?}");
    let path = home.join(".local/share/cheeseshop/ca-bundle.pem");
    assert_says(
        &first.stderr,
        &["wrote ", path.to_str().unwrap(), "1 added"],
    );
    for name in [
        "PIP_CERT",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "NODE_EXTRA_CA_CERTS",
        "CARGO_HTTP_CAINFO",
    ] {
        let line = format!("export {name}='{}'\n", path.display());
        assert_says(&first.stdout, &[&line]);
    }
    let written = path.metadata().unwrap().modified().unwrap();

    // The same again, also in a shell that has the exports already.
    let own = path.to_str().unwrap();
    let variables = [("SSL_CERT_FILE", own), ("PIP_CERT", own)];
    let second = run(&client, &["certs", "bundle", "--add", company], &variables);
    assert_says(&second.stderr, &["unchanged"]);
    assert_eq!(second.stdout, first.stdout);
    assert_eq!(path.metadata().unwrap().modified().unwrap(), written);
    let third = run(&client, &["certs", "bundle", "--json"], &variables);
    let told = document(&third);
    assert_eq!(told["changed"], false);
    assert_eq!(told["added"].as_array().unwrap().len(), 1);
    assert_eq!(told["variables"]["PIP_CERT"], own);

    // Odd files: warned of, or refused.
    let other = home.join("other.pem");
    let arguments = [
        "certs",
        "bundle",
        "--output",
        "other.pem",
        "--add",
        "server.pem",
    ];
    let output = run(&client, &arguments, &[]);
    assert_says(&output.stderr, &["is no authority", "private key"]);
    let text = std::fs::read_to_string(&other).unwrap();
    assert!(!text.contains("PRIVATE KEY"));
    let output = run(&client, &["certs", "bundle", "--add", "junk.pem"], &[]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert_says(&output.stderr, &["junk.pem: it holds no certificate"]);
    // Else `eval` would go on as if the company were trusted.
    assert_eq!(output.stdout, "false;\n");
    for unprinted in [["--json", "--fresh"], ["--export", "exports.sh"]] {
        let arguments = [&["certs", "bundle", "--add", "junk.pem"], &unprinted[..]].concat();
        let output = run(&client, &arguments, &[]);
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
    }
    let output = run(&client, &["certs", "bundle", "--output", "junk.pem"], &[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(
        std::fs::read_to_string(home.join("junk.pem")).unwrap(),
        "junk"
    );

    // Forgotten on demand.
    let fresh = run(&client, &["certs", "bundle", "--fresh", "--json"], &[]);
    assert_eq!(document(&fresh)["added"].as_array().unwrap().len(), 0);
}

#[test]
fn exports_are_put_into_a_shell_file_once() {
    let client = Side::ours_alone();
    let home = client.home.path();
    CertificateAuthority::new().write_pem(home);
    std::fs::write(home.join(".profile"), "umask 022\n").unwrap();
    let arguments = [
        "certs",
        "bundle",
        "--add",
        "ca.pem",
        "--export",
        "~/.profile",
    ];
    let output = run(&client, &arguments, &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(output.stdout, "");
    let text = std::fs::read_to_string(home.join(".profile")).unwrap();
    assert!(text.starts_with("umask 022\n"), "{text}");
    run(&client, &arguments, &[]);
    let again = std::fs::read_to_string(home.join(".profile")).unwrap();
    assert_eq!(again, text);
    let mut shell = client_command(Path::new("/bin/sh"), home);
    shell.args(["-c", ". ~/.profile && printf %s \"$PIP_CERT\""]);
    let output = shell.output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        home.join(".local/share/cheeseshop/ca-bundle.pem")
            .to_str()
            .unwrap()
    );
}

/// Runs a program of others in the home, with the exports or without.
fn witness(
    home: &Path,
    program: &Path,
    arguments: &[&str],
    exports: &[(String, String)],
) -> Output {
    let mut command: Command = client_command(program, home);
    command
        .args(arguments)
        .envs(exports.iter().map(|(name, value)| (name, value)))
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    finish(command, "")
}

#[tokio::test]
async fn the_exports_make_pip_uv_requests_curl_and_git_trust_the_company() {
    let shop = Shop::open().await;
    let home = shop.client.home.path();
    shop.authority.write_pem(home);
    let made = shop.run(&["certs", "bundle", "--add", "ca.pem", "--json"], &[]);
    let exports: Vec<(String, String)> = document(&made)["variables"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();

    let simple = shop.at("bob/dev/+simple/");
    let url = shop.at("bob/dev/");
    let pip = python_client("pip");
    let uv = python_client("uv");
    let requests = python_client("twine").with_file_name("python");
    let ask = format!("import requests; print(requests.get('{simple}').status_code)");
    let repository = shop.at("repository.git");
    let programs: [(&Path, Vec<&str>); 4] = [
        (
            &pip,
            vec![
                "download",
                "--retries",
                "0",
                "--no-deps",
                "--no-cache-dir",
                "--dest",
                "by-pip",
                "--index-url",
                &simple,
                "pkg",
            ],
        ),
        (
            &uv,
            vec![
                "pip",
                "install",
                "--target",
                "by-uv",
                "--no-cache",
                "--default-index",
                &simple,
                "pkg",
            ],
        ),
        (&requests, vec!["-c", &ask]),
        (
            Path::new("/usr/bin/curl"),
            vec!["--silent", "--show-error", "--fail", &url],
        ),
    ];
    for (program, arguments) in programs {
        let name = program.display();
        let without = witness(home, program, &arguments, &[]);
        assert_ne!(without.code, Some(0), "{name}: {without:?}");
        let told = format!("{}{}", without.stdout, without.stderr).to_lowercase();
        assert!(told.contains("certificate"), "{name}: {without:?}");
        let with = witness(home, program, &arguments, &exports);
        assert_eq!(with.code, Some(0), "{name}: {with:?}");
    }
    let installed = std::fs::read_dir(home.join("by-uv")).unwrap();
    assert!(
        installed
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .any(|name| name.starts_with("pkg-") && name.ends_with(".dist-info"))
    );
    // There is no repository; what matters is how far git comes.
    let git = Path::new("/usr/bin/env");
    let arguments = ["git", "ls-remote", &repository];
    let without = witness(home, git, &arguments, &[]);
    assert!(without.stderr.contains("certificate"), "{without:?}");
    let with = witness(home, git, &arguments, &exports);
    assert!(with.stderr.contains("not found"), "{with:?}");
}
