//! With what login `cheeseshop fill` uploads.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cheeseshop_test_support::Sdist;
use serde_json::json;

use super::stand::{Stand, python};

/// What passed towards a server, one text a connection.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Vec<u8>>>>);

impl Heard {
    /// Stands in front of a server, and gives its own address.
    fn in_front_of(url: &str) -> (String, Self) {
        let behind = url.trim_start_matches("http://").trim_end_matches('/');
        let behind = behind.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Self::default();
        let all = heard.clone();
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), TcpStream::connect(&behind).unwrap());
                all.listen(near, far);
            }
        });
        (url, heard)
    }

    fn listen(&self, near: TcpStream, far: TcpStream) {
        let (from_far, to_near) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        std::thread::spawn(move || pass_on(from_far, to_near, |_| ()));
        let all = self.0.clone();
        let number = {
            let mut all = all.lock().unwrap();
            all.push(Vec::new());
            all.len() - 1
        };
        std::thread::spawn(move || {
            pass_on(near, far, |bytes| {
                all.lock().unwrap()[number].extend_from_slice(bytes);
            });
        });
    }

    /// The secrets of the logins that requests beginning with `line` came with.
    fn secrets(&self, line: &str) -> Vec<String> {
        let all = self.0.lock().unwrap();
        let texts: Vec<_> = all.iter().map(|it| String::from_utf8_lossy(it)).collect();
        let requests = texts.iter().flat_map(|text| text.split(line).skip(1));
        let logins = requests.map(|request| {
            let mut lines = request.lines().take_while(|line| !line.is_empty());
            let login = lines.find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("X-Devpi-Auth").then_some(value)
            });
            let login = STANDARD.decode(login.expect("nobody is logged in"));
            String::from_utf8(login.unwrap()).unwrap()
        });
        logins
            .map(|login| login.split_once(':').unwrap().1.to_owned())
            .collect()
    }
}

/// Until one of them has enough, which the other is told.
fn pass_on(mut from: TcpStream, mut to: TcpStream, listen: impl Fn(&[u8])) {
    let mut chunk = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        listen(&chunk[..count]);
        if to.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[tokio::test]
async fn of_a_token_each_upload_gets_one_for_its_project_and_a_minute() {
    let stand = Stand::at_our_server().await;
    stand.index("bob/dev", json!({})).await;
    for name in ["first", "second"] {
        stand.upload("bob/dev", &Sdist::named(name).build()).await;
    }
    stand.write("all.txt", "first\nsecond\n");
    let (url, heard) = Heard::in_front_of(&stand.url);
    stand.done(&["use", &url]);
    stand.done(&["login", "bob", "--password", super::stand::PASSWORD]);
    stand.done(&["token-create", "-a", "upload,pkg_read", "-o", "token"]);
    stand.done(&["token-login", "-f", "token"]);
    let all = std::fs::read_to_string(stand.home.path().join("token")).unwrap();
    let output = stand.run(&["fill", "-p", &python(), "all.txt", "bob/dev"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(output.stderr, "2 uploaded\n");

    let secrets = heard.secrets("POST /bob/dev/ ");
    assert_eq!(secrets.len(), 2, "{secrets:?}");
    let mut projects = Vec::new();
    for secret in &secrets {
        assert_ne!(secret, all.trim());
        let token = URL_SAFE_NO_PAD.decode(secret.strip_prefix("devpi-").unwrap());
        let token = String::from_utf8_lossy(&token.unwrap()).into_owned();
        assert!(token.matches("expires=").count() == 2, "{token:?}");
        projects.extend(["first", "second"].into_iter().find(|name| {
            let restriction = format!("projects={name}");
            token.contains(&restriction)
        }));
    }
    projects.sort_unstable();
    assert_eq!(projects, ["first", "second"]);
}
