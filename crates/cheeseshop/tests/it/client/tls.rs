//! Servers with certificates of a company's own authority: what is trusted, what is refused and how that
//! is told, and bundles that make other programs trust them too.

use std::path::Path;
use std::process::Command;

use cheeseshop_test_support::{CertificateAuthority, TlsFront, client_command, python_client};

use super::shop::{PASSWORD, Shop, document, run, use_unasked};
use super::twins::Side;
use crate::nginx::{self, Nginx};
use crate::support::{Output, finish};

/// What `use` says about a certificate that it could not verify.
const UNVERIFIED: &str = "certificate validation failed";

#[tokio::test]
async fn a_company_authority_is_trusted_by_option_and_by_every_variable() {
    let shop = Shop::open().await;
    let home = shop.client.home.path();
    let bundle = shop.authority.write_pem(home);
    let bundle = bundle.to_str().unwrap();
    let folder = home.join("certificates");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(bundle, folder.join("company.crt")).unwrap();
    let folder = folder.to_str().unwrap();
    let index = shop.at("bob/dev");

    let untrusted = shop.run(&["use", &index], &[]);
    assert!(untrusted.stdout.contains(UNVERIFIED), "{untrusted:?}");
    let trusted = shop.run(&["use", &index, "--ca-bundle", bundle], &[]);
    assert_eq!(trusted.code, Some(0), "{trusted:?}");
    assert!(!trusted.stdout.contains(UNVERIFIED), "{trusted:?}");
    for variable in [
        ("PIP_CERT", bundle),
        ("REQUESTS_CA_BUNDLE", bundle),
        ("SSL_CERT_FILE", bundle),
        ("CURL_CA_BUNDLE", bundle),
        ("SSL_CERT_DIR", folder),
        ("REQUESTS_CA_BUNDLE", folder),
    ] {
        let trusted = shop.run(&["getjson", "/bob"], &[variable]);
        assert_eq!(trusted.code, Some(0), "{variable:?}: {trusted:?}");
        // A wrong value is told with its variable, not taken for nothing.
        let output = shop.run(&["getjson", "/bob"], &[(variable.0, "no/such/file")]);
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.stdout.contains(variable.0), "{output:?}");
        assert!(output.stdout.contains("no/such/file"), "{output:?}");
    }
    // The first one counts.
    let variables = [("PIP_CERT", bundle), ("SSL_CERT_FILE", "/no/such")];
    assert_eq!(shop.run(&["getjson", "/bob"], &variables).code, Some(0));
}

#[tokio::test]
async fn without_tls_a_wrong_bundle_does_not_matter() {
    let shop = Shop::open().await;
    let plain = format!("{}/", shop.server.url);
    use_unasked(&shop.client, &plain);
    let output = shop.run(&["getjson", "/bob"], &[("PIP_CERT", "/no/such")]);
    assert_eq!(output.code, Some(0), "{output:?}");
}

/// Asks a front with these certificates and tells what the client says of it.
fn refusal(chain: &str, key: &str, host: &str, trusted: Option<&CertificateAuthority>) -> String {
    let front = TlsFront::start(chain, key, None);
    let client = Side::ours_alone();
    use_unasked(&client, &format!("https://{host}:{}/", front.port()));
    let mut arguments = vec!["getjson", "/bob"];
    let bundle = trusted.map(|authority| authority.write_pem(client.home.path()));
    if let Some(bundle) = &bundle {
        arguments.extend(["--ca-bundle", bundle.to_str().unwrap()]);
    }
    let output = run(&client, &arguments, &[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(
        output.stdout.starts_with("SSL verification failed"),
        "{output:?}"
    );
    output.stdout
}

#[track_caller]
fn assert_says(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "`{part}` is missing in:\n{told}");
    }
}

#[test]
fn refusals_say_which_certificate_and_what_to_do() {
    let authority = CertificateAuthority::new();
    let trusted = Some(&authority);
    let names: &[&str] = &["localhost", "shop.test"];

    let (chain, key) = authority.issue_for(names, 2020..2021);
    assert_says(
        &refusal(&chain, &key, "localhost", trusted),
        &[
            "the certificate of localhost is expired since 2021-01-01 00:00 UTC (",
            "certificate: CN=Cheeseshop test server",
            "for: localhost, shop.test",
            "issued by: CN=Cheeseshop test authority",
            "valid: 2020-01-01 to 2021-01-01",
            "whoever runs localhost has to renew it",
            "set the clock",
        ],
    );
    let (chain, key) = authority.issue_for(names, 2090..2091);
    assert_says(
        &refusal(&chain, &key, "localhost", trusted),
        &["is not valid before 2090-01-01 00:00 UTC", "set the clock"],
    );
    let (chain, key) = authority.issue(&["shop.test"]);
    assert_says(
        &refusal(&chain, &key, "localhost", trusted),
        &[
            "is not for localhost",
            "for: shop.test",
            "such as shop.test",
            "1 certificates of ",
            "(--ca-bundle)",
        ],
    );
    let (chain, key) = authority.issue(names);
    let whole = format!("{chain}{}", authority.pem());
    assert_says(
        &refusal(&whole, &key, "localhost", None),
        &[
            "from an authority that is not trusted here: CN=Cheeseshop test authority",
            "trusted here: the certificates of the system",
            "cheeseshop certs bundle --add FILE",
        ],
    );
    let intermediate = authority.intermediate();
    let (chain, key) = intermediate.issue(names);
    assert_says(
        &refusal(&chain, &key, "localhost", trusted),
        &[
            "its chain is incomplete: the server sent no certificate of CN=Cheeseshop test intermediate",
            "has to send the whole chain",
        ],
    );
}

#[test]
fn an_authority_that_serves_itself_is_explained() {
    let authority = CertificateAuthority::serving(&["localhost"]);
    let (chain, key) = authority.itself();
    assert_says(
        &refusal(&chain, &key, "localhost", None),
        &[
            "that of an authority, which is not taken as a server's",
            "certificate: CN=Cheeseshop test authority",
            "basicConstraints=CA:FALSE",
            "--ca-bundle",
        ],
    );
}

#[tokio::test]
async fn an_authority_that_serves_itself_is_trusted_by_name() {
    let authority = CertificateAuthority::serving(&["localhost"]);
    let (chain, key) = authority.itself();
    let front = TlsFront::start(&chain, &key, None);
    let shop = Shop::behind(authority, front).await;
    let bundle = shop.authority.write_pem(shop.client.home.path());
    let output = shop.run(
        &["use", &shop.at(""), "--ca-bundle", bundle.to_str().unwrap()],
        &[],
    );
    assert!(!output.stdout.contains(UNVERIFIED), "{output:?}");
    assert!(output.stdout.contains("using server"), "{output:?}");
}

#[tokio::test]
async fn a_whole_chain_is_trusted_by_its_root() {
    let authority = CertificateAuthority::new();
    let intermediate = authority.intermediate();
    let (chain, key) = intermediate.issue(&["localhost"]);
    let front = TlsFront::start(&format!("{chain}{}", intermediate.pem()), &key, None);
    let shop = Shop::behind(authority, front).await;
    let bundle = shop.authority.write_pem(shop.client.home.path());
    let output = shop.run(
        &["use", &shop.at(""), "--ca-bundle", bundle.to_str().unwrap()],
        &[],
    );
    assert!(!output.stdout.contains(UNVERIFIED), "{output:?}");
    assert!(output.stdout.contains("using server"), "{output:?}");
}

#[tokio::test]
async fn use_goes_on_without_secrets_and_says_why() {
    let shop = Shop::open().await;
    let output = shop.run(&["use", &shop.at("bob/dev")], &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_says(
        &output.stdout,
        &[
            UNVERIFIED,
            "the certificate of localhost is from an issuer that is not trusted here",
            "SHA-256: ",
            "certs bundle --add FILE",
            "current devpi index: https://localhost",
        ],
    );
    // A password does not go there.
    let output = shop.run(&["login", "bob", "--password", PASSWORD], &[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(
        output.stdout.contains("SSL verification failed"),
        "{output:?}"
    );
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_gets_it() {
    let authority = CertificateAuthority::new();
    let (chain, key) = authority.issue(&["localhost"]);
    let front = TlsFront::start(&chain, &key, Some(&authority));
    let shop = Shop::behind(authority, front).await;
    let home = shop.client.home.path();
    let bundle = shop.authority.write_pem(home);
    let trusted = [("SSL_CERT_FILE", bundle.to_str().unwrap())];
    let write = |name: &str, text: String| {
        let path = home.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ask = |certificate: Option<&str>| {
        let url = shop.at("bob/dev");
        let mut arguments = vec!["use", &url];
        if let Some(certificate) = certificate {
            arguments.extend(["--client-cert", certificate]);
        }
        shop.run(&arguments, &trusted)
    };

    let output = ask(None);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_says(
        &output.stdout,
        &["wants a client certificate", "--client-cert FILE"],
    );

    let (stranger, strangers_key) = CertificateAuthority::new().issue_client("stranger");
    let output = ask(Some(&write(
        "stranger.pem",
        format!("{stranger}{strangers_key}"),
    )));
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_says(&output.stdout, &["does not accept the client certificate"]);

    let (own, own_key) = shop.authority.issue_client("bob");
    let encrypted = own_key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for (text, told) in [
        (format!("{own}{encrypted}"), "its private key is encrypted"),
        (own.clone(), "it holds no private key"),
        (
            format!("{stranger}{own_key}"),
            "does not belong to its private key",
        ),
    ] {
        let output = ask(Some(&write("wrong.pem", text)));
        assert_eq!(output.code, Some(1), "{output:?}");
        assert_says(&output.stdout, &[told, "wrong.pem", "--client-cert"]);
    }

    let path = write("bob.pem", format!("{own_key}{own}{}", shop.authority.pem()));
    let output = ask(Some(&path));
    assert_eq!(output.code, Some(0), "{output:?}");
    // It is remembered for the server.
    let output = shop.run(&["getjson", "/bob"], &trusted);
    assert_eq!(output.code, Some(0), "{output:?}");
    let output = shop.run(&["doctor"], &trusted);
    assert_says(&output.stdout, &["client certificate: CN=bob"]);
}

#[tokio::test]
async fn the_wrong_scheme_is_told() {
    let shop = Shop::open().await;
    let plain = shop
        .server
        .url
        .replace("http://127.0.0.1", "https://localhost");
    let output = shop.run(&["use", &plain], &[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_says(
        &output.stdout,
        &[
            "could not connect to",
            "answers without TLS at this port",
            "http://",
        ],
    );
    let secure = shop.front.url().replace("https://", "http://");
    let output = shop.run(&["use", &secure], &[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_says(&output.stdout, &["speaks no HTTP", "https://"]);
}

#[test]
fn the_pages_of_a_front_server_are_explained() {
    let client = Side::ours_alone();
    let home = client.home.path();
    let folder = home.join("nginx");
    std::fs::create_dir(&folder).unwrap();
    let authority = CertificateAuthority::new();
    let (certificate, key) = authority.issue(&["localhost"]);
    std::fs::write(folder.join("server.pem"), certificate).unwrap();
    std::fs::write(folder.join("key.pem"), key).unwrap();
    let bundle = authority.write_pem(&folder);
    let nginx = Nginx::start_with(&folder, |address| {
        let preamble = nginx::preamble(&folder);
        let folder = folder.display();
        format!(
            "{preamble}server {{\n listen {address} ssl;\n ssl_certificate {folder}/server.pem;\n \
             ssl_certificate_key {folder}/key.pem;\n ssl_client_certificate {folder}/ca.pem;\n \
             ssl_verify_client on;\n location / {{ return 204; }}\n}}\n}}\n"
        )
    });
    let secure = nginx.url.replace("http://127.0.0.1", "https://localhost");
    let trusted = [("SSL_CERT_FILE", bundle.to_str().unwrap())];

    let output = run(&client, &["use", &nginx.url], &[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_says(
        &output.stdout,
        &["400", "the URL has to begin with https://"],
    );
    let output = run(&client, &["use", &secure], &trusted);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_says(&output.stdout, &["400", "wants a client certificate"]);
    let (stranger, key) = CertificateAuthority::new().issue_client("stranger");
    std::fs::write(home.join("stranger.pem"), format!("{stranger}{key}")).unwrap();
    let arguments = ["use", "--client-cert", "stranger.pem", &secure];
    let output = run(&client, &arguments, &trusted);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_says(&output.stdout, &["does not accept the client certificate"]);
    let output = run(&client, &["doctor", &nginx.url], &[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_says(
        &output.stdout,
        &["fix   server:", "the URL has to begin with https://"],
    );
}

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
