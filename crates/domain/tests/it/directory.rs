//! The snapshot of all users and indexes, and what a caller sees of it.

use std::sync::Arc;

use cheeseshop_domain::{
    Caller, Directory, Index, IndexId, Inheritance, UserName, Whitelist,
    resolution::{Contribution, Step, StepKind, contributors},
};
use serde_json::json;

use crate::support::{caller, create, directory, id_of, index, index_name, names, user, user_name};

/// `team/dev` (public) on `team/secret` (eve only), on `shared/stable` (public) and the mirror `root/pypi`.
fn layout() -> Directory {
    directory(&[
        ("team/dev", json!({"bases": ["team/secret"]})),
        (
            "team/secret",
            json!({"bases": ["shared/stable"], "acl_read": ["eve"]}),
        ),
        ("shared/stable", json!({"bases": ["root/pypi"]})),
        ("root/pypi", json!({"type": "mirror"})),
        (
            "team/closed",
            json!({"bases": ["root/pypi"], "acl_read": []}),
        ),
    ])
}

#[test]
fn users_and_indexes_are_found_by_name_and_id() {
    let directory = layout();
    assert_eq!(directory.user("team").unwrap().name, "team");
    assert!(directory.user("Team").is_none());
    let dev = directory.index("team", "dev").unwrap();
    assert_eq!(dev.name.to_string(), "team/dev");
    assert!(Arc::ptr_eq(dev, directory.index_by_id(dev.id).unwrap()));
    assert!(Arc::ptr_eq(
        dev,
        directory.index_by_name(&index_name("team/dev")).unwrap()
    ));
    for (user, index) in [
        ("team", "prod"),
        ("nobody", "dev"),
        ("", ""),
        ("team", "DEV"),
    ] {
        assert!(directory.index(user, index).is_none());
    }
}

#[test]
fn lists_are_sorted() {
    let directory = layout();
    let all: Vec<_> = directory
        .indexes()
        .map(|index| index.name.to_string())
        .collect();
    assert_eq!(
        all,
        [
            "root/pypi",
            "shared/stable",
            "team/closed",
            "team/dev",
            "team/secret"
        ]
    );
    let of_team: Vec<_> = directory
        .indexes_of("team")
        .map(|index| &*index.name.index)
        .collect();
    assert_eq!(of_team, ["closed", "dev", "secret"]);
    assert_eq!(directory.indexes_of("root").len(), 1);
    for unknown in ["", "a", "tea", "teams", "zzz"] {
        assert_eq!(directory.indexes_of(unknown).len(), 0, "{unknown}");
    }
    let users: Vec<_> = directory.users().map(|user| user.name.as_str()).collect();
    assert_eq!(users, ["root", "shared", "team"]);
}

#[test]
fn a_user_need_not_have_indexes_nor_an_index_a_known_user() {
    let directory = Directory::build([user(1, "bob")], [index(1, "eve/dev", &json!({}))]);
    assert_eq!(directory.indexes_of("bob").len(), 0);
    assert!(directory.user("eve").is_none());
    assert!(directory.index("eve", "dev").is_some());
    let empty = Directory::default();
    assert!(empty.order(IndexId(1)).is_empty());
}

#[test]
fn nouns_of_an_earlier_snapshot_are_shared() {
    let before = layout();
    let added = Arc::new(index(9, "team/new", &json!({"bases": ["team/dev"]})));
    let after = Directory::build(
        before.users().cloned(),
        before.indexes().cloned().chain([added]),
    );
    let dev = |directory: &Directory| directory.index("team", "dev").unwrap().clone();
    assert!(Arc::ptr_eq(&dev(&before), &dev(&after)));
    assert!(before.index("team", "new").is_none());
    assert_eq!(
        names(&after, after.order(IndexId(9)))[..2],
        ["team/new", "team/dev"]
    );
}

#[test]
fn a_base_made_later_joins_the_order() {
    let without = directory(&[("a/a", json!({"bases": ["a/b"]}))]);
    assert_eq!(names(&without, without.order(IndexId(1))), ["a/a"]);
    let with = Directory::build(
        without.users().cloned(),
        without
            .indexes()
            .cloned()
            .chain([Arc::new(index(7, "a/b", &json!({})))]),
    );
    assert_eq!(names(&with, with.order(IndexId(1))), ["a/a", "a/b"]);
}

#[test]
fn what_a_caller_may_not_read_is_left_out_of_the_order() {
    let directory = layout();
    let everything = ["team/dev", "team/secret", "shared/stable", "root/pypi"];
    let without_secret = ["team/dev", "shared/stable", "root/pypi"];
    let root = Caller::user(UserName::root());
    let anonymous = Caller::anonymous();
    let (eve, bob, owner) = (caller("eve"), caller("bob"), caller("team"));
    let dev = id_of(&directory, "team/dev");
    for (caller, expected, hides) in [
        (&root, &everything[..], false),
        (&owner, &everything[..], false),
        (&eve, &everything[..], false),
        (&bob, &without_secret[..], true),
        (&anonymous, &without_secret[..], true),
    ] {
        assert_eq!(
            names(&directory, &directory.visible_order(caller, dev)),
            expected
        );
        assert_eq!(directory.hides_something(caller, dev), hides);
        assert!(directory.readable(caller, dev));
    }
    assert_eq!(names(&directory, directory.order(dev)), everything);
}

#[test]
fn a_hidden_index_shows_nothing_of_its_order() {
    let directory = layout();
    let (secret, closed) = (
        id_of(&directory, "team/secret"),
        id_of(&directory, "team/closed"),
    );
    let bob = caller("bob");
    for index in [secret, closed] {
        assert!(!directory.readable(&bob, index));
        assert!(directory.visible_order(&bob, index).is_empty());
        assert!(directory.hides_something(&bob, index));
    }
    let eve = caller("eve");
    assert_eq!(directory.visible_order(&eve, secret).len(), 3);
    assert!(directory.visible_order(&eve, closed).is_empty());
    let unknown = IndexId(99);
    assert!(!directory.readable(&Caller::user(UserName::root()), unknown));
    assert!(directory.visible_order(&eve, unknown).is_empty());
    assert!(!directory.hides_something(&eve, unknown));
}

#[test]
fn public_orders_are_shared_without_copying() {
    let directory = layout();
    let stable = id_of(&directory, "shared/stable");
    let first = directory.visible_order(&Caller::anonymous(), stable);
    let second = directory.visible_order(&caller("bob"), stable);
    assert!(Arc::ptr_eq(&first, &second));
    assert!(!directory.hides_something(&Caller::anonymous(), stable));
    // Also for those who may read everything of a guarded order.
    let dev = id_of(&directory, "team/dev");
    let first = directory.visible_order(&caller("eve"), dev);
    assert!(Arc::ptr_eq(
        &first,
        &directory.visible_order(&caller("team"), dev)
    ));
}

#[test]
fn a_private_project_on_an_unreadable_index_still_blocks_the_mirrors() {
    let directory = layout();
    let dev = id_of(&directory, "team/dev");
    let secret = id_of(&directory, "team/secret");
    let whitelist = Whitelist::default();
    let steps: Vec<_> = directory
        .order(dev)
        .iter()
        .map(|&id| {
            let is_mirror = directory.index_by_id(id).unwrap().is_mirror();
            let kind = if is_mirror {
                StepKind::Mirror
            } else {
                StepKind::Hosted {
                    whitelist: &whitelist,
                    has_project: id == secret,
                }
            };
            Step { index: id, kind }
        })
        .collect();
    let visible = directory.visible_order(&Caller::anonymous(), dev);
    let answering: Vec<_> = contributors(Inheritance::Intersection, "hush", &steps)
        .into_iter()
        .filter(|decision| visible.contains(&decision.index))
        .filter(|decision| decision.verdict == Contribution::Contributes)
        .collect();
    assert_eq!(answering, []);
}

#[test]
fn only_what_is_visible_may_become_a_base() {
    let directory = layout();
    let (secret, gone) = (index_name("team/secret"), index_name("team/gone"));
    let bob = caller("bob");
    assert!(directory.may_be_base(&bob, None, &index_name("root/pypi")));
    assert!(!directory.may_be_base(&bob, None, &secret));
    assert!(!directory.may_be_base(&bob, None, &gone));
    assert!(directory.may_be_base(&caller("eve"), None, &secret));
    // What is a base already stays one, so that something else can be changed; unless it is gone.
    let config = create("bob", &json!({"bases": ["team/secret", "team/gone"]})).unwrap();
    assert!(directory.may_be_base(&bob, Some(&config), &secret));
    assert!(!directory.may_be_base(&bob, Some(&config), &gone));
}

#[test]
fn thousands_of_indexes_make_a_snapshot() {
    let users = (0..2000).map(|n| user(n, &format!("user{n}")));
    let indexes = (0..2000).map(|n| -> Index {
        index(
            n,
            &format!("user{n}/dev"),
            &json!({"bases": ["user0/dev", format!("user{}/dev", n / 2)]}),
        )
    });
    let directory = Directory::build(users, indexes);
    assert_eq!(directory.indexes().len(), 2000);
    assert_eq!(
        directory.user("user1999").unwrap().name,
        user_name("user1999")
    );
    let id = id_of(&directory, "user1999/dev");
    assert_eq!(directory.order(id)[0], id);
    assert!(directory.order(id).len() > 5);
}
