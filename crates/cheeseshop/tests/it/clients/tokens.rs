//! Tokens in the hands of released clients: devpi-tokens' own tests, twine, pip and uv.

use std::process::Command;

use cheeseshop_test_support::{Wheel, client_environment, python_packages};
use reqwest::Method;
use serde_json::{Value, json};

use super::shop::{Shop, installed, run, succeed};
use crate::support::Home;

/// What devpi-tokens' tests need, pinned: they must not change under us. They look for devpi-server's
/// package to see whether there is a server to start.
pub(crate) const NEEDED: &[&str] = &[
    "devpi-client==7.3.0",
    "devpi-common==4.1.1",
    "devpi-server==6.20.3",
    "devpi-tokens[client]==1.1.0",
    "pytest==9.2.0",
    "setuptools==69.2.0",
];

/// The plugin ships them inside its package.
#[test]
fn the_tests_of_devpi_tokens_client_pass_against_us() {
    let programs = python_packages("devpi-tokens-tests", NEEDED).join("bin");
    let home = Home::new();
    for name in ["devpi-server", "devpi-init"] {
        // Makes the link.
        home.devpi(name, &[]);
    }
    let path = &client_environment(home.path())["PATH"];
    let path = std::env::join_paths(
        [home.path().join("names"), programs.clone()]
            .into_iter()
            .chain(std::env::split_paths(path)),
    )
    .unwrap();
    let output = Command::new(programs.join("python"))
        .args(["-m", "pytest", "-q", "-r", "fEXs", "-p", "no:cacheprovider"])
        .arg("--basetemp")
        .arg(home.path().join("pytest"))
        .args(["--pyargs", "devpi_tokens.tests.test_functional"])
        .args(["devpi_tokens.tests.test_client"])
        .current_dir(home.path())
        .env("HOME", home.path())
        .env("PATH", path)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("PYTHONPATH")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let summary = printed.trim_end().lines().last().unwrap_or_default();
    assert!(
        output.status.success() && summary.contains(" passed") && !summary.contains("skipped"),
        "{printed}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A token of bob's with these restrictions.
async fn token(shop: &Shop, restrictions: &Value) -> String {
    let answer = shop
        .bob
        .send(Method::POST, "bob/+token-create", restrictions)
        .await;
    assert!(answer.status().is_success(), "{}", answer.status());
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    answer["result"]["token"].as_str().unwrap().to_owned()
}

/// The URL with a user and the token in it, as people write them into settings of CI.
fn with_token(url: &str, token: &str) -> String {
    url.replacen("://", &format!("://__token__:{token}@"), 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twine_pip_and_uv_take_a_token_for_a_password() {
    let shop = Shop::open().await;
    shop.root
        .create_index(
            "bob/closed",
            &json!({"bases": [], "acl_read": ["bob"], "acl_upload": ["bob"]}),
        )
        .await;
    let token = token(
        &shop,
        &json!({
            "allowed": ["upload", "pkg_read"],
            "indexes": ["bob/closed"],
            "projects": ["By.Token"],
        }),
    )
    .await;
    let folder = shop.folder("twine");
    let covered = Wheel::named("by_token").build();
    let other = Wheel::named("not_by_token").build();
    for (file, is_taken) in [(&covered, true), (&other, false)] {
        let mut twine = shop.client("twine", &folder).await;
        twine
            .args(["upload", "--non-interactive", "--disable-progress-bar"])
            .args(["--repository-url", &shop.upload_url("bob/closed")])
            .args(["-u", "__token__", "-p", &token])
            .args(Shop::dist(&folder, &[file]));
        let output = run(twine).await;
        let talk = format!("{}{}", output.stdout, output.stderr);
        assert_eq!(output.code == Some(0), is_taken, "{talk}");
        assert_eq!(
            talk.contains("Token denied access to project 'not-by-token'"),
            !is_taken,
            "{talk}"
        );
    }
    let uploaded = Wheel::named("by_token").version("2.0").build();
    let mut uv = shop.client("uv", &folder).await;
    uv.args(["publish", "--publish-url", &shop.upload_url("bob/closed")])
        .args(["--check-url", &shop.simple("bob/closed")])
        .args(["--token", &token])
        .args(Shop::dist(&folder, &[&uploaded]));
    succeed(uv).await;

    let index = with_token(&shop.simple("bob/closed"), &token);
    for name in ["pip", "uv"] {
        let folder = shop.folder(name);
        let mut client = shop.client(name, &folder).await;
        if name == "uv" {
            client.arg("pip");
        }
        client
            .args(["install", "--target", "there"])
            .args(["--index-url", &index, "by-token"]);
        let talk = succeed(client).await;
        assert_eq!(installed(&folder.join("there")), ["by_token-2.0"], "{talk}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn installers_with_a_token_that_ended_say_why() {
    let shop = Shop::open().await;
    let wheel = Wheel::named("by_token").build();
    shop.bob.upload("bob/dev", &wheel).await;
    let token = token(&shop, &json!({})).await;
    let listed = shop.bob.document("bob/+tokens").await;
    let (id, _) = listed["result"]["tokens"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    let path = format!("bob/+tokens/{id}");
    let answer = shop.bob.send(Method::DELETE, &path, &json!({})).await;
    assert!(answer.status().is_success());
    let index = with_token(&shop.simple("bob/dev"), &token);
    for (name, said) in [
        ("pip", "401 Error, Credentials not correct"),
        ("uv", "401 Unauthorized"),
    ] {
        let folder = shop.folder(name);
        let mut client = shop.client(name, &folder).await;
        if name == "uv" {
            client.arg("pip");
        }
        client
            .args(["install", "--target", "there"])
            .args(["--index-url", &index, "by-token"]);
        let output = run(client).await;
        assert_ne!(output.code, Some(0), "{name}: {output:?}");
        let talk = format!("{}{}", output.stdout, output.stderr);
        assert!(talk.contains(said), "{name}: {talk}");
        assert!(!talk.contains(&token[40..]), "{name}: {talk}");
    }
    assert!(!shop.server.log().contains(&token[40..]));
}
