//! Users and logins (reference §2, §3).

use serde_json::json;

use super::super::pair::{PASSWORD, Pair};
use super::super::wire::{delete, get, patch, post, put};

pub(super) fn scenario(pair: &Pair) {
    pair.all(&[
        get("/"),
        get("/u1"),
        put(
            "/u1",
            &json!({"password": PASSWORD, "email": "u1@example.com"}),
        ),
        put("/u1", &json!({"password": PASSWORD})).note("again"),
        put("/u0", &json!({})).note("without a password"),
        put("/u0", &json!({"password": PASSWORD, "shoe_size": 44})).note("an unknown key"),
        put("/a%20b", &json!({"password": PASSWORD})),
        put("/a%2Fb", &json!({"password": PASSWORD})),
        put("/a+b", &json!({"password": PASSWORD})),
        put(
            "/u.2_x@y-z",
            &json!({"password": PASSWORD, "title": "T", "description": "D"}),
        ),
        get("/u.2_x@y-z"),
        get("/u1"),
        get("/u1/"),
        get("/u1").accept("text/html"),
        get("/nobody"),
    ]);

    pair.all(&[
        post("/+login", &json!({"user": "u1", "password": PASSWORD})),
        post("/+login", &json!({"user": "u1", "password": "wrong"})).note("wrong password"),
        post("/+login", &json!({"user": "nobody", "password": "x"})).note("nobody"),
        post("/+login", &json!({"user": "u1"})).note("no password"),
        post("/+login", &json!({"password": "x"})).note("no user"),
        post("/+login", &json!({})).body("not json").note("no JSON"),
        get("/+login"),
    ]);

    pair.log_in("u1");
    pair.user("u3");
    pair.all(&[
        patch("/u3", &json!({"email": "three@example.com"})).by("u3"),
        patch(
            "/u3",
            &json!({"title": "Three", "description": "third", "custom_data": {"a": [1]}}),
        )
        .by("u3"),
        get("/u3"),
        patch("/u3", &json!({"title": ""}))
            .by("u3")
            .note("an empty value"),
        patch("/u3", &json!({"shoe_size": 44}))
            .by("u3")
            .note("an unknown key"),
        patch(
            "/u3",
            &json!({"username": "u4", "indexes": {}, "created": "x"}),
        )
        .by("u3")
        .note("what the server sets"),
        get("/u3").note("after all"),
        patch("/u3", &json!({"email": "x"})).note("nobody"),
        patch("/u3", &json!({"password": "x"})).note("nobody, password only"),
        patch("/u3", &json!({"email": "x"})).by("u1"),
        patch("/u3", &json!({"email": "root@example.com"})).by("root"),
        patch("/nobody", &json!({"email": "x"})).by("root"),
        patch("/u3", &json!({"password": PASSWORD}))
            .by("u3")
            .note("password"),
        get("/+api")
            .by("u3")
            .note("the login before the change of the password"),
    ]);

    pair.all(&[
        delete("/u3"),
        delete("/u3").by("u1"),
        delete("/root").by("root"),
        delete("/nobody").by("root"),
        delete("/u1").by("u1"),
        get("/u1").note("gone"),
        delete("/u3").by("root"),
        delete("/u.2_x@y-z").by("root"),
        get("/"),
    ]);

    // Credentials.
    pair.user("u5");
    let [devpi, ours] = pair.tokens("u5").map(|token| {
        get("/+api")
            .basic("u5", &token)
            .note("a login token as password")
    });
    pair.compare(&devpi, &ours);
    pair.all(&[
        get("/+api").basic("u5", PASSWORD).note("a password"),
        get("/+api").basic("u5", "wrong").note("a wrong password"),
        get("/+api").basic("nobody", "wrong").note("nobody"),
        get("/+api")
            .basic("u5", PASSWORD)
            .with("X-Devpi-Auth", "dTU6d3Jvbmc=")
            .note("two credentials, the first wrong"),
        get("/+api").with("X-Devpi-Auth", "%%%").note("no base64"),
        get("/+api")
            .with("Authorization", "Basic dTU=")
            .note("no colon"),
    ]);

    // A user with an index that must stay.
    pair.index("u5/prod", &json!({"volatile": false}));
    pair.same(&delete("/u5").by("u5").note("with a non-volatile index"));
}
