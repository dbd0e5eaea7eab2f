//! Secrets that the service manager hands over (`LoadCredential=`).

use crate::support::{CHEAP_HASH, Home, Server, finish};

#[tokio::test]
async fn a_database_that_a_credential_names_is_the_one_that_is_used() {
    let home = Home::new();
    let database = home.path().join("elsewhere.db");
    home.write(
        "credentials/database-url",
        &format!("sqlite://{}\n", database.display()),
    );
    let arguments = [
        &["serve", "--listen", "127.0.0.1:0"],
        CHEAP_HASH,
        &["--set=database.url_file=credential:database-url"],
    ]
    .concat();
    let mut command = home.cheeseshop(&arguments);
    command.env("CREDENTIALS_DIRECTORY", home.path().join("credentials"));
    let server = Server::spawn(&home, command);
    server.root().await;
    server.stop();
    assert!(database.is_file());
    assert!(!home.data_dir().join("cheeseshop.db").exists());
}

#[test]
fn a_credential_that_is_not_there_is_named_with_what_the_unit_lacks() {
    let home = Home::new();
    let set = "--set=blobs.secret_key_file=credential:s3-secret-key";
    let alone = home.run(&["gc", set]);
    assert_eq!(alone.code, Some(2), "{alone:?}");
    let expected = "flag --set: `blobs.secret_key_file`: there are no credentials: the service manager \
                    sets $CREDENTIALS_DIRECTORY; the unit needs LoadCredential=s3-secret-key:";
    assert!(alone.stderr.contains(expected), "{}", alone.stderr);

    let mut command = home.cheeseshop(&["config", "check", set]);
    std::fs::create_dir(home.path().join("credentials")).unwrap();
    command.env("CREDENTIALS_DIRECTORY", home.path().join("credentials"));
    let without = finish(command, "");
    assert_eq!(without.code, Some(1), "{without:?}");
    let expected = "there is no credential `s3-secret-key`; the unit needs LoadCredential=";
    assert!(without.stderr.contains(expected), "{}", without.stderr);
}

#[test]
fn whoever_only_looks_is_told_what_cannot_be_seen_and_of_all_other_mistakes() {
    let home = Home::new();
    let settings = [
        "config",
        "check",
        "--set=blobs.kind=s3",
        "--set=blobs.bucket=b",
        "--set=blobs.access_key=k",
        "--set=blobs.secret_key_file=credential:s3-secret-key",
        "--set=database.url_file=credential:database-url",
    ];
    let output = home.run(&settings);
    assert_eq!(output.code, Some(0), "{output:?}");
    let expected = "only the service gets these credentials: blobs.secret_key, database.url\n";
    assert!(output.stderr.contains(expected), "{}", output.stderr);
    for (mistake, reason) in [
        ("--set=mirror.ofline=true", "there is no such setting"),
        (
            "--set=mirror.ca_bundle=credential:../x",
            "is no name of a credential",
        ),
    ] {
        let output = home.run(&[&settings[..], &[mistake]].concat());
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.stderr.contains(reason), "{}", output.stderr);
    }
}

#[tokio::test]
async fn a_service_keeps_its_data_where_its_manager_says() {
    let home = Home::new();
    let state = home.path().join("state");
    let arguments = [&["serve", "--listen", "127.0.0.1:0"], CHEAP_HASH].concat();
    let mut command = home.bare_cheeseshop(&arguments);
    command.env("STATE_DIRECTORY", &state);
    Server::spawn(&home, command).stop();
    assert!(state.join("cheeseshop.db").is_file());
}
