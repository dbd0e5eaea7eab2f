//! Indexes of the type `constrained`.

use cheeseshop_app::documentation::WantedVersion;
use cheeseshop_app::files::Purpose;
use cheeseshop_app::indexes::{IndexPatch, NoChange};
use cheeseshop_app::pages::{Encoding, PageOptions, Representation};
use cheeseshop_app::{Error, Scope};
use cheeseshop_domain::api::PushRequest;
use cheeseshop_domain::{FilePath, IndexName};
use cheeseshop_test_support::{BuiltFile, Sdist, Upstream, Wheel};
use serde_json::{Value, json};

use crate::support::{TestApp, object, project, root, told};

fn wheel(name: &str, version: &str) -> BuiltFile {
    Wheel::named(name).version(version).build()
}

/// `root/c`, constrained, over `root/dev` with some releases of `aa`, `bb`, `cc`.
async fn stocked(test: &TestApp, constraints: Value) -> IndexName {
    let dev = test.index("root/dev", json!({})).await;
    for (name, version) in [
        ("aa", "1.0"),
        ("aa", "2.0"),
        ("aa", "2.1rc1"),
        ("bb", "1.0"),
        ("cc", "1.0"),
        ("cc", "2.0"),
    ] {
        test.upload(&root(), &dev, &wheel(name, version))
            .await
            .unwrap();
    }
    for (name, version) in [("aa", "final"), ("dd", "1.0-x")] {
        let fields = [(":action", "submit"), ("name", name), ("version", version)];
        test.send(&root(), &dev, &fields, None).await.unwrap();
    }
    let config = json!({"type": "constrained", "bases": ["root/dev"], "constraints": constraints});
    test.index("root/c", config).await
}

async fn constrain(test: &TestApp, index: &IndexName, constraints: Value) {
    let patch = IndexPatch::Object(object(json!({"constraints": constraints})));
    test.app
        .update_index(&root(), index, &patch, NoChange::Accept)
        .await
        .unwrap();
}

async fn list(test: &TestApp, index: &IndexName) -> Vec<String> {
    let options = PageOptions {
        representation: Representation::Json,
        encoding: Encoding::Identity,
        absolute_base: None,
    };
    let page = test
        .app
        .project_list(&root(), index, &options)
        .await
        .unwrap();
    let list: Value = serde_json::from_slice(&page.body(Encoding::Identity)).unwrap();
    list["projects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|project| project["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn versions(test: &TestApp, index: &IndexName, name: &str) -> Result<Vec<String>, Error> {
    let document = test
        .app
        .project(&root(), index, &project(name), Scope::WithBases)
        .await?;
    Ok(document
        .releases
        .iter()
        .map(|release| release.version.to_string())
        .collect())
}

/// As seen at devpi with its plugin: list of projects, then the versions of `aa`, `cc`, `dd`.
#[tokio::test]
async fn lists_pages_and_documents_show_what_the_constraints_admit() {
    for test in TestApp::on_each_database().await {
        let index = stocked(&test, json!([])).await;
        let everything = ["aa", "bb", "cc", "dd"];
        for (constraints, projects, aa, cc, dd) in [
            (
                json!([]),
                &everything[..],
                "2.1rc1 2.0 1.0 final",
                "2.0 1.0",
                "1.0-x",
            ),
            (json!(["aa>2"]), &everything, "2.1rc1", "2.0 1.0", "1.0-x"),
            (
                json!("aa<2.1\n"),
                &everything,
                "2.0 1.0",
                "2.0 1.0",
                "1.0-x",
            ),
            (
                json!(["aa"]),
                &everything,
                "2.1rc1 2.0 1.0 final",
                "2.0 1.0",
                "1.0-x",
            ),
            (json!(["aa<2", "*"]), &["aa"], "1.0", "-", "-"),
            (json!(["CC==1.0", "*"]), &["cc"], "-", "1.0", "-"),
            (json!(["aa>9"]), &everything, "", "2.0 1.0", "1.0-x"),
            (
                json!(["dd>=1"]),
                &everything,
                "2.1rc1 2.0 1.0 final",
                "2.0 1.0",
                "",
            ),
            (json!(["*"]), &[], "-", "-", "-"),
        ] {
            constrain(&test, &index, constraints.clone()).await;
            assert_eq!(list(&test, &index).await, projects, "{constraints}");
            for (name, expected) in [("aa", aa), ("cc", cc), ("dd", dd)] {
                let found = versions(&test, &index, name).await;
                let page = test.page(&root(), &index, name).await;
                if expected == "-" {
                    assert_eq!(told(found), format!("not found: no project '{name}'"));
                    assert_eq!(
                        told(page),
                        format!("not found: The project {name} does not exist.")
                    );
                    continue;
                }
                assert_eq!(found.unwrap().join(" "), expected, "{constraints} {name}");
                let page = page.unwrap();
                let listed = page["versions"].as_array().unwrap();
                assert_eq!(listed.len(), expected.split_whitespace().count());
                for file in page["files"].as_array().unwrap() {
                    let version = file["filename"]
                        .as_str()
                        .unwrap()
                        .split('-')
                        .nth(1)
                        .unwrap();
                    assert!(expected.contains(version), "{constraints} {version}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_hidden_release_is_not_behind_its_address_either() {
    let test = TestApp::start().await;
    let index = stocked(&test, json!(["aa<2", "*"])).await;
    let release = |name: &'static str, version: &'static str| {
        let (app, index) = (test.app.clone(), index.clone());
        async move {
            app.release(&root(), &index, &project(name), version, Scope::WithBases)
                .await
        }
    };
    assert!(release("aa", "1.0").await.is_ok());
    assert_eq!(
        told(release("aa", "2.0").await),
        "not found: The version 2.0 of project aa does not exist."
    );
    assert!(matches!(
        release("bb", "1.0").await,
        Err(Error::NotFound(_))
    ));

    let open = |file: &BuiltFile| {
        let path = FilePath::parse_hashed(&file.sha256[..3], &file.sha256[3..16], &file.name);
        let (app, index) = (test.app.clone(), index.clone());
        async move {
            let path = path.unwrap();
            let opened = app.open_file(&root(), &index, &path, Purpose::Read).await;
            let described = app.describe_file(&root(), &index, &path).await;
            let metadata = app.open_core_metadata(&root(), &index, &path).await;
            assert_eq!(opened.is_ok(), described.is_ok());
            assert_eq!(opened.is_ok(), metadata.is_ok());
            opened
        }
    };
    let (admitted, hidden) = (wheel("aa", "1.0"), wheel("aa", "2.0"));
    assert!(open(&admitted).await.is_ok());
    assert_eq!(told(open(&hidden).await), "not found: no such file");
    assert_eq!(
        told(open(&wheel("bb", "1.0")).await),
        "not found: no such file"
    );
    // What is remembered of a path is forgotten with the constraints.
    constrain(&test, &index, json!(["aa>=2"])).await;
    assert!(open(&hidden).await.is_ok());
    assert_eq!(told(open(&admitted).await), "not found: no such file");
}

/// Names of older archives tell the version badly; the release that a file was uploaded for is known.
#[tokio::test]
async fn a_hosted_file_is_judged_by_its_release_and_not_by_its_name() {
    let test = TestApp::start().await;
    let dev = test.index("root/dev", json!({})).await;
    let names = ["mypkg-1.0.zip", "my-1.0+2.0.zip"];
    let mut paths = Vec::new();
    for (name, version) in names.into_iter().zip(["1.0", "2.0"]) {
        let file = Wheel::named("my").version(version).build();
        let fields = [
            (":action", "file_upload"),
            ("name", "my"),
            ("version", version),
        ];
        test.send(&root(), &dev, &fields, Some((name, file.bytes)))
            .await
            .unwrap();
        let (first, second) = (&file.sha256[..3], &file.sha256[3..16]);
        paths.push(FilePath::parse_hashed(first, second, name).unwrap());
    }
    let config = json!({"type": "constrained", "bases": ["root/dev"]});
    let index = test.index("root/c", config).await;
    for (constraint, admitted) in [
        ("my", &[true, true]),
        ("my<2", &[true, false]),
        ("my>=2", &[false, true]),
        ("my>2", &[false, false]),
    ] {
        constrain(&test, &index, json!([constraint])).await;
        let listed = test.files(&root(), &index, "my").await;
        for ((name, path), admitted) in names.iter().zip(&paths).zip(admitted) {
            let is_listed = listed.iter().any(|listed| listed == name);
            assert_eq!(is_listed, *admitted, "{constraint} {name}");
            let asker = root();
            let opened = test.app.open_file(&asker, &index, path, Purpose::Read);
            assert_eq!(opened.await.is_ok(), *admitted, "{constraint} {name}");
        }
    }
}

#[tokio::test]
async fn documentation_and_test_results_of_a_hidden_release_are_hidden_too() {
    let test = TestApp::start().await;
    let index = stocked(&test, json!([])).await;
    let dev = crate::support::index("root/dev");
    let archive = Wheel::named("docs")
        .file("index.html", "docs")
        .build()
        .bytes;
    for version in ["1.0", "2.0"] {
        let fields = [
            (":action", "doc_upload"),
            ("name", "aa"),
            ("version", version),
        ];
        test.send(&root(), &dev, &fields, Some(("aa.zip", archive.clone())))
            .await
            .unwrap();
    }
    let aa = project("aa");
    let newest = wheel("aa", "2.0");
    for (constraints, expected) in [(json!([]), "2.0"), (json!(["aa<2"]), "1.0")] {
        constrain(&test, &index, constraints).await;
        let found = test
            .app
            .documentation(&root(), &index, &aa, &WantedVersion::Latest)
            .await
            .unwrap();
        assert_eq!(found.version.as_str(), expected);
        let exactly = WantedVersion::Exactly("2.0".to_owned());
        let by_version = test.app.documentation(&root(), &index, &aa, &exactly).await;
        assert_eq!(by_version.is_ok(), expected == "2.0");
        let results = test
            .app
            .test_results(&root(), &index, (&aa, "2.0"), &newest.name)
            .await;
        assert_eq!(results.is_ok(), expected == "2.0");
    }
    constrain(&test, &index, json!(["*"])).await;
    let hidden = test
        .app
        .documentation(&root(), &index, &aa, &WantedVersion::Latest)
        .await;
    assert_eq!(told(hidden), "not found: No documentation available.");
}

#[tokio::test]
async fn an_index_with_a_constrained_base_sees_all_of_it() {
    let test = TestApp::start().await;
    stocked(&test, json!(["aa<2", "*"])).await;
    let top = test.index("root/top", json!({"bases": ["root/c"]})).await;
    assert_eq!(list(&test, &top).await, ["aa", "bb", "cc", "dd"]);
    assert_eq!(versions(&test, &top, "cc").await.unwrap(), ["2.0", "1.0"]);
}

#[tokio::test]
async fn pages_in_memory_follow_a_change_of_constraints() {
    let test = TestApp::start().await;
    let index = stocked(&test, json!(["aa<2"])).await;
    for _ in 0..2 {
        assert_eq!(test.files(&root(), &index, "aa").await.len(), 1);
    }
    constrain(&test, &index, json!([])).await;
    assert_eq!(test.files(&root(), &index, "aa").await.len(), 3);
}

#[tokio::test]
async fn nothing_can_be_put_into_it() {
    let test = TestApp::start().await;
    let index = stocked(&test, json!([])).await;
    let read_only = "read only: index is marked read only";
    assert_eq!(
        told(test.upload(&root(), &index, &wheel("ee", "1.0")).await),
        read_only
    );
    let push = PushRequest::parse(&object(
        json!({"name": "aa", "version": "1.0", "targetindex": "root/c"}),
    ))
    .unwrap();
    let dev = crate::support::index("root/dev");
    assert_eq!(told(test.app.push(&root(), &dev, &push).await), read_only);
    // Who may not upload is told that first, as everywhere.
    let bob = test.user("bob").await;
    assert_eq!(
        told(test.upload(&bob, &index, &wheel("ee", "1.0")).await),
        "forbidden: no permission to submit"
    );
    let from = PushRequest::parse(&object(
        json!({"name": "aa", "version": "1.0", "targetindex": "root/dev"}),
    ))
    .unwrap();
    assert_eq!(
        told(test.app.push(&root(), &index, &from).await),
        "invalid: there are no files for aa 1.0 on stage root/c"
    );
}

#[tokio::test]
async fn constraints_are_checked_when_they_are_written() {
    let test = TestApp::start().await;
    let index = stocked(&test, json!(["aa<2"])).await;
    let patched = |items: &'static [&'static str]| {
        let patch = IndexPatch::Operations(items.iter().map(ToString::to_string).collect());
        let (app, index) = (test.app.clone(), index.clone());
        async move {
            let changed = app
                .update_index(&root(), &index, &patch, NoChange::Accept)
                .await?;
            Ok::<_, Error>(changed.config.to_json()["constraints"].clone())
        }
    };
    assert_eq!(
        patched(&["constraints+=zz<3"]).await.unwrap(),
        json!(["aa<2", "zz<3"])
    );
    assert_eq!(
        told(patched(&["constraints+=zz<4"]).await),
        "invalid: Error while parsing constrains: Constraint for 'zz' already exists."
    );
    assert_eq!(
        patched(&["constraints-=zz<3"]).await.unwrap(),
        json!(["aa<2"])
    );
    assert_eq!(
        told(patched(&["constraints-="]).await),
        "invalid: Default values can't be removed."
    );
    assert_eq!(
        patched(&["constraints=q<1\nr<2"]).await.unwrap(),
        json!(["q<1", "r<2"])
    );
    assert_eq!(
        told(patched(&["constraints=q<1,r<2"]).await)
            .split('`')
            .next(),
        Some("invalid: Error while parsing constrains: ")
    );
    assert_eq!(patched(&["constraints="]).await.unwrap(), json!([]));
    assert_eq!(
        told(patched(&["type=stage"]).await),
        "invalid: the 'type' of an index can't be changed"
    );
    // Other kinds have no such key.
    let dev = crate::support::index("root/dev");
    let patch = IndexPatch::Object(object(json!({"constraints": "a"})));
    let refused = test
        .app
        .update_index(&root(), &dev, &patch, NoChange::Accept)
        .await;
    assert_eq!(
        told(refused),
        "invalid: indexconfig got unexpected keyword arguments: constraints=a"
    );
}

#[tokio::test]
async fn constraints_filter_a_mirror_and_hide_names_from_its_upstream() {
    let test = TestApp::start().await;
    let upstream = Upstream::start().await;
    let files = [wheel("aa", "1.0"), wheel("aa", "2.0"), wheel("bb", "1.0")];
    for file in &files {
        upstream.publish(file);
    }
    upstream.publish(&Sdist::named("aa").version("2.0").build());
    let config = json!({"type": "mirror", "mirror_url": upstream.url()});
    test.index("root/up", config).await;
    let config = json!({
        "type": "constrained", "bases": ["root/up"], "constraints": ["aa<2", "*"],
    });
    let index = test.index("root/c", config).await;
    assert_eq!(list(&test, &index).await, ["aa"]);
    assert_eq!(
        test.files(&root(), &index, "aa").await,
        ["aa-1.0-py3-none-any.whl"]
    );
    assert_eq!(versions(&test, &index, "aa").await.unwrap(), ["1.0"]);
    let page = test.page(&root(), &index, "aa").await.unwrap();
    assert_eq!(page["versions"], json!(["1.0"]));
    for (file, expected) in [(&files[0], true), (&files[1], false), (&files[2], false)] {
        let path = FilePath::parse_hashed(&file.sha256[..3], &file.sha256[3..16], &file.name);
        let opened = test
            .app
            .open_file(&root(), &index, &path.unwrap(), Purpose::Read)
            .await;
        assert_eq!(opened.is_ok(), expected, "{}", file.name);
    }
    assert!(test.page(&root(), &index, "bb").await.is_err());
    test.app
        .refresh_project(&root(), &index, &project("bb"))
        .await
        .unwrap();
    assert_eq!(upstream.count(&upstream.project_path("bb")), 0);
}

#[tokio::test]
async fn its_configuration_is_kept() {
    for test in TestApp::on_each_database().await {
        let index = stocked(&test, json!(["aa<2", "*"])).await;
        let node = test.second_node().await;
        let read = node.index(&root(), &index).await.unwrap();
        assert_eq!(read.config.kind.type_name(), "constrained");
        assert!(!read.admits_project("bb"));
        let shown = read.config.to_json();
        assert_eq!(shown["type"], "constrained");
        assert_eq!(shown["constraints"], json!(["aa<2", "*"]));
        assert_eq!(shown["acl_upload"], json!(["root"]));
        assert_eq!(versions(&test, &index, "aa").await.unwrap(), ["1.0"]);
    }
}
