//! Removals in all forms (reference §13).

use cheeseshop_test_support::{Sdist, Wheel};
use serde_json::json;

use super::super::pair::Pair;
use super::super::wire::{delete, get, upload};
use super::documents::path;

pub(super) fn scenario(pair: &Pair) {
    pair.user("rem");
    pair.user("remother");
    pair.index("rem/dev", &json!({}));
    let fill = || {
        for version in ["1.0", "2.0"] {
            pair.prepare(
                &upload("rem/dev", &Wheel::named("My.Pkg").version(version).build()).by("rem"),
            );
            pair.prepare(
                &upload("rem/dev", &Sdist::named("My.Pkg").version(version).build()).by("rem"),
            );
        }
    };
    fill();
    let wheel = Wheel::named("My.Pkg").build();
    let sdist = Sdist::named("My.Pkg").build();
    pair.all(&[
        delete("/rem/dev/my-pkg"),
        delete("/rem/dev/my-pkg").by("remother"),
        delete("/rem/dev/my-pkg/1.0"),
        delete("/rem/dev/my-pkg/1.0").by("remother"),
        delete(&path("rem/dev", &wheel)),
        delete(&path("rem/dev", &wheel)).by("remother"),
        delete("/rem/dev/my-pkg/8.0").by("rem"),
        delete("/rem/dev/nope").by("rem"),
        delete("/rem/dev/nope?force").by("rem"),
        delete("/rem/dev/nope/1.0").by("rem"),
        delete("/rem/nope/my-pkg").by("rem"),
        delete("/rem/nope/my-pkg/1.0").by("rem"),
        delete("/rem/dev/+f/123/4567890123456/my_pkg-1.0.zip").by("rem"),
        delete("/rem/dev/+e/http_x/my_pkg-1.0.zip").by("rem"),
        // File by file, until the version is gone.
        delete(&path("rem/dev", &wheel)).by("rem"),
        delete(&path("rem/dev", &wheel)).by("rem").note("again"),
        get(&path("rem/dev", &wheel)),
        get(&path("rem/dev", &wheel)).accept("*/*"),
        get("/rem/dev/my-pkg/1.0"),
        delete(&path("rem/dev", &sdist)).by("rem"),
        get("/rem/dev/my-pkg/1.0").note("gone"),
        get("/rem/dev/my-pkg"),
        delete("/rem/dev/My.Pkg/2.0").by("rem"),
        get("/rem/dev/my-pkg").note("gone"),
        get("/rem/dev"),
        get("/rem/dev/+simple/my-pkg/").accept("text/html"),
    ]);
    fill();
    pair.all(&[
        get(&path("rem/dev", &wheel))
            .accept("*/*")
            .note("there again"),
        delete("/rem/dev/my-pkg/1.0?force").by("root"),
        delete("/rem/dev/My.Pkg").by("rem"),
        get("/rem/dev"),
        delete("/rem/dev").by("remother"),
        delete("/rem/dev/").by("rem"),
        get("/rem/dev"),
        get(&path("rem/dev", &wheel))
            .accept("*/*")
            .note("of a removed index"),
    ]);
}

pub(super) fn non_volatile(pair: &Pair) {
    pair.user("keep");
    pair.index("keep/prod", &json!({"volatile": false}));
    let wheel = Wheel::named("My.Pkg").build();
    let newer = Wheel::named("My.Pkg").version("2.0").build();
    pair.prepare(&upload("keep/prod", &wheel).by("keep"));
    pair.prepare(&upload("keep/prod", &newer).by("keep"));
    pair.all(&[
        delete("/keep/prod/my-pkg").by("keep"),
        delete("/keep/prod/my-pkg/1.0").by("keep"),
        delete(&path("keep/prod", &wheel)).by("keep"),
        delete("/keep/prod").by("keep"),
        delete("/keep/prod?force").by("keep"),
        get("/keep/prod/my-pkg"),
        delete(&format!("{}?force", path("keep/prod", &wheel))).by("keep"),
        get("/keep/prod/my-pkg").note("without a file"),
        delete("/keep/prod/my-pkg/2.0?force=").by("keep"),
        get("/keep/prod"),
        upload("keep/prod", &wheel).by("keep").note("there again"),
        delete("/keep/prod/My.Pkg?force=1").by("keep"),
        get("/keep/prod").note("empty"),
    ]);
}
