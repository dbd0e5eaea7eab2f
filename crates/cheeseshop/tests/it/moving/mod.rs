//! Moving in from a real devpi-server, and out to one again.

mod commands;
mod kill;
mod live;
mod reports;
mod routes;
mod world;

use cheeseshop_test_support::{DevpiServer, Upstream};

use crate::support::{Api, CHEAP_HASH, Home, Server};

use self::routes::{Picture, assert_same};
use self::world::World;

/// A server that serves what was imported into a home.
fn serve(home: &Home) -> Server {
    Server::start(home, &["--set=auth.allow_empty_password=true"])
}

/// Runs a command of ours that has to succeed.
fn run(home: &Home, arguments: &[&str]) -> String {
    let output = home.run(&[arguments, CHEAP_HASH].concat());
    assert_eq!(output.code, Some(0), "{arguments:?}: {output:?}");
    output.stdout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_of_devpi_server_comes_in_and_goes_back() {
    let upstream = Upstream::start().await;
    let home = Home::new();
    let directory = |name: &str| home.path().join(name);
    let path = |name: &str| directory(name).display().to_string();

    // A devpi-server in use.
    let devpi = DevpiServer::start(&directory("devpi"), world::PASSWORD, &[]);
    let world = World::make(&devpi.url(), &upstream).await;
    let before = Picture::take(&devpi.url(), &world).await;
    assert!(before.len() > 40, "{} routes", before.len());
    devpi.stop();
    DevpiServer::command("devpi-export", &directory("devpi"))
        .args(["--include-mirrored-files", &path("out")])
        .output();

    // Its export, here.
    let told = run(
        &home,
        &[
            "import",
            "--hard-links",
            "--report",
            &path("report.json"),
            &path("out"),
        ],
    );
    assert!(told.contains("kept: 3 users, 4 indexes"), "{told}");
    reports::assert_nothing_lost(&directory("report.json"));
    let server = serve(&home);
    let here = Picture::take(&server.url, &world).await;
    assert_same("devpi-server", &before, "we", &here);
    for user in ["root", "alice", "bob"] {
        Api::login(&server.url, user, world::PASSWORD).await;
    }
    // Without its upstream the mirror still serves what came with the export.
    server.stop();
    let offline = Server::start(&home, &["--offline"]);
    world.assert_mirrored(&offline.anonymous()).await;
    offline.stop();

    // Our export, there again.
    run(
        &home,
        &["export", "--include-mirrored-files", &path("back")],
    );
    DevpiServer::command("devpi-import", &directory("second"))
        .args(["--no-root-pypi", "--no-events", &path("back")])
        .output();
    let second = DevpiServer::start_again(&directory("second"), &[]);
    let after = Picture::take(&second.url(), &world).await;
    assert_same("devpi-server before", &before, "devpi-server after", &after);
}
