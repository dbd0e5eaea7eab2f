//! What `cheeseshop-retention@.service` does, done by its own command line.

use std::path::Path;

use cheeseshop_test_support::Wheel;
use reqwest::Method;
use serde_json::json;

use crate::support::{Home, Output, Server, finish};

/// Runs the unit's command with these variables, which systemd would read from the rule's file.
fn run_unit(home: &Home, index: &str, rule: &str) -> Output {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy/systemd/cheeseshop-retention@.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/bin/cheeseshop "))
        .unwrap();
    let credentials = home.path().join("credentials").display().to_string();
    // `${NAME}` is put in as it is, `$NAME` as the words that it has.
    let line = line
        .replace("${CREDENTIALS_DIRECTORY}", &credentials)
        .replace("${INDEX}", index)
        .replace("$RULE", rule);
    assert!(!line.contains('$'), "{line}");
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let mut command = home.bare_cheeseshop(&arguments);
    // The state of clients goes where the unit may write.
    command
        .env("HOME", "/nonexistent")
        .env("DEVPI_CLIENTDIR", home.path().join("run"));
    finish(command, "")
}

#[tokio::test]
async fn a_rule_is_applied_as_whom_its_token_names_and_leaves_no_login_behind() {
    let home = Home::new();
    let server = Server::start(&home, &[]);
    let team = server.new_user("team", "pw").await;
    let closed = json!({"bases": [], "acl_read": ["team"]});
    team.create_index("team/dev", &closed).await;
    for version in ["1.0.dev1", "1.0.dev2", "1.0.dev3", "1.0"] {
        let wheel = Wheel::named("hello-shop").version(version).build();
        team.upload("team/dev", &wheel).await;
    }
    let allowed = ["pkg_read", "del_verdata", "del_project"];
    let wish = json!({"indexes": ["team/dev"], "allowed": allowed});
    let answer = team.send(Method::POST, "team/+token-create", &wish).await;
    let token: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let token = token["result"]["token"].as_str().unwrap();
    home.write("credentials/token", &format!("{token}\n"));

    let index = server.at("team/dev");
    let output = run_unit(&home, &index, "--dev --keep-last 1");
    assert_eq!(output.code, Some(0), "{output:?}");
    let mut left: Vec<String> = team
        .files("team/dev", "hello-shop")
        .await
        .into_iter()
        .map(|file| file.name)
        .collect();
    left.sort();
    assert_eq!(
        left,
        [
            "hello_shop-1.0-py3-none-any.whl",
            "hello_shop-1.0.dev3-py3-none-any.whl"
        ]
    );
    let kept = std::fs::read_to_string(home.path().join("run/auth.json")).unwrap_or_default();
    assert!(
        !kept.contains(token) && !output.stderr.contains(token),
        "{kept}{output:?}"
    );

    // A rule that says nothing is refused, instead of emptying the index.
    let output = run_unit(&home, &index, "");
    assert_ne!(output.code, Some(0), "{output:?}");
    home.write("credentials/token", "no token\n");
    let output = run_unit(&home, &index, "--dev");
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("holds no token"), "{output:?}");
}
