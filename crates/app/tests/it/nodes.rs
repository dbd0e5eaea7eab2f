//! Two nodes on one PostgreSQL: what one has acknowledged, the other shows.

use cheeseshop_app::indexes::{IndexPatch, NoChange};
use cheeseshop_app::pages::{Encoding, PageOptions, Representation};
use cheeseshop_packaging::ProjectName;
use cheeseshop_test_support::Wheel;
use serde_json::json;

use crate::support::{TestApp, root, upload};

const JSON: PageOptions<'static> = PageOptions {
    representation: Representation::Json,
    encoding: Encoding::Gzip,
    absolute_base: None,
};

#[tokio::test]
async fn an_upload_acknowledged_by_one_node_is_on_the_other_nodes_next_page() {
    let test = TestApp::on_postgres().await;
    let other = test.second_node().await;
    let alice = test.user("alice").await;
    let dev = test.index("alice/dev", json!({})).await;
    let flask = ProjectName::parse("flask").unwrap();

    for release in 0..20 {
        let version = format!("1.{release}");
        let wheel = Wheel::named("flask").version(&version).build();
        upload(&test.app, &alice, &dev, &wheel).await.unwrap();

        // Asked at once, by many, so that comparisons with the head are shared.
        let pages = futures_util::future::join_all(
            (0..8).map(|_| other.project_page(&alice, &dev, &flask, &JSON)),
        )
        .await;

        for page in pages {
            let body = page.unwrap().body(Encoding::Identity);
            let page: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(page["files"].as_array().unwrap().len(), release + 1);
        }
    }
}

#[tokio::test]
async fn a_closed_index_is_closed_on_the_other_node_at_once() {
    let test = TestApp::on_postgres().await;
    let other = test.second_node().await;
    let alice = test.user("alice").await;
    let bob = test.user("bob").await;
    let dev = test.index("alice/dev", json!({})).await;
    let flask = ProjectName::parse("flask").unwrap();
    let wheel = Wheel::named("flask").version("1.0").build();
    upload(&test.app, &alice, &dev, &wheel).await.unwrap();
    other.project_page(&bob, &dev, &flask, &JSON).await.unwrap();

    let closed = json!({"acl_read": ["alice"]}).as_object().unwrap().clone();
    let patch = IndexPatch::Object(closed);
    test.app
        .update_index(&root(), &dev, &patch, NoChange::Accept)
        .await
        .unwrap();

    let refused = other.project_page(&bob, &dev, &flask, &JSON).await;
    assert!(matches!(refused, Err(cheeseshop_app::Error::NotFound(_))));
    other
        .project_page(&alice, &dev, &flask, &JSON)
        .await
        .unwrap();
}
