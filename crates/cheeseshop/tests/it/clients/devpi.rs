//! The released devpi client: use, login, user, index, upload, list, remove, push.

use std::path::PathBuf;

use cheeseshop_test_support::{Sdist, Wheel};

use super::shop::{PASSWORD, Shop, run, succeed};
use crate::support::Output;

/// A devpi client with a directory of its own.
pub(super) struct Devpi<'a> {
    shop: &'a Shop,
    pub(super) folder: PathBuf,
}

impl<'a> Devpi<'a> {
    pub(super) fn new(shop: &'a Shop, name: &str) -> Self {
        Self {
            shop,
            folder: shop.folder(name),
        }
    }

    pub(super) async fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.shop.client("devpi-client", &self.folder).await;
        command.args(arguments);
        command
    }

    pub(super) async fn succeed(&self, arguments: &[&str]) -> String {
        succeed(self.command(arguments).await).await
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        run(self.command(arguments).await).await
    }

    /// Uses the server and logs in.
    pub(super) async fn login(&self, user: &str, password: &str) {
        self.succeed(&["use", &self.shop.server.url]).await;
        let talk = self.succeed(&["login", user, "--password", password]).await;
        assert!(
            talk.contains(&format!("logged in '{user}'")) && talk.contains("10.00 hours"),
            "{talk}"
        );
    }
}

#[tokio::test]
async fn users_are_created_changed_listed_and_deleted() {
    let shop = Shop::open().await;
    let devpi = Devpi::new(&shop, "root");
    let password = shop.server.root_password.clone().unwrap();
    devpi.login("root", &password).await;

    let talk = devpi
        .succeed(&[
            "user",
            "-c",
            "carol",
            "password=1234567890",
            "email=carol@shop.test",
        ])
        .await;
    assert!(talk.contains("user created: carol"), "{talk}");
    let talk = devpi.succeed(&["user", "-m", "carol", "title=Dr"]).await;
    assert!(talk.contains("user modified: carol"), "{talk}");
    let talk = devpi.succeed(&["user", "carol"]).await;
    assert!(talk.contains("email=carol@shop.test"), "{talk}");
    assert!(talk.contains("title=Dr"), "{talk}");
    let talk = devpi.succeed(&["user", "-l"]).await;
    for name in ["bob", "carol", "root"] {
        assert!(talk.lines().any(|line| line == name), "{talk}");
    }
    let talk = devpi.succeed(&["user", "-y", "--delete", "carol"]).await;
    assert!(talk.contains("user deleted: carol"), "{talk}");
    let talk = devpi.succeed(&["user", "-l"]).await;
    assert!(!talk.contains("carol"), "{talk}");

    // Who is nobody creates nobody.
    let stranger = Devpi::new(&shop, "stranger");
    stranger.succeed(&["use", &shop.server.url]).await;
    let output = stranger
        .run(&["user", "-c", "mallory", "password=1234567890"])
        .await;
    assert_eq!(output.code, Some(1), "{output:?}");
}

#[tokio::test]
async fn indexes_are_created_changed_listed_and_deleted() {
    let shop = Shop::open().await;
    let devpi = Devpi::new(&shop, "bob");
    devpi.login("bob", PASSWORD).await;

    let talk = devpi
        .succeed(&["index", "-c", "prod", "bases=bob/dev", "volatile=False"])
        .await;
    for line in [
        "bases=bob/dev",
        "volatile=False",
        "acl_upload=bob",
        "type=stage",
    ] {
        assert!(talk.contains(line), "{line}: {talk}");
    }
    let talk = devpi
        .succeed(&["index", "prod", "title=Production", "acl_upload=bob,root"])
        .await;
    assert!(talk.contains("title=Production"), "{talk}");
    let talk = devpi.succeed(&["index", "bob/prod"]).await;
    assert!(talk.contains("acl_upload=bob,root"), "{talk}");
    let talk = devpi.succeed(&["index", "-l"]).await;
    assert!(
        talk.contains("bob/dev") && talk.contains("bob/prod"),
        "{talk}"
    );
    let talk = devpi.succeed(&["use", "-l"]).await;
    assert!(talk.contains("bases=bob/dev"), "{talk}");
    let talk = devpi.succeed(&["use", "bob/prod"]).await;
    assert!(
        talk.contains(&format!("{}/bob/prod (logged in as bob)", shop.server.url)),
        "{talk}"
    );
    let output = devpi.run(&["index", "-y", "--delete", "bob/prod"]).await;
    // devpi's rule: what is not volatile cannot be deleted.
    assert_eq!(output.code, Some(1), "{output:?}");
    devpi.succeed(&["index", "prod", "volatile=True"]).await;
    devpi
        .succeed(&["index", "-y", "--delete", "bob/prod"])
        .await;
    let talk = devpi.succeed(&["index", "-l"]).await;
    assert!(!talk.contains("bob/prod"), "{talk}");
    let output = devpi.run(&["index", "-c", "wrong", "bases=no/where"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stdout.contains("no/where"), "{output:?}");
}

#[tokio::test]
async fn releases_are_uploaded_listed_pushed_and_removed() {
    let shop = Shop::open().await;
    let devpi = Devpi::new(&shop, "bob");
    devpi.login("bob", PASSWORD).await;
    devpi
        .succeed(&["index", "-c", "prod", "bases=", "volatile=True"])
        .await;
    devpi
        .succeed(&["index", "-c", "test", "bases=", "volatile=True"])
        .await;
    devpi.succeed(&["use", "bob/test"]).await;

    for version in ["1.0", "1.1"] {
        let wheel = Wheel::named("by-devpi").version(version).build();
        let sdist = Sdist::named("by-devpi").version(version).build();
        let files = Shop::dist(&devpi.folder, &[&wheel, &sdist]);
        let talk = devpi.succeed(&["upload", &files[0], &files[1]]).await;
        assert!(
            talk.contains(&format!("file_upload of {}", wheel.name)),
            "{talk}"
        );
    }
    let talk = devpi.succeed(&["list"]).await;
    assert!(talk.lines().any(|line| line.trim() == "by-devpi"), "{talk}");
    let talk = devpi.succeed(&["list", "by-devpi"]).await;
    for file in ["by_devpi-1.0.tar.gz", "by_devpi-1.1-py3-none-any.whl"] {
        assert!(talk.contains(file), "{talk}");
    }

    let talk = devpi.succeed(&["push", "by-devpi==1.1", "bob/prod"]).await;
    assert!(talk.contains("200"), "{talk}");
    assert_eq!(
        shop.listed("bob/prod", "by-devpi").await,
        ["by_devpi-1.1-py3-none-any.whl", "by_devpi-1.1.tar.gz"]
    );
    let pushed = shop.root.files("bob/prod", "by-devpi").await;
    for file in pushed {
        assert_eq!(shop.root.digest_of(&file.url).await, file.sha256);
    }

    let talk = devpi.succeed(&["remove", "-y", "by-devpi==1.0"]).await;
    assert!(talk.contains("deleting release 1.0 of by-devpi"), "{talk}");
    assert_eq!(
        shop.listed("bob/test", "by-devpi").await,
        ["by_devpi-1.1-py3-none-any.whl", "by_devpi-1.1.tar.gz"]
    );
    devpi.succeed(&["remove", "-y", "by-devpi"]).await;
    assert_eq!(
        shop.listed("bob/test", "by-devpi").await,
        Vec::<String>::new()
    );
    // What was pushed is another index's own.
    assert_eq!(shop.listed("bob/prod", "by-devpi").await.len(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let shop = Shop::open().await;
    let devpi = Devpi::new(&shop, "bob");
    devpi.succeed(&["use", &shop.server.url]).await;
    let output = devpi.run(&["login", "bob", "--password", "wrong"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(
        output.stdout.contains("could not be authenticated"),
        "{output:?}"
    );
}
