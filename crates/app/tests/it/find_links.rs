//! The list of links for `--find-links`.

use cheeseshop_domain::{Caller, IndexName};
use cheeseshop_test_support::{Sdist, Upstream, Wheel};
use futures_util::TryStreamExt as _;
use serde_json::json;

use crate::support::{TestApp, anonymous, caller, index, root, told};

const BASE_URL: &str = "https://shop.test";

async fn html(test: &TestApp, caller: &Caller, index: &IndexName) -> String {
    let stream = test.app.find_links(caller, index, BASE_URL).await.unwrap();
    let pieces: Vec<_> = stream.try_collect().await.unwrap();
    String::from_utf8(pieces.concat()).unwrap()
}

/// Index and name of every link, in order.
async fn links(test: &TestApp, caller: &Caller, index: &IndexName) -> Vec<String> {
    html(test, caller, index)
        .await
        .lines()
        .filter_map(|line| {
            let (origin, rest) = line.split_once(" <a href=")?;
            let (_, name) = rest.split_once('>')?;
            Some(format!("{origin} {}", name.split('<').next()?))
        })
        .collect()
}

#[tokio::test]
async fn files_of_all_hosted_indexes_are_listed_by_name() {
    for test in TestApp::on_each_database().await {
        let upstream = Upstream::start().await;
        upstream.publish(&Wheel::named("mirrored").build());
        let mirror = json!({"type": "mirror", "mirror_url": upstream.url()});
        test.index("root/up", mirror).await;
        let base = test.index("root/base", json!({})).await;
        let config = json!({"bases": ["root/base", "root/up"]});
        let dev = test.index("root/dev", config).await;
        for file in [
            Wheel::named("b").version("1.0").summary("base's").build(),
            Wheel::named("a").version("1.0").build(),
            Sdist::named("c").version("1.0").build(),
        ] {
            test.upload(&root(), &base, &file).await.unwrap();
        }
        let shadowing = Wheel::named("b")
            .version("1.0")
            .requires_python(">=3.9")
            .build();
        test.upload(&root(), &dev, &shadowing).await.unwrap();
        assert_eq!(
            links(&test, &root(), &dev).await,
            [
                "root/base a-1.0-py3-none-any.whl",
                "root/dev b-1.0-py3-none-any.whl",
                "root/base c-1.0.tar.gz",
            ]
        );
        let html = html(&test, &root(), &dev).await;
        let href = format!(
            "root/dev <a href=\"{BASE_URL}/root/dev/+f/{}/{}/{}#sha256={}\"",
            &shadowing.sha256[..3],
            &shadowing.sha256[3..16],
            shadowing.name,
            shadowing.sha256
        );
        assert!(html.contains(&href), "{html}");
        assert!(html.contains("data-requires-python=\"&gt;=3.9\""), "{html}");
        assert_eq!(upstream.total(), 0, "mirrors are not asked");
    }
}

#[tokio::test]
async fn an_index_without_files_says_so() {
    let test = TestApp::start().await;
    let empty = test.index("root/empty", json!({})).await;
    assert!(
        html(&test, &root(), &empty)
            .await
            .contains("<p>No releases.</p>")
    );
    assert_eq!(
        told(
            test.app
                .find_links(&root(), &index("root/none"), BASE_URL)
                .await
                .map(drop)
        ),
        "not found: The stage root/none could not be found."
    );
}

#[tokio::test]
async fn links_are_those_that_the_caller_may_follow() {
    let test = TestApp::start().await;
    test.user("bob").await;
    let secret = test
        .index("root/secret", json!({"acl_read": ["root"]}))
        .await;
    let open = test
        .index("root/open", json!({"bases": ["root/secret"]}))
        .await;
    for (index, name) in [(&secret, "hidden"), (&open, "shown")] {
        test.upload(&root(), index, &Wheel::named(name).build())
            .await
            .unwrap();
    }
    let shown = "root/open shown-1.0-py3-none-any.whl";
    let hidden = "root/secret hidden-1.0-py3-none-any.whl";
    for (who, expected) in [
        (root(), vec![hidden, shown]),
        (caller("bob"), vec![shown]),
        (anonymous(), vec![shown]),
    ] {
        assert_eq!(links(&test, &who, &open).await, expected);
    }
    assert_eq!(
        told(
            test.app
                .find_links(&anonymous(), &secret, BASE_URL)
                .await
                .map(drop)
        ),
        "unauthenticated: reading index root/secret needs a login"
    );
}

#[tokio::test]
async fn a_constrained_index_links_to_what_it_shows() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    for (name, version) in [("aa", "1.0"), ("aa", "2.0"), ("bb", "1.0")] {
        test.upload(&root(), &dev, &Wheel::named(name).version(version).build())
            .await
            .unwrap();
    }
    let config = json!({
        "type": "constrained", "bases": ["root/dev"], "constraints": ["aa<2", "*"],
    });
    let index = test.index("root/c", config).await;
    assert_eq!(
        links(&test, &root(), &index).await,
        ["root/dev aa-1.0-py3-none-any.whl"]
    );
}

#[tokio::test]
async fn a_list_may_be_longer_than_what_is_in_memory_at_once() {
    let test = TestApp::start().await;
    // So many indexes that each has but few rows in memory.
    let mut bases = Vec::new();
    for number in 0..3 {
        let name = format!("root/base{number}");
        let base = test.index(&name, json!({})).await;
        for version in 0..30 {
            // Every third file is in all of them; the first one's counts.
            let version = if version % 3 == 0 {
                format!("{version}.0")
            } else {
                format!("{version}.{number}")
            };
            test.upload(&root(), &base, &Wheel::named("p").version(&version).build())
                .await
                .unwrap();
        }
        bases.push(name);
    }
    // Bases that hold nothing take their share of the rows.
    for number in 0..197 {
        let name = format!("root/empty{number}");
        test.index(&name, json!({})).await;
        bases.push(name);
    }
    let dev = test.index("root/dev", json!({"bases": bases})).await;
    let found = links(&test, &root(), &dev).await;
    let names: Vec<&str> = found
        .iter()
        .map(|link| link.split(' ').nth(1).unwrap())
        .collect();
    assert!(names.is_sorted());
    assert_eq!(names.len(), 10 + 20 * 3);
    let shared = found.iter().filter(|link| link.contains(".0-py3"));
    for link in shared.filter(|link| {
        let version = link.split('-').nth(1).unwrap();
        version.split('.').next().unwrap().parse::<u32>().unwrap() % 3 == 0
    }) {
        assert!(link.starts_with("root/base0 "), "{link}");
    }
}
