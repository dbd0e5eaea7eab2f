//! Servers with certificates of a company's own authority: what is trusted, what is refused and how that
//! is told, and bundles that make other programs trust them too.

mod bundles;

use cheeseshop_test_support::{CertificateAuthority, Nginx, TlsFront, loopback_port};

use super::shop::{PASSWORD, Shop, run, use_unasked};
use super::twins::Side;

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

/// The server is verified by its authority's certificate.
#[track_caller]
fn assert_is_trusted(shop: &Shop) {
    let bundle = shop.authority.write_pem(shop.client.home.path());
    let output = shop.run(
        &["use", &shop.at(""), "--ca-bundle", bundle.to_str().unwrap()],
        &[],
    );
    assert!(!output.stdout.contains(UNVERIFIED), "{output:?}");
    assert!(output.stdout.contains("using server"), "{output:?}");
}

#[tokio::test]
async fn an_authority_that_serves_itself_is_trusted_by_name() {
    let authority = CertificateAuthority::serving(&["localhost"]);
    let (chain, key) = authority.itself();
    let front = TlsFront::start(&chain, &key, None);
    let shop = Shop::behind(authority, front).await;
    assert_is_trusted(&shop);
}

#[tokio::test]
async fn a_whole_chain_is_trusted_by_its_root() {
    let authority = CertificateAuthority::new();
    let intermediate = authority.intermediate();
    let (chain, key) = intermediate.issue(&["localhost"]);
    let front = TlsFront::start(&format!("{chain}{}", intermediate.pem()), &key, None);
    let shop = Shop::behind(authority, front).await;
    assert_is_trusted(&shop);
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
    let port = loopback_port();
    let (plain, secure) = ["http://127.0.0.1", "https://localhost"]
        .map(|url| format!("{url}:{port}"))
        .into();
    let site = {
        let folder = folder.display();
        format!(
            "server {{\n listen 127.0.0.1:{port} ssl;\n ssl_certificate {folder}/server.pem;\n \
             ssl_certificate_key {folder}/key.pem;\n ssl_client_certificate {folder}/ca.pem;\n \
             ssl_verify_client on;\n location / {{ return 204; }}\n}}\n"
        )
    };
    let site_file = folder.join("site.conf");
    std::fs::write(&site_file, site).unwrap();
    let _nginx = Nginx::start(&folder, &[&site_file], port, "root");
    let trusted = [("SSL_CERT_FILE", bundle.to_str().unwrap())];

    let output = run(&client, &["use", &plain], &[]);
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
    let output = run(&client, &["doctor", &plain], &[]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_says(
        &output.stdout,
        &["fix   server:", "the URL has to begin with https://"],
    );
}
