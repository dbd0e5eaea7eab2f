//! The layout for teams: `team/dev` takes in `team/staging`, that `shared/stable`, which holds
//! nothing itself and joins what is released, what is bought in, and the mirror.

use cheeseshop_test_support::{Upstream, Wheel};
use serde_json::json;

use super::shop::{PASSWORD, Shop, installed, site_packages, succeed};

/// A server with the layout. Private: `tool` (in `team/dev` 2.0, in `team/staging` 1.0),
/// `core` (released), `bought` (bought in). Public: `open`, and somebody's `core` 99.
async fn laid_out() -> (Shop, Upstream) {
    let shop = Shop::open().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("open").version("3.0").build());
    upstream.publish(&Wheel::named("core").version("99.0").build());

    let team = shop.server.new_user("team", PASSWORD).await;
    let shared = shop.server.new_user("shared", PASSWORD).await;
    let hosted = json!({"bases": [], "volatile": false});
    for (index, config) in [
        (
            "root/public",
            json!({"type": "mirror", "mirror_url": upstream.url()}),
        ),
        ("shared/stable-local", hosted.clone()),
        ("shared/thirdparty-local", hosted),
        (
            "shared/stable",
            json!({
                "bases": ["shared/stable-local", "shared/thirdparty-local", "root/public"],
                "acl_upload": [], "volatile": false,
            }),
        ),
        (
            "team/staging",
            json!({"bases": ["shared/stable"], "volatile": false}),
        ),
        ("team/dev", json!({"bases": ["team/staging"]})),
    ] {
        shop.root.create_index(index, &config).await;
    }
    for (index, wheel) in [
        ("shared/stable-local", Wheel::named("core").version("1.0")),
        (
            "shared/thirdparty-local",
            Wheel::named("bought").version("5.0"),
        ),
        (
            "team/staging",
            Wheel::named("tool")
                .version("1.0")
                .requires_dist("core")
                .requires_dist("bought")
                .requires_dist("open"),
        ),
        (
            "team/dev",
            Wheel::named("tool")
                .version("2.0")
                .requires_dist("core")
                .requires_dist("bought")
                .requires_dist("open"),
        ),
    ] {
        let user = if index.starts_with("team/") {
            &team
        } else {
            &shared
        };
        user.upload(index, &wheel.build()).await;
    }
    (shop, upstream)
}

/// What `tool` brings: never the stranger's `core` 99.
fn with_tool(version: &str) -> Vec<String> {
    ["bought-5.0", "core-1.0", "open-3.0"]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("tool-{version}")])
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pip_and_uv_install_through_every_level() {
    let (shop, upstream) = laid_out().await;
    for (index, version) in [("team/dev", "2.0"), ("team/staging", "1.0")] {
        for client in ["pip", "uv"] {
            let folder = shop.folder(&format!("{client}-{version}"));
            let mut command = shop.client(client, &folder).await;
            if client == "uv" {
                command.args(["pip", "install", "--no-cache"]);
            } else {
                command.args(["install", "--no-cache-dir"]);
            }
            command
                .args(["--target", "there"])
                .args(["--index-url", &shop.simple(index), "tool"]);
            succeed(command).await;
            assert_eq!(
                installed(&folder.join("there")),
                with_tool(version),
                "{client}"
            );
        }
    }
    // Not even asked for: the name of a private project stays here.
    assert_eq!(upstream.count(&upstream.project_path("core")), 0);
    assert_eq!(upstream.count(&upstream.project_path("tool")), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poetry_installs_through_the_layout() {
    let (shop, _upstream) = laid_out().await;
    let folder = shop.folder("poetry");
    std::fs::write(
        folder.join("pyproject.toml"),
        format!(
            "[project]\nname = \"consumer\"\nversion = \"0\"\nrequires-python = \">=3.11\"\n\
             dependencies = [\"tool\"]\n[tool.poetry]\npackage-mode = false\n\
             [[tool.poetry.source]]\nname = \"shop\"\nurl = \"{}\"\npriority = \"primary\"\n",
            shop.simple("team/dev")
        ),
    )
    .unwrap();
    let mut poetry = shop.client("poetry", &folder).await;
    poetry
        .args(["install", "--no-interaction"])
        .env("POETRY_VIRTUALENVS_IN_PROJECT", "true");
    let talk = succeed(poetry).await;
    let found = installed(&site_packages(&folder.join(".venv")));
    for name in with_tool("2.0") {
        assert!(found.contains(&name), "{name}: {found:?} {talk}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pdm_installs_through_the_layout() {
    let (shop, _upstream) = laid_out().await;
    let folder = shop.folder("pdm");
    std::fs::write(
        folder.join("pyproject.toml"),
        format!(
            "[project]\nname = \"consumer\"\nversion = \"0\"\nrequires-python = \">=3.11\"\n\
             dependencies = [\"tool\"]\n[tool.pdm]\ndistribution = false\n\
             [[tool.pdm.source]]\nname = \"pypi\"\nurl = \"{}\"\nverify_ssl = true\n",
            shop.simple("team/dev")
        ),
    )
    .unwrap();
    let mut pdm = shop.client("pdm", &folder).await;
    pdm.args(["install", "--no-self"]);
    let talk = succeed(pdm).await;
    let found = installed(&site_packages(&folder.join(".venv")));
    for name in with_tool("2.0") {
        assert!(found.contains(&name), "{name}: {found:?} {talk}");
    }
}
