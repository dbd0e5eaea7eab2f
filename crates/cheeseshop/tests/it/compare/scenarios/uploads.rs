//! Uploads in all forms, and their errors (reference §6, §10).

use cheeseshop_test_support::{Sdist, Wheel};
use serde_json::json;

use super::super::pair::{PASSWORD, Pair};
use super::super::wire::{form, get, post, request, upload};

pub(super) fn scenario(pair: &Pair) {
    pair.user("up");
    pair.user("other");
    pair.index("up/dev", &json!({}));
    pair.index(
        "up/mirror",
        &json!({"type": "mirror", "mirror_url": "http://upstream.example/simple/"}),
    );
    let wheel = Wheel::named("mypkg")
        .requires_python(">=3.7")
        .summary("A package")
        .build();
    let sdist = Sdist::named("mypkg").build();
    let zip = Sdist::named("mypkg").version("1.1").zip().build();
    pair.all(&[
        upload("up/dev", &wheel),
        upload("up/dev", &wheel)
            .basic("up", "wrong")
            .note("wrong password"),
        upload("up/dev", &wheel).by("other"),
        upload("up/dev", &wheel).by("root"),
        upload("up/mirror", &wheel).by("up"),
        upload("up/nope", &wheel).by("up"),
        upload("up/dev", &wheel).by("up"),
        upload("up/dev", &sdist).basic("up", PASSWORD),
        upload("up/dev", &zip).by("up"),
        get("/up/dev/mypkg"),
        get("/up/dev/mypkg/1.0"),
        get("/up/dev/mypkg/1.1"),
        get("/up/dev"),
    ]);

    let fields: &[(&str, &str)] = &[
        (":action", "file_upload"),
        ("name", "mypkg"),
        ("version", "2.0"),
    ];
    let file: Option<(&str, &[u8])> = Some(("mypkg-2.0.tar.gz", b"nothing of an archive"));
    let with = |fields: &[(&str, &str)], file, note: &str| {
        form("up/dev", fields, file).by("up").note(note)
    };
    pair.all(&[
        with(&[("name", "mypkg"), ("version", "2.0")], file, "no action"),
        with(
            &[(":action", "foo"), ("name", "mypkg"), ("version", "2.0")],
            file,
            "an unknown action",
        ),
        with(fields, None, "no content"),
        with(
            &[
                (":action", "file_upload"),
                ("name", "mypkg"),
                ("version", "3.0"),
            ],
            file,
            "another version",
        ),
        with(
            &[
                (":action", "file_upload"),
                ("name", "other"),
                ("version", "2.0"),
            ],
            file,
            "another name",
        ),
        with(
            &[(":action", "file_upload"), ("name", ""), ("version", "2.0")],
            file,
            "an empty name",
        ),
        with(
            &[
                (":action", "file_upload"),
                ("name", "mypkg"),
                ("version", ""),
            ],
            file,
            "an empty version",
        ),
        with(
            &[(":action", "file_upload"), ("name", "mypkg")],
            file,
            "no version",
        ),
        with(
            &[(":action", "file_upload"), ("version", "2.0")],
            file,
            "no name",
        ),
        with(
            &[(":action", "submit"), ("name", "mypkg")],
            None,
            "a release without a version",
        ),
        with(
            &[(":action", "submit"), ("name", "-mypkg"), ("version", "1")],
            None,
            "a name that starts badly",
        ),
        with(
            &[(":action", "submit"), ("name", "mypkg-"), ("version", "1")],
            None,
            "a name that ends badly",
        ),
        with(
            &[(":action", "submit"), ("name", "my pkg"), ("version", "1")],
            None,
            "a name with a blank",
        ),
        with(
            &[(":action", "submit"), ("name", "my/pkg"), ("version", "1")],
            None,
            "a name with a slash",
        ),
        with(
            &[(":action", "submit"), ("name", "mypkg"), ("version", "1<2")],
            None,
            "a version of no URL",
        ),
        with(
            fields,
            Some(("mypkg-2.0.tar.xz", b"x")),
            "an archive that nobody knows",
        ),
        with(fields, Some(("mypkg-2.0.tar", b"x")), "a tar"),
        with(fields, Some(("mypkg-2.0.txt", b"x")), "a text"),
    ]);

    // Releases without a file, and their metadata.
    pair.all(&[
        with(
            &[
                (":action", "submit"),
                ("name", "Meta.Data"),
                ("version", "0.1"),
                ("metadata_version", "2.1"),
                ("summary", "S"),
                ("author", "A"),
                ("author_email", "a@example.com"),
                ("license", "UNKNOWN"),
                ("description", "long\ntext"),
                ("keywords", "k1,k2"),
                ("classifiers", "C :: 1"),
                ("classifiers", "C :: 2"),
                ("classifiers", ""),
                ("requires_dist", "a>1"),
                ("requires_dist", "b"),
                ("project_urls", "Home, http://h.example"),
                ("requires_python", ">=3"),
                ("provides_extras", "x"),
                ("description_content_type", "text/plain"),
                ("platform", "any"),
                ("unknown_field", "x"),
            ],
            None,
            "all metadata",
        ),
        get("/up/dev/meta-data"),
        get("/up/dev/meta-data/0.1"),
        get("/up/dev/Meta.Data/0.1"),
        with(
            &[
                (":action", "submit"),
                ("name", "meta_data"),
                ("version", "0.1"),
                ("summary", "only this"),
            ],
            None,
            "less metadata",
        ),
        get("/up/dev/meta-data/0.1").note("replaced"),
        get("/up/dev").note("with a release without files"),
        get("/up/dev/+simple/meta-data/").accept("text/html"),
    ]);
    // A file for it changes only what its form has.
    let later = Wheel::named("Meta.Data").version("0.1").build();
    pair.all(&[
        upload("up/dev", &later).by("up"),
        get("/up/dev/meta-data/0.1").note("with a file"),
    ]);

    // Other bytes under the same name.
    let replaced = Wheel::named("mypkg")
        .summary("Another")
        .file("more.txt", "more")
        .build();
    pair.all(&[
        upload("up/dev", &replaced).by("up").note("replaced"),
        get("/up/dev/mypkg/1.0").note("replaced"),
        upload("up/dev", &wheel).by("up").note("replaced once more"),
        get("/up/dev/mypkg/1.0").note("replaced twice"),
    ]);
    let old = format!(
        "/up/dev/+f/{}/{}/{}",
        &replaced.sha256[..3],
        &replaced.sha256[3..16],
        replaced.name
    );
    pair.all(&[
        get(&old).accept("*/*").note("a replaced file"),
        get(&old).note("a replaced file"),
    ]);

    // Versions are kept as they are written.
    for version in ["1.0.0", "1.0-post1", "2.0.DEV1"] {
        pair.same(&with(
            &[(":action", "submit"), ("name", "odd"), ("version", version)],
            None,
            version,
        ));
        pair.same(&get(&format!("/up/dev/odd/{version}")));
    }
    pair.same(&get("/up/dev/odd"));

    // The same bytes again.
    let same = Wheel::named("thesame").build();
    pair.all(&[
        upload("up/dev", &same).by("up"),
        upload("up/dev", &same).by("up").note("the same bytes"),
        get("/up/dev/thesame/1.0").note("the same bytes"),
    ]);

    // Where uploads go wrong.
    pair.all(&[
        post("/up/dev", &json!({}))
            .by("up")
            .body("no form")
            .note("neither form nor JSON"),
        post("/up/dev/", &json!({}))
            .by("up")
            .body("")
            .note("nothing"),
        request("POST", "/up/dev").by("up").note("no content type"),
        upload("up/dev", &wheel)
            .by("up")
            .with("Accept", "application/json")
            .note("again, for JSON"),
        form("up/dev", &[(":action", "foo")], None)
            .by("up")
            .with("Accept", "application/json")
            .note("an unknown action, for JSON"),
        upload("up/dev", &wheel)
            .with("Accept", "application/json")
            .note("anonymous, for JSON"),
    ]);

    // Everybody may.
    pair.index("up/open", &json!({"acl_upload": [":ANONYMOUS:"]}));
    pair.all(&[
        upload("up/open", &wheel).note("anonymous"),
        get("/up/open/mypkg/1.0"),
    ]);
    pair.index("up/known", &json!({"acl_upload": [":AUTHENTICATED:"]}));
    pair.all(&[
        upload("up/known", &wheel).note("anonymous"),
        upload("up/known", &wheel).by("other"),
        get("/up/known/mypkg/1.0"),
    ]);
}

pub(super) fn non_volatile(pair: &Pair) {
    pair.user("nv");
    pair.index("nv/prod", &json!({"volatile": false}));
    let wheel = Wheel::named("fixed").build();
    let other = Wheel::named("fixed").file("more.txt", "more").build();
    pair.all(&[
        upload("nv/prod", &wheel).by("nv"),
        upload("nv/prod", &wheel).by("nv").note("again"),
        upload("nv/prod", &other).by("nv").note("other bytes"),
        upload("nv/prod", &other)
            .by("nv")
            .with("Accept", "application/json")
            .note("other bytes, for JSON"),
        upload("nv/prod", &Sdist::named("fixed").build()).by("nv"),
        get("/nv/prod/fixed/1.0"),
        form(
            "nv/prod",
            &[
                (":action", "submit"),
                ("name", "fixed"),
                ("version", "1.0"),
                ("summary", "new"),
            ],
            None,
        )
        .by("nv"),
        get("/nv/prod/fixed/1.0").note("with new metadata"),
    ]);
}
