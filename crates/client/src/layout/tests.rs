//! Layouts against what servers have: data only.

use cheeseshop_domain::UserName;
use serde_json::{Value, json};

use super::*;

/// A server with `root`, `root/pypi`, and what is given: users with settings and indexes.
fn present(users: &Value) -> Present {
    let mut all = json!({
        "root": {"username": "root", "indexes": {"pypi": {
            "type": "mirror", "volatile": false, "title": "PyPI", "mirror_url": "https://up.test/simple/",
        }}},
    });
    for (name, settings) in users.as_object().unwrap() {
        all[name] = settings.clone();
    }
    Present::new(serde_json::from_value(all).unwrap())
}

fn layout(text: &str) -> Layout {
    Layout::read(&format!("version = 1\n{text}"), &mut |_| {
        Err("no secrets".to_owned())
    })
    .unwrap()
}

/// The steps, a line each: what is sent is not shown but what changes.
fn lines(plan: &Plan) -> Vec<String> {
    let step_line = |step: &Step| {
        let sign = match step.action {
            Action::Create => '+',
            Action::Change => '~',
            Action::Remove => '-',
        };
        let changes: Vec<_> = step
            .changes
            .iter()
            .map(|change| match (&change.old, &change.new) {
                (None, None) => change.key.clone(),
                (None, Some(new)) => format!("{}={new}", change.key),
                (Some(old), Some(new)) => format!("{}={old}>{new}", change.key),
                (Some(old), None) => format!("{}={old}>", change.key),
            })
            .collect();
        format!("{sign} {} {}", step.subject, changes.join(" "))
            .trim_end()
            .to_owned()
    };
    plan.steps.iter().map(step_line).collect()
}

fn planned_with(text: &str, users: &Value, options: &PlanOptions) -> Vec<String> {
    match layout(text).plan(&present(users), options) {
        Ok(plan) => lines(&plan),
        Err(problems) => problems
            .list()
            .iter()
            .map(|problem| format!("! {problem}"))
            .collect(),
    }
}

fn planned(text: &str, users: &Value) -> Vec<String> {
    planned_with(text, users, &PlanOptions::default())
}

fn prune() -> PlanOptions {
    PlanOptions {
        prune: true,
        ..PlanOptions::default()
    }
}

#[test]
fn what_is_missing_is_made_users_first_and_bases_before_heirs() {
    let text = r#"
        [indexes."bob/a"]
        bases = ["bob/b", "root/pypi"]
        [indexes."bob/b"]
        bases = ["eve/c"]
        [indexes."eve/c"]
        volatile = false
        [users.bob]
        title = "Bob"
        email = ""
        [users.eve]
    "#;
    assert_eq!(
        planned(text, &json!({})),
        [
            "+ user bob title=\"Bob\"",
            "+ user eve",
            "+ index eve/c volatile=false",
            "+ index bob/b bases=[\"eve/c\"]",
            "+ index bob/a bases=[\"bob/b\",\"root/pypi\"]",
        ]
    );
}

#[test]
fn only_named_keys_that_differ_are_changed() {
    let dev = |settings: Value| json!({"bob": {"title": "Bob", "indexes": {"dev": settings}}});
    let stage = json!({
        "type": "stage", "volatile": true, "bases": ["root/pypi"], "acl_upload": ["bob"],
        "mirror_whitelist": ["a-b"], "mirror_whitelist_inheritance": "intersection", "title": "Dev",
    });
    for (settings, expected) in [
        ("", &[][..]),
        ("bases = [\"/root/pypi\"]", &[]),
        ("bases = \"root/pypi\"", &[]),
        ("mirror_whitelist = [\"A_B\"]\nvolatile = \"yes\"", &[]),
        ("acl_read = [\":anonymous:\"]", &[]),
        ("uploadtrigger_jenkins = \"\"", &[]),
        ("volatile = false", &["~ index bob/dev volatile=true>false"]),
        (
            "acl_read = [\"bob\"]\ntitle = \"\"",
            &["~ index bob/dev acl_read=[\"bob\"] title=\"Dev\">\"\""],
        ),
        (
            "bases = []\nacl_upload = [\":authenticated:\"]",
            &[
                "~ index bob/dev acl_upload=[\"bob\"]>[\":AUTHENTICATED:\"] bases=[\"root/pypi\"]>[]",
            ],
        ),
        (
            "type = \"mirror\"",
            &[
                "! index bob/dev: it is of the type stage, and cannot become mirror; say type = \"stage\", or remove it first",
            ],
        ),
    ] {
        let text = format!("[indexes.\"bob/dev\"]\n{settings}");
        assert_eq!(planned(&text, &dev(stage.clone())), expected, "{settings}");
    }
    for (settings, expected) in [
        ("title = \"Bob\"\nemail = \"\"", &[][..]),
        ("title = \"\"", &["~ user bob title=\"Bob\">\"\""]),
        (
            "email = \"b@b.test\"\ncustom_data = [1]",
            &["~ user bob custom_data=[1] email=\"b@b.test\""],
        ),
    ] {
        let text = format!("[users.bob]\n{settings}");
        assert_eq!(planned(&text, &dev(stage.clone())), expected, "{settings}");
    }
}

#[test]
fn what_a_server_hides_of_a_url_counts_as_right() {
    let hidden = json!({"bob": {"indexes": {"up": {
        "type": "mirror", "volatile": true, "mirror_url": "https://***@up.test/simple",
    }}}});
    let told = json!({"bob": {"indexes": {"up": {
        "type": "mirror", "volatile": true, "mirror_url": "https://u:old@up.test/simple",
    }}}});
    let again = PlanOptions {
        send_secrets: true,
        ..PlanOptions::default()
    };
    let never = PlanOptions::default();
    let change =
        "~ index bob/up mirror_url=\"https://***@up.test/simple\">\"https://***@up.test/simple\"";
    let same = "https://u:new@up.test/simple";
    for (url, users, options, expected) in [
        (same, &hidden, &never, &[][..]),
        (same, &hidden, &again, &[change]),
        // devpi tells the whole URL, so that it can be compared.
        (same, &told, &never, &[change]),
        ("https://u:old@up.test/simple", &told, &never, &[]),
        (
            "https://u:new@other.test/simple",
            &hidden,
            &never,
            &[
                "~ index bob/up mirror_url=\"https://***@up.test/simple\">\"https://***@other.test/simple\"",
            ],
        ),
    ] {
        let text = format!("[indexes.\"bob/up\"]\ntype = \"mirror\"\nmirror_url = \"{url}\"");
        let layout = layout(&text);
        let plan = layout.plan(&present(users), options).unwrap();
        assert_eq!(lines(&plan), expected, "{url}");
        assert!(!format!("{plan:?}").contains("u:"), "{plan:?}");
    }
}

#[test]
fn a_new_mirror_needs_an_upstream_unless_it_is_allowed_to_have_none() {
    let text = "[indexes.\"root/up\"]\ntype = \"mirror\"";
    assert_eq!(
        planned(text, &json!({})),
        ["! index root/up: it is not there yet, and a new mirror needs its `mirror_url`"]
    );
    let allowed = PlanOptions {
        allow_empty_mirrors: true,
        ..PlanOptions::default()
    };
    assert_eq!(
        planned_with(text, &json!({}), &allowed),
        ["+ index root/up type=\"mirror\""]
    );
    // One that is there is left as it is.
    assert_eq!(
        planned("[indexes.\"root/pypi\"]\ntype = \"mirror\"", &json!({})),
        [""; 0]
    );
}

#[test]
fn what_is_nowhere_and_what_goes_in_circles_is_told_before_anything_is_done() {
    let there = json!({"bob": {"indexes": {
        "a": {"type": "stage", "bases": ["bob/b"]},
        "b": {"type": "stage", "bases": []},
        "x": {"type": "stage", "bases": ["bob/x"]},
    }}});
    for (text, expected) in [
        (
            "[indexes.\"eve/dev\"]",
            &["! index eve/dev: there is no user eve, neither here nor in the layout"][..],
        ),
        (
            "[indexes.\"bob/c\"]\nbases = [\"bob/none\", \"bob/a\"]",
            &[
                "! index bob/c: there is no index bob/none to inherit from, neither here nor in the layout",
            ],
        ),
        (
            "[indexes.\"bob/c\"]\nbases = [\"bob/d\"]\n[indexes.\"bob/d\"]\nbases = [\"bob/c\"]",
            &["! index bob/c: bases go in a circle: bob/c → bob/d → bob/c"],
        ),
        // With what is there already.
        (
            "[indexes.\"bob/b\"]\nbases = [\"bob/a\"]",
            &["! index bob/a: bases go in a circle: bob/a → bob/b → bob/a"],
        ),
        // An old circle is not the layout's, and the layout may end it.
        (
            "[indexes.\"bob/c\"]\nbases = [\"bob/x\"]",
            &["+ index bob/c bases=[\"bob/x\"]"],
        ),
        (
            "[indexes.\"bob/x\"]\nbases = []",
            &["~ index bob/x bases=[\"bob/x\"]>[]"],
        ),
        // Turned round: the base lets go first.
        (
            "[indexes.\"bob/a\"]\nbases = []\n[indexes.\"bob/b\"]\nbases = [\"bob/a\"]",
            &[
                "~ index bob/a bases=[\"bob/b\"]>[]",
                "~ index bob/b bases=[]>[\"bob/a\"]",
            ],
        ),
        // Bases that are not named stay, and are looked at for circles.
        (
            "[indexes.\"bob/a\"]\ntitle = \"A\"",
            &["~ index bob/a title=\"A\""],
        ),
    ] {
        assert_eq!(planned(text, &there), expected, "{text}");
    }
}

#[test]
fn passwords_are_given_made_up_or_left_alone() {
    let mut there = present(&json!({"bob": {}, "eve": {}, "kim": {}}));
    let bob = UserName::parse("bob").unwrap();
    let kim = UserName::parse("kim").unwrap();
    there.note_wrong_password(&bob);
    there.note_wrong_password(&kim);
    let layout = layout(
        "[users.ann]\n[users.bob]\npassword = \"geheim\"\ntitle = \"B\"\n[users.eve]\npassword = \"geheim\"\n\
         [users.kim]\npassword = \"geheim\"\n[users.tom]\npassword = \"geheim\"\n[indexes.\"kim/dev\"]",
    );
    let options = PlanOptions {
        caller: Some("kim".to_owned()),
        ..PlanOptions::default()
    };
    let plan = layout.plan(&there, &options).unwrap();
    assert_eq!(
        lines(&plan),
        [
            "+ user ann",
            "~ user bob password title=\"B\"",
            "+ user tom",
            "+ index kim/dev",
            // Ends the login that the rest is done with.
            "~ user kim password",
        ]
    );
    let generated: Vec<_> = plan.steps.iter().map(Step::generates_password).collect();
    assert_eq!(generated, [true, false, false, false, false]);
    assert_eq!(
        plan.unchanged,
        [Subject::User(UserName::parse("eve").unwrap())]
    );
    assert!(!format!("{plan:?}{layout:?}").contains("geheim"));
}

#[test]
fn nothing_is_removed_unless_asked_for_and_heirs_go_before_bases() {
    let stage = |bases: &[&str]| json!({"type": "stage", "volatile": true, "bases": bases});
    let there = json!({
        "bob": {"indexes": {"dev": stage(&["bob/old"]), "old": stage(&["eve/x"])}},
        "eve": {"indexes": {"x": stage(&[]), "y": stage(&["eve/x"])}},
        "me": {"indexes": {"mine": stage(&[])}},
    });
    let text = "[users.bob]\n[indexes.\"bob/dev\"]\nbases = []";
    assert_eq!(
        planned(text, &there),
        ["~ index bob/dev bases=[\"bob/old\"]>[]"]
    );
    let by_me = PlanOptions {
        caller: Some("me".to_owned()),
        ..prune()
    };
    assert_eq!(
        planned_with(text, &there, &by_me),
        [
            "~ index bob/dev bases=[\"bob/old\"]>[]",
            "- index me/mine",
            "- index eve/y",
            "- index bob/old",
            "- index eve/x",
            "- user eve",
        ]
    );
}

#[test]
fn what_cannot_be_removed_is_told_before_anything_is() {
    let there = json!({"bob": {"indexes": {
        "dev": {"type": "stage", "volatile": true, "bases": ["bob/base"]},
        "base": {"type": "stage", "volatile": true, "bases": []},
        "kept": {"type": "stage", "volatile": false, "bases": []},
    }}});
    assert_eq!(
        planned_with("[indexes.\"bob/dev\"]", &there, &prune()),
        [
            "! index bob/base: it cannot be removed: bob/dev inherits from it",
            "! index bob/kept: it is not volatile and so cannot be removed: say volatile=True first, or name it in the layout",
        ]
    );
}

#[test]
fn an_exported_layout_says_what_there_is() {
    let users = json!({
        "bob": {
            "username": "bob", "created": "2026-01-01T00:00:00Z", "title": "B\u{1b}\"ob", "email": "b@b.test",
            "custom_data": {"a": [1, {"b": true}], "c": "x"},
            "indexes": {
                "dev": {
                    "type": "stage", "volatile": true, "bases": ["root/pypi"], "acl_upload": [":ANONYMOUS:"],
                    "acl_read": ["bob"], "custom_data": {"x": {"y": 1}}, "projects": [],
                    "uploadtrigger_jenkins": "https://***@ci.test/job/{pkgname}/build", "plugin": 1,
                },
                "few": {"type": "constrained", "volatile": true, "bases": ["bob/dev"], "constraints": ["a<2", "*"]},
            },
        },
        "kim": {"username": "kim", "custom_data": [null], "indexes": {}},
    });
    let text = export(&present(&users), &[]);
    assert_eq!(
        planned(text.strip_prefix("version = 1\n").unwrap(), &users),
        [""; 0],
        "{text}"
    );
    for expected in [
        "\n[users.bob]\n",
        "\n[indexes.\"bob/few\"]\n",
        "\nconstraints = [\"a<2\", \"*\"]\n",
        "\nmirror_url = \"https://up.test/simple/\"\n",
        "\n# uploadtrigger_jenkins = \"https://***@ci.test/job/{pkgname}/build\", with credentials that are not told\n",
        "\n# left out: plugin, which is a plugin's\n",
        "\n# left out: custom_data, which TOML has no word for\n",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(
        !text.contains('\u{1b}') && !text.contains("created"),
        "{text}"
    );
    // On an empty server it makes the same again.
    let made = planned(text.strip_prefix("version = 1\n").unwrap(), &json!({}));
    let made: Vec<_> = made
        .iter()
        .map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        made,
        [
            "+ user bob",
            "+ user kim",
            "+ index bob/dev",
            "+ index bob/few"
        ]
    );
    let only = export(&present(&users), &["kim".to_owned()]);
    assert!(
        only.contains("[users.kim]") && !only.contains("bob"),
        "{only}"
    );
}

#[test]
fn an_exported_layout_has_no_control_characters_that_terminals_obey() {
    let users = json!({"bob": {
        "title": "say \"\u{9b}2J\" \\\u{80}",
        "description": "two\nlines\u{9f}\u{7f}",
        "custom_data": {"\u{85}\"key": ["\u{90}", "\\u007F\"'"]},
        "indexes": {},
    }});
    let text = export(&present(&users), &["bob".to_owned()]);
    let is_obeyed = |c: char| c.is_control() && c != '\n';
    assert!(!text.contains(is_obeyed), "{text:?}");
    for escape in ["\\u009B2J", "\\u0080", "\\u009F", "\\u0085", "\\u0090"] {
        assert!(text.contains(escape), "{escape} in {text}");
    }
    let body = text.strip_prefix("version = 1\n").unwrap();
    assert_eq!(planned(body, &users), [""; 0], "{text}");
}

#[test]
fn credentials_that_a_server_tells_are_not_exported() {
    let users = json!({"bob": {"indexes": {"up": {
        "type": "mirror", "volatile": true, "mirror_url": "https://u:geheim@up.test/simple",
    }}}});
    let text = export(&present(&users), &["bob".to_owned()]);
    assert!(!text.contains("geheim"), "{text}");
    assert!(
        text.contains("# mirror_url = \"https://***@up.test/simple\""),
        "{text}"
    );
}

#[test]
fn the_shipped_layout_can_be_made() {
    let file =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/layout/team.toml");
    let text = std::fs::read_to_string(file).unwrap();
    let layout = Layout::read(&text, &mut |_| Err("no secrets".to_owned())).unwrap();
    let plan = layout
        .plan(&present(&json!({})), &PlanOptions::default())
        .unwrap();
    let made: Vec<_> = plan
        .steps
        .iter()
        .map(|step| step.subject.to_string())
        .collect();
    assert_eq!(
        made,
        [
            "user shared",
            "user team",
            "index shared/stable-local",
            "index shared/thirdparty-local",
            "index shared/stable",
            "index team/staging",
            "index team/dev",
        ]
    );
}
