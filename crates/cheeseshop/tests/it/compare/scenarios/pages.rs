//! Pages for browsers, the search, and what `pip search` calls (reference §17).

use serde_json::json;

use super::super::pair::Pair;
use super::super::wire::{form, get, request};

pub(super) fn scenario(pair: &Pair) {
    pair.user("web");
    pair.index("web/base", &json!({}));
    pair.index("web/dev", &json!({"bases": "web/base"}));
    for (index, version) in [
        ("web/dev", "1.0"),
        ("web/dev", "2.0rc1"),
        ("web/base", "3.0"),
    ] {
        let fields = [
            (":action", "submit"),
            ("name", "searched"),
            ("version", version),
            ("summary", "A < B"),
        ];
        pair.prepare(&form(index, &fields, None).by("web"));
    }
    for path in [
        "/",
        "/web",
        "/web/dev",
        "/web/dev/searched",
        "/web/dev/searched/1.0",
        "/web/dev/searched/9",
        "/web/dev/searched/latest",
        "/web/dev/searched/stable",
        "/web/dev/nope",
        "/web/dev/nope/latest",
        "/web/nope",
        "/+search",
        "/+search?query=searched",
        "/+search?query=searched&page=7",
        "/+search?query=searched&page=x",
        "/+searchhelp",
    ] {
        for accept in [
            "text/html",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "application/json",
        ] {
            pair.same(&get(path).accept(accept));
        }
    }
    for (note, method, word) in [
        ("found", "search", "arch"),
        ("not found", "search", "nothing"),
        ("an unknown method", "foo", "arch"),
    ] {
        let call = format!(
            "<?xml version='1.0'?><methodCall><methodName>{method}</methodName><params><param>\
             <value><struct><member><name>name</name><value><array><data><value><string>{word}\
             </string></value></data></array></value></member></struct></value></param><param>\
             <value><string>or</string></value></param></params></methodCall>"
        );
        for path in ["/web/dev", "/web/dev/"] {
            pair.same(
                &request("POST", path)
                    .with("Content-Type", "text/xml")
                    .with("Accept", "text/xml")
                    .body(call.clone())
                    .note(note),
            );
        }
    }
}
