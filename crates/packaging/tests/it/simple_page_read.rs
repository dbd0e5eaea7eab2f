use cheeseshop_packaging::{
    CoreMetadataMark, HashAlgorithm, Hashes, PageError, PageFile, ProjectName, ProjectPage,
    ProjectStatus, Sha256, Status, Yanked,
};
use serde_json::{Value, json};
use url::Url;

const BASE: &str = "https://index.example/simple/sample/";
const SHA: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const MD5: &str = "098f6bcd4621d373cade4e832627b4f6";

fn base() -> Url {
    Url::parse(BASE).unwrap()
}

fn json_page(files: &Value) -> ProjectPage {
    let document = json!({"meta": {"api-version": "1.0"}, "name": "sample", "files": files});
    ProjectPage::parse_json(document.to_string().as_bytes(), &base()).unwrap()
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

#[test]
fn json_values_of_any_type_are_survived() {
    let page = json_page(&json!([
        {
            "filename": "sample-1.0.zip", "url": "sample-1.0.zip", "hashes": null,
            "requires-python": null, "size": null, "upload-time": null, "yanked": null,
            "core-metadata": null, "gpg-sig": null, "provenance": null, "unknown": {"a": [1]},
        },
        {
            "filename": "sample-1.1.zip", "url": "sample-1.1.zip", "hashes": [],
            "requires-python": "  ", "size": 0, "upload-time": "yesterday", "yanked": "",
            "core-metadata": "yes", "gpg-sig": "x", "provenance": "javascript:x",
        },
        {
            "filename": "sample-1.2.zip", "url": "sample-1.2.zip",
            "hashes": {"sha256": 1, "md5": MD5, "sha9000": "00", "sha1": "short"},
            "requires-python": 3, "size": -1, "upload-time": 5, "yanked": [true],
            "core-metadata": false, "dist-info-metadata": true, "gpg-sig": 1,
        },
        {
            "filename": "sample-1.3.zip", "url": "sample-1.3.zip", "size": 1.5,
            "hashes": "x", "yanked": {}, "data-dist-info-metadata": {"sha256": SHA},
        },
    ]));
    let file = |version: &str| PageFile {
        filename: format!("sample-{version}.zip"),
        url: format!("{BASE}sample-{version}.zip"),
        ..PageFile::default()
    };
    let mut md5 = Hashes::new();
    md5.insert(HashAlgorithm::Md5, MD5).unwrap();
    assert_eq!(
        page.files,
        [
            file("1.0"),
            PageFile {
                yanked: Yanked::Yes(None),
                ..file("1.1")
            },
            PageFile {
                hashes: md5,
                ..file("1.2")
            },
            PageFile {
                core_metadata: CoreMetadataMark::Available(sha256()),
                ..file("1.3")
            },
        ]
    );
    assert_eq!(page.versions, ["1.0", "1.1", "1.2", "1.3"]);
}

#[test]
fn hostile_entries_are_dropped_and_the_rest_stays() {
    let entry = |filename: &str, url: &str| json!({"filename": filename, "url": url, "hashes": {}});
    let page = json_page(&json!([
        entry("../../etc/passwd", "x.zip"),
        entry("a/b.zip", "x.zip"),
        entry("", "x.zip"),
        entry(".bashrc", "x.zip"),
        entry("nul\u{0}.zip", "x.zip"),
        entry("sample-1.zip", "javascript:alert(1)"),
        entry("sample-2.zip", "data:text/html,x"),
        entry("sample-3.zip", "file:///etc/passwd"),
        entry("sample-4.zip", "https://["),
        {"filename": "sample-5.zip"},
        {"url": "sample-6.zip"},
        {},
        entry("sample-7.zip", "../../files/x.zip#md5=00"),
    ]));
    assert_eq!(names(&page), ["sample-7.zip"]);
    assert_eq!(page.files[0].url, "https://index.example/files/x.zip");

    let page = html_page(
        r#"<a href="javascript:x/sample-1.zip">x</a><a href="..%2f..%2fsample-2.zip">x</a>
        <a>none</a><a href="">none</a><a href="../">Parent</a><a href="readme.html">x</a>
        <a href="%ff-1.zip">x</a><a href="ftp://h.example/sample-3.zip">x</a>
        <a href="sample-4.zip#sha256=00">sample-4.zip</a>"#,
    );
    assert_eq!(names(&page), ["sample-4.zip"]);
    assert!(page.files[0].hashes.is_empty());
}

#[test]
fn of_two_entries_the_one_with_a_digest_stays() {
    let page = json_page(&json!([
        {"filename": "sample-1.zip", "url": "a"},
        {"filename": "sample-2.zip", "url": "b", "hashes": {"md5": MD5}},
        {"filename": "sample-1.zip", "url": "c", "hashes": {"sha256": SHA}},
        {"filename": "sample-2.zip", "url": "d", "hashes": {"sha256": SHA}},
        {"filename": "sample-1.zip", "url": "e"},
    ]));
    assert_eq!(names(&page), ["sample-2.zip", "sample-1.zip"]);
    assert_eq!(page.files[0].url, format!("{BASE}b"));
    assert_eq!(page.files[1].url, format!("{BASE}c"));
}

#[test]
fn digests_of_urls_count_where_json_has_none() {
    let page = json_page(&json!([
        {"filename": "sample-1.zip", "url": format!("a#sha256={SHA}"), "hashes": {}},
        {"filename": "sample-2.zip", "url": format!("a#sha256={SHA}"), "hashes": {"md5": MD5}},
    ]));
    assert_eq!(page.files[0].hashes, sha256());
    assert_eq!(page.files[0].url, format!("{BASE}a"));
    assert_eq!(page.files[1].hashes.len(), 1);
    assert_eq!(page.files[1].hashes.sha256(), None);
}

#[test]
fn documents_of_another_major_version_or_shape_are_refused() {
    for (body, is_version) in [
        (
            r#"{"meta":{"api-version":"2.0"},"name":"a","files":[]}"#,
            true,
        ),
        (r#"{"meta":{},"name":"a","files":[]}"#, true),
        (r#"{"meta":{"api-version":1},"name":"a","files":[]}"#, true),
        (r#"{"name":"a","files":[]}"#, false),
        (r#"{"meta":{"api-version":"1.0"},"name":"a"}"#, false),
        (r#"{"meta":{"api-version":"1.0"},"files":{}}"#, false),
        (r#"{"meta":{"api-version":"1.0"},"files":[1]}"#, false),
        (r#"{"meta":{"api-version":"1.0"},"files":["#, false),
        ("[]", false),
        ("", false),
    ] {
        let error = ProjectPage::parse_json(body.as_bytes(), &base()).unwrap_err();
        assert_eq!(
            matches!(error, PageError::UnsupportedVersion(_)),
            is_version,
            "{body}: {error}"
        );
    }
    let body = br#"<meta name="pypi:repository-version" content="2.0">"#;
    let error = ProjectPage::parse_html(body, &base()).unwrap_err();
    assert!(matches!(error, PageError::UnsupportedVersion(_)));
    let deep = "[".repeat(100_000);
    assert!(ProjectPage::parse_json(deep.as_bytes(), &base()).is_err());
    let deep = format!(r#"{{"meta":{{"api-version":"1.0"}},"files":[],"x":{deep}"#);
    assert!(ProjectPage::parse_json(deep.as_bytes(), &base()).is_err());
    assert!(ProjectPage::parse_json(b"{\"name\":\"\xff\"}", &base()).is_err());
}

#[test]
fn meta_of_other_upstreams_is_read() {
    let body = json!({
        "meta": {"api-version": "1.1", "_last-serial": "77", "tracks": []},
        "name": "Sample.X",
        "alternate-locations": [],
        "project-status": {"status": "quarantined", "reason": ""},
        "versions": ["1.0", "1.0", "a/b", "", 5, null, "2.0"],
        "files": [],
    });
    let body = format!("\u{feff}{body}");
    let page = ProjectPage::parse_json(body.as_bytes(), &base()).unwrap();
    assert_eq!(page.name, "sample-x");
    assert_eq!(page.last_serial, Some(77));
    assert_eq!(page.versions, ["1.0", "2.0"]);
    assert_eq!(
        page.status,
        Some(ProjectStatus {
            status: Status::Quarantined,
            reason: None
        })
    );
    let unknown = r#"{"meta":{"api-version":"1.4"},"files":[],"name":"../x","project-status":{"status":"odd"}}"#;
    let page = ProjectPage::parse_json(unknown.as_bytes(), &base()).unwrap();
    assert_eq!(page.status, None);
    assert_eq!(page.name, "sample");
}

#[test]
fn html_of_other_upstreams_is_read() {
    let page = html_page(&format!(
        r#"<!DOCTYPE html><HTML><HEAD><TITLE>Links <a href="title-1.zip"></TITLE>
        <base href="/files/"><base href="/ignored/">
        <script>"<a href='script-1.zip'>"</script>
        <!-- <a href="comment-1.zip">x</a> -->
        </HEAD><BODY>
        <A HREF='sample-1.0.tar.gz#sha256={SHA}' Data-Requires-Python='&gt;=3.6' href="second.zip">
            sample-1.0.tar.gz</A>
        <a href=sample-1.1.zip data-requires-python="" data-yanked>one</a>
        <a data-yanked=" why &amp; how " data-dist-info-metadata="sha256={SHA}" href="sample-1.2.zip">
        <a href="sample-1.3.zip" data-core-metadata="false" data-dist-info-metadata="true"
            data-gpg-sig="false"><b title="x" href="y.zip">1.3</b></a>
        <a href="http://other.example/sample-1.4%2Blocal.zip?token=x&amp;y=1" data-core-metadata="true">x
        <a href="sample-1.5.zip" "#
    ));
    let file = |name: &str, url: &str| PageFile {
        filename: name.into(),
        url: url.into(),
        ..PageFile::default()
    };
    let own = |name: &str| file(name, &format!("https://index.example/files/{name}"));
    assert_eq!(
        page.files,
        [
            PageFile {
                hashes: sha256(),
                requires_python: Some(">=3.6".into()),
                ..own("sample-1.0.tar.gz")
            },
            PageFile {
                yanked: Yanked::Yes(None),
                ..own("sample-1.1.zip")
            },
            PageFile {
                yanked: Yanked::Yes(Some("why & how".into())),
                core_metadata: CoreMetadataMark::Available(sha256()),
                ..own("sample-1.2.zip")
            },
            PageFile {
                gpg_sig: Some(false),
                ..own("sample-1.3.zip")
            },
            PageFile {
                core_metadata: CoreMetadataMark::Available(Hashes::new()),
                ..file(
                    "sample-1.4+local.zip",
                    "http://other.example/sample-1.4%2Blocal.zip?token=x&y=1"
                )
            },
        ]
    );
    assert_eq!(page.versions, ["1.0", "1.1", "1.2", "1.3", "1.4+local"]);
}

#[test]
fn html_that_is_not_utf_8_does_no_harm() {
    let body =
        b"<a href=\"sample-1.zip\" data-yanked=\"b\xf6se\">\xff\xfe</a><a href=\"\xff.zip\">";
    let page = ProjectPage::parse_html(body, &base()).unwrap();
    assert_eq!(
        page.files[0].yanked,
        Yanked::Yes(Some("b\u{fffd}se".into()))
    );
}

#[test]
fn credentials_of_the_base_are_not_passed_on() {
    let base = Url::parse("https://bob:secret@index.example/simple/sample/").unwrap();
    let html = ProjectPage::parse_html(br#"<a href="sample-1.zip">x</a>"#, &base).unwrap();
    let json = br#"{"meta":{"api-version":"1.0"},"name":"sample","files":[{"filename":"sample-1.zip","url":"sample-1.zip"}]}"#;
    let json = ProjectPage::parse_json(json, &base).unwrap();
    for page in [html, json] {
        assert_eq!(page.files[0].url, format!("{BASE}sample-1.zip"));
    }
}

#[test]
fn a_page_can_be_restricted_to_its_project() {
    let mut page = json_page(&json!([
        {"filename": "My_Pkg-1.0.zip", "url": "a"},
        {"filename": "other-1.0.zip", "url": "b"},
    ]));
    page.restrict_to(&ProjectName::parse("My.Pkg").unwrap());
    assert_eq!(page.name, "my-pkg");
    assert_eq!(names(&page), ["My_Pkg-1.0.zip"]);
    assert_eq!(page.versions, ["1.0"]);
}
