//! Who may do what: devpi's table, with and without `--restrict-modify`.

use cheeseshop_domain::{
    Action, Caller, Index, PermissionPolicy, UserName,
    permission::{IndexNotFound, PushRefused, judge},
};
use serde_json::json;

use crate::support::{caller, index, index_name, user_name};

/// Anonymous, root, the owner bob, eve, dora of the group `devs`.
fn callers() -> [Caller; 5] {
    [
        Caller::anonymous(),
        Caller::user(UserName::root()),
        caller("bob"),
        caller("eve"),
        Caller::member(user_name("dora"), ["devs"]),
    ]
}

/// One row of the table: who may, as the letters of anonymous, root, owner, eve, dora.
fn who(policy: &PermissionPolicy, action: Action<'_>) -> String {
    callers()
        .iter()
        .zip(["a", "r", "o", "e", "d"])
        .filter(|(caller, _)| judge(policy, caller, action).is_allowed())
        .map(|(_, letter)| letter)
        .collect()
}

fn open() -> PermissionPolicy {
    PermissionPolicy {
        self_registration: true,
        ..PermissionPolicy::default()
    }
}

fn restricted(spec: &str) -> PermissionPolicy {
    PermissionPolicy {
        restrict_modify: Some(PermissionPolicy::parse_restrict_modify(spec)),
        ..open()
    }
}

fn hosted(acl_upload: &str) -> Index {
    index(
        1,
        "bob/dev",
        &json!({"acl_upload": acl_upload, "acl_toxresult_upload": "eve"}),
    )
}

#[test]
fn users() {
    let (bob, root) = (user_name("bob"), UserName::root());
    let to_root = restricted("root");
    let to_eve = restricted("eve, :devs");
    for (action, free, with_root, with_eve) in [
        (Action::CreateUser, "aroed", "r", "ed"),
        (Action::ModifyUser(&bob), "ro", "r", "ed"),
        (Action::ModifyUser(&root), "r", "r", "ed"),
        (Action::ChangePassword(&bob), "ro", "ro", "oed"),
        (Action::ChangePassword(&root), "r", "r", "red"),
        (Action::RemoveUser(&bob), "ro", "r", "ed"),
        (Action::RemoveUser(&root), "", "", ""),
    ] {
        assert_eq!(who(&open(), action), free, "{action:?}");
        assert_eq!(who(&to_root, action), with_root, "{action:?}");
        assert_eq!(who(&to_eve, action), with_eve, "{action:?}");
    }
}

#[test]
fn a_listed_user_cannot_remove_themselves() {
    let (eve, dora) = (user_name("eve"), user_name("dora"));
    let policy = restricted("eve,:devs");
    assert_eq!(who(&policy, Action::RemoveUser(&eve)), "d");
    assert_eq!(who(&policy, Action::RemoveUser(&dora)), "e");
    assert_eq!(who(&open(), Action::RemoveUser(&eve)), "re");
}

#[test]
fn without_self_registration_only_root_makes_users() {
    let closed = PermissionPolicy::default();
    assert_eq!(who(&closed, Action::CreateUser), "r");
    let listed = PermissionPolicy {
        self_registration: false,
        ..restricted("eve")
    };
    assert_eq!(who(&listed, Action::CreateUser), "e");
}

#[test]
fn making_and_changing_indexes() {
    let name = index_name("bob/new");
    let hosted = hosted("");
    let mirror = index(2, "bob/mirror", &json!({"type": "mirror"}));
    for action in [
        Action::CreateIndex(&name),
        Action::ModifyIndex(&hosted),
        Action::RemoveIndex(&hosted),
        Action::ModifyIndex(&mirror),
        Action::RemoveIndex(&mirror),
    ] {
        assert_eq!(who(&open(), action), "ro", "{action:?}");
        assert_eq!(who(&restricted("root"), action), "r", "{action:?}");
        assert_eq!(who(&restricted("eve,:devs"), action), "ed", "{action:?}");
        assert_eq!(who(&restricted(""), action), "", "{action:?}");
    }
}

#[test]
fn uploads_follow_the_list_alone() {
    for (acl_upload, expected) in [
        ("", ""),
        ("bob", "o"),
        ("root", "r"),
        ("eve", "e"),
        (":devs", "d"),
        (":AUTHENTICATED:", "roed"),
        (":ANONYMOUS:", "aroed"),
        ("devs", ""),
    ] {
        let index = hosted(acl_upload);
        for policy in [open(), restricted("root"), restricted("eve")] {
            assert_eq!(
                who(&policy, Action::Upload(&index)),
                expected,
                "{acl_upload}"
            );
            assert_eq!(who(&policy, Action::UploadTestResult(&index)), "e");
        }
    }
}

#[test]
fn contents_are_removed_by_uploaders_and_administrators() {
    let index = hosted("eve");
    assert_eq!(who(&open(), Action::RemoveFiles(&index)), "roe");
    assert_eq!(who(&restricted("root"), Action::RemoveFiles(&index)), "re");
    assert_eq!(who(&restricted(":devs"), Action::RemoveFiles(&index)), "ed");
}

#[test]
fn nobody_uploads_to_a_mirror_and_its_owner_clears_it() {
    let body = json!({"type": "mirror", "acl_upload": ":ANONYMOUS:"});
    let mirror = index(1, "bob/mirror", &body);
    for policy in [open(), restricted("root,eve")] {
        assert_eq!(who(&policy, Action::Upload(&mirror)), "");
        assert_eq!(who(&policy, Action::UploadTestResult(&mirror)), "");
    }
    assert_eq!(who(&open(), Action::RemoveFiles(&mirror)), "ro");
    assert_eq!(who(&restricted("eve"), Action::RemoveFiles(&mirror)), "e");
}

#[test]
fn reading_follows_acl_read_but_root_and_the_owner_always_may() {
    for kind in ["stage", "mirror"] {
        for (acl_read, expected) in [
            (json!([":ANONYMOUS:"]), "aroed"),
            (json!([":AUTHENTICATED:"]), "roed"),
            (json!(["eve"]), "roe"),
            (json!([":devs"]), "rod"),
            (json!([]), "ro"),
        ] {
            let index = index(1, "bob/dev", &json!({"type": kind, "acl_read": acl_read}));
            for policy in [open(), restricted("eve"), PermissionPolicy::default()] {
                assert_eq!(
                    who(&policy, Action::ReadIndex(&index)),
                    expected,
                    "{acl_read}"
                );
            }
        }
    }
}

#[test]
fn the_list_is_split_at_commas() {
    let spelled = |spec: &str| -> Vec<String> {
        PermissionPolicy::parse_restrict_modify(spec)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(spelled("root"), ["root"]);
    assert_eq!(
        spelled(" root , :Admins,, eve "),
        ["root", ":Admins", "eve"]
    );
    assert_eq!(spelled(""), [""; 0]);
}

#[test]
fn whoever_may_not_make_users_is_told_who_may() {
    let policy = PermissionPolicy {
        restrict_modify: Some(vec![]),
        self_registration: true,
        ..PermissionPolicy::default()
    };
    for caller in [Caller::anonymous(), caller("root")] {
        let reason = judge(&policy, &caller, Action::CreateUser)
            .into_result()
            .unwrap_err()
            .to_string();
        assert!(reason.starts_with("Access was denied"), "{reason}");
        assert!(
            reason.ends_with("Users are made by those whom auth.restrict_modify lists."),
            "{reason}"
        );
    }
}

#[test]
fn reasons_are_devpis() {
    let (bob, name) = (user_name("bob"), index_name("bob/new"));
    let index = index(
        1,
        "bob/dev",
        &json!({"acl_read": [], "acl_upload": [], "acl_toxresult_upload": []}),
    );
    let denied = "Access was denied to this resource.\n\n\nUnauthorized: PyPIView failed permission check\n\n";
    let no_new_users =
        format!("{denied}Users are made by root, unless auth.self_registration is on.");
    let policy = PermissionPolicy::default();
    for (action, text) in [
        (
            Action::ReadIndex(&index),
            "The stage bob/dev could not be found.",
        ),
        (Action::Upload(&index), "no permission to submit"),
        (
            Action::UploadTestResult(&index),
            "No permission to upload tox results. You can use the devpi test --no-upload option to skip the upload.",
        ),
        (Action::RemoveFiles(&index), denied),
        (Action::ModifyIndex(&index), denied),
        (Action::RemoveIndex(&index), denied),
        (
            Action::CreateIndex(&name),
            "no permission to create index bob/new",
        ),
        (Action::CreateUser, no_new_users.as_str()),
        (Action::ModifyUser(&bob), "no permission to modify user bob"),
        (
            Action::ChangePassword(&bob),
            "no permission to change password for user bob",
        ),
        (Action::RemoveUser(&bob), denied),
    ] {
        for caller in [Caller::anonymous(), caller("eve")] {
            let reason = judge(&policy, &caller, action).into_result().unwrap_err();
            assert_eq!(reason.to_string(), text, "{action:?}");
        }
    }
    assert_eq!(
        IndexNotFound(&name).to_string(),
        "The stage bob/new could not be found."
    );
    let refused = |caller: &Caller| {
        PushRefused {
            caller,
            target: &name,
        }
        .to_string()
    };
    assert_eq!(
        refused(&caller("eve")),
        "user 'eve' cannot upload to 'bob/new'"
    );
    assert_eq!(
        refused(&Caller::anonymous()),
        "user None cannot upload to 'bob/new'"
    );
}
