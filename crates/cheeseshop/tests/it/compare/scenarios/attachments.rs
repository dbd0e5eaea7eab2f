//! Documentation and test results (reference §10, §11, §17.2), findlinks and constrained indexes
//! (§24).

use cheeseshop_test_support::{Wheel, WheelDefect};
use serde_json::json;

use super::super::pair::{Both, Pair};
use super::super::wire::{Answer, Request, delete, form, get, post, put, request, upload};
use super::documents::path;

/// A zip with pages at its top.
fn pages(text: &str) -> Vec<u8> {
    Wheel::named("pages")
        .file(
            "index.html",
            format!("<html><title>T</title><body>{text}</body></html>"),
        )
        .file("sub/page.html", "<html>page</html>")
        .file("style.css", "body {}")
        .build()
        .bytes
        .to_vec()
}

fn doc_upload(index: &str, name: &str, version: Option<&str>, bytes: &[u8]) -> Request {
    let mut fields = vec![(":action", "doc_upload"), ("name", name)];
    fields.extend(version.map(|version| ("version", version)));
    form(index, &fields, Some((&format!("{name}.zip"), bytes)))
        .by("att")
        .note(&format!(
            "documentation of {name} {}",
            version.unwrap_or("?")
        ))
}

/// Uploads of documentation, and its pages.
pub(super) fn documentation(pair: &Pair) {
    pair.user("att");
    pair.user("attother");
    pair.index("att/dev", &json!({}));
    pair.index("att/prod", &json!({"volatile": false}));
    pair.prepare(&upload("att/dev", &Wheel::named("docs").build()).by("att"));
    let (first, second) = (pages("one"), pages("two"));
    pair.all(&[
        doc_upload("att/dev", "docs", None, &first),
        doc_upload("att/dev", "docs", Some("1.0"), &second).note("others"),
        doc_upload("att/dev", "docs", Some("2.0rc1"), &first),
        doc_upload("att/dev", "nothing", None, &first),
        doc_upload("att/dev", "docs", Some("1.0"), &first).by("attother"),
        form(
            "att/dev",
            &[(":action", "doc_upload"), ("name", "docs")],
            None,
        )
        .by("att")
        .note("no content"),
        form(
            "att/dev",
            &[(":action", "doc_upload")],
            Some(("docs.zip", first.as_slice())),
        )
        .by("att")
        .note("no name"),
        doc_upload("att/prod", "docs", Some("1.0"), &first),
        doc_upload("att/prod", "docs", Some("1.0"), &first).note("the same again"),
        doc_upload("att/prod", "docs", Some("1.0"), &second).note("others"),
        get("/att/dev/docs"),
        get("/att/dev/docs/1.0"),
        get("/att/dev/docs/2.0rc1"),
        get("/att/prod/docs/1.0"),
        get("/att/dev/+simple/docs/").accept("text/html"),
    ]);
    for version in ["1.0", "2.0rc1", "latest", "stable", "9"] {
        for page in [
            "/+doc/",
            "/+doc/index.html",
            "/+doc/sub/page.html",
            "/+doc/style.css",
            "/+doc/none.html",
        ] {
            pair.same(&get(&format!("/att/dev/docs/{version}{page}")).accept("text/html"));
        }
        pair.same(&get(&format!("/att/dev/docs/{version}/+d/")).accept("text/html"));
    }
    pair.all(&[
        get("/att/dev/Docs/1.0/+doc/index.html").accept("text/html"),
        get("/att/dev/nope/1.0/+doc/index.html").accept("text/html"),
        get("/att/nope/docs/1.0/+doc/index.html").accept("text/html"),
        request("PUSH", "/att/dev")
            .json(&json!({"name": "docs", "version": "1.0", "targetindex": "attother/dev"}))
            .by("att")
            .note("documentation, no such index"),
    ]);
    pair.index("att/stage", &json!({}));
    for options in [
        json!({"only_docs": true}),
        json!({"no_docs": true}),
        json!({}),
    ] {
        let mut body = json!({"name": "docs", "version": "1.0", "targetindex": "att/stage"});
        for (key, value) in options.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        pair.same(
            &request("PUSH", "/att/dev")
                .json(&body)
                .by("att")
                .note(&options.to_string()),
        );
        pair.same(&get("/att/stage/docs").note(&options.to_string()));
        pair.prepare(&delete("/att/stage/docs").by("att"));
    }
    pair.all(&[
        delete("/att/dev/docs/1.0").by("att"),
        get("/att/dev/docs/1.0/+doc/index.html")
            .accept("text/html")
            .note("removed"),
        get("/att/dev/docs"),
    ]);
}

/// Test results of files.
pub(super) fn results(pair: &Pair) {
    pair.user("res");
    pair.user("resother");
    pair.index("res/dev", &json!({}));
    pair.index("res/prod", &json!({"acl_toxresult_upload": ["res"]}));
    let wheel = Wheel::named("tested").build();
    pair.prepare(&upload("res/dev", &wheel).by("res"));
    pair.prepare(&upload("res/prod", &wheel).by("res"));
    let report = json!({"reportversion": "1", "toxversion": "4", "platform": "linux", "host": "h", "testenvs": {
        "py": {"python": {"version": "3.11"}, "test": [{"command": ["true"], "output": "", "retcode": 0}]}
    }});
    let (dev, prod) = (path("res/dev", &wheel), path("res/prod", &wheel));
    pair.all(&[
        post(&dev, &report).note("anonymous"),
        post(&dev, &report).by("res"),
        post(&dev, &json!({}))
            .by("res")
            .body("no JSON")
            .note("no JSON"),
        post(&prod, &report).note("anonymous"),
        post(&prod, &report).by("resother"),
        post(&prod, &report).by("res"),
        post("/res/dev/+f/123/4567890123456/tested-9.zip", &report).by("res"),
        get("/res/dev/tested"),
        get("/res/dev/tested/1.0"),
    ]);
    // Their URLs hold the time of the upload.
    let Both { devpi, ours } = pair.prepare(&get("/res/dev/tested/1.0"));
    let [devpi, ours] = [devpi, ours].map(|answer| results_of(&answer));
    assert_eq!((devpi.len(), ours.len()), (2, 2));
    for (theirs, mine) in devpi.iter().zip(&ours) {
        let read = |path: &str| get(path).accept("*/*").note("a test result");
        pair.compare(&read(theirs), &read(mine));
    }
    pair.index("res/stage", &json!({}));
    pair.all(&[
        request("PUSH", "/res/dev")
            .json(&json!({"name": "tested", "version": "1.0", "targetindex": "res/stage"}))
            .by("res"),
        get("/res/stage/tested/1.0"),
        delete(&path("res/stage", &wheel)).by("res"),
        get("/res/stage"),
    ]);
    // They go with the file that they are of.
    pair.prepare(&upload("res/dev", &Wheel::named("tested").summary("new").build()).by("res"));
    pair.same(&get("/res/dev/tested/1.0").note("after another upload"));
}

/// The paths of the test results in version data.
fn results_of(answer: &Answer) -> Vec<String> {
    let document = answer.document().unwrap();
    let links = document["result"]["+links"].as_array().unwrap();
    let mut paths: Vec<String> = links
        .iter()
        .filter(|link| link["rel"] == "toxresult")
        .map(|link| {
            let url = url::Url::parse(link["href"].as_str().unwrap()).unwrap();
            url.path().to_owned()
        })
        .collect();
    paths.sort_by_key(|path| path.rsplit('-').next().map(str::to_owned));
    paths
}

/// What devpi has as plugins.
pub(super) fn plugins(pair: &Pair) {
    pair.user("plug");
    pair.index("plug/base", &json!({}));
    pair.index("plug/dev", &json!({"bases": "plug/base"}));
    pair.index("plug/none", &json!({}));
    for (index, version) in [
        ("plug/base", "1.0"),
        ("plug/base", "2.0"),
        ("plug/dev", "3.0"),
    ] {
        pair.prepare(&upload(index, &Wheel::named("linked").version(version).build()).by("plug"));
    }
    pair.prepare(&upload("plug/base", &Wheel::named("another").build()).by("plug"));
    pair.all(&[
        get("/plug/dev/+findlinks").accept("text/html"),
        get("/plug/base/+findlinks").accept("text/html"),
        get("/plug/none/+findlinks").accept("text/html"),
        get("/plug/nope/+findlinks").accept("text/html"),
    ]);
    let constrained = |constraints: serde_json::Value| json!({"type": "constrained", "bases": "plug/base", "constraints": constraints});
    for (name, constraints) in [
        ("some", json!(["linked<2"])),
        ("only", json!(["linked<2", "*"])),
        ("text", json!("linked>1\n# a comment\n\nanother")),
        ("twice", json!(["linked<2", "linked>1"])),
        ("nonsense", json!(["<<<"])),
    ] {
        let index = format!("/plug/{name}");
        pair.all(&[
            put(&index, &constrained(constraints)).by("plug"),
            get(&index),
            get(&format!("{index}/linked")),
            get(&format!("{index}/linked/2.0")),
            get(&format!("{index}/another")),
            get(&format!("{index}/+simple/linked/")).accept("text/html"),
            get(&format!("{index}/+simple/another/")).accept("text/html"),
            get(&format!("{index}/+simple/")).accept("application/vnd.pypi.simple.v1+json"),
            upload(
                &format!("plug/{name}"),
                &Wheel::named("linked").version("9").build(),
            )
            .by("plug"),
        ]);
    }
    // A zip that leaves its directory is stored by nobody here; devpi unpacks what it can.
    let bad = Wheel::named("pages")
        .defect(WheelDefect::NotAnArchive)
        .build();
    pair.same(
        &form(
            "plug/dev",
            &[(":action", "doc_upload"), ("name", "linked")],
            Some(("linked.zip", &bad.bytes)),
        )
        .by("plug")
        .note("documentation that is no zip"),
    );
}
