use std::fmt::Write;

use cheeseshop_packaging::{
    CoreMetadataMark, HashAlgorithm, Hashes, PageFile, ProjectPage, ProjectStatus, Sha256, Status,
    Yanked,
};
use serde_json::{Value, json};
use url::Url;

const BASE: &str = "https://index.example/simple/sample/";
const SHA: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const MD5: &str = "098f6bcd4621d373cade4e832627b4f6";

fn base() -> Url {
    Url::parse(BASE).unwrap()
}

fn html_page(body: &str) -> ProjectPage {
    ProjectPage::parse_html(body.as_bytes(), &base()).unwrap()
}

fn names(page: &ProjectPage) -> Vec<&str> {
    page.files.iter().map(|file| &*file.filename).collect()
}

fn sha256() -> Hashes {
    Hashes::from(SHA.parse::<Sha256>().unwrap())
}

/// A page that uses everything.
fn full_page() -> ProjectPage {
    let mut hashes = sha256();
    hashes.insert(HashAlgorithm::Md5, MD5).unwrap();
    ProjectPage {
        name: "sample".into(),
        files: vec![
            PageFile {
                filename: "sample-1.0-py3-none-any.whl".into(),
                url: "https://files.example/a/sample-1.0-py3-none-any.whl".into(),
                hashes,
                requires_python: Some(">=3.7,<4".into()),
                size: Some(12345),
                upload_time: Some("2024-01-02T03:04:05.678901Z".parse().unwrap()),
                yanked: Yanked::Yes(Some("it's \"broken\" & <bad>".into())),
                core_metadata: CoreMetadataMark::Available(sha256()),
                provenance: Some("https://files.example/provenance".into()),
                gpg_sig: Some(true),
                origin: Some("bob/dev".into()),
            },
            PageFile {
                filename: "sample-1.1.tar.gz".into(),
                url: "https://files.example/b/sample-1.1.tar.gz".into(),
                hashes: sha256(),
                size: Some(1),
                upload_time: Some("2024-01-02T03:04:05Z".parse().unwrap()),
                yanked: Yanked::Yes(None),
                core_metadata: CoreMetadataMark::Available(Hashes::new()),
                ..PageFile::default()
            },
            PageFile {
                filename: "sample-1.2.zip".into(),
                url: "https://files.example/c/sample-1.2.zip".into(),
                size: Some(2),
                gpg_sig: Some(false),
                ..PageFile::default()
            },
        ],
        versions: vec!["0.9".into(), "1.0".into(), "1.1".into(), "1.2".into()],
        status: Some(ProjectStatus {
            status: Status::Deprecated,
            reason: Some("use \"other\"".into()),
        }),
        last_serial: Some(42),
    }
}

#[test]
fn json_is_written_in_the_order_that_clients_expect() {
    let written = String::from_utf8(full_page().to_json()).unwrap();
    let expected = [
        r#"{"meta":{"api-version":"1.4","_last-serial":42},"name":"sample","#,
        r#""project-status":{"status":"deprecated","reason":"use \"other\""},"#,
        r#""versions":["0.9","1.0","1.1","1.2"],"files":["#,
        r#"{"filename":"sample-1.0-py3-none-any.whl","#,
        r#""url":"https://files.example/a/sample-1.0-py3-none-any.whl","#,
        &format!(r#""hashes":{{"sha256":"{SHA}","md5":"{MD5}"}},"#),
        r#""requires-python":">=3.7,<4","size":12345,"#,
        r#""upload-time":"2024-01-02T03:04:05.678901Z","#,
        r#""yanked":"it's \"broken\" & <bad>","#,
        &format!(r#""core-metadata":{{"sha256":"{SHA}"}},"#),
        r#""gpg-sig":true,"provenance":"https://files.example/provenance"},"#,
        r#"{"filename":"sample-1.1.tar.gz","#,
        r#""url":"https://files.example/b/sample-1.1.tar.gz","#,
        &format!(r#""hashes":{{"sha256":"{SHA}"}},"size":1,"#),
        r#""upload-time":"2024-01-02T03:04:05Z","yanked":true,"#,
        r#""core-metadata":true},"#,
        r#"{"filename":"sample-1.2.zip","url":"https://files.example/c/sample-1.2.zip","#,
        r#""hashes":{},"size":2,"yanked":false,"gpg-sig":false}]}"#,
    ]
    .concat();
    assert_eq!(written, expected);
}

#[test]
fn html_is_written_as_devpi_writes_it_with_more_attributes() {
    let written = String::from_utf8(full_page().to_html("bob/dev: links for <sample>")).unwrap();
    let expected = [
        r#"<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">"#,
        r#"<meta name="pypi:repository-version" content="1.4">"#,
        r#"<meta name="pypi:project-status" content="deprecated">"#,
        r#"<meta name="pypi:project-status-reason" content="use &quot;other&quot;">"#,
        "<title>bob/dev: links for &lt;sample&gt;</title></head>",
        "<body><h1>bob/dev: links for &lt;sample&gt;</h1>\n",
        &format!(
            r#"bob/dev <a href="https://files.example/a/sample-1.0-py3-none-any.whl#sha256={SHA}" "#
        ),
        &format!(r#"data-dist-info-metadata="sha256={SHA}" data-core-metadata="sha256={SHA}" "#),
        r#"data-requires-python="&gt;=3.7,&lt;4" "#,
        r#"data-yanked="it&#x27;s &quot;broken&quot; &amp; &lt;bad&gt;" "#,
        r#"data-gpg-sig="true" data-provenance="https://files.example/provenance">"#,
        "sample-1.0-py3-none-any.whl</a><br>\n",
        &format!(r#"<a href="https://files.example/b/sample-1.1.tar.gz#sha256={SHA}" "#),
        r#"data-dist-info-metadata="true" data-core-metadata="true" data-yanked="">"#,
        "sample-1.1.tar.gz</a><br>\n",
        r#"<a href="https://files.example/c/sample-1.2.zip" data-gpg-sig="false">"#,
        "sample-1.2.zip</a><br>\n</body></html>\n",
    ]
    .concat();
    assert_eq!(written, expected);
}

#[test]
fn json_is_read_as_it_is_written() {
    let mut page = full_page();
    let read = ProjectPage::parse_json(&page.to_json(), &base()).unwrap();
    page.files[0].origin = None;
    assert_eq!(read, page);
}

#[test]
fn html_is_read_as_it_is_written_except_for_what_it_cannot_say() {
    let mut page = full_page();
    let read = ProjectPage::parse_html(&page.to_html("x"), &base()).unwrap();
    page.last_serial = None;
    page.versions = vec!["1.0".into(), "1.1".into(), "1.2".into()];
    for file in &mut page.files {
        file.hashes = match file.hashes.sha256() {
            Some(digest) => digest.into(),
            None => Hashes::new(),
        };
        file.size = None;
        file.upload_time = None;
        file.origin = None;
    }
    assert_eq!(read, page);
}

#[test]
fn an_empty_page_is_a_page() {
    let page = ProjectPage {
        name: "sample".into(),
        ..ProjectPage::default()
    };
    let expected = br#"{"meta":{"api-version":"1.4"},"name":"sample","versions":[],"files":[]}"#;
    assert_eq!(page.to_json(), expected);
    assert_eq!(ProjectPage::parse_json(expected, &base()).unwrap(), page);
    assert_eq!(html_page("<html></html>"), page);
}

#[test]
fn a_page_without_a_size_promises_no_version_that_demands_one() {
    let mut page = full_page();
    page.files[1].size = None;
    let written: Value = serde_json::from_slice(&page.to_json()).unwrap();
    // `size` is mandatory from 1.1 on.
    assert_eq!(
        written["meta"],
        json!({"api-version": "1.0", "_last-serial": 42})
    );
    // What is known is told all the same.
    assert_eq!(written["versions"], json!(["0.9", "1.0", "1.1", "1.2"]));
    assert_eq!(written["project-status"]["status"], "deprecated");
    assert_eq!(written["files"][0]["size"], 12345);
    assert!(written["files"][0]["provenance"].is_string());
    assert!(written["files"][1].get("size").is_none());
    assert!(written["files"][1]["upload-time"].is_string());
    page.files[0].origin = None;
    assert_eq!(
        ProjectPage::parse_json(&page.to_json(), &base()).unwrap(),
        page
    );
    // HTML has no sizes in any version.
    let html = String::from_utf8(page.to_html("x")).unwrap();
    assert!(html.contains(r#"<meta name="pypi:repository-version" content="1.4">"#));
}

#[test]
fn every_files_version_is_listed() {
    let file = |filename: &str| PageFile {
        filename: filename.into(),
        ..PageFile::default()
    };
    let page = ProjectPage {
        name: "my-pkg".into(),
        files: vec![
            file("my_pkg-1.0-py3-none-any.whl"),
            file("my_pkg-1.0.tar.gz"),
            file("My.Pkg-2.0.tar.gz"),
            file("my_pkg-3.0_1-py3-none-any.whl"),
            file("my_pkg-odd.tar.gz"),
            file("unreadable"),
        ],
        // Equal for PEP 440 is listed enough.
        versions: vec!["9".into(), "1.0.0".into()],
        ..ProjectPage::default()
    };
    let written: Value = serde_json::from_slice(&page.to_json()).unwrap();
    let expected = json!(["9", "1.0.0", "2.0", "3.0-1", "odd"]);
    assert_eq!(written["versions"], expected);
    let mut completed = page;
    completed.complete_versions();
    assert_eq!(json!(completed.versions), expected);
    completed.complete_versions();
    assert_eq!(json!(completed.versions), expected);
}

#[test]
fn provenance_is_shown_only_on_a_secure_origin() {
    let mut page = full_page();
    page.files[0].provenance = Some("http://files.example/p".into());
    let json = String::from_utf8(page.to_json()).unwrap();
    let html = String::from_utf8(page.to_html("x")).unwrap();
    assert!(!json.contains("provenance") && !html.contains("provenance"));
}

#[test]
fn html_and_json_of_a_large_page_list_the_same_files() {
    let mut body = String::from(r#"{"meta":{"api-version":"1.1"},"name":"sample","files":["#);
    for number in 0..5000 {
        if number > 0 {
            body.push(',');
        }
        write!(
            body,
            r#"{{"filename":"sample-1.{number}-py3-none-any.whl","url":"/f/{number}/sample-1.{number}-py3-none-any.whl","hashes":{{"sha256":"{SHA}"}},"size":{number},"upload-time":"2024-01-02T03:04:05.678901Z","requires-python":">=3.9"}}"#,
        )
        .unwrap();
    }
    body.push_str("]}");
    let page = ProjectPage::parse_json(body.as_bytes(), &base()).unwrap();
    assert_eq!(page.files.len(), 5000);
    assert_eq!(page.versions.len(), 5000);
    let json = ProjectPage::parse_json(&page.to_json(), &base()).unwrap();
    let html = ProjectPage::parse_html(&page.to_html("x"), &base()).unwrap();
    assert_eq!(json, page);
    assert_eq!(names(&html), names(&page));
    assert_eq!(html.versions, page.versions);
}
