//! Configurations of mirrors.

use std::time::Duration;

use cheeseshop_domain::{IndexConfig, IndexKind, MirrorConfig};
use cheeseshop_packaging::name::ProjectName;
use serde_json::{Value, json};

use crate::support::{create, map};

const SECRET: &str = "https://bob:s3cret@h.example/simple/";
const SHOWN: &str = "https://***@h.example/simple/";

fn mirror(config: &IndexConfig) -> &MirrorConfig {
    match &config.kind {
        IndexKind::Mirror(mirror) => mirror,
        IndexKind::Hosted(_) => panic!("a hosted index"),
    }
}

fn config(settings: &Value) -> Result<IndexConfig, String> {
    let mut body = map(&json!({"type": "mirror"}));
    body.extend(map(settings));
    create("root", &Value::Object(body))
}

#[test]
fn a_mirror_shows_what_was_set() {
    let plain = config(&json!({})).unwrap();
    let text = serde_json::to_string(&plain.to_json()).unwrap();
    assert_eq!(text, r#"{"type":"mirror","volatile":true}"#);
    let full = config(&json!({
        "volatile": false, "title": "PyPI", "mirror_url": "https://h.example/simple/",
        "mirror_web_url_fmt": "https://h.example/project/{name}/", "mirror_cache_expiry": "600",
        "mirror_no_project_list": "yes", "mirror_use_external_urls": false,
        "mirror_provides_core_metadata": true, "mirror_ignore_serial_header": "False",
    }))
    .unwrap();
    assert_eq!(
        serde_json::to_string(&full.to_json()).unwrap(),
        r#"{"type":"mirror","volatile":false,"mirror_url":"https://h.example/simple/","mirror_web_url_fmt":"https://h.example/project/{name}/","mirror_cache_expiry":600,"mirror_no_project_list":true,"mirror_use_external_urls":false,"mirror_provides_core_metadata":true,"mirror_ignore_serial_header":false,"title":"PyPI"}"#
    );
    let full = mirror(&full);
    assert!(full.has_no_project_list() && full.provides_core_metadata());
    assert!(!full.uses_external_urls() && !full.ignores_serial_header());
}

#[test]
fn bad_settings_get_devpis_texts() {
    let url = "'mirror_url' option must be a URL.";
    let expiry = "'mirror_cache_expiry' option must be an integer";
    for (settings, text) in [
        (json!({"mirror_url": "ftp://h.example/"}), url),
        (json!({"mirror_url": "h.example"}), url),
        (json!({"mirror_url": ""}), url),
        (json!({"mirror_url": null}), url),
        (json!({"mirror_url": ["https://h.example/"]}), url),
        (json!({"mirror_url": "https://"}), url),
        (json!({"mirror_cache_expiry": "x"}), expiry),
        (json!({"mirror_cache_expiry": ""}), expiry),
        (json!({"mirror_cache_expiry": -1}), expiry),
        (json!({"mirror_cache_expiry": 1.5}), expiry),
        (json!({"mirror_cache_expiry": 4_294_967_296_u64}), expiry),
        (json!({"mirror_cache_expiry": true}), expiry),
        (json!({"mirror_cache_expiry": null}), expiry),
        (
            json!({"mirror_no_project_list": 1}),
            "Unknown boolean value '1'.",
        ),
        (
            json!({"mirror_web_url_fmt": 1}),
            "'mirror_web_url_fmt' option must be a string",
        ),
        (
            json!({"mirror_url": "x", "mirror_cache_expiry": "x"}),
            "'mirror_url' option must be a URL., 'mirror_cache_expiry' option must be an integer",
        ),
    ] {
        assert_eq!(config(&settings).unwrap_err(), text, "{settings}");
    }
}

#[test]
fn credentials_are_kept_and_never_shown() {
    let config = config(&json!({"mirror_url": SECRET})).unwrap();
    assert_eq!(config.to_json()["mirror_url"], json!(SHOWN));
    assert_eq!(config.to_stored()["mirror_url"], json!(SECRET));
    assert!(!format!("{config:?}").contains("s3cret"));
    for bad in ["https://bob:s3cret@/x", "ftp://bob:s3cret@h/"] {
        let patch = config.patch_object(&map(&json!({ "mirror_url": bad })), &|_| true);
        assert!(!patch.unwrap_err().to_string().contains("s3cret"));
    }
}

#[test]
fn a_url_sent_back_as_shown_keeps_the_credentials() {
    let config = config(&json!({"mirror_url": SECRET})).unwrap();
    let mut document = config.to_json();
    document.insert("title".to_owned(), json!("T"));
    let patched = config.patch_object(&document, &|_| true).unwrap();
    assert_eq!(patched.to_stored()["mirror_url"], json!(SECRET));
    let operation = format!("mirror_url={SHOWN}");
    let patched = config.patch_operations(&[operation], &|_| true).unwrap();
    assert_eq!(patched, config);
}

#[test]
fn hidden_credentials_never_go_to_another_place() {
    let with = config(&json!({"mirror_url": SECRET})).unwrap();
    let without = config(&json!({"mirror_url": "https://h.example/simple/"})).unwrap();
    let text = "'mirror_url' option has hidden credentials, give the whole URL again.";
    for (config, url) in [
        (&with, "https://***@evil.example/simple/"),
        (&with, "http://***@h.example/simple/"),
        (&with, "https://***@h.example:8443/simple/"),
        (&with, "https://***@h.example/other/"),
        (&without, "https://***@h.example/simple/"),
        (&with, "https://bob:***@h.example/simple/"),
        (&with, "https://***:***@h.example/simple/"),
        (&with, "https://***:s3cret@h.example/simple/"),
        (&with, "https://***:@h.example/simple/"),
        (&with, "https://:***@h.example/simple/"),
        (&with, "https://%2A%2a*@h.example/simple/"),
        (&without, "https://bob:***@h.example/simple/"),
    ] {
        let error = config
            .patch_object(&map(&json!({ "mirror_url": url })), &|_| true)
            .unwrap_err();
        assert_eq!(error.to_string(), text, "{url}");
    }
    assert_eq!(config_error(SHOWN), text);
    assert_eq!(config_error("https://bob:***@h.example/simple/"), text);
    let changed = json!({"mirror_url": "https://eve:other@h.example/simple/"});
    let changed = with.patch_object(&map(&changed), &|_| true).unwrap();
    assert_eq!(
        changed.to_stored()["mirror_url"],
        json!("https://eve:other@h.example/simple/")
    );
    let dropped = with
        .patch_object(
            &map(&json!({"mirror_url": "https://h.example/simple/"})),
            &|_| true,
        )
        .unwrap();
    assert!(
        mirror(&dropped)
            .mirror_url
            .as_ref()
            .unwrap()
            .credentials()
            .is_none()
    );
}

fn config_error(url: &str) -> String {
    config(&json!({ "mirror_url": url })).unwrap_err()
}

#[test]
fn every_setting_of_a_mirror_can_be_removed_again() {
    let full = config(&json!({
        "mirror_url": SECRET, "mirror_web_url_fmt": "https://h.example/{name}", "mirror_cache_expiry": 1,
        "mirror_no_project_list": true, "mirror_use_external_urls": true,
        "mirror_provides_core_metadata": true, "mirror_ignore_serial_header": true,
    }))
    .unwrap();
    let operations: Vec<_> = full
        .to_json()
        .keys()
        .filter(|key| key.starts_with("mirror_"))
        .map(|key| format!("{key}-="))
        .collect();
    assert_eq!(operations.len(), 7);
    let empty = full.patch_operations(&operations, &|_| true).unwrap();
    assert_eq!(empty, config(&json!({})).unwrap());
}

#[test]
fn upstream_urls_end_in_one_slash_and_carry_no_credentials() {
    let project = ProjectName::parse("Foo.Bar").unwrap();
    for (url, list, page) in [
        (
            SECRET,
            "https://h.example/simple/",
            "https://h.example/simple/foo-bar/",
        ),
        (
            "http://h.example:8080/a/b",
            "http://h.example:8080/a/b/",
            "http://h.example:8080/a/b/foo-bar/",
        ),
        (
            "http://h.example",
            "http://h.example/",
            "http://h.example/foo-bar/",
        ),
        (
            "http://h.example//",
            "http://h.example/",
            "http://h.example/foo-bar/",
        ),
        (
            "http://h.example/s?token=1#x",
            "http://h.example/s/?token=1",
            "http://h.example/s/foo-bar/?token=1",
        ),
    ] {
        let config = config(&json!({ "mirror_url": url })).unwrap();
        let mirror = mirror(&config);
        assert_eq!(mirror.project_list_url().unwrap().as_str(), list);
        assert_eq!(mirror.project_url(&project).unwrap().as_str(), page);
    }
    let without = config(&json!({})).unwrap();
    assert_eq!(mirror(&without).project_list_url(), None);
}

#[test]
fn the_web_page_of_a_project_is_a_link_of_the_web_or_none() {
    for (format, expected) in [
        (
            "https://h.example/project/{name}/",
            Some("https://h.example/project/foo/"),
        ),
        (
            "http://h.example/?p={name}&q={name}",
            Some("http://h.example/?p=foo&q=foo"),
        ),
        ("https://h.example/all", Some("https://h.example/all")),
        ("javascript:alert('{name}')", None),
        ("{name}", None),
        ("", None),
        ("https://", None),
    ] {
        let config = config(&json!({ "mirror_web_url_fmt": format })).unwrap();
        assert_eq!(
            mirror(&config).web_url("foo").as_deref(),
            expected,
            "{format}"
        );
    }
    assert_eq!(mirror(&config(&json!({})).unwrap()).web_url("foo"), None);
}

#[test]
fn the_servers_expiry_counts_where_the_mirror_has_none() {
    let default = Duration::from_mins(30);
    let expiry = |settings| mirror(&config(&settings).unwrap()).cache_expiry(default);
    assert_eq!(expiry(json!({})), default);
    assert_eq!(expiry(json!({"mirror_cache_expiry": 0})), Duration::ZERO);
    assert_eq!(
        expiry(json!({"mirror_cache_expiry": " 90 "})),
        Duration::from_secs(90)
    );
}
