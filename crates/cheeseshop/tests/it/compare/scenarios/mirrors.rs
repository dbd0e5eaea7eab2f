//! Mirrors of an upstream that both share (reference §15).

use cheeseshop_test_support::{Fault, Formats, Wheel};
use serde_json::json;

use super::super::pair::Pair;
use super::super::wire::{delete, get, patch, post, request, upload};
use super::documents::path;

const JSON: &str = "application/vnd.pypi.simple.v1+json";

pub(super) fn scenario(pair: &Pair) {
    let upstream = &pair.upstream;
    pair.user("mir");
    let flask = Wheel::named("Flask")
        .version("3.0")
        .requires_python(">=3.9")
        .build();
    let yanked = Wheel::named("Flask").version("2.0").build();
    upstream.publish(&flask);
    upstream.publish(&yanked);
    upstream.yank("flask", &yanked.name, "broken");
    upstream.publish(&Wheel::named("other-one").build());
    upstream.create_project("empty");
    for (index, formats) in [("mir/html", Formats::Html), ("mir/json", Formats::Json)] {
        upstream.set_formats(formats);
        pair.index(index, &json!({
            "type": "mirror", "mirror_url": upstream.url(), "mirror_web_url_fmt": "http://upstream.example/{name}/",
        }));
        let at = |rest: &str| format!("/{index}{rest}");
        pair.all(&[
            get(&at("?no_projects=")),
            get(&at("/+api")),
            get(&at("/+simple/flask/")).accept("text/html"),
            get(&at("/+simple/flask/")).accept(JSON),
            get(&at("/+simple/Flask/")).accept(JSON),
            get(&at("/+simple/empty/")).accept("text/html"),
            get(&at("/+simple/empty/")).accept(JSON),
            get(&at("/+simple/nope/")).accept("text/html"),
            get(&at("/+simple/nope/")).accept(JSON),
            get(&at("/+simple/")).accept("text/html"),
            get(&at("/+simple/")).accept(JSON),
            get(&at("")),
            get(&at("/flask")),
            get(&at("/flask/3.0")),
            get(&at("/flask/9.9")),
            get(&at("/nope")),
            get(&at("/nope/1.0")),
            get(&path(index, &flask)).note("not cached"),
            request("HEAD", &path(index, &flask))
                .accept("*/*")
                .note("not cached"),
            get(&path(index, &flask)).accept("*/*").note("not cached"),
        ]);
        // A client has the last byte a moment before the row is there.
        let kept = |pair: &Pair| {
            pair.wait_until_we(&get(&path(index, &flask)), |answer| {
                answer.text().contains("last_modified")
            });
        };
        kept(pair);
        pair.all(&[
            get(&path(index, &flask)).accept("*/*").note("cached"),
            get(&at("/flask/3.0")).note("cached"),
            request("POST", &path(index, &flask))
                .json(&json!({"testenvs": {}}))
                .by("mir")
                .note("a test result"),
            upload(index, &flask).by("mir"),
            post(&at("/+simple/flask/refresh"), &json!({})),
            post(&at("/flask/refresh"), &json!({})),
            get(&path(index, &flask)).note("cached"),
            delete(&path(index, &flask)).note("anonymous"),
            delete(&path(index, &flask)).by("mir"),
            get(&at("/flask/3.0")).note("file removed"),
            get(&path(index, &flask))
                .accept("*/*")
                .note("fetched again"),
        ]);
        kept(pair);
        pair.all(&[
            delete(&at("/flask/3.0")).by("mir"),
            get(&at("/flask/3.0")).note("version removed"),
            get(&path(index, &flask))
                .accept("*/*")
                .note("fetched again after the version was removed"),
        ]);
        kept(pair);
        pair.all(&[
            delete(&at("/flask")).by("mir"),
            delete(&at("/flask")).by("mir").note("again"),
            get(&at("/flask")).note("after its removal"),
        ]);
    }
    upstream.set_formats(Formats::Both);
    // A push out of a mirror.
    pair.index("mir/dev", &json!({}));
    pair.all(&[
        request("PUSH", "/mir/json")
            .json(&json!({"name": "other-one", "version": "1.0", "targetindex": "mir/dev"}))
            .by("mir"),
        get("/mir/dev/other-one/1.0"),
    ]);
    // A file that nobody has asked the page for.
    pair.index(
        "mir/fresh",
        &json!({"type": "mirror", "mirror_url": upstream.url()}),
    );
    pair.all(&[
        get(&path("mir/fresh", &flask))
            .accept("*/*")
            .note("on a fresh mirror"),
        get(&path(
            "mir/fresh",
            &Wheel::named("flask").version("9").build(),
        ))
        .accept("*/*")
        .note("unknown, on a fresh mirror"),
    ]);
    // Elsewhere.
    pair.index(
        "mir/external",
        &json!({
            "type": "mirror", "mirror_url": upstream.url(), "mirror_use_external_urls": true,
        }),
    );
    pair.all(&[
        get("/mir/external/+simple/flask/").accept(JSON),
        get(&path("mir/external", &flask)).accept("*/*"),
        patch("/mir/external", &json!(["mirror_use_external_urls=False"])).by("mir"),
        get(&path("mir/external", &flask))
            .accept("*/*")
            .note("no longer elsewhere"),
        patch("/mir/external", &json!(["mirror_use_external_urls=True"])).by("mir"),
        get(&path("mir/external", &flask))
            .accept("*/*")
            .note("cached"),
    ]);
    pair.index(
        "mir/nolist",
        &json!({
            "type": "mirror", "mirror_url": upstream.url(), "mirror_no_project_list": true,
        }),
    );
    pair.all(&[
        get("/mir/nolist/+simple/").accept(JSON),
        get("/mir/nolist/+simple/flask/").accept(JSON),
    ]);
    let list = get("/mir/nolist/+simple/").accept(JSON);
    pair.wait_until_we(&list, |answer| answer.text().contains("flask"));
    pair.all(&[
        get("/mir/nolist/+simple/")
            .accept(JSON)
            .note("one is cached"),
        get("/mir/nolist"),
        get("/mir/nolist/+simple/nope/").accept(JSON),
    ]);
}

/// An upstream that fails.
pub(super) fn trouble(pair: &Pair) {
    let upstream = &pair.upstream;
    pair.user("tro");
    let flask = Wheel::named("trouble").build();
    let second = Wheel::named("trouble").version("2").build();
    upstream.publish(&flask);
    upstream.publish(&second);
    let third = Wheel::named("trouble").version("3").build();
    upstream.publish(&third);
    pair.index(
        "tro/pypi",
        &json!({"type": "mirror", "mirror_url": upstream.url()}),
    );
    let page = "/tro/pypi/+simple/trouble/";
    pair.same(&get(page).accept(JSON).note("fine"));
    // From now on every question goes to the upstream.
    pair.prepare(&patch("/tro/pypi", &json!(["mirror_cache_expiry=0"])).by("tro"));
    for status in [500, 503, 404] {
        upstream.fault(&upstream.project_path("trouble"), Fault::Status(status));
        pair.all(&[
            get(page)
                .accept(JSON)
                .note(&format!("upstream says {status}")),
            get("/tro/pypi/trouble").note(&format!("upstream says {status}")),
        ]);
        upstream.clear_faults(&upstream.project_path("trouble"));
    }
    upstream.fault(&upstream.project_path("trouble"), Fault::DropConnection);
    pair.same(&get(page).accept(JSON).note("upstream hangs up"));
    upstream.clear_faults(&upstream.project_path("trouble"));

    // Nothing is known yet.
    pair.index(
        "tro/cold",
        &json!({"type": "mirror", "mirror_url": upstream.url()}),
    );
    pair.same(&get("/tro/cold/+simple/").accept(JSON));
    for status in [500, 403] {
        upstream.fault(&upstream.project_path("trouble"), Fault::Status(status));
        pair.all(&[
            get("/tro/cold/+simple/trouble/")
                .accept(JSON)
                .note(&format!("cold, upstream says {status}")),
            get("/tro/cold/trouble").note(&format!("cold, upstream says {status}")),
        ]);
        upstream.clear_faults(&upstream.project_path("trouble"));
    }
    // Files.
    let file = path("tro/pypi", &flask);
    for status in [500, 403] {
        upstream.fault(&upstream.file_path(&flask), Fault::Status(status));
        pair.all(&[get(&file)
            .accept("*/*")
            .note(&format!("file, upstream says {status}"))]);
        upstream.clear_faults(&upstream.file_path(&flask));
    }
    pair.same(&get(&file).accept("*/*").note("file, fine at last"));
    let gone = path("tro/pypi", &second);
    upstream.fault(&upstream.file_path(&second), Fault::Status(404));
    pair.same(&get(&gone).accept("*/*").note("file, upstream says 404"));
    upstream.clear_faults(&upstream.file_path(&second));
    // A push whose file cannot be had.
    upstream.fault(&upstream.file_path(&third), Fault::Status(500));
    pair.index("tro/dev", &json!({}));
    pair.all(&[
        request("PUSH", "/tro/pypi")
            .json(&json!({"name": "trouble", "version": "3", "targetindex": "tro/dev"}))
            .by("tro"),
        get("/tro/dev/trouble").note("after a push that failed"),
    ]);
    upstream.clear_faults(&upstream.file_path(&third));
    // An upstream that nobody is behind.
    pair.index(
        "tro/gone",
        &json!({"type": "mirror", "mirror_url": "http://127.0.0.1:9/simple/"}),
    );
    pair.all(&[
        get("/tro/gone/+simple/trouble/").accept(JSON),
        get("/tro/gone/+simple/").accept(JSON),
        get("/tro/gone"),
        get("/tro/gone?no_projects="),
        get("/tro/gone/trouble"),
        patch("/tro/gone", &json!(["title=still editable"])).by("tro"),
        delete("/tro/gone").by("tro"),
    ]);
}

/// Mirrors below other indexes, and whitelists.
pub(super) fn bases(pair: &Pair) {
    let upstream = &pair.upstream;
    pair.user("wl");
    let public = Wheel::named("private").version("9.0").build();
    upstream.publish(&public);
    upstream.publish(&Wheel::named("public").build());
    pair.index(
        "wl/pypi",
        &json!({"type": "mirror", "mirror_url": upstream.url()}),
    );
    pair.index("wl/base", &json!({"bases": "wl/pypi"}));
    pair.index("wl/dev", &json!({"bases": "wl/base"}));
    pair.prepare(&upload("wl/base", &Wheel::named("private").build()).by("wl"));
    let look = |note: &str| {
        for index in ["wl/dev", "wl/base"] {
            for project in ["private", "public", "nope"] {
                pair.all(&[
                    get(&format!("/{index}/+simple/{project}/"))
                        .accept(JSON)
                        .note(note),
                    get(&format!("/{index}/+simple/{project}/"))
                        .accept("text/html")
                        .note(&format!("{note} html")),
                    get(&format!("/{index}/{project}")).note(note),
                ]);
            }
        }
    };
    look("plain");
    for (index, change) in [
        ("wl/base", json!(["mirror_whitelist=private"])),
        ("wl/dev", json!(["mirror_whitelist_inheritance=union"])),
        ("wl/base", json!(["mirror_whitelist="])),
        ("wl/dev", json!(["mirror_whitelist=*"])),
        (
            "wl/dev",
            json!(["mirror_whitelist_inheritance=intersection"]),
        ),
    ] {
        pair.prepare(&patch(&format!("/{index}"), &change).by("wl"));
        look(&format!("{index} {change}"));
    }
    pair.all(&[
        get("/wl/dev").note("projects are its own"),
        get("/wl/dev/+simple/").accept(JSON),
    ]);
}
