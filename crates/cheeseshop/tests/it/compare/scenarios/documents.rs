//! Documents of projects, versions and files (reference §8, §9).

use cheeseshop_test_support::{BuiltFile, Sdist, Wheel};
use serde_json::json;

use super::super::pair::Pair;
use super::super::wire::{get, request, upload};

/// Where a file of an index is, on both.
pub(super) fn path(index: &str, file: &BuiltFile) -> String {
    format!(
        "/{index}/+f/{}/{}/{}",
        &file.sha256[..3],
        &file.sha256[3..16],
        file.name
    )
}

pub(super) fn scenario(pair: &Pair) {
    pair.user("doc");
    pair.index("doc/base", &json!({}));
    pair.index("doc/dev", &json!({"bases": "doc/base"}));
    pair.prepare(
        &upload(
            "doc/base",
            &Wheel::named("Shadow_ed").version("1.0").build(),
        )
        .by("doc"),
    );
    pair.prepare(
        &upload(
            "doc/base",
            &Wheel::named("Shadow_ed").version("0.9").build(),
        )
        .by("doc"),
    );
    pair.prepare(&upload("doc/base", &Wheel::named("below").version("3").build()).by("doc"));
    pair.prepare(&upload("doc/dev", &Sdist::named("Shadow_ed").version("1.0").build()).by("doc"));
    pair.prepare(&upload("doc/dev", &Sdist::named("Shadow_ed").version("2.0").build()).by("doc"));
    for path in [
        "/doc/dev/shadow-ed",
        "/doc/dev/shadow-ed/",
        "/doc/dev/Shadow_ed",
        "/doc/dev/Shadow_ed/",
        "/doc/dev/Shadow_ed?ignore_bases=",
        "/doc/dev/shadow-ed?ignore_bases",
        "/doc/dev/shadow-ed?ignore_bases=1",
        "/doc/dev/below",
        "/doc/dev/below?ignore_bases=",
        "/doc/dev/below/3",
        "/doc/dev/shadow-ed/1.0",
        "/doc/dev/shadow-ed/1.0/",
        "/doc/dev/Shadow.ed/1.0",
        "/doc/dev/Shadow.ed/1.0/",
        "/doc/dev/shadow-ed/0.9",
        "/doc/dev/shadow-ed/1.0?ignore_bases=",
        "/doc/dev/shadow-ed/0.9?ignore_bases=",
        "/doc/dev/shadow-ed/7.0",
        "/doc/dev/shadow-ed/nonsense",
        "/doc/dev/nope",
        "/doc/dev/nope/1.0",
        "/doc/nope/shadow-ed",
        "/doc/nope/shadow-ed/1.0",
        "/doc/dev?no_projects=",
        "/doc/dev",
        "/doc/base",
        "/doc",
    ] {
        pair.same(&get(path));
    }
}

/// Files and what is said of them.
pub(super) fn files(pair: &Pair) {
    pair.user("fil");
    pair.index("fil/dev", &json!({}));
    pair.index("fil/top", &json!({"bases": "fil/dev"}));
    let wheel = Wheel::named("bytes").build();
    let sdist = Sdist::named("bytes").build();
    let zip = Sdist::named("bytes").version("2").zip().build();
    for file in [&wheel, &sdist, &zip] {
        pair.prepare(&upload("fil/dev", file).by("fil"));
        let path = path("fil/dev", file);
        pair.all(&[
            get(&path),
            get(&path).accept("*/*"),
            get(&path).without("Accept").note("no Accept"),
            get(&path).accept("text/html"),
            get(&path).accept("application/json;q=0.1, */*"),
            request("HEAD", &path).accept("*/*"),
            request("POST", &path).accept("*/*"),
            request("PUT", &path),
        ]);
    }
    let there = path("fil/dev", &wheel);
    pair.all(&[
        get("/fil/dev/+f/123/4567890123456/bytes-9.0.zip"),
        get("/fil/dev/+f/123/4567890123456/bytes-9.0.zip").accept("*/*"),
        get("/fil/nope/+f/123/4567890123456/bytes-9.0.zip"),
        get("/fil/nope/+f/123/4567890123456/bytes-9.0.zip").accept("*/*"),
        get("/fil/dev/+e/http_x/bytes-9.0.zip").accept("*/*"),
        get("/fil/dev/+f/12/x").accept("*/*"),
        get("/fil/dev/+f/").accept("*/*"),
        get(&path("fil/top", &wheel))
            .accept("*/*")
            .note("through an index that inherits"),
        get(&there.replace("+f", "%2Bf")).accept("*/*"),
        get(&format!("{there}/")).accept("*/*"),
        get(&format!("{there}?x=y#z")).accept("*/*"),
    ]);
}
