//! The Simple API (reference §7, §14).

use cheeseshop_test_support::{Sdist, Wheel};
use serde_json::json;

use super::super::pair::Pair;
use super::super::wire::{get, post, upload};

const JSON: &str = "application/vnd.pypi.simple.v1+json";
const PIP: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01";
const ACCEPTS: &[&str] = &[
    "text/html",
    "*/*",
    JSON,
    PIP,
    "application/vnd.pypi.simple.v1+html",
    "application/vnd.pypi.simple.v1+json;q=0.5, text/html;q=0.5",
    "application/vnd.pypi.simple.latest+json",
    "application/json",
    "image/png",
];

pub(super) fn scenario(pair: &Pair) {
    pair.user("sim");
    pair.index("sim/dev", &json!({}));
    for file in [
        Wheel::named("My.Pkg").requires_python(">=3.7,<4").build(),
        Sdist::named("My.Pkg").requires_python(">=3.7,<4").build(),
        Wheel::named("My.Pkg").version("2.0+local.1").build(),
        Wheel::named("another").build(),
    ] {
        pair.prepare(&upload("sim/dev", &file).by("sim"));
    }
    for path in [
        "/sim/dev/+simple/my-pkg/",
        "/sim/dev/+simple/my-pkg",
        "/sim/dev/+simple/My.Pkg/",
        "/sim/dev/+simple/My.Pkg",
        "/sim/dev/+simple/",
        "/sim/dev/+simple",
        "/sim/dev/+simple/nope/",
        "/sim/nope/+simple/",
        "/sim/nope/+simple/my-pkg/",
        "/sim/dev/my-pkg",
        "/sim/dev",
        "/sim/dev/",
    ] {
        for accept in ACCEPTS {
            pair.same(&get(path).accept(accept));
        }
        for agent in [
            "pip/26.2 {}",
            "uv/0.13.9",
            "setuptools/80",
            "foo pip/1",
            "twine/7.0.0",
        ] {
            pair.same(&get(path).agent(agent).accept(PIP).note(agent));
            pair.same(
                &get(path)
                    .agent(agent)
                    .accept("text/html")
                    .note(&format!("{agent} html")),
            );
        }
        pair.same(&get(path).without("Accept").note("no Accept"));
    }
    pair.all(&[
        get("/sim/dev/+simple/m%C3%BCll/").accept("text/html"),
        get("/sim/dev/+simple/a%20b/").accept("text/html"),
        post("/sim/dev/+simple/", &json!({})),
        post("/sim/dev/+simple/my-pkg/refresh", &json!({})),
        post("/sim/dev/+simple/nope/refresh", &json!({})),
        post("/sim/nope/+simple/my-pkg/refresh", &json!({})),
        get("/sim/dev/+simple/my-pkg/refresh"),
        post("/sim/dev/my-pkg/refresh", &json!({})),
        post("/sim/dev/nope/refresh", &json!({})),
    ]);
}

/// What is inherited, and what hides what.
pub(super) fn inheritance(pair: &Pair) {
    pair.user("inh");
    pair.index("inh/low", &json!({}));
    pair.index("inh/left", &json!({"bases": "inh/low"}));
    pair.index("inh/right", &json!({"bases": "inh/low"}));
    pair.index("inh/top", &json!({"bases": "inh/left,inh/right"}));
    for (index, version, text) in [
        ("inh/low", "1.0", "low"),
        ("inh/low", "1.1", "low"),
        ("inh/left", "1.0", "left"),
        ("inh/right", "1.0", "right"),
        ("inh/right", "1.2", "right"),
        ("inh/top", "1.3", "top"),
    ] {
        let file = Wheel::named("layers")
            .version(version)
            .file("where.txt", text)
            .build();
        pair.prepare(&upload(index, &file).by("inh"));
    }
    pair.prepare(&upload("inh/low", &Wheel::named("onlylow").build()).by("inh"));
    for index in ["low", "left", "right", "top"] {
        for path in ["+simple/layers/", "+simple/onlylow/", "+simple/"] {
            for accept in ["text/html", JSON] {
                pair.same(&get(&format!("/inh/{index}/{path}")).accept(accept));
            }
        }
        pair.all(&[
            get(&format!("/inh/{index}")),
            get(&format!("/inh/{index}/layers")),
            get(&format!("/inh/{index}/layers?ignore_bases=")),
            get(&format!("/inh/{index}/layers/1.0")),
            get(&format!("/inh/{index}/onlylow")),
        ]);
    }
    // In a circle.
    pair.prepare(&super::super::wire::patch("/inh/low", &json!(["bases=inh/top"])).by("inh"));
    for path in ["+simple/layers/", "+simple/onlylow/", "+simple/"] {
        for index in ["low", "top"] {
            pair.same(
                &get(&format!("/inh/{index}/{path}"))
                    .accept(JSON)
                    .note("in a circle"),
            );
        }
    }
}
