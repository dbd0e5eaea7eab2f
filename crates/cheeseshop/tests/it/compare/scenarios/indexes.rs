//! Indexes and their keys (reference §4).

use serde_json::json;

use super::super::pair::Pair;
use super::super::wire::{delete, get, patch, put};

pub(super) fn scenario(pair: &Pair) {
    pair.user("ix");
    pair.all(&[
        put("/ix/dev", &json!({})).by("ix"),
        put("/ix/dev", &json!({})).by("ix").note("again"),
        put("/ix/dev2/", &json!({})).by("ix"),
        get("/ix/dev"),
        get("/ix/dev/"),
        get("/ix/dev?no_projects="),
        get("/ix/dev?no_projects=1"),
        get("/ix/dev").accept("text/html;q=0.5, application/json"),
        get("/ix/nope"),
        get("/nobody/nope"),
        put("/ix/other", &json!({})),
        put("/ix/other", &json!({})).by("root"),
        put("/nobody/dev", &json!({})).by("root"),
        put("/root/dev", &json!({})).by("ix"),
        put("/ix/a%20b", &json!({})).by("ix"),
        put("/ix/a,b", &json!({})).by("ix"),
        put("/ix/a+b", &json!({})).by("ix"),
    ]);
    pair.all(&[
        put("/ix/full", &json!({
            "type": "stage", "volatile": false, "bases": ["ix/dev", "/ix/dev2/"],
            "acl_upload": ["ix", ":anonymous:", ":Authenticated:", ":Group"],
            "acl_toxresult_upload": "ix, root", "mirror_whitelist": ["He_llo", "*"],
            "mirror_whitelist_inheritance": "UNION", "title": "T", "description": "D",
            "custom_data": {"a": 1},
        })).by("ix"),
        put("/ix/texts", &json!({
            "volatile": "yes", "bases": "ix/dev,ix/dev2", "acl_upload": "", "mirror_whitelist": "he_llo,Django",
        })).by("ix"),
        put("/ix/mirror", &json!({
            "type": "mirror", "volatile": false, "mirror_url": "http://upstream.example/simple/",
            "mirror_web_url_fmt": "http://upstream.example/{name}", "mirror_cache_expiry": "60",
            "mirror_no_project_list": true, "title": "Upstream", "bases": "ix/dev", "acl_upload": ["ix"],
        })).by("ix"),
        get("/ix/mirror?no_projects="),
        get("/ix"),
    ]);
    for (note, body) in [
        ("a type nobody knows", json!({"type": "foo"})),
        ("an unknown key", json!({"foo": 1})),
        ("two unknown keys", json!({"foo": 1, "bar": 2})),
        ("a base that is not there", json!({"bases": ["root/none"]})),
        ("a base that is none", json!({"bases": ["foo"]})),
        (
            "a base with three parts",
            json!({"bases": ["/root/dev/123"]}),
        ),
        (
            "two bad bases",
            json!({"bases": ["root/none", "root/none2"]}),
        ),
        ("an empty base", json!({"bases": [""]})),
        ("bases of another kind", json!({"bases": 5})),
        ("a bad boolean", json!({"volatile": "maybe"})),
        (
            "a bad inheritance",
            json!({"mirror_whitelist_inheritance": "x"}),
        ),
        (
            "a bad URL",
            json!({"type": "mirror", "mirror_url": "ftp://upstream.example/"}),
        ),
        (
            "a bad expiry",
            json!({"type": "mirror", "mirror_url": "http://upstream.example/", "mirror_cache_expiry": "soon"}),
        ),
        (
            "keys of a mirror",
            json!({"mirror_url": "http://upstream.example/"}),
        ),
        ("a list", json!([])),
        ("projects", json!({"projects": ["a"]})),
    ] {
        pair.same(&put("/ix/bad", &body).by("ix").note(note));
    }
    pair.all(&[
        put("/ix/nothing", &json!({}))
            .by("ix")
            .body("{")
            .note("half a JSON"),
        put("/ix/nothing", &json!({}))
            .by("ix")
            .body("")
            .note("no body"),
    ]);

    // Removal.
    pair.all(&[
        delete("/ix/full").by("ix").note("non-volatile"),
        delete("/ix/full?force").by("ix"),
        delete("/ix/dev2"),
        delete("/ix/dev2").by("ix"),
        delete("/ix/dev2").by("ix").note("gone"),
        get("/ix/texts").note("a base is gone"),
        patch("/ix/texts", &json!(["title=x"]))
            .by("ix")
            .note("a base is gone"),
        delete("/ix/mirror").by("ix").note("non-volatile mirror"),
    ]);
}

/// PATCH in its two forms.
pub(super) fn patches(pair: &Pair) {
    pair.user("pa");
    pair.user("pb");
    pair.index("pa/base", &json!({}));
    pair.index("pa/dev", &json!({}));
    for body in [
        json!({"volatile": false}),
        json!({"volatile": "True"}),
        json!({"type": "indexconfig", "result": {"title": "wrapped"}}),
        json!({"title": "T", "description": "D", "custom_data": {"a": 1}}),
        json!(["title=x=y"]),
        json!(["title="]),
        json!(["title"]),
        json!(["bases=pa/base"]),
        json!(["bases="]),
        json!(["bases+=pa/base"]),
        json!(["bases+=pa/base", "acl_upload+=pb"]),
        json!(["bases-=pa/base"]),
        json!(["bases-=pa/base", "title=not set"]),
        json!(["acl_upload=pa,pb, :anonymous:"]),
        json!(["acl_upload+=:authenticated:"]),
        json!(["acl_upload+=a,b"]),
        json!(["acl_upload-=a,b"]),
        json!(["acl_upload-=pb"]),
        json!(["acl_upload="]),
        json!(["acl_toxresult_upload="]),
        json!(["mirror_whitelist+=He_llo"]),
        json!(["mirror_whitelist-=he-llo"]),
        json!(["mirror_whitelist_inheritance=union"]),
        json!(["custom_data-="]),
        json!(["volatile-="]),
        json!(["bases-="]),
        json!(["description-="]),
        json!(["foo=1"]),
        json!(["foo-="]),
        json!(["bases+=root/none"]),
        json!(["bases=foo"]),
        json!(["volatile=maybe"]),
        json!(["type=mirror"]),
        json!(["type=stage"]),
        json!({"type": "mirror"}),
        json!({"type": "foo"}),
        json!({"foo": 1}),
        json!({"bases": ["pa/dev"]}),
        json!({"projects": []}),
        json!({}),
        json!([]),
        json!("text"),
        json!([1]),
        json!(["volatile+=x"]),
        json!(["title+=x"]),
        json!(["title-=x"]),
        json!(["nothing+=x"]),
    ] {
        let note = body.to_string();
        pair.same(&patch("/pa/dev", &body).by("pa").note(&note));
    }
    pair.all(&[
        get("/pa/dev").note("after all"),
        patch("/pa/dev?error_on_noop", &json!(["bases-=pa/none"])).by("pa"),
        patch("/pa/dev?error_on_noop", &json!({"volatile": true}))
            .by("pa")
            .note("as it is"),
        patch("/pa/dev", &json!({"title": "x"})),
        patch("/pa/dev", &json!({"title": "x"})).by("pb"),
        patch("/pa/dev", &json!({"title": "by root"})).by("root"),
        patch("/pa/nope", &json!({"title": "x"})).by("pa"),
        patch("/pa/dev", &json!({}))
            .by("pa")
            .body("nonsense")
            .note("no JSON"),
    ]);
    pair.index(
        "pa/mirror",
        &json!({"type": "mirror", "mirror_url": "http://upstream.example/simple/"}),
    );
    for body in [
        json!(["mirror_cache_expiry=5"]),
        json!(["mirror_cache_expiry=x"]),
        json!(["mirror_cache_expiry-="]),
        json!(["mirror_use_external_urls=yes"]),
        json!(["mirror_ignore_serial_header=true"]),
        json!(["mirror_provides_core_metadata=True"]),
        json!(["mirror_no_project_list=true"]),
        json!(["mirror_web_url_fmt=http://x.example/{name}"]),
        json!(["mirror_web_url_fmt-="]),
        json!(["mirror_url=nonsense"]),
        json!(["volatile=False"]),
        json!(["acl_upload=pa"]),
    ] {
        let note = body.to_string();
        pair.same(&patch("/pa/mirror", &body).by("pa").note(&note));
    }
}
