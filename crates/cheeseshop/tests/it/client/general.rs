//! Login, documents as JSON, and what is told when something is wrong.

use super::{Twins, scenario};

scenario!(logins_are_kept_and_forgotten);
scenario!(documents_are_shown_and_patched);
scenario!(trouble_is_told_in_devpis_words);

fn logins_are_kept_and_forgotten(twins: &Twins) {
    twins.login();
    twins.same_file(".devpi/client/current.json");
    twins.same_file(".devpi/client/auth.json");
    twins
        .both(&["user", "-c", "bob", "password=1234567890"])
        .same();
    twins.both(&["login", "bob", "--password", "wrong"]).same();
    twins
        .both(&["login", "bob", "--password", "1234567890"])
        .same();
    twins.same_file(".devpi/client/auth.json");
    twins.both(&["logoff"]).same();
    twins.same_file(".devpi/client/auth.json");
    twins.both(&["logout"]).same();
    twins.both(&["use"]).same();
}

fn documents_are_shown_and_patched(twins: &Twins) {
    twins.login();
    twins
        .both(&["index", "-c", "dev", "bases=", "volatile=False"])
        .same();
    twins.both(&["use", "root/dev"]).same();
    twins.both(&["getjson", "/root/dev?no_projects="]).same();
    twins.both(&["getjson", "{server}/root/dev"]).same();
    twins.both(&["getjson", "/root/none"]).same_code();
    twins.write("patch.json", br#"["title=Of the team"]"#);
    twins.both(&["patchjson", "/root/dev", "patch.json"]).same();
    twins
        .both_with(&["patchjson", "/root/dev", "-"], &[], "[\"volatile=True\"]")
        .same();
    twins.both(&["index", "root/dev"]).same();
}

fn trouble_is_told_in_devpis_words(twins: &Twins) {
    for command in [
        &["login", "root", "--password", "x"] as &[&str],
        &["index", "-l"],
        &["upload", "x.whl"],
        &["list"],
        &["push", "x==1", "root/dev"],
        &["use"],
        &["use", "root/dev"],
        &["logoff"],
    ] {
        twins.both(command).same_code();
    }
    // What is no command is told on standard error, in words of its own.
    for command in [
        &["no-such-command"] as &[&str],
        &["use", "--no-such-option"],
    ] {
        let both = twins.both(command);
        assert_eq!(both.ours.code, Some(2), "{both:?}");
        both.same_code();
    }
    let both = twins.both(&["use", "http://127.0.0.1:1/"]);
    for output in [&both.same_code().ours, &both.released] {
        assert!(
            output
                .stdout
                .contains("could not connect to 'http://127.0.0.1:1/+api'"),
            "{output:?}"
        );
    }
}
