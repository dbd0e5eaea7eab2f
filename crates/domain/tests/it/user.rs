//! Bodies of requests about users, and the document of a user.

use cheeseshop_domain::{
    Action, NewPassword, NewUser, UserPatch, UserProfile,
    api::{UserDocument, index_document},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{index, map, user, user_name};

fn password(password: &NewPassword) -> String {
    match password {
        NewPassword::Plain(text) => format!("plain {}", text.expose_secret()),
        NewPassword::Hash(text) => format!("hash {}", text.expose_secret()),
    }
}

fn new_user(body: &Value) -> Result<NewUser, String> {
    NewUser::parse(&map(body)).map_err(|error| error.to_string())
}

fn patch(body: &Value) -> UserPatch {
    UserPatch::parse(&map(body)).unwrap()
}

#[test]
fn a_new_user_needs_a_password() {
    for (body, expected) in [
        (json!({"password": "x"}), "plain x"),
        (json!({"password": ""}), "plain "),
        (
            json!({"password": "x", "pwhash": "$argon2id$v=19$x"}),
            "hash $argon2id$v=19$x",
        ),
        (json!({"password": "x", "pwhash": ""}), "plain x"),
        (
            json!({"password": "x", "pwhash": null, "pwsalt": "y"}),
            "plain x",
        ),
    ] {
        assert_eq!(
            password(&new_user(&body).unwrap().password),
            expected,
            "{body}"
        );
    }
    for (body, text) in [
        (json!({}), "password needs to be set"),
        (json!({"password": null}), "password needs to be set"),
        (
            json!({"pwhash": "$argon2id$v=19$x"}),
            "password needs to be set",
        ),
        (json!({"password": 1}), "password must be a string"),
        (
            json!({"password": "x", "pwhash": "md5"}),
            "pwhash must be an argon2 hash in PHC string format",
        ),
    ] {
        assert_eq!(new_user(&body).unwrap_err(), text, "{body}");
    }
}

#[test]
fn unknown_keys_are_refused_for_new_users_and_dropped_in_patches() {
    let body = json!({"password": "x", "foo": 1, "email": "b@h.example", "bar": 2});
    assert_eq!(
        new_user(&body).unwrap_err(),
        "Unknown keys in user config: foo, bar"
    );
    let patched = patch(&body).apply(&UserProfile::default());
    assert_eq!(
        Value::Object(patched.to_json()),
        json!({"email": "b@h.example"})
    );
    let ignored =
        json!({"password": "x", "username": "eve", "indexes": {}, "created": "x", "modified": "y"});
    assert_eq!(new_user(&ignored).unwrap().profile, UserProfile::default());
}

#[test]
fn a_patch_merges_and_empty_values_remove() {
    let full = json!({"email": "e", "title": "t", "description": "d", "custom_data": {"a": 1}});
    let profile = UserProfile::from_json(&map(&full));
    for (body, expected, changed) in [
        (json!({}), full.clone(), vec![]),
        (full.clone(), full.clone(), vec![]),
        (
            json!({"email": "x"}),
            json!({"email": "x", "title": "t", "description": "d", "custom_data": {"a": 1}}),
            vec!["email"],
        ),
        (
            json!({"title": "", "custom_data": {}, "description": null}),
            json!({"email": "e"}),
            vec!["title", "custom_data", "description"],
        ),
        (
            json!({"custom_data": [1, "x"], "username": "eve", "password": "x", "email": "e"}),
            json!({"email": "e", "title": "t", "description": "d", "custom_data": [1, "x"]}),
            vec!["password", "custom_data"],
        ),
    ] {
        let patch = patch(&body);
        let got = Value::Object(patch.apply(&profile).to_json());
        assert_eq!(got, expected, "{body}");
        assert_eq!(patch.changed_keys(&profile), changed, "{body}");
    }
}

#[test]
fn a_body_with_nothing_but_a_password_needs_less_permission() {
    let bob = user_name("bob");
    for (body, is_password_only) in [
        (json!({"password": "x"}), true),
        (json!({"password": "x", "email": "e"}), false),
        (json!({"password": "x", "pwhash": "$argon2id$x"}), false),
        (json!({"pwhash": "$argon2id$x"}), false),
        (json!({"password": "x", "foo": 1}), false),
        (json!({"email": "e"}), false),
        (json!({}), false),
    ] {
        let patch = patch(&body);
        let got = matches!(patch.action(&bob), Action::ChangePassword(_));
        assert_eq!(got, is_password_only, "{body}");
    }
    assert!(patch(&json!({"email": "e"})).password.is_none());
}

#[test]
fn secrets_of_a_user_are_in_no_document_and_no_debug_text() {
    let mut bob = user(1, "bob");
    bob.password_hash = Some("$argon2id$s3cret".to_owned());
    let document = serde_json::to_string(&UserDocument::new(&bob, [])).unwrap();
    let patch = patch(&json!({"password": "s3cret"}));
    let new = new_user(&json!({"password": "s3cret"})).unwrap();
    let shown = format!("{bob:?} {document} {patch:?} {new:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn the_document_of_a_user_is_devpis() {
    let mut bob = user(1, "bob");
    bob.profile.email = Some(json!("b@h.example"));
    bob.profile.custom_data = Some(json!({"a": 1}));
    bob.created = "2026-11-22T11:37:51.25Z".parse().unwrap();
    let dev = index(1, "bob/dev", &json!({"bases": ["root/pypi"]}));
    let document = UserDocument::new(&bob, [&dev]);
    let expected = json!({
        "email": "b@h.example",
        "created": "2026-11-22T11:37:51Z",
        "indexes": {"dev": {
            "type": "stage", "volatile": true, "bases": ["root/pypi"], "acl_upload": ["bob"],
            "acl_toxresult_upload": [":ANONYMOUS:"], "mirror_whitelist": [],
            "mirror_whitelist_inheritance": "intersection",
        }},
        "custom_data": {"a": 1},
        "username": "bob",
    });
    assert_eq!(serde_json::to_value(&document).unwrap(), expected);
    assert_eq!(
        serde_json::from_value::<UserDocument>(expected).unwrap(),
        document
    );
    bob.modified = Some("2026-11-22T11:37:53Z".parse().unwrap());
    let document = serde_json::to_value(UserDocument::new(&bob, [])).unwrap();
    assert_eq!(document["modified"], "2026-11-22T11:37:53Z");
}

#[test]
fn the_document_of_an_index_lists_projects_when_asked() {
    let dev = index(1, "bob/dev", &json!({}));
    assert!(!index_document(&dev, None).contains_key("projects"));
    let projects = ["a".to_owned(), "b".to_owned()];
    assert_eq!(
        index_document(&dev, Some(&projects))["projects"],
        json!(["a", "b"])
    );
    let mirror = index(
        2,
        "bob/m",
        &json!({"type": "mirror", "mirror_url": "https://u:s3cret@h.example/"}),
    );
    let text = serde_json::to_string(&index_document(&mirror, None)).unwrap();
    assert!(!text.contains("s3cret"));
}
