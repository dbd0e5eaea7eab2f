//! Pushes from index to index (reference §12).

use cheeseshop_test_support::{Fault, Sdist, Wheel};
use serde_json::{Value, json};

use super::super::pair::Pair;
use super::super::wire::{get, request, upload};

pub(super) fn scenario(pair: &Pair) {
    pair.user("pu");
    pair.user("puother");
    pair.index("pu/dev", &json!({}));
    pair.index("pu/prod", &json!({"volatile": false}));
    pair.index("pu/stage", &json!({}));
    pair.index(
        "pu/mirror",
        &json!({"type": "mirror", "mirror_url": "http://upstream.example/simple/"}),
    );
    pair.index("puother/dev", &json!({}));
    pair.prepare(&upload("pu/dev", &Wheel::named("My.Pkg").summary("A").build()).by("pu"));
    pair.prepare(&upload("pu/dev", &Sdist::named("My.Pkg").summary("A").build()).by("pu"));
    pair.prepare(&upload("pu/dev", &Sdist::named("My.Pkg").version("2.0").build()).by("pu"));
    let push = |body: Value| request("PUSH", "/pu/dev").json(&body);
    let to = |version: &str, target: &str| json!({"name": "my-pkg", "version": version, "targetindex": target});
    for (note, body) in [
        ("to production", to("1.0", "pu/prod")),
        ("another version", to("2.0", "pu/stage")),
        ("a version that is not there", to("8.0", "pu/prod")),
        (
            "a project that is not there",
            json!({"name": "nope", "version": "1.0", "targetindex": "pu/prod"}),
        ),
        ("no such target", to("1.0", "pu/nope")),
        ("no such owner", to("1.0", "nobody/nope")),
        ("half a target", to("1.0", "prod")),
        ("to a mirror", to("1.0", "pu/mirror")),
        ("to somebody else", to("1.0", "puother/dev")),
        (
            "unknown options",
            json!({"name": "my-pkg", "version": "1.0", "targetindex": "pu/prod", "foo": 1}),
        ),
        (
            "nothing at all",
            json!({"name": "my-pkg", "version": "1.0", "targetindex": "pu/prod", "no_docs": true, "only_docs": true}),
        ),
        (
            "without documentation",
            json!({"name": "my-pkg", "version": "1.0", "targetindex": "pu/stage", "no_docs": true}),
        ),
        ("no target", json!({"name": "my-pkg", "version": "1.0"})),
        (
            "no name",
            json!({"version": "1.0", "targetindex": "pu/prod"}),
        ),
        (
            "no version",
            json!({"name": "my-pkg", "targetindex": "pu/prod"}),
        ),
        ("a list", json!([])),
    ] {
        pair.same(&push(body).by("pu").note(note));
    }
    pair.all(&[
        push(to("1.0", "pu/prod")).note("anonymous"),
        push(to("1.0", "pu/prod")).by("puother"),
        push(to("1.0", "puother/dev"))
            .by("puother")
            .note("from somebody else"),
        request("POST", "/pu/dev")
            .json(&to("1.0", "pu/stage"))
            .by("pu"),
        request("POST", "/pu/dev/")
            .json(&to("2.0", "pu/stage"))
            .by("pu"),
        request("PUSH", "/pu/dev")
            .body("nonsense")
            .by("pu")
            .note("no JSON"),
        request("PUSH", "/pu/nope")
            .json(&to("1.0", "pu/stage"))
            .by("pu"),
        get("/pu/prod/my-pkg"),
        get("/pu/prod/my-pkg/1.0"),
        get("/pu/stage/my-pkg"),
        get("/puother/dev/my-pkg"),
        get("/pu/dev/my-pkg/1.0"),
    ]);
    // Again, with other bytes there.
    pair.prepare(&upload("pu/dev", &Wheel::named("My.Pkg").summary("B").build()).by("pu"));
    pair.all(&[
        push(to("1.0", "pu/prod"))
            .by("pu")
            .note("other bytes are there"),
        get("/pu/prod/my-pkg/1.0").note("after a conflict"),
        push(to("1.0", "pu/stage")).by("pu").note("over others"),
        get("/pu/stage/my-pkg/1.0").note("over others"),
    ]);
    // The same bytes on a non-volatile index.
    pair.prepare(&upload("pu/dev", &Wheel::named("same").build()).by("pu"));
    let same = json!({"name": "same", "version": "1.0", "targetindex": "pu/prod"});
    pair.all(&[
        push(same.clone()).by("pu"),
        push(same).by("pu").note("what is there already"),
        get("/pu/prod/same"),
    ]);
}

/// Pushes to another server.
pub(super) fn external(pair: &Pair) {
    pair.user("ex");
    pair.index("ex/dev", &json!({}));
    pair.prepare(&upload("ex/dev", &Wheel::named("outgoing").summary("A").build()).by("ex"));
    pair.prepare(&upload("ex/dev", &Sdist::named("outgoing").summary("A").build()).by("ex"));
    let url = pair.upstream.upload_url();
    let push = |extra: Value, note: &str| {
        let mut body = json!({
            "name": "outgoing", "version": "1.0", "posturl": url, "username": "u", "password": "p",
        });
        for (key, value) in extra.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        request("PUSH", "/ex/dev").json(&body).by("ex").note(note)
    };
    pair.all(&[
        push(json!({}), "all files"),
        push(json!({"register_project": true}), "with a registration"),
        push(json!({"no_docs": true}), "without documentation"),
        push(
            json!({"only_docs": true}),
            "documentation that is not there",
        ),
        push(json!({"version": "9"}), "a version that is not there"),
        push(json!({"posturl": "http://127.0.0.1:9/"}), "nobody listens"),
        push(json!({"foo": 1}), "an unknown option"),
        push(json!({"posturl": "nonsense"}), "no URL"),
    ]);
    pair.upstream.fault(&path_of(&url), Fault::Status(403));
    pair.same(&push(json!({}), "refused there"));
    pair.upstream.clear_faults(&path_of(&url));
}

fn path_of(url: &str) -> String {
    url::Url::parse(url).unwrap().path().to_owned()
}
