use cheeseshop_test_support::Wheel;

use crate::support::Server;

#[tokio::test]
async fn a_project_has_one_url() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    alice
        .publish("alice/dev", &Wheel::named("my-pkg").build())
        .await;
    for (path, location) in [
        ("/alice/dev/+simple/my-pkg", "my-pkg/"),
        ("/alice/dev/+simple/My.Pkg", "my-pkg/"),
        ("/alice/dev/+simple/My_Pkg/", "../my-pkg/"),
        ("/alice/dev/+simple/my%2Dpkg/", "../my-pkg/"),
        ("/alice/dev/+simple/MY--PKG/?x=1", "../my-pkg/?x=1"),
        ("/alice/dev/+simple", "+simple/"),
    ] {
        let answer = server.anonymous().get(path).await;
        assert_eq!(answer.status, 302, "{path}");
        assert_eq!(answer.header("location"), location, "{path}");
        let base = url::Url::parse(&format!("http://localhost{path}")).unwrap();
        let target = base.join(answer.header("location")).unwrap();
        let followed = server.anonymous().get(target.path()).await;
        assert_eq!(followed.status, 200, "{path} to {target}");
    }
}

#[tokio::test]
async fn redirects_stay_behind_a_prefix() {
    let server = Server::start().await;
    let alice = server.user_with_dev("alice").await;
    alice
        .publish("alice/dev", &Wheel::named("my-pkg").build())
        .await;
    let outside = [("x-outside-url", "https://pypi.example/sub")];
    let answer = server
        .anonymous()
        .get_with("/sub/alice/dev/+simple/My_Pkg/", &outside)
        .await;
    assert_eq!(answer.status, 302);
    let base = url::Url::parse("https://pypi.example/sub/alice/dev/+simple/My_Pkg/").unwrap();
    assert_eq!(
        base.join(answer.header("location")).unwrap().path(),
        "/sub/alice/dev/+simple/my-pkg/"
    );
    for path in [
        "/sub/alice/dev/+simple/my-pkg/",
        "/alice/dev/+simple/my-pkg/",
    ] {
        let page = server.anonymous().get_with(path, &outside).await;
        assert_eq!(page.status, 200, "{path}");
    }
}
