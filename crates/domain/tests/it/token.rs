//! Tokens: what restrictions mean, what may be asked for, and what is left of a user's rights.

use cheeseshop_domain::token::{Limits, Permission, Restriction, TokenRequest};
use cheeseshop_domain::{
    Action, Caller, Directory, HeldToken, Index, IndexName, PermissionPolicy, TokenAct, UserName,
    permission::{judge, may_make_lasting_tokens},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::support::{caller, directory, id_of, index, index_name, map, user_name};

const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn limits(restrictions: &[&str]) -> Limits {
    Limits::of(restrictions.iter().copied()).unwrap()
}

fn held(user: &str, restrictions: &[&str]) -> Caller {
    let limits = Arc::new(limits(restrictions));
    caller(user).with_token(HeldToken::new("k3JxWq8T".into(), limits))
}

fn request(body: &Value, may_last: bool) -> Result<Vec<String>, String> {
    TokenRequest::parse(&map(body), at(NOW), may_last)
        .map(|request| {
            request
                .restrictions
                .iter()
                .map(ToString::to_string)
                .collect()
        })
        .map_err(|error| error.to_string())
}

#[test]
fn permissions_have_devpis_names() {
    for permission in Permission::ALL {
        assert_eq!(Permission::parse(permission.as_str()), Some(permission));
    }
    assert_eq!(Permission::parse("pypi_submit"), Some(Permission::Upload));
    for name in ["user_modify", "user_login", "Upload", ""] {
        assert_eq!(Permission::parse(name), None, "{name}");
    }
}

#[test]
fn a_request_becomes_restrictions_sorted_by_key() {
    let year = NOW + 366 * 86_400 + 10;
    for (body, expected) in [
        (json!({}), vec![format!("expires={year}")]),
        (json!({"expires": null}), vec![format!("expires={year}")]),
        (json!({"expires": year}), vec![format!("expires={year}")]),
        (
            json!({"expires": (NOW + 1).to_string()}),
            vec![format!("expires={}", NOW + 1)],
        ),
        (
            json!({
                "projects": ["pkg", "Hello.World"],
                "not_before": NOW,
                "indexes": ["foo", "bar"],
                "expires": NOW + 9,
                "allowed": ["upload", "pkg_read", "of_a_plugin"],
            }),
            vec![
                "allowed=of_a_plugin,pkg_read,upload".to_owned(),
                format!("expires={}", NOW + 9),
                "indexes=bar,foo".to_owned(),
                format!("not_before={NOW}"),
                "projects=Hello.World,pkg".to_owned(),
            ],
        ),
    ] {
        assert_eq!(request(&body, false), Ok(expected), "{body}");
    }
    assert_eq!(
        request(&json!({"expires": "never"}), true),
        Ok(vec!["expires=never".to_owned()])
    );
    assert_eq!(
        request(&json!({"expires": year + 1}), true),
        Ok(vec![format!("expires={}", year + 1)])
    );
}

#[test]
fn refusals_have_the_words_of_devpi_tokens() {
    let year = NOW + 366 * 86_400 + 10;
    for (body, expected) in [
        (json!({"foo": 1}), "Unknown restriction 'foo'."),
        (
            json!({"expires": "invalid"}),
            "Invalid value 'invalid' for expiration",
        ),
        (
            json!({"expires": [1]}),
            "Invalid value '[1]' for expiration",
        ),
        (
            json!({"expires": NOW}),
            "Can't set expiration before current time",
        ),
        (
            json!({"expires": year + 1}),
            "Not allowed to set expiration to more than one year",
        ),
        (
            json!({"expires": "never"}),
            "Not allowed to create token with no expiration",
        ),
        (
            json!({"not_before": "invalid"}),
            "Invalid value 'invalid' for not before",
        ),
        (
            json!({"indexes": ""}),
            "The indexes restriction must be a list",
        ),
        (
            json!({"indexes": ["a", ""]}),
            "Empty item at position 2 in indexes list",
        ),
        (
            json!({"indexes": [0]}),
            "Item at position 1 is not a string in indexes list",
        ),
        (
            json!({"projects": ["a\nb"]}),
            "Item at position 1 has control characters in projects list",
        ),
        (
            json!({"projects": ["x".repeat(3000)]}),
            "The restrictions are longer than 2048 bytes together",
        ),
        // The first key counts, in their order.
        (
            json!({"indexes": "", "foo": 1}),
            "Unknown restriction 'foo'.",
        ),
    ] {
        assert_eq!(request(&body, false), Err(expected.to_owned()), "{body}");
    }
}

#[test]
fn what_is_written_reads_back() {
    let written = [
        Restriction::Allowed(vec!["pkg_read".to_owned()]),
        Restriction::Expires(Some(NOW + 5)),
        Restriction::Indexes(vec!["bob/dev".to_owned()]),
        Restriction::NotBefore(NOW),
        Restriction::Projects(vec!["Some.Project".to_owned()]),
    ]
    .map(|restriction| restriction.to_string());
    let limits = Limits::of(written.iter().map(String::as_str)).unwrap();
    assert!(limits.allows(Permission::Read));
    assert!(!limits.allows(Permission::Upload));
    assert!(limits.covers_index(&index_name("bob/dev")));
    assert!(!limits.covers_index(&index_name("bob/prod")));
    assert!(limits.covers_project("some-project"));
    assert!(!limits.covers_project("some-other"));
    assert!(limits.check_time(at(NOW)).is_ok());
    let never = Restriction::Expires(None).to_string();
    assert_eq!(Limits::of([never.as_str()]), Ok(Limits::default()));
}

#[test]
fn times_are_kept_to_the_second() {
    let limits = limits(&["expires=1800000010", "not_before=1800000000"]);
    for (now, expected) in [
        (
            NOW - 1,
            Some("Token not valid before 1800000000 (2027-01-15 08:00:00+00:00)"),
        ),
        (NOW, None),
        (NOW + 9, None),
        (
            NOW + 10,
            Some("Token expired at 1800000010 (2027-01-15 08:00:10+00:00)"),
        ),
    ] {
        let told = limits
            .check_time(at(now))
            .err()
            .map(|limit| limit.to_string());
        assert_eq!(told.as_deref(), expected, "{now}");
    }
}

#[test]
fn every_restriction_only_takes_away() {
    let narrower = limits(&[
        "allowed=pkg_read,upload",
        "allowed=pkg_read,toxresult_upload",
        "indexes=bob/dev,bob/prod",
        "indexes= bob/prod , bob/test",
        "projects=a,b",
        "projects=B,c",
        "expires=1800000010",
        "expires=1800000020",
        "expires=never",
        "not_before=5",
        "not_before=3",
    ]);
    let allowed: Vec<_> = Permission::ALL
        .into_iter()
        .filter(|&permission| narrower.allows(permission))
        .collect();
    assert_eq!(allowed, [Permission::Read]);
    let covered = |name: &&str| narrower.covers_index(&index_name(name));
    let indexes: Vec<_> = ["bob/dev", "bob/prod", "bob/test", "bob/x"]
        .into_iter()
        .filter(covered)
        .collect();
    assert_eq!(indexes, ["bob/prod"]);
    let projects: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .filter(|name| narrower.covers_project(name))
        .collect();
    assert_eq!(projects, ["b"]);
    assert!(narrower.check_time(at(1_800_000_010)).is_err());
    assert!(narrower.check_time(at(4)).is_err());
    for empty in ["allowed=", "indexes=", "projects="] {
        let nothing = limits(&[empty]);
        assert!(
            !(nothing.allows(Permission::Read)
                && nothing.covers_index(&index_name("bob/dev"))
                && nothing.covers_project("a")),
            "{empty}"
        );
    }
}

#[test]
fn the_forms_of_pypis_tokens_are_understood() {
    let all = limits(&[r#"{"version": 1, "permissions": "user"}"#]);
    assert_eq!(all, Limits::default());
    for projects in [
        r#"{"version": 1, "permissions": {"projects": ["Some.Project"]}}"#,
        r#"[1, ["some_project"]]"#,
    ] {
        let limits = limits(&[projects]);
        assert!(limits.covers_project("some-project"), "{projects}");
        assert!(!limits.covers_project("other"), "{projects}");
    }
    for times in [r#"{"nbf": 5, "exp": 9}"#, "[0, 9, 5]"] {
        let limits = limits(&[times]);
        for (now, holds) in [(4, false), (5, true), (8, true), (9, false)] {
            assert_eq!(limits.check_time(at(now)).is_ok(), holds, "{times} {now}");
        }
    }
}

#[test]
fn what_is_not_known_allows_nothing() {
    for unknown in [
        "",
        "foo",
        "foo=bar",
        "=",
        "{}",
        "[]",
        "[2, 1]",
        "[0, 9]",
        r#"[1, "some-project"]"#,
        r#"{"exp": 9}"#,
        // A further key may well narrow what the known ones leave.
        r#"{"nbf": 5, "exp": 9, "projects": ["a"]}"#,
        r#"{"version": 1, "permissions": "user", "exp": 9}"#,
        r#"{"version": 1, "permissions": "user", "nbf": 5, "exp": 9}"#,
        r#"{"version": 1, "permissions": {"projects": ["a"]}, "ip": "127.0.0.1"}"#,
        r#"{"version": 1, "permissions": {"projects": ["a"], "actions": ["read"]}}"#,
        r#"{"version": 1, "permissions": {}}"#,
        r#"{"version": 2, "permissions": "user"}"#,
        r#"{"version": 1, "permissions": "admin"}"#,
        r#"{"version": 1, "permissions": null}"#,
        "null",
    ] {
        let error = Limits::of([unknown]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("Caveat not met. Unable to satisfy: {unknown}")
        );
    }
    // Numbers that are none have expired, and never begin.
    assert!(limits(&["expires=soon"]).check_time(at(NOW)).is_err());
    assert!(limits(&["not_before=soon"]).check_time(at(NOW)).is_err());
}

fn dev() -> Index {
    index(
        1,
        "bob/dev",
        &json!({"acl_upload": "bob", "acl_toxresult_upload": "bob", "acl_read": "bob"}),
    )
}

fn may(caller: &Caller, action: Action<'_>) -> String {
    match judge(&PermissionPolicy::default(), caller, action).into_result() {
        Ok(()) => "yes".to_owned(),
        Err(reason) => reason
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

#[test]
fn a_token_never_touches_users() {
    let bob = user_name("bob");
    for caller in [held("bob", &[]), held("root", &[])] {
        for action in [
            Action::CreateUser,
            Action::ModifyUser(&bob),
            Action::ChangePassword(&bob),
            Action::RemoveUser(&bob),
            Action::ManageTokens(TokenAct::Create, &bob),
        ] {
            let policy = PermissionPolicy {
                self_registration: true,
                ..PermissionPolicy::default()
            };
            assert!(!judge(&policy, &caller, action).is_allowed(), "{action:?}");
        }
    }
    assert_eq!(
        may(&caller("bob"), Action::ManageTokens(TokenAct::Create, &bob)),
        "yes"
    );
    assert_eq!(
        may(
            &Caller::user(UserName::root()),
            Action::ManageTokens(TokenAct::Create, &bob)
        ),
        "yes"
    );
    assert_eq!(
        may(&caller("eve"), Action::ManageTokens(TokenAct::Create, &bob)),
        "Access was denied to this resource."
    );
}

#[test]
fn a_token_may_what_its_user_may_and_it_allows() {
    let dev = dev();
    let name = index_name("bob/dev");
    let actions: [(&str, Action<'_>); 9] = [
        ("del_entry", Action::RemoveFiles(&dev)),
        ("del_project", Action::RemoveProject(&dev)),
        ("del_verdata", Action::RemoveRelease(&dev)),
        ("index_create", Action::CreateIndex(&name)),
        ("index_delete", Action::RemoveIndex(&dev)),
        ("index_modify", Action::ModifyIndex(&dev)),
        ("pkg_read", Action::ReadIndex(&dev)),
        ("toxresult_upload", Action::UploadTestResult(&dev)),
        ("upload", Action::Upload(&dev)),
    ];
    for (_, action) in actions {
        assert_eq!(may(&held("bob", &[]), action), "yes", "{action:?}");
        assert_ne!(may(&held("eve", &[]), action), "yes", "{action:?}");
    }
    for (allowed, _) in actions {
        let caller = held("bob", &[&format!("allowed={allowed}")]);
        for (name, action) in actions {
            let expected = name == allowed;
            assert_eq!(may(&caller, action) == "yes", expected, "{allowed} {name}");
        }
    }
    let reader = held("bob", &["allowed=pkg_read"]);
    assert_eq!(
        may(&reader, Action::Upload(&dev)),
        "no permission to submit"
    );
    assert_eq!(
        may(&reader, Action::CreateIndex(&name)),
        "no permission to create index bob/dev"
    );
}

#[test]
fn whoever_sends_something_away_is_known_and_may_read_it() {
    let dev = dev();
    let open = index(2, "bob/open", &json!({}));
    let refusal = "no permission to push from bob/open to another server";
    for (caller, answer) in [
        (Caller::anonymous(), refusal),
        (caller("eve"), "yes"),
        (held("eve", &[]), "yes"),
        // Reading what everybody may read is one thing.
        (held("eve", &["allowed=upload"]), refusal),
        (held("eve", &["allowed=pkg_read"]), "yes"),
        (
            held("eve", &["indexes=bob/dev"]),
            "Token denied access to index 'bob/open'",
        ),
    ] {
        assert_eq!(
            may(&caller, Action::PushOutside(&open)),
            answer,
            "{caller:?}"
        );
    }
    assert_ne!(may(&caller("eve"), Action::PushOutside(&dev)), "yes");
    let limited = held("bob", &["projects=mine"]);
    assert_eq!(
        may(&limited.about("mine"), Action::PushOutside(&dev)),
        "yes"
    );
    assert_eq!(
        may(&limited.about("other"), Action::PushOutside(&dev)),
        "Token denied access to project 'other'"
    );
}

#[test]
fn a_token_stays_within_its_indexes() {
    let dev = dev();
    let other = index_name("bob/prod");
    let within = held("bob", &["indexes=bob/dev,bob/prod"]);
    let without = held("bob", &["indexes=bob/prod"]);
    let refusal = "Token denied access to index 'bob/dev'";
    for action in [
        Action::ReadIndex(&dev),
        Action::Upload(&dev),
        Action::UploadTestResult(&dev),
        Action::RemoveFiles(&dev),
        Action::RemoveRelease(&dev),
        Action::RemoveProject(&dev),
        Action::ModifyIndex(&dev),
        Action::RemoveIndex(&dev),
    ] {
        assert_eq!(may(&within, action), "yes", "{action:?}");
        assert_eq!(may(&without, action), refusal, "{action:?}");
    }
    assert_eq!(may(&without, Action::CreateIndex(&other)), "yes");
    assert_eq!(may(&without, Action::CreateIndex(&dev.name)), refusal);
}

#[test]
fn a_token_stays_within_its_projects() {
    let dev = dev();
    let caller = held("bob", &["projects=Mine"]);
    for (project, answer) in [
        ("mine", "yes"),
        ("other", "Token denied access to project 'other'"),
    ] {
        let caller = caller.about(project);
        for action in [
            Action::ReadIndex(&dev),
            Action::Upload(&dev),
            Action::UploadTestResult(&dev),
            Action::RemoveFiles(&dev),
            Action::RemoveRelease(&dev),
            Action::RemoveProject(&dev),
        ] {
            assert_eq!(may(&caller, action), answer, "{action:?}");
        }
    }
    // An index is all its projects.
    for action in [
        Action::ModifyIndex(&dev),
        Action::RemoveIndex(&dev),
        Action::CreateIndex(&dev.name),
    ] {
        assert_eq!(
            may(&caller, action),
            "Token denied access to index 'bob/dev'"
        );
    }
    assert!(!caller.sees_all_projects());
    assert!(held("bob", &[]).sees_all_projects());
    assert_eq!(*Caller::anonymous().about("other"), Caller::anonymous());
}

fn visible(directory: &Directory, caller: &Caller, index: &str) -> Vec<String> {
    directory
        .visible_order(caller, id_of(directory, index))
        .iter()
        .map(|&id| directory.index_by_id(id).unwrap().name.to_string())
        .collect()
}

#[test]
fn a_token_leaves_what_everybody_may_read() {
    let directory = directory(&[
        ("bob/open", json!({})),
        (
            "bob/closed",
            json!({"acl_read": "bob", "bases": "bob/open"}),
        ),
    ]);
    for (restriction, expected) in [
        ("expires=never", vec!["bob/closed", "bob/open"]),
        ("indexes=bob/closed", vec!["bob/closed", "bob/open"]),
        ("indexes=bob/open", vec![]),
        ("allowed=upload", vec![]),
    ] {
        let caller = held("bob", &[restriction]);
        assert_eq!(
            visible(&directory, &caller, "bob/closed"),
            expected,
            "{restriction}"
        );
        assert_eq!(visible(&directory, &caller, "bob/open"), ["bob/open"]);
    }
    let caller = held("bob", &["projects=mine"]);
    assert_eq!(
        visible(&directory, &caller.about("mine"), "bob/closed").len(),
        2
    );
    assert!(visible(&directory, &caller.about("other"), "bob/closed").is_empty());
    assert_eq!(
        visible(&directory, &caller.about("other"), "bob/open"),
        ["bob/open"]
    );
}

#[test]
fn where_reading_needs_a_login_nothing_is_open() {
    let open = directory(&[
        ("bob/open", json!({})),
        ("bob/closed", json!({"acl_read": "bob"})),
    ]);
    let id = id_of(&open, "bob/open");
    let closed = id_of(&open, "bob/closed");
    assert!(open.readable(&Caller::anonymous(), id));
    let guarded = open.requiring_login(true);
    for (caller, reads_open, reads_closed) in [
        (Caller::anonymous(), false, false),
        (caller("eve"), true, false),
        (caller("bob"), true, true),
        (held("bob", &[]), true, true),
        // What nobody may read without a token, a token has to allow.
        (held("bob", &["allowed=upload"]), false, false),
        (held("bob", &["indexes=bob/closed"]), false, true),
        (held("eve", &["indexes=bob/open"]), true, false),
    ] {
        assert_eq!(guarded.readable(&caller, id), reads_open, "{caller:?}");
        assert_eq!(
            guarded.readable(&caller, closed),
            reads_closed,
            "{caller:?}"
        );
        assert_eq!(
            !visible(&guarded, &caller, "bob/open").is_empty(),
            reads_open,
            "{caller:?}"
        );
    }
    assert!(guarded.hides_something(&Caller::anonymous(), id));
    let policy = PermissionPolicy {
        login_required: true,
        ..PermissionPolicy::default()
    };
    let index = guarded.index("bob", "open").unwrap();
    let action = Action::ReadIndex(index);
    assert!(!judge(&policy, &Caller::anonymous(), action).is_allowed());
    assert!(judge(&policy, &caller("eve"), action).is_allowed());
}

#[test]
fn lasting_tokens_are_for_those_who_administer() {
    let open = PermissionPolicy::default();
    assert!(may_make_lasting_tokens(
        &open,
        &Caller::user(UserName::root())
    ));
    assert!(!may_make_lasting_tokens(&open, &caller("bob")));
    let listed = PermissionPolicy {
        restrict_modify: Some(PermissionPolicy::parse_restrict_modify("bob")),
        ..open
    };
    assert!(may_make_lasting_tokens(&listed, &caller("bob")));
    assert!(!may_make_lasting_tokens(
        &listed,
        &Caller::user(UserName::root())
    ));
}

#[test]
fn the_change_log_tells_tokens_from_their_users() {
    assert_eq!(Caller::anonymous().actor(), "anonymous");
    assert_eq!(caller("bob").actor(), "bob");
    assert_eq!(held("bob", &[]).actor(), "bob (token k3JxWq8T)");
    assert!(IndexName::parse("bob (token k3JxWq8T)/dev").is_err());
}
