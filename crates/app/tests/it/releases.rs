//! Project and release documents.

use cheeseshop_app::Scope;
use cheeseshop_test_support::{Sdist, Upstream, Wheel};
use serde_json::json;

use crate::support::{TestApp, anonymous, caller, project, root, told};

#[tokio::test]
async fn documents_cover_the_bases_unless_told_otherwise() {
    let test = TestApp::start().await;
    let base = test.index("root/base", json!({})).await;
    let dev = test
        .index("root/dev", json!({"bases": ["root/base"]}))
        .await;
    test.upload(&root(), &base, &Wheel::named("mypkg").build())
        .await
        .unwrap();
    test.upload(
        &root(),
        &base,
        &Wheel::named("mypkg").version("1.10").build(),
    )
    .await
    .unwrap();
    test.upload(&root(), &dev, &Sdist::named("mypkg").build())
        .await
        .unwrap();
    test.upload(
        &root(),
        &dev,
        &Sdist::named("mypkg").version("2.0rc1").build(),
    )
    .await
    .unwrap();

    let name = project("mypkg");
    let document = async |scope| {
        test.app
            .project(&anonymous(), &dev, &name, scope)
            .await
            .unwrap()
    };
    let versions = |document: &cheeseshop_app::releases::ProjectDocument| -> Vec<String> {
        document
            .releases
            .iter()
            .map(|release| release.version.to_string())
            .collect()
    };
    let all = document(Scope::WithBases).await;
    assert_eq!(versions(&all), ["2.0rc1", "1.10", "1.0"]);
    assert_eq!(
        all.latest().unwrap().version.as_str(),
        "1.10",
        "the newest that is no pre-release"
    );
    assert_eq!(versions(&document(Scope::OwnOnly).await), ["2.0rc1", "1.0"]);

    let release = test
        .app
        .release(&anonymous(), &dev, &name, "1.0", Scope::WithBases)
        .await
        .unwrap();
    assert_eq!(release.index, dev);
    assert_eq!(release.links.len(), 1);
    assert_eq!(release.links[0].path.name().as_str(), "mypkg-1.0.tar.gz");
    assert_eq!(release.shadowing.len(), 1);
    assert_eq!(release.shadowing[0].index, base);
    assert_eq!(release.shadowing[0].links[0].index, base);
    let alone = test
        .app
        .release(&anonymous(), &dev, &name, "1.0", Scope::OwnOnly)
        .await
        .unwrap();
    assert!(alone.shadowing.is_empty());
}

#[tokio::test]
async fn absent_things_are_absent_with_the_words_of_devpi() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    test.upload(&root(), &dev, &Wheel::named("mypkg").build())
        .await
        .unwrap();
    assert_eq!(
        told(
            test.app
                .project(&root(), &dev, &project("nope"), Scope::WithBases)
                .await
        ),
        "not found: no project 'nope'"
    );
    assert_eq!(
        told(
            test.app
                .release(&root(), &dev, &project("mypkg"), "7.0", Scope::WithBases)
                .await
        ),
        "not found: The version 7.0 of project mypkg does not exist."
    );
}

#[tokio::test]
async fn a_mirrors_releases_come_from_its_listing() {
    let test = TestApp::start().await;
    let upstream = Upstream::start().await;
    upstream.publish(&Wheel::named("mypkg").requires_python(">=3.8").build());
    upstream.publish(&Sdist::named("mypkg").build());
    upstream.publish(&Wheel::named("mypkg").version("2.0").build());
    upstream.yank("mypkg", "mypkg-2.0-py3-none-any.whl", "broken");
    let config = json!({"type": "mirror", "mirror_url": upstream.url()});
    let mirror = test.index("root/up", config).await;
    let document = test
        .app
        .project(&anonymous(), &mirror, &project("mypkg"), Scope::WithBases)
        .await
        .unwrap();
    assert_eq!(document.releases.len(), 2);
    let (newer, older) = (&document.releases[0], &document.releases[1]);
    assert_eq!(newer.metadata["yanked"], "broken");
    assert_eq!(older.links.len(), 2);
    assert!(older.links[0].log.is_none());
    assert_eq!(older.metadata["version"], "1.0");
    assert_eq!(upstream.count(&upstream.project_path("mypkg")), 1);
}

#[tokio::test]
async fn a_base_that_one_may_not_read_contributes_nothing() {
    let test = TestApp::start().await;
    test.user("bob").await;
    test.user("eve").await;
    let secret = test.index("bob/secret", json!({"acl_read": ["bob"]})).await;
    let dev = test
        .index("bob/dev", json!({"bases": ["bob/secret"]}))
        .await;
    test.upload(&caller("bob"), &secret, &Wheel::named("mypkg").build())
        .await
        .unwrap();
    let ask = async |who| {
        told(
            test.app
                .project(&who, &dev, &project("mypkg"), Scope::WithBases)
                .await,
        )
    };
    assert_eq!(ask(caller("bob")).await, "ok");
    assert_eq!(ask(caller("eve")).await, "not found: no project 'mypkg'");
    assert!(ask(anonymous()).await.starts_with("unauthenticated: "));
}
