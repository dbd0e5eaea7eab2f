//! Certificates of clients: who gets in by them, and as whom.

use cheeseshop_test_support::{CertificateAuthority, ClientSays, Wheel};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use super::{PASSWORD, Stand};
use crate::support::{Api, DEADLINE, Server, finish_aside};

/// Settings that ask clients for certificates of the same authority.
fn asking(stand: &Stand, requirement: &str, user: &str) -> [String; 3] {
    [
        format!("--set=tls.client_certificates={requirement}"),
        format!("--set=tls.client_ca={}", stand.path("clients.pem")),
        format!("--set=tls.client_user={user}"),
    ]
}

/// A server that asks for certificates, with a company's authority for clients.
struct Door {
    stand: Stand,
    clients: CertificateAuthority,
    server: Server,
}

impl Door {
    /// `bob` and `bob/dev` are there; they are made before anybody is asked for a certificate.
    async fn open(requirement: &str, user: &str, more: &[&str]) -> Self {
        let stand = Stand::new();
        let server = stand.serve_tls(&[]);
        stand.stock(&server).await;
        server.stop();
        let clients = CertificateAuthority::new();
        stand.home.write("clients.pem", clients.pem());
        let asking = asking(&stand, requirement, user);
        let mut arguments: Vec<&str> = asking.iter().map(String::as_str).collect();
        arguments.extend(more);
        let server = stand.serve_tls(&arguments);
        Self {
            stand,
            clients,
            server,
        }
    }

    /// A client with the certificate of somebody of this common name.
    fn client_of(&self, name: &str) -> Client {
        self.client_that(&ClientSays {
            common_name: Some(name),
            ..ClientSays::default()
        })
    }

    fn client_that(&self, says: &ClientSays<'_>) -> Client {
        let identity = self.clients.issue_client_as(says);
        self.stand.client_with(&identity)
    }

    async fn get(&self, client: &Client, path: &str) -> Response {
        client.get(self.server.at(path)).send().await.unwrap()
    }

    /// Whether anything is answered at all.
    async fn is_let_in(&self, client: &Client) -> bool {
        let answer = client.get(self.server.at("+health/live")).send().await;
        answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    /// Who the server takes a client for.
    async fn name_of(&self, client: &Client) -> Value {
        let answer = self.get(client, "+api").await;
        assert_eq!(answer.status(), StatusCode::OK);
        let document: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        document["result"]["authstatus"].clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_stands_for_its_user_and_nothing_else_is_needed() {
    let door = Door::open("optional", "common_name", &[]).await;
    let bob = door.client_of("bob");
    assert_eq!(door.name_of(&bob).await, json!(["ok", "bob", []]));
    let api = Api::anonymous_by(bob.clone(), &door.server.url);
    api.upload("bob/dev", &Wheel::named("app").build()).await;
    // Also for what is answered from memory.
    let closed = json!({"bases": [], "acl_read": ["bob"]});
    api.create_index("bob/closed", &closed).await;
    api.upload("bob/closed", &Wheel::named("secret").build())
        .await;
    let anonymous = door.stand.client();
    for _ in 0..2 {
        let page = "bob/closed/+simple/secret/";
        assert_eq!(door.get(&bob, page).await.status(), StatusCode::OK);
        let refused = door.get(&anonymous, page).await.status();
        assert_eq!(refused, StatusCode::UNAUTHORIZED);
    }
    // Without a certificate one is nobody, as ever, and may log in.
    assert_eq!(door.name_of(&anonymous).await, json!(["noauth", "", []]));
    let logged_in = Api::login_by(anonymous, &door.server.url, "bob", PASSWORD).await;
    assert_eq!(logged_in.get("bob/closed").await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_make_nobody_of_anybody() {
    let door = Door::open("optional", "common_name", &[]).await;
    let forged = [
        ("x-ssl-client-s-dn", "CN=root"),
        ("x-ssl-client-verify", "SUCCESS"),
        ("x-client-cert", "CN=root"),
        ("x-forwarded-client-cert", "Subject=\"CN=root\""),
        ("x-forwarded-user", "root"),
        ("x-remote-user", "root"),
        ("ssl_client_s_dn", "CN=root"),
        ("client-cert", ":cm9vdA==:"),
    ];
    for client in [door.stand.client(), door.client_of("bob")] {
        let before = door.name_of(&client).await;
        let mut request = client.get(door.server.at("+api"));
        for (name, value) in forged {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap().text().await.unwrap();
        let document: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(document["result"]["authstatus"], before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_are_sent_decide() {
    let door = Door::open("required", "common_name", &[]).await;
    let bob = door.client_of("bob");
    // Nobody but root makes users; a certificate of that name is root.
    let root = Api::anonymous_by(door.client_of("root"), &door.server.url);
    root.create_user("eve", "eves-password").await;
    for (password, expected) in [
        ("eves-password", json!(["ok", "eve", []])),
        ("wrong", json!(["noauth", "", []])),
    ] {
        let request = bob
            .get(door.server.at("+api"))
            .basic_auth("eve", Some(password));
        let answer = request.send().await.unwrap().text().await.unwrap();
        let document: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(document["result"]["authstatus"], expected, "{password}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_decides_as_long_as_its_login_holds() {
    let door = Door::open("optional", "common_name", &[]).await;
    let bob = door.client_of("bob");
    let api = Api::anonymous_by(bob.clone(), &door.server.url);
    let closed = json!({"bases": [], "acl_read": ["bob"]});
    api.create_index("bob/closed", &closed).await;
    api.upload("bob/closed", &Wheel::named("secret").build())
        .await;
    let root = Api::anonymous_by(door.client_of("root"), &door.server.url);
    root.create_user("eve", "eves-password").await;
    let browser = door.stand.trusting();
    let browser = browser.redirect(reqwest::redirect::Policy::none());
    let logged_in = browser.build().unwrap().post(door.server.at("+login"));
    let logged_in = logged_in
        .header("accept", "text/html")
        .header("origin", &door.server.url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("username=eve&password=eves-password")
        .send()
        .await
        .unwrap();
    let cookies = logged_in.headers().get_all("set-cookie").iter();
    let mut cookies = cookies.filter_map(|cookie| cookie.to_str().ok());
    let eves = cookies.find(|cookie| cookie.starts_with("auth_tkt="));
    let eves = eves.unwrap().split(';').next().unwrap().to_owned();
    let stale = format!("auth_tkt=bob%3Acsl1_{}", "A".repeat(54));
    let page = "bob/closed/+simple/secret/";
    let status = async |client: &Client, name: &'static str, value: &str| {
        let request = client.get(door.server.at(page)).header(name, value);
        request.send().await.unwrap().status()
    };
    // Twice, for the second answer may come from memory.
    for _ in 0..2 {
        for (client, name, value, expected) in [
            (&bob, "cookie", stale.as_str(), StatusCode::OK),
            (&bob, "cookie", "auth_tkt=nonsense", StatusCode::OK),
            (&bob, "cookie", &eves, StatusCode::NOT_FOUND),
            // What is written on purpose is not put right.
            (
                &bob,
                "authorization",
                "Basic Ym9iOndyb25n",
                StatusCode::UNAUTHORIZED,
            ),
            (&bob, "authorization", "Basic !", StatusCode::UNAUTHORIZED),
            (&bob, "x-devpi-auth", "!", StatusCode::UNAUTHORIZED),
            (
                &door.stand.client(),
                "cookie",
                &stale,
                StatusCode::UNAUTHORIZED,
            ),
        ] {
            assert_eq!(
                status(client, name, value).await,
                expected,
                "{name}: {value}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_here_or_not_one_user_is_told_so() {
    for (which, says, expected) in [
        (
            "common_name",
            ClientSays {
                common_name: Some("nobody"),
                ..ClientSays::default()
            },
            "is for the user \"nobody\", who does not exist here",
        ),
        ("common_name", ClientSays::default(), "has no common name"),
        (
            "email",
            ClientSays {
                emails: &["bob@shop.test", "root@shop.test"],
                ..ClientSays::default()
            },
            "has more than one e-mail address",
        ),
        (
            "dns",
            ClientSays {
                dns: &["bob", "root"],
                ..ClientSays::default()
            },
            "has more than one DNS name",
        ),
    ] {
        let door = Door::open("required", which, &[]).await;
        let client = door.client_that(&says);
        let refused = door.get(&client, "bob/dev/+simple/").await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{which}");
        let text = refused.text().await.unwrap();
        assert!(text.contains(expected), "{text}");
        assert!(door.is_let_in(&client).await, "health is nobody's secret");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_names_than_the_common_one_can_be_chosen() {
    let says = ClientSays {
        common_name: Some("root"),
        emails: &["bob@shop.test"],
        dns: &["bob"],
        ..ClientSays::default()
    };
    let door = Door::open("optional", "dns", &[]).await;
    let client = door.client_that(&says);
    assert_eq!(door.name_of(&client).await, json!(["ok", "bob", []]));
    let door = Door::open("optional", "email", &[]).await;
    let refused = door.get(&door.client_that(&says), "+api").await;
    let text = refused.text().await.unwrap();
    assert!(text.contains("bob@shop.test"), "{text}");
    let door = Door::open("required", "none", &[]).await;
    let client = door.client_that(&says);
    assert_eq!(door.name_of(&client).await, json!(["noauth", "", []]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_authority_does_not_vouch_for_is_not_let_in() {
    let door = Door::open("required", "common_name", &[]).await;
    let stand = &door.stand;
    let expired = ClientSays {
        common_name: Some("bob"),
        years: Some(2020..2021),
        ..ClientSays::default()
    };
    let other = CertificateAuthority::new().issue_client("bob");
    let of_a_server = door.clients.issue(&["bob"]);
    for (what, client) in [
        ("none", stand.client()),
        ("expired", door.client_that(&expired)),
        ("another authority", stand.client_with(&other)),
        ("a server's", stand.client_with(&of_a_server)),
    ] {
        assert!(!door.is_let_in(&client).await, "{what}");
    }
    assert!(door.is_let_in(&door.client_of("bob")).await);
    for reason in ["is missing", "has expired", "does not name"] {
        door.server.wait_for_log(reason).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_authority_has_taken_back_is_not_let_in() {
    let says = |serial| ClientSays {
        common_name: Some("bob"),
        serial: Some(serial),
        ..ClientSays::default()
    };
    let stand = Stand::new();
    let server = stand.serve_tls(&[]);
    stand.stock(&server).await;
    server.stop();
    let clients = CertificateAuthority::new();
    stand.home.write("clients.pem", clients.pem());
    stand.home.write("revoked.pem", &clients.revocations(&[7]));
    let mut arguments = asking(&stand, "optional", "common_name").to_vec();
    arguments.push(format!(
        "--set=tls.client_revoked={}",
        stand.path("revoked.pem")
    ));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let server = stand.serve_tls(&arguments);
    let door = Door {
        stand,
        clients,
        server,
    };
    assert!(!door.is_let_in(&door.client_that(&says(7))).await);
    assert!(door.is_let_in(&door.client_that(&says(8))).await);
    door.server.wait_for_log("was revoked").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_out_of_date_lets_nobody_in_unless_it_is_to() {
    let says = |serial| ClientSays {
        common_name: Some("bob"),
        serial: Some(serial),
        ..ClientSays::default()
    };
    let door = Door::open("optional", "common_name", &[]).await;
    let outdated = [(2020, 1, 1), (2021, 1, 1)];
    let list = door.clients.revocations_for(&[7], outdated);
    door.stand.home.write("revoked.pem", &list);
    let Door {
        stand,
        clients,
        server,
    } = door;
    server.stop();
    let mut arguments = asking(&stand, "optional", "common_name").to_vec();
    arguments.push(format!(
        "--set=tls.client_revoked={}",
        stand.path("revoked.pem")
    ));
    for (setting, is_let_in) in [("refuse", false), ("accept", true)] {
        let mut arguments = arguments.clone();
        arguments.push(format!("--set=tls.client_revoked_expired={setting}"));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let server = stand.serve_tls(&arguments);
        server.wait_for_log("is out of date since 2021-01-01").await;
        let (revoked, bob) = (
            clients.issue_client_as(&says(7)),
            clients.issue_client_as(&says(8)),
        );
        let get = async |client: &Client| {
            let answer = client.get(server.at("metrics")).send().await;
            answer.ok()?.text().await.ok()
        };
        assert_eq!(
            get(&stand.client_with(&bob)).await.is_some(),
            is_let_in,
            "{setting}"
        );
        assert_eq!(get(&stand.client_with(&revoked)).await, None, "{setting}");
        let metrics = get(&stand.client()).await.unwrap();
        let end = "cheeseshop_tls_client_revoked_next_update_seconds 1609459200";
        assert!(metrics.contains(end), "{metrics}");
        let url = server.url.replace("127.0.0.1", "localhost");
        let mut command = stand.home.bare_cheeseshop(&["doctor", &url]);
        command.env("SSL_CERT_FILE", stand.home.path().join("ca.pem"));
        let doctor = finish_aside(command).await.stdout;
        let told = "warn  revoked certificates: the server's list of revoked client certificates is out of date since 2021";
        assert!(doctor.contains(told), "{doctor}");
        if !is_let_in {
            server
                .wait_for_log("`tls.client_revoked` is out of date")
                .await;
            // A new list is all that it takes.
            stand.home.write("revoked.pem", &clients.revocations(&[7]));
            server.signal("HUP");
            let deadline = std::time::Instant::now() + DEADLINE;
            while get(&stand.client_with(&bob)).await.is_none() {
                assert!(std::time::Instant::now() < deadline, "{}", server.log());
            }
            stand.home.write("revoked.pem", &list);
        }
        server.stop();
    }
}

/// Asks until the answer is as wanted: a signal takes its time.
async fn until(door: &Door, client: &Client, wanted: StatusCode) -> String {
    let deadline = std::time::Instant::now() + DEADLINE;
    loop {
        let answer = door.get(client, "+api").await;
        if answer.status() == wanted {
            return answer.text().await.unwrap();
        }
        assert!(std::time::Instant::now() < deadline, "{}", answer.status());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_there_already_counts_by_the_newest_rules() {
    let door = Door::open("optional", "common_name", &[]).await;
    let bob = door.client_of("bob");
    let anonymous = door.stand.client();
    assert_eq!(door.name_of(&bob).await, json!(["ok", "bob", []]));
    assert_eq!(door.get(&anonymous, "+api").await.status(), StatusCode::OK);
    let api = Api::anonymous_by(bob.clone(), &door.server.url);
    api.upload("bob/dev", &Wheel::named("app").build()).await;
    let with_password = async || {
        let request = bob.get(door.server.at("bob/dev/+simple/app/"));
        let request = request.basic_auth("bob", Some(PASSWORD));
        request.send().await.unwrap().status()
    };
    for _ in 0..2 {
        assert_eq!(with_password().await, StatusCode::OK);
    }
    // The company takes another authority for its people.
    let other = CertificateAuthority::new();
    door.stand.home.write("clients.pem", other.pem());
    door.server.signal("HUP");
    let told = until(&door, &bob, StatusCode::FORBIDDEN).await;
    assert!(told.contains("`tls.client_ca` does not name"), "{told}");
    // Nor does a password that is remembered get a page that is in memory.
    assert_eq!(with_password().await, StatusCode::FORBIDDEN);
    let health = door.get(&bob, "+health/live").await;
    assert_eq!(health.status(), StatusCode::OK, "on the same connection");
    assert_eq!(door.get(&anonymous, "+api").await.status(), StatusCode::OK);
    let new = door.stand.client_with(&other.issue_client("bob"));
    assert_eq!(door.name_of(&new).await, json!(["ok", "bob", []]));
    // And back again.
    door.stand.home.write("clients.pem", door.clients.pem());
    door.server.signal("HUP");
    until(&door, &bob, StatusCode::OK).await;
    assert_eq!(door.name_of(&bob).await, json!(["ok", "bob", []]));
}
