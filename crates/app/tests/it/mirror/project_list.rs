//! The list of all projects.

use cheeseshop_app::pages::{Encoding, PageOptions, Representation};
use cheeseshop_app::removal::Force;
use cheeseshop_app::{App, Error};
use cheeseshop_domain::IndexName;
use cheeseshop_packaging::ProjectName;
use cheeseshop_test_support::{Fault, Formats, Upstream, Wheel};
use serde_json::{Value, json};

use super::support::{Bench, settings};
use crate::support::{TestApp, anonymous, root};

#[tokio::test]
async fn names_come_normalised_from_json_and_html() {
    for formats in [Formats::Json, Formats::Html] {
        let bench = Bench::new().await;
        let upstream = Upstream::start().await;
        upstream.set_formats(formats);
        upstream.create_projects(["zope.interface", "Flask", "attrs"]);
        let index = bench.pypi(&upstream).await;
        let names = bench.mirrors.project_names(&index).await.unwrap();
        let listed: Vec<&str> = names.iter().collect();
        assert_eq!(listed, ["attrs", "flask", "zope-interface"], "{formats:?}");
        assert!(!names.stale);
    }
}

#[tokio::test]
async fn the_list_is_revalidated_and_survives_a_restart_and_trouble() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.create_projects(["flask"]);
    let index = bench.pypi(&upstream).await;
    bench.mirrors.project_names(&index).await.unwrap();
    bench.mirrors.project_names(&index).await.unwrap();
    assert_eq!(upstream.count("/simple/"), 1);
    bench.advance(1800);
    assert!(!bench.mirrors.project_names(&index).await.unwrap().stale);
    let requests = upstream.requests_to("/simple/");
    assert_eq!(requests.len(), 2);
    assert!(requests[1].header("if-none-match").is_some());

    let bench = bench.restart(settings()).await;
    bench.advance(1800);
    upstream.fault("/simple/", Fault::Status(503));
    let names = bench.mirrors.project_names(&index).await.unwrap();
    assert!(names.stale && names.contains("flask"));
    bench.mirrors.project_names(&index).await.unwrap();
    assert_eq!(upstream.count("/simple/"), 3, "the pause is kept");
    upstream.clear_faults("/simple/");
    upstream.create_projects(["django"]);
    bench.advance(60);
    let names = bench.mirrors.project_names(&index).await.unwrap();
    assert!(!names.stale && names.contains("django"));
}

#[tokio::test]
async fn without_a_list_the_held_projects_are_listed() {
    for keys in [json!({}), json!({"mirror_no_project_list": true})] {
        let bench = Bench::new().await;
        let upstream = Upstream::start().await;
        upstream.set_root_list(false);
        upstream.publish(&Wheel::named("flask").build());
        upstream.publish(&Wheel::named("django").build());
        let index = bench.mirror("pypi", &upstream.url(), keys.clone()).await;
        assert!(
            bench
                .mirrors
                .project_names(&index)
                .await
                .unwrap()
                .is_empty()
        );
        bench.listed(&index, "flask").await;
        bench.mirrors.settle().await;
        bench.advance(60);
        let names = bench.mirrors.project_names(&index).await.unwrap();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["flask"]);
        assert!(!names.stale);
        let asked = upstream.count("/simple/");
        assert_eq!(asked == 0, keys.get("mirror_no_project_list").is_some());
    }
}

async fn shown(app: &App, index: &IndexName) -> Vec<String> {
    let options = PageOptions {
        representation: Representation::Json,
        encoding: Encoding::Identity,
        absolute_base: None,
    };
    let caller = anonymous();
    let page = app.project_list(&caller, index, &options).await.unwrap();
    let bytes = page.body(Encoding::Identity);
    let page: Value = serde_json::from_slice(&bytes).unwrap();
    let projects = page["projects"].as_array().unwrap();
    projects
        .iter()
        .map(|project| project["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_list_of_held_projects_that_was_shown_grows_and_shrinks_at_once() {
    for test in TestApp::on_each_database().await {
        let upstream = Upstream::start().await;
        for project in ["flask", "django"] {
            upstream.publish(&Wheel::named(project).build());
        }
        let config = json!({
            "type": "mirror",
            "mirror_url": upstream.url(),
            "mirror_no_project_list": true,
            "volatile": true,
        });
        let mirror = test.index("root/up", config).await;
        let dev = test.index("root/dev", json!({"bases": ["root/up"]})).await;
        let other = test.second_node().await;
        let mut held: Vec<&str> = Vec::new();
        for project in ["flask", "django"] {
            for index in [&mirror, &dev] {
                assert_eq!(shown(&test.app, index).await, held);
                if test.database.is_shared() {
                    assert_eq!(shown(&other, index).await, held);
                }
            }
            test.page(&anonymous(), &mirror, project).await.unwrap();
            test.app.settle().await;
            held.insert(0, project);
            assert_eq!(shown(&test.app, &mirror).await, held);
            assert_eq!(shown(&test.app, &dev).await, held);
            if test.database.is_shared() {
                assert_eq!(shown(&other, &mirror).await, held);
            }
        }
        let django = ProjectName::parse("django").unwrap();
        test.app
            .remove_project(&root(), &mirror, &django, Force::No)
            .await
            .unwrap();
        assert_eq!(shown(&test.app, &mirror).await, ["flask"]);
    }
}

#[tokio::test]
async fn a_failing_upstream_without_a_list_leaves_held_projects_or_an_error() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").build());
    upstream.fault("/simple/", Fault::Status(500));
    let index = bench.pypi(&upstream).await;
    assert!(matches!(
        bench.mirrors.project_names(&index).await,
        Err(Error::UpstreamFailed { .. })
    ));
    bench.listed(&index, "flask").await;
    bench.mirrors.settle().await;
    bench.advance(60);
    let names = bench.mirrors.project_names(&index).await.unwrap();
    assert!(names.stale && names.contains("flask"));
}

#[tokio::test]
async fn a_very_long_list_is_one_fetch() {
    let bench = Bench::new().await;
    let upstream = Upstream::start().await;
    let names: Vec<String> = (0..50_000)
        .map(|number| format!("project-{number}"))
        .collect();
    upstream.create_projects(names.iter().map(String::as_str));
    let index = bench.pypi(&upstream).await;
    let (first, second) = tokio::join!(
        bench.mirrors.project_names(&index),
        bench.mirrors.project_names(&index)
    );
    assert_eq!(first.unwrap().len(), 50_000);
    assert_eq!(second.unwrap().len(), 50_000);
    assert_eq!(upstream.count("/simple/"), 1);
}
