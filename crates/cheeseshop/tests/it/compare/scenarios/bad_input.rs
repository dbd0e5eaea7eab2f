//! Input of each kind that is wrong.

use serde_json::json;

use super::super::pair::Pair;
use super::super::wire::{get, request};

pub(super) fn scenario(pair: &Pair) {
    pair.user("bad");
    pair.index("bad/dev", &json!({}));
    let multipart = |body: &str, note: &str| {
        request("POST", "/bad/dev/")
            .by("bad")
            .with("Content-Type", "multipart/form-data; boundary=XX")
            .body(body)
            .note(note)
    };
    pair.all(&[
        multipart("", "an empty form"),
        multipart("--XX--\r\n", "a form without fields"),
        multipart(
            "--XX\r\nContent-Disposition: form-data; name=\":action\"\r\n\r\nsubmit\r\n",
            "a form without an end",
        ),
        multipart(
            "--XX\r\nContent-Disposition: form-data; name=\":action\"\r\n\r\nsub",
            "a form cut short",
        ),
        multipart("nothing of a form", "no form"),
        request("POST", "/bad/dev/")
            .by("bad")
            .with("Content-Type", "multipart/form-data")
            .body("--XX--\r\n")
            .note("no boundary"),
        request("POST", "/bad/dev/")
            .by("bad")
            .with("Content-Type", "application/x-www-form-urlencoded")
            .body("%3Aaction=submit&name=p&version=1")
            .note("urlencoded"),
        get("/bad/dev/p/1"),
    ]);
    for body in [
        "",
        "{",
        "null",
        "5",
        "\"text\"",
        "[]",
        "{\"password\": null}",
        "{\"password\": 5}",
    ] {
        pair.all(&[
            request("PUT", "/newuser")
                .body(body)
                .note(&format!("body {body:?}")),
            request("PATCH", "/bad")
                .by("bad")
                .body(body)
                .note(&format!("body {body:?}")),
            request("PATCH", "/bad/dev")
                .by("bad")
                .body(body)
                .note(&format!("body {body:?}")),
            request("POST", "/+login")
                .body(body)
                .note(&format!("body {body:?}")),
            request("PUSH", "/bad/dev")
                .by("bad")
                .body(body)
                .note(&format!("body {body:?}")),
        ]);
    }
    for path in [
        "/%",
        "/%zz",
        "/bad%00",
        "/%FF/dev",
        "/bad/%FF",
        "/bad/dev/%FF",
        "/../etc/passwd",
        "/bad/dev/..%2f..",
        "/bad/dev/+f/..%2f/..%2f/x-1.zip",
        "/bad;x=y/dev",
        "/bad/dev?%FF=1",
    ] {
        pair.same(&get(path));
    }
}
