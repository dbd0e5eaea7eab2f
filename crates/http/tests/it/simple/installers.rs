use crate::support::Server;

#[tokio::test]
async fn installers_find_pages_under_the_plain_index_url() {
    let server = Server::stocked().await;
    let pip = ("user-agent", "pip/26.2 {\"ci\":null}");
    let uv = ("user-agent", "uv/0.9.1");
    let simple_json = ("accept", "application/vnd.pypi.simple.v1+json");
    for (path, target) in [
        ("/alice/dev/flask/", "/alice/dev/+simple/flask/"),
        ("/alice/dev/flask", "/alice/dev/+simple/flask/"),
        ("/alice/dev/", "/alice/dev/+simple/"),
        ("/alice/dev", "/alice/dev/+simple/"),
    ] {
        for header in [pip, uv, simple_json] {
            let answer = server.anonymous().get_with(path, &[header]).await;
            assert_eq!(answer.status, 302, "{path} {header:?}");
            assert!(answer.header("vary").contains("User-Agent"));
            let base = url::Url::parse(&format!("http://localhost{path}")).unwrap();
            let location = base.join(answer.header("location")).unwrap();
            assert_eq!(location.path(), target);
            let page = server.anonymous().get_with(target, &[header]).await;
            assert_eq!(page.status, 200);
        }
        let browser = server.anonymous().get(path).await;
        assert_eq!(browser.header("content-type"), "application/json", "{path}");
    }
}
