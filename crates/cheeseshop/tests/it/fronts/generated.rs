//! What `gen-config` writes, for many combinations of settings and options.

use cheeseshop_test_support::{CertificateAuthority, Haproxy, Nginx, loopback_port};

use super::{ACCEL, certificate};
use crate::support::Home;

/// Files that every combination may name.
fn files(home: &Home) -> String {
    let authority = CertificateAuthority::new();
    let (certificate, key) = certificate(home, &authority, &["a.test", "b.test", "c.test"]);
    let texts = [&certificate, &key].map(|path| std::fs::read_to_string(path).unwrap());
    home.write("both.pem", &texts.concat());
    let ca = authority.write_pem(home.path());
    let folder = home.path().join("of people; 'our' #1");
    std::fs::create_dir(&folder).unwrap();
    for file in [certificate, key, ca, home.path().join("both.pem")] {
        std::fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
    }
    folder.display().to_string()
}

#[test]
fn nginx_takes_every_file_that_is_written_for_it() {
    let home = Home::new();
    let folder = files(&home);
    let tls = [
        format!("--set=tls.certificate={folder}/a.test.pem"),
        format!("--set=tls.key={folder}/a.test.key"),
    ];
    let certificate = [
        format!("--certificate={folder}/a.test.pem"),
        format!("--key={folder}/a.test.key"),
    ];
    let port = loopback_port();
    let listen = format!("--listen=127.0.0.1:{port}");
    let redirect = format!("--redirect-from=127.0.0.1:{}", loopback_port());
    let client_ca = format!("--client-ca={folder}/ca.pem");
    let node_ca = format!("--node-ca={folder}/ca.pem");
    let cache = format!("--cache={folder}/cache");
    let acme = format!("--acme-root={folder}");
    let cases: &[&[&str]] = &[
        &[],
        &[ACCEL],
        &["--set=server.listen=unix:/run/shop.sock"],
        &[
            "--set=server.listen=https://127.0.0.1:3141",
            &tls[0],
            &tls[1],
        ],
        &["--set=server.listen=[::1]:3141"],
        &["--set=server.outside_url=https://a.test/pypi", ACCEL],
        &[
            "--set=server.outside_url=https://a.test:8443/a.b-c/",
            "--immutable-accounts",
            &cache,
        ],
        &["--login-rate=0", "--redirect-from=none"],
        &["--listen=[::1]:8443", "--allow-status=10.1.2.3/8"],
        &[
            "--node=10.0.0.1:3141",
            "--node=[::1]:3141",
            "--node=unix:/run/shop.sock",
            &cache,
        ],
        &["--node=https://10.0.0.1:3141", "--node=https://localhost:1"],
        &["--node=https://10.0.0.1:3141", &node_ca],
        &[
            "--allow-status=10.0.0.0/8",
            "--allow-status=2001:db8::/32",
            "--allow-status=::1",
        ],
        &["--allow-status=all", &acme],
        &["--immutable-accounts", &cache, ACCEL, &client_ca],
        &[&client_ca, "--client-certificates=optional"],
        &[
            "--server-name=a.test,b.test",
            "--server-name=c.test",
            ACCEL,
            &cache,
        ],
    ];
    for case in cases {
        let mut arguments = vec!["gen-config", "nginx", &listen];
        if !case.contains(&"--redirect-from=none") {
            arguments.push(&redirect);
        }
        arguments.extend(certificate.iter().map(String::as_str));
        if !case.iter().any(|word| word.starts_with("--server-name")) {
            arguments.push("--server-name=a.test");
        }
        arguments.extend(*case);
        accepted(&home, &arguments);
    }
    let plain = [
        "gen-config",
        "nginx",
        &listen,
        "--plain-http",
        "--server-name=a.test",
    ];
    accepted(&home, &plain);
}

/// Writes the file and has nginx look at it.
fn accepted(home: &Home, arguments: &[&str]) {
    let output = home.run(arguments).succeeded("gen-config");
    let text = &output.stdout;
    for left in ["{{", "{%", "\n\n\n", " \n", "none\n"] {
        assert!(!text.contains(left), "{left:?} in {arguments:?}\n{text}");
    }
    let site = home.write("site.conf", text);
    let output = Nginx::check(&home.path().join("nginx"), &[&site], "root");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}\n{told}\n{text}");
    assert!(!told.contains("[warn]"), "{arguments:?}\n{told}");
}

#[test]
fn haproxy_takes_every_file_that_is_written_for_it() {
    let home = Home::new();
    let folder = files(&home);
    let tls = [
        format!("--set=tls.certificate={folder}/a.test.pem"),
        format!("--set=tls.key={folder}/a.test.key"),
    ];
    let certificate = format!("--certificate={folder}/both.pem");
    let client_ca = format!("--client-ca={folder}/ca.pem");
    let node_ca = format!("--node-ca={folder}/ca.pem");
    let listen = format!("--listen=127.0.0.1:{}", loopback_port());
    let cases: &[&[&str]] = &[
        &[],
        &["--set=server.listen=unix:/run/shop.sock"],
        &[
            "--set=server.listen=https://127.0.0.1:3141",
            &tls[0],
            &tls[1],
        ],
        &[
            "--set=server.outside_url=https://a.test/py.pi",
            "--immutable-accounts",
        ],
        &[
            "--node=10.0.0.1:3141",
            "--node=10.0.0.2:3141",
            "--redirect-from=none",
        ],
        &["--allow-status=10.0.0.0/8", "--allow-status=2001:db8::/32"],
        &["--allow-status=all", "--login-rate=0"],
        &["--node=[::1]:3141", "--node=unix:/run/shop.sock"],
        &[&client_ca],
        &[&client_ca, "--client-certificates=optional"],
        &["--node=https://10.0.0.1:3141", &node_ca],
    ];
    for case in cases {
        let mut arguments = vec!["gen-config", "haproxy", "--server-name=a.test"];
        arguments.extend([certificate.as_str(), &listen]);
        arguments.extend(*case);
        let output = home.run(&arguments).succeeded("gen-config");
        let text = &output.stdout;
        for left in ["{{", "{%", "\n\n\n", " \n"] {
            assert!(!text.contains(left), "{left:?} in {arguments:?}\n{text}");
        }
        let file = home.write("haproxy.cfg", text);
        let output = Haproxy::check(&file);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}\n{told}\n{text}");
        assert!(!told.contains("[WARNING]"), "{arguments:?}\n{told}");
    }
}

#[test]
fn the_form_of_http2_is_that_of_the_nginx_that_is_named() {
    let home = Home::new();
    let made = |version: &str| {
        let output = home.run(&["gen-config", "nginx", "--nginx-version", version]);
        output.succeeded("gen-config").stdout
    };
    for old in ["1.18.0", "1.22.1", "nginx/1.25.0"] {
        let text = made(old);
        assert!(
            text.contains("listen 443 ssl http2;") && !text.contains("http2 on;"),
            "{old}"
        );
    }
    for new in ["1.25.1", "1.26", "2"] {
        let text = made(new);
        assert!(
            text.contains("listen 443 ssl;") && text.contains("http2 on;"),
            "{new}"
        );
    }
    let output = home.run(&["gen-config", "nginx", "--nginx-version=new"]);
    assert_eq!(output.code, Some(2), "{output:?}");
}

#[test]
fn a_port_alone_means_every_address_of_both_families() {
    let home = Home::new();
    for (kind, expected) in [
        ("nginx", ["listen 443 ssl", "listen [::]:443 ssl"]),
        ("haproxy", ["bind :443 ssl", "bind [::]:443 v6only ssl"]),
    ] {
        let text = home.run(&["gen-config", kind, "--server-name=a.test"]);
        let text = text.succeeded("gen-config").stdout;
        for part in expected {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn haproxy_leads_from_plain_http_to_the_port_of_tls() {
    let home = Home::new();
    for (listen, expected) in [
        ("443", "redirect scheme https code 301"),
        ("8443", "redirect prefix https://a.test:8443 code 301"),
    ] {
        let listen = format!("--listen={listen}");
        let output = home.run(&["gen-config", "haproxy", "--server-name=a.test", &listen]);
        let text = output.succeeded("gen-config").stdout;
        assert!(text.contains(expected), "{text}");
    }
    let before = "--set=server.outside_url=http://a.test";
    let text = home.run(&["gen-config", "haproxy", before]);
    let text = text.succeeded("gen-config").stdout;
    assert!(text.contains("X-Outside-Url https://a.test\n"), "{text}");
}

#[test]
fn browsers_insist_on_tls_when_the_settings_say_so() {
    let home = Home::new();
    for kind in ["nginx", "haproxy"] {
        let silent = home.run(&["gen-config", kind]).succeeded("gen-config");
        assert!(!silent.stdout.contains("max-age"), "{}", silent.stdout);
        let told = home.run(&["gen-config", kind, "--set=tls.hsts=2d"]);
        let told = told.succeeded("gen-config").stdout;
        assert!(told.contains("Strict-Transport-Security"), "{told}");
        assert!(told.contains("max-age=172800"), "{told}");
    }
}

#[test]
fn a_file_is_written_whole_and_what_cannot_be_right_is_refused() {
    let home = Home::new();
    let file = home.path().join("site.conf");
    let output = format!("--output={}", file.display());
    let made = home.run(&["gen-config", "nginx", "--server-name=a.test", &output]);
    assert_eq!(made.succeeded("gen-config").stdout, "");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("server_name a.test;"), "{text}");

    for (arguments, expected) in [
        (
            &["nginx", "--set=server.listen=127.0.0.1:0"][..],
            "no address that could be written",
        ),
        (
            &["nginx", "--server-name=a.test; evil"],
            "is not a host name",
        ),
        (
            &["nginx", "--certificate=/a.pem", "--certificate=/b.pem"],
            "give it once, or once for each",
        ),
        (
            &["nginx", "--certificate=/a\".pem"],
            "absolute path without quotes",
        ),
        (&["nginx", "--listen=none"], "is not [HOST:]PORT"),
        (
            &["nginx", "--allow-status=everybody"],
            "an address or a network",
        ),
        (
            &["nginx", "--plain-http", "--key=/k"],
            "cannot be used with",
        ),
        (
            &["nginx", "--set=server.accel_location=/x"],
            "a slash at each end",
        ),
        (
            &["nginx", "--acme-root=/a", "--redirect-from=none"],
            "the site has none",
        ),
        (
            &[
                "nginx",
                "--server-name=a.test,b.test",
                "--server-name=B.test.",
            ],
            "`b.test` is not given for one site alone",
        ),
        (&["nginx", "--listen=80"], "would be listened on twice"),
        (
            &["nginx", "--set=server.outside_url=https://a.test/a//b"],
            "with single slashes",
        ),
        (&["haproxy", "--node=a b:1"], "HOST:PORT or unix:/path"),
        // A port as far from the caller's own.
        (&["haproxy", "--node=a.test:+1"], "HOST:PORT or unix:/path"),
        (&["nginx", "--node=a.test"], "HOST:PORT or unix:/path"),
        (
            &["nginx", "--node=a.test:1", "--node-ca=/ca.pem"],
            "the nodes do not speak TLS",
        ),
        (
            &["haproxy", "--client-ca=/a\"b"],
            "absolute path without quotes",
        ),
        (
            &["nginx", "--node=a.test:1", "--node=http://a.test:1/"],
            "given once",
        ),
        (
            &["haproxy", "--node=a.test:1", "--node=https://b.test:1"],
            "some of the nodes speak TLS",
        ),
        (
            &["nginx", "--set=server.listen=unix:/run/a;evil"],
            "is not an address of plain letters",
        ),
        (
            &["haproxy", "--set=server.listen=127.0.0.1:1 evil:2"],
            "is not an address of plain letters",
        ),
    ] {
        let all = [&["gen-config"], arguments, &[output.as_str()]].concat();
        let told = home.run(&all);
        assert_eq!(told.code, Some(2), "{arguments:?}: {told:?}");
        assert!(
            told.stderr.contains(expected),
            "{arguments:?}: {}",
            told.stderr
        );
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            text,
            "{arguments:?}"
        );
    }
    let told = home.run(&[
        "gen-config",
        "nginx",
        "--set=server.trusted_proxies=10.0.0.1",
    ]);
    let told = told.succeeded("gen-config");
    assert!(
        told.stderr.contains("server.trusted_proxies"),
        "{}",
        told.stderr
    );
    let told = home.run(&["gen-config", "nginx", ACCEL]);
    let told = told.succeeded("gen-config");
    assert!(
        told.stderr.contains("There is no directory"),
        "{}",
        told.stderr
    );
}
