//! `user`, `passwd` and `index`.

use super::{Twins, scenario};

scenario!(users_are_made_changed_and_removed);
scenario!(passwords_are_asked_for_twice);
scenario!(indexes_are_made_changed_and_removed);

/// What a command said, without the times that differ.
fn without_times(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with("  created=") && !line.starts_with("  modified="))
        .collect::<Vec<_>>()
        .join("\n")
}

impl super::twins::Both {
    #[track_caller]
    fn same_but_times(&self) {
        assert_eq!(
            without_times(&self.same_code().ours.stdout),
            without_times(&self.released.stdout),
        );
    }
}

fn users_are_made_changed_and_removed(twins: &Twins) {
    twins.both(&["user"]).same();
    twins.login();
    for command in [
        &[
            "user",
            "-c",
            "bob",
            "password=1234567890",
            "email=bob@shop.test",
        ] as &[&str],
        &["user", "-c", "bob", "password=1234567890"],
        &["user", "--create"],
        &["user", "-l"],
        &["user", "-m", "bob", "email=b@shop.test", "title=Der Bäcker"],
        &["user", "bob", "title=x", "password=abcdefghij"],
        &["user", "-m", "bob"],
        &["login", "bob", "--password", "abcdefghij"],
        &["user", "none"],
        &["user", "-m", "none", "email=x"],
        &["user", "-y", "--delete", "none"],
        &["user", "-y", "--delete", "bob"],
    ] {
        twins.both(command).same();
    }
    twins
        .both(&["login", "root", "--password", super::twins::ROOT_PASSWORD])
        .same();
    twins.both(&["user"]).same_but_times();
    twins
        .both(&["user", "-c", "bob", "password=1234567890", "email=x"])
        .same();
    twins.both(&["user", "bob"]).same_but_times();
    for (answers, is_there) in [("no\n", true), ("what\nyes\n", false)] {
        let both = twins.both_with(&["user", "--delete", "bob"], &[], answers);
        both.same();
        let users = twins.both(&["user", "-l"]).ours.stdout;
        assert_eq!(users.contains("bob"), is_there, "{users}");
    }
    // Many names at once are ours alone.
    for name in ["eve", "amy"] {
        twins.ours_says(&["user", "-c", name, "password=1234567890"], "");
    }
    let shown = twins.ours_says(&["user", "--json", "-"], "eve # of the shop\namy\n");
    let document: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(document.as_object().unwrap().len(), 2, "{shown}");
    twins.ours_says(&["user", "-y", "--delete", "eve", "amy"], "");
    assert_eq!(twins.ours_says(&["user", "-l"], ""), "root\n");
}

fn passwords_are_asked_for_twice(twins: &Twins) {
    twins.login();
    // The questions stand on standard error, where each client has words around them.
    let asked = |arguments: &[&str], input: &str| {
        let both = twins.both_with(arguments, &[], input);
        assert_eq!(both.same_code().ours.stdout, both.released.stdout);
        both.ours
    };
    asked(&["user", "-c", "bob"], "1234567890\n1234567890\n");
    asked(&["login", "bob"], "1234567890\n");
    let output = asked(
        &["passwd"],
        "short\nshort\nno\nabcdefghij\nx\nabcdefghij\nabcdefghij\n",
    );
    assert!(
        output.stdout.contains("passwords did not match"),
        "{output:?}"
    );
    assert!(output.stdout.contains("/bob changing password: ********"));
    assert!(!output.stdout.contains("abcdefghij"), "{output:?}");
    asked(&["login", "bob", "--password", "abcdefghij"], "");
    asked(&["login", "bob", "--password", "1234567890"], "");
    // Mistyped to the end: devpi-client would set none at all.
    let mut command = twins.ours.command(&["passwd"]);
    command.stdin(std::process::Stdio::piped());
    let output = crate::support::finish(command, "a\nb\na\nb\na\nb\n");
    assert_eq!(output.code, Some(1), "{output:?}");
    asked(&["login", "bob", "--password", "abcdefghij"], "");
}

fn indexes_are_made_changed_and_removed(twins: &Twins) {
    twins.login();
    for command in [
        &["index", "-c", "dev", "bases=", "volatile=True"] as &[&str],
        &["index", "-c", "dev"],
        &[
            "index",
            "-c",
            "root/prod",
            "bases=root/dev",
            "volatile=False",
        ],
        &["index", "-l"],
        &["index", "-l", "root"],
        &["index", "-l", "none"],
        &["index", "prod"],
        &[
            "index",
            "root/prod",
            "title=Of the team",
            "acl_upload=root,:AUTHENTICATED:",
        ],
        &["index", "prod", "acl_upload-=root"],
        &["index", "prod", "bases+=root/none"],
        &["index", "none", "title=x"],
        &["index", "--delete", "prod", "title=x"],
        &["use", "root/dev"],
        &["index", "--delete"],
        &["index", "-c"],
        &["index"],
        &["index", "--no-projects"],
        &["index", "volatile=False"],
        &["index", "-y", "--delete", "dev"],
        &["index", "volatile=True"],
        &["index", "-y", "--delete", "prod"],
    ] {
        twins.both(command).same();
    }
    for answers in ["no\n", "yes\n"] {
        twins
            .both_with(&["index", "--delete", "root/dev"], &[], answers)
            .same();
    }
    // The reason is on standard error, where devpi-client has none.
    let both = twins.both(&["index"]);
    assert_eq!(both.same_code().ours.stdout, both.released.stdout);
    assert!(both.ours.stderr.contains("404"), "{both:?}");
    twins.both(&["logoff"]).same();
    for command in [
        &["index", "-c", "root/x"] as &[&str],
        &["index", "root/dev", "title=x"],
        &["index", "--delete", "root/dev"],
    ] {
        twins.both(command).same();
    }
    // Nobody is logged in to whom the name could belong: a traceback of devpi-client's.
    let both = twins.both(&["index", "-c", "x"]);
    assert_eq!(
        both.same_code().ours.stdout,
        "no current authenticated user\n"
    );
}
