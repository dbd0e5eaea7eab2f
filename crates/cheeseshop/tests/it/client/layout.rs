//! Layouts, made and looked at on our server and on a released devpi-server.

use cheeseshop_test_support::DevpiServer;
use serde_json::{Value, json};

use super::ephemeral::Throwaway;
use crate::support::{Api, Home, Output, finish};

const PASSWORD: &str = "root-password";

const LAYOUT: &str = r#"
version = 1
[users.bob]
password_file = "bob.password"
title = "Bob"
[users.eve]
[indexes."bob/dev"]
bases = ["bob/base"]
acl_upload = [":authenticated:"]
[indexes."bob/base"]
mirror_whitelist = ["A_b"]
custom_data = { level = 3 }
[indexes."root/up"]
type = "mirror"
mirror_url_env = "UPSTREAM"
"#;

/// A home beside a server.
struct Shop {
    home: Home,
    url: String,
    _server: Box<dyn std::any::Any>,
}

impl Shop {
    fn of_ours() -> Self {
        let home = Home::new();
        let text = format!("version = 1\n[users.root]\npassword = \"{PASSWORD}\"\n");
        home.write("root.toml", &text);
        let server = Throwaway::start(&home, &["--layout", "root.toml"]);
        Self {
            home,
            url: server.url.clone(),
            _server: Box::new(server),
        }
    }

    fn of_devpi() -> Self {
        let home = Home::new();
        let folder = home.path().join("devpi");
        let server = DevpiServer::start(&folder, PASSWORD, &[]);
        Self {
            home,
            url: server.url(),
            _server: Box::new(server),
        }
    }

    /// `cheeseshop layout …` as `root` of the server.
    fn layout(&self, arguments: &[&str]) -> Output {
        let arguments = [&["layout"], arguments, &["--server", &self.url]].concat();
        let mut command = self.home.bare_cheeseshop(&arguments);
        command
            .env("CHEESESHOP_PASSWORD", PASSWORD)
            .env("UPSTREAM", "http://user:geheim@up.test/simple/");
        finish(command, "")
    }

    /// What `layout apply --json` says, which has to succeed.
    fn applied(&self, file: &str) -> Value {
        let output = self.layout(&["apply", file, "--json"]);
        assert_eq!(output.code, Some(0), "{output:?}");
        serde_json::from_str(&output.stdout).unwrap()
    }

    async fn root(&self) -> Api {
        Api::login(&self.url, "root", PASSWORD).await
    }
}

#[tokio::test]
async fn a_layout_is_made_once_at_our_server() {
    a_layout_is_made_once(&Shop::of_ours()).await;
}

#[tokio::test]
async fn a_layout_is_made_once_at_a_released_devpi_server() {
    a_layout_is_made_once(&Shop::of_devpi()).await;
}

async fn a_layout_is_made_once(shop: &Shop) {
    let home = &shop.home;
    home.write("bob.password", "bob-password\n");
    home.write("layout.toml", LAYOUT);
    let lines = "+ user bob: title = \"Bob\"\n\
        + user eve\n    with a password that will be made up and shown\n\
        + index bob/base: custom_data = {\"level\":3}, mirror_whitelist = [\"a-b\"]\n\
        + index bob/dev: acl_upload = [\":AUTHENTICATED:\"], bases = [\"bob/base\"]\n\
        + index root/up: mirror_url = \"http://***@up.test/simple/\", type = \"mirror\"\n";
    for (option, code) in [("--dry-run", 0), ("--check", 1)] {
        let output = shop.layout(&["apply", "layout.toml", option]);
        assert_eq!(output.code, Some(code), "{output:?}");
        assert_eq!(output.stdout, lines);
        assert_eq!(
            output.stderr,
            "5 to create, 0 to change, 0 to remove, 0 as they should be\n"
        );
    }
    let output = shop.layout(&["apply", "layout.toml", "--dry-run", "--json"]);
    let planned: Value = serde_json::from_str(&output.stdout).unwrap();
    let generates = |step: usize| &planned["steps"][step]["generates_password"];
    assert_eq!(
        (generates(0), generates(1)),
        (&Value::Null, &json!(true)),
        "{planned}"
    );
    let root = shop.root().await;
    assert_eq!(root.get("bob").await.status(), 404, "nothing was made");

    let said = shop.applied("layout.toml");
    let steps = said["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["state"] == "done"), "{said}");
    assert!(!said.to_string().contains("geheim"), "{said}");
    let eve = said["steps"][1]["generated_password"].as_str().unwrap();
    Api::login(&shop.url, "eve", eve).await;
    Api::login(&shop.url, "bob", "bob-password").await;
    // devpi-web has a page for people there.
    let up = root
        .send(reqwest::Method::GET, "root/up?no_projects=", &json!({}))
        .await;
    let up: Value = serde_json::from_slice(&up.bytes().await.unwrap()).unwrap();
    assert!(
        up["result"]["mirror_url"]
            .as_str()
            .unwrap()
            .contains("up.test")
    );

    for option in ["--check", "--dry-run"] {
        let output = shop.layout(&["apply", "layout.toml", option]);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(0), ""),
            "{output:?}"
        );
    }
    let again = shop.layout(&["apply", "layout.toml"]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), ""));
    assert_eq!(
        again.stderr,
        "0 to create, 0 to change, 0 to remove, 5 as they should be\n"
    );

    // Another wish.
    home.write("bob.password", "other-password\n");
    home.write(
        "layout.toml",
        &LAYOUT.replace("acl_upload = [\":authenticated:\"]", "volatile = false"),
    );
    let output = shop.layout(&["apply", "layout.toml"]);
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (
            Some(0),
            "~ user bob: password\n~ index bob/dev: volatile: true → false\n"
        ),
        "{output:?}"
    );
    Api::login(&shop.url, "bob", "other-password").await;

    exported_and_pruned(shop).await;
}

async fn exported_and_pruned(shop: &Shop) {
    let home = &shop.home;
    let exported = shop.layout(&["export"]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    assert!(!exported.stdout.contains("geheim"), "{}", exported.stdout);
    home.write("exported.toml", &exported.stdout);
    let output = shop.layout(&["apply", "exported.toml", "--check", "--prune"]);
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (Some(0), ""),
        "{output:?}"
    );
    let none = shop.layout(&["export", "bob", "nobody"]);
    assert_eq!(none.code, Some(1), "{none:?}");

    let smaller = "version = 1\n[users.bob]\n[indexes.\"bob/base\"]\n[indexes.\"bob/dev\"]\n";
    home.write("smaller.toml", smaller);
    let asked = shop.layout(&["apply", "smaller.toml", "--prune"]);
    assert_eq!(asked.code, Some(1), "nobody is there to answer: {asked:?}");
    let told = shop.layout(&["apply", "smaller.toml", "--prune", "--json"]);
    assert_eq!(told.code, Some(2), "{told:?}");
    let done = shop.layout(&["apply", "smaller.toml", "--prune", "-y"]);
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (Some(0), "- user eve\n"),
        "{done:?}"
    );
    let root = shop.root().await;
    assert_eq!(root.get("eve").await.status(), 404);
    assert_eq!(
        root.get("root/up?no_projects=").await.status(),
        200,
        "root's stay"
    );
}

#[tokio::test]
async fn what_fails_takes_along_only_what_needs_it() {
    let shop = Shop::of_ours();
    shop.home.write(
        "layout.toml",
        "version = 1\n[users.ann]\npassword = \"\"\n[users.bob]\npassword = \"pw\"\n\
         [indexes.\"ann/x\"]\n[indexes.\"bob/heir\"]\nbases = [\"ann/x\"]\n[indexes.\"bob/ok\"]\n",
    );
    let output = shop.layout(&["apply", "layout.toml"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(output.stdout, "+ user bob\n+ index bob/ok\n");
    for expected in [
        "! user ann: the server answered 400",
        "! index ann/x: not tried: there is no user ann\n",
        "! index bob/heir: not tried: there is no index ann/x\n",
        "error: 3 of 5 steps not done; apply the layout again when the cause is away\n",
    ] {
        assert!(
            output.stderr.contains(expected),
            "{expected}: {}",
            output.stderr
        );
    }
    let root = shop.root().await;
    assert_eq!(root.get("bob/ok").await.status(), 200);
    // The cause goes away.
    let text = std::fs::read_to_string(shop.home.path().join("layout.toml")).unwrap();
    shop.home
        .write("layout.toml", &text.replace("\"\"", "\"pw\""));
    let said = shop.applied("layout.toml");
    let names: Vec<_> = said["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["name"])
        .collect();
    assert_eq!(names, [&json!("ann"), &json!("ann/x"), &json!("bob/heir")]);
    assert_eq!(said["unchanged"].as_array().unwrap().len(), 2);
}

#[test]
fn who_is_logged_in_applies_it_and_a_new_own_password_comes_last() {
    let shop = Shop::of_ours();
    let run = |arguments: &[&str]| finish(shop.home.bare_cheeseshop(arguments), "");
    for arguments in [
        &["use", &shop.url] as &[&str],
        &["login", "root", "--password", PASSWORD],
    ] {
        let output = run(arguments);
        assert_eq!(output.code, Some(0), "{output:?}");
    }
    shop.home.write(
        "layout.toml",
        "version = 1\n[users.root]\npassword = \"new\"\n[users.zoe]\npassword = \"pw\"\n[indexes.\"zoe/dev\"]\n",
    );
    let output = run(&["layout", "apply", "layout.toml"]);
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (
            Some(0),
            "+ user zoe\n+ index zoe/dev\n~ user root: password\n"
        ),
        "{output:?}"
    );
}

#[test]
fn what_cannot_be_tried_ends_with_2() {
    let home = Home::new();
    let run = |arguments: &[&str]| finish(home.bare_cheeseshop(arguments), "");
    home.write("bad.toml", "version = 1\n[users.bob]\npassword = geheim\n");
    home.write("good.toml", "version = 1\n");
    for (arguments, expected) in [
        (&["apply", "none.toml"][..], "none.toml: No such file"),
        (
            &["apply", "bad.toml"],
            "bad.toml cannot be applied:\nline 3: ",
        ),
        (&["apply", "good.toml"], "not connected to a server"),
        (
            &["apply", "good.toml", "--server", "http://127.0.0.1:1/"],
            "could not connect to 'http://127.0.0.1:1/'",
        ),
        (
            &["export", "--server", "http://127.0.0.1:1/"],
            "could not connect",
        ),
        (&["apply", "good.toml", "--user", "root"], "--server"),
    ] {
        let output = run(&[&["layout"], arguments].concat());
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(2), ""),
            "{output:?}"
        );
        assert!(output.stderr.contains(expected), "{}", output.stderr);
        assert!(!output.stderr.contains("geheim"), "{}", output.stderr);
    }
}
