//! `cheeseshop passwd`: the way back in, also beside a running server.

use std::time::Instant;

use reqwest::StatusCode;

use crate::support::{Api, BETWEEN_LOOKS, CHEAP_HASH, DEADLINE, Home, Server};

fn set_password(home: &Home, user: &str, input: &str) -> crate::support::Output {
    let mut arguments = vec!["passwd", user];
    arguments.extend(CHEAP_HASH);
    home.run_with_input(&arguments, input)
}

#[tokio::test]
async fn a_running_server_takes_the_new_password_and_refuses_the_old() {
    let home = Home::new();
    let server = Server::start(&home, &["--set=auth.throttle.failures_per_user=0"]);
    let old = server.root_password.clone().unwrap();
    let anonymous = server.anonymous();
    anonymous.try_login("root", &old).await.unwrap();

    let output = set_password(&home, "root", "a new password\n");
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(output.stderr.trim(), "the password of user 'root' is set");

    // The server looks for changes of others once a second.
    let deadline = Instant::now() + DEADLINE;
    while let Err(status) = anonymous.try_login("root", "a new password").await {
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(Instant::now() < deadline, "the new password is never taken");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    assert_eq!(
        anonymous.try_login("root", &old).await,
        Err(StatusCode::UNAUTHORIZED)
    );

    // Two programs have written to one log of changes, and it is whole.
    let root = Api::login(&server.url, "root", "a new password").await;
    root.create_user("bob", "pw").await;
    let output = home.run(&["audit", "verify"]);
    assert_eq!(output.code, Some(0), "{output:?}");
}

#[test]
fn an_unknown_user_and_an_empty_password_are_told() {
    let home = Home::new();
    Server::start(&home, &[]).stop();
    let output = set_password(&home, "nobody", "x\n");
    assert_eq!(output.code, Some(1));
    assert!(
        output
            .stderr
            .starts_with("error: user 'nobody' not found\n"),
        "{output:?}"
    );
    let output = set_password(&home, "root", "\n");
    assert_eq!(output.code, Some(2));
    assert!(
        output
            .stderr
            .starts_with("error: there is no password to read\n"),
        "{output:?}"
    );
}
