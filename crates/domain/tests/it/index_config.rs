//! Configurations of hosted indexes, and what holds for every kind.

use cheeseshop_domain::{HostedConfig, IndexConfig, IndexKind};
use serde_json::{Value, json};

use crate::support::{create, map, user_name};

fn hosted(config: &IndexConfig) -> &HostedConfig {
    match &config.kind {
        IndexKind::Hosted(hosted) => hosted,
        IndexKind::Mirror(_) => panic!("a mirror"),
    }
}

/// `root/pypi`, `bob/dev` and `bob/prod` exist.
fn base_exists(base: &cheeseshop_domain::IndexName) -> bool {
    ["root/pypi", "bob/dev", "bob/prod"].contains(&base.to_string().as_str())
}

fn patched(config: &IndexConfig, body: &Value) -> Result<IndexConfig, String> {
    config
        .patch_object(&map(body), &base_exists)
        .map_err(|error| error.to_string())
}

fn operated(config: &IndexConfig, operations: &[&str]) -> Result<IndexConfig, String> {
    let operations: Vec<_> = operations.iter().map(ToString::to_string).collect();
    config
        .patch_operations(&operations, &base_exists)
        .map_err(|error| error.to_string())
}

fn text(config: &IndexConfig) -> String {
    serde_json::to_string(&config.to_json()).unwrap()
}

#[test]
fn an_empty_body_makes_devpis_default_index() {
    let config = create("bob", &json!({})).unwrap();
    assert_eq!(
        text(&config),
        r#"{"type":"stage","volatile":true,"bases":[],"acl_upload":["bob"],"acl_toxresult_upload":[":ANONYMOUS:"],"mirror_whitelist":[],"mirror_whitelist_inheritance":"intersection"}"#
    );
}

#[test]
fn settings_are_normalized() {
    let config = create(
        "bob",
        &json!({
            "type": "stage", "volatile": "No", "bases": "/root/pypi/, bob/dev",
            "acl_upload": ["eve", ":anonymous:", ":Devs"],
            "acl_toxresult_upload": ":Authenticated:,eve",
            "mirror_whitelist": "Foo_Bar, *", "mirror_whitelist_inheritance": "UNION",
            "acl_read": [":staff", "eve"],
            "title": "T", "description": "", "custom_data": {"a": [1]},
        }),
    )
    .unwrap();
    assert_eq!(
        text(&config),
        r#"{"type":"stage","volatile":false,"bases":["root/pypi","bob/dev"],"acl_upload":["eve",":ANONYMOUS:",":Devs"],"acl_toxresult_upload":[":AUTHENTICATED:","eve"],"mirror_whitelist":["foo-bar","*"],"mirror_whitelist_inheritance":"union","acl_read":[":staff","eve"],"title":"T","description":"","custom_data":{"a":[1]}}"#
    );
}

#[test]
fn the_default_of_acl_read_is_not_shown() {
    for body in [
        json!({}),
        json!({"acl_read": ":anonymous:"}),
        json!({"acl_read": [":ANONYMOUS:"]}),
        json!({"type": "mirror"}),
    ] {
        let config = create("bob", &body).unwrap();
        assert!(config.acl_read.is_public(), "{body}");
        assert!(!config.to_json().contains_key("acl_read"), "{body}");
    }
    for body in [
        json!({"acl_read": []}),
        json!({"type": "mirror", "acl_read": "eve"}),
    ] {
        let config = create("bob", &body).unwrap();
        assert!(!config.acl_read.is_public(), "{body}");
        assert!(config.to_json().contains_key("acl_read"), "{body}");
    }
}

#[test]
fn keys_of_other_kinds_are_dropped_and_unknown_ones_refused() {
    for body in [
        json!({"pypi_whitelist": ["x"], "projects": ["a"]}),
        json!({"type": "mirror", "bases": ["no/where"], "acl_upload": ["x"], "mirror_whitelist": "*",
               "pypi_whitelist": 1, "projects": []}),
    ] {
        let config = create("bob", &body).unwrap();
        let kept = config.to_json();
        assert!(
            !kept.contains_key("projects") && !kept.contains_key("pypi_whitelist"),
            "{body}"
        );
    }
    for (body, text) in [
        (
            json!({"foo": 1, "bar": "2"}),
            "indexconfig got unexpected keyword arguments: foo=1, bar=2",
        ),
        (
            json!({"foo": true, "bar": null, "baz": ["a"]}),
            "indexconfig got unexpected keyword arguments: foo=True, bar=None, baz=['a']",
        ),
        (
            json!({"mirror_url": "http://h.example/"}),
            "indexconfig got unexpected keyword arguments: mirror_url=http://h.example/",
        ),
        (
            json!({"type": "mirror", "acl_toxresult_upload": "x"}),
            "indexconfig got unexpected keyword arguments: acl_toxresult_upload=x",
        ),
        (
            json!({"type": "mirror", "mirror_title": "x"}),
            "indexconfig got unexpected keyword arguments: mirror_title=x",
        ),
    ] {
        assert_eq!(create("bob", &body).unwrap_err(), text);
    }
}

#[test]
fn bad_values_get_devpis_texts() {
    let config = create("bob", &json!({})).unwrap();
    for (body, text) in [
        (json!({"volatile": 1}), "Unknown boolean value '1'."),
        (json!({"volatile": "1"}), "Unknown boolean value '1'."),
        (json!({"volatile": ""}), "Unknown boolean value ''."),
        (json!({"bases": "foo"}), "invalid base index spec: 'foo'"),
        (
            json!({"bases": ["a/b/c"]}),
            "invalid base index spec: 'a/b/c'",
        ),
        (
            json!({"bases": "root/none"}),
            "base index 'root/none' does not exist",
        ),
        (
            json!({"bases": "root/none,bob/dev,eve/x"}),
            "base index 'root/none' does not exist, base index 'eve/x' does not exist",
        ),
        (
            json!({"bases": null}),
            "'bases' option must be a list of strings",
        ),
        (
            json!({"acl_upload": [1]}),
            "'acl_upload' option must be a list of strings",
        ),
        (
            json!({"acl_upload": ["bob", ":"]}),
            "'acl_upload' option has an unusable entry ':'",
        ),
        (
            json!({"acl_read": {"a": 1}}),
            "'acl_read' option must be a list of strings",
        ),
        (
            json!({"mirror_whitelist_inheritance": "x"}),
            "Unknown value 'x' for mirror_whitelist_inheritance, must be 'intersection' or 'union'.",
        ),
        (
            json!({"volatile": "x", "foo": 1, "bases": "root/none"}),
            "Unknown boolean value 'x'., indexconfig got unexpected keyword arguments: foo=1, \
             base index 'root/none' does not exist",
        ),
        (
            json!({"type": "mirror"}),
            "the 'type' of an index can't be changed",
        ),
        (
            json!({"type": "xx"}),
            "the 'type' of an index can't be changed",
        ),
        (
            json!({"bases": vec!["root/pypi"; 201]}),
            "'bases' option has more than 200 entries",
        ),
    ] {
        assert_eq!(patched(&config, &body).unwrap_err(), text, "{body}");
    }
    for (body, text) in [
        (json!({"type": "xx"}), "unknown index type 'xx'"),
        (json!({"type": ""}), "unknown index type ''"),
        (json!({"type": null}), "unknown index type 'None'"),
        (json!({"type": ["stage"]}), "unknown index type '['stage']'"),
    ] {
        assert_eq!(create("bob", &body).unwrap_err(), text, "{body}");
    }
}

#[test]
fn an_object_is_merged() {
    let config = create(
        "bob",
        &json!({"bases": "bob/dev", "title": "T", "volatile": false}),
    )
    .unwrap();
    let merged = patched(&config, &json!({"type": "stage", "acl_upload": "eve"})).unwrap();
    assert_eq!(hosted(&merged).acl_upload.to_strings(), ["eve"]);
    assert_eq!(merged.title, Some(json!("T")));
    assert!(!merged.volatile);
    assert_eq!(patched(&config, &json!({})).unwrap(), config);
    assert_ne!(merged, config);
}

#[test]
fn a_reply_that_is_sent_back_changes_nothing() {
    let config = create(
        "bob",
        &json!({"bases": "bob/dev", "title": "T", "acl_read": "eve"}),
    )
    .unwrap();
    let mut document = config.to_json();
    document.insert("projects".to_owned(), json!(["a", "b"]));
    let plain = Value::Object(document.clone());
    let wrapped = json!({"type": "indexconfig", "result": document});
    for body in [plain, wrapped] {
        assert_eq!(patched(&config, &body).unwrap(), config, "{body}");
    }
}

#[test]
fn a_base_that_was_removed_fails_every_later_change() {
    let config = create("bob", &json!({"bases": "gone/index"})).unwrap();
    let text = "base index 'gone/index' does not exist";
    assert_eq!(
        patched(&config, &json!({"volatile": false})).unwrap_err(),
        text
    );
    assert_eq!(operated(&config, &["volatile=false"]).unwrap_err(), text);
    assert!(operated(&config, &["bases-=gone/index"]).is_ok());
}

#[test]
fn operations_set_add_and_remove() {
    let start = json!({"bases": "bob/dev", "acl_upload": "bob,eve", "mirror_whitelist": "foo-bar"});
    let config = create("bob", &start).unwrap();
    let cases: [(&[&str], Value); 17] = [
        (&["volatile=False"], json!({"volatile": false})),
        (
            &["bases=root/pypi,bob/prod"],
            json!({"bases": ["root/pypi", "bob/prod"]}),
        ),
        (&["bases="], json!({"bases": []})),
        (&["bases"], json!({"bases": []})),
        (
            &["bases+=/root/pypi/"],
            json!({"bases": ["bob/dev", "root/pypi"]}),
        ),
        (&["bases+=bob/dev"], json!({"bases": ["bob/dev"]})),
        (&["bases-=bob/dev/"], json!({"bases": []})),
        (
            &["bases+=root/pypi", "bases-=bob/dev"],
            json!({"bases": ["root/pypi"]}),
        ),
        (
            &["acl_upload-=eve", "acl_upload+=:anonymous:"],
            json!({"acl_upload": ["bob", ":ANONYMOUS:"]}),
        ),
        (
            &["acl_upload+=:ANONYMOUS:", "acl_upload-=:anonymous:"],
            json!({"acl_upload": ["bob", "eve"]}),
        ),
        (
            &["acl_upload+=a,b"],
            json!({"acl_upload": ["bob", "eve", "a,b"]}),
        ),
        (
            &["mirror_whitelist-=Foo_Bar"],
            json!({"mirror_whitelist": []}),
        ),
        (
            &["mirror_whitelist+=FOO.bar"],
            json!({"mirror_whitelist": ["foo-bar"]}),
        ),
        (&["title=a=b"], json!({"title": "a=b"})),
        (&["title"], json!({"title": ""})),
        (&["custom_data+=x"], json!("not a list")),
        (
            &["acl_read=eve", "acl_read+=:staff", "acl_read-=eve"],
            json!({"acl_read": [":staff"]}),
        ),
    ];
    for (operations, expected) in cases {
        match operated(&config, operations) {
            Ok(changed) => {
                let mut document = config.to_json();
                document.extend(map(&expected));
                assert_eq!(changed.to_json(), document, "{operations:?}");
            }
            Err(text) => {
                assert_eq!(
                    text, "The 'custom_data' setting is not a list",
                    "{operations:?}"
                );
                assert_eq!(expected, json!("not a list"));
            }
        }
    }
}

/// Each operation makes its list anew, inside a write transaction.
#[test]
fn more_operations_than_anybody_writes_are_refused_before_the_first() {
    let config = create("bob", &json!({})).unwrap();
    let operations: Vec<_> = (0..60_000).map(|n| format!("acl_read+=u{n}")).collect();
    let texts: Vec<_> = operations.iter().map(String::as_str).collect();
    let refused = operated(&config, &texts).unwrap_err();
    assert_eq!(
        refused,
        "more than 200 operations at once; give a long list as a whole: key=value,value"
    );
    let patched = operated(&config, &texts[..200]).unwrap();
    assert_eq!(patched.acl_read.principals().len(), 201);
}

#[test]
fn operations_remove_what_has_no_default() {
    let config = create(
        "bob",
        &json!({"title": "T", "custom_data": ["a"], "acl_read": "eve"}),
    )
    .unwrap();
    let changed = operated(
        &config,
        &["title-=", "custom_data+=b", "acl_read-=", "description-="],
    )
    .unwrap();
    assert_eq!(changed.title, None);
    assert_eq!(changed.custom_data, Some(json!(["a", "b"])));
    assert!(changed.acl_read.is_public());
}

#[test]
fn bad_operations_get_devpis_texts() {
    let config = create("bob", &json!({})).unwrap();
    let cases: [(&[&str], &str); 13] = [
        (
            &["acl_upload-=eve"],
            "The 'acl_upload' setting doesn't have value 'eve'",
        ),
        (
            &["bases-=root/pypi"],
            "The 'bases' setting doesn't have value 'root/pypi'",
        ),
        (&["bases-="], "Default values can't be removed."),
        (&["volatile-="], "Default values can't be removed."),
        (
            &["acl_upload-=", "type-="],
            "Default values can't be removed., Default values can't be removed.",
        ),
        (&["volatile+=x"], "The 'volatile' setting is not a list"),
        (&["title+=x"], "The 'title' setting is not a list"),
        (&["bases+=foo"], "invalid base index spec: 'foo'"),
        (
            &["bases+=root/none"],
            "base index 'root/none' does not exist",
        ),
        (
            &["foo=1"],
            "indexconfig got unexpected keyword arguments: foo=1",
        ),
        (
            &["foo+=1", "bar-=2"],
            "indexconfig got unexpected keyword arguments: foo=1, bar=2",
        ),
        (
            &["foo-=", ""],
            "indexconfig got unexpected keyword arguments: =",
        ),
        (&["type=mirror"], "the 'type' of an index can't be changed"),
    ];
    for (operations, text) in cases {
        assert_eq!(
            operated(&config, operations).unwrap_err(),
            text,
            "{operations:?}"
        );
    }
    let mirror = create("bob", &json!({"type": "mirror"})).unwrap();
    assert_eq!(
        operated(&mirror, &["bases+=root/pypi", "acl_upload-=x"]).unwrap(),
        mirror
    );
}

#[test]
fn what_is_stored_reads_back() {
    for body in [
        json!({}),
        json!({"type": "mirror"}),
        json!({"bases": "no/where", "volatile": false, "acl_read": [], "mirror_whitelist": "*,a",
               "mirror_whitelist_inheritance": "union", "title": {"a": 1}, "custom_data": null}),
        json!({"type": "mirror", "mirror_url": "https://u:p@h.example/simple", "mirror_cache_expiry": 0,
               "mirror_use_external_urls": false, "mirror_no_project_list": true, "acl_read": ":x",
               "mirror_web_url_fmt": "https://h.example/{name}", "volatile": "no"}),
    ] {
        let config = create("bob", &body).unwrap();
        let read = IndexConfig::from_stored(&user_name("bob"), &config.to_stored()).unwrap();
        assert_eq!(read, config, "{body}");
    }
}

#[test]
fn stored_data_without_an_inheritance_means_the_union() {
    let stored = json!({"type": "stage", "bases": [], "pypi_whitelist": ["x"]});
    let config = IndexConfig::from_stored(&user_name("bob"), &stored).unwrap();
    assert_eq!(
        hosted(&config).mirror_whitelist_inheritance.as_str(),
        "union"
    );
    for stored in [json!({}), json!(null), json!({"type": "pr"}), json!([1])] {
        assert!(
            IndexConfig::from_stored(&user_name("bob"), &stored).is_err(),
            "{stored}"
        );
    }
}
