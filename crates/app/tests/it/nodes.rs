//! Two nodes on one PostgreSQL: what one has acknowledged, the other shows.

use std::collections::HashMap;
use std::net::IpAddr;

use cheeseshop_app::indexes::{IndexPatch, NoChange};
use cheeseshop_app::pages::{Encoding, PageOptions, Representation};
use cheeseshop_domain::EventKind;
use cheeseshop_packaging::ProjectName;
use cheeseshop_storage::Origin;
use cheeseshop_test_support::{Upstream, Wheel};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::{TestApp, credentials, project, root, upload};

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

#[tokio::test]
async fn what_another_nodes_mirror_has_fetched_is_seen_by_a_node_that_meets_it_while_writing() {
    let test = TestApp::on_postgres().await;
    let other = test.second_node().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("flask").version("1.0").build());
    let config = json!({"type": "mirror", "mirror_url": upstream.url()});
    let mirror = test.index("root/mirror", config).await;
    assert_eq!(test.files(&root(), &mirror, "flask").await.len(), 1);

    upstream.publish(&Wheel::named("flask").version("2.0").build());
    other
        .refresh_project(&root(), &mirror, &project("flask"))
        .await
        .unwrap();
    other.settle().await;
    // Nobody has asked this node since; its writer is the first to meet the other one's events.
    test.database
        .write::<_, cheeseshop_app::Error, _>(Origin::new("test"), |_| Box::pin(async { Ok(()) }))
        .await
        .unwrap();

    assert_eq!(test.files(&root(), &mirror, "flask").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_one_node_acknowledges_both_show_however_many_write_at_once() {
    const UPLOADERS: usize = 3;
    const RELEASES: usize = 8;

    let test = TestApp::on_postgres().await;
    let nodes = [test.app.clone(), test.second_node().await];
    let dev = test.index("root/dev", json!({})).await;
    let uploaders = (0..2 * UPLOADERS).map(|uploader| {
        let (here, there) = (nodes[uploader % 2].clone(), nodes[1 - uploader % 2].clone());
        let (dev, name) = (dev.clone(), format!("pkg{uploader}"));
        tokio::spawn(async move {
            let mut told = Vec::new();
            for release in 1..=RELEASES {
                let wheel = Wheel::named(&name).version(&format!("{release}.0")).build();
                upload(&here, &root(), &dev, &wheel).await.unwrap();
                told.push((wheel.name.clone(), here.known_serial()));
                for node in [&there, &here] {
                    let page = node
                        .project_page(&root(), &dev, &project(&name), &JSON)
                        .await
                        .unwrap();
                    let body = page.body(Encoding::Identity);
                    let page: serde_json::Value = serde_json::from_slice(&body).unwrap();
                    assert_eq!(page["files"].as_array().unwrap().len(), release, "{name}");
                }
            }
            told
        })
    });
    let mut told = HashMap::new();
    for uploader in uploaders.collect::<Vec<_>>() {
        told.extend(uploader.await.unwrap());
    }
    // The answer to an upload names the serial of that very change or a later one.
    let mut published = 0;
    for event in test.events().await {
        if event.event.kind == EventKind::FilePublished {
            let serial = told[event.event.detail["file"].as_str().unwrap()];
            assert!(serial >= event.serial, "{serial} < {}", event.serial);
            published += 1;
        }
    }
    assert_eq!(published, 2 * UPLOADERS * RELEASES);
}

#[tokio::test]
async fn a_listing_refreshed_by_one_node_is_on_the_other_nodes_next_page() {
    let test = TestApp::on_postgres().await;
    let other = test.second_node().await;
    let upstream = Upstream::start().await;
    let config = json!({"type": "mirror", "mirror_url": upstream.url()});
    let mirror = test.index("root/mirror", config).await;
    for release in 1..=10 {
        let wheel = Wheel::named("flask").version(&format!("{release}.0"));
        upstream.publish(&wheel.build());
        other
            .refresh_project(&root(), &mirror, &project("flask"))
            .await
            .unwrap();
        assert_eq!(test.files(&root(), &mirror, "flask").await.len(), release);
    }
}

#[tokio::test]
async fn a_token_removed_on_one_node_proves_nobody_on_the_other() {
    let test = TestApp::on_postgres().await;
    let other = test.second_node().await;
    for round in 0..10 {
        // A user and a place each time: who came too often with tokens that do not hold has to wait.
        let place = Some(IpAddr::from([127, 1, 0, round]));
        let name = format!("user{round}");
        let user = test.user(&name).await;
        let created = test
            .app
            .create_token(&user, &name, &serde_json::Map::new())
            .await
            .unwrap();
        let token = credentials("__token__", created.text.expose_secret());
        let holders = (0..8).map(|_| other.authenticate(Some(&token), place));
        for holder in futures_util::future::join_all(holders).await {
            assert_eq!(holder.unwrap().user_name(), user.user_name());
        }
        // On their way while the token ends; what they leave behind must not outlive it.
        let late = (0..8).map(|_| other.authenticate(Some(&token), place));
        let removal = test.app.remove_token(&user, &name, &created.id);
        let (_, removed) = tokio::join!(futures_util::future::join_all(late), removal);
        removed.unwrap();
        assert!(other.authenticate(Some(&token), place).await.is_err());
    }
}
