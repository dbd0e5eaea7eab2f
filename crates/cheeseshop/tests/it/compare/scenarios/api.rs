//! `+api`, `+status`, `+authcheck` and the outside URL (reference §1, §4.4, §16).

use cheeseshop_test_support::Wheel;
use serde_json::json;

use super::super::pair::Pair;
use super::super::wire::{get, put, request, upload};

pub(super) fn scenario(pair: &Pair) {
    pair.user("api");
    pair.index("api/dev", &json!({}));
    pair.index(
        "api/mirror",
        &json!({"type": "mirror", "mirror_url": "http://upstream.example/simple/"}),
    );
    pair.all(&[
        get("/+api"),
        get("/+api/"),
        get("/+api").by("api"),
        get("/api/+api"),
        get("/api/+api").by("api"),
        get("/nobody/+api"),
        get("/api/dev/+api"),
        get("/api/dev/+api/"),
        get("/api/dev/+api").by("api"),
        get("/api/mirror/+api"),
        get("/api/nope/+api"),
        get("/nobody/nope/+api"),
        get("/+api").without("Accept").note("no Accept"),
        get("/+api").accept("*/*"),
        get("/+api").accept("text/html"),
        get("/+api").accept("application/json;q=0.1, text/html"),
        request("POST", "/+api"),
        request("PUT", "/api/dev/+api"),
        request("DELETE", "/api/+api"),
        request("HEAD", "/+api"),
        get("/api/dev/+api").body("{}").note("with a body"),
        get("//+api"),
        get("/%2Bapi"),
    ]);
}

/// Where links point to when a proxy says where it is.
pub(super) fn outside_url(pair: &Pair) {
    pair.user("out");
    pair.index("out/dev", &json!({}));
    let wheel = Wheel::named("outer").build();
    pair.prepare(&upload("out/dev", &wheel).by("out"));
    let outside = "https://packages.example/sub";
    for path in [
        "/+api",
        "/out/+api",
        "/out/dev/+api",
        "/sub/out/dev/+api",
        "/sub/out/dev",
        "/sub/out/dev/outer",
        "/out/dev/outer",
        "/out/dev/outer/1.0",
        "/sub/+login",
        "/subway/out/dev",
        "/sub",
    ] {
        pair.same(&get(path).with("X-Outside-Url", outside).note("outside"));
        pair.same(
            &get(path)
                .with("X-Outside-Url", "http://h.example:8080")
                .note("outside without a path"),
        );
    }
    let json = "application/vnd.pypi.simple.v1+json";
    for path in [
        "/sub/out/dev/+simple/outer",
        "/sub/out/dev/+simple/outer/",
        "/out/dev/+simple/Outer/",
        "/sub/out/dev/+simple",
    ] {
        for accept in ["text/html", json] {
            pair.same(&get(path).with("X-Outside-Url", outside).accept(accept));
            pair.same(
                &get(path)
                    .with("X-Outside-Url", outside)
                    .with("X-Devpi-Absolute-Urls", "1")
                    .accept(accept)
                    .note(&format!("absolute {accept}")),
            );
        }
    }
    pair.all(&[
        get("/+api")
            .with("Host", "other.example:99")
            .note("another host"),
        get("/+api")
            .with("X-Forwarded-Proto", "https")
            .with("X-Forwarded-Host", "f.example")
            .note("forwarded"),
        get("/out/dev/Outer")
            .with("X-Outside-Url", outside)
            .note("a redirect"),
    ]);
}

pub(super) fn service(pair: &Pair) {
    pair.all(&[
        get("/+status"),
        request("POST", "/+status"),
        request("HEAD", "/+status"),
        request("POST", "/+authcheck"),
    ]);
    pair.user("check");
    pair.index("check/dev", &json!({}));
    let wheel = Wheel::named("checked").build();
    pair.prepare(&upload("check/dev", &wheel).by("check"));
    for uri in [
        "/",
        "/+api",
        "/check/dev/+api",
        "/+login",
        "/check/dev",
        "/check/dev/+simple/",
        "/check/dev/+simple/checked",
        "/check/dev/checked/1.0",
        "/check/dev/+f/123/4567890123456/x-1.0.zip",
        "/a/b/c/d/e/f",
        "/+nothing",
        "/nobody/nope",
        "/check/dev/+f/",
        "/check/nope/+f/123/4567890123456/x-1.0.zip",
        "/+status",
    ] {
        for agent in ["curl/8", "devpi-client/7.3.0 (py3.11.7; linux)"] {
            pair.same(
                &get("/+authcheck")
                    .with("X-Original-URI", uri)
                    .agent(agent)
                    .note(&format!("{uri} {agent}")),
            );
        }
    }
    pair.all(&[
        get("/+authcheck").note("no URI"),
        get("/+nothing"),
        get("/check/dev/+nothing"),
        get("/check/dev/checked/1.0/2/3"),
        request("POST", "/"),
        request("PUT", "/"),
        request("DELETE", "/"),
        request("POST", "/check"),
        request("OPTIONS", "/"),
        request("BREW", "/"),
        request("PUT", "/check/dev/checked/1.0"),
        request("PATCH", "/check/dev/checked"),
        request("POST", "/check/dev/+simple/"),
        request("DELETE", "/check/dev/+simple/checked/"),
        request("HEAD", "/"),
        request("HEAD", "/check"),
        request("HEAD", "/check/dev"),
        request("HEAD", "/check/dev/checked"),
        request("HEAD", "/check/dev/+simple/checked/").accept("text/html"),
        get("/pypi"),
        get("/favicon.ico"),
        get("/check//dev"),
        put("/check/dev/checked", &json!({}))
            .by("check")
            .note("creating a project"),
        get("/check/dev/checked").note("still there"),
        put("/check/dev/brandnew", &json!({}))
            .by("check")
            .note("creating a project"),
        put("/check/dev/brandnew", &json!({}))
            .by("check")
            .note("creating it again"),
        put("/check/dev/other", &json!({})).note("creating a project"),
        get("/check/dev").note("after creating a project"),
        get("/check/dev/brandnew").note("an empty project"),
        get("/check/dev/+simple/brandnew/").accept("text/html"),
    ]);
}
